"""The inbox: what was called back, kept before it is acknowledged, and closed once it was handled."""

from __future__ import annotations

import functools
import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeAlias

from payments_core.domain.inbox_records import MOST_PER_PATH, Arrival, Handled, Handling, InboxCount
from payments_core.engine.commands import RecordAccountQuery
from payments_core.journal.sql.columns import from_us, to_us
from payments_core.journal.sql.statements import DbTransaction, Statements

__all__ = [
    "InboxCalls",
    "InboxChange",
    "InboxStatements",
    "Keep",
    "ask_account",
    "close",
    "keep",
    "receive",
    "spaced",
    "statements",
]

_SPACING = timedelta(seconds=5)  # between two reads of one payout that callbacks ask for
_QUESTION_LIFE = timedelta(days=1)  # of one about an account: whoever asked has long gone
_SECRET, _PROBE = "callback_secret", "written"


@dataclass(frozen=True, slots=True)
class Keep:
    """Remember a fact about the journal.

    Args:
        name: What it is called.
        value: What it is.
        once: Leave it as it is when it is there already.

    """

    name: str
    value: str
    once: bool


InboxChange: TypeAlias = Arrival | Handling | Keep


class InboxStatements:
    """The inbox's statements in one dialect; see ``statements``."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        inbox = f"{at}inbox"
        self.receive = text(
            f"INSERT INTO {inbox} (account, query, received_at, method, body, outcome)"  # noqa: S608 - constants
            " VALUES (?, ?, ?, ?, ?, '')"
        )
        # The part that says nothing more than its index: without it the index is not used.
        self.kept_of_path = text(f"SELECT COUNT(*) FROM {inbox} WHERE query = ? AND query <> ''")  # noqa: S608
        self.unhandled = f"SELECT account, query, method, received_at, body, no FROM {inbox} WHERE handled_at IS NULL"  # noqa: S608
        self.close = text(
            f"UPDATE {inbox} SET handled_at = ?, outcome = ?, body = ?, payout_id = ?, proven = ?"  # noqa: S608
            " WHERE no = ? AND handled_at IS NULL"
        )
        self.counts = (
            f"SELECT account, outcome, COUNT(*), MAX(received_at) FROM {inbox}"  # noqa: S608
            " GROUP BY account, outcome ORDER BY account, outcome"
        )
        self.asked = text(
            f"SELECT {sql.paid_from('q.payout_id', 'q.attempt')} FROM {at}queries q WHERE q.token_hash = ?"  # noqa: S608
            f" UNION ALL SELECT account FROM {at}account_queries WHERE token_hash = ?"
        )
        self.ask_account = text(
            f"INSERT INTO {at}account_queries (token_hash, account, asked_at) VALUES (?, ?, ?)"  # noqa: S608
            " ON CONFLICT DO NOTHING"  # a commit whose answer was lost is made once more
        )
        self.drop_questions = text(f"DELETE FROM {at}account_queries WHERE asked_at < ?")  # noqa: S608
        self.answer_account = text(
            f"UPDATE {at}account_queries SET answered_at = ?, answer = ?"  # noqa: S608
            f" WHERE token_hash = (SELECT query FROM {at}inbox WHERE no = ?) AND answered_at IS NULL"
        )
        self.account_answer = text(
            f"SELECT answer FROM {at}account_queries WHERE token_hash = ? AND answer IS NOT NULL"  # noqa: S608
        )
        self.make_due = text(f"UPDATE {at}payouts SET next_at = ?, callback_read_at = ? WHERE id = ?")  # noqa: S608
        keep = f"INSERT INTO {at}meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO"  # noqa: S608
        self.keep_first = text(f"{keep} NOTHING")
        self.keep_last = text(f"{keep} UPDATE SET value = excluded.value")
        self.kept = text(f"SELECT value FROM {at}meta WHERE name = ?")  # noqa: S608


@functools.cache
def statements(sql: Statements) -> InboxStatements:
    """Return the inbox's statements in a dialect."""
    return InboxStatements(sql)


def receive(session: DbTransaction, arrival: Arrival) -> bool:
    """Write a callback down; False, and nothing is written, when its minted path has had as many as are kept."""
    sql = statements(session.sql)
    if arrival.query:
        session.lock("path", arrival.query)
        (kept,) = session.execute(sql.kept_of_path, (arrival.query,)).fetchone()
        if kept >= MOST_PER_PATH:
            return False
    values = (arrival.account, arrival.query, to_us(arrival.at), arrival.method, arrival.sealed)
    session.execute(sql.receive, values)
    return True


def close(session: DbTransaction, handling: Handling) -> bool:
    """Write down what a callback was, in place of the callback; say whether nobody else had."""
    proven = None if handling.proven is None else int(handling.proven)
    values = (to_us(handling.at), handling.outcome, handling.told, handling.payout_id, proven, handling.no)
    if not session.execute(statements(session.sql).close, values).rowcount:
        return False
    if handling.answer is not None:
        answered = (to_us(handling.at), handling.answer, handling.no)
        session.execute(statements(session.sql).answer_account, answered)
    return True


def ask_account(session: DbTransaction, entry: RecordAccountQuery) -> None:
    """Write a question about an account down, and drop those nobody waits for any more."""
    sql, asked = statements(session.sql), entry.query
    session.execute(sql.drop_questions, (to_us(asked.asked_at - _QUESTION_LIFE),))
    session.execute(sql.ask_account, (asked.token_hash, entry.account, to_us(asked.asked_at)))


def keep(session: DbTransaction, change: Keep) -> None:
    """Write a fact about the journal."""
    sql = statements(session.sql)
    session.execute(sql.keep_first if change.once else sql.keep_last, (change.name, change.value))


def spaced(wanted: datetime, read_at: datetime | None) -> datetime:
    """Return when a read that a callback asks for is due, given when the provider was last asked."""
    return wanted if read_at is None else max(wanted, read_at + _SPACING)


class InboxCalls(ABC):
    """The inbox's part of the journal's protocol, whichever database holds it."""

    _sql: ClassVar[Statements]

    @abstractmethod
    def _fetch(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def _change(self, change: InboxChange) -> Any: ...

    @abstractmethod
    def _queue(self, change: InboxChange) -> Future[Any]: ...

    @property
    def _inbox(self) -> InboxStatements:
        return statements(self._sql)

    def receive(self, arrival: Arrival) -> Future[bool]:
        """Queue a callback for the inbox; the future ends when it is durable, or not kept (False)."""
        return self._queue(arrival)

    def unhandled(self, *, accounts: Collection[str], after: int = 0, limit: int) -> tuple[Arrival, ...]:
        """Return what nobody has handled yet of these accounts, by number, from after a number."""
        if not accounts:
            return ()
        marks = ", ".join("?" * len(accounts))
        found = self._fetch(
            self._sql.text(f"{self._inbox.unhandled} AND no > ? AND account IN ({marks}) ORDER BY no LIMIT ?"),
            (after, *accounts, limit),
        )
        return tuple(
            Arrival(account=account, query=query, method=method, at=from_us(at), sealed=sealed, no=no)
            for account, query, method, at, sealed, no in found
        )

    def handle(self, handling: Handling) -> Handled | None:
        """Close a callback and make its payout's next read due if asked; None when somebody else has closed it."""
        closed: Handled | None = self._change(handling)
        return closed

    def asked(self, token_hash: str) -> str | None:
        """Return the account from which a query was made, of whichever attempt; None when there is no such query."""
        found = self._fetch(self._inbox.asked, (token_hash, token_hash))
        return str(found[0][0]) if found else None

    def account_answer(self, token_hash: str) -> str | None:
        """Return the answer to a question about an account, as it was kept; None as long as there is none."""
        found = self._fetch(self._inbox.account_answer, (token_hash,))
        return str(found[0][0]) if found else None

    def inbox_counts(self) -> tuple[InboxCount, ...]:
        """Return how many callbacks had which outcome; an empty one is not handled yet."""
        found = self._fetch(self._inbox.counts)
        return tuple(InboxCount(account, outcome, count, from_us(at)) for account, outcome, count, at in found)

    def callback_secret(self) -> str:
        """Return the secret that the accounts' paths are made of; made once, and kept as long as the journal."""
        if not self._kept(_SECRET):
            self._change(Keep(_SECRET, secrets.token_hex(32), once=True))  # somebody else may be quicker
        return self._kept(_SECRET)

    def prove_writable(self) -> None:
        """Write something and see it durable."""
        self._change(Keep(_PROBE, secrets.token_hex(4), once=False))

    def _kept(self, name: str) -> str:
        found = self._fetch(self._inbox.kept, (name,))
        return str(found[0][0]) if found else ""
