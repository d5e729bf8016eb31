"""The status of a payment as MTN writes it: each operation with its own fields in its own order.

Sources: answers recorded by MTN's libraries for Java, JavaScript and PHP (key order, no transaction id in a deposit),
a client's measurements (amounts without trailing zeros, no transaction id before success).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments_mtn_momo.emulator.ledger import Operation, Payment, amount_text
from payments_mtn_momo.emulator.replies import MESSAGES
from payments_mtn_momo.emulator.switches import Switches

__all__ = ["FIELDS", "write_status"]

_NOTES = ("payerMessage", "payeeNote")

# What each operation shows, in the order recorded; status and reason follow.
FIELDS: Mapping[Operation, tuple[str, ...]] = {
    "transfer": ("amount", "currency", "financialTransactionId", "externalId", "payee", *_NOTES),
    "deposit": ("externalId", "amount", "currency", "payee", *_NOTES),
    "refund": ("financialTransactionId", "externalId", "amount", "currency", "payee", *_NOTES),
}


def write_status(payment: Payment, at: datetime, switches: Switches) -> dict[str, Any]:
    """Return the body of a status answer, and of a callback."""
    state = payment.state(at)
    known: dict[str, Any] = {
        "amount": amount_text(payment.order["amount"]),
        "currency": payment.order["currency"],
        "payee": dict(payment.party),
    }
    known |= {name: payment.order[name] for name in ("externalId", *_NOTES) if name in payment.order}
    early = switches.pending_transaction_id and state == "PENDING" and payment.operation == "transfer"
    if state == "SUCCESSFUL" or early:
        known["financialTransactionId"] = payment.transaction_id
    if switches.status_values == "number":
        known |= {name: _number(known[name]) for name in _NUMBERS if name in known}
        known["payee"]["partyId"] = _number(known["payee"]["partyId"])
    fields = {name: known[name] for name in FIELDS[payment.operation] if name in known}
    fields["status"] = state
    if state == "FAILED":
        reason = payment.fate.reason
        as_object = {"code": reason, "message": MESSAGES.get(reason, reason)}
        fields["reason"] = reason if switches.reason_shape == "string" else as_object
    return fields


_NUMBERS = ("amount", "externalId", "financialTransactionId")


def _number(text: str) -> Any:
    """Return the JSON number of a text that is one, as in the export's examples."""
    if not text.replace(".", "", 1).isdigit() or not text.isascii():
        return text
    return int(text) if text.isdigit() else float(Decimal(text))
