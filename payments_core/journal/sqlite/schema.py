"""The tables, as numbered migrations that only go forward.

``user_version`` counts the migrations a file has had. A released migration never changes; a new one is added below.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from payments_core.domain.errors import JournalError, JournalTooNew, NamespaceChanged
from payments_core.journal.sqlite.connection import emptied

__all__ = [
    "APPLICATION_ID",
    "BACKUP_AT",
    "MIGRATIONS",
    "bring_forward",
    "check_namespace",
    "check_version",
    "library_version",
    "migrate",
]

APPLICATION_ID = 0x50415930  # "PAY0": tells a journal from another program's SQLite file
BACKUP_AT = "backup_at"  # in `meta` of a backup: the moment it shows, ISO 8601 in UTC

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
        submissions INTEGER NOT NULL,
        refusals INTEGER NOT NULL,
        ambiguous INTEGER NOT NULL,
        guards_passed INTEGER NOT NULL,
        duplicate_unverified INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        absence_attested INTEGER NOT NULL,
        rechecks_left INTEGER NOT NULL,
        first_sent_at INTEGER,
        sent_at INTEGER,
        not_found_count INTEGER NOT NULL,
        first_not_found_at INTEGER,
        version INTEGER NOT NULL,
        lease_owner TEXT NOT NULL,
        lease_until INTEGER,
        next_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        contradictions TEXT NOT NULL,
        contradicted_at INTEGER
    )
    """,
    "CREATE INDEX payouts_due ON payouts (next_at) WHERE next_at IS NOT NULL",
    # What waits for a person: `undecided` asks in these words.
    "CREATE INDEX payouts_undecided ON payouts (no) WHERE status = 'REVIEW' OR contradicted_at IS NOT NULL",
    """
    CREATE TABLE history (
        payout_id TEXT NOT NULL REFERENCES payouts (id),
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        event TEXT NOT NULL,
        status TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        submissions INTEGER NOT NULL,
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
        at INTEGER NOT NULL,
        contradiction TEXT
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
    """
    CREATE TABLE statement_references ( -- what compared statements have and a restored journal lacks
        reference TEXT PRIMARY KEY NOT NULL, -- without capitals, - and _
        account TEXT NOT NULL, -- whose statement
        kept_at INTEGER NOT NULL
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

_REFUNDS = (
    "ALTER TABLE payouts ADD COLUMN original_amount TEXT",
    "CREATE INDEX payouts_refunds ON payouts (lower(payee_value)) WHERE operation = 'refund'",
)

# Workers, rates, second attempts, approvals, what comes in and what goes out.
_SHARED = (
    "ALTER TABLE payouts ADD COLUMN reopened_at INTEGER",
    """
    CREATE TABLE claims (
        payout_id TEXT PRIMARY KEY NOT NULL REFERENCES payouts (id),
        owner TEXT NOT NULL, -- a worker's life
        until INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE permits (
        account TEXT NOT NULL,
        lane TEXT NOT NULL, -- which queue: post or read
        next_at INTEGER NOT NULL, -- the earliest moment of the next one
        waiting TEXT NOT NULL, -- permits whose moment is still to come, each with its share of the queue
        held_until INTEGER NOT NULL, -- a penalty that slows everybody
        penalty INTEGER NOT NULL, -- its length, doubled by the next one
        PRIMARY KEY (account, lane)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE ambiguity (
        account TEXT PRIMARY KEY NOT NULL,
        in_a_row INTEGER NOT NULL -- sends without a clear end since the last clear one
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE attempts (
        payout_id TEXT NOT NULL REFERENCES payouts (id),
        number INTEGER NOT NULL,
        binding TEXT NOT NULL,
        "references" TEXT NOT NULL,
        request TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        reason TEXT,
        decided_by TEXT NOT NULL,
        submissions INTEGER NOT NULL,
        ambiguous INTEGER NOT NULL,
        first_sent_at INTEGER,
        sent_at INTEGER,
        ended_at INTEGER NOT NULL,
        PRIMARY KEY (payout_id, number)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE approvals (
        payout_id TEXT NOT NULL REFERENCES payouts (id),
        attempt INTEGER NOT NULL,
        fingerprint TEXT NOT NULL, -- of the intent that was approved
        by TEXT NOT NULL,
        at INTEGER NOT NULL,
        why TEXT NOT NULL,
        PRIMARY KEY (payout_id, attempt)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE inbox (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        payout_id TEXT REFERENCES payouts (id), -- none: about nothing we know
        received_at INTEGER NOT NULL,
        query TEXT NOT NULL, -- token_hash of the question whose path it came to
        method TEXT NOT NULL,
        proven INTEGER, -- signed by the provider, forged, or nothing to prove
        body TEXT NOT NULL, -- sealed until it is handled, redacted afterwards
        handled_at INTEGER,
        outcome TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE outbox_reads (
        consumer TEXT NOT NULL,
        event_id TEXT NOT NULL REFERENCES outbox (event_id),
        at INTEGER NOT NULL,
        PRIMARY KEY (consumer, event_id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE deliveries (
        consumer TEXT NOT NULL,
        event_id TEXT NOT NULL REFERENCES outbox (event_id),
        attempts INTEGER NOT NULL,
        next_at INTEGER, -- none: given up
        told TEXT NOT NULL, -- how the last one ended
        PRIMARY KEY (consumer, event_id)
    ) WITHOUT ROWID
    """,
    "ALTER TABLE payouts ADD COLUMN read_at INTEGER",
    "ALTER TABLE payouts ADD COLUMN callback_read_at INTEGER",
    "CREATE INDEX payouts_called_for ON payouts (next_at) WHERE callback_read_at = next_at",
    "CREATE INDEX inbox_unhandled ON inbox (no) WHERE handled_at IS NULL",
    "CREATE INDEX inbox_payout ON inbox (payout_id) WHERE payout_id IS NOT NULL",
    "CREATE INDEX inbox_query ON inbox (query) WHERE query <> ''",
    "CREATE INDEX outbox_payout ON outbox (payout_id, seq)",
    # What happened is never changed. Of a payout that is forgotten, and of no other, the words that may tell of a
    # person are taken out.
    "ALTER TABLE payouts ADD COLUMN erased_at INTEGER",
    """
    CREATE TRIGGER attempts_are_never_changed BEFORE UPDATE ON attempts
    WHEN NOT EXISTS (SELECT 1 FROM payouts WHERE id = OLD.payout_id AND erased_at IS NOT NULL)
    OR (NEW.payout_id, NEW.number, NEW.binding, NEW."references", NEW.request_hash, NEW.decided_by, NEW.submissions,
        NEW.ambiguous, NEW.first_sent_at, NEW.sent_at, NEW.ended_at) IS NOT
       (OLD.payout_id, OLD.number, OLD.binding, OLD."references", OLD.request_hash, OLD.decided_by, OLD.submissions,
        OLD.ambiguous, OLD.first_sent_at, OLD.sent_at, OLD.ended_at)
    BEGIN SELECT RAISE(ABORT, 'an attempt that has ended is never changed'); END
    """,
    "DROP TRIGGER history_is_never_changed",
    """
    CREATE TRIGGER history_is_never_changed BEFORE UPDATE ON history
    WHEN NOT EXISTS (SELECT 1 FROM payouts WHERE id = OLD.payout_id AND erased_at IS NOT NULL)
    OR (NEW.payout_id, NEW.seq, NEW.at, NEW.event, NEW.status, NEW.attempt, NEW.submissions, NEW.decided_by) IS NOT
       (OLD.payout_id, OLD.seq, OLD.at, OLD.event, OLD.status, OLD.attempt, OLD.submissions, OLD.decided_by)
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END
    """,
    """
    CREATE TRIGGER attempts_are_never_deleted BEFORE DELETE ON attempts
    BEGIN SELECT RAISE(ABORT, 'an attempt that has ended is never deleted'); END
    """,
)

# Questions about an account itself whose answer comes later; they are dropped after a day.
_ACCOUNT_QUERIES = (
    """
    CREATE TABLE account_queries (
        token_hash TEXT PRIMARY KEY NOT NULL,
        account TEXT NOT NULL,
        asked_at INTEGER NOT NULL,
        answered_at INTEGER,
        answer TEXT -- JSON, amounts as decimal text
    ) WITHOUT ROWID
    """,
)

# An attempt may be paid from another account than the one before. None: from the same as the one after it.
_FAILOVER = (
    "ALTER TABLE attempts ADD COLUMN account TEXT",
    "DROP TRIGGER attempts_are_never_changed",
    """
    CREATE TRIGGER attempts_are_never_changed BEFORE UPDATE ON attempts
    WHEN NOT EXISTS (SELECT 1 FROM payouts WHERE id = OLD.payout_id AND erased_at IS NOT NULL)
    OR (NEW.payout_id, NEW.number, NEW.account, NEW.binding, NEW."references", NEW.request_hash, NEW.decided_by,
        NEW.submissions, NEW.ambiguous, NEW.first_sent_at, NEW.sent_at, NEW.ended_at) IS NOT
       (OLD.payout_id, OLD.number, OLD.account, OLD.binding, OLD."references", OLD.request_hash, OLD.decided_by,
        OLD.submissions, OLD.ambiguous, OLD.first_sent_at, OLD.sent_at, OLD.ended_at)
    BEGIN SELECT RAISE(ABORT, 'an attempt that has ended is never changed'); END
    """,
)

# What a callback may call a payout by whose id its provider does not repeat.
_KNOWN_AS = (
    """
    CREATE TABLE by_provider_reference (
        value TEXT NOT NULL,
        payout_id TEXT NOT NULL REFERENCES payouts (id),
        PRIMARY KEY (value, payout_id)
    ) WITHOUT ROWID
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _REFUNDS, _SHARED, _ACCOUNT_QUERIES, _FAILOVER, _KNOWN_AS)


def migrate(connection: sqlite3.Connection, path: Path, *, namespace: str, at: datetime) -> None:
    """Bring a file to the newest version; a file that has it is only read, and in an empty one no table is made.

    Raises:
        JournalTooNew: It has had migrations we do not know.
        JournalDamaged: It is empty.
        JournalError: It is another program's database.

    """
    if (version := _version(connection, path)) == len(MIGRATIONS):
        return
    if version == 0:
        raise emptied(path)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Looks again, now that nobody else can: another process may have migrated it in between.
        bring_forward(connection, path, namespace=namespace, at=at)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def bring_forward(connection: sqlite3.Connection, path: Path, *, namespace: str, at: datetime) -> None:
    """Do the same within the open transaction; in an empty file every table is made."""
    for number, statements in enumerate(MIGRATIONS[_version(connection, path) :], _version(connection, path) + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        if number == 1:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            meta = {"namespace": namespace, "created_at": at.isoformat(), "version": library_version()}
            connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())


def check_namespace(connection: sqlite3.Connection, path: Path, namespace: str) -> Mapping[str, str]:
    """Refuse a journal of another installation; return what it remembers of itself.

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
    return meta


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not as this version of the library knows it; nothing is changed.

    Raises:
        JournalTooNew: It has had migrations we do not know.
        JournalDamaged: It is empty.
        JournalError: It is another program's, or no process of this version has opened it yet.

    """
    if (version := _version(connection, path)) == 0:
        raise emptied(path)
    if version < len(MIGRATIONS):
        raise JournalError(
            f"The journal {path} is of version {version}; this payments-core needs version {len(MIGRATIONS)}.",
            hint="It is brought forward when a command that may write opens it, such as `payouts list`.",
        )


def _version(connection: sqlite3.Connection, path: Path) -> int:
    # In one statement: another process may be making the tables between two.
    version, application_id, is_empty = connection.execute(
        "SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id),"
        " NOT EXISTS (SELECT 1 FROM sqlite_master)"
    ).fetchone()
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
    return int(version)


def library_version() -> str:
    """Return our own version, which a journal remembers as its maker."""
    from importlib import metadata  # here: slow to import, needed once in a journal's life

    try:
        return metadata.version("payments-core")
    except metadata.PackageNotFoundError:
        return "not installed"
