"""Balances of a short code's accounts: whether M-Pesa accepted the query, and the result callback to the query's path.

Source: the developer portal's page on Account Balance, as read in August and November 2026.
"""

from __future__ import annotations

from collections.abc import Iterator

from payments_core.domain.payout import Reason, ReasonCode
from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import number, wait_asked_s
from payments_core.provider import Balance, Callback, Deferred, LookupRefused
from payments_mpesa_daraja.codec import CURRENCY, read_acknowledgement, result_of
from payments_mpesa_daraja.codes import ERRORS, RESULTS

__all__ = ["PAYS", "read_acceptance", "read_balances"]

PAYS = "Utility Account"  # what B2C spends


def read_acceptance(response: HttpResponse) -> Deferred | LookupRefused:
    """Map the answer to a query: accepted, or the reason why no result will come."""
    is_accepted, details = read_acknowledgement(response)
    if is_accepted:
        return Deferred(**details)
    code, text = details["code"], details["text"]
    match ERRORS.get(code):
        case "busy":
            reason = ReasonCode.PROVIDER_UNAVAILABLE
        case "token":
            reason = ReasonCode.CREDENTIALS
        case ReasonCode() as found:
            reason = found
        case _:
            reason = ReasonCode.PROVIDER_ERROR if response.status >= 500 else ReasonCode.UNRECOGNISED
    why = Reason(reason, code, text)
    return LookupRefused(reason=why, http_status=response.status, retry_after_s=wait_asked_s(response))


def read_balances(callback: Callback) -> tuple[Balance, ...] | LookupRefused | None:
    """Return the available balance of each account, the paying one first; None when any of them is unclear."""
    result = result_of(callback)
    if result is None or not result.code:
        return None
    if result.code == "0":
        return _balances(result.first("AccountBalance"))
    match RESULTS.get(result.code, "unknown"):
        case "pending":
            return None
        case ReasonCode() as code if code in _OURS:
            return LookupRefused(reason=Reason(code, result.code, result.text))
        case _:  # a code about a payee does not apply to a query
            return LookupRefused(reason=Reason(ReasonCode.PROVIDER_ERROR, result.code, result.text))


_OURS = {ReasonCode.CREDENTIALS, ReasonCode.NOT_PERMITTED, ReasonCode.MISCONFIGURED}


def _balances(text: str) -> tuple[Balance, ...] | None:
    """Read ``Account|CUR|current|available|reserved|uncleared``, joined by ``&``."""
    found = [*_each(text)]
    if None in found:
        return None
    held = [one for one in found if one is not None]
    return tuple(sorted(held, key=lambda one: one.label != PAYS)) or None


def _each(text: str) -> Iterator[Balance | None]:
    for part in filter(None, text.split("&")):
        fields = part.split("|")
        available = number(fields[3]) if len(fields) == 6 else None
        yield Balance(available, fields[1], fields[0]) if available is not None and fields[1] == CURRENCY else None
