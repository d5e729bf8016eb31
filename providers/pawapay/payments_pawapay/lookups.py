"""Maps pawaPay's answers to lookups: balances, operators, keys, availability and diagnosis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from payments_core.domain.payout import Reason, ReasonCode
from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import number, object_of, parse_json, parse_object, text_of, wait_asked_s
from payments_core.provider import Balance, CancelAnswer, Finding, LookupRefused, Operator
from payments_pawapay.codec import failure_in
from payments_pawapay.codes import BLOCKS, operator_key
from payments_pawapay.limits import Configuration, currency_in, name_in
from payments_pawapay.settings import PawapaySettings

__all__ = [
    "findings",
    "lookup_refused",
    "read_availability",
    "read_balances",
    "read_cancel",
    "read_keys",
    "read_operator",
]

_CANCELS: Mapping[str, CancelAnswer] = {
    "NOT_FOUND": CancelAnswer.NOT_FOUND,
    "INVALID_STATE": CancelAnswer.TOO_LATE,
}


def lookup_refused(response: HttpResponse) -> LookupRefused:
    """Return the refusal of a lookup."""
    code, text = failure_in(parse_object(response.body))
    neutral = BLOCKS.get(code, ReasonCode.INVALID_REQUEST if response.status == 400 else ReasonCode.PROVIDER_ERROR)
    return LookupRefused(
        reason=Reason(neutral, code or str(response.status), text),
        http_status=response.status,
        retry_after_s=wait_asked_s(response),
    )


def read_balances(response: HttpResponse, currency: str | None) -> tuple[Balance, ...] | LookupRefused:
    """Parse the wallets of one currency or of all; an unreadable wallet refuses the lookup."""
    wallets = parse_object(response.body).get("balances")
    if response.status != 200 or not isinstance(wallets, list):
        return lookup_refused(response)
    found = []
    for wallet in wallets:
        fields = object_of(wallet)
        amount, code = number(fields.get("balance")), currency_in(fields.get("currency"))
        if amount is None or not code:
            return lookup_refused(response)
        label = " ".join(filter(None, (currency_in(fields.get("country")), name_in(fields.get("provider")))))
        if currency in {None, code}:
            found.append(Balance(amount, code, label))
    return tuple(found)


def read_operator(response: HttpResponse) -> Operator | LookupRefused:
    """Parse the predicted operator of a number."""
    fields = parse_object(response.body)
    code = name_in(fields.get("provider"))
    if response.status != 200 or not code:
        return lookup_refused(response)
    return Operator(code, currency_in(fields.get("country")), operator_key(code))


def read_cancel(response: HttpResponse, reference: str) -> CancelAnswer | LookupRefused:
    """Parse the answer to a cancellation or to a request for another callback."""
    fields = parse_object(response.body)
    code, _ = failure_in(fields)
    if response.status == 200 and fields.get("payoutId") in (None, reference):
        if fields.get("status") == "ACCEPTED":
            return CancelAnswer.TAKEN
        if fields.get("status") == "REJECTED" and code in _CANCELS:
            return _CANCELS[code]
    return lookup_refused(response)


def read_keys(response: HttpResponse) -> Mapping[str, str] | None:
    """Parse the public keys, in PEM by id; None when there are none."""
    keys = parse_json(response.body)
    if response.status != 200 or not isinstance(keys, list):
        return None
    named = ((text_of(one.get("id")), text_of(one.get("key"), limit=8_000)) for one in keys if _is(one))
    return {name: key for name, key in named if name and key} or None


def read_availability(response: HttpResponse) -> Mapping[str, str]:
    """Parse the status of each operator for payouts; empty when unknown."""
    value = parse_json(response.body)
    found: dict[str, str] = {}
    for country in value if isinstance(value, list) else ():
        for one in _parts(country, "providers"):
            kinds = one.get("operationTypes")
            if isinstance(kinds, dict):
                word = name_in(kinds.get("PAYOUT"))
            else:
                of = [kind for kind in _parts(one, "operationTypes") if kind.get("operationType") == "PAYOUT"]
                word = name_in(of[0].get("status")) if of else ""
            if (name := name_in(one.get("provider"))) and word:
                found[name] = word
    return found


def findings(known: Configuration | None, works: Mapping[str, str], settings: PawapaySettings) -> Iterator[Finding]:
    """Yield the findings of an account's diagnosis.

    Args:
        known: The account's configuration; None when unknown.
        works: The status of each operator.
        settings: The account's settings.

    """
    operator, currency, country = settings.operator, settings.currency, settings.country
    if known is None:
        yield Finding("wrong", "configuration", "pawaPay returned no configuration of the account.", "Check api_token.")
        return
    yield Finding("ok", "configuration", f"The account pays to {len(known.operators)} operators.")
    if known.signed_requests_only and settings.signing_key is None:
        yield Finding("wrong", "signatures", "pawaPay requires signed payments.", "Set signing_key and signing_key_id.")
    if known.signed_callbacks != settings.signed_callbacks:
        says = "Callbacks are signed." if known.signed_callbacks else "Callbacks are not signed."
        hint = "Set signed_callbacks to the dashboard's value."
        yield Finding("wrong" if settings.signed_callbacks else "note", "callbacks", says, hint)
    if not operator:
        yield Finding("note", "operator", "operator is not set: each payment must name one.")
    elif operator not in known.operators:
        yield Finding(
            "wrong",
            "operator",
            f"The account does not pay to {operator}.",
            "Ask pawaPay to open it, or correct operator.",
        )
    elif known.operators[operator].country != country:
        says = f"{operator} is in {known.operators[operator].country}, not in {country}."
        yield Finding("wrong", "operator", says, "Correct country or operator.")
    elif currency not in known.operators[operator].limits:
        yield Finding("wrong", "operator", f"{operator} does not accept {currency}.", "Correct currency or operator.")
    else:
        word = works.get(operator, "UNKNOWN")
        if word == "OPERATIONAL":
            yield Finding("ok", "operator", f"{operator} is {word}.")
        else:
            yield Finding("note", "operator", f"{operator} is {word}.", "Payouts may wait or be refused.")


def _is(value: object) -> bool:
    return isinstance(value, dict)


def _parts(value: Any, name: str) -> list[Mapping[str, Any]]:
    inside = value.get(name) if isinstance(value, dict) else None
    return [one for one in inside if isinstance(one, dict)] if isinstance(inside, list) else []
