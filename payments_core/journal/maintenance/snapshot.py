"""A journal as it stood at one moment, to be looked at while others go on writing; nothing is ever written here."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from payments_core.journal.sql.statements import POSTGRES, SQLITE, Statements
from payments_core.journal.sql.transaction import Cursor, DbTransaction
from payments_core.journal.sqlite.connection import SQLITE_ERRORS, check_file, explain
from payments_core.journal.sqlite.schema import check_namespace, check_version

if TYPE_CHECKING:
    from payments_core.journal.postgres.connection import Connection, Server

__all__ = ["PostgresSnapshot", "Snapshot", "SqliteSnapshot"]

_AT_ONCE = 1000


class _Rows:
    """What a statement found, fetched where a failure is explained: reading the next row may find the damage."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows
        self.rowcount = len(rows)

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        return self._rows.pop(0) if self._rows else None

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return self._rows


class Snapshot(ABC):
    """One moment of a journal."""

    sql: ClassVar[Statements]
    name: str
    connection: Any

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        """Execute a statement of this dialect."""

    @abstractmethod
    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement finds, however much it is."""

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return every row that a statement finds; values stand at its question marks."""
        return list(self.execute(self.sql.text(statement), values).fetchall())

    @property
    def session(self) -> DbTransaction:
        """The snapshot, for what reads within a transaction."""
        return DbTransaction(self.execute, self.sql)

    def meta(self) -> dict[str, str]:
        """Return what ``meta`` holds."""
        return dict(self.ask(f"SELECT name, value FROM {self.sql.schema}meta"))  # noqa: S608 - a constant


class SqliteSnapshot(Snapshot):
    """A moment of a journal in a file; a backup may be looked at as well.

    Args:
        path: The file.
        namespace: The installation's.

    Raises:
        NamespaceChanged: It belongs to another installation.
        JournalError: It cannot be read, or is no journal of this version.

    """

    sql = SQLITE

    def __init__(self, path: Path, *, namespace: str) -> None:
        self._path = path
        self.name = f"The journal {path}"
        check_file(path)
        with self._explained():
            self.connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            with self._explained():
                self.connection.execute("BEGIN")
                check_version(self.connection, path)  # the first thing read: from here on nothing moves
                check_namespace(self.connection, path, namespace)
        except BaseException:
            self.connection.close()
            raise

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        """Execute a statement of SQLite."""
        with self._explained():
            return _Rows(self.connection.execute(statement, values).fetchall())

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement finds, a row at a time."""
        with self._explained():
            yield from self.connection.execute(statement, values)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLITE_ERRORS as error:
            raise explain(error, self._path) from error


class PostgresSnapshot(Snapshot):
    """A moment of a shared journal.

    Args:
        server: Where it is.
        namespace: The installation's.

    Raises:
        NamespaceChanged: It belongs to another installation.
        JournalError: It cannot be reached, or is no journal of this version.

    """

    sql = POSTGRES

    def __init__(self, server: Server, *, namespace: str) -> None:
        self._server = server
        self.name = server.name
        self.connection: Connection = server.connect()
        try:
            server.run(lambda: self._begin(namespace))
        except BaseException:
            self.connection.close()
            raise

    def _begin(self, namespace: str) -> None:
        from payments_core.journal.postgres import schema  # here: the driver is an extra

        self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        schema.check_version(self.connection, self.name)
        schema.check_namespace(self.connection, self.name, namespace)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        """Execute a statement of PostgreSQL."""
        return self._server.run(lambda: _Rows(self.connection.execute(statement, values).fetchall()))

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement finds; the server keeps the rest."""
        with contextlib.closing(self.connection.cursor(name="payments_audit")) as cursor:
            self._server.run(lambda: cursor.execute(statement, values))
            while rows := self._server.run(lambda: cursor.fetchmany(_AT_ONCE)):
                yield from rows
