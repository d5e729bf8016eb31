"""The schema of a journal file; ``user_version`` holds its version."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from payments_core.domain.errors import JournalError, NamespaceChanged
from payments_core.journal.sql.statements import SQLITE
from payments_core.journal.sql.tables import VERSION, tables
from payments_core.journal.sqlite.connection import emptied
from payments_core.journal.usability import check_known, library_version

__all__ = ["APPLICATION_ID", "BACKUP_AT", "SCRIPT", "check_namespace", "check_version", "create_tables"]

APPLICATION_ID = 0x50415930  # "PAY0": distinguishes a journal from another program's SQLite file
BACKUP_AT = "backup_at"  # in `meta` of a backup: the time it shows, ISO 8601 in UTC

# History and ended attempts never change. Only of an erased payout the texts that may identify a person are removed.
_TRIGGERS = (
    """
    CREATE TRIGGER payouts_are_never_deleted BEFORE DELETE ON payouts
    BEGIN SELECT RAISE(ABORT, 'a payout is never deleted'); END
    """,
    """
    CREATE TRIGGER history_is_never_changed BEFORE UPDATE ON history
    WHEN NOT EXISTS (SELECT 1 FROM payouts WHERE no = OLD.payout_no AND erased_at IS NOT NULL)
    OR (NEW.payout_no, NEW.seq, NEW.at, NEW.event, NEW.status, NEW.attempt, NEW.submissions, NEW.decided_by) IS NOT
       (OLD.payout_no, OLD.seq, OLD.at, OLD.event, OLD.status, OLD.attempt, OLD.submissions, OLD.decided_by)
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END
    """,
    """
    CREATE TRIGGER history_is_never_deleted BEFORE DELETE ON history
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END
    """,
    """
    CREATE TRIGGER attempts_are_never_changed BEFORE UPDATE ON attempts
    WHEN NOT EXISTS (SELECT 1 FROM payouts WHERE id = OLD.payout_id AND erased_at IS NOT NULL)
    OR (NEW.payout_id, NEW.number, NEW.account, NEW.binding, NEW."references", NEW.request_hash, NEW.decided_by,
        NEW.submissions, NEW.ambiguous, NEW.first_sent_at, NEW.sent_at, NEW.ended_at) IS NOT
       (OLD.payout_id, OLD.number, OLD.account, OLD.binding, OLD."references", OLD.request_hash, OLD.decided_by,
        OLD.submissions, OLD.ambiguous, OLD.first_sent_at, OLD.sent_at, OLD.ended_at)
    BEGIN SELECT RAISE(ABORT, 'an attempt that has ended is never changed'); END
    """,
    """
    CREATE TRIGGER attempts_are_never_deleted BEFORE DELETE ON attempts
    BEGIN SELECT RAISE(ABORT, 'an attempt that has ended is never deleted'); END
    """,
)

#: Creates everything in an empty file.
SCRIPT = (
    *tables(SQLITE, integer="INTEGER", row_number="INTEGER PRIMARY KEY AUTOINCREMENT", without_rowid=" WITHOUT ROWID"),
    *_TRIGGERS,
)


def create_tables(connection: sqlite3.Connection, *, namespace: str, at: datetime) -> None:
    """Create the tables of an empty file within the open transaction."""
    for statement in SCRIPT:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    meta = {"namespace": namespace, "created_at": at.isoformat(), "version": library_version()}
    connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not a journal of this version; nothing is changed.

    Raises:
        JournalTooNew: A newer version of this library created it.
        JournalDamaged: It is empty.
        JournalError: It is another program's database, or an older version created it.

    """
    # In one statement: another process may create the tables between two.
    version, application_id, is_empty = connection.execute(
        "SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id),"
        " NOT EXISTS (SELECT 1 FROM sqlite_master)"
    ).fetchone()
    if application_id != APPLICATION_ID and not (version == 0 and is_empty):
        raise JournalError(
            f"{path} is the database of another program.", hint="Name a file of its own in [journal] url."
        )
    if version == 0:
        raise emptied(path)
    check_known(version, VERSION, f"The journal {path} was")


def check_namespace(connection: sqlite3.Connection, path: Path, namespace: str) -> Mapping[str, str]:
    """Refuse a journal of another installation; return what ``meta`` holds.

    Raises:
        NamespaceChanged: The file was created under another namespace.

    """
    meta: Mapping[str, str] = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if (stored := meta.get("namespace")) != namespace:
        raise NamespaceChanged(
            f"The journal {path} belongs to the namespace {stored!r}, the configuration says {namespace!r}.",
            hint="Under another namespace the same keys would give other references and could pay twice: restore the "
            "old namespace in [installation], or name another file in [journal] url if this is a new installation.",
        )
    return meta
