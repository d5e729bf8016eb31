"""The schema of a shared journal; only ``payouts journal init`` creates it, and no process changes it."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

from psycopg import errors

from payments_core.domain.errors import JournalError, JournalIsBackup, JournalMissing, NamespaceChanged
from payments_core.journal.postgres.connection import Connection
from payments_core.journal.sql.statements import POSTGRES
from payments_core.journal.sql.statements import POSTGRES_SCHEMA as SCHEMA
from payments_core.journal.sql.tables import VERSION, tables
from payments_core.journal.sql.transaction import lock_number
from payments_core.journal.usability import check_known, check_live, exists, library_version

__all__ = [
    "SCRIPT",
    "SELECT_NAMESPACE",
    "check_namespace",
    "check_server",
    "check_version",
    "create",
    "remember_server",
]

# History and ended attempts never change. Only of an erased payout the texts that may identify a person, which are in
# the columns that the trigger names, are removed.
_TRIGGERS = (
    f"""
    CREATE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF to_jsonb(NEW) - TG_ARGV[1:] = to_jsonb(OLD) - TG_ARGV[1:]
                AND EXISTS (SELECT 1 FROM {SCHEMA}.payouts WHERE erased_at IS NOT NULL
                    AND (id = to_jsonb(OLD) ->> 'payout_id' OR no = (to_jsonb(OLD) ->> 'payout_no')::BIGINT))
            THEN RETURN NEW; END IF;
        END IF;
        RAISE EXCEPTION '%', TG_ARGV[0];
    END $$
    """,  # noqa: S608 - constants
    f"""
    CREATE TRIGGER payouts_are_never_deleted BEFORE DELETE ON {SCHEMA}.payouts
    FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.refuse('a payout is never deleted')
    """,
    f"""
    CREATE TRIGGER payouts_are_never_emptied BEFORE TRUNCATE ON {SCHEMA}.payouts
    FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse('a payout is never deleted')
    """,
    f"""
    CREATE TRIGGER history_is_append_only BEFORE UPDATE OR DELETE ON {SCHEMA}.history
    FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.refuse('history is append-only', 'evidence')
    """,
    f"""
    CREATE TRIGGER history_is_never_emptied BEFORE TRUNCATE ON {SCHEMA}.history
    FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse('history is append-only')
    """,
    f"""
    CREATE TRIGGER attempts_are_append_only BEFORE UPDATE OR DELETE ON {SCHEMA}.attempts
    FOR EACH ROW EXECUTE FUNCTION
        {SCHEMA}.refuse('an attempt that has ended is never changed', 'request', 'reason')
    """,
    f"""
    CREATE TRIGGER attempts_are_never_emptied BEFORE TRUNCATE ON {SCHEMA}.attempts
    FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse('an attempt that has ended is never changed')
    """,
)

#: Creates everything in an empty schema.
SCRIPT = (
    *tables(POSTGRES, integer="BIGINT", row_number="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    *_TRIGGERS,
)

_VERSION = "schema_version"  # in `meta`
SELECT_NAMESPACE = f"SELECT value FROM {SCHEMA}.meta WHERE name = 'namespace'"  # noqa: S608 - a constant


def create(connection: Connection, where: str, *, namespace: str, at: datetime) -> None:
    """Create the tables in a database that has none, in one transaction.

    Args:
        connection: In autocommit mode, or in a transaction.
        where: The database, for messages.
        namespace: The installation's.
        at: Now; aware.

    Raises:
        JournalError: There is a journal already, or the schema holds tables of another program.

    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number("create"),))
        if _version(connection):
            raise exists(f"The journal in {where[:1].lower()}{where[1:]}")
        _make_schema(connection, where)
        for statement in SCRIPT:
            connection.execute(statement)
        meta = {"namespace": namespace, "created_at": at.isoformat(), "version": library_version()}
        for name, value in (meta | {_VERSION: str(VERSION)}).items():
            _remember(connection, name, value)
        remember_server(connection)


def check_version(connection: Connection, where: str) -> None:
    """Refuse a database that holds no journal of this version.

    Raises:
        JournalMissing: It holds none.
        JournalTooNew: A newer version of this library created it.
        JournalError: An older version created it.

    """
    version = _version(connection)
    if version == 0:
        raise JournalMissing(
            f"{where} holds no journal.",
            hint="If this installation has paid before, restore a backup: a new journal would not know what was paid. "
            "For a new installation: `payouts journal init`.",
        )
    check_known(version, VERSION, f"{where} holds a journal")


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
    """Record which server the journal is on, where the server shows it."""
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


def _version(connection: Connection) -> int:
    """Return the version of the schema; 0 where there is no journal."""
    if _one(connection, "SELECT to_regclass(%s)", f"{SCHEMA}.meta") is None:
        return 0
    return int(_one(connection, f"SELECT value FROM {SCHEMA}.meta WHERE name = %s", _VERSION) or 0)  # noqa: S608


def _make_schema(connection: Connection, where: str) -> None:
    """Create the schema, unless the owner of the database has created it, empty."""
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
