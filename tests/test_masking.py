"""What comes from outside is told without the numbers and credentials in it."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payments_core.masking import mask_key, mask_number, scrub

UUID = re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
LONG = re.compile(r"\d{7,}")
LONG_WITH_GAPS = re.compile(r"\d(?:[ .-]?\d){6,}")

# Text rich in what matters: digits, separators, credentials, references.
PIECES = st.one_of(
    st.text("0123456789", min_size=1, max_size=16),
    st.sampled_from(
        [" ", "  ", "-", ".", "+", "\n", "\t", "\0", "@", "Bearer ", "basic ", "a", "/", ":", "\u00a0", "eyJ"]
    ),
    st.uuids().map(str),
    st.text(max_size=6),
)
TEXT = st.lists(PIECES, max_size=14).map("".join)


@given(TEXT)
@example("+256 772 123 456")
@example("256-772\n123\t456")
@example("12\u00a0345\u00a0678")
def test_no_long_number_gets_through(text: str) -> None:
    """Seven digits in a row, or with single gaps, stand in no output unless a reference holds them."""
    told = UUID.sub("<reference>", scrub(text, limit=10_000))

    assert not LONG.search(told)
    assert not LONG_WITH_GAPS.search(told)


@given(TEXT, st.integers(20, 300))
def test_a_cut_lets_nothing_through(text: str, limit: int) -> None:
    """Where the text is cut, no number becomes visible that was masked before."""
    told = scrub(text, limit=limit)
    held = "".join(UUID.findall(text))

    assert len(told) <= limit
    assert [number for number in LONG.findall(UUID.sub("", told)) if number not in held.replace("-", "")] == []


@given(TEXT)
def test_twice_is_once(text: str) -> None:
    """What was scrubbed on its way into the journal may be scrubbed again on its way into a log."""
    once = scrub(text, limit=10_000)

    assert scrub(once, limit=10_000) == once


@given(st.uuids(), st.sampled_from(["{}", "ref {} unknown", "({})", "X-Reference-Id:{};", "{}\n256772123456"]))
def test_references_stay(reference: uuid.UUID, around: str) -> None:
    """A reference is how people find a payment again."""
    assert str(reference) in scrub(around.format(reference))


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def-ghi_jkl/mno+pqr==",
        "authorization: bearer   abc.def-ghi_jkl/mno+pqr==",
        "Basic abc.def-ghi_jkl/mno+pqr==",
        "token eyJhbGciOiJIUzI1NiJ9.abc.def-ghi_jkl refused",
        'got {"access_token":"eyJhbGciOiJIUzI1NiJ9.abc.def-ghi_jkl.mno"}',
    ],
)
def test_credentials_by_form(text: str) -> None:
    assert not re.search("abc|def|ghi|mno", scrub(text))


@given(st.uuids())
def test_a_credential_that_looks_like_a_reference(token: uuid.UUID) -> None:
    """Some providers' tokens and API keys are UUIDs."""
    assert str(token) not in scrub(f"Authorization: Bearer {token}")


@given(st.emails())
def test_no_email_address_gets_through(address: str) -> None:
    name = address.rpartition("@")[0]

    if re.fullmatch(r"[\w.+-]+", name):
        assert address not in scrub(f"payee {address} unknown")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ""),
        ("all is well", "all is well"),
        ("HTTP 503 after 30 s", "HTTP 503 after 30 s"),
        ("payee 256772123456 unknown", "payee 256******456 unknown"),
        ("payee +256772123456 unknown", "payee +25*******456 unknown"),
        ("two\nlines", "two lines"),
        ("amount 25000.00", "amount 25****00"),  # rather too much than too little
    ],
)
def test_told(text: str, told: str) -> None:
    assert scrub(text) == told


@given(st.text())
def test_a_masked_number_shows_at_most_half(value: str) -> None:
    """Three at each end and never more than half of it; the length stays."""
    masked = mask_number(value)
    hidden = masked.count("*") - value.count("*")

    assert len(masked) == len(value)
    assert hidden * 2 >= len(value) - 2 * value.count("*")
    assert all(ours in {theirs, "*"} for ours, theirs in zip(masked, value, strict=True))


@given(st.text(min_size=1))
def test_a_masked_key_is_never_the_key(key: str) -> None:
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
def test_masked_keys(key: str, masked: str) -> None:
    assert mask_key(key) == masked
