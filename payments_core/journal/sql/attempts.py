"""Attempts: the next one, its approval, and those that have ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from payments_core.domain.errors import JournalError
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.domain.records import Approval
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
from payments_core.journal.sql import history, refunds, restore_gap
from payments_core.journal.sql.columns import COLUMNS, read_approval, read_attempt, read_row, to_us, write_row
from payments_core.journal.sql.provider_references import add_references
from payments_core.journal.sql.statements import FIXED, MOVABLE, DbTransaction

__all__ = ["approve", "create_attempt", "is_approved", "load"]

# The columns of a new attempt: nothing of the one before it is left.
_FRESH: Mapping[str, Any] = {
    "status": str(PayoutStatus.CREATED),
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
    "ambiguous": 0,
    "guards_passed": 0,
    "duplicate_unverified": 0,
    "refused": 0,
    "rechecks_left": 0,
    "not_found_count": 0,
}


def create_attempt(
    session: DbTransaction, entry: CreateAttempt
) -> TransitionApplied | Stale | Contradicted | OverRefunded | GapOpen:
    """Begin the next attempt of a payout that failed, and keep the one that ended.

    Raises:
        JournalError: It is no next attempt.

    """
    before, event = entry.before, entry.event
    stored, seq = history.lock_payout(session, before.id)
    if stored["version"] != before.version:
        return Stale(read_row(stored.values()))
    after = replace(entry.after, version=before.version + 1, updated_at=event.at)
    values = dict(zip(COLUMNS, write_row(after), strict=True))
    _refuse_forbidden(session, stored, values)
    if history.is_contradicted(session, before.id):
        return Contradicted()
    if after.order.original_amount is not None:
        refunds.lock_collection(session, after)
        if over := refunds.over_refunded(session, after, after.order.original_amount):
            return over
    if restore_gap.is_open(session):
        return GapOpen()
    session.execute(session.sql.keep_attempt, (before.id,))
    session.execute(session.sql.update, (*map(values.__getitem__, MOVABLE), before.id, before.version))
    history.append(session, after, event, seq + 1)
    add_references(session, after)
    return TransitionApplied(after)


def _refuse_forbidden(session: DbTransaction, stored: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse what is no next attempt, judged by the stored columns.

    Raises:
        JournalError: The one before has not failed, a number is left out or used twice, a request was sent before,
            something of the attempt before is left, or the order is another.

    """
    payout, number = stored["id"], stored["attempt"]
    if stored["status"] != PayoutStatus.FAILED:
        raise JournalError(f"Payout {payout} is {stored['status']}: only what failed is paid again.")
    if stored["rechecks_left"]:
        raise JournalError(f"The failure of payout {payout} is still being checked again: it is not paid again yet.")
    if stored["erased_at"] is not None:
        raise JournalError(f"The payee of payout {payout} was erased: it is not paid again.")
    if after["attempt"] != number + 1:
        raise JournalError(f"Payout {payout} had attempt {number} and cannot begin attempt {after['attempt']}.")
    changed = [name for name in FIXED if stored[name] != after[name]]
    if changed:
        raise JournalError(f"Payout {payout} cannot change its {', '.join(changed)}.")
    if stored["operation"] == Operation.REFUND and after["account"] != stored["account"]:
        raise JournalError(f"Payout {payout} is a refund and is paid from {stored['account']}, where it was collected.")
    left = [name for name, value in _FRESH.items() if after[name] != value]
    if left:
        raise JournalError(f"A new attempt of payout {payout} cannot begin with the {', '.join(left)} of another.")
    values = (payout, after["request_hash"])
    is_used = after["request_hash"] == stored["request_hash"]
    if is_used or session.execute(session.sql.was_attempted, values).fetchone():
        raise JournalError(f"A new attempt of payout {payout} has the request of an earlier one.")


def approve(session: DbTransaction, stored: Mapping[str, Any], approval: Approval) -> None:
    """Write an approval of the current attempt, of exactly the stored order.

    Raises:
        JournalError: It is not waiting to be sent.

    """
    if stored["status"] != PayoutStatus.CREATED:
        raise JournalError(f"Payout {stored['id']} is {stored['status']}: only what waits to be sent is approved.")
    values = (
        stored["id"],
        stored["attempt"],
        stored["fingerprint"],
        approval.actor,
        approval.reason,
        to_us(approval.at),
    )
    session.execute(session.sql.approve, values)


def is_approved(session: DbTransaction, stored: Mapping[str, Any]) -> bool:
    """Whether the current attempt was approved, of exactly the stored order."""
    values = (stored["id"], stored["attempt"], stored["fingerprint"])
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
