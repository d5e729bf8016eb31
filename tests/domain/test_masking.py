"""What comes from outside is shown without the numbers and credentials in it."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payments_core.domain.masking import mask_in, mask_key, mask_number, scrub, scrub_code

UUID = re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
LONG = re.compile(r"\d{7,}")
LONG_WITH_GAPS = re.compile(r"\d(?:[ .,/_()\-\u2010-\u2015]{0,3}\d){6,}")
DATE = re.compile(r"\b((19|20)\d\d-\d\d-\d\d|\d\d([./])\d\d\3(19|20)\d\d)\b([T ][\d:.]+(Z| ?[+-][\d:]+)?)?")

# Text rich in what matters: digits, separators, credentials, references.
PIECES = st.one_of(
    st.text("0123456789", min_size=1, max_size=16),
    st.sampled_from(
        [" ", "  ", "-", ".", "+", "\n", "\t", "\0", "@", "Bearer ", "basic ", "a", "/", ":", "\u00a0", "eyJ"]
    ),
    st.sampled_from(
        [" (", ") ", ", ", "_", "\u2013", "\u200b", "\u00ad", "\x1b[2J", "2026-11-02", "17:23:13", "02.11.2026"]
    ),
    st.uuids().map(str),
    st.text(max_size=6),
)
TEXT = st.lists(PIECES, max_size=14).map("".join)


@given(TEXT)
@example("+256 772 123 456")
@example("256-772\n123\t456")
@example("12\u00a0345\u00a0678")
@example("+256 (772) 123-456")
@example("256/772/123456 256,772,123,456 256_772_123456 256\u2013772\u2013123456 256\u200b772\u00ad123456")
def test_scrub_leaves_no_run_of_seven_digits(text: str) -> None:
    """Seven digits in a row, or with single gaps, stand in no output unless a reference holds them."""
    result = DATE.sub("<date>", UUID.sub("<reference>", scrub(text, limit=10_000)))

    assert not LONG.search(result)
    assert not LONG_WITH_GAPS.search(result)


@given(TEXT, st.integers(20, 300))
def test_scrub_with_a_limit_reveals_no_masked_digit(text: str, limit: int) -> None:
    """Where the text is cut, no number becomes visible that was masked before."""
    result = scrub(text, limit=limit)
    held = "".join(UUID.findall(text))

    assert len(result) <= limit
    assert [number for number in LONG.findall(UUID.sub("", result)) if number not in held.replace("-", "")] == []


@given(TEXT)
def test_scrub_is_idempotent(text: str) -> None:
    """What was scrubbed on its way into the journal may be scrubbed again on its way into a log."""
    once = scrub(text, limit=10_000)

    assert scrub(once, limit=10_000) == once


@given(st.uuids(), st.sampled_from(["{}", "ref {} unknown", "({})", "X-Reference-Id:{};", "{}\n256772123456"]))
def test_scrub_keeps_references(reference: uuid.UUID, around: str) -> None:
    """A reference is how people find a payment again."""
    assert str(reference) in scrub(around.format(reference))


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def-ghi_jkl/mno+pqr==",
        "authorization: bearer   abc.def-ghi_jkl/mno+pqr==",
        "Basic abc.def-ghi_jkl/mno+pqr==",
        "Bearer: abc.def-ghi_jkl/mno+pqr==",
        '{"Bearer": "abc.def-ghi_jkl/mno+pqr=="}',
        "token eyJhbGciOiJIUzI1NiJ9.abc.def-ghi_jkl refused",
        'got {"access_token":"eyJhbGciOiJIUzI1NiJ9.abc.def-ghi_jkl.mno"}',
    ],
)
def test_scrub_masks_credentials_by_their_form(text: str) -> None:
    assert not re.search("abc|def|ghi|mno", scrub(text))


@given(st.uuids())
def test_scrub_masks_a_credential_that_looks_like_a_reference(token: uuid.UUID) -> None:
    """Some providers' tokens and API keys are UUIDs."""
    assert str(token) not in scrub(f"Authorization: Bearer {token}")


@given(st.emails())
def test_scrub_masks_email_addresses(address: str) -> None:
    name = address.rpartition("@")[0]

    if re.fullmatch(r"[\w.+-]+", name):
        assert address not in scrub(f"payee {address} unknown")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("all is well", "all is well"),
        ("HTTP 503 after 30 s", "HTTP 503 after 30 s"),
        ("payee 256772123456 unknown", "payee 256******456 unknown"),
        ("payee +256772123456 unknown", "payee +25*******456 unknown"),
        ("two\nlines", "two lines"),
        ("seen at 2026-11-02 17:23:13", "seen at 2026-11-02 17:23:13"),
        ("(2026-11-02T17:23:13.123456+00:00)", "(2026-11-02T17:23:13.123456+00:00)"),
        ("02.11.2026 17:23:13, 02/11/2026", "02.11.2026 17:23:13, 02/11/2026"),
        ("paid 2026-11-02 256772123456", "paid 2026-11-02 256******456"),
        ("\x1b[2J\x07gone", "[2J gone"),
        ("amount 25000.00", "amount 25****00"),  # rather too much than too little
    ],
)
def test_scrub_masks_reported_texts(text: str, expected: str) -> None:
    assert scrub(text) == expected


@pytest.mark.parametrize("code", ["DP00800001001", "500.001.1001", "PAYEE_NOT_FOUND", "INS-2006", "17", "R000001"])
def test_provider_codes_are_not_masked(code: str) -> None:
    """A code that is masked cannot be looked up in the provider's table, and the journal keeps it for good."""
    assert scrub_code(code) == code


@given(st.from_regex(r"\+?[1-9]\d{7,14}", fullmatch=True), st.sampled_from(["", "MSISDN ", "payee:", "no_such_"]))
def test_number_in_the_place_of_a_code_is_masked(number: str, before: str) -> None:
    """What a provider puts there may be anything."""
    assert number not in scrub_code(before + number)


@given(st.from_regex(r"[A-Z_]{1,80}", fullmatch=True))
def test_bare_word_is_what_scrub_leaves_unchanged(code: str) -> None:
    """What is not scrubbed is what scrubbing would leave as it is."""
    assert scrub_code(code) == scrub(code, limit=80) == code


@given(st.text())
def test_masked_number_shows_at_most_half_of_it(value: str) -> None:
    """Three at each end and never more than half of it; the length stays."""
    masked = mask_number(value)
    hidden = masked.count("*") - value.count("*")

    assert len(masked) == len(value)
    assert hidden * 2 >= len(value) - 2 * value.count("*")
    assert all(ours in {theirs, "*"} for ours, theirs in zip(masked, value, strict=True))


@given(st.text(min_size=1))
def test_masked_key_is_never_the_key(key: str) -> None:
    masked = mask_key(key)

    assert "\u2026" in masked
    assert len(masked) <= 8
    assert len(masked.replace("\u2026", "")) < len(key) or "\u2026" in key


@pytest.mark.parametrize(
    ("key", "masked"),
    [
        ("a", "\u2026"),
        ("0042", "\u2026"),
        ("k-042", "k\u202642"),
        ("256772123456", "256\u20263456"),
        ("salary-2026-11/0042", "sal\u20260042"),
    ],
)
def test_masked_key_has_its_documented_form(key: str, masked: str) -> None:
    assert mask_key(key) == masked


def test_unstorable_characters_are_left_out_of_text() -> None:
    """A reason from a terminal of another encoding is written down all the same."""
    assert scrub("paid\0 twice\udcff ") == "paid twice"


@pytest.mark.parametrize(
    "key", ["a46:733:123:499z", "46|733|123|499", "46#733~123\u00b7499", "x/0733\u2044123\u2044499", "46 . 733-123499"]
)
def test_number_search_finds_a_number_between_any_separators(key: str) -> None:
    """What leaves with a webhook knows whose number it may not show, however the caller's key writes it."""
    masked = mask_in(key, "46733123499")
    assert not re.search(r"7\W*3\W*3\W*1\W*2\W*3", masked)
    assert "*" in masked
