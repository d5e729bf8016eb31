"""Attempts that ended, what stands in the way of the next one, and who approved it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payments_core.domain.errors import JournalError
from payments_core.domain.events import EventName
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.domain.records import Approval
from payments_core.engine.commands import LoadAttempts, LoadedAttempts
from payments_core.journal.sql import restore_gap
from payments_core.journal.sql.columns import read_approval, read_attempt, to_us
from payments_core.journal.sql.statements import FIXED, DbTransaction

__all__ = ["approve", "is_approved", "is_contradicted", "keep", "recall", "refuse_forbidden"]

# How an attempt begins: nothing of the one before it may be left.
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
    **dict.fromkeys(
        (
            "submissions",
            "refusals",
            "ambiguous",
            "guards_passed",
            "duplicate_unverified",
            "refused",
            "rechecks_left",
            "not_found_count",
        ),
        0,
    ),
}


def refuse_forbidden(session: DbTransaction, stored: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse a further attempt that is none: judged by what is stored.

    Raises:
        JournalError: The one before has not failed, a number is left out or used twice, a request was sent before,
            something of the attempt before is left, or the intent is another.

    """
    payout, number = stored["id"], stored["attempt"]
    if stored["status"] != PayoutStatus.FAILED:
        raise JournalError(f"Payout {payout} is {stored['status']}: only what failed is paid again.")
    if stored["rechecks_left"]:
        raise JournalError(f"The failure of payout {payout} is still being read again: it is not paid again yet.")
    if stored["erased_at"] is not None:
        raise JournalError(f"The payee of payout {payout} was forgotten: it is not paid again.")
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
    used = after["request_hash"] == stored["request_hash"]
    if used or session.execute(session.sql.was_attempted, values).fetchone():
        raise JournalError(f"A new attempt of payout {payout} has the request of an earlier one.")


def keep(session: DbTransaction, payout_id: str) -> None:
    """Keep the current attempt as it stands; the payout is locked."""
    session.execute(session.sql.keep_attempt, (payout_id,))


def is_contradicted(session: DbTransaction, payout_id: str) -> bool:
    """Say whether a read has contradicted an end of this payout."""
    found = session.execute(session.sql.has_event, (payout_id, str(EventName.PAYOUT_CONTRADICTED))).fetchone()
    return found is not None


def approve(session: DbTransaction, stored: Mapping[str, Any], approval: Approval) -> None:
    """Write an approval of the current attempt, of exactly the intent that is stored.

    Raises:
        JournalError: It is not waiting to be sent.

    """
    if stored["status"] != PayoutStatus.CREATED:
        raise JournalError(f"Payout {stored['id']} is {stored['status']}: only what waits to be sent is approved.")
    values = (stored["id"], stored["attempt"], stored["fingerprint"], approval.by, approval.why, to_us(approval.at))
    session.execute(session.sql.approve, values)


def is_approved(session: DbTransaction, stored: Mapping[str, Any]) -> bool:
    """Say whether the current attempt was approved, of exactly the intent that is stored."""
    values = (stored["id"], stored["attempt"], stored["fingerprint"])
    return session.execute(session.sql.is_approved, values).fetchone() is not None


def recall(session: DbTransaction, entry: LoadAttempts, attempt: int) -> LoadedAttempts:
    """Return what a payout's row does not tell.

    Args:
        session: An open transaction.
        entry: What is asked.
        attempt: The payout's current one.

    """
    sql, payout = session.sql, entry.payout_id
    approval = session.execute(sql.approval, (payout, attempt)).fetchone()
    pending = session.execute(sql.was_in, (payout, attempt, str(PayoutStatus.PENDING))).fetchone()
    return LoadedAttempts(
        attempts=tuple(map(read_attempt, session.execute(sql.attempts, (payout,)).fetchall())),
        contradicted=is_contradicted(session, payout),
        was_taken=pending is not None,
        approval=None if approval is None else read_approval(approval),
        gap=restore_gap.current(session),
    )
