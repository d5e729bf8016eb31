"""Transitions of a payout: refused or written, with everything that belongs into the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from payments_core.domain.budgets import AboveBudget, BudgetState, reserving
from payments_core.domain.causes import PausedBy
from payments_core.domain.errors import JournalError
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, Pause, PayoutRecord
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
from payments_core.journal.sql import attempts, budgets, circuits, history, inbox, pauses, permits, restore_gap
from payments_core.journal.sql.columns import may_send_values, to_us
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.sql.update_payout import fixed_changes, update_if_unchanged, update_locked

__all__ = ["is_ordinary", "numbered", "submits", "write_transition"]


def write_transition(session: DbTransaction, entry: ApplyTransition) -> TransitionResult:
    """Write a transition, or return why it is refused.

    An ordinary one is one statement that is judged by what is stored; only where that writes nothing is the stored
    record read and looked at, and only there is said why a transition is refused.

    Raises:
        JournalError: It breaks a rule that holds whatever the caller has read.

    """
    return _write_ordinary(session, entry) or _write_locked(session, entry)


def _write_ordinary(session: DbTransaction, entry: ApplyTransition) -> TransitionApplied | None:
    """Write a transition that needs no look at the stored record; None, and nothing is written, for any other."""
    before, sends = entry.before, submits(entry)
    after = numbered(entry, before)
    locked: Mapping[str, BudgetState] = {}
    if not is_ordinary(entry, after):
        return None
    if sends:  # in the order of all transactions; the next statement sees what these have waited for
        if session.sql.lock_row:
            session.execute(session.sql.lock_row, (before.id,))
        pauses.lock(session, shared=True)
        fitting = budgets.lock(session, before, after, entry.budgets) if entry.budgets else {}
        if isinstance(fitting, AboveBudget):
            return None
        locked = fitting
    gate = may_send_values(after) if sends else ()
    if not update_if_unchanged(session, before, after, gate=gate, ends=may_end(entry)):
        return None
    if after.attempt.budgets != before.attempt.budgets:
        budgets.settle(session, before, after, locked)
    _write_beside(session, entry, before, after)
    return TransitionApplied(after)


def is_ordinary(entry: ApplyTransition, after: PayoutRecord) -> bool:
    """Whether a transition concerns its payout alone: nothing else decides about it but what may stop any submission.

    Args:
        entry: The transition.
        after: The record wanted, numbered.

    """
    return not (
        entry.pause is not None
        or entry.answers is not None
        or entry.approves is not None
        or (entry.post_end is not None and entry.post_end.is_ambiguous)
        or (entry.read_end is not None and entry.read_end.is_refused)
        or (submits(entry) and (entry.needs_approval or after.attempt.number > 1 or entry.post_end is not None))
        or after.status is PayoutStatus.CANCELLED
        or (entry.before.attempt.budgets and not after.attempt.budgets)
        or restore_gap.is_presumed(entry.before, after)
        or _forbidden(entry.before, after)
    )


def may_end(entry: ApplyTransition) -> tuple[str, ...]:
    """Return what a transition ends of its account, if it is there: names of ``Statements.endings``."""
    ends = {"lifts": entry.lifts, "post_end": entry.post_end is not None, "read_end": entry.read_end is not None}
    return tuple(name for name, does in ends.items() if does)


def submits(entry: ApplyTransition) -> bool:
    """Whether a transition begins a submission."""
    return entry.after.status is PayoutStatus.SENDING and entry.before.status is not PayoutStatus.SENDING


def _write_locked(session: DbTransaction, entry: ApplyTransition) -> TransitionResult:
    """Write a transition, or return why it is refused, with the stored record in hand."""
    before = entry.before
    stored = history.lock_payout(session, before.id)
    if stored.version != before.version:
        return Stale(stored)
    after = numbered(entry, stored)
    if stored.schedule.next_at not in {None, before.schedule.next_at}:
        if entry.answers is not None and not after.status.is_final:
            return Stale(stored)  # what an absence means depends on what is due
        after = _keep_due(after, stored)
    if why := _forbidden(stored, after):
        raise JournalError(why)
    opened, ended = _count_post(session, entry, after)
    if entry.pause is not None:
        pauses.lock(session)  # before any row of pauses is touched
    if (refusal := _refusal(session, stored, after, entry)) is not None:
        return refusal
    if entry.answers is not None and not _record_answer(
        session, entry.answers, stored, entry.event, ends=after.status.is_final
    ):
        return Stale(stored)
    update_locked(session, stored, after)
    budgets.settle(session, stored, after)
    _write_beside(session, entry, stored, after)
    account, at = after.attempt.account, entry.event.at
    if entry.lifts and (by := pauses.lift_ours(session, account, at, sent_at=after.attempt.sent_at)):
        ended |= {by}
    paused = entry.pause is not None and pauses.stop(session, entry.pause)
    if entry.read_end is not None and permits.record_read(session, account, entry.read_end):
        ended |= {PausedBy.RATE}
    if entry.approves is not None:
        attempts.approve(session, stored, entry.approves)
    return TransitionApplied(after, opened, ended, paused)


def numbered(entry: ApplyTransition, stored: PayoutRecord) -> PayoutRecord:
    """Return the record wanted with what only the journal sets, or what no transition changes."""
    after = replace(
        entry.after,
        version=stored.version + 1,
        updated_at=entry.event.at,
        contradictions=stored.contradictions,
        contradicted_at=stored.contradicted_at,
    )
    if entry.budgets or stored.attempt.budgets or after.attempt.budgets:
        return reserving(stored, after, entry.budgets)
    return after


def _count_post(
    session: DbTransaction, entry: ApplyTransition, after: PayoutRecord
) -> tuple[Pause | None, frozenset[PausedBy]]:
    """Count how a POST ended; return the circuit that it opened, and the pause that it ended."""
    if entry.post_end is None:
        return None, frozenset()
    opened, is_closed = circuits.count(session, after.attempt.account, entry.post_end, entry.event.at)
    return opened, frozenset({PausedBy.CIRCUIT} if is_closed else ())


def _write_beside(session: DbTransaction, entry: ApplyTransition, before: PayoutRecord, after: PayoutRecord) -> None:
    """Write what belongs to a transition of its payout beside the record."""
    history.append(session, after, entry.event, decided_by=after.decided_by)
    if after.attempt.references != before.attempt.references:
        attempts.add_references(session, after)
    if entry.publish:
        history.publish(session, after.id)
    if entry.asks is not None:
        query = (entry.asks.token_hash, after.id, after.attempt.number, to_us(entry.asks.asked_at))
        session.execute(session.sql.add_query, query)


def _refusal(
    session: DbTransaction, stored: PayoutRecord, after: PayoutRecord, entry: ApplyTransition
) -> NotApproved | Contradicted | CheckFirst | OnStatement | AboveBudget | AccountPaused | None:
    """Return why this transition may not be written now."""
    if after.status is PayoutStatus.SENDING and stored.status is not PayoutStatus.SENDING:
        if entry.needs_approval and not attempts.is_approved(session, stored):
            return NotApproved()
        if after.attempt.number > 1 and history.is_contradicted(session, after.id):
            return Contradicted()
        pauses.lock(session, shared=True)
        if (refusal := restore_gap.refuse(session, stored, entry)) is not None:
            return refusal
        if isinstance(locked := budgets.lock(session, stored, after, entry.budgets), AboveBudget):
            return locked
        pause = pauses.pause_or_probe(session, after.attempt.account, entry.event.at)
        return None if pause is None else AccountPaused(pause)
    if after.status is PayoutStatus.CANCELLED and stored.status is not PayoutStatus.CANCELLED:
        if history.is_contradicted(session, after.id):
            return Contradicted()
        pauses.lock(session, shared=True)
        return restore_gap.refuse_cancellation(session, stored, after)
    if restore_gap.is_presumed(stored, after):
        pauses.lock(session, shared=True)
        return restore_gap.refuse(session, stored, entry)
    return None


def _keep_due(after: PayoutRecord, stored: PayoutRecord) -> PayoutRecord:
    """Keep a read that became due since the caller read the row: its result may be older than what made it due."""
    if PayoutStatus.CREATED in {stored.status, after.status} or after.status is PayoutStatus.SENDING:
        return after  # what is due there is a submission
    schedule, asked = after.schedule, stored.schedule
    if asked.next_at is None:
        return after
    due_at = inbox.spaced(asked.next_at, schedule.read_at)
    if schedule.next_at is not None and schedule.next_at <= due_at:
        return after
    callback_read_at = due_at if asked.is_callback_read else schedule.callback_read_at
    return replace(after, schedule=replace(schedule, next_at=due_at, callback_read_at=callback_read_at))


def _forbidden(stored: PayoutRecord, after: PayoutRecord) -> str:
    """Return which rule a transition breaks that holds whatever the caller has read; empty when none."""
    payout, status, attempt, becomes = stored.id, stored.status, stored.attempt, after.attempt
    if changed := fixed_changes(stored, after):
        return f"Payout {payout} cannot change its {', '.join(changed)}."
    if status.is_final and after.status is not status:
        is_reversal = status is PayoutStatus.SUCCEEDED and after.status is PayoutStatus.REVERSED
        if not is_reversal:
            return f"Payout {payout} is {status} and cannot become {after.status}."
    if after.status is PayoutStatus.CANCELLED and status is not PayoutStatus.CANCELLED:
        is_waiting = status in {PayoutStatus.CREATED, PayoutStatus.REVIEW}
        if not is_waiting or attempt.ambiguous or attempt.first_sent_at is not None:
            return f"Attempt {attempt.number} of payout {payout} may have arrived and cannot be cancelled."
    if becomes.number != attempt.number:
        return f"Payout {payout} has attempt {attempt.number}; a move cannot make it {becomes.number}."
    if becomes.account != attempt.account:
        return f"Attempt {attempt.number} of payout {payout} is paid from {attempt.account} alone."
    if attempt.ambiguous and not becomes.ambiguous:
        return f"Attempt {attempt.number} of payout {payout} was ambiguous and stays so."
    if attempt.ambiguous and after.status is PayoutStatus.CREATED:
        return f"Attempt {attempt.number} of payout {payout} may have arrived and does not wait to be sent."
    if attempt.first_sent_at is not None and becomes.first_sent_at != attempt.first_sent_at:
        return f"Attempt {attempt.number} of payout {payout} was first sent at a moment that stays."
    return ""


def _record_answer(session: DbTransaction, token_hash: str, stored: PayoutRecord, event: Event, *, ends: bool) -> bool:
    """Record that a query is answered; whether the answer counts: a final one always does, any other does once."""
    values = (to_us(event.at), token_hash, stored.id, stored.attempt.number)
    return session.execute(session.sql.answer_end if ends else session.sql.answer, values).rowcount > 0
