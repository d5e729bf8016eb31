"""What is known of a payee's country and operator, and its source: the caller, a provider, or the number itself."""

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
    """The source of a payee's operator, most trusted first."""

    CALLER = "caller"
    PROVIDER = "provider"
    PREFIX = "prefix"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PayeeFacts:
    """What is known of a payee; nothing of it identifies a person.

    Args:
        country: ISO 3166 alpha-2, by the number; empty when it is not known, or no route needs it.
        operator: One of our keys; empty when it is not known.
        source: Where the operator is known from.
        asked: The account whose provider gave it.
        hint: The operator that the number was assigned to, as one of our keys; used where no better source has one.
        is_portable: The number may be with another operator than that.
        is_number: The payee is a telephone number.

    """

    country: str = ""
    operator: str = ""
    source: Source = Source.NONE
    asked: str = ""
    hint: str = ""
    is_portable: bool = True
    is_number: bool = False

    @classmethod
    def of(cls, payee: Payee, routes: Iterable[Route]) -> Self:
        """Return what the caller and the number give, as far as any route asks for it."""
        given = payee.details.get("operator", "")
        operator = given if given in OPERATORS else ""
        facts = cls(operator=operator, source=Source.CALLER if given else Source.NONE, is_number=payee.is_msisdn)
        if facts.is_number and any(route.asks_number for route in routes):
            from payments_core.routing import numbers

            number = numbers.parse_number(payee.value)
            facts = replace(facts, country=number.country, hint=number.operator, is_portable=number.is_portable)
        return facts

    @property
    def can_be_asked(self) -> bool:
        """Whether a provider may be asked for the operator: where the caller has not given it."""
        return self.is_number and self.source is Source.NONE

    def with_answer(self, answer: Operator | None, account: str) -> Self:
        """Return it with a provider's answer; unchanged when there is none, or the operator has no key here."""
        if answer is None or answer.key not in OPERATORS:
            return self
        return replace(self, operator=answer.key, source=Source.PROVIDER, asked=account)

    def with_hint(self) -> Self:
        """Return it with the operator of the prefix, where no better source has one."""
        if self.source is not Source.NONE or not self.hint:
            return self
        return replace(self, operator=self.hint, source=Source.PREFIX)
