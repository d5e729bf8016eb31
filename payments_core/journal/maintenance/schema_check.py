"""Whether a database still has everything that keeps a journal what it is: tables, constraints, triggers, pages."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from payments_core.journal.maintenance.snapshot import PostgresSnapshot, Snapshot, SqliteSnapshot
from payments_core.journal.sqlite.schema import SCRIPT

__all__ = ["REFERENCES", "flaws"]

_MOST = 20
# Every reference of one table to another: table, column, and what must be there.
REFERENCES = (
    *((table, "payout_id", "payouts", "id") for table in ("outbox", "queries", "claims", "attempts")),
    *((table, "payout_id", "payouts", "id") for table in ("approvals", "inbox", "by_provider_reference")),
    ("history", "payout_no", "payouts", "no"),
    *((table, "event_id", "outbox", "event_id") for table in ("outbox_reads", "deliveries")),
    *((table, "batch", "batches", "id") for table in ("batch_rows", "batch_history")),
)


def flaws(snapshot: Snapshot) -> Iterator[str]:
    """Yield what is wrong with a database itself."""
    if isinstance(snapshot, SqliteSnapshot):
        yield from _of_file(snapshot)
    elif isinstance(snapshot, PostgresSnapshot):
        yield from _of_server(snapshot)


def _of_file(snapshot: SqliteSnapshot) -> Iterator[str]:
    for (text,) in snapshot.ask(f"PRAGMA integrity_check({_MOST})"):
        if text != "ok":
            yield f"the database does not pass its own check (SQLite: {' '.join(text.split())})"
    for table, count in snapshot.ask('SELECT "table", COUNT(*) FROM pragma_foreign_key_check GROUP BY "table"'):
        yield f"{count} rows of {table} refer to what is not there"
    statement = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    with closing(sqlite3.connect(":memory:")) as wanted:
        for text in SCRIPT:
            wanted.execute(text)
        ours = {(kind, name): text for kind, name, text in wanted.execute(statement)}
    there = {(kind, name): text for kind, name, text in snapshot.ask(statement)}
    for (kind, name), text in sorted(ours.items()):
        if (kind, name) not in there:
            yield f"the {kind} {name} is missing"
        elif there[kind, name] != text:
            yield f"the {kind} {name} is not as this version makes it"


def _of_server(snapshot: PostgresSnapshot) -> Iterator[str]:
    constraints, triggers = _made_by_us()
    schema = snapshot.sql.schema.rstrip(".")
    found = {
        f"{table}.{name}": is_valid
        for table, name, is_valid in snapshot.ask(
            "SELECT c.relname, k.conname, k.convalidated FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ?",
            (schema,),
        )
    }
    for name in sorted(constraints):
        if not found.get(name, False):
            yield f"the constraint {name} is {'not validated' if name in found else 'missing'}"
    enabled = snapshot.ask(
        "SELECT c.relname, t.tgname, t.tgenabled::text, t.tgisinternal FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ?",
        (schema,),
    )
    for table, name, state, is_internal in enabled:
        if state not in {"O", "A"}:
            yield f"{'what checks references' if is_internal else f'the trigger {name}'} of {table} is switched off"
    for missing in sorted(triggers - {name for _, name, _, _ in enabled}):
        yield f"the trigger {missing} is missing"
    for (name,) in snapshot.ask(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND NOT (i.indisvalid AND i.indisready)",
        (schema,),
    ):
        yield f"the index {name} is not valid"


def _made_by_us() -> tuple[set[str], set[str]]:
    """Return the constraints (table and name) and triggers of our schema, by the names they get."""
    from payments_core.journal.postgres import schema

    constraints, triggers = set[str](), set[str]()
    for statement in schema.SCRIPT:
        if made := re.search(r"CREATE TRIGGER (\w+)", statement):
            triggers.add(made[1])
        if not (made := re.search(r"CREATE TABLE \w+\.(\w+)", statement)):
            continue
        table = made[1]
        if "PRIMARY KEY" in statement:
            constraints.add(f"{table}.{table}_pkey")
        constraints |= {f"{table}.{name}" for name in re.findall(r"CONSTRAINT (\w+)", statement)}
        constraints |= {
            f"{table}.{table}_{column}_key" for column in re.findall(r"(\w+) TEXT NOT NULL UNIQUE", statement)
        }
        constraints |= {
            f"{table}.{table}_{column}_fkey"
            for column in re.findall(r"(\w+) (?:TEXT|BIGINT)[^,]* REFERENCES", statement)
        }
    return constraints, triggers
