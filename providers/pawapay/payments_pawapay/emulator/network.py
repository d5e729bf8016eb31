"""The emulated pawaPay's operators: which payments they accept, and how a payment ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = ["ENDS", "OPERATORS", "STUCK", "AcceptedPayments", "active_conf", "availability", "problem"]

# Last three digits of a number to the failure code, as in pawaPay's sandbox; every other number is paid.
ENDS: Mapping[str, str] = {
    "089": "RECIPIENT_NOT_FOUND",
    "099": "WALLET_LIMIT_REACHED",
    "109": "RECIPIENT_LIMIT_REACHED",
    "119": "UNSPECIFIED_FAILURE",
}
STUCK = "129"

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{0,3}[1-9])?")


@dataclass(frozen=True, slots=True)
class AcceptedPayments:
    """The payments that an operator accepts."""

    country: str  #: ISO 3166 alpha-3; ``XTS`` is no country, with unassigned numbers.
    prefix: str  #: The country's telephone code.
    currencies: Mapping[str, str]  #: ``NONE`` or ``TWO_PLACES``, by currency.


OPERATORS: Mapping[str, AcceptedPayments] = {
    "MTN_MOMO_ZMB": AcceptedPayments("ZMB", "260", {"ZMW": "TWO_PLACES"}),
    "AIRTEL_OAPI_ZMB": AcceptedPayments("ZMB", "260", {"ZMW": "TWO_PLACES"}),
    "MTN_MOMO_BEN": AcceptedPayments("BEN", "229", {"XOF": "NONE"}),
    "MTN_MOMO_UGA": AcceptedPayments("UGA", "256", {"UGX": "TWO_PLACES"}),
    "AIRTEL_OAPI_UGA": AcceptedPayments("UGA", "256", {"UGX": "NONE"}),
    "TEST_MOMO_XTS": AcceptedPayments("XTS", "999", {"ZMW": "TWO_PLACES", "XOF": "NONE"}),
}
LEAST, MOST = Decimal(1), Decimal(1_000_000)


def active_conf(*, signed_requests: bool, signed_callbacks: bool) -> dict[str, Any]:
    """Return the body of ``active-conf``, with both spellings of the sources, each for some operators."""
    countries: dict[str, dict[str, Any]] = {}
    for place, (code, takes) in enumerate(OPERATORS.items()):
        country = countries.setdefault(
            takes.country, {"country": takes.country, "prefix": takes.prefix, "providers": []}
        )
        currencies = []
        for currency, decimals in takes.currencies.items():
            is_new = place % 2
            names = ("minAmount", "maxAmount") if is_new else ("minTransactionLimit", "maxTransactionLimit")
            limits = {names[0]: str(LEAST), names[1]: str(MOST), "decimalsInAmount": decimals, "status": "OPERATIONAL"}
            kinds: Any = {"PAYOUT": limits} if is_new else [{"operationType": "PAYOUT", **limits}]
            currencies.append({"currency": currency, "operationTypes": kinds})
        country["providers"].append({"provider": code, "currencies": currencies})
    return {
        "companyName": "Emulated Merchant",
        "signatureConfiguration": {"signedRequestsOnly": signed_requests, "signedCallbacks": signed_callbacks},
        "countries": list(countries.values()),
    }


def availability() -> list[dict[str, Any]]:
    """Return the body of ``availability``: every operator works."""
    kinds = [{"operationType": "PAYOUT", "status": "OPERATIONAL"}]
    return [
        {"country": takes.country, "providers": [{"provider": code, "operationTypes": kinds}]}
        for code, takes in OPERATORS.items()
    ]


def problem(order: Mapping[str, Any]) -> tuple[int, str, str] | None:
    """Return the HTTP status, code and text that refuse an order; None for a valid order."""
    for name in ("payoutId", "amount", "currency", "recipient"):
        if not order.get(name):
            return 400, "MISSING_PARAMETER", f"Request does not include the required parameter '{name}'."
    details = order["recipient"].get("accountDetails", {}) if isinstance(order["recipient"], dict) else {}
    operator, number, amount = details.get("provider"), details.get("phoneNumber"), order["amount"]
    takes = OPERATORS.get(str(operator))
    if takes is None:
        return 200, "INVALID_PROVIDER", "No such provider."
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
        return 400, "INVALID_PARAMETER", "Value for parameter 'amount' is invalid."
    decimals = takes.currencies.get(str(order["currency"]))
    if decimals is None:
        return 200, "INVALID_CURRENCY", f"The currency is not supported with provider '{operator}'."
    places = len(amount.partition(".")[2])
    if places > (2 if decimals == "TWO_PLACES" else 0):
        return 200, "INVALID_AMOUNT", "Too many decimal places in amount."
    if not LEAST <= Decimal(amount) <= MOST:
        return 200, "AMOUNT_OUT_OF_BOUNDS", "The amount is out of bounds."
    if not isinstance(number, str) or not number.startswith(takes.prefix):
        return 200, "INVALID_PHONE_NUMBER", f"The phone number seems to be invalid for the provider '{operator}'."
    return None
