"""Permits: the queue of an account's calls, one row for all processes, by the database's clock."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from payments_core.domain.rates import AcquirePermit, Hold, Permit, Priority, Queue, ReadEnd, penalise, reserve
from payments_core.journal.sql.statements import Statements
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["holds", "record_read", "take"]

_READ = Priority.READ.queue


class _Statements:
    """The statements, in one dialect."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        # Under PostgreSQL it is read once the lock is held: the beginning of the transaction is too early.
        shared, own = "EXTRACT(EPOCH FROM clock_timestamp()) * 1000000", "(julianday('now') - 2440587.5) * 86400000000"
        now = f"CAST({shared if sql.lock_exclusive else own} AS BIGINT)"
        self.clock = f"SELECT {now}"
        # A crash of the server may lose a permit that was granted, and no more: nothing has to be flushed for it.
        self.clock_of_permit = (
            f"SELECT {now}, set_config('synchronous_commit', 'off', true)" if sql.lock_exclusive else self.clock
        )
        self.queue = text(
            f"SELECT next_at, waiting, held_until, penalty FROM {at}permits WHERE account = ? AND queue = ?"  # noqa: S608
        )
        self.put = text(
            f"INSERT INTO {at}permits (account, queue, next_at, waiting, held_until, penalty)"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, queue) DO UPDATE SET next_at = excluded.next_at,"
            " waiting = excluded.waiting, held_until = excluded.held_until, penalty = excluded.penalty"
        )
        self.end_penalty = text(
            f"UPDATE {at}permits SET held_until = 0, penalty = 0"  # noqa: S608
            f" WHERE account = ? AND queue = '{_READ}' AND penalty > 0 AND held_until <= {now}"
        )
        self.holds = f"SELECT account, held_until FROM {at}permits WHERE held_until > {now} ORDER BY account"  # noqa: S608


_statements = functools.cache(_Statements)


def take(session: DbTransaction, request: AcquirePermit) -> Permit:
    """Reserve the next time of an account's queue, unless it is too far away."""
    statements = _statements(session.sql)
    session.lock("permits", request.account, request.priority.queue)
    now = session.execute(statements.clock_of_permit, ()).fetchone()[0]
    read_at = time.monotonic()
    queue = _stored(session, request.account, request.priority.queue)
    granted = reserve(queue, request, now)
    if granted.queue is not None:
        _put(session, request.account, request.priority.queue, granted.queue)
    starts = read_at + (granted.moment - now) / 1_000_000
    return Permit(granted.moment, starts, granted.queue is not None, is_penalised=queue.penalty > 0)


def record_read(session: DbTransaction, account: str, end: ReadEnd) -> bool:
    """Delay an account's reads after a refusal, or end a penalty that is over; whether one was ended."""
    statements = _statements(session.sql)
    if not end.is_refused:
        return session.execute(statements.end_penalty, (account,)).rowcount > 0
    session.lock("permits", account, _READ)
    (now,) = session.execute(statements.clock, ()).fetchone()
    _put(session, account, _READ, penalise(_stored(session, account, _READ), end.after_s, now))
    return False


def holds(sql: Statements, fetch: Callable[[str], Sequence[tuple[Any, ...]]]) -> tuple[Hold, ...]:
    """Return the penalties in force."""
    return tuple(Hold(account, held_until) for account, held_until in fetch(_statements(sql).holds))


def _stored(session: DbTransaction, account: str, queue: str) -> Queue:
    found = session.execute(_statements(session.sql).queue, (account, queue)).fetchone()
    if found is None:
        return Queue()
    next_at, waiting, held_until, penalty = found
    return Queue(next_at, tuple((Priority(priority), at) for priority, at in json.loads(waiting)), held_until, penalty)


def _put(session: DbTransaction, account: str, name: str, queue: Queue) -> None:
    waiting = json.dumps(queue.waiting, separators=(",", ":"))
    values = (account, name, queue.next_at, waiting, queue.held_until, queue.penalty)
    session.execute(_statements(session.sql).put, values)
