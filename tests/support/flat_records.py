"""Records of payouts from the names of their columns: a test names the few that matter, wherever a record has them."""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import Any

from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.domain.records import AttemptRecord, Lease, PayoutRecord, Schedule
from payments_core.journal.sql.columns import PATHS


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
