"""A backup of a journal, taken while others go on paying: a file of its own, marked as a backup.

A backup is always a SQLite file, also that of a shared journal: so it can be looked at, and be moved into a database
again. It holds when it was taken, and no process pays from it before a person has said what it lacks.
"""

# ruff: noqa: S608 - put together from names of our own tables

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from payments_core.domain.errors import JournalError
from payments_core.journal.maintenance.snapshot import Snapshot, SqliteSnapshot
from payments_core.journal.sqlite.connection import SQLITE_ERRORS, explain
from payments_core.journal.sqlite.creation import link, make_private, remove
from payments_core.journal.sqlite.schema import BACKUP_AT, create_tables

__all__ = ["write_backup"]

_PAGES = 2000
_ROWS = 1000


def write_backup(
    snapshot: Snapshot, path: Path, *, at: datetime, on_progress: Callable[[int, int], object] = lambda _done, _of: None
) -> None:
    """Write what a journal held at one moment into a new file, flushed, that only its owner may read.

    Args:
        snapshot: The journal.
        path: Where; nothing is there yet.
        at: A moment not later than the snapshot's; aware.
        on_progress: Told how much of how much is done.

    Raises:
        JournalError: Something is there already, or it cannot be written; nothing is left behind.

    """
    if path.exists():
        raise _is_there(path)
    partial = path.with_name(f".{path.name}.partial")
    remove(partial)  # of one that was interrupted
    try:
        make_private(partial)
        with _explained(path), closing(sqlite3.connect(partial, isolation_level=None)) as target:
            if isinstance(snapshot, SqliteSnapshot):
                # The snapshot's transaction is open: all pages are of its moment, however long it takes.
                snapshot.connection.backup(
                    target, pages=_PAGES, progress=lambda _state, left, of: on_progress(of - left, of)
                )
            else:
                _copy(snapshot, target, at, on_progress)
            _mark(target, at)
        try:
            link(partial, path)
        except FileExistsError:
            raise _is_there(path) from None
    except OSError as error:
        raise JournalError(
            f"The backup {path} cannot be written: {error.strerror}.",
            hint="Name a place on a local disk with room for a copy of the journal.",
        ) from error
    finally:
        remove(partial)


def _copy(
    snapshot: Snapshot, target: sqlite3.Connection, at: datetime, on_progress: Callable[[int, int], object]
) -> None:
    meta, done = snapshot.meta(), 0
    target.execute("BEGIN IMMEDIATE")
    create_tables(target, namespace=meta["namespace"], at=at)
    target.execute("COMMIT")
    tables = [
        name for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rootpage")
    ]
    tables = [name for name in tables if not name.startswith("sqlite_") and name != "meta"]
    counts = {name: snapshot.ask(f"SELECT COUNT(*) FROM {snapshot.sql.schema}{name}")[0][0] for name in tables}
    target.execute("BEGIN")  # one table refers to another: they are looked at when all are there
    target.execute("PRAGMA defer_foreign_keys = ON")
    for table in tables:
        columns = [name for (name,) in target.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
        found = snapshot.stream(f"SELECT {names} FROM {snapshot.sql.schema}{table}")
        while rows := list(islice(found, _ROWS)):
            target.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
            done += len(rows)
            on_progress(done, sum(counts.values()))
    for name in ("schema_version", "server"):  # a file counts its versions elsewhere, and is on no server
        meta.pop(name, None)
    target.executemany("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", meta.items())
    target.execute("COMMIT")


def _mark(target: sqlite3.Connection, at: datetime) -> None:
    """Say that it is a backup, and of when: of one that was made of a backup, the earlier moment stands."""
    target.execute("PRAGMA journal_mode = DELETE")  # one file, which can be read where nothing can be written
    target.execute("PRAGMA synchronous = FULL")
    values = (BACKUP_AT, at.astimezone(UTC).isoformat())
    target.execute("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", values)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except SQLITE_ERRORS as error:
        raise explain(error, path) from error


def _is_there(path: Path) -> JournalError:
    return JournalError(
        f"There is something at {path} already.", hint="A backup never overwrites anything: name another file."
    )
