"""The tables, as numbered migrations that only go forward.

``user_version`` counts the migrations a file has had. A released migration never changes; a new one is added below.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from payments_core.errors import JournalError, JournalTooNew, NamespaceChanged

__all__ = ["APPLICATION_ID", "MIGRATIONS", "check_namespace", "migrate"]

APPLICATION_ID = 0x50415930  # "PAY0": tells a journal from another program's SQLite file

# Times are INTEGER microseconds UTC, amounts decimal TEXT, mappings compact JSON. `no` keeps the order of acceptance
# and, being an explicit primary key, survives VACUUM.
_FIRST = (
    """
    CREATE TABLE payouts (
        no INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        key TEXT NOT NULL UNIQUE,
        fingerprint TEXT NOT NULL,
        account TEXT NOT NULL,
        operation TEXT NOT NULL,
        payee_kind TEXT NOT NULL,
        payee_value TEXT NOT NULL,
        payee_details TEXT NOT NULL,
        amount TEXT NOT NULL,
        currency TEXT NOT NULL,
        note TEXT NOT NULL,
        options TEXT NOT NULL,
        not_before INTEGER,
        expires_at INTEGER,
        binding TEXT NOT NULL,
        "references" TEXT NOT NULL,
        request TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        decided_by TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        refusals INTEGER NOT NULL,
        ambiguous INTEGER NOT NULL,
        cleared INTEGER NOT NULL,
        adopting INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        first_sent_at INTEGER,
        sent_at INTEGER,
        absences INTEGER NOT NULL,
        first_absence_at INTEGER,
        fence INTEGER NOT NULL,
        lease_owner TEXT NOT NULL,
        lease_until INTEGER,
        next_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    )
    """,
    "CREATE INDEX payouts_due ON payouts (next_at) WHERE next_at IS NOT NULL",
    """
    CREATE TABLE history (
        payout_id TEXT NOT NULL REFERENCES payouts (id),
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        event TEXT NOT NULL,
        status TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        decided_by TEXT NOT NULL,
        evidence TEXT NOT NULL,
        PRIMARY KEY (payout_id, seq)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE outbox (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        event_id TEXT NOT NULL UNIQUE,
        payout_id TEXT NOT NULL REFERENCES payouts (id),
        key TEXT NOT NULL,
        account TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        attempt INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE pauses (
        account TEXT PRIMARY KEY NOT NULL, -- '' is every account
        since INTEGER NOT NULL,
        why TEXT NOT NULL,
        by TEXT NOT NULL,
        probe_at INTEGER,
        probe_every INTEGER -- microseconds to the probe after next
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE queries (
        token_hash TEXT PRIMARY KEY NOT NULL,
        payout_id TEXT NOT NULL REFERENCES payouts (id),
        attempt INTEGER NOT NULL,
        asked_at INTEGER NOT NULL,
        answered_at INTEGER
    ) WITHOUT ROWID
    """,
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TRIGGER history_is_never_changed BEFORE UPDATE ON history
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END
    """,
    """
    CREATE TRIGGER history_is_never_deleted BEFORE DELETE ON history
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END
    """,
    """
    CREATE TRIGGER payouts_are_never_deleted BEFORE DELETE ON payouts
    BEGIN SELECT RAISE(ABORT, 'a payout is never deleted'); END
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)


def migrate(connection: sqlite3.Connection, path: Path, *, namespace: str, at: datetime) -> None:
    """Bring a file to the newest version; a file that has it is only read.

    Raises:
        JournalTooNew: It has had migrations we do not know.
        JournalError: It is another program's database.

    """
    if _version(connection, path) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Again, now that nobody else can: another process may have migrated it in between.
        for number, statements in enumerate(MIGRATIONS[_version(connection, path) :], _version(connection, path) + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            if number == 1:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                meta = {"namespace": namespace, "created_at": at.isoformat(), "version": _library_version()}
                connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_namespace(connection: sqlite3.Connection, path: Path, namespace: str) -> None:
    """Refuse a journal of another installation.

    Raises:
        NamespaceChanged: The file was made under another namespace.

    """
    meta: Mapping[str, str] = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if (stored := meta.get("namespace")) != namespace:
        raise NamespaceChanged(
            f"The journal {path} belongs to the namespace {stored!r}, the configuration says {namespace!r}.",
            hint="Under another namespace the same keys would give other references and could pay twice: restore the "
            "old namespace in [installation], or name another file in [journal] url if this is a new installation.",
        )


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application_id: int = connection.execute("PRAGMA application_id").fetchone()[0]
    is_empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    if application_id != APPLICATION_ID and not (version == 0 and is_empty):
        raise JournalError(
            f"{path} is the database of another program.", hint="Name a file of its own in [journal] url."
        )
    if version > len(MIGRATIONS):
        raise JournalTooNew(
            f"The journal {path} was written by a newer version of payments-core "
            f"(journal version {version}; this one knows {len(MIGRATIONS)}).",
            hint="Upgrade payments-core here; nothing was read or written.",
        )
    return version


def _library_version() -> str:
    from importlib import metadata  # here: slow to import, needed once in a journal's life

    try:
        return metadata.version("payments-core")
    except metadata.PackageNotFoundError:
        return "not installed"
