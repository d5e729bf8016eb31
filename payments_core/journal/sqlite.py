"""The embedded journal: one SQLite file, one writer, one reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from payments_core.entries import JournalEntry, JournalReply, Pause, PayoutRow
from payments_core.errors import JournalError
from payments_core.journal.changes import SELECT_PAYOUTS, Change, Reply, apply
from payments_core.journal.connection import Reader, connect, explain, make_file, verify
from payments_core.journal.due import among, earliest, holds, unsent_of
from payments_core.journal.pauses import PAUSE_COLUMNS, LiftPause, SetPause
from payments_core.journal.rows import from_us, read_history, read_pause, read_row, to_us
from payments_core.journal.schema import check_namespace, migrate
from payments_core.journal.writer import Writer
from payments_core.payout import HistoryEntry, PayoutStatus

__all__ = ["SqliteJournal"]

_PAGE = 200

_BY_QUERY = (
    f"{SELECT_PAYOUTS} WHERE id = (SELECT payout_id FROM queries WHERE token_hash = ? AND answered_at IS NULL)"  # noqa: S608
    " AND attempt = (SELECT attempt FROM queries WHERE token_hash = ?)"
)


class SqliteJournal:
    """A journal in a SQLite file (WAL, every commit flushed).

    Args:
        path: The file; made, readable by its owner only, when it is not there. Its folder must be.
        namespace: The installation's.
        clock: Returns now; aware, UTC.
        busy_timeout_s: Longest wait for another program's lock, in seconds.

    Raises:
        JournalLocked: Another program holds the file.
        JournalTooNew: A newer version of this library made it.
        NamespaceChanged: It belongs to another installation.
        JournalError: The file cannot be made, opened, read or trusted.

    """

    def __init__(
        self, path: Path, *, namespace: str, clock: Callable[[], datetime], busy_timeout_s: float = 5.0
    ) -> None:
        self._path = path
        self._namespace = namespace
        self._clock = clock
        self._busy_timeout_s = busy_timeout_s
        make_file(path)
        self._writer: Writer[Change, Reply] = Writer(
            self._connect(), apply=apply, reopen=partial(self._connect, suspicious=True), explain=self._explain
        )
        self._reader = Reader(path, busy_timeout_s=busy_timeout_s)

    def _connect(self, *, suspicious: bool = False) -> sqlite3.Connection:
        connection = connect(self._path, busy_timeout_s=self._busy_timeout_s)
        try:
            if suspicious:
                verify(connection, self._path)
            migrate(connection, self._path, namespace=self._namespace, at=self._clock())
            check_namespace(connection, self._path, self._namespace)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._explain(error) from error
            raise
        return connection

    def _explain(self, error: sqlite3.Error) -> JournalError:
        return explain(error, self._path)

    # --- writing ---

    def perform(self, entry: JournalEntry) -> JournalReply:
        """Write one entry and return when it is durable."""
        return cast("JournalReply", self._writer.perform(entry))

    def submit(self, entry: JournalEntry) -> Future[JournalReply]:
        """Queue one entry; the future ends when it is durable. Cancelling it before it is taken up writes nothing."""
        return cast("Future[JournalReply]", self._writer.submit(entry))

    def set_pause(self, pause: Pause) -> None:
        """Write a pause; one in force for the same account is replaced."""
        self._writer.perform(SetPause(pause))

    def lift_pause(self, account: str | None) -> bool:
        """End the pause of an account (or the one for all) and wake what waited for it; say whether there was one."""
        return bool(self._writer.perform(LiftPause(account, self._clock())))

    def close(self) -> None:
        """Finish what is queued and close; in a forked process nothing is touched."""
        if self._writer.close():
            self._reader.close()

    # --- reading ---

    def get(self, payout_id: str) -> PayoutRow | None:
        """Return one payout."""
        return self._one(f"{SELECT_PAYOUTS} WHERE id = ?", (payout_id,))

    def by_key(self, key: str) -> PayoutRow | None:
        """Return the payout of a key."""
        return self._one(f"{SELECT_PAYOUTS} WHERE key = ?", (key,))

    def by_query(self, token_hash: str) -> PayoutRow | None:
        """Return the payout an unanswered query asked about, while the attempt it asked about is the current one."""
        return self._one(_BY_QUERY, (token_hash, token_hash))

    def history(self, payout_id: str) -> tuple[HistoryEntry, ...]:
        """Return every history row, oldest first."""
        found = self._fetch(
            "SELECT seq, at, event, status, attempt, tries, decided_by, evidence FROM history"
            " WHERE payout_id = ? ORDER BY seq",
            (payout_id,),
        )
        return tuple(map(read_history, found))

    def rows(self, *, status: PayoutStatus | None = None, account: str | None = None) -> Iterator[PayoutRow]:
        """Yield payouts, oldest first, a page at a time: nothing is locked while the caller works."""
        statement = (
            f"SELECT no, {SELECT_PAYOUTS.removeprefix('SELECT ')}"
            " WHERE no > ? AND (? IS NULL OR status = ?) AND (? IS NULL OR account = ?) ORDER BY no LIMIT ?"
        )
        wanted = None if status is None else str(status)
        last = 0
        while page := self._fetch(statement, (last, wanted, wanted, account, account, _PAGE)):
            for no, *stored in page:
                last = no
                yield read_row(stored)

    def due(self, at: datetime, *, accounts: Collection[str], limit: int) -> tuple[PayoutRow, ...]:
        """Return payouts of these accounts whose ``next_at`` has come and whose lease, if any, is over; oldest first.

        ``CREATED`` payouts of a paused account are left out until the pause is lifted or its probe is due.
        """
        held = {account for account, until in self._holds(accounts).items() if until is None or until > at}
        condition, values = among(accounts, unsent_held=held)
        now = to_us(at)
        statement = (
            f"{SELECT_PAYOUTS} WHERE {condition} AND next_at <= ? AND (lease_until IS NULL OR lease_until <= ?)"
            " ORDER BY next_at, no LIMIT ?"
        )
        return tuple(map(read_row, self._fetch(statement, (*values, now, now, limit))))

    def next_due(self, *, accounts: Collection[str]) -> datetime | None:
        """Return when the next payout becomes due, lease and pauses considered as in ``due``; None when none will."""
        holds = self._holds(accounts)
        moments = [self._earliest(*among(accounts, unsent_held=holds))]
        for account, until in holds.items():
            if until is not None and (moment := self._earliest(*unsent_of(account))) is not None:
                moments.append(max(moment, until))
        return min((moment for moment in moments if moment is not None), default=None)

    def _holds(self, accounts: Collection[str]) -> Mapping[str, datetime | None]:
        return holds(self.pauses(), accounts)

    def _earliest(self, condition: str, values: Sequence[Any]) -> datetime | None:
        moment = self._fetch(earliest(condition), (*values, *values))[0][0]
        return None if moment is None else from_us(moment)

    def counts(self) -> Mapping[PayoutStatus, int]:
        """Return how many payouts stand in each status."""
        found = self._fetch("SELECT status, COUNT(*) FROM payouts GROUP BY status")
        return {PayoutStatus(status): count for status, count in found}

    def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force, the one for all first."""
        return tuple(map(read_pause, self._fetch(f"SELECT {PAUSE_COLUMNS} FROM pauses ORDER BY account")))  # noqa: S608

    def _one(self, statement: str, values: Sequence[Any]) -> PayoutRow | None:
        found = self._fetch(statement, values)
        return read_row(found[0]) if found else None

    def _fetch(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._writer.check_open()
        return self._reader.fetch(statement, values)
