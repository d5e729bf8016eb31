"""The outbox: which consumer has acknowledged which event, and when the next delivery is due."""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from payments_core.domain.deliveries import Backlog, Consumer, PayoutEvent, Waiting
from payments_core.domain.payout import PayoutStatus
from payments_core.journal.sql.access import SqlAccess
from payments_core.journal.sql.columns import checked, from_us, read_contradiction, read_reason, to_us
from payments_core.journal.sql.statements import Statements, marks
from payments_core.journal.sql.transaction import DbTransaction

__all__ = [
    "EVENT_COLUMNS",
    "Acknowledge",
    "OutboxChange",
    "OutboxMixin",
    "PutOff",
    "ResumeDeliveries",
    "TakeDeliveries",
    "apply",
    "read_event",
]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A consumer has received an event."""

    consumer: str
    event_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TakeDeliveries:
    """Take due deliveries, and keep other senders from them until a time."""

    consumer: Consumer
    at: datetime
    until: datetime
    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class PutOff:
    """A delivery failed."""

    consumer: str
    event_id: str
    next_at: datetime | None
    result: str


@dataclass(frozen=True, slots=True)
class ResumeDeliveries:
    """Make due the deliveries that were given up."""

    consumer: str
    at: datetime


OutboxChange: TypeAlias = Acknowledge | TakeDeliveries | PutOff | ResumeDeliveries
OutboxReply: TypeAlias = bool | int | tuple[Waiting, ...] | None

#: Of the outbox ``o``, in the order in which ``read_event`` reads them.
EVENT_COLUMNS = (
    "o.event_id, o.payout_id, o.key, o.account, o.status, o.reason, o.attempt, o.seq, o.at, o.no, o.contradiction"
)


class _Statements:
    """The statements, in one dialect."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        self.events = f"SELECT {EVENT_COLUMNS} FROM {at}outbox o"
        self.deliveries = (
            f"SELECT {EVENT_COLUMNS}, COALESCE(d.attempts, 0), d.next_at, COALESCE(d.result, '') FROM {at}outbox o"
            f" LEFT JOIN {at}deliveries d ON d.consumer = ? AND d.event_id = o.event_id"
        )
        self.backlog = (
            f"SELECT COUNT(*), COUNT(d.event_id) - COUNT(d.next_at), MIN(o.at) FROM {at}outbox o"
            f" LEFT JOIN {at}deliveries d ON d.consumer = ? AND d.event_id = o.event_id"
        )
        self.unacknowledged = (
            f"NOT EXISTS (SELECT 1 FROM {at}outbox_reads r WHERE r.consumer = ? AND r.event_id = {{0}}.event_id)"
        )
        self.earlier = f"SELECT 1 FROM {at}outbox e WHERE e.payout_id = o.payout_id AND e.seq < o.seq"
        self.acknowledged_up_to = (
            f"SELECT COALESCE((SELECT MIN(o.no) - 1 FROM {at}outbox o WHERE {{0}}), MAX(no), 0) FROM {at}outbox"
        )
        self.acknowledge = text(
            f"INSERT INTO {at}outbox_reads (consumer, event_id, at) SELECT CAST(? AS TEXT), event_id, CAST(? AS BIGINT)"
            f" FROM {at}outbox WHERE event_id = ? ON CONFLICT DO NOTHING"
        )
        self.is_event = text(f"SELECT 1 FROM {at}outbox WHERE event_id = ?")
        self.delivered = text(f"DELETE FROM {at}deliveries WHERE consumer = ? AND event_id = ?")
        self.take = text(
            f"INSERT INTO {at}deliveries (consumer, event_id, attempts, next_at, result) VALUES (?, ?, 0, ?, '')"
            " ON CONFLICT (consumer, event_id) DO UPDATE SET next_at = excluded.next_at"
        )
        self.put_off = text(
            f"UPDATE {at}deliveries SET attempts = attempts + 1, next_at = ?, result = ?"
            " WHERE consumer = ? AND event_id = ?"
        )
        self.resume = text(
            f"UPDATE {at}deliveries SET attempts = 0, next_at = ? WHERE consumer = ? AND next_at IS NULL"
        )

    def unacknowledged_by(self, consumer: Consumer, after: int, *, first: bool = True) -> tuple[str, tuple[Any, ...]]:
        """Return the condition for the events that a consumer has not acknowledged, and its values.

        Args:
            consumer: The consumer.
            after: Only higher numbers.
            first: Only the first unacknowledged event of each payout.

        """
        mine, values = "", list[Any]()
        if consumer.since is not None:
            mine, values = " AND {0}.at >= ?", [to_us(consumer.since)]
        if consumer.accounts:
            mine += f" AND {{0}}.account IN ({marks(len(consumer.accounts))})"
            values += consumer.accounts
        mine, values = f"{self.unacknowledged}{mine}", [consumer.name, *values]
        condition = f"o.no > ? AND {mine.format('o')}"
        if not first:
            return condition, (after, *values)
        return f"{condition} AND NOT EXISTS ({self.earlier} AND {mine.format('e')})", (after, *values, *values)


_statements = functools.cache(_Statements)


def apply(session: DbTransaction, change: OutboxChange) -> OutboxReply:
    """Write one change of the outbox."""
    statements = _statements(session.sql)
    match change:
        case Acknowledge():
            return _acknowledge(session, change)
        case TakeDeliveries():
            return _take(session, change)
        case PutOff(consumer, event_id, next_at, result):
            due_at = None if next_at is None else to_us(next_at)
            session.execute(statements.put_off, (due_at, result, consumer, event_id))
            return None
        case ResumeDeliveries(consumer, at):
            return session.execute(statements.resume, (to_us(at), consumer)).rowcount


def _acknowledge(session: DbTransaction, change: Acknowledge) -> bool:
    statements = _statements(session.sql)
    session.execute(statements.delivered, (change.consumer, change.event_id))
    if session.execute(statements.acknowledge, (change.consumer, to_us(change.at), change.event_id)).rowcount > 0:
        return True
    return session.execute(statements.is_event, (change.event_id,)).fetchone() is not None  # acknowledged before


def _take(session: DbTransaction, change: TakeDeliveries) -> tuple[Waiting, ...]:
    # One at a time: a second sender would still see as due what this one takes.
    session.lock("deliveries", change.consumer.name)
    statements, name = _statements(session.sql), change.consumer.name
    condition, values = statements.unacknowledged_by(change.consumer, change.after)
    is_due = "(d.event_id IS NULL OR d.next_at <= ?)"
    statement = f"{statements.deliveries} WHERE {condition} AND {is_due} ORDER BY o.no LIMIT ?"
    values = (name, *values, to_us(change.at), change.limit)
    found = tuple(map(_read_waiting, session.execute(session.sql.text(statement), values).fetchall()))
    for one in found:
        session.execute(statements.take, (name, one.event.id, to_us(change.until)))
    return found


@checked
def read_event(stored: Sequence[Any]) -> PayoutEvent:
    """Read an event from :data:`EVENT_COLUMNS`."""
    event_id, payout_id, key, account, status, reason, attempt, seq, at, no, contradiction = stored
    return PayoutEvent(
        id=event_id,
        payout_id=payout_id,
        key=key,
        account=account,
        status=PayoutStatus(status),
        reason=None if reason is None else read_reason(reason),
        attempt=attempt,
        seq=seq,
        at=from_us(at),
        no=no,
        contradiction=None if contradiction is None else read_contradiction(contradiction),
    )


def _read_waiting(stored: Sequence[Any]) -> Waiting:
    *event, attempts, next_at, result = stored
    return Waiting(
        event=read_event(event),
        attempts=attempts,
        next_at=None if next_at is None else from_us(next_at),
        result=result,
    )


class OutboxMixin(SqlAccess):
    """The outbox's part of the journal's protocol, for both databases."""

    @property
    def appears_late(self) -> bool:
        """Whether an event may become visible after others with higher numbers: only where many write at once."""
        return bool(self._sql.lock_exclusive)

    def _find(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._fetch(self._sql.text(statement), values)

    def offered(self, consumer: Consumer, *, after: int, limit: int) -> tuple[PayoutEvent, ...]:
        """Return events that a consumer may receive now, by number, from after a number."""
        statements = _statements(self._sql)
        condition, values = statements.unacknowledged_by(consumer, after)
        found = self._find(f"{statements.events} WHERE {condition} ORDER BY o.no LIMIT ?", (*values, limit))
        return tuple(map(read_event, found))

    def waiting(self, consumer: Consumer, *, limit: int) -> tuple[Waiting, ...]:
        """Return the events that a consumer has not acknowledged, by number."""
        statements = _statements(self._sql)
        condition, values = statements.unacknowledged_by(consumer, 0, first=False)
        statement = f"{statements.deliveries} WHERE {condition} ORDER BY o.no LIMIT ?"
        return tuple(map(_read_waiting, self._find(statement, (consumer.name, *values, limit))))

    def backlog(self, consumer: Consumer) -> Backlog:
        """Count the events that a consumer has not acknowledged."""
        statements = _statements(self._sql)
        condition, values = statements.unacknowledged_by(consumer, 0, first=False)
        count, given_up, at = self._find(f"{statements.backlog} WHERE {condition}", (consumer.name, *values))[0]
        return Backlog(count, given_up, None if at is None else from_us(at))

    def acknowledged_up_to(self, consumer: Consumer, *, after: int) -> int:
        """Return a number up to which every event that is visible now, from after another one, is acknowledged."""
        statements = _statements(self._sql)
        condition, values = statements.unacknowledged_by(consumer, after, first=False)
        return int(self._find(statements.acknowledged_up_to.format(condition), values)[0][0])

    def acknowledge(self, consumer: str, event_id: str, at: datetime) -> bool:
        """Record that a consumer has received an event; whether there is such an event."""
        return bool(self.execute(Acknowledge(consumer, event_id, at)))

    def take_deliveries(
        self, consumer: Consumer, *, at: datetime, until: datetime, after: int, limit: int
    ) -> tuple[Waiting, ...]:
        """Take events that may be delivered now, and keep other senders from them until a time."""
        taken: tuple[Waiting, ...] = self.execute(TakeDeliveries(consumer, at, until, after, limit))
        return taken

    def put_off_delivery(self, consumer: str, event_id: str, *, next_at: datetime | None, result: str) -> None:
        """Record that a delivery failed, and when the next attempt is due; None gives it up."""
        self.execute(PutOff(consumer, event_id, next_at, result))

    def resume_deliveries(self, consumer: str, at: datetime) -> int:
        """Make due the deliveries that were given up, with their attempts counted anew; return how many."""
        return int(self.execute(ResumeDeliveries(consumer, at)))
