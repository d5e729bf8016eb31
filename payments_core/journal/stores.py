"""Databases as whoever looks after a journal opens them: also one that may not be paid with, and one that is empty."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from payments_core.journal.connection import SQLITE_ERRORS, check_file, connect, explain
from payments_core.journal.creation import create_file
from payments_core.journal.schema import check_namespace, migrate
from payments_core.journal.standing import exists, refusal
from payments_core.journal.statements import SQLITE, Session, Statements

__all__ = ["SqliteStore", "Store"]


class Store(ABC):
    """A journal's database, opened by one process for one thing.

    Args:
        namespace: The installation's.
        at: Now; aware.

    """

    name: str
    sql: Statements

    def __init__(self, *, namespace: str, at: datetime) -> None:
        self.namespace = namespace
        self.at = at

    @abstractmethod
    def is_empty(self) -> bool:
        """Say whether there is nothing at all."""

    @abstractmethod
    def create(self, meta: Mapping[str, str]) -> None:
        """Make an empty journal that remembers something of itself from its first moment on.

        Args:
            meta: What.

        Raises:
            JournalError: There is a journal already, or it cannot be made.

        """

    @abstractmethod
    def writing(self, *, alone: bool = False) -> contextlib.AbstractContextManager[Session]:
        """Open one transaction, committed at the end of the block.

        Args:
            alone: Nobody else writes meanwhile.

        Raises:
            NamespaceChanged: It belongs to another installation.
            JournalError: It cannot be opened, read or written.

        """

    @abstractmethod
    def clear(self) -> None:
        """Take away a copy that was not finished."""

    @abstractmethod
    def settle(self, session: Session) -> None:
        """Remember that the journal is at home here now."""

    @abstractmethod
    def tables(self, session: Session) -> list[str]:
        """Return the names of all tables."""

    @abstractmethod
    def stream(self, session: Session, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement finds, without holding all of it."""

    @abstractmethod
    def columns(self, session: Session, table: str) -> list[str]:
        """Return the names of a table's columns."""

    @abstractmethod
    def seal(self, session: Session, target: str) -> None:
        """Let the database itself refuse every further change, whoever asks for it."""

    def meta(self, session: Session) -> dict[str, str]:
        """Return what the journal remembers of itself."""
        return dict(session.execute(f"SELECT name, value FROM {self.sql.schema}meta", ()).fetchall())  # noqa: S608

    def remember(self, session: Session, name: str, value: str | None) -> None:
        """Write down something about the journal, or forget it."""
        at, text = self.sql.schema, self.sql.text
        session.execute(text(f"DELETE FROM {at}meta WHERE name = ?"), (name,))  # noqa: S608
        if value is not None:
            session.execute(text(f"INSERT INTO {at}meta (name, value) VALUES (?, ?)"), (name, value))  # noqa: S608


class SqliteStore(Store):
    """A file."""

    sql = SQLITE

    def __init__(self, path: Path, *, namespace: str, at: datetime) -> None:
        super().__init__(namespace=namespace, at=at)
        self._path = path
        self.name = str(path)

    def is_empty(self) -> bool:
        """Say whether there is nothing at all."""
        return not os.path.lexists(self._path)

    def create(self, meta: Mapping[str, str]) -> None:
        """Make an empty journal that remembers something of itself from its first moment on."""
        if not create_file(self._path, namespace=self.namespace, at=self.at, meta=meta):
            check_file(self._path)
            raise exists(f"The journal {self._path}")

    @contextlib.contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Session]:
        """Open one transaction, committed at the end of the block."""
        with self._connected() as connection:
            migrate(connection, self._path, namespace=self.namespace, at=self.at)
            connection.execute("BEGIN IMMEDIATE")  # whoever writes is alone here
            check_namespace(connection, self._path, self.namespace)
            yield Session(connection.execute, SQLITE)
            connection.execute("COMMIT")

    def clear(self) -> None:
        """Take away a copy that was not finished."""
        for suffix in ("-wal", "-shm", ""):  # the file last: a log alone would look like one that was lost
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def settle(self, session: Session) -> None:
        """Nothing of a file tells a copy from the original."""

    def tables(self, session: Session) -> list[str]:
        """Return the names of all tables."""
        found = session.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", ())
        return [table for (table,) in found.fetchall()]

    def stream(self, session: Session, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement finds, without holding all of it."""
        cursor: Any = session.execute(statement, ())
        yield from cursor

    def columns(self, session: Session, table: str) -> list[str]:
        """Return the names of a table's columns."""
        found = session.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
        return [name for (name,) in found]

    def seal(self, session: Session, target: str) -> None:
        """Let the database itself refuse every further change."""
        said = refusal(target).replace("'", "''")
        for table in self.tables(session):
            for change in ("INSERT", "UPDATE", "DELETE"):
                # Before every other trigger: the latest is asked first.
                statement = f"CREATE TRIGGER sealed_{table}_{change} BEFORE {change} ON {table}"
                session.execute(f"{statement} BEGIN SELECT RAISE(ABORT, '{said}'); END", ())

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = connect(self._path, busy_timeout_s=5.0)
        try:
            yield connection
        except SQLITE_ERRORS as error:
            raise explain(error, self._path) from error
        finally:
            connection.close()  # which undoes what was not committed
