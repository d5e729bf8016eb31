"""A new journal file: complete before it has its name, and never put over a file that is there."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from payments_core.domain.errors import JournalError
from payments_core.journal.sqlite.connection import check_absent, check_place, explain, make_durable
from payments_core.journal.sqlite.schema import create_tables

__all__ = ["create_file", "link", "make_private", "remove"]


def create_file(path: Path, *, namespace: str, at: datetime) -> bool:
    """Make a journal file with all its tables; return False, and change nothing, where there is a file already.

    It is created under a temporary name, flushed and closed before it is linked to its own: what has the name is
    a complete journal, and of two processes that start at once one makes it.

    Args:
        path: The file.
        namespace: The installation's.
        at: Now; aware.

    Raises:
        JournalMissing: A log lies beside the missing file: this is no new journal.
        JournalError: No such folder, no right to write there, or others have it.

    """
    if not check_absent(path):
        return False
    if not path.parent.is_dir():
        raise JournalError(
            f"The journal's folder {path.parent} does not exist.",
            hint="Make it, readable by the paying user only, or correct [journal] url.",
        )
    check_place(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        make_private(draft)
        _fill(draft, path, namespace, at)
        link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise JournalError(
            f"The journal {path} cannot be made: {error.strerror}.",
            hint="Give the paying user the folder to write, on a local disk that knows hard links.",
        ) from error
    finally:
        remove(draft)
    return True


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read; SQLite gives the files beside it the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _fill(draft: Path, path: Path, namespace: str, at: datetime) -> None:
    try:
        with closing(
            sqlite3.connect(f"{draft.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        ) as connection:
            make_durable(connection, path)
            connection.execute("BEGIN IMMEDIATE")
            create_tables(connection, namespace=namespace, at=at)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise explain(error, path) from error


def link(draft: Path, path: Path) -> None:
    """Give a complete file its name, durably; a rename would replace what is there.

    Raises:
        FileExistsError: Something is there.
        OSError: It cannot be written.

    """
    _flush(draft)
    os.link(draft, path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def remove(draft: Path) -> None:
    """Remove a file that was linked or not finished, and what SQLite had beside it."""
    for end in ("", "-journal", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            draft.with_name(draft.name + end).unlink()
