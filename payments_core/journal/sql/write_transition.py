"""Transitions of a payout: refused or written, with everything that belongs into the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from payments_core.domain.causes import PausedBy
from payments_core.domain.errors import JournalError
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import (
    AccountPaused,
    ApplyTransition,
    CheckFirst,
    Contradicted,
    NotApproved,
    OnStatement,
    Stale,
    TransitionApplied,
    TransitionResult,
)
from payments_core.journal.sql import attempts, circuits, history, inbox, pauses, permits, restore_gap
from payments_core.journal.sql.columns import COLUMNS, from_us, read_row, to_us, write_row
from payments_core.journal.sql.provider_references import add_references
from payments_core.journal.sql.statements import FIXED, MOVABLE, UNVERSIONED, DbTransaction

__all__ = ["write_transition"]


def write_transition(session: DbTransaction, entry: ApplyTransition) -> TransitionResult:
    """Write a transition, or return why it is refused.

    Raises:
        JournalError: It breaks a rule that holds whatever the caller has read.

    """
    before, event = entry.before, entry.event
    stored, seq = history.lock_payout(session, before.id)
    if stored["version"] != before.version:
        return Stale(read_row(stored.values()))
    after = replace(entry.after, version=before.version + 1, updated_at=event.at)
    if stored["next_at"] not in {None, before.schedule.next_at and to_us(before.schedule.next_at)}:
        after = _keep_due(after, stored)
    values = dict(zip(COLUMNS, write_row(after), strict=True))
    unversioned = {name: stored[name] for name in UNVERSIONED}
    if unversioned != {name: values[name] for name in UNVERSIONED}:  # written since the caller read the row
        values |= unversioned
        after = read_row(values.values())
    _refuse_forbidden(stored, values)
    opened, ended = None, set[PausedBy]()
    if entry.post_end is not None:
        opened, is_closed = circuits.count(session, after.attempt.account, entry.post_end, event.at)
        ended |= {PausedBy.CIRCUIT} if is_closed else set()
    if entry.pause is not None:
        pauses.lock(session)  # before any row of pauses is touched
    if (refusal := _refusal(session, stored, after, entry)) is not None:
        return refusal
    if entry.answers is not None and not _record_answer(
        session, entry.answers, stored, event, ends=after.status.is_final
    ):
        return Stale(read_row(stored.values()))
    session.execute(session.sql.update, (*map(values.__getitem__, MOVABLE), before.id, before.version))
    history.append(session, after, event, seq + 1, decided_by=after.decided_by)
    if values["references"] != stored["references"]:
        add_references(session, after)
    if entry.publish:
        history.publish(session, after, event, seq + 1)
    if entry.lifts and (
        by := pauses.lift_ours(session, after.attempt.account, event.at, sent_at=after.attempt.sent_at)
    ):
        ended.add(by)
    paused = entry.pause is not None and pauses.stop(session, entry.pause)
    if entry.asks is not None:
        query = (entry.asks.token_hash, after.id, after.attempt.number, to_us(entry.asks.asked_at))
        session.execute(session.sql.add_query, query)
    if entry.read_end is not None and permits.record_read(session, after.attempt.account, entry.read_end):
        ended.add(PausedBy.RATE)
    if entry.approves is not None:
        attempts.approve(session, stored, entry.approves)
    return TransitionApplied(after, opened, frozenset(ended), paused)


def _refusal(
    session: DbTransaction, stored: Mapping[str, Any], after: PayoutRecord, entry: ApplyTransition
) -> NotApproved | Contradicted | CheckFirst | OnStatement | AccountPaused | None:
    """Return why this transition may not be written now."""
    if after.status is PayoutStatus.SENDING and stored["status"] != PayoutStatus.SENDING:
        if entry.needs_approval and not attempts.is_approved(session, stored):
            return NotApproved()
        if after.attempt.number > 1 and history.is_contradicted(session, after.id):
            return Contradicted()
        pauses.lock(session, shared=True)
        if (refusal := restore_gap.refuse(session, stored, entry)) is not None:
            return refusal
        pause = pauses.pause_or_probe(session, after.attempt.account, entry.event.at)
        return None if pause is None else AccountPaused(pause)
    if after.status is PayoutStatus.CANCELLED and stored["status"] != PayoutStatus.CANCELLED:
        if history.is_contradicted(session, after.id):
            return Contradicted()
        pauses.lock(session, shared=True)
        return restore_gap.refuse_cancellation(session, stored, after)
    if restore_gap.is_presumed(stored, after):
        pauses.lock(session, shared=True)
        return restore_gap.refuse(session, stored, entry)
    return None


def _keep_due(after: PayoutRecord, stored: Mapping[str, Any]) -> PayoutRecord:
    """Keep a read that became due since the caller read the row: its result may be older than what made it due."""
    if PayoutStatus.CREATED in {stored["status"], after.status} or after.status is PayoutStatus.SENDING:
        return after  # what is due there is a submission
    schedule = after.schedule
    due_at = inbox.spaced(from_us(stored["next_at"]), schedule.read_at)
    if schedule.next_at is not None and schedule.next_at <= due_at:
        return after
    callback_read_at = due_at if stored["callback_read_at"] == stored["next_at"] else schedule.callback_read_at
    return replace(after, schedule=replace(schedule, next_at=due_at, callback_read_at=callback_read_at))


def _refuse_forbidden(stored: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse what must never be true, judged by the stored columns and not by what the caller read."""
    payout, status, attempt = stored["id"], PayoutStatus(stored["status"]), stored["attempt"]
    changed = [name for name in FIXED if stored[name] != after[name]]
    if changed:
        raise JournalError(f"Payout {payout} cannot change its {', '.join(changed)}.")
    if status.is_final and after["status"] != status:
        is_reversal = status is PayoutStatus.SUCCEEDED and after["status"] == PayoutStatus.REVERSED
        if not is_reversal:
            raise JournalError(f"Payout {payout} is {status} and cannot become {after['status']}.")
    if after["status"] == PayoutStatus.CANCELLED and status is not PayoutStatus.CANCELLED:
        is_waiting = status in {PayoutStatus.CREATED, PayoutStatus.REVIEW}
        if not is_waiting or stored["ambiguous"] or stored["first_sent_at"] is not None:
            raise JournalError(f"Attempt {attempt} of payout {payout} may have arrived and cannot be cancelled.")
    if after["attempt"] != attempt:
        raise JournalError(f"Payout {payout} has attempt {attempt}; a move cannot make it {after['attempt']}.")
    if after["account"] != stored["account"]:
        raise JournalError(f"Attempt {attempt} of payout {payout} is paid from {stored['account']} alone.")
    if stored["ambiguous"] and not after["ambiguous"]:
        raise JournalError(f"Attempt {attempt} of payout {payout} was ambiguous and stays so.")
    if stored["ambiguous"] and after["status"] == PayoutStatus.CREATED:
        raise JournalError(f"Attempt {attempt} of payout {payout} may have arrived and does not wait to be sent.")
    if stored["first_sent_at"] is not None and after["first_sent_at"] != stored["first_sent_at"]:
        raise JournalError(f"Attempt {attempt} of payout {payout} was first sent at a moment that stays.")


def _record_answer(
    session: DbTransaction, token_hash: str, stored: Mapping[str, Any], event: Event, *, ends: bool
) -> bool:
    """Record that a query is answered; whether the answer counts: a final one always does, any other does once."""
    values = (to_us(event.at), token_hash, stored["id"], stored["attempt"])
    return session.execute(session.sql.answer_end if ends else session.sql.answer, values).rowcount > 0
