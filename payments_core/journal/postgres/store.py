"""A journal's database under PostgreSQL, opened for maintenance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime

import psycopg

from payments_core.domain.errors import JournalError
from payments_core.journal.maintenance.stores import Store
from payments_core.journal.postgres.connection import SET_DURABLE, Connection, Server
from payments_core.journal.postgres.schema import check_namespace, check_version, create, remember_server
from payments_core.journal.sql.statements import POSTGRES, DbTransaction

__all__ = ["PostgresStore"]

_LOCAL = f"SET LOCAL lock_timeout = 10000; SELECT {SET_DURABLE}"


class PostgresStore(Store):
    """A database on a server."""

    sql = POSTGRES

    def __init__(self, url: str, *, namespace: str, at: datetime) -> None:
        super().__init__(namespace=namespace, at=at)
        self._server = Server(url)
        self._connection: Connection | None = None
        self.name = self._server.name.removeprefix("The ")

    def create(self) -> None:
        """Make an empty journal."""
        with self._connected() as connection, connection.transaction():
            connection.execute(_LOCAL)
            create(connection, self._server.name, namespace=self.namespace, at=self.at)

    @contextlib.contextmanager
    def writing(self) -> Iterator[DbTransaction]:
        """Open one transaction, committed at the end of the block."""
        where = self._server.name
        with self._connected() as connection, connection.transaction():
            connection.execute(_LOCAL)
            check_version(connection, where)
            check_namespace(connection, where, self.namespace)
            self._connection = connection
            yield DbTransaction(connection.execute, POSTGRES)

    def settle(self, session: DbTransaction) -> None:
        """Remember which server the journal is on."""
        if self._connection is not None:
            remember_server(self._connection)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        failure: JournalError
        with contextlib.closing(self._server.connect()) as connection:
            try:
                yield connection
            except psycopg.Error as error:
                failure = self._server.explain(error)
            else:
                return
        raise failure
