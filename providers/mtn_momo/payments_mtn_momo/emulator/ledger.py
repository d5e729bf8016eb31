"""The emulated gateway's ledger: payments in a list that only grows; a payment made twice would show as two."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from payments_mtn_momo.emulator.payees import Fate
from payments_mtn_momo.emulator.replies import MESSAGES
from payments_mtn_momo.emulator.switches import Switches

__all__ = ["Ledger", "Operation", "Payment", "amount_text"]

Operation = Literal["transfer", "deposit", "refund"]
_NOTES = ("payerMessage", "payeeNote")

# What each operation shows, in the order recorded (answers recorded by MTN's libraries for Java, JavaScript and PHP);
# status and reason follow.
_FIELDS: Mapping[Operation, tuple[str, ...]] = {
    "transfer": ("amount", "currency", "financialTransactionId", "externalId", "payee", *_NOTES),
    "deposit": ("externalId", "amount", "currency", "payee", *_NOTES),
    "refund": ("financialTransactionId", "externalId", "amount", "currency", "payee", *_NOTES),
}
_NUMBERS = ("amount", "externalId", "financialTransactionId")


def amount_text(amount: str) -> str:
    """Write an amount as MTN echoes it: ``12.50`` becomes ``12.5``, ``6.0`` becomes ``6``."""
    whole, _, decimals = amount.partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole.lstrip('0') or '0'}.{decimals}" if decimals else whole.lstrip("0") or "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One accepted transfer, deposit or refund."""

    reference: str  #: X-Reference-Id, in small letters.
    operation: Operation = "transfer"  #: Which of the three.
    version: Literal["v1_0", "v2_0"] = "v1_0"  #: Of the address it came by.
    user: str  #: The API user it belongs to.
    order: Mapping[str, Any]  #: The request's body.
    party: Mapping[str, str]  #: Who gets it: the order's payee; for a refund the payer of the collection.
    fate: Fate  #: What becomes of it.
    accepted_at: datetime  #: When it was taken.
    ends_at: datetime  #: When it reaches its end.
    visible_at: datetime  #: Before it, reads do not find it.
    callback_url: str = ""  #: Where its end is reported; empty for nowhere.
    callback_method: Literal["POST", "PUT"] = "PUT"  #: How.

    @property
    def payee(self) -> str:
        """The number, address or code it goes to."""
        return self.party["partyId"]

    @property
    def transaction_id(self) -> str:
        """Ten digits, as financialTransactionId."""
        return str(10**9 + int.from_bytes(hashlib.sha256(self.reference.encode()).digest()[:7], "big") % (9 * 10**9))

    def state(self, at: datetime) -> str:
        """Return its status; on its way to an end first CREATED (measured), then PENDING (the portal)."""
        if self.fate.end is None:
            return "PENDING"
        if at >= self.ends_at:
            return self.fate.end
        is_early = at - self.accepted_at < (self.ends_at - self.accepted_at) / 2
        return "CREATED" if self.fate.pace == "delayed" and is_early else "PENDING"

    def status(self, at: datetime, switches: Switches) -> dict[str, Any]:
        """Return the body of a status answer, and of a callback."""
        state = self.state(at)
        known: dict[str, Any] = {
            "amount": amount_text(self.order["amount"]),
            "currency": self.order["currency"],
            "payee": dict(self.party),
        }
        known |= {name: self.order[name] for name in ("externalId", *_NOTES) if name in self.order}
        early = switches.pending_transaction_id and state == "PENDING" and self.operation == "transfer"
        if state == "SUCCESSFUL" or early:
            known["financialTransactionId"] = self.transaction_id
        if switches.status_values == "number":
            known |= {name: _number(known[name]) for name in _NUMBERS if name in known}
            known["payee"]["partyId"] = _number(known["payee"]["partyId"])
        fields = {name: known[name] for name in _FIELDS[self.operation] if name in known}
        fields["status"] = state
        if state == "FAILED":
            reason = self.fate.reason
            as_object = {"code": reason, "message": MESSAGES.get(reason, reason)}
            fields["reason"] = reason if switches.reason_shape == "string" else as_object
        return fields


def _number(text: str) -> Any:
    """Return the JSON number of a text that is one, as in the export's examples."""
    if not text.replace(".", "", 1).isdigit() or not text.isascii():
        return text
    return int(text) if text.isdigit() else float(Decimal(text))


class Ledger:
    """Every acceptance, appended and never changed."""

    def __init__(self) -> None:
        self.accepted: list[Payment] = []
        self._by_reference: dict[str, Payment] = {}
        self._at = datetime.min.replace(tzinfo=UTC)

    def find(self, reference: str) -> Payment | None:
        """Return the payment of a reference."""
        return self._by_reference.get(reference)

    def accept(self, payment: Payment) -> None:
        """Take a payment on."""
        self.accepted.append(payment)
        self._by_reference.setdefault(payment.reference, payment)
        self.settle(payment.accepted_at)

    def settle(self, at: datetime) -> None:
        """Advance to a time."""
        self._at = max(at, self._at)

    @property
    def credits(self) -> list[Payment]:
        """The acceptances whose money has reached the payee."""
        return [payment for payment in self.accepted if payment.state(self._at) == "SUCCESSFUL"]

    def refunded(self, collection: str) -> Decimal:
        """Return what was or will be paid back of a collection."""
        refunds = [
            Decimal(payment.order["amount"])
            for payment in self.accepted
            if payment.operation == "refund"
            and payment.fate.end != "FAILED"
            and payment.order["referenceIdToRefund"].lower() == collection
        ]
        return sum(refunds, Decimal(0))

    def rows(self, posts: Mapping[str, int]) -> list[dict[str, Any]]:
        """Return one row a reference, in the order of acceptance."""
        credited = Counter(payment.reference for payment in self.credits)
        return [
            {
                "reference": payment.reference,
                "operation": payment.operation,
                "payee": payment.payee,
                "amount": amount_text(payment.order["amount"]),
                "currency": payment.order["currency"],
                "external_id": payment.order.get("externalId"),
                "state": payment.state(self._at),
                "reason": payment.fate.reason or None,
                "posts": posts[payment.reference],
                "credits": credited[payment.reference],
                "version": payment.version,
                "api_user": payment.user,
                "order": dict(payment.order),
                "callback_url": payment.callback_url or None,
                "callback_method": payment.callback_method if payment.callback_url else None,
                "accepted_at": payment.accepted_at.isoformat(),
                "ends_at": payment.ends_at.isoformat() if payment.fate.end else None,
            }
            for payment in self._by_reference.values()
        ]
