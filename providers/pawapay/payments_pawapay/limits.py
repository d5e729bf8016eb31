"""What pawaPay tells of an account (``active-conf``): operators, and what each takes in which currency. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.masking import mask_numbers
from payments_core.domain.money import Money
from payments_core.http.parsing import number, object_of, text_of

__all__ = ["Configuration", "Limits", "Operator", "currency_in", "name_in", "read_configuration"]

_QUANTA: Mapping[str, Decimal] = {"NONE": Decimal(1), "TWO_PLACES": Decimal("0.01")}
_NAME = re.compile(r"[A-Z0-9_]{1,64}")
_CODE = re.compile(r"[A-Z]{3}")
_PREFIX = re.compile(r"[0-9]{1,6}")
_MOST_NAMED = 20  # operators or currencies in a message
FINEST = Decimal("0.01")  # no operator takes more than two decimals


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator takes of one currency in a payout.

    Args:
        quantum: Amounts are multiples of it.
        least: Smallest amount; None where it is not told.
        most: Largest amount; None where it is not told.

    """

    quantum: Decimal = FINEST
    least: Decimal | None = None
    most: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator that the account pays to.

    Args:
        code: pawaPay's.
        country: ISO 3166 alpha-3.
        prefix: The country's telephone code; empty where it is not told.
        limits: By currency.
        statuses: ``OPERATIONAL``, ``DELAYED`` or ``CLOSED``, by currency.

    """

    code: str
    country: str
    prefix: str
    limits: Mapping[str, Limits]
    statuses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an account may do.

    Args:
        operators: By code.
        company: The account's name at pawaPay.
        signed_requests_only: Whether payments have to be signed.
        signed_callbacks: Whether callbacks are signed.

    """

    operators: Mapping[str, Operator]
    company: str = ""
    signed_requests_only: bool = False
    signed_callbacks: bool = False

    def check(self, operator: str, payee: str, amount: Money) -> None:
        """Raise ``InvalidPayout`` when the operator does not take this: refused, never rounded.

        Args:
            operator: Its code.
            payee: The number, digits only.
            amount: How much.

        """
        known = self.operators.get(operator)
        if known is None:
            raise InvalidPayout(
                f"The account does not pay to {operator}; it pays to: {_listed(self.operators) or 'nobody'}.",
                hint="Correct the operator, or have it opened for payouts in pawaPay's dashboard.",
            )
        if not payee.startswith(known.prefix):
            raise InvalidPayee(
                f"{operator} is in {known.country}, and the payee's number does not begin with +{known.prefix}.",
                hint="Name the operator of the payee's country; it is never guessed.",
            )
        limits = known.limits.get(str(amount.currency))
        if limits is None:
            raise InvalidCurrency(
                f"{operator} does not take {amount.currency}; it takes: {_listed(known.limits) or 'nothing'}."
            )
        if not amount.is_multiple_of(limits.quantum):
            places = "whole amounts" if limits.quantum == 1 else "at most two decimals"
            raise InvalidAmount(f"{operator} takes {places}, not {amount}.", hint="Amounts are never rounded for you.")
        if limits.least is not None and amount.amount < limits.least:
            raise InvalidAmount(f"{operator} takes no less than {limits.least:f} {amount.currency}.")
        if limits.most is not None and amount.amount > limits.most:
            raise InvalidAmount(f"{operator} takes no more than {limits.most:f} {amount.currency}.")


def _listed(names: Mapping[str, object]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join([*list(names)[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def name_in(value: object) -> str:
    """Return the name of an operator in pawaPay's form; empty for anything else, which is repeated nowhere."""
    name = text_of(value)
    return name if _NAME.fullmatch(name) and mask_numbers(name) == name else ""


def currency_in(value: object) -> str:
    """Return a code of three capital letters, of a currency or a country; empty for anything else."""
    code = text_of(value)
    return code if _CODE.fullmatch(code) else ""


def read_configuration(fields: object) -> Configuration | None:
    """Read an answer of ``active-conf``; None when it is none. What cannot be read in it is left out."""
    if not isinstance(fields, dict) or not isinstance(fields.get("countries"), list):
        return None
    signatures = object_of(fields.get("signatureConfiguration"))
    operators = {one.code: one for country in _objects(fields["countries"]) for one in _operators(country)}
    return Configuration(
        operators,
        text_of(fields.get("companyName")),
        signatures.get("signedRequestsOnly") is True,
        signatures.get("signedCallbacks") is True,
    )


def _operators(country: Mapping[str, Any]) -> Iterator[Operator]:
    for provider in _objects(country.get("providers")):
        limits, statuses = {}, {}
        for currency in _objects(provider.get("currencies")):
            payout, code = _payout(currency.get("operationTypes")), currency_in(currency.get("currency"))
            if payout is not None and code:
                limits[code] = _limits(payout)
                statuses[code] = text_of(payout.get("status"))
        if (name := name_in(provider.get("provider"))) and limits:
            prefix = text_of(country.get("prefix"))
            known = prefix if _PREFIX.fullmatch(prefix) else ""
            yield Operator(name, currency_in(country.get("country")), known, limits, statuses)


def _payout(value: object) -> Mapping[str, Any] | None:
    """Find what is told of payouts: by name, in a list of names, or in a list that names each inside it."""
    for one in [value] if isinstance(value, dict) else _objects(value):
        if isinstance(named := one.get("PAYOUT"), dict):
            return named
        if one.get("operationType") == "PAYOUT":
            return one
    return None


def _limits(fields: Mapping[str, Any]) -> Limits:
    def first(*names: str) -> Decimal | None:
        return next((found for name in names if (found := number(fields.get(name))) is not None), None)

    return Limits(
        _QUANTA.get(text_of(fields.get("decimalsInAmount")), FINEST),
        first("minAmount", "minTransactionLimit"),
        first("maxAmount", "maxTransactionLimit"),
    )


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    return (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))
