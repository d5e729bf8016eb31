"""Records of payouts from the names of their columns: a test names the few that matter, wherever a record has them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, PayoutStatus
from payments_core.domain.records import AttemptRecord, Lease, PayoutRecord, Schedule
from payments_core.journal.sql.columns import PATHS

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """Return the time so many seconds after START."""
    return START + timedelta(seconds=seconds)


def make_record(**columns: Any) -> PayoutRecord:
    """Return a record with these columns; an original amount is in the currency of the amount."""
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in columns.items():
        group, _, field = PATHS[name].rpartition(".")
        groups[group][field] = value
    amount, original = Money(**groups["order.amount"]), groups["order"].pop("original_amount", None)
    if original is not None and not isinstance(original, Money):
        original = Money(original, amount.currency)
    order = Order(payee=Payee(**groups["order.payee"]), amount=amount, original_amount=original, **groups["order"])
    attempt, schedule = AttemptRecord(**groups["attempt"]), Schedule(**groups["schedule"])
    return PayoutRecord(order=order, attempt=attempt, schedule=schedule, lease=Lease(**groups["lease"]), **groups[""])


def columns_of(row: PayoutRecord) -> dict[str, Any]:
    """Return the columns of a record; the original amount with its currency."""
    return {name: attrgetter(path)(row) for name, path in PATHS.items()}


def changed(row: PayoutRecord, **columns: Any) -> PayoutRecord:
    """Return a record with some of its columns changed."""
    return make_record(**columns_of(row) | columns)


def new_record(name: str = "one", **columns: Any) -> PayoutRecord:
    """Return a new payout with this name in its id, key and reference, with some of its columns changed."""
    new = {
        "id": f"po_{name}",
        "key": f"salary/{name}",
        "fingerprint": "f" * 64,
        "account": "mtn-uganda",
        "operation": Operation.TRANSFER,
        "payee_kind": "msisdn",
        "payee_value": "46733123450",
        "amount": Decimal("12.50"),
        "currency": "EUR",
        "binding": {"host": "localhost"},
        "references": {"reference_id": f"ref-{name}"},
        "request": "{}",
        "request_hash": "0" * 64,
        "created_at": START,
        "updated_at": START,
        "next_at": START,
    }
    return make_record(**new | columns)


def next_attempt(row: PayoutRecord, **columns: Any) -> PayoutRecord:
    """Return the record with which the next attempt of a failed payout begins, with some of its columns changed."""
    number = row.attempt.number + 1
    begun = {
        "status": PayoutStatus.CREATED,
        "attempt": number,
        "reason": None,
        "decided_by": "",
        "submissions": 0,
        "refusals": 0,
        "ambiguous": False,
        "guards_passed": False,
        "first_sent_at": None,
        "sent_at": None,
        "next_at": row.created_at,
        "references": {"reference_id": f"ref-{number}"},
        "request_hash": str(number) * 64,
    }
    return changed(row, **begun | columns)
