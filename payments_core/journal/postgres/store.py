"""A journal's database under PostgreSQL, opened for maintenance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from payments_core.journal.maintenance.stores import Store
from payments_core.journal.postgres.connection import SET_DURABLE, Connection, Server
from payments_core.journal.postgres.schema import check_namespace, check_version, create, remember_server
from payments_core.journal.sql.statements import POSTGRES
from payments_core.journal.sql.transaction import Cursor, DbTransaction

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
        """Create an empty journal."""
        with contextlib.closing(self._server.connect()) as connection:
            self._server.run(lambda: self._create(connection))

    def _create(self, connection: Connection) -> None:
        with connection.transaction():
            connection.execute(_LOCAL)
            create(connection, self._server.name, namespace=self.namespace, at=self.at)

    @contextlib.contextmanager
    def writing(self) -> Iterator[DbTransaction]:
        """Open one transaction, committed at the end of the block."""
        server = self._server
        with contextlib.closing(server.connect()) as connection:  # closing undoes what was not committed
            server.run(lambda: self._begin(connection))
            self._connection = connection

            def execute(statement: str, values: Sequence[Any]) -> Cursor:
                return server.run(lambda: connection.execute(statement, values))

            yield DbTransaction(execute, POSTGRES)
            server.run(lambda: connection.execute("COMMIT"))

    def _begin(self, connection: Connection) -> None:
        connection.execute(f"BEGIN; {_LOCAL}")
        check_version(connection, self._server.name)
        check_namespace(connection, self._server.name, self.namespace)

    def settle(self, session: DbTransaction) -> None:
        """Remember which server the journal is on."""
        connection = self._connection
        if connection is not None:
            self._server.run(lambda: remember_server(connection))
