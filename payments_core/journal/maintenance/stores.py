"""A journal's database, opened for maintenance: also one that may not be paid with, and one that is empty."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from payments_core.journal.sql.statements import SQLITE, Statements
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.sqlite.connection import SQLITE_ERRORS, check_file, connect, explain
from payments_core.journal.sqlite.creation import create_file
from payments_core.journal.sqlite.schema import check_namespace, check_version
from payments_core.journal.usability import exists

__all__ = ["SqliteStore", "Store"]


class Store(ABC):
    """A journal's database, opened for one action.

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
    def create(self) -> None:
        """Make an empty journal.

        Raises:
            JournalError: There is a journal already, or it cannot be made.

        """

    @abstractmethod
    def writing(self) -> contextlib.AbstractContextManager[DbTransaction]:
        """Open one transaction, committed at the end of the block.

        Raises:
            NamespaceChanged: It belongs to another installation.
            JournalError: It cannot be opened, read or written.

        """

    @abstractmethod
    def settle(self, session: DbTransaction) -> None:
        """Remember that the journal is at home here now."""

    def meta(self, session: DbTransaction) -> dict[str, str]:
        """Return what the journal remembers of itself."""
        return dict(session.execute(f"SELECT name, value FROM {self.sql.schema}meta", ()).fetchall())  # noqa: S608

    def remember(self, session: DbTransaction, name: str, value: str | None) -> None:
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

    def create(self) -> None:
        """Make an empty journal."""
        if not create_file(self._path, namespace=self.namespace, at=self.at):
            check_file(self._path)
            raise exists(f"The journal {self._path}")

    @contextlib.contextmanager
    def writing(self) -> Iterator[DbTransaction]:
        """Open one transaction, committed at the end of the block."""
        with self._connected() as connection:
            check_version(connection, self._path)
            connection.execute("BEGIN IMMEDIATE")  # no other transaction writes now
            check_namespace(connection, self._path, self.namespace)
            yield DbTransaction(connection.execute, SQLITE)
            connection.execute("COMMIT")

    def settle(self, session: DbTransaction) -> None:
        """Do nothing: a file does not show whether it is a copy."""

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = connect(self._path, busy_timeout_s=5.0)
        try:
            yield connection
        except SQLITE_ERRORS as error:
            raise explain(error, self._path) from error
        finally:
            connection.close()  # which undoes what was not committed
