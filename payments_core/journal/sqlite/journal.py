"""The embedded journal: one SQLite file, one writer, one reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from payments_core.domain.errors import JournalError, SettingsError
from payments_core.engine.commands import ApplyTransition, CreatePayout, CreateResult, JournalCommand, JournalResult
from payments_core.journal.sql.apply import Change, Reply, apply
from payments_core.journal.sql.sql_journal import SqlJournal
from payments_core.journal.sql.statements import SQLITE
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.sqlite.connection import (
    SQLITE_ERRORS,
    Reader,
    connect,
    explain,
    is_busy,
    moved,
    verify,
)
from payments_core.journal.sqlite.creation import create_file
from payments_core.journal.sqlite.schema import check_namespace, check_version
from payments_core.journal.sqlite.writer import Writer
from payments_core.journal.usability import check_live

__all__ = ["SqliteJournal"]


_VACUUM_BUSY_S = 1.0


class SqliteJournal(SqlJournal):
    """A journal in a SQLite file (WAL; every commit flushed whose loss would not be made good by the next read).

    Args:
        path: The file.
        namespace: The installation's.
        clock: Returns now; aware, UTC.
        busy_timeout_s: Longest wait for another program's lock, in seconds.
        make: Make the file, readable by its owner only, when it is not there. Its folder must be.

    Raises:
        JournalMissing: There is no file, and none is to be made.
        JournalDamaged: The file was emptied, or fails a check.
        JournalLocked: Another program holds the file.
        JournalTooNew: A newer version of this library made it.
        NamespaceChanged: It belongs to another installation.
        JournalIsBackup: It is a backup.
        JournalError: The file cannot be made, opened, read or trusted.

    """

    is_remote = False
    _sql = SQLITE

    def __init__(
        self,
        path: Path,
        *,
        namespace: str,
        clock: Callable[[], datetime],
        busy_timeout_s: float = 5.0,
        make: bool = False,
    ) -> None:
        self._path = path
        self._namespace = namespace
        self._clock = clock
        self._busy_timeout_s = busy_timeout_s
        if make:
            create_file(path, namespace=namespace, at=clock())
        self._identity: tuple[int, int] | None = None
        self._writer: Writer[Change, Reply] = Writer(
            self._connect(),
            apply=_apply,
            reopen=partial(self._connect, suspicious=True),
            explain=self._explain,
            check=self._check_place,
            needs_flush=_needs_flush,
        )
        self._reader = Reader(path, busy_timeout_s=busy_timeout_s)

    def _connect(self, *, suspicious: bool = False) -> sqlite3.Connection:
        if self._identity is not None:
            self._check_place()  # another file, a backup perhaps, is for another process
        connection = connect(self._path, busy_timeout_s=self._busy_timeout_s)
        try:
            self._identity = self._identity or _identity_of(self._path)
            if suspicious:
                verify(connection, self._path)
            check_version(connection, self._path)
            check_live(check_namespace(connection, self._path, self._namespace), f"The journal {self._path}")
        except BaseException as error:
            connection.close()
            if isinstance(error, SQLITE_ERRORS):
                raise self._explain(error) from error
            raise
        return connection

    def _check_place(self) -> None:
        if _identity_of(self._path) != self._identity:
            raise moved(self._path)

    def _explain(self, error: Exception) -> JournalError:
        return explain(error, self._path)

    # --- writing ---

    def open_within(self, connection: object, entry: CreatePayout) -> CreateResult:
        """Refuse: no transaction of an application's reaches into our file."""
        raise _no_transaction()

    async def open_within_async(self, connection: object, entry: CreatePayout) -> CreateResult:
        """Refuse: no transaction of an application's reaches into our file."""
        raise _no_transaction()

    async def execute_async(self, entry: JournalCommand) -> JournalResult:
        """Write one entry and return when it is durable; a task cancelled before it is taken up writes nothing."""
        return cast("JournalResult", await self._writer.execute_async(entry))

    def execute(self, entry: Change) -> Any:
        """Write one entry and return its reply when it is durable."""
        return self._writer.execute(entry)

    def _queue(self, change: Change) -> Future[Any]:
        return self._writer.submit(change)

    def vacuum(self) -> bool:
        """Write the file anew, without what was overwritten, and empty its log; False while another program reads.

        Writers wait meanwhile. Overwriting as rows change would not do: pages that are split keep what they held.
        """
        self._writer.check_open()
        with closing(connect(self._path, busy_timeout_s=_VACUUM_BUSY_S)) as connection:
            try:
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("VACUUM")
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except SQLITE_ERRORS as error:
                if is_busy(error):
                    return False
                raise self._explain(error) from error
        return not busy

    def close(self) -> None:
        """Finish what is queued and close; in a forked process nothing is touched."""
        if self._writer.close():
            self._reader.close()

    # --- reading ---

    def _fetch(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._writer.check_open()
        return self._reader.fetch(statement, values)


def _apply(connection: sqlite3.Connection, change: Change) -> Reply:
    return apply(DbTransaction(connection.execute, SQLITE), change)


def _needs_flush(change: Change) -> bool:
    return not isinstance(change, ApplyTransition) or change.needs_flush


def _identity_of(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes the file at a path from any other; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _no_transaction() -> SettingsError:
    return SettingsError(
        "A journal in a SQLite file cannot be written in a transaction of the application's; nothing was written.",
        hint="Leave out `connection`, or share a PostgreSQL database: see the page how-to/run-on-postgresql of the "
        "documentation.",
    )
