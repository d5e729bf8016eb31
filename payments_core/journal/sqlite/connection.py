"""Connections to the journal's file: made safe before use; their errors say what the operator can do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from payments_core.domain.errors import JournalDamaged, JournalError, JournalLocked, JournalMissing
from payments_core.journal.closed_errors import closed
from payments_core.settings.files import check_folders, check_unchangeable

__all__ = [
    "LEVELS",
    "SQLITE_ERRORS",
    "Reader",
    "check_absent",
    "check_file",
    "check_place",
    "connect",
    "damaged",
    "emptied",
    "explain",
    "is_busy",
    "make_durable",
    "moved",
    "verify",
]

# What is set, then read back: SQLite ignores a pragma it does not know and a file system may refuse WAL.
_DURABLE = "FULL"  # NORMAL may forget an acknowledged commit at power loss
_SYNCHRONOUS = {"OFF": 0, "NORMAL": 1, "FULL": 2}
#: By whether the next commits are flushed. A flushed one makes those before it durable too.
LEVELS = {True: "PRAGMA synchronous = FULL", False: "PRAGMA synchronous = NORMAL"}
_WAL_PAUSE_S = 0.01
#: What a statement may raise: the driver reads names and messages as text, and those of a damaged file are none.
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
_SMALLEST = 512  # bytes of a page, the least that a database has


def check_absent(path: Path) -> bool:
    """Whether a journal may be made here: there is no file, and no log of one that was lost.

    Raises:
        JournalMissing: There is no file, but a log lies beside it.

    """
    # In this order: another process may be making the file, and its log, meanwhile.
    logs = [log for log in (f"{path}-wal", f"{path}-journal") if os.path.lexists(log)]
    if os.path.lexists(path):
        return False
    if logs:
        raise _missing(path, logs[0])
    return True


def _missing(path: Path, log: str = "") -> JournalMissing:
    if log:
        return JournalMissing(
            f"There is no journal {path}, but its log {log} is there: the file was moved or removed without it.",
            hint="Put the file back beside its log, or restore a backup. For a new installation name another file in "
            "[journal] url.",
        )
    return JournalMissing(
        f"There is no journal {path}.",
        hint="If this installation has paid before, put the file back or restore a backup: a new journal would not "
        "know what was paid. For a new installation: `payouts journal init`.",
    )


def check_file(path: Path) -> None:
    """Refuse what cannot be a journal before SQLite is asked: it would take an empty file for a new database.

    Raises:
        JournalMissing: There is none.
        JournalDamaged: The file was emptied.
        JournalError: It is no file, or other users can change or replace it.

    """
    try:
        found = path.stat()
    except FileNotFoundError:
        check_absent(path)
        raise _missing(path) from None
    except OSError as error:
        raise JournalError(
            f"The journal {path} cannot be opened: {error.strerror}.",
            hint="Give the paying user the right to write the file and its folder.",
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise JournalError(f"The journal {path} is not a file.", hint="Correct [journal] url.")
    check_unchangeable(path, f"The journal {path}", found, error=JournalError)
    check_place(path)
    if found.st_size < _SMALLEST:
        raise emptied(path)


def check_place(path: Path) -> None:
    """Refuse a folder in which other users can replace a journal, or lay a log beside it.

    Raises:
        JournalError: It is one.

    """
    check_folders(path, f"The journal {path}", error=JournalError, may_be_shared=False)


def emptied(path: Path) -> JournalDamaged:
    """Return the error of a file that holds no journal, not even an empty one."""
    return JournalDamaged(
        f"The journal {path} is empty: not even its tables are there.",
        hint="If this installation has paid before, stop every paying process, keep the file with its -wal and -shm, "
        "and restore a backup: a new journal would not know what was paid. For a new installation remove the file and "
        "run `payouts journal init`.",
    )


def moved(path: Path) -> JournalError:
    """Return the error of a file that is not at its path any more: what is written to it would be lost."""
    return JournalError(
        f"The journal {path} was removed or replaced while this process had it open; nothing of this entry was "
        "written.",
        hint="Stop this process, look where the journal went, and put it back with its -wal and -shm, or restore a "
        "backup, before you start again; the same key is safe.",
    )


def connect(path: Path, *, busy_timeout_s: float) -> sqlite3.Connection:
    """Open an existing file and make the connection durable.

    Raises:
        JournalMissing: There is none.
        JournalDamaged: The file was emptied.
        JournalError: It cannot be opened, or does not take the settings that make a commit durable.

    """
    connection: sqlite3.Connection | None = None
    check_file(path)
    if not os.access(path, os.R_OK | os.W_OK):
        raise _read_only(path)
    try:
        # mode=rw: a file that has vanished is an error, never a new, empty journal.
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        _use_log(connection, path, busy_timeout_s)
        make_durable(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, SQLITE_ERRORS):
            raise explain(error, path) from error
        raise
    return connection


def _use_log(connection: sqlite3.Connection, path: Path, busy_timeout_s: float) -> None:
    mode = _set_wal(connection, give_up_at=time.monotonic() + busy_timeout_s)
    if mode != "wal":
        raise JournalError(
            f"The journal {path} cannot use a write-ahead log (it stays in mode {mode}).",
            hint="Put it on a local disk; network file systems cannot hold a journal.",
        )


def make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Let a connection flush every commit.

    Raises:
        JournalError: It does not.

    """
    connection.execute(f"PRAGMA synchronous = {_DURABLE}")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves the commit in the drive's cache
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    if connection.execute("PRAGMA synchronous").fetchone()[0] != _SYNCHRONOUS["FULL"]:
        raise JournalError(
            f"The journal {path} does not flush its commits (synchronous is not FULL).",
            hint="A journal that may forget a payment is refused: use a SQLite that honours synchronous=FULL.",
        )


def _set_wal(connection: sqlite3.Connection, *, give_up_at: float) -> str:
    # SQLite does not wait for a lock here when two processes make the switch at once, so we do.
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= give_up_at:
                raise
            time.sleep(_WAL_PAUSE_S)


def verify(connection: sqlite3.Connection, path: Path) -> None:
    """Check a file's structure after something has gone wrong with it.

    Raises:
        JournalError: It is damaged.

    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, found)


def is_busy(error: Exception) -> bool:
    """Whether another connection merely held the lock."""
    return _primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def explain(error: Exception, path: Path) -> JournalError:
    """Return an error of SQLite as one that says what to do next."""
    code = _primary_code(error)
    if is_busy(error):
        return JournalLocked(
            f"The journal {path} is locked by another program.",
            hint="Find it (`fuser` or `lsof` on the file: an open database browser, a backup, a stuck worker), let it "
            "finish or stop it, and try again; the same key is safe.",
        )
    if code == sqlite3.SQLITE_FULL:
        return JournalError(
            f"The disk of the journal {path} is full.",
            hint="Make room and try again; nothing of this entry was written, and the same key is safe.",
        )
    if code == sqlite3.SQLITE_READONLY:
        return _read_only(path)
    if code == sqlite3.SQLITE_NOTADB:
        return JournalError(
            f"{path} is not a journal: it is not a SQLite database.", hint="Correct [journal] url, or restore a backup."
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged(path, str(error))
    is_no_text = isinstance(error, UnicodeDecodeError) or str(error).startswith("Could not decode")
    if code == sqlite3.SQLITE_TOOBIG or is_no_text:
        error.args = ("a value in it cannot be read",)  # its text holds the value, and it may be chained
        if isinstance(error, UnicodeDecodeError):
            error.object = b""
        return damaged(path, "a value in it cannot be read")
    if code == sqlite3.SQLITE_CANTOPEN:
        return JournalError(
            f"The journal {path} cannot be opened.",
            hint="Check that the file is still there and that the paying user may write it and its folder.",
        )
    if code == sqlite3.SQLITE_IOERR:
        return JournalError(
            f"The disk of the journal {path} reports an error ({error}).",
            hint="Check its space, its quota and its health, and try again; the same key is safe.",
        )
    return JournalError(f"The journal {path} refused an entry: {error}.")


def _primary_code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF  # the rest refines it


def _read_only(path: Path) -> JournalError:
    return JournalError(
        f"The journal {path} is read-only.",
        hint="Give the paying user the right to write the file and its folder; even reading needs it.",
    )


def damaged(path: Path, found: str) -> JournalDamaged:
    """Return the error of a file that fails a check.

    Args:
        path: The file.
        found: What the check says.

    """
    return JournalDamaged(
        f"The journal {path} is damaged: the database does not pass its own check (SQLite: {' '.join(found.split())}).",
        hint="Stop every paying process, keep a copy of the file with its -wal and -shm, and restore a backup.",
    )


class Reader:
    """One connection for reading, shared under a lock.

    A connection a thread would cost its opening in every new thread and stay open when the thread has ended.

    Args:
        path: The file.
        busy_timeout_s: Longest wait for a lock, in seconds.

    """

    def __init__(self, path: Path, *, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def fetch(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return every row a statement finds.

        Raises:
            JournalClosed: It was closed, perhaps by another thread this moment.
            JournalError: The file cannot be read; the next call opens it anew.

        """
        with self._lock:
            if self._closed:
                raise closed()
            if self._connection is None:
                connection = connect(self._path, busy_timeout_s=self._busy_timeout_s)
                connection.execute("PRAGMA query_only = ON")
                self._connection = connection
            try:
                return self._connection.execute(statement, values).fetchall()
            except SQLITE_ERRORS as error:
                self._drop()
                raise explain(error, self._path) from error

    def close(self) -> None:
        """Close for good."""
        with self._lock:
            self._closed = True
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
