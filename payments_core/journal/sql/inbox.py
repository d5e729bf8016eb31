"""The inbox: callbacks are stored before they are acknowledged, and closed once they are handled."""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

import functools
import secrets
from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from payments_core.domain.inbox_records import MOST_PER_PATH, Arrival, Handled, Handling, InboxCount
from payments_core.domain.payout import PayoutStatus
from payments_core.engine.commands import RecordAccountQuery
from payments_core.journal.sql import history
from payments_core.journal.sql.access import SqlAccess
from payments_core.journal.sql.columns import from_us, to_us
from payments_core.journal.sql.statements import Statements, marks
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["InboxChange", "InboxMixin", "StoreFact", "apply", "record_account_query", "spaced", "statements"]

_SPACING = timedelta(seconds=5)  # between two reads of one payout that callbacks ask for
_QUERY_LIFE = timedelta(days=1)  # of a query about an account; nothing waits for its answer any more
_SECRET, _PROBE = "callback_secret", "written"


@dataclass(frozen=True, slots=True)
class StoreFact:
    """Write a fact about the journal into ``meta``.

    Args:
        name: Its name.
        value: Its value.
        once: Keep the value that is there already.

    """

    name: str
    value: str
    once: bool


InboxChange: TypeAlias = Arrival | Handling | StoreFact


class InboxStatements:
    """The statements of the inbox in one dialect; see ``statements``."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        inbox = f"{at}inbox"
        self.receive = text(
            f"INSERT INTO {inbox} (account, query, received_at, method, body, outcome) VALUES (?, ?, ?, ?, ?, '')"
        )
        # The second condition is that of the index, which is not used without it.
        self.count_of_path = text(f"SELECT COUNT(*) FROM {inbox} WHERE query = ? AND query <> ''")
        self.unhandled = f"SELECT account, query, method, received_at, body, no FROM {inbox} WHERE handled_at IS NULL"
        self.close = text(
            f"UPDATE {inbox} SET handled_at = ?, outcome = ?, body = ?, payout_id = ?, proven = ?"
            " WHERE no = ? AND handled_at IS NULL"
        )
        self.counts = (
            f"SELECT account, outcome, COUNT(*), MAX(received_at) FROM {inbox}"
            " GROUP BY account, outcome ORDER BY account, outcome"
        )
        self.queried_account = text(
            f"SELECT {sql.paid_from('q.payout_id', 'q.attempt')} FROM {at}queries q WHERE q.token_hash = ?"
            f" UNION ALL SELECT account FROM {at}account_queries WHERE token_hash = ?"
        )
        self.add_account_query = text(
            f"INSERT INTO {at}account_queries (token_hash, account, asked_at) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING"  # a commit whose answer was lost is made once more
        )
        self.delete_account_queries = text(f"DELETE FROM {at}account_queries WHERE asked_at < ?")
        self.answer_account = text(
            f"UPDATE {at}account_queries SET answered_at = ?, answer = ?"
            f" WHERE token_hash = (SELECT query FROM {at}inbox WHERE no = ?) AND answered_at IS NULL"
        )
        self.account_answer = text(
            f"SELECT answer FROM {at}account_queries WHERE token_hash = ? AND answer IS NOT NULL"
        )
        self.make_due = text(f"UPDATE {at}payouts SET next_at = ?, callback_read_at = ? WHERE id = ?")
        store = f"INSERT INTO {at}meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO"
        self.store_once = text(f"{store} NOTHING")
        self.store = text(f"{store} UPDATE SET value = excluded.value")
        self.fact = text(f"SELECT value FROM {at}meta WHERE name = ?")


statements = functools.cache(InboxStatements)


def apply(session: DbTransaction, change: InboxChange) -> Handled | bool | None:
    """Write one change of the inbox."""
    match change:
        case Arrival():
            return _receive(session, change)
        case StoreFact():
            sql = statements(session.sql)
            session.execute(sql.store_once if change.once else sql.store, (change.name, change.value))
            return None
        case Handling():
            if not _close(session, change):
                return None
            return Handled() if change.payout_id is None else _make_due(session, change, change.payout_id)


def _receive(session: DbTransaction, arrival: Arrival) -> bool:
    """Store a callback; False, and nothing is written, when its minted path has as many as are kept."""
    sql = statements(session.sql)
    if arrival.query:
        session.lock("path", arrival.query)
        (count,) = session.execute(sql.count_of_path, (arrival.query,)).fetchone()
        if count >= MOST_PER_PATH:
            return False
    values = (arrival.account, arrival.query, to_us(arrival.at), arrival.method, arrival.encoded)
    session.execute(sql.receive, values)
    return True


def _close(session: DbTransaction, handling: Handling) -> bool:
    """Replace a callback by what it was; False when it was closed before."""
    proven = None if handling.proven is None else int(handling.proven)
    values = (to_us(handling.at), handling.outcome, handling.details, handling.payout_id, proven, handling.no)
    if not session.execute(statements(session.sql).close, values).rowcount:
        return False
    if handling.answer is not None:
        answer = (to_us(handling.at), handling.answer, handling.no)
        session.execute(statements(session.sql).answer_account, answer)
    return True


def _make_due(session: DbTransaction, handling: Handling, payout_id: str) -> Handled:
    """Make a payout's next read due because of a callback; a payout that waits to be sent is left alone.

    Except a further attempt that waits for an approval: what is due there reads the earlier attempts, and sends
    nothing without the approval.
    """
    row = history.lock_payout(session, payout_id)
    is_unsent = row.status is PayoutStatus.CREATED
    if handling.event is None or (is_unsent and not (row.waits_for_approval and row.attempt.number > 1)):
        return Handled(row)
    schedule = row.schedule
    due_at = spaced(handling.at, row.updated_at if is_unsent else schedule.read_at)
    if schedule.next_at is not None and schedule.next_at <= due_at:
        return Handled(row)
    callback_read_at = schedule.callback_read_at if is_unsent else due_at
    values = (to_us(due_at), callback_read_at and to_us(callback_read_at), payout_id)
    session.execute(statements(session.sql).make_due, values)
    history.append(session, row, handling.event)
    schedule = replace(schedule, next_at=due_at, callback_read_at=callback_read_at)
    return Handled(replace(row, schedule=schedule), made_due=True)


def record_account_query(session: DbTransaction, entry: RecordAccountQuery) -> None:
    """Store a query about an account, and delete those whose answer nothing waits for any more."""
    sql, query = statements(session.sql), entry.query
    session.execute(sql.delete_account_queries, (to_us(query.asked_at - _QUERY_LIFE),))
    session.execute(sql.add_account_query, (query.token_hash, entry.account, to_us(query.asked_at)))


def spaced(wanted: datetime, read_at: datetime | None) -> datetime:
    """Return when a read that a callback asks for is due, given the time of the last read."""
    return wanted if read_at is None else max(wanted, read_at + _SPACING)


class InboxMixin(SqlAccess):
    """The inbox's part of the journal's protocol, for both databases."""

    @property
    def _inbox(self) -> InboxStatements:
        return statements(self._sql)

    def receive(self, arrival: Arrival) -> Future[bool]:
        """Queue a callback for the inbox; the future ends when it is durable, or not kept (False)."""
        return self._queue(arrival)

    def unhandled(self, *, accounts: Collection[str], after: int = 0, limit: int) -> tuple[Arrival, ...]:
        """Return the unhandled callbacks of these accounts, by number, from after a number."""
        if not accounts:
            return ()
        statement = f"{self._inbox.unhandled} AND no > ? AND account IN ({marks(len(accounts))}) ORDER BY no LIMIT ?"
        found = self._fetch(self._sql.text(statement), (after, *accounts, limit))
        return tuple(
            Arrival(account=account, query=query, method=method, at=from_us(at), encoded=body, no=no)
            for account, query, method, at, body, no in found
        )

    def handle(self, handling: Handling) -> Handled | None:
        """Close a callback and make its payout's next read due if asked; None when it was closed before."""
        handled: Handled | None = self.execute(handling)
        return handled

    def asked(self, token_hash: str) -> str | None:
        """Return the account from which a query was made, of any attempt; None when there is no such query."""
        found = self._fetch(self._inbox.queried_account, (token_hash, token_hash))
        return str(found[0][0]) if found else None

    def account_answer(self, token_hash: str) -> str | None:
        """Return the stored answer to a query about an account; None while there is none."""
        found = self._fetch(self._inbox.account_answer, (token_hash,))
        return str(found[0][0]) if found else None

    def inbox_counts(self) -> tuple[InboxCount, ...]:
        """Return how many callbacks had which outcome; an empty outcome is not handled yet."""
        found = self._fetch(self._inbox.counts)
        return tuple(InboxCount(account, outcome, count, from_us(at)) for account, outcome, count, at in found)

    def callback_secret(self) -> str:
        """Return the secret of which the accounts' paths are made; made once, for the life of the journal."""
        if not self._fact(_SECRET):
            self.execute(StoreFact(_SECRET, secrets.token_hex(32), once=True))  # another process may be quicker
        return self._fact(_SECRET)

    def prove_writable(self) -> None:
        """Write a value, and return when it is durable."""
        self.execute(StoreFact(_PROBE, secrets.token_hex(4), once=False))

    def _fact(self, name: str) -> str:
        found = self._fetch(self._inbox.fact, (name,))
        return str(found[0][0]) if found else ""
