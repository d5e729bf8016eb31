"""Permits: the queue of an account's calls, one row for all processes, by the database's clock."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from payments_core.domain.rates import AcquirePermit, Hold, Permit, Priority, Queue, ReadEnd, penalise, reserve
from payments_core.journal.sql.statements import DbTransaction, Statements

__all__ = ["holds", "note_read", "take"]

_READ = Priority.READ.queue


class _Text:
    """The statements, in one dialect."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        # Under PostgreSQL asked for once the lock is had: the beginning of the transaction is too early.
        shared, own = "EXTRACT(EPOCH FROM clock_timestamp()) * 1000000", "(julianday('now') - 2440587.5) * 86400000000"
        now = f"CAST({shared if sql.lock_exclusive else own} AS BIGINT)"
        self.clock = f"SELECT {now}"
        # What a crash of the server forgets here is a permit that was given out: nothing has to be flushed for it.
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
        self.erase = text(
            f"UPDATE {at}permits SET held_until = 0, penalty = 0"  # noqa: S608
            f" WHERE account = ? AND queue = '{_READ}' AND penalty > 0 AND held_until <= {now}"
        )
        self.holds = f"SELECT account, held_until FROM {at}permits WHERE held_until > {now} ORDER BY account"  # noqa: S608


_text = functools.cache(_Text)


def take(session: DbTransaction, asked: AcquirePermit) -> Permit:
    """Reserve the next moment of an account's queue, unless it is too far away."""
    text = _text(session.sql)
    session.lock("permits", asked.account, asked.priority.queue)
    now = session.execute(text.clock_of_permit, ()).fetchone()[0]
    read_at = time.monotonic()
    queue = _stored(session, asked.account, asked.priority.queue)
    given = reserve(queue, asked, now)
    if given.queue is not None:
        _put(session, asked.account, asked.priority.queue, given.queue)
    starts = read_at + (given.moment - now) / 1_000_000
    return Permit(given.moment, starts, given.queue is not None, is_penalised=queue.penalty > 0)


def note_read(session: DbTransaction, account: str, end: ReadEnd) -> bool:
    """Hold an account's reads or forget a penalty that is over; say whether one was forgotten."""
    text = _text(session.sql)
    if not end.is_refused:
        return session.execute(text.erase, (account,)).rowcount > 0
    session.lock("permits", account, _READ)
    (now,) = session.execute(text.clock, ()).fetchone()
    _put(session, account, _READ, penalise(_stored(session, account, _READ), end.after_s, now))
    return False


def holds(sql: Statements, fetch: Callable[[str], Sequence[tuple[Any, ...]]]) -> tuple[Hold, ...]:
    """Return the penalties in force."""
    return tuple(Hold(account, held_until) for account, held_until in fetch(_text(sql).holds))


def _stored(session: DbTransaction, account: str, queue: str) -> Queue:
    found = session.execute(_text(session.sql).queue, (account, queue)).fetchone()
    if found is None:
        return Queue()
    next_at, waiting, held_until, penalty = found
    return Queue(next_at, tuple((Priority(priority), at) for priority, at in json.loads(waiting)), held_until, penalty)


def _put(session: DbTransaction, account: str, name: str, queue: Queue) -> None:
    waiting = json.dumps(queue.waiting, separators=(",", ":"))
    values = (account, name, queue.next_at, waiting, queue.held_until, queue.penalty)
    session.execute(_text(session.sql).put, values)
