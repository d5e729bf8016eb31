"""A telephone number: what is accepted is exactly the digits written, and every refusal says what to write instead."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from payments_core.domain.errors import InvalidPayee
from payments_core.domain.masking import scrub
from payments_core.domain.payout import Payee

NUMBER = "256772123456"
MASKED = "256******456"
BLANKS = " \t\u00a0\u2007\u2009\u202f\u3000"
HYPHENS = "-\u2010\u2011"


@pytest.mark.parametrize(
    "written",
    [
        NUMBER,
        f"+{NUMBER}",
        f"00{NUMBER}",
        "+256 772 123 456",
        "+ 256 772 123 456",
        "00 256 772 123 456",
        "256-772-123-456",
        "+256-772-123456",
        "+256 (772) 123-456",
        "+256(772)123456",
        "+256 - 772 - 123456",
        "256\t772\t123456",
        "256\u00a0772\u202f123456",
        "256\u2011772\u2010123456",
        f"\u3000+{NUMBER} ",
    ],
    ids=ascii,
)
def test_msisdn_has_one_form_however_it_is_written(written: str) -> None:
    """However a person writes a number, it is the same payee."""
    assert Payee.msisdn(written) == Payee("msisdn", NUMBER)


def test_msisdn_with_a_one_digit_country_code_is_accepted() -> None:
    assert Payee.msisdn("+7 495 123-45-67").value == Payee.msisdn("00 7 495 123-45-67").value == "74951234567"


SPREADSHEET = "spreadsheet"
REFUSED = [
    # what a spreadsheet makes of a number
    ("256772123456.0", SPREADSHEET),
    ("256772123456.00", SPREADSHEET),
    ("256772123456.", SPREADSHEET),
    ("256772123456,0", SPREADSHEET),
    ("256 772 123 456.00", SPREADSHEET),
    ("256,772,123,456", SPREADSHEET),
    ("256.772.123.456", SPREADSHEET),
    ("+256 772.123.456", SPREADSHEET),
    ("2.56772E+11", SPREADSHEET),
    ("2,56772E+11", SPREADSHEET),
    ("256772123e3", SPREADSHEET),
    ("256772 E 6", SPREADSHEET),
    ("'256772123456", SPREADSHEET),
    ("=256772123456", SPREADSHEET),
    ("########", SPREADSHEET),
    ("#NAME?", SPREADSHEET),
    ("(256772123456)", "parentheses"),  # a negative amount
    ("-256772123456", "hyphen"),
    ("256772123456-", "hyphen"),
    # extensions, and what may be one
    ("256772123456x12", "extension"),
    ("256772123456 X 12", "extension"),
    ("256772123456 ext. 5", "extension"),
    ("256772123456 extension 5", "extension"),
    ("256772123456#5", "extension"),
    ("256772123456 #5", "extension"),
    ("256772123456;ext=5", "extension"),
    ("256772123456, ext 5", "extension"),
    ("256772123456-1", "single digit"),
    ("256772123456 1", "single digit"),
    ("+256 772 123 45 6", "single digit"),
    ("2 56772123456", "single digit"),
    ("256772123456-12", "more digits"),
    ("+256772123456 12", "more digits"),
    ("46733123450 46733123451", "more digits"),
    ("+256 772 123456 (12)", "parentheses"),
    # line breaks
    ("256772123456\n1", "line break"),
    ("256772\n123456", "line break"),
    ("256772123456\n", "line break"),
    ("256772\r\n123456", "line break"),
    ("256772\u2028123456", "line break"),
    ("256772\x0b123456", "line break"),
    ("256772\x85123456", "line break"),
    # other digits, letters and signs
    ("\uff12\uff15\uff16772123456", "another script"),
    ("\u0664\u0666733123450", "another script"),
    ("\u00b246733123450", "another script"),
    ("256772\U0001d7d823456", "another script"),
    ("25677212345O", "letter O"),
    ("25677212345o", "letter O"),
    ("2567721\u041e3456", "letter O"),
    ("256772l23456", "a letter at position 7"),
    ("somebody", "a letter at position 1"),
    ("somebody@example.org", "a letter at position 1"),
    ("+256 772/123456", r"U\+002F \(SOLIDUS\) at position 9"),
    ("256772\u2013123456", r"U\+2013 \(EN DASH\) at position 7"),
    ("\uff0b256772123456", r"U\+FF0B \(FULLWIDTH PLUS SIGN\) at position 1"),
    ("\u202a+256772123456\u202c", r"U\+202A \(LEFT-TO-RIGHT EMBEDDING\) at position 1"),
    ("256772\u200b123456", r"U\+200B \(ZERO WIDTH SPACE\) at position 7"),
    ("256772\x00123456", r"U\+0000 at position 7"),
    ("256772\ud800123456", r"U\+D800 at position 7"),
    # separators in the wrong place
    ("46+733123450", "plus"),
    ("++46733123450", "plus"),
    ("(+256) 772 123456", "plus"),
    ("256--772-123456", "hyphen"),
    ("+-256772123456", "hyphen"),
    ("+256 (0) 772 123456", "zero in parentheses"),
    ("+44 (0)7700 900123", "zero in parentheses"),
    ("(256) 772 123456", "parentheses"),
    ("+256 (772 123456", "parentheses"),
    ("+256 772) 123456", "parentheses"),
    ("+256 ((772)) 123456", "parentheses"),
    ("+256 (772) (123) 456", "parentheses"),
    # no international number
    ("", "is empty"),
    (" \u00a0", "is empty"),
    ("+", "no digits"),
    ("0772123456", "no country code"),
    ("+0772123456", "no country code"),
    ("00 0772123456", "no country code"),
    ("011256772123", "no country code"),
    ("4673312", "7 digits"),
    ("4673312345012345", "16 digits"),
]


@pytest.mark.parametrize(("written", "problem"), REFUSED, ids=[ascii(written) for written, _ in REFUSED])
def test_msisdn_in_doubt_is_refused_with_the_problem_and_the_fix(written: str, problem: str) -> None:
    """Nothing is guessed about who is paid; the refusal says what is wrong and what to write, and masks the number."""
    with pytest.raises(InvalidPayee, match=problem) as refused:
        Payee.msisdn(written)

    assert refused.value.hint.startswith("Write it with the country code, such as +256772123456.")
    assert not re.search(r"\d{5}", refused.value.message)
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("written", [256772123456, 256772123456.0, None, b"256772123456"], ids=ascii)
def test_msisdn_of_a_type_other_than_text_is_refused(written: Any) -> None:
    """A program that hands over a number of its own has lost the plus, and perhaps digits."""
    with pytest.raises(InvalidPayee, match=type(written).__name__) as refused:
        Payee.msisdn(written)

    assert "as text" in refused.value.hint


PIECES = st.one_of(
    st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.sampled_from([*BLANKS, *HYPHENS, *"+.,()/#;xXeEoO'=", "00", "\n", "\r", "\u2028", "ext", "\u200b", "\u202e"]),
    st.characters(categories=["N"]),
    st.text(max_size=2),
)


def read(text: str) -> str | None:
    """Return the number, or None where it is refused; no refusal shows more of it than its ends."""
    try:
        return Payee.msisdn(text).value
    except InvalidPayee as error:
        refused = error
    assert not re.search(r"\d{7}", refused.message)
    return None


def digits_in(text: str) -> str:
    return "".join(mark for mark in text if mark in "0123456789")


@given(st.lists(PIECES, max_size=9).map("".join))
@example("256772123456.0")
@example("+256 (772) 123-456")
def test_msisdn_is_exactly_the_digits_written(text: str) -> None:
    """In order, without one more or less; only the 00 of an international number goes, which no number begins with."""
    value = read(text)
    if value is None:
        return

    assert digits_in(text) in {value, f"00{value}"}
    assert not any(mark.isnumeric() for mark in text if mark not in "0123456789")
    assert re.fullmatch("[1-9][0-9]{7,14}", value)


@given(st.from_regex(r"[1-9][0-9]{7,13}", fullmatch=True), st.data())
def test_msisdn_with_an_added_digit_is_another_one_or_refused(digits: str, data: st.DataObject) -> None:
    """Another digit anywhere, with any separator around it, is another number or refused."""
    place = data.draw(st.integers(0, len(digits)))
    added = data.draw(st.sampled_from("0123456789"))
    before, after = (
        data.draw(st.sampled_from(["", *BLANKS, *HYPHENS, ".", ",", "\n", "(", ")", ";ext="])) for _ in "ab"
    )
    other = f"{digits[:place]}{before}{added}{after}{digits[place:]}"
    assume(digits_in(other) != digits)

    assert read(other) != digits


@given(st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True))
def test_msisdn_reformatted_by_a_spreadsheet_is_refused(digits: str) -> None:
    """As an amount, with thousands apart, or with an exponent: however many digits are left."""
    number = float(digits)
    for written in (str(number), f"{number:.2f}", f"{number:,.0f}", f"{number:.5E}", f"{number:g}".replace(".", ",")):
        if written != digits:  # `g` leaves short ones as they are
            with pytest.raises(InvalidPayee, match="spreadsheet"):
                Payee.msisdn(written)


@given(
    st.sampled_from(["+", "+ ", "00", "00 ", ""]),
    st.from_regex(r"[1-9][0-9]{1,2}", fullmatch=True),
    st.lists(st.from_regex(r"[0-9]{2,4}", fullmatch=True), min_size=2, max_size=4),
    st.data(),
)
def test_msisdn_in_groups_of_two_digits_or_more_is_accepted(
    sign: str, code: str, groups: list[str], data: st.DataObject
) -> None:
    """With blanks, hyphens or both between them, whatever blanks and hyphens the program of origin writes."""
    digits = code + "".join(groups)
    assume(8 <= len(digits) <= 15)
    between = st.sampled_from([*BLANKS, *HYPHENS, "  ", " - ", "- "])
    written = sign + code + "".join(data.draw(between) + group for group in groups)

    assert Payee.msisdn(written).value == digits


@given(
    st.from_regex(r"[1-9][0-9]{2}", fullmatch=True),
    st.lists(st.from_regex(r"[0-9]{2,3}", fullmatch=True), min_size=3, max_size=4),
    st.sampled_from([*BLANKS, *HYPHENS, "  ", " - ", "-\u00a0"]),
    st.booleans(),
)
def test_msisdn_in_a_text_is_masked_however_it_is_written(
    code: str, groups: list[str], gap: str, has_area: bool
) -> None:
    """What is read as a number is known as one where it stands in a note, a reason or an answer."""
    first, *others = groups
    written = f"+{code} ({first}) {gap.join(others)}" if has_area else f"+{gap.join([code, *groups])}"
    Payee.msisdn(written)

    result = scrub(f"call {written} now")
    assert "*" in result
    assert len(digits_in(result)) <= 6
