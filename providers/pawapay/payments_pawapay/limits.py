"""An account's configuration at pawaPay (``active-conf``): operators, currencies and limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.masking import mask_numbers, scrub
from payments_core.domain.money import Money
from payments_core.http.parsing import number, object_of, text_of

__all__ = ["Configuration", "Limits", "Operator", "currency_in", "name_in", "read_configuration"]

_QUANTA: Mapping[str, Decimal] = {"NONE": Decimal(1), "TWO_PLACES": Decimal("0.01")}
_NAME = re.compile(r"[A-Z0-9_]{1,64}")
_CODE = re.compile(r"[A-Z]{3}")
_PREFIX = re.compile(r"[0-9]{1,6}")
_MOST_NAMED = 20  # operators or currencies in a message
FINEST = Decimal("0.01")  # no operator accepts more than two decimals


@dataclass(frozen=True, slots=True)
class Limits:
    """An operator's limits for payouts in one currency.

    Args:
        quantum: Amounts are multiples of it.
        least: Smallest amount; None when unknown.
        most: Largest amount; None when unknown.

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
        prefix: The country's telephone code; empty when unknown.
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
    """The configuration of an account.

    Args:
        operators: By code.
        company: The account's name at pawaPay.
        signed_requests_only: Whether payments must be signed.
        signed_callbacks: Whether callbacks are signed.

    """

    operators: Mapping[str, Operator]
    company: str = ""
    signed_requests_only: bool = False
    signed_callbacks: bool = False

    def check(self, operator: str, payee: str, amount: Money) -> None:
        """Raise ``InvalidPayout`` when the operator does not accept the payment: refused, never rounded.

        Args:
            operator: Its code.
            payee: The number, digits only.
            amount: The amount.

        """
        known = self.operators.get(operator)
        if known is None:
            raise InvalidPayout(
                f"The account does not pay to {scrub(operator)}. It pays to: "
                f"{_listed(self.operators) or 'no operator'}.",
                hint="Correct the operator, or have it opened for payouts in pawaPay's dashboard.",
                field="operator",
            )
        if not payee.startswith(known.prefix):
            raise InvalidPayee(
                f"{operator} is in {known.country}, and the payee's number does not begin with +{known.prefix}.",
                hint="Name the operator of the payee's country; it is never guessed.",
            )
        limits = known.limits.get(str(amount.currency))
        if limits is None:
            raise InvalidCurrency(
                f"{operator} does not accept {amount.currency}. It accepts: {_listed(known.limits) or 'no currency'}."
            )
        if not amount.is_multiple_of(limits.quantum):
            places = "whole amounts" if limits.quantum == 1 else "at most two decimals"
            raise InvalidAmount(
                f"{operator} accepts {places}, not {amount}.", hint="Amounts are never rounded for you."
            )
        if limits.least is not None and amount.amount < limits.least:
            raise InvalidAmount(f"{operator} accepts {limits.least:f} {amount.currency} or more, not {amount}.")
        if limits.most is not None and amount.amount > limits.most:
            raise InvalidAmount(f"{operator} accepts {limits.most:f} {amount.currency} or less, not {amount}.")


def _listed(names: Mapping[str, object]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join([*list(names)[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def name_in(value: object) -> str:
    """Return an operator's code in pawaPay's form; empty for anything else, which could hold personal data."""
    name = text_of(value)
    return name if _NAME.fullmatch(name) and mask_numbers(name) == name else ""


def currency_in(value: object) -> str:
    """Return a code of three capital letters (currency or country); empty for anything else."""
    code = text_of(value)
    return code if _CODE.fullmatch(code) else ""


def read_configuration(fields: object) -> Configuration | None:
    """Parse the body of ``active-conf``; None for anything else. Unreadable parts are left out."""
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
    """Return the part about payouts: by name, in a list of names, or in a list of objects with a name."""
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
