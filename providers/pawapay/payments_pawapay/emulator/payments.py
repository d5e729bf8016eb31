"""The payments that an emulated pawaPay has accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from payments_pawapay.emulator.network import ENDS, OPERATORS, STUCK

__all__ = ["Payment"]


@dataclass(slots=True)
class Payment:
    """An accepted payment."""

    order: Mapping[str, Any]  #: The request's payment.
    accepted_at: datetime  #: When it was accepted.
    visible_at: datetime  #: Checks find it from then on.
    begins_at: datetime  #: Until then it is enqueued and can be cancelled.
    ends_at: datetime | None  #: When it ends; None for never.
    cancelled_at: datetime | None = None  #: When it was cancelled, if it was.

    @classmethod
    def accepted(
        cls,
        order: Mapping[str, Any],
        at: datetime,
        *,
        invisible_s: float,
        enqueued_s: float,
        ends_after_s: float | None,
    ) -> Payment:
        """Return a payment that is accepted now."""
        begins_at = at + timedelta(seconds=enqueued_s)
        number = order["recipient"]["accountDetails"]["phoneNumber"]
        is_stuck = ends_after_s is None or number.endswith(STUCK)
        ends_at = None if is_stuck else begins_at + timedelta(seconds=ends_after_s or 0.0)
        return cls(order, at, at + timedelta(seconds=invisible_s), begins_at, ends_at)

    @property
    def number(self) -> str:
        """The payee's number."""
        return str(self.order["recipient"]["accountDetails"]["phoneNumber"])

    @property
    def reason(self) -> str:
        """The failure's code; empty when the payment succeeds."""
        return "MANUALLY_CANCELLED" if self.cancelled_at else ENDS.get(self.number[-3:], "")

    def state(self, at: datetime) -> str:
        """Return its status at a time."""
        if self.cancelled_at is not None:
            return "FAILED"
        if at < self.begins_at:
            return "ENQUEUED"
        if self.ends_at is None or at < self.ends_at:
            return "PROCESSING"
        return "FAILED" if self.reason else "COMPLETED"

    def payload(self, at: datetime) -> dict[str, Any]:
        """Return the payment as a status answer or a callback writes it."""
        state, operator = self.state(at), self.order["recipient"]["accountDetails"]["provider"]
        payload = {
            "payoutId": self.order["payoutId"],
            "status": state,
            "amount": f"{self.order['amount']}" + ("" if "." in self.order["amount"] else ".00"),
            "currency": self.order["currency"],
            "country": OPERATORS[operator].country,
            "recipient": self.order["recipient"],
            "created": f"{self.accepted_at:%Y-%m-%dT%H:%M:%SZ}",
            # A list in the request, an object in the answer.
            "metadata": {
                name: value for one in self.order.get("metadata", ()) for name, value in one.items() if name != "isPII"
            },
        }
        if "customerMessage" in self.order:
            payload["customerMessage"] = self.order["customerMessage"]
        if state == "COMPLETED":
            payload["providerTransactionId"] = self.order["payoutId"][:8]
        if state == "FAILED":
            payload["failureReason"] = {
                "failureCode": self.reason,
                "failureMessage": f"{self.reason.replace('_', ' ').capitalize()}.",
            }
        return payload
