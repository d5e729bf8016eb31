"""pawaPay's HTTP API: a pure state machine that reads no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from payments_core.testing import emulator
from payments_core.testing.emulator import Answer, Fires, Options
from payments_core.testing.emulator.callback_plan import ProviderSays, plan
from payments_core.testing.emulator.callback_queue import Callback, CallbackBook
from payments_core.testing.emulator.faults import Rule
from payments_pawapay.emulator.network import OPERATORS, active_conf, availability, problem
from payments_pawapay.emulator.payments import Payment
from payments_pawapay.emulator.replies import refused, rejection
from payments_pawapay.emulator.requests import Request

if TYPE_CHECKING:
    from payments_pawapay.emulator.signing import KeyRing

__all__ = ["Gateway", "Switches"]

_MOST_AT_ONCE = 20
_RETRIES_S = (1.0, 10.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches(Options):
    """Options of the emulator.

    Args:
        ends_after_s: How long an operator takes for a payment.
        enqueued_s: How long a payment is enqueued and can be cancelled.
        callback_url: The dashboard's callback URL; empty for no callbacks.
        signed_callbacks: Whether callbacks are signed.
        signed_requests: Whether payments have to be signed.
        ecdsa: The encoding of ECDSA signatures in callbacks.

    """

    ends_after_s: float = 0.0
    enqueued_s: float = 0.0
    callback_url: str = ""
    signed_callbacks: bool = False
    signed_requests: bool = False
    ecdsa: Literal["der", "raw"] = "der"


class Gateway(emulator.Gateway[Request]):
    """Answers the API's calls.

    Args:
        api_token: The token that requests must carry.
        switches: Options of the emulator.
        keys: The keys that callbacks are signed with; None for unsigned callbacks.

    """

    def __init__(self, api_token: str, switches: Switches, keys: KeyRing | None = None) -> None:
        super().__init__(Request, CallbackBook(_RETRIES_S, only_200=True))
        self.api_token = api_token
        self.callback_url = switches.callback_url
        self.keys = keys
        self.merchant_key: tuple[str, str] | None = None  # id and public key, where payments must be signed
        self._switches = switches
        self._payments: dict[str, Payment] = {}

    def answer(self, request: Request) -> Answer:
        """Answer one request and record its effect."""
        if request.authorization != f"Bearer {self.api_token}":
            return refused(401, "AUTHENTICATION_ERROR", "The API token in the request is invalid.")
        if request.kind == "post" and self.merchant_key and not self._is_signed(request):
            return refused(403, "HTTP_SIGNATURE_ERROR", "The signature is not valid.")
        match request.operation:
            case "pay":
                status, payload = self._pay(request, request.payload)
                return Answer.json(status, payload)
            case "pay_bulk":
                return self._pay_many(request)
            case "status":
                return self._status(request)
            case "cancel":
                return self._cancel(request)
            case "resend_callback":
                return self._resend(request)
            case "active_conf":
                signs, signed = self._switches.signed_requests, self._switches.signed_callbacks
                return Answer.json(200, active_conf(signed_requests=signs, signed_callbacks=signed))
            case "availability":
                return Answer.json(200, availability())
            case "keys":
                return Answer.json(200, self.keys.public() if self.keys else [])
            case "balances":
                return Answer.json(200, {"balances": self._balances(request.at)})
            case "predict":
                return self._predict(request)
            case _:
                return refused(404, "NOT_FOUND", "There is no such call.")

    def _is_signed(self, request: Request) -> bool:
        from payments_pawapay.emulator.signing import signs_rightly

        assert self.merchant_key is not None  # noqa: S101 - checked by the caller
        url = f"http://{request.headers.get('host', '')}{request.path}"
        return signs_rightly(request, url, *self.merchant_key)

    def _pay(self, request: Request, order: Any) -> tuple[int, dict[str, Any]]:
        if not isinstance(order, dict):
            return 400, rejection(None, "INVALID_INPUT", "We are unable to parse the body of the request.")
        if wrong := problem(order):
            # The sources show this refusal without a payoutId.
            named = None if wrong[1] == "AMOUNT_OUT_OF_BOUNDS" else order.get("payoutId")
            return wrong[0], rejection(named, *wrong[1:])
        reference = order["payoutId"]
        known = self._payments.get(reference)
        if known is None:
            known = self._payments[reference] = Payment.accepted(
                order,
                request.at,
                invisible_s=request.invisible_s,
                enqueued_s=self._switches.enqueued_s,
                ends_after_s=None if request.stuck else self._switches.ends_after_s,
            )
            word = "ACCEPTED"
        else:
            word = "DUPLICATE_IGNORED"
        return 200, {"payoutId": reference, "status": word, "created": f"{known.accepted_at:%Y-%m-%dT%H:%M:%SZ}"}

    def _pay_many(self, request: Request) -> Answer:
        payload = request.payload
        if not isinstance(payload, list) or not 1 <= len(payload) <= _MOST_AT_ONCE:
            return Answer.json(400, rejection(None, "INVALID_INPUT", "We are unable to parse the body of the request."))
        return Answer.json(200, [self._pay(request, order)[1] for order in payload])

    def _status(self, request: Request) -> Answer:
        payment = self._payments.get(request.reference)
        if payment is None or request.at < payment.visible_at:
            return Answer.json(200, {"status": "NOT_FOUND"})
        return Answer.json(200, {"status": "FOUND", "data": payment.payload(request.at)})

    def _cancel(self, request: Request) -> Answer:
        payment = self._payments.get(request.reference)
        if payment is None:
            return Answer.json(200, rejection(request.reference, "NOT_FOUND", "Payout not found."))
        if payment.state(request.at) != "ENQUEUED":
            return Answer.json(200, rejection(request.reference, "INVALID_STATE", "Payout is not enqueued."))
        payment.cancelled_at = request.at
        for callback in self.callbacks.planned:  # report the cancellation instead of the planned end
            if callback.reference == request.reference and callback.state == "waiting":
                self._rewrite(callback, payment.payload(request.at), callback.due_at)
        return Answer.json(200, {"payoutId": request.reference, "status": "ACCEPTED"})

    def _resend(self, request: Request) -> Answer:
        payment = self._payments.get(request.reference)
        if payment is None:
            return Answer.json(200, rejection(request.reference, "NOT_FOUND", "Payout not found."))
        if payment.state(request.at) not in {"COMPLETED", "FAILED"}:
            return Answer.json(
                200, rejection(request.reference, "INVALID_STATE", "Payout has not finished processing.")
            )
        return Answer.json(200, {"payoutId": request.reference, "status": "ACCEPTED"})

    def _balances(self, at: datetime) -> list[dict[str, str]]:
        held = {
            (takes.country, currency): Decimal(1_000_000)
            for takes in OPERATORS.values()
            for currency in takes.currencies
        }
        for payment in self._payments.values():
            if payment.state(at) != "FAILED":
                payload = payment.payload(at)
                held[payload["country"], payload["currency"]] -= Decimal(payload["amount"])
        return [
            {"country": country, "balance": f"{amount:.2f}", "currency": currency, "provider": ""}
            for (country, currency), amount in held.items()
        ]

    def _predict(self, request: Request) -> Answer:
        payload = request.payload
        number = "".join(filter(str.isdigit, str(payload.get("phoneNumber", "")))) if isinstance(payload, dict) else ""
        for code, takes in OPERATORS.items():
            if number.startswith(takes.prefix):
                return Answer.json(200, {"country": takes.country, "provider": code, "phoneNumber": number})
        return refused(400, "INVALID_PARAMETER", "Value for parameter 'phoneNumber' is invalid.")

    def refuse(self, fault: str, rule: Rule, request: Request) -> Answer:
        """Return the answer that a fault gives."""
        match fault:
            case "writes_forbidden":
                return refused(403, "AUTHORISATION_ERROR", "The API token is not authorised for this endpoint.")
            case "waf_page":
                return Answer.of(403, b"<html><title>403 Forbidden</title></html>", "text/html")
            case "status_429":
                return Answer.of(429, b"", "text/plain", **{"retry-after": f"{rule.value:g}"})
            case "status_503":
                return Answer.of(503, b"", "text/plain")
            case _:
                return refused(500, rule.code or "UNKNOWN_ERROR", "Unable to process request.", status="")

    def ledger(self, at: datetime) -> Sequence[Mapping[str, Any]]:
        """Return one row for each payment, by reference."""
        return [
            {
                "reference": reference,
                "payee": payment.number,
                "amount": payment.order["amount"],
                "currency": payment.order["currency"],
                "state": payment.state(at),
                "posts": self.posts[reference],
                "credits": int(payment.state(at) == "COMPLETED"),
            }
            for reference, payment in self._payments.items()
        ]

    def payee(self, request: Request) -> str:
        """Return the payee of a request's payment."""
        if (known := self._payments.get(request.reference)) is not None:
            return known.number
        recipient = request.orders[0].get("recipient") if request.orders else None
        details = recipient.get("accountDetails") if isinstance(recipient, dict) else None
        return str(details.get("phoneNumber", "")) if isinstance(details, dict) else ""

    # --- callbacks ---

    def plan_callbacks(self, request: Request, answer: Answer, fires: Fires) -> Sequence[Callback]:
        """Return the callbacks of payments that were just accepted, or a resent one."""
        if not self.callback_url or answer.status != 200:
            return ()
        payload = json.loads(answer.body)
        if request.operation == "resend_callback" and payload["status"] == "ACCEPTED":
            payment = self._payments[request.reference]
            return [self._callback(payment, payment.payload(request.at), request.at)]
        if request.kind != "post":
            return ()
        orders = payload if isinstance(payload, list) else [payload]
        taken = [order for order in orders if order.get("status") == "ACCEPTED"]
        return [one for item in taken for one in self._planned(self._payments[item["payoutId"]], fires, request.at)]

    def _planned(self, payment: Payment, fires: Fires, at: datetime) -> list[Callback]:
        def write(says: ProviderSays, due_at: datetime) -> Callback:
            payload = payment.payload(payment.ends_at or at)
            if says == "other end":
                payload |= {"status": "FAILED" if payload["status"] == "COMPLETED" else "COMPLETED"}
            elif says == "another's":
                others = (other for other in self._payments.values() if other is not payment)
                payload |= {name: next(others, payment).payload(at)[name] for name in ("payoutId", "metadata")}
            return self._callback(payment, payload, due_at)

        found = plan(write, fires, accepted_at=payment.accepted_at, ends_at=payment.ends_at)
        for callback in found:
            if "callback_forged" in callback.faults and self.keys:  # a forger lacks the key
                callback.headers = self.keys.sign(callback.url, callback.body, callback.due_at, by_stranger=True)
        return found

    def _callback(self, payment: Payment, payload: Mapping[str, Any], due_at: datetime) -> Callback:
        callback = Callback.of(payment.order["payoutId"], self.callback_url, "", payload, due_at)
        self._rewrite(callback, payload, due_at)
        return callback

    def _rewrite(self, callback: Callback, payload: Mapping[str, Any], at: datetime) -> None:
        callback.says, callback.body = payload["status"], json.dumps(payload).encode()
        plain = {"content-type": "application/json"}
        callback.headers = self.keys.sign(callback.url, callback.body, at) if self.keys else plain
