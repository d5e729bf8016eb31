"""The ceiling of refunds: together they never exceed what was collected."""

from __future__ import annotations

from decimal import Context, Decimal

from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.engine.commands import OverRefunded
from payments_core.journal.sql import history
from payments_core.journal.sql.columns import read_row
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["lock_collection", "may_have_moved", "over_refunded"]

_EXACT = Context(prec=60)  # the application may have changed its own context


def lock_collection(session: DbTransaction, row: PayoutRecord) -> None:
    """Let no other transaction decide about refunds of the same collection until the commit."""
    session.lock("refunds", row.order.payee.value.lower())


def over_refunded(session: DbTransaction, row: PayoutRecord, original: Money) -> OverRefunded | None:
    """Return the refusal of a refund for which not enough of the collection is left.

    The other refunds that may have moved are summed in Python, as SQLite would sum in floats.
    """
    refunded = Decimal(0)
    collection = row.order.payee.value
    for values in session.execute(session.sql.refunds, (collection, collection)).fetchall():
        other = read_row(values)
        if other.id == row.id or not may_have_moved(session, other):
            continue
        if other.order.original_amount not in {None, original}:
            return OverRefunded(refunded, other.order.original_amount)
        refunded = _EXACT.add(refunded, other.order.amount.amount)
    is_over = _EXACT.add(refunded, row.order.amount.amount) > original.amount
    return OverRefunded(refunded, original) if is_over else None


def may_have_moved(session: DbTransaction, row: PayoutRecord) -> bool:
    """Whether a refund may have moved money: False only of one that failed for good.

    A failure that settles keeps its share until the payout is reissued, which reads it first: hours that have passed
    are no read.
    """
    if row.status not in {PayoutStatus.FAILED, PayoutStatus.CANCELLED}:
        return True
    if row.schedule.rechecks_left or (row.reason is not None and row.reason.settling_h):
        return True
    return history.is_contradicted(session, row.id)
