"""Template Pay's HTTP API: a pure state machine that reads no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from payments_core.testing import emulator
from payments_core.testing.emulator import Answer, Fires, Options, Routes
from payments_core.testing.emulator.callback_plan import ProviderSays, plan
from payments_core.testing.emulator.callback_queue import Callback, CallbackBook
from payments_core.testing.emulator.faults import Rule

__all__ = ["Gateway", "Payment", "Switches"]

# Test payees whose payments fail, and the reason; every other payee is paid.
FAILURES: Mapping[str, str] = {"999700000001": "no_such_wallet", "999700000002": "wallet_full"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches(Options):
    """Options of the emulator.

    Args:
        ends_after_s: How long a payment takes.

    """

    ends_after_s: float = 0.0


class Request(emulator.Request):
    """A request to the gateway."""

    routes = Routes(("pay", "POST", "/payments", "post"), ("status", "GET", "/payments/{id}", "get"))

    @property
    def reference(self) -> str:
        """The reference of the payment that the request names."""
        return self.part("id") or str(self.fields.get("id", ""))


@dataclass(frozen=True, slots=True)
class Payment:
    """An accepted payment."""

    order: Mapping[str, Any]
    number: str
    accepted_at: datetime
    visible_at: datetime
    ends_at: datetime | None

    @property
    def reason(self) -> str:
        """The failure's code; empty when the payment succeeds."""
        return FAILURES.get(self.order["to"], "")

    def state(self, at: datetime) -> str:
        """Return its status at a time."""
        if self.ends_at is None or at < self.ends_at:
            return "accepted"
        return "failed" if self.reason else "paid"

    def payload(self, at: datetime, **changed: Any) -> dict[str, Any]:
        """Return the payment as a status answer or a callback writes it."""
        state = self.state(at)
        payload = {name: self.order[name] for name in ("id", "to", "amount", "currency")} | {"status": state}
        own = {"failed": {"reason": self.reason}, "paid": {"number": self.number}}
        return payload | own.get(state, {}) | changed


class Gateway(emulator.Gateway[Request]):
    """Answers the API's two calls.

    Args:
        api_key: The key that a request must carry.
        switches: Options of the emulator.

    """

    def __init__(self, api_key: str, switches: Switches) -> None:
        super().__init__(Request, CallbackBook((1.0, 10.0, 60.0)))
        self.api_key = api_key
        self._switches = switches
        self._payments: dict[str, Payment] = {}

    def answer(self, request: Request) -> Answer:
        """Answer one request and record its effect."""
        if request.authorization != f"Bearer {self.api_key}":
            return _error(401, "bad_key", "The key is not known.")
        if request.operation == "pay":
            return self._pay(request)
        if request.operation == "status":
            payment = self._payments.get(request.reference)
            if payment is None or request.at < payment.visible_at:
                return _error(404, "no_such_payment", "There is no such payment.")
            return Answer.json(200, payment.payload(request.at))
        return _error(404, "no_such_call", "There is no such call.")

    def _pay(self, request: Request) -> Answer:
        order, at = request.fields, request.at
        if not all(isinstance(order.get(name), str) and order[name] for name in ("id", "to", "amount", "currency")):
            return _error(422, "bad_request", "id, to, amount and currency are needed.")
        if order["id"] in self._payments:
            return _error(409, "duplicate_id", "The id was used before.")
        ends_at = None if request.stuck else at + timedelta(seconds=self._switches.ends_after_s)
        visible_at = at + timedelta(seconds=request.invisible_s)
        number = f"TP{len(self._payments) + 1:08}"
        self._payments[order["id"]] = Payment(order, number, at, visible_at, ends_at)
        return Answer.json(201, {"id": order["id"], "status": "accepted"})

    def refuse(self, fault: str, rule: Rule, request: Request) -> Answer:
        """Return the answer that a fault gives."""
        match fault:
            case "writes_forbidden":
                return _error(403, "not_allowed", "The merchant may not pay.")
            case "waf_page":
                return Answer.of(403, b"<html><title>403 Forbidden</title></html>", "text/html")
            case "status_429":
                return _error(429, "too_many", "Slow down.", **{"retry-after": f"{rule.value:g}"})
            case "status_503":
                return _error(503, "busy", "Try again later.")
            case _:
                return _error(500, rule.code or "internal", "Something went wrong.")

    def ledger(self, at: datetime) -> Sequence[Mapping[str, Any]]:
        """Return one row for each payment, by reference."""
        return [
            {
                "reference": reference,
                "payee": payment.order["to"],
                "amount": payment.order["amount"],
                "currency": payment.order["currency"],
                "state": payment.state(at),
                "posts": self.posts[reference],
                "credits": int(payment.state(at) == "paid"),
            }
            for reference, payment in self._payments.items()
        ]

    def payee(self, request: Request) -> str:
        """Return the payee of a request's payment."""
        known = self._payments.get(request.reference)
        return str(request.fields.get("to") or (known.order["to"] if known else ""))

    def plan_callbacks(self, request: Request, answer: Answer, fires: Fires) -> Sequence[Callback]:
        """Return the callbacks of a payment that was just accepted."""
        payment = self._payments.get(request.reference)
        if payment is None or answer.status != 201 or not payment.order.get("callback_url"):
            return ()
        url = payment.order["callback_url"]

        def write(says: ProviderSays, due_at: datetime) -> Callback:
            payload = payment.payload(payment.ends_at or request.at)
            if says == "other end":
                payload |= {"status": "failed" if payload["status"] == "paid" else "paid"}
            elif says == "another's":
                payload |= {
                    "id": next((other for other in self._payments if other != payload["id"]), "another-payment")
                }
            return Callback.of(payment.order["id"], url, payload["status"], payload, due_at)

        return plan(write, fires, accepted_at=payment.accepted_at, ends_at=payment.ends_at)


def _error(status: int, code: str, message: str, **headers: str) -> Answer:
    return Answer.json(status, {"error": code, "message": message}, **headers)
