"""Keys: two that look alike are not two payments, and none is taken for one of our own ids."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from payments_core.domain.characters import find_unclear, is_blank
from payments_core.domain.errors import InvalidPayout
from payments_core.domain.references import check_key, is_payout_id, payout_id

REFUSED = [
    ("", "is empty"),
    ("k" * 201, "longer than 200 characters"),
    (" k", "a space at its beginning"),
    ("k ", "a space at its end"),
    ("   ", "a space at its beginning"),
    ("k\n", r"U\+000A at position 2, which is a control character"),
    ("a\tb", r"U\+0009 at position 2"),
    ("a\x00b", r"U\+0000 at position 2"),
    ("a\x7fb", r"U\+007F at position 2"),
    ("a\x85b", r"U\+0085 at position 2"),
    ("\ud800", r"U\+D800 at position 1, which is half of a character"),
    ("salary\u00a01", r"U\+00A0 \(NO-BREAK SPACE\) at position 7, which is a blank, but no plain space"),
    ("k\u3000", r"U\+3000 \(IDEOGRAPHIC SPACE\) at position 2"),
    ("a\u2028b", r"U\+2028 \(LINE SEPARATOR\) at position 2, which is a line break"),
    ("a\u00adb", r"U\+00AD \(SOFT HYPHEN\) at position 2, which cannot be seen"),
    ("a\u034fb", r"U\+034F \(COMBINING GRAPHEME JOINER\) at position 2, which cannot be seen"),
    ("a\u115fb", r"U\+115F \(HANGUL CHOSEONG FILLER\) at position 2"),
    ("a\u1160b", r"U\+1160 \(HANGUL JUNGSEONG FILLER\) at position 2"),
    ("a\u17b4b", r"U\+17B4 \(KHMER VOWEL INHERENT AQ\) at position 2"),
    ("a\u180bb", r"U\+180B \(MONGOLIAN FREE VARIATION SELECTOR ONE\) at position 2"),
    ("a\u200bb", r"U\+200B \(ZERO WIDTH SPACE\) at position 2"),
    ("a\u200db", r"U\+200D \(ZERO WIDTH JOINER\) at position 2"),
    ("a\u202eb", r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\) at position 2"),
    ("a\u2800b", r"U\+2800 \(BRAILLE PATTERN BLANK\) at position 2, which looks like an empty place"),
    ("\u3164", r"U\+3164 \(HANGUL FILLER\) at position 1"),
    ("k\ufe0f", r"U\+FE0F \(VARIATION SELECTOR-16\) at position 2"),
    ("\ufeffk", r"U\+FEFF \(ZERO WIDTH NO-BREAK SPACE\) at position 1"),
    ("k\uffa0", r"U\+FFA0 \(HALFWIDTH HANGUL FILLER\) at position 2"),
    ("k\ufffd", r"U\+FFFD \(REPLACEMENT CHARACTER\) at position 2, which stands for a character that was lost"),
    ("k\U000e0041", r"U\+E0041 \(TAG LATIN CAPITAL LETTER A\) at position 2"),
    ("k\U000e01ef", r"U\+E01EF \(VARIATION SELECTOR-256\) at position 2"),
    ("k\ue000", r"U\+E000 at position 2, which is for private use"),
    ("k\u0378", r"U\+0378 at position 2, which is no character that this Python knows"),
    (
        "cafe\u0301/1",
        r"U\+0301 \(COMBINING ACUTE ACCENT\) at position 5, which the normal form NFC writes in another way",
    ),
    ("5 \u212b", r"U\+212B \(ANGSTROM SIGN\) at position 3, which the normal form NFC writes in another way"),
    ("\u1100\u1161", r"U\+1161 \(HANGUL JUNGSEONG A\) at position 2, which the normal form NFC"),
    ("q\u0307\u0323", r"U\+0323 \(COMBINING DOT BELOW\) at position 3, which the normal form NFC"),
    ("po_" + "a" * 24, "the form of a payout's id"),
    ("PO_" + "A2" * 12, "the form of a payout's id"),
    (payout_id("namespace", "another"), "the form of a payout's id"),
]


@pytest.mark.parametrize(("key", "problem"), REFUSED, ids=[ascii(key)[:24] for key, _ in REFUSED])
def test_key_that_may_be_taken_for_another_is_refused(key: str, problem: str) -> None:
    """Which character stands where is said, and what to use."""
    with pytest.raises(InvalidPayout, match=problem) as refused:
        check_key(key)

    assert refused.value.hint.startswith("Use a business key that never changes for this payment")
    assert ("unicodedata.normalize" in refused.value.hint) == ("NFC" in problem)
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    "key",
    [
        "k",
        "k" * 200,
        "two words",
        "l\u00f6hne/\u4e00",
        "\u0645\u0631\u062a\u0628",
        "\ud55c\uae00",
        "po_42",
        "po_" + "a" * 23,
        "q\u0323\u0307",
    ],
    ids=ascii,
)
def test_key_that_is_unambiguous_is_accepted(key: str) -> None:
    check_key(key)


def is_taken(key: str) -> bool:
    try:
        check_key(key)
    except InvalidPayout:
        return False
    return True


ALPHABET = st.one_of(
    st.characters(),
    st.sampled_from("ae\u00e9\u0301\u0323\u0307\u212b\u00c5\u1100\u1161\uac00 \u00a0\u200b\u034f\u3164\ufe0f\ufeff"),
)


@given(st.text(ALPHABET, min_size=1, max_size=12))
def test_accepted_key_is_normalised_and_visible(key: str) -> None:
    """No other key that is taken is the same text in another normal form, or with something invisible in it."""
    if not is_taken(key):
        return

    assert key == unicodedata.normalize("NFC", key)
    assert key.isprintable()
    assert key == key.strip()
    decomposed = unicodedata.normalize("NFD", key)
    assert decomposed == key or not is_taken(decomposed)


@given(st.text(ALPHABET, max_size=6), st.text(ALPHABET, max_size=6), st.data())
def test_invisible_character_in_a_key_is_refused(before: str, after: str, data: st.DataObject) -> None:
    hidden = data.draw(
        st.one_of(
            st.characters(categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"]),
            st.sampled_from(
                "\u00a0\u2003\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u2800\u3164\ufe00\ufe0f\uffa0\U000e0100"
            ),
        )
    )

    assert not is_taken(before + hidden + after)


@given(st.text(ALPHABET, min_size=1), st.text(min_size=8))
def test_payout_id_is_never_accepted_as_a_key(key: str, namespace: str) -> None:
    """Whatever installation and key an id is made of, it is no key of another payout."""
    assume(not any("\ud800" <= half <= "\udfff" for half in key + namespace))
    assert is_payout_id(payout_id(namespace, key))
    assert not is_taken(payout_id(namespace, key))


@pytest.mark.parametrize("text", ["", " ", "\n", "\u3164", "\u2800 \ufe0f\u00a0"], ids=ascii)
def test_text_of_invisible_characters_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}x")
    assert find_unclear("An n") == ""
