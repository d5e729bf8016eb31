"""What each entry writes, inside the writer's transaction; the last line of defence stands here as well."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, TypeAlias, TypeVar

from payments_core.domain.contradictions import Contradiction
from payments_core.domain.errors import JournalError
from payments_core.domain.inbox_records import Arrival, Handled, Handling
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.rates import AcquirePermit, Permit
from payments_core.domain.records import ErasureResult, Event, PayoutRecord
from payments_core.domain.shared_tokens import AskToken, KeepToken, SharedToken, TokenChange
from payments_core.engine.commands import (
    AccountPaused,
    AcknowledgeContradictions,
    AppendHistory,
    ApplyTransition,
    Contradicted,
    CreateAttempt,
    CreatePayout,
    CreateResult,
    GapOpen,
    HistoryAppended,
    JournalCommand,
    JournalResult,
    LoadAttempts,
    LoadedAttempts,
    NotApproved,
    OverRefunded,
    RecordAccountQuery,
    Stale,
    TransitionApplied,
    TransitionResult,
)
from payments_core.journal.sql import (
    attempts,
    circuits,
    claims,
    erasure,
    inbox,
    outbox,
    pauses,
    permits,
    restore_gap,
    tokens,
)
from payments_core.journal.sql.claims import Claim, ClaimChange, ClaimReply, Release, Renew
from payments_core.journal.sql.columns import (
    COLUMNS,
    from_us,
    read_row,
    to_us,
    write_contradiction,
    write_contradictions,
    write_json,
    write_reason,
    write_row,
)
from payments_core.journal.sql.erasure import Erase, Trim
from payments_core.journal.sql.inbox import InboxChange
from payments_core.journal.sql.outbox import OutboxChange, OutboxReply
from payments_core.journal.sql.pauses import LiftPause, SetPause
from payments_core.journal.sql.provider_references import know, names
from payments_core.journal.sql.statements import FIXED, MOVABLE, NOTED, DbTransaction, Statements

__all__ = ["Asking", "Change", "Reply", "apply", "may_have_moved", "opening"]

T = TypeVar("T")

Change: TypeAlias = (
    JournalCommand
    | SetPause
    | LiftPause
    | ClaimChange
    | AcquirePermit
    | TokenChange
    | InboxChange
    | OutboxChange
    | Erase
    | Trim
)
Reply: TypeAlias = (
    JournalResult | bool | ClaimReply | Permit | SharedToken | Handled | OutboxReply | ErasureResult | int | None
)

# A statement with its values is asked; the rows it finds, or how many it wrote, is the answer.
Asking: TypeAlias = Generator[tuple[str, Sequence[Any]], Any, T]

_EXACT = Context(prec=60)  # an application may have changed its own


def apply(session: DbTransaction, change: Change) -> Reply:
    """Write one change.

    Raises:
        JournalError: The change breaks a rule that holds whatever the caller believes.

    """
    match change:
        case CreatePayout():
            return _open(session, change)
        case ApplyTransition():
            return _move(session, change)
        case AppendHistory():
            return _note(session, change)
        case AcknowledgeContradictions():
            return _acknowledge(session, change)
        case CreateAttempt():
            return _create_attempt(session, change)
        case LoadAttempts():
            return _recall(session, change)
        case RecordAccountQuery():
            inbox.ask_account(session, change)
            return HistoryAppended()
        case SetPause():
            pauses.replace(session, change.pause)
            return True
        case LiftPause():
            if change.account is not None:
                circuits.reset(session, change.account)
            return pauses.lift(session, change.account, change.at)
        case Claim() | Renew() | Release():
            return claims.apply(session, change)
        case AcquirePermit():
            return permits.take(session, change)
        case outbox.Acknowledge() | outbox.TakeDeliveries() | outbox.PutOff() | outbox.ResumeDeliveries():
            return outbox.apply(session, change)
        case Erase() | Trim():
            return erasure.apply(session, change)
        case AskToken() | KeepToken():
            return tokens.apply(session, change)
        case _:
            return _inbox(session, change)


def _inbox(session: DbTransaction, change: InboxChange) -> Handled | bool | None:
    match change:
        case Arrival():
            return inbox.receive(session, change)
        case inbox.Keep():
            inbox.keep(session, change)
        case Handling():
            if not inbox.close(session, change):
                return None
            return Handled() if change.payout_id is None else _make_due(session, change, change.payout_id)
    return None


def _make_due(session: DbTransaction, handling: Handling, payout_id: str) -> Handled:
    """Make a payout's next read due because of a callback; one that waits to be sent is left alone.

    Except a further attempt that waits for an approval: it looks back at the others, and is not sent without it.
    """
    stored, seq = _stored(session, payout_id)
    row = read_row(stored.values())
    is_unsent = row.status is PayoutStatus.CREATED
    if handling.event is None or (is_unsent and not (row.waits_for_approval and row.attempt > 1)):
        return Handled(row)
    due_at = inbox.spaced(handling.at, row.updated_at if is_unsent else row.read_at)
    if row.next_at is not None and row.next_at <= due_at:
        return Handled(row)
    callback_read_at = row.callback_read_at if is_unsent else due_at  # what is due there is a send, after a look back
    values = (to_us(due_at), callback_read_at and to_us(callback_read_at), payout_id)
    session.execute(inbox.statements(session.sql).make_due, values)
    session.execute(session.sql.add_history, _history(row, handling.event, seq + 1, decided_by=""))
    return Handled(dataclasses.replace(row, next_at=due_at, callback_read_at=callback_read_at), made_due=True)


def _open(session: DbTransaction, entry: CreatePayout) -> CreateResult | OverRefunded:
    row = entry.row
    if row.original_amount is not None:
        session.lock("refunds", row.payee_value.lower())
        known = session.execute(session.sql.by_key, (row.key,)).fetchone()
        if known is None and (over := _over_refunded(session, row, row.original_amount)):
            return over
    asking, answer = opening(entry, session.sql), None
    while True:
        try:
            statement, values = asking.send(answer)
        except StopIteration as done:
            opened: CreateResult = done.value
            return opened
        cursor = session.execute(statement, values)
        answer = cursor.fetchall() if statement.startswith("SELECT") else cursor.rowcount


def opening(entry: CreatePayout, sql: Statements) -> Asking[CreateResult]:
    """Write a new payout or find the one of its key; a generator, so that any kind of connection can carry it out.

    Raises:
        JournalError: It would begin as SENDING, or its id belongs to another key.

    """
    row = entry.row
    if row.status is PayoutStatus.SENDING:
        raise JournalError(f"Payout {row.id} cannot begin as SENDING: a pause could not hold it.")
    if found := (yield sql.by_key, (row.key,)):
        return CreateResult(read_row(found[0]), created=False)
    if not (yield sql.insert, write_row(row)):  # somebody else was quicker, and has committed by now
        if found := (yield sql.by_key, (row.key,)):
            return CreateResult(read_row(found[0]), created=False)
        raise JournalError(f"The id {row.id} is not UNIQUE: it belongs to the payout of another key.")
    yield sql.add_history, _history(row, entry.event, 1, decided_by=row.decided_by)
    for name in names(row):
        yield sql.know_as, (name, row.id)
    return CreateResult(row, created=True)


def _over_refunded(session: DbTransaction, row: PayoutRecord, original: Decimal) -> OverRefunded | None:
    """Sum what the other refunds of a collection may have moved; in Python, as SQLite would sum in floats."""
    refunded = Decimal(0)
    for values in session.execute(session.sql.refunds, (row.payee_value,)).fetchall():
        other = read_row(values)
        if other.id == row.id or not may_have_moved(session, other):
            continue
        if other.original_amount is not None and (other.original_amount, other.currency) != (original, row.currency):
            return OverRefunded(refunded, Money(other.original_amount, other.currency))
        refunded = _EXACT.add(refunded, other.amount)
    over = _EXACT.add(refunded, row.amount) > original
    return OverRefunded(refunded, Money(original, row.currency)) if over else None


def may_have_moved(session: DbTransaction, row: PayoutRecord) -> bool:
    """Say no only of what failed for good: a reason that settles, a recheck or a later read may still say otherwise.

    Hours that have passed are no read: what settles keeps its share until it is paid again under its own key, which
    reads it first.
    """
    if row.status not in {PayoutStatus.FAILED, PayoutStatus.CANCELLED}:
        return True
    if row.rechecks_left or (row.reason is not None and row.reason.settling_h):
        return True
    return attempts.is_contradicted(session, row.id)


def _move(session: DbTransaction, entry: ApplyTransition) -> TransitionResult:
    before, event = entry.before, entry.event
    stored, seq = _stored(session, before.id)
    if stored["version"] != before.version:
        return Stale(read_row(stored.values()))
    after = dataclasses.replace(entry.after, version=before.version + 1, updated_at=event.at)
    if stored["next_at"] not in {None, before.next_at and to_us(before.next_at)}:
        after = _still_due(after, stored)
    values = dict(zip(COLUMNS, write_row(after), strict=True))
    if [*map(values.__getitem__, NOTED)] != [
        *map(stored.__getitem__, NOTED)
    ]:  # written since the mover had read the row
        values |= {name: stored[name] for name in NOTED}
        after = read_row(values.values())
    _refuse_forbidden(stored, values)
    opened, ended = None, set[str]()
    if entry.post_end is not None:
        opened, closes = circuits.count(session, after.account, entry.post_end, event.at)
        ended |= {pauses.CIRCUIT} if closes else set()
    if entry.pause is not None:
        pauses.lock(session)  # before any row of pauses is touched
    if after.status is PayoutStatus.SENDING and stored["status"] != PayoutStatus.SENDING:
        if entry.needs_approval and not attempts.is_approved(session, stored):
            return NotApproved()
        if after.attempt > 1 and attempts.is_contradicted(session, before.id):
            return Contradicted()
        pauses.lock(session, shared=True)
        if (refused := restore_gap.refuse(session, stored, entry)) is not None:
            return refused
        pause = pauses.pause_or_probe(session, after.account, event.at)
        if pause is not None:
            return AccountPaused(pause)
    elif after.status is PayoutStatus.CANCELLED and stored["status"] != PayoutStatus.CANCELLED:
        if attempts.is_contradicted(session, before.id):
            return Contradicted()
        pauses.lock(session, shared=True)
        if (refused := restore_gap.refuse_cancellation(session, stored, after)) is not None:
            return refused
    elif restore_gap.is_presumed(stored, after):
        pauses.lock(session, shared=True)
        if (refused := restore_gap.refuse(session, stored, entry)) is not None:
            return refused
    if entry.answers is not None and not _answer(session, entry.answers, stored, event, ends=after.status.is_final):
        return Stale(read_row(stored.values()))
    sql = session.sql
    session.execute(sql.update, (*map(values.__getitem__, MOVABLE), before.id, before.version))
    session.execute(sql.add_history, _history(after, event, seq + 1, decided_by=after.decided_by))
    if values["references"] != stored["references"]:
        know(session, after)
    if entry.publish:
        _publish(session, after, event, seq + 1)
    if entry.lifts and (by := pauses.lift_ours(session, after.account, event.at, sent_at=after.sent_at)):
        ended.add(by)
    paused = entry.pause is not None and pauses.stop(session, entry.pause)
    if entry.asks is not None:
        asked = (entry.asks.token_hash, after.id, after.attempt, to_us(entry.asks.asked_at))
        session.execute(sql.ask, asked)
    if entry.read_end is not None and permits.note_read(session, after.account, entry.read_end):
        ended.add("rate")
    if entry.approves is not None:
        attempts.approve(session, stored, entry.approves)
    return TransitionApplied(after, opened, frozenset(ended), paused)


def _create_attempt(
    session: DbTransaction, entry: CreateAttempt
) -> TransitionApplied | Stale | Contradicted | OverRefunded | GapOpen:
    before, event = entry.before, entry.event
    stored, seq = _stored(session, before.id)
    if stored["version"] != before.version:
        return Stale(read_row(stored.values()))
    after = dataclasses.replace(entry.after, version=before.version + 1, updated_at=event.at)
    values = dict(zip(COLUMNS, write_row(after), strict=True))
    attempts.refuse_forbidden(session, stored, values)
    if attempts.is_contradicted(session, before.id):
        return Contradicted()
    if after.original_amount is not None:
        session.lock("refunds", after.payee_value.lower())
        if over := _over_refunded(session, after, after.original_amount):
            return over
    if restore_gap.is_open(session):
        return GapOpen()
    attempts.keep(session, before.id)
    session.execute(session.sql.update, (*map(values.__getitem__, MOVABLE), before.id, before.version))
    session.execute(session.sql.add_history, _history(after, event, seq + 1, decided_by=""))
    know(session, after)
    return TransitionApplied(after)


def _recall(session: DbTransaction, entry: LoadAttempts) -> LoadedAttempts:
    found = session.execute(session.sql.by_id, (entry.payout_id,)).fetchone()
    if found is None:
        raise JournalError(f"The journal has no payout {entry.payout_id}.")
    return attempts.recall(session, entry, read_row(found).attempt)


def _still_due(after: PayoutRecord, stored: Mapping[str, Any]) -> PayoutRecord:
    """Keep a read that was asked for since the mover had read the row: what it learned may be older than that."""
    if PayoutStatus.CREATED in {stored["status"], after.status} or after.status is PayoutStatus.SENDING:
        return after  # what is due there is a send
    due_at = inbox.spaced(from_us(stored["next_at"]), after.read_at)
    if after.next_at is not None and after.next_at <= due_at:
        return after
    callback_read_at = due_at if stored["callback_read_at"] == stored["next_at"] else after.callback_read_at
    return dataclasses.replace(after, next_at=due_at, callback_read_at=callback_read_at)


def _note(session: DbTransaction, entry: AppendHistory) -> HistoryAppended:
    stored, seq = _stored(session, entry.payout_id)
    row, said = read_row(stored.values()), entry.contradiction
    if said is not None:
        if any(said.repeats(before) for before in row.contradictions):
            return HistoryAppended(row, written=False)
        row = _contradicted(session, row, (*row.contradictions, said))
    session.execute(session.sql.add_history, _history(row, entry.event, seq + 1, decided_by=""))
    if said is not None:
        _publish(session, row, entry.event, seq + 1, said)
    if entry.due_at is not None and (row.next_at is None or row.next_at > entry.due_at):
        due_at = to_us(entry.due_at)
        session.execute(session.sql.make_due, (due_at, entry.payout_id, due_at))
        row = dataclasses.replace(row, next_at=entry.due_at)
    return HistoryAppended(row)


def _acknowledge(session: DbTransaction, entry: AcknowledgeContradictions) -> HistoryAppended:
    stored, seq = _stored(session, entry.payout_id)
    row = read_row(stored.values())
    if not any(one.is_open for one in row.contradictions):
        return HistoryAppended(row, written=False)
    by = entry.event.at, entry.actor, entry.reason
    row = _contradicted(session, row, [one.acknowledged(*by) if one.is_open else one for one in row.contradictions])
    session.execute(session.sql.add_history, _history(row, entry.event, seq + 1, decided_by=""))
    return HistoryAppended(row)


def _contradicted(session: DbTransaction, row: PayoutRecord, said: Sequence[Contradiction]) -> PayoutRecord:
    """Write what the provider says against a payout's ends; no version counts it, as the payout is not moved."""
    since = min((one.at for one in said if one.is_open), default=None)
    values = (write_contradictions(said), None if since is None else to_us(since), row.id)
    session.execute(session.sql.contradict, values)
    return dataclasses.replace(row, contradictions=tuple(said), contradicted_at=since)


def _stored(session: DbTransaction, payout_id: str) -> tuple[Mapping[str, Any], int]:
    """Return a payout's columns and the number of its last history row; nobody else moves it until we have."""
    found = session.execute(session.sql.lock_payout, (payout_id,)).fetchone()
    if found is None:
        raise JournalError(f"The journal has no payout {payout_id}.")
    (seq,) = session.execute(session.sql.last_seq, (payout_id,)).fetchone()
    return dict(zip(COLUMNS, found, strict=True)), seq


def _refuse_forbidden(stored: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse what must never be true, judged by what is stored and not by what the caller read; column by column."""
    payout, status, attempt = stored["id"], PayoutStatus(stored["status"]), stored["attempt"]
    changed = [name for name in FIXED if stored[name] != after[name]]
    if changed:
        raise JournalError(f"Payout {payout} cannot change its {', '.join(changed)}.")
    if status.is_final and after["status"] != status:
        reversal = status is PayoutStatus.SUCCEEDED and after["status"] == PayoutStatus.REVERSED
        if not reversal:
            raise JournalError(f"Payout {payout} is {status} and cannot become {after['status']}.")
    if after["status"] == PayoutStatus.CANCELLED and status is not PayoutStatus.CANCELLED:
        waits = status in {PayoutStatus.CREATED, PayoutStatus.REVIEW}
        if not waits or stored["ambiguous"] or stored["first_sent_at"] is not None:
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


def _answer(session: DbTransaction, token_hash: str, stored: Mapping[str, Any], event: Event, *, ends: bool) -> bool:
    """Record that a query is answered; whether the answer counts: an end always does, anything else does once."""
    values = (to_us(event.at), token_hash, stored["id"], stored["attempt"])
    return session.execute(session.sql.answer_end if ends else session.sql.answer, values).rowcount > 0


def _history(row: PayoutRecord, event: Event, seq: int, *, decided_by: str) -> tuple[Any, ...]:
    return (
        row.id,
        seq,
        to_us(event.at),
        event.name,
        str(row.status),
        row.attempt,
        row.submissions,
        decided_by,
        write_json(event.evidence),
    )


def _publish(
    session: DbTransaction, row: PayoutRecord, event: Event, seq: int, contradiction: Contradiction | None = None
) -> None:
    session.execute(
        session.sql.publish,
        (
            f"{row.id}.{seq}",
            row.id,
            row.key,
            row.account,
            str(row.status),
            None if row.reason is None else write_reason(row.reason),
            row.attempt,
            seq,
            to_us(event.at),
            None if contradiction is None else write_contradiction(contradiction),
        ),
    )
