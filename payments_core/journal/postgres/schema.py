"""The tables under PostgreSQL, as numbered migrations that only go forward.

They are applied by ``payouts journal init`` and ``upgrade`` and by nothing else: many processes share the journal, and
none of them may change it under the others. A released migration never changes, and one that is added must leave what
was there in its place (expand; contract in a later release), as processes of the version before go on while it is
applied.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

from psycopg import errors

from payments_core.domain.errors import JournalError, JournalIsBackup, JournalMissing, JournalTooNew, NamespaceChanged
from payments_core.journal.postgres.connection import Connection
from payments_core.journal.sql.statements import POSTGRES_SCHEMA as SCHEMA
from payments_core.journal.sql.statements import lock_number
from payments_core.journal.sqlite.schema import library_version
from payments_core.journal.usability import check_live, exists

__all__ = [
    "MIGRATIONS",
    "SELECT_NAMESPACE",
    "check_namespace",
    "check_server",
    "check_version",
    "create",
    "migrate",
    "remember_server",
]

# The same tables as in SQLite, with the same encodings. `no` is the order of acceptance as far as many writers have
# one: a payout may become visible after one with a higher number.
_FIRST = (
    """
    CREATE TABLE {schema}.payouts (
        no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
        not_before BIGINT,
        expires_at BIGINT,
        original_amount TEXT,
        binding TEXT NOT NULL,
        "references" TEXT NOT NULL,
        request TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        decided_by TEXT NOT NULL,
        attempt BIGINT NOT NULL,
        submissions BIGINT NOT NULL,
        refusals BIGINT NOT NULL,
        ambiguous BIGINT NOT NULL,
        guards_passed BIGINT NOT NULL,
        duplicate_unverified BIGINT NOT NULL,
        refused BIGINT NOT NULL,
        absence_attested BIGINT NOT NULL,
        rechecks_left BIGINT NOT NULL,
        first_sent_at BIGINT,
        sent_at BIGINT,
        not_found_count BIGINT NOT NULL,
        first_not_found_at BIGINT,
        version BIGINT NOT NULL,
        lease_owner TEXT NOT NULL,
        lease_until BIGINT,
        next_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        contradictions TEXT NOT NULL,
        contradicted_at BIGINT
    )
    """,
    "CREATE INDEX payouts_due ON {schema}.payouts (next_at) WHERE next_at IS NOT NULL",
    # What waits for a person: `undecided` asks in these words.
    "CREATE INDEX payouts_undecided ON {schema}.payouts (no) WHERE status = 'REVIEW' OR contradicted_at IS NOT NULL",
    "CREATE INDEX payouts_refunds ON {schema}.payouts (lower(payee_value COLLATE \"C\")) WHERE operation = 'refund'",
    """
    CREATE TABLE {schema}.history (
        payout_id TEXT NOT NULL REFERENCES {schema}.payouts (id),
        seq BIGINT NOT NULL,
        at BIGINT NOT NULL,
        event TEXT NOT NULL,
        status TEXT NOT NULL,
        attempt BIGINT NOT NULL,
        submissions BIGINT NOT NULL,
        decided_by TEXT NOT NULL,
        evidence TEXT NOT NULL,
        PRIMARY KEY (payout_id, seq)
    )
    """,
    """
    CREATE TABLE {schema}.outbox (
        no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        payout_id TEXT NOT NULL REFERENCES {schema}.payouts (id),
        key TEXT NOT NULL,
        account TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        attempt BIGINT NOT NULL,
        seq BIGINT NOT NULL,
        at BIGINT NOT NULL,
        contradiction TEXT
    )
    """,
    """
    CREATE TABLE {schema}.pauses (
        account TEXT PRIMARY KEY,
        since BIGINT NOT NULL,
        why TEXT NOT NULL,
        by TEXT NOT NULL,
        probe_at BIGINT,
        probe_every BIGINT
    )
    """,
    """
    CREATE TABLE {schema}.queries (
        token_hash TEXT PRIMARY KEY,
        payout_id TEXT NOT NULL REFERENCES {schema}.payouts (id),
        attempt BIGINT NOT NULL,
        asked_at BIGINT NOT NULL,
        answered_at BIGINT
    )
    """,
    """
    CREATE TABLE {schema}.statement_references ( -- what compared statements have and a restored journal lacks
        reference TEXT PRIMARY KEY, -- without capitals, - and _
        account TEXT NOT NULL, -- whose statement
        kept_at BIGINT NOT NULL
    )
    """,
    "CREATE TABLE {schema}.meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """
    CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '%', CASE TG_TABLE_NAME
            WHEN 'history' THEN 'history is append-only' ELSE 'a payout is never deleted' END;
    END $$
    """,
    """
    CREATE TRIGGER history_is_append_only BEFORE UPDATE OR DELETE ON {schema}.history
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()
    """,
    """
    CREATE TRIGGER history_is_never_emptied BEFORE TRUNCATE ON {schema}.history
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse()
    """,
    """
    CREATE TRIGGER payouts_are_never_deleted BEFORE DELETE ON {schema}.payouts
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()
    """,
    """
    CREATE TRIGGER payouts_are_never_emptied BEFORE TRUNCATE ON {schema}.payouts
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse()
    """,
)

# Workers, rates, second attempts, approvals, what comes in and what goes out.
_SHARED = (
    "ALTER TABLE {schema}.payouts ADD COLUMN reopened_at BIGINT",
    """
    CREATE TABLE {schema}.claims (
        payout_id TEXT PRIMARY KEY REFERENCES {schema}.payouts (id),
        owner TEXT NOT NULL, -- a worker's life
        until BIGINT NOT NULL
    )
    """,
    """
    CREATE TABLE {schema}.permits (
        account TEXT NOT NULL,
        lane TEXT NOT NULL, -- which queue: post or read
        next_at BIGINT NOT NULL, -- the earliest moment of the next one
        waiting TEXT NOT NULL, -- permits whose moment is still to come, each with its share of the queue
        held_until BIGINT NOT NULL, -- a penalty that slows everybody
        penalty BIGINT NOT NULL, -- its length, doubled by the next one
        PRIMARY KEY (account, lane)
    )
    """,
    """
    CREATE TABLE {schema}.ambiguity (
        account TEXT PRIMARY KEY,
        in_a_row BIGINT NOT NULL -- sends without a clear end since the last clear one
    )
    """,
    """
    CREATE TABLE {schema}.attempts (
        payout_id TEXT NOT NULL REFERENCES {schema}.payouts (id),
        number BIGINT NOT NULL,
        binding TEXT NOT NULL,
        "references" TEXT NOT NULL,
        request TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        reason TEXT,
        decided_by TEXT NOT NULL,
        submissions BIGINT NOT NULL,
        ambiguous BIGINT NOT NULL,
        first_sent_at BIGINT,
        sent_at BIGINT,
        ended_at BIGINT NOT NULL,
        PRIMARY KEY (payout_id, number)
    )
    """,
    """
    CREATE TABLE {schema}.approvals (
        payout_id TEXT NOT NULL REFERENCES {schema}.payouts (id),
        attempt BIGINT NOT NULL,
        fingerprint TEXT NOT NULL, -- of the intent that was approved
        by TEXT NOT NULL,
        at BIGINT NOT NULL,
        why TEXT NOT NULL,
        PRIMARY KEY (payout_id, attempt)
    )
    """,
    """
    CREATE TABLE {schema}.inbox (
        no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account TEXT NOT NULL,
        payout_id TEXT REFERENCES {schema}.payouts (id), -- none: about nothing we know
        received_at BIGINT NOT NULL,
        query TEXT NOT NULL, -- token_hash of the question whose path it came to
        method TEXT NOT NULL,
        proven BIGINT, -- signed by the provider, forged, or nothing to prove
        body TEXT NOT NULL, -- sealed until it is handled, redacted afterwards
        handled_at BIGINT,
        outcome TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE {schema}.outbox_reads (
        consumer TEXT NOT NULL,
        event_id TEXT NOT NULL REFERENCES {schema}.outbox (event_id),
        at BIGINT NOT NULL,
        PRIMARY KEY (consumer, event_id)
    )
    """,
    """
    CREATE TABLE {schema}.deliveries (
        consumer TEXT NOT NULL,
        event_id TEXT NOT NULL REFERENCES {schema}.outbox (event_id),
        attempts BIGINT NOT NULL,
        next_at BIGINT, -- none: given up
        told TEXT NOT NULL, -- how the last one ended
        PRIMARY KEY (consumer, event_id)
    )
    """,
    "ALTER TABLE {schema}.payouts ADD COLUMN read_at BIGINT",
    "ALTER TABLE {schema}.payouts ADD COLUMN callback_read_at BIGINT",
    "CREATE INDEX payouts_called_for ON {schema}.payouts (next_at) WHERE callback_read_at = next_at",
    "CREATE INDEX inbox_unhandled ON {schema}.inbox (no) WHERE handled_at IS NULL",
    "CREATE INDEX inbox_payout ON {schema}.inbox (payout_id) WHERE payout_id IS NOT NULL",
    "CREATE INDEX inbox_query ON {schema}.inbox (query) WHERE query <> ''",
    "CREATE INDEX outbox_payout ON {schema}.outbox (payout_id, seq)",
    # What happened is never changed. Of a payout that is forgotten, and of no other, the words that may tell of a
    # person are taken out.
    "ALTER TABLE {schema}.payouts ADD COLUMN erased_at BIGINT",
    """
    CREATE OR REPLACE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'history' THEN
            IF to_jsonb(NEW) - 'evidence' = to_jsonb(OLD) - 'evidence'
                AND EXISTS (SELECT 1 FROM {schema}.payouts WHERE id = OLD.payout_id AND erased_at IS NOT NULL)
            THEN RETURN NEW; END IF;
        END IF;
        RAISE EXCEPTION '%', CASE TG_TABLE_NAME
            WHEN 'history' THEN 'history is append-only' ELSE 'a payout is never deleted' END;
    END $$
    """,
    """
    CREATE FUNCTION {schema}.refuse_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF to_jsonb(NEW) - '{request,reason}'::text[] = to_jsonb(OLD) - '{request,reason}'::text[]
                AND EXISTS (SELECT 1 FROM {schema}.payouts WHERE id = OLD.payout_id AND erased_at IS NOT NULL)
            THEN RETURN NEW; END IF;
        END IF;
        RAISE EXCEPTION 'an attempt that has ended is never changed';
    END $$
    """,
    """
    CREATE TRIGGER attempts_are_append_only BEFORE UPDATE OR DELETE ON {schema}.attempts
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_attempt()
    """,
)

# Questions about an account itself whose answer comes later; they are dropped after a day.
_ACCOUNT_QUERIES = (
    """
    CREATE TABLE {schema}.account_queries (
        token_hash TEXT PRIMARY KEY,
        account TEXT NOT NULL,
        asked_at BIGINT NOT NULL,
        answered_at BIGINT,
        answer TEXT -- JSON, amounts as decimal text
    )
    """,
)

# An attempt may be paid from another account than the one before. None: from the same as the one after it, as processes
# of the version before keep attempts without it, and none of them changes the account.
_FAILOVER = ("ALTER TABLE {schema}.attempts ADD COLUMN account TEXT",)

# What a callback may call a payout by whose id its provider does not repeat.
_KNOWN_AS = (
    """
    CREATE TABLE {schema}.by_provider_reference (
        value TEXT NOT NULL,
        payout_id TEXT NOT NULL REFERENCES {schema}.payouts (id),
        PRIMARY KEY (value, payout_id)
    )
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SHARED, _ACCOUNT_QUERIES, _FAILOVER, _KNOWN_AS)

SELECT_NAMESPACE = f"SELECT value FROM {SCHEMA}.meta WHERE name = 'namespace'"  # noqa: S608 - a constant
_UPGRADE = "Run `payouts journal upgrade` once; running processes may go on meanwhile."


def create(connection: Connection, where: str, *, namespace: str, at: datetime) -> int:
    """Make the tables in a database that has none, in one transaction; return their version.

    Args:
        connection: In autocommit mode, or in a transaction.
        where: The database, for messages.
        namespace: The installation's.
        at: Now; aware.

    Raises:
        JournalError: There is a journal already, or tables of another program in its schema.

    """
    with connection.transaction():
        _lock(connection)
        if _version(connection, where):
            raise exists(f"The journal in {where[:1].lower()}{where[1:]}")
        _make_schema(connection, where)
        _apply(connection, 0)
        meta = {"namespace": namespace, "created_at": at.isoformat(), "version": library_version()}
        for name, value in meta.items():
            _remember(connection, name, value)
        remember_server(connection)
    return len(MIGRATIONS)


def migrate(connection: Connection, where: str, *, namespace: str) -> tuple[int, int]:
    """Bring a journal to the newest version, in one transaction; return the versions before and after.

    Args:
        connection: In autocommit mode.
        where: The database, for messages.
        namespace: The installation's.

    Raises:
        JournalMissing: There is no journal.
        JournalTooNew: It has had migrations we do not know.
        NamespaceChanged: It belongs to another installation.

    """
    with connection.transaction():
        _lock(connection)
        before = _version(connection, where)
        if not before:
            raise _missing(where)
        check_namespace(connection, where, namespace)
        _apply(connection, before)
        if "server" not in _meta(connection):
            remember_server(connection)
    return before, len(MIGRATIONS)


def _lock(connection: Connection) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number("upgrade"),))


def _apply(connection: Connection, version: int) -> None:
    for statement in (statement for migration in MIGRATIONS[version:] for statement in migration):
        connection.execute(statement.replace("{schema}", SCHEMA))
    _remember(connection, "migrations", str(len(MIGRATIONS)))


def _missing(where: str) -> JournalMissing:
    return JournalMissing(
        f"{where} holds no journal.",
        hint="If this installation has paid before, restore a backup: a new journal would not know what was paid. For "
        "a new installation: `payouts journal init`.",
    )


def check_version(connection: Connection, where: str) -> None:
    """Refuse a database that is not as this version of the library knows it.

    Raises:
        JournalMissing: It holds none.
        JournalTooNew: It has had migrations we do not know.
        JournalError: It is older.

    """
    version = _version(connection, where)
    if version == 0:
        raise _missing(where)
    if version < len(MIGRATIONS):
        raise JournalError(
            f"{where} holds a journal of version {version}; this payments-core needs version {len(MIGRATIONS)}.",
            hint=_UPGRADE,
        )


def check_namespace(connection: Connection, where: str, namespace: str) -> None:
    """Refuse a journal of another installation.

    Raises:
        NamespaceChanged: It was made under another namespace.

    """
    stored = connection.execute(SELECT_NAMESPACE).fetchone()
    if stored is None or stored[0] != namespace:
        raise NamespaceChanged(
            f"{where} belongs to the namespace {stored and stored[0]!r}, the configuration says {namespace!r}.",
            hint="Under another namespace the same keys would give other references and could pay twice: restore the "
            "old namespace in [installation], or name another database in [journal] url if this is a new installation.",
        )


def check_server(connection: Connection, where: str) -> None:
    """Refuse a journal that may not be paid with: a backup, or on another server than it was.

    Raises:
        JournalIsBackup: It is a backup, or was restored on another server.

    """
    check_live(meta := _meta(connection), where)
    now, before = _server(connection), meta.get("server")
    if now and before and now != before:
        raise JournalIsBackup(
            f"{where} is not on the server on which its journal was last used (it was restored from a dump, or a "
            "standby has taken over), and may lack the latest payments.",
            hint="`payouts journal restored --gap-from` says since when; after a planned change without loss, "
            "`payouts journal restored --no-gap`.",
        )


def remember_server(connection: Connection) -> None:
    """Write down which server the journal is on, where it tells."""
    if server := _server(connection):
        _remember(connection, "server", server)


def _server(connection: Connection) -> str:
    """Return what changes when a database is restored or a standby takes over; empty where we may not know."""
    allowed = (
        "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
        " AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')"
    )
    if connection.execute(allowed).fetchone() != (True,):
        return ""
    found: Any = connection.execute(
        "SELECT system_identifier, timeline_id, %s::regclass::oid FROM pg_control_system(), pg_control_checkpoint()",
        (f"{SCHEMA}.meta",),
    ).fetchone()
    system, timeline, table = found
    # A promoted standby's last checkpoint is of the timeline before, for minutes: what it writes now is of the new one.
    # A managed server that does not show what it writes is taken at its checkpoint's word.
    silent = (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState, errors.FeatureNotSupported)
    with contextlib.suppress(*silent), connection.transaction():
        [(written,)] = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchall()
        timeline = int(written[:8], 16)
    return f"{system}/{timeline}/{table}"


def _meta(connection: Connection) -> dict[str, str]:
    found: Any = connection.execute(f"SELECT name, value FROM {SCHEMA}.meta").fetchall()  # noqa: S608 - a constant
    return dict(found)


def _version(connection: Connection, where: str) -> int:
    if _one(connection, "SELECT to_regclass(%s)", f"{SCHEMA}.meta") is None:
        return 0
    version = int(_one(connection, f"SELECT value FROM {SCHEMA}.meta WHERE name = %s", "migrations") or 0)  # noqa: S608
    if version > len(MIGRATIONS):
        raise JournalTooNew(
            f"{where} holds a journal written by a newer version of payments-core "
            f"(journal version {version}; this one knows {len(MIGRATIONS)}).",
            hint="Upgrade payments-core here; nothing was read or written.",
        )
    return version


def _make_schema(connection: Connection, where: str) -> None:
    """Make the schema, unless whoever owns the database has already made an empty one for us."""
    if _one(connection, "SELECT 1 FROM pg_namespace WHERE nspname = %s", SCHEMA) is None:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    elif _one(connection, "SELECT 1 FROM pg_tables WHERE schemaname = %s LIMIT 1", SCHEMA) is not None:
        raise JournalError(
            f"The schema {SCHEMA} of {where} holds tables of another program.",
            hint="Name a database of its own in [journal] url.",
        )


def _remember(connection: Connection, name: str, value: str) -> None:
    connection.execute(
        f"INSERT INTO {SCHEMA}.meta (name, value) VALUES (%s, %s)"  # noqa: S608 - a constant
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def _one(connection: Connection, statement: str, value: str) -> Any:
    found = connection.execute(statement, (value,)).fetchone()
    return found and found[0]
