"""What is known of a payee's country and operator, and who said so: the caller, a provider, or the number itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from payments_core.domain.payout import Payee
from payments_core.provider import Operator
from payments_core.routing.operators import OPERATORS
from payments_core.routing.routes import Route

__all__ = ["PayeeFacts", "Source"]


class Source(StrEnum):
    """Who said whose customer a payee is, most trusted first."""

    CALLER = "caller"
    PROVIDER = "provider"
    PREFIX = "prefix"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class PayeeFacts:
    """What is known of a payee; nothing of it tells who it is.

    Args:
        country: ISO 3166 alpha-2, by the number; empty when it is not known or nobody asked.
        operator: One of our keys; empty when it is not known.
        source: Who said so.
        asked: The account whose provider said so.
        hint: The operator that the number was given out to, as one of our keys; taken only when nobody says more.
        is_portable: The number may be with another operator than that.
        is_number: The payee is a telephone number.

    """

    country: str = ""
    operator: str = ""
    source: Source = Source.NOBODY
    asked: str = ""
    hint: str = ""
    is_portable: bool = True
    is_number: bool = False

    @classmethod
    def of(cls, payee: Payee, routes: Iterable[Route]) -> Self:
        """Return what the caller and the number say, as far as any route asks for it."""
        said = payee.details.get("operator", "")
        operator = said if said in OPERATORS else ""
        facts = cls(operator=operator, source=Source.CALLER if said else Source.NOBODY, is_number=payee.is_msisdn)
        if facts.is_number and any(route.asks_number for route in routes):
            from payments_core.routing import numbers

            told = numbers.look(payee.value)
            facts = replace(facts, country=told.country, hint=told.operator, is_portable=told.is_portable)
        return facts

    @property
    def can_be_asked(self) -> bool:
        """Whether a provider may be asked for the operator: the caller's word needs no second one."""
        return self.is_number and self.source is Source.NOBODY

    def told(self, answer: Operator | None, account: str) -> Self:
        """Return it with a provider's answer; as it was when that is none, or an operator we have no key for."""
        if answer is None or answer.key not in OPERATORS:
            return self
        return replace(self, operator=answer.key, source=Source.PROVIDER, asked=account)

    def hinted(self) -> Self:
        """Return it with the prefix's hint, where nobody has said more."""
        if self.source is not Source.NOBODY or not self.hint:
            return self
        return replace(self, operator=self.hint, source=Source.PREFIX)
