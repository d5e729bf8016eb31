"""The requests to pawaPay, and how an order is written into one. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from payments_core.domain.errors import InvalidPayout
from payments_core.domain.masking import scrub
from payments_core.domain.payout import Order
from payments_core.http.messages import HttpRequest, slot
from payments_core.routing import OPERATORS
from payments_pawapay.codec import OUR_ID
from payments_pawapay.codes import operator_key

__all__ = ["BULK", "MOST_AT_ONCE", "PAY", "REPEATABLE", "SIGNED", "Calls", "check_options", "operator_of", "payment"]

PAY, BULK = "pay", "pay_bulk"
SIGNED = frozenset({PAY, BULK})  # signed calls: those that move money
MOST_AT_ONCE = 20
REPEATABLE = ("status", "active_conf", "keys", "availability", "balances", "predict")

_MESSAGE = re.compile(r"[A-Za-z0-9 ]{4,22}")
_METADATA = ("metadata.", "pii.")
_MOST_METADATA = 10  # ours is one of them


class Calls:
    """The calls of one account.

    Args:
        base_url: Without a path.

    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def pay(self, payment: Mapping[str, Any]) -> HttpRequest:
        """Return the request that makes one payment."""
        return replace(self._post(PAY, "/v2/payouts", payment), moves_money=True)

    def pay_many(self, payments: list[Mapping[str, Any]]) -> HttpRequest:
        """Return the request that makes many payments."""
        return replace(self._post(BULK, "/v2/payouts/bulk", payments), moves_money=True)

    def status(self, reference: str) -> HttpRequest:
        """Return the request for a payment's status."""
        return self._get("status", f"/v2/payouts/{quote(reference, safe='')}")

    def cancel(self, reference: str) -> HttpRequest:
        """Return the request to fail an enqueued payment."""
        return self._post("cancel", f"/v2/payouts/fail-enqueued/{quote(reference, safe='')}")

    def resend_callback(self, reference: str) -> HttpRequest:
        """Return the request for another callback."""
        return self._post("resend_callback", f"/v2/payouts/resend-callback/{quote(reference, safe='')}")

    def active_conf(self) -> HttpRequest:
        """Return the request for the account's configuration."""
        return self._get("active_conf", "/v2/active-conf", operationType="PAYOUT")

    def keys(self) -> HttpRequest:
        """Return the request for the keys that callbacks are signed with."""
        return self._get("keys", "/v2/public-key/http")

    def availability(self) -> HttpRequest:
        """Return the request for the operators' availability."""
        return self._get("availability", "/v2/availability", operationType="PAYOUT")

    def balances(self) -> HttpRequest:
        """Return the request for the account's balances."""
        return self._get("balances", "/v2/wallet-balances")

    def predict(self, number: str) -> HttpRequest:
        """Return the request for the operator of a number."""
        asked = self._post("predict", "/v2/predict-provider", {"phoneNumber": number})
        return replace(asked, repeatable=True)

    def _get(self, operation: str, path: str, **query: str) -> HttpRequest:
        address = f"{self._base_url}{path}" + (f"?{urlencode(query)}" if query else "")
        return HttpRequest("GET", address, operation, headers=_headers(), repeatable=True)

    def _post(self, operation: str, path: str, body: Any = None) -> HttpRequest:
        text = None if body is None else json.dumps(body, separators=(",", ":"))
        headers = _headers() | ({} if text is None else {"Content-Type": "application/json"})
        return HttpRequest("POST", f"{self._base_url}{path}", operation, headers=headers, body=text)


def _headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {slot('api_token')}", "Accept": "application/json"}


def operator_of(order: Order, default: str) -> str:
    """Return the payee's operator as named by the options, the payee or the account; it is never guessed.

    A payee may also name it by the core's key, such as ``mtn``: then it must be the operator that is paid.

    Raises:
        InvalidPayout: No operator is named, or two differ.

    """
    named_by_payee, option = order.payee.details.get("operator", ""), order.options.get("provider", "")
    if named_by_payee in OPERATORS:
        code = option or default
        if not code or operator_key(code) != named_by_payee:
            raise InvalidPayout(
                f"The payee's operator is {scrub(named_by_payee)}; the account's is {code or 'not set'}.",
                hint="Pay from an account of that operator, or name it by the option provider=MTN_MOMO_ZMB (or another "
                "code).",
            )
        return code
    named = {option, named_by_payee} - {""}
    if len(named) > 1:
        raise InvalidPayout(f"The option provider and the payee name two operators: {scrub(', '.join(sorted(named)))}.")
    if not (operator := next(iter(named), default)):
        raise InvalidPayout(
            "The payee's operator is missing.",
            hint="Give the option provider=MTN_MOMO_ZMB (or another code), or the account an operator.",
        )
    return operator


def check_options(options: Mapping[str, str]) -> None:
    """Raise ``InvalidPayout`` for an option that pawaPay would refuse."""
    for name, value in options.items():
        if name.startswith(_METADATA):
            if not name.partition(".")[2] or name.partition(".")[2] == OUR_ID or not value:
                raise InvalidPayout(
                    f"Option {scrub(name)} is empty, or its metadata name is missing or reserved.", field="options"
                )
        elif name == "customer_message" and not _MESSAGE.fullmatch(value):
            raise InvalidPayout("customer_message must be 4 to 22 letters, digits and spaces.", field="options")
    keys = [name.partition(".")[2] for name in options if name.startswith(_METADATA)]
    if len(set(keys)) != len(keys) or len(keys) >= _MOST_METADATA:
        raise InvalidPayout(f"Metadata can have at most {_MOST_METADATA - 1} names, each once.", field="options")


def payment(order: Order, operator: str, reference: str, our_id: str) -> dict[str, Any]:
    """Return an order in pawaPay's form."""
    fields: dict[str, Any] = {
        "payoutId": reference,
        "amount": order.amount.text,  # without trailing zeros: pawaPay refuses them
        "currency": str(order.amount.currency),
        "recipient": {"type": "MMO", "accountDetails": {"phoneNumber": order.payee.value, "provider": operator}},
        "clientReferenceId": our_id,
        # A callback contains the metadata, not the clientReferenceId.
        "metadata": [{OUR_ID: our_id}, *_metadata(order.options)],
    }
    if message := order.options.get("customer_message") or _message(order.note):
        fields["customerMessage"] = message
    return fields


def _metadata(options: Mapping[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, value in sorted(options.items()):
        kind, _, key = name.partition(".")
        if kind == "metadata" and key:
            found.append({key: value})
        elif kind == "pii" and key:
            found.append({key: value, "isPII": True})
    return found


def _message(note: str) -> str:
    """Return the part of a note that can be shown to the payee; empty when it is too short."""
    plain = " ".join("".join(c if c.isascii() and c.isalnum() else " " for c in note).split())[:22].strip()
    return plain if _MESSAGE.fullmatch(plain) else ""
