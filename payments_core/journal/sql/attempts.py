"""Attempts: the next one, its approval, and those that have ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from payments_core.domain.errors import JournalError
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.domain.records import Approval, PayoutRecord
from payments_core.engine.commands import (
    Contradicted,
    CreateAttempt,
    GapOpen,
    LoadAttempts,
    LoadedAttempts,
    OverRefunded,
    Stale,
    TransitionApplied,
)
from payments_core.journal.sql import budgets, history, refunds, restore_gap
from payments_core.journal.sql.columns import (
    PATHS,
    read_approval,
    read_attempt,
    read_row,
    searchable_references,
    to_us,
)
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.sql.update_payout import fixed_changes, update_locked

__all__ = ["add_references", "approve", "create_attempt", "is_approved", "load"]

# The columns of a new attempt: nothing of the one before it is left.
_FRESH: Mapping[str, Any] = {
    "status": PayoutStatus.CREATED,
    "reason": None,
    "decided_by": "",
    "first_sent_at": None,
    "sent_at": None,
    "first_not_found_at": None,
    "reopened_at": None,
    "lease_owner": "",
    "lease_until": None,
    "submissions": 0,
    "refusals": 0,
    "ambiguous": False,
    "guards_passed": False,
    "duplicate_unverified": False,
    "refused": False,
    "rechecks_left": 0,
    "not_found_count": 0,
    "budgets": (),
}


def create_attempt(
    session: DbTransaction, entry: CreateAttempt
) -> TransitionApplied | Stale | Contradicted | OverRefunded | GapOpen:
    """Begin the next attempt of a payout that failed, and keep the one that ended.

    Raises:
        JournalError: It is no next attempt.

    """
    before, event = entry.before, entry.event
    stored = history.lock_payout(session, before.id)
    if stored.version != before.version:
        return Stale(stored)
    after = replace(entry.after, version=before.version + 1, updated_at=event.at)
    _refuse_forbidden(session, stored, after)
    if history.is_contradicted(session, before.id):
        return Contradicted()
    if after.order.original_amount is not None:
        refunds.lock_collection(session, after)
        if over := refunds.over_refunded(session, after, after.order.original_amount):
            return over
    if restore_gap.is_open(session):
        return GapOpen()
    session.execute(session.sql.keep_attempt, (before.id,))
    update_locked(session, stored, after)
    budgets.settle(session, stored, after)  # of a failure that was not conclusive before
    history.append(session, after, event)
    history.publish(session, after.id)  # the application knows the payout as FAILED
    add_references(session, after)
    return TransitionApplied(after)


def _refuse_forbidden(session: DbTransaction, stored: PayoutRecord, after: PayoutRecord) -> None:
    """Refuse what is no next attempt, judged by the stored record.

    Raises:
        JournalError: The one before has not failed, a number is left out or used twice, a request was sent before,
            something of the attempt before is left, or the order is another.

    """
    payout, number, account = stored.id, stored.attempt.number, stored.attempt.account
    if stored.status is not PayoutStatus.FAILED:
        raise JournalError(f"Payout {payout} is {stored.status}: only what failed is paid again.")
    if stored.schedule.rechecks_left:
        raise JournalError(f"The failure of payout {payout} is still being checked again: it is not paid again yet.")
    if stored.erased_at is not None:
        raise JournalError(f"The payee of payout {payout} was erased: it is not paid again.")
    if after.attempt.number != number + 1:
        raise JournalError(f"Payout {payout} had attempt {number} and cannot begin attempt {after.attempt.number}.")
    if changed := fixed_changes(stored, after):
        raise JournalError(f"Payout {payout} cannot change its {', '.join(changed)}.")
    if stored.order.operation is Operation.REFUND and after.attempt.account != account:
        raise JournalError(f"Payout {payout} is a refund and is paid from {account}, where it was collected.")
    left = [name for name, value in _FRESH.items() if attrgetter(PATHS[name])(after) != value]
    if left:
        raise JournalError(f"A new attempt of payout {payout} cannot begin with the {', '.join(left)} of another.")
    request_hash = after.attempt.request_hash
    is_used = request_hash == stored.attempt.request_hash
    if is_used or session.execute(session.sql.was_attempted, (payout, request_hash)).fetchone():
        raise JournalError(f"A new attempt of payout {payout} has the request of an earlier one.")


def approve(session: DbTransaction, stored: PayoutRecord, approval: Approval) -> None:
    """Write an approval of the current attempt, of exactly the stored order.

    Raises:
        JournalError: It is not waiting to be sent.

    """
    if stored.status is not PayoutStatus.CREATED:
        raise JournalError(f"Payout {stored.id} is {stored.status}: only what waits to be sent is approved.")
    values = (
        stored.id,
        stored.attempt.number,
        stored.fingerprint,
        approval.actor,
        approval.reason,
        to_us(approval.at),
    )
    session.execute(session.sql.approve, values)


def is_approved(session: DbTransaction, stored: PayoutRecord) -> bool:
    """Whether the current attempt was approved, of exactly the stored order."""
    values = (stored.id, stored.attempt.number, stored.fingerprint)
    return session.execute(session.sql.is_approved, values).fetchone() is not None


def load(session: DbTransaction, entry: LoadAttempts) -> LoadedAttempts:
    """Return what a payout's record does not hold: its ended attempts, its approval, and facts of its history.

    Raises:
        JournalError: There is no such payout.

    """
    sql, payout = session.sql, entry.payout_id
    found = session.execute(sql.by_id, (payout,)).fetchone()
    if found is None:
        raise JournalError(f"The journal has no payout {payout}.")
    attempt = read_row(found).attempt.number
    approval = session.execute(sql.approval, (payout, attempt)).fetchone()
    pending = session.execute(sql.was_in, (payout, attempt, str(PayoutStatus.PENDING))).fetchone()
    return LoadedAttempts(
        attempts=tuple(map(read_attempt, session.execute(sql.attempts, (payout,)).fetchall())),
        contradicted=history.is_contradicted(session, payout),
        was_taken=pending is not None,
        approval=None if approval is None else read_approval(approval),
        gap=restore_gap.current(session),
    )


def add_references(session: DbTransaction, row: PayoutRecord) -> None:
    """Write the references of an attempt, by which a callback finds its payout; earlier ones stay."""
    for reference in searchable_references(row):
        session.execute(session.sql.add_provider_reference, (reference, row.id))
