"""The history of a payout, its events for the outbox, and what contradicts it: written in the same commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from payments_core.domain.contradictions import Contradiction
from payments_core.domain.errors import JournalError
from payments_core.domain.events import EventName
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import AcknowledgeContradictions, AppendHistory, DelayPayout, HistoryAppended
from payments_core.journal.sql.columns import (
    read_row,
    to_us,
    write_contradiction,
    write_contradictions,
    write_entry,
)
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["acknowledge", "append", "delay", "is_contradicted", "lock_payout", "note", "publish"]


def lock_payout(session: DbTransaction, payout_id: str) -> PayoutRecord:
    """Return a payout; until the commit no other writer moves it.

    Raises:
        JournalError: There is no such payout.

    """
    found = session.execute(session.sql.lock_payout, (payout_id,)).fetchone()
    if found is None:
        raise JournalError(f"The journal has no payout {payout_id}.")
    return read_row(found)


def append(session: DbTransaction, row: PayoutRecord, event: Event, *, decided_by: str = "") -> None:
    """Add the next history entry of a payout that is locked."""
    session.execute(session.sql.append_history, (*write_entry(row, event, decided_by), row.id))


def publish(session: DbTransaction, payout_id: str, contradiction: Contradiction | None = None) -> None:
    """Add an event to the outbox: what is stored of a payout, and its last history entry."""
    details = None if contradiction is None else write_contradiction(contradiction)
    session.execute(session.sql.publish, (details, payout_id))


def is_contradicted(session: DbTransaction, payout_id: str) -> bool:
    """Whether a read has contradicted an end of this payout."""
    values = (payout_id, str(EventName.PAYOUT_CONTRADICTED))
    return session.execute(session.sql.has_event, values).fetchone() is not None


def note(session: DbTransaction, entry: AppendHistory) -> HistoryAppended:
    """Add a history entry without a transition."""
    row, contradiction = lock_payout(session, entry.payout_id), entry.contradiction
    if contradiction is not None:
        if any(contradiction.repeats(before) for before in row.contradictions):
            return HistoryAppended(row, written=False)
        row = _set_contradictions(session, row, (*row.contradictions, contradiction))
    append(session, row, entry.event)
    if contradiction is not None:
        publish(session, row.id, contradiction)
    if entry.due_at is not None and (row.schedule.next_at is None or row.schedule.next_at > entry.due_at):
        due_at = to_us(entry.due_at)
        session.execute(session.sql.make_due, (due_at, entry.payout_id, due_at))
        row = replace(row, schedule=replace(row.schedule, next_at=entry.due_at))
    return HistoryAppended(row)


def delay(session: DbTransaction, entry: DelayPayout) -> HistoryAppended:
    """Make a payout due later, unless it has been moved since it was read; this is no transition."""
    row = lock_payout(session, entry.payout_id)
    if row.version != entry.version:
        return HistoryAppended(row, written=False)
    session.execute(session.sql.delay, (to_us(entry.until), row.id))
    return HistoryAppended(replace(row, schedule=replace(row.schedule, next_at=entry.until)))


def acknowledge(session: DbTransaction, entry: AcknowledgeContradictions) -> HistoryAppended:
    """Record that a person has acknowledged every open contradiction of a payout."""
    row = lock_payout(session, entry.payout_id)
    if not any(one.is_open for one in row.contradictions):
        return HistoryAppended(row, written=False)
    by = entry.event.at, entry.actor, entry.reason
    acknowledged = [one.acknowledged(*by) if one.is_open else one for one in row.contradictions]
    row = _set_contradictions(session, row, acknowledged)
    append(session, row, entry.event)
    return HistoryAppended(row)


def _set_contradictions(
    session: DbTransaction, row: PayoutRecord, contradictions: Sequence[Contradiction]
) -> PayoutRecord:
    """Write the contradictions of a payout; this is no transition, and the version stays."""
    since = min((one.at for one in contradictions if one.is_open), default=None)
    values = (write_contradictions(contradictions), None if since is None else to_us(since), row.id)
    session.execute(session.sql.contradict, values)
    return replace(row, contradictions=tuple(contradictions), contradicted_at=since)
