"""Money: an exact decimal amount and its currency. No float touches it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING

from payments_core.domain.encoding import closed, written_as
from payments_core.domain.errors import InvalidAmount, InvalidCurrency

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = ["Currency", "Money"]

_CODE = re.compile(r"[A-Z]{3}")
_PLAIN = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")  # not \d: other scripts have digits too
_COMMA = re.compile(r"[0-9]{1,4},[0-9]{1,2}")  # of decimals: three digits after it could be thousands
_EXACT = Context(prec=60, Emin=-999, Emax=999, traps=[InvalidOperation])  # an application may have changed its own


class Currency(str):
    """An ISO 4217 alphabetic code, for example ``UGX``.

    How many digits an amount may have is a fact of the route (account, operator, currency, operation), so it is
    not kept here.

    Raises:
        InvalidCurrency: The text is not three capital letters.

    """

    __slots__ = ()

    def __new__(cls, code: str) -> Currency:
        """Check the code's form."""
        if not _CODE.fullmatch(code):
            raise InvalidCurrency(
                f"{_quoted(code)} is not a currency." if code else "The amount has no currency.",
                hint="Write the ISO 4217 code, such as UGX or EUR.",
            )
        return super().__new__(cls, code)


@closed
@dataclass(frozen=True, slots=True, init=False)
class Money:
    """A positive amount in one currency.

    Args:
        amount: A ``Decimal``, an ``int`` or plain decimal text such as ``"25000"`` or ``"12.50"``.
        currency: An ISO 4217 code.

    Raises:
        InvalidAmount: A float, text that is not plain decimal digits, or an amount of zero or less.
        InvalidCurrency: Not an ISO 4217 code.

    """

    amount: Decimal
    currency: Currency

    def __init__(self, amount: Decimal | int | str, currency: str) -> None:
        """Refuse everything that is not exact."""
        object.__setattr__(self, "amount", _exact(amount))
        object.__setattr__(self, "currency", Currency(currency))

    @property
    def text(self) -> str:
        """The amount as plain decimal text without an exponent or trailing zeros: ``"12.5"``."""
        plain = format(self.amount, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain

    def is_multiple_of(self, quantum: Decimal) -> bool:
        """Whether the amount can be written in whole steps of ``quantum`` (``Decimal("0.01")``)."""
        return _EXACT.remainder(self.amount, quantum) == 0

    def is_within(self, limits: Mapping[str, Decimal]) -> bool:
        """Whether a table with one limit for each currency allows the amount; in a currency it does not name, none is.

        A limit that was forgotten is not the absence of one. Nothing is compared across currencies.
        """
        limit = limits.get(self.currency)
        return limit is not None and self.amount <= limit

    def __str__(self) -> str:
        """``25000 UGX``."""
        return f"{self.text} {self.currency}"

    def __reduce__(self) -> tuple[type[Money], tuple[Decimal, str]]:
        """Be copied and pickled by what it was made of."""
        return type(self), (self.amount, str(self.currency))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        """Be written as decimal text in an application's models: no float touches it."""
        return written_as(cls, lambda money: {"amount": money.text, "currency": str(money.currency)})


def _quoted(text: str) -> str:
    """Return what was written, unless it could be a telephone number in the wrong place."""
    return "What was given" if sum(map(str.isdigit, text)) > 6 else repr(text[:40])


def _exact(amount: object) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise InvalidAmount(
            f"An amount cannot be of type {type(amount).__name__}.",
            hint='Give a Decimal, an int or text: Money("25000", "UGX"); a float has already lost digits.',
        )
    # The plain form refuses exponents, signs, separators, NaN and anything too long to be real money.
    text = amount if isinstance(amount, str) else _written(Decimal(amount))
    if not text:
        raise InvalidAmount("The amount is empty.", hint="Write plain digits, such as 25000 or 12.50.")
    if not _PLAIN.fullmatch(text):
        if _COMMA.fullmatch(text):
            raise InvalidAmount(f"Amount {_quoted(text)} uses a comma.", hint=f"Write {text.replace(',', '.')}.")
        raise InvalidAmount(
            f"{_quoted(text)} is not a positive amount.",
            hint="Write plain digits, such as 25000 or 12.50, and the currency apart from them.",
        )
    value = Decimal(text)
    if value <= 0:
        raise InvalidAmount("An amount must be above zero.", hint="Correct the amount, or leave the order out.")
    return value


def _written(value: Decimal) -> str:
    # Without an exponent, unless that would fill the memory with zeros.
    return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 60 else str(value)
