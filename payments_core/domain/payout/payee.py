"""The payee of a payout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from payments_core.domain.characters import clean
from payments_core.domain.encoding import closed, written_as
from payments_core.domain.errors import InvalidPayee
from payments_core.domain.masking import mask_number
from payments_core.domain.msisdn import is_msisdn, read_msisdn

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = ["ERASED", "Payee"]

ERASED = "erased:"  # precedes the hash that replaces an erased payee
_HASHED = re.compile(ERASED + "[0-9a-f]{32}")
_KIND = re.compile(r"[a-z_]{1,32}")


@closed
@dataclass(frozen=True, slots=True, repr=False)
class Payee:
    """The receiver of the money.

    Args:
        kind: ``"msisdn"``, ``"email"``, ``"party_code"``, ``"collection"`` (its payer), or another kind a
            provider declares.
        value: The address, normalised (an msisdn: country code and number, digits only).
        details: What some providers need beside it, such as ``{"operator": "…"}``.

    """

    kind: str
    value: str
    details: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def msisdn(cls, number: str, *, operator: str = "") -> Self:
        """Return the payee with this international telephone number.

        Args:
            number: ``+256 772 123 456`` or ``256772123456``: country code first; a plus or 00 before it, and blanks,
                hyphens and parentheses between groups of digits, are dropped.
            operator: Whose customer the payee is, where that is known; routes go by it.

        Raises:
            InvalidPayee: It cannot be read as one number for certain: see the page reference/numbers-and-keys. Nothing
                is dropped that a spreadsheet may have added, and no digit is guessed.

        """
        return cls("msisdn", read_msisdn(number), {"operator": operator} if operator else {})

    @classmethod
    def payer_of(cls, collection: str) -> Self:
        """Return the payer of a collection: the payee of its refund.

        Args:
            collection: The reference under which the money was collected, as its provider knows it.

        Raises:
            InvalidPayee: It is empty, longer than 200 characters, or holds blanks or characters other than ASCII.

        """
        if not 1 <= len(collection) <= 200 or not re.fullmatch(r"[!-~]+", collection):
            raise InvalidPayee(
                "The collection's reference is empty, longer than 200 characters, or holds blanks or other than ASCII.",
                hint="Give the reference under which the money was collected.",
            )
        return cls("collection", collection)

    @property
    def is_msisdn(self) -> bool:
        """Whether it is a telephone number in its one form, as :meth:`msisdn` makes it."""
        return self.kind == "msisdn" and is_msisdn(self.value)

    def check(self) -> None:
        """Refuse a telephone number that is not in its one form: another program might read another number in it.

        Raises:
            InvalidPayee: It was not made with :meth:`msisdn`.

        """
        if self.kind == "msisdn" and not self.is_msisdn:
            raise InvalidPayee(
                "The payee's number is not in its one form: country code and number, digits only.",
                hint="Make it with Payee.msisdn(…), which reads what people write.",
            )

    @property
    def masked(self) -> str:
        """The address with its middle hidden; a collection's reference and an erased payee's hash are no address."""
        is_no_address = self.kind == "collection" or _HASHED.fullmatch(self.value)
        return clean(self.value if is_no_address else mask_number(self.value))

    def __repr__(self) -> str:
        """Show the kind and the masked address only; what has not the form of a kind may be the address."""
        kind = self.kind if _KIND.fullmatch(self.kind) else "?"
        return f"Payee({kind}:{self.masked})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, Mapping[str, str]]]:
        """Be copied and pickled by what it was made of."""
        return type(self), (self.kind, self.value, self.details)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        """Be written masked in an application's models."""
        return written_as(cls, lambda payee: payee.masked)
