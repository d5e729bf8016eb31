"""Money is exact, positive and plain, whatever it is made from."""

from __future__ import annotations

import copy
import decimal
import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments_core.domain.errors import InvalidAmount, InvalidCurrency
from payments_core.domain.money import Currency, Money

PLAIN = st.from_regex(r"[0-9]{1,18}(\.[0-9]{1,9})?", fullmatch=True).filter(lambda text: Decimal(text) > 0)


@given(PLAIN)
def test_amount_text_is_exactly_the_number_given(text: str) -> None:
    """What was written is what is paid: the text of an amount is the same number, exactly."""
    money = Money(text, "UGX")

    assert Fraction(money.text) == Fraction(text)
    assert Money(money.text, "UGX") == money
    assert Money(money.amount, "UGX") == money


@given(PLAIN)
def test_equal_amounts_have_one_text(text: str) -> None:
    """Trailing zeros, an exponent or a long form make no other payment: fingerprints are made of the text."""
    value = Decimal(text)
    longer = text + "0" if "." in text and len(text.partition(".")[2]) < 9 else text

    assert Money(longer, "UGX").text == Money(text, "UGX").text
    assert Money(value.normalize(decimal.Context(prec=40)), "UGX").text == Money(text, "UGX").text
    assert hash(Money(longer, "UGX")) == hash(Money(text, "UGX"))


@given(st.integers(min_value=1, max_value=10**18 - 1))
def test_amount_from_an_int_is_exact(amount: int) -> None:
    assert Money(amount, "UGX").text == str(amount)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("25000", "25000"),
        ("12.50", "12.5"),
        ("0.10", "0.1"),
        ("100.000", "100"),
        (Decimal("2.5E+4"), "25000"),
        (7, "7"),
    ],
)
def test_amount_text_has_plain_digits(written: Decimal | int | str, text: str) -> None:
    assert Money(written, "EUR").text == text
    assert str(Money(written, "EUR")) == f"{text} EUR"


@given(st.floats())
def test_amount_as_a_float_is_refused(amount: Any) -> None:
    """A float has already lost digits, also where it looks whole."""
    with pytest.raises(InvalidAmount, match="float") as refused:
        Money(amount, "EUR")

    assert "Decimal" in refused.value.hint


@pytest.mark.parametrize("amount", [True, None, b"5", 5j, ["5"], Fraction(1, 2)], ids=repr)
def test_amount_of_another_type_is_refused(amount: Any) -> None:
    with pytest.raises(InvalidAmount, match=type(amount).__name__):
        Money(amount, "EUR")


ARABIC, FULL_WIDTH = "\u0662\u0665\u0660\u0660\u0660", "\uff12\uff15"

NOT_PLAIN = [
    "",
    " ",
    "25 000",
    " 25000",
    "25000\n",
    "25,000",
    "25'000",
    "25_000",
    "25.000,00",
    "2.5e4",
    "1E3",
    "+5",
    "-5",
    "-0",
    "0x10",
    "NaN",
    "sNaN",
    "Infinity",
    "-inf",
    ".5",
    "5.",
    "1.2.3",
    "UGX 5",
    ARABIC,
    FULL_WIDTH,
    "9" * 19,
    "1." + "0" * 10,
]


@pytest.mark.parametrize("amount", NOT_PLAIN, ids=ascii)
def test_amount_text_other_than_plain_digits_is_refused(amount: str) -> None:
    """Nothing has to be guessed: no separator, sign, exponent, blank or foreign digit."""
    with pytest.raises(InvalidAmount) as refused:
        Money(amount, "EUR")

    assert "plain digits" in refused.value.hint


HUGE = [
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal(-1),
    Decimal("-0"),
    Decimal("1E+18"),
    Decimal("1E-10"),
    Decimal("1E+999999999999999999"),
    Decimal("-1E+999999999999999999"),
    Decimal("1E-999999999999999999"),
    Decimal("0E+999999999999999999"),
    10**18,
    10**5000,
    -(10**5000),
    -1,
]


@pytest.mark.parametrize("amount", HUGE, ids=lambda amount: f"{type(amount).__name__} {Decimal(amount):.3E}")
def test_amount_out_of_range_is_refused_in_a_short_message(amount: Decimal | int) -> None:
    """Also those whose plain form would fill the memory, and those Python will not print."""
    with pytest.raises(InvalidAmount) as refused:
        Money(amount, "EUR")

    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("amount", ["0", "0.00", "000", 0, Decimal(0), Decimal("0.000")], ids=repr)
def test_amount_of_zero_is_refused(amount: Decimal | int | str) -> None:
    with pytest.raises(InvalidAmount, match="above zero"):
        Money(amount, "EUR")


def test_money_ignores_the_decimal_context_of_the_application() -> None:
    """An application may have set a precision or traps of its own."""
    traps: list[Any] = [decimal.Inexact, decimal.FloatOperation, decimal.Subnormal]
    with decimal.localcontext(decimal.Context(prec=3, traps=traps)):
        money = Money("123456789012345678.123456789", "EUR")

        assert money.text == "123456789012345678.123456789"
        assert money.is_multiple_of(Decimal("0.000000001"))
        assert not money.is_multiple_of(Decimal("0.01"))
    with decimal.localcontext(decimal.Context(traps=[])), pytest.raises(InvalidAmount):
        Money("abc", "EUR")


@pytest.mark.parametrize(
    ("limits", "fits"),
    [({"UGX": "500"}, True), ({"UGX": "499.99"}, False), ({"EUR": "500"}, False), ({"UGX": "0"}, False), ({}, False)],
    ids=repr,
)
def test_amount_is_within_limit_of_its_currency(limits: dict[str, str], fits: bool) -> None:
    """An amount up to the limit of its currency is within; in a currency that the table does not name none is."""
    assert Money(500, "UGX").is_within({code: Decimal(limit) for code, limit in limits.items()}) is fits


@given(PLAIN, st.sampled_from(["1", "0.1", "0.01", "0.001", "5", "100"]))
def test_is_multiple_of_is_exact(amount: str, quantum: str) -> None:
    whole = (Fraction(amount) / Fraction(quantum)).denominator == 1

    assert Money(amount, "UGX").is_multiple_of(Decimal(quantum)) is whole


@pytest.mark.parametrize("code", ["", "ugx", "UG", "UGXX", "U1X", "UGX\n", " UGX", "\u00dcGX", "\uff35\uff27\uff38"])
def test_currency_other_than_three_capital_ascii_letters_is_refused(code: str) -> None:
    with pytest.raises(InvalidCurrency) as refused:
        Money("5", code)

    assert "ISO 4217" in refused.value.hint


def test_currency_is_a_string() -> None:
    codes: dict[str, int] = {Currency("UGX"): 1}

    assert codes["UGX"] == 1


def test_money_is_immutable() -> None:
    money = Money("5", "EUR")

    with pytest.raises(AttributeError):
        money.amount = Decimal(6)  # type: ignore[misc]


def test_money_can_be_pickled_and_copied() -> None:
    """A payout crosses a queue or a process pool unharmed."""
    money = Money("12.50", "EUR")

    assert pickle.loads(pickle.dumps(money)) == copy.deepcopy(money) == money  # noqa: S301
    assert type(pickle.loads(pickle.dumps(money)).currency) is Currency  # noqa: S301


@pytest.mark.parametrize(
    ("text", "fix"), [("412,50", "Write 412.50."), ("12,5", "Write 12.5."), ("25,000", "Write plain digits")]
)
def test_amount_with_comma_is_refused_with_the_fix(text: str, fix: str) -> None:
    """A decimal comma is named with the right spelling; a comma that could part thousands is never guessed."""
    with pytest.raises(InvalidAmount) as refused:
        Money(text, "EUR")

    assert fix in refused.value.hint
