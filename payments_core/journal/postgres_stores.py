"""A database under PostgreSQL as whoever looks after a journal opens it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import psycopg

from payments_core.errors import JournalError
from payments_core.journal.postgres_connection import SET_DURABLE, Connection, Server
from payments_core.journal.postgres_schema import check_namespace, check_version, create, remember_server
from payments_core.journal.standing import refusal
from payments_core.journal.statements import POSTGRES, POSTGRES_SCHEMA, Session
from payments_core.journal.stores import Store

__all__ = ["PostgresStore"]

_LOCAL = f"SET LOCAL lock_timeout = 10000; SELECT {SET_DURABLE}"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename"


class PostgresStore(Store):
    """A database on a server."""

    sql = POSTGRES

    def __init__(self, url: str, *, namespace: str, at: datetime) -> None:
        super().__init__(namespace=namespace, at=at)
        self._server = Server(url)
        self._connection: Connection | None = None
        self.name = self._server.name.removeprefix("The ")

    def is_empty(self) -> bool:
        """Say whether there is nothing at all."""
        with self._connected() as connection:
            return not connection.execute(_TABLES, (POSTGRES_SCHEMA,)).fetchall()

    def create(self, meta: Mapping[str, str]) -> None:
        """Make an empty journal that remembers something of itself from its first moment on."""
        with self._connected() as connection, connection.transaction():
            connection.execute(_LOCAL)
            create(connection, self._server.name, namespace=self.namespace, at=self.at)
            for name, value in meta.items():
                self.remember(Session(connection.execute, POSTGRES), name, value)

    @contextlib.contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Session]:
        """Open one transaction, committed at the end of the block."""
        where = self._server.name
        with self._connected() as connection, connection.transaction():
            connection.execute(_LOCAL)
            check_version(connection, where)
            check_namespace(connection, where, self.namespace)
            if alone:
                named = self.tables(Session(connection.execute, POSTGRES))
                tables = ", ".join(f"{POSTGRES_SCHEMA}.{table}" for table in named)
                connection.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
            self._connection = connection
            yield Session(connection.execute, POSTGRES)

    def clear(self) -> None:
        """Take away a copy that was not finished."""
        with self._connected() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {POSTGRES_SCHEMA} CASCADE")

    def settle(self, session: Session) -> None:
        """Remember which server the journal is on."""
        if self._connection is not None:
            remember_server(self._connection)

    def tables(self, session: Session) -> list[str]:
        """Return the names of all tables."""
        return [table for (table,) in session.execute(_TABLES, (POSTGRES_SCHEMA,)).fetchall()]

    def stream(self, session: Session, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement finds, without holding all of it."""
        assert self._connection is not None  # noqa: S101 - there is no session without it
        with self._connection.cursor(name="rows") as cursor:
            cursor.itersize = 500
            yield from cursor.execute(statement)

    def columns(self, session: Session, table: str) -> list[str]:
        """Return the names of a table's columns."""
        found = session.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
            " ORDER BY ordinal_position",
            (POSTGRES_SCHEMA, table),
        )
        return [name for (name,) in found.fetchall()]

    def seal(self, session: Session, target: str) -> None:
        """Let the database itself refuse every further change."""
        said = refusal(target).replace("'", "''").replace("%", "%%")  # the driver takes one of them away
        session.execute(
            f"CREATE FUNCTION {POSTGRES_SCHEMA}.refuse_moved() RETURNS trigger LANGUAGE plpgsql AS"
            f" $sealed$ BEGIN RAISE EXCEPTION USING MESSAGE = '{said}'; END $sealed$",
            (),
        )
        for table in self.tables(session):
            session.execute(
                f"CREATE TRIGGER a_sealed BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {POSTGRES_SCHEMA}.{table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {POSTGRES_SCHEMA}.refuse_moved()",
                (),
            )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        told: JournalError
        with contextlib.closing(self._server.connect()) as connection:
            try:
                yield connection
            except psycopg.Error as error:
                told = self._server.explain(error)
            else:
                return
        raise told
