"""Where the crash simulator keeps its journal: a parameter, so that both stores are put to the same crashes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import raw_access

from payments_core.engine.journal_protocol import Journal
from payments_core.journal import open_journal, store_of
from payments_core.journal.sql.statements import POSTGRES_SCHEMA

__all__ = ["CrashDatabase", "CrashFile", "CrashStore"]

_PARTS = ("", "-wal", "-shm")
_LIVES = count(1)  # of this process of ours
_TRUNCATE_EVERY = 200  # deleting is cheaper, and leaves behind what every later read has to step over


class CrashStore(Protocol):
    """The journal of one simulated process after the other."""

    def clear(self, namespace: str, at: datetime) -> None:
        """Begin anew with an empty journal.

        Args:
            namespace: The installation's.
            at: Now; aware.

        """
        ...

    def open(self, namespace: str, clock: Callable[[], datetime]) -> Journal:
        """Open the journal, as a new process; made where there is none yet.

        Args:
            namespace: The installation's.
            clock: Returns now; aware, UTC.

        """
        ...

    def crash(self) -> None:
        """Let the process that opened it last die: the next one finds what was durable at this moment."""
        ...

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the database itself, through a connection of its own, as another program would.

        Args:
            statement: With ``?`` for each value.
            values: For them.

        """
        ...


class CrashFile:
    """A SQLite file. A crash leaves the bytes that lay in it and in its log at that moment.

    Args:
        path: The file; others of its name and an ending are made beside it.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blank = path.with_name(f"{path.name}.blank")  # made once: a new journal costs more than a copy
        self._left = path.with_name(f"{path.name}.left")

    def clear(self, namespace: str, at: datetime) -> None:
        """Begin anew with an empty journal."""
        if not self._blank.exists():
            self._open(self._blank, namespace, lambda: at).close()
        _remove(self._path)
        _remove(self._left)
        _copy(self._blank, self._path)

    def open(self, namespace: str, clock: Callable[[], datetime]) -> Journal:
        """Open the file, or what the last process left of it."""
        if self._left.exists():
            _remove(self._path)
            for part in _PARTS:
                if (left := Path(f"{self._left}{part}")).exists():
                    left.rename(f"{self._path}{part}")
        return self._open(self._path, namespace, clock)

    def crash(self) -> None:
        """Copy the bytes, as a process that goes without a word leaves them: closing it writes to the old ones."""
        _copy(self._path, self._left)

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask SQLite, through a connection of its own."""
        return raw_access.ask(self._path, statement, values)

    @staticmethod
    def _open(path: Path, namespace: str, clock: Callable[[], datetime]) -> Journal:
        return open_journal(f"sqlite:///{path.name}", namespace=namespace, root=path.parent, clock=clock, make=True)


class CrashDatabase:
    """A PostgreSQL database. A crash breaks the connections off, and leaves what was committed.

    Args:
        url: ``postgresql://…``, of a database that may be emptied at any time, by a role that may switch triggers off
            (a superuser of a throw-away server).

    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = ""
        self._other: Any = None  # a psycopg connection, opened when it is needed
        self._emptying: list[bytes] = []
        self._cleared = 0

    def clear(self, namespace: str, at: datetime) -> None:
        """Begin anew with an empty journal: rows are taken out, as new tables would cost more than a run."""
        if not self._emptying:
            named = "SELECT tablename FROM pg_tables WHERE schemaname = ? AND tablename <> ?"
            if not self.ask(named, (POSTGRES_SCHEMA, "meta")):
                store_of(self._url, namespace=namespace, root=Path(), at=at).create()
            tables = [name for (name,) in self.ask(named, (POSTGRES_SCHEMA, "meta"))]
            delete = "; ".join(f"DELETE FROM {name}" for name in tables)  # noqa: S608 - the database's own names
            # Triggers keep history and payouts from being emptied.
            emptying = "BEGIN; SET LOCAL session_replication_role = replica; {}; COMMIT"
            self._emptying = [emptying.format(how).encode() for how in (f"TRUNCATE {', '.join(tables)}", delete)]
        self._connection().execute(self._emptying[self._cleared % _TRUNCATE_EVERY != 0])
        self._cleared += 1

    def open(self, namespace: str, clock: Callable[[], datetime]) -> Journal:
        """Open connections to the database, under a name by which they can be broken off."""
        self._name = f"life-{os.getpid()}-{next(_LIVES)}"
        address = f"{self._url}{'&' if '?' in self._url else '?'}application_name={self._name}"
        return open_journal(address, namespace=namespace, root=Path(), clock=clock)

    def crash(self) -> None:
        """Break off every connection of the last process; the server undoes what it had not committed."""
        self.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ?", (self._name,))

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the server, through a connection of its own."""
        cursor = self._connection().execute(statement.replace("?", "%s").encode(), values or None)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def close(self) -> None:
        """Close the connection of its own."""
        if self._other is not None:
            self._other.close()

    def _connection(self) -> Any:
        if self._other is None:
            self._other = raw_access.connect(self._url)
        return self._other


def _copy(source: Path, target: Path) -> None:
    for part in _PARTS[:2]:  # what is in -shm is made anew by the next process
        if (found := Path(f"{source}{part}")).exists():
            shutil.copy(found, f"{target}{part}")


def _remove(path: Path) -> None:
    for part in _PARTS:
        Path(f"{path}{part}").unlink(missing_ok=True)
