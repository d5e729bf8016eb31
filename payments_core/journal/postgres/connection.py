"""Connections to the journal's server: checked before use, and their errors say what the operator can do.

No error of the driver is shown or chained: what the server adds as detail may hold a whole row, payee included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import conninfo, errors
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from payments_core.domain.errors import JournalDamaged, JournalError, JournalLocked, SettingsError

__all__ = ["SET_DURABLE", "Connection", "ReadConnection", "Server"]

T = TypeVar("T")

Connection: TypeAlias = "psycopg.Connection[TupleRow]"

OLDEST_SERVER = 15
_PORT = "5432"
# A server that has gone without a word is noticed within half a minute; what the address itself says comes first.
_DEFAULTS: dict[str, str | int] = {
    "connect_timeout": 10,
    "fallback_application_name": "payments-core",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
_CHECK = """
    SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery(),
        current_setting('transaction_read_only'), current_setting('synchronous_commit'), current_setting('fsync')
"""
_DURABLE = {"on", "remote_apply"}
#: Sets how a transaction commits: whatever the server, the role or a pooler's other client has set meanwhile. Only
#: `remote_apply` waits for more than `on`; `remote_write`, `local` and `off` wait for less.
SET_DURABLE = (
    "set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)"
)


class Server:
    """The server of a journal, and the errors about it.

    Args:
        url: ``postgresql://…``, as libpq understands it; what it leaves out comes from ``PGHOST``, ``PGPASSFILE``,
            a service file and so on.

    Raises:
        SettingsError: It is not understood.

    """

    def __init__(self, url: str) -> None:
        self._parameters = _parsed(url)
        database, host, port = (self._parameters.get(name) for name in ("dbname", "host", "port"))
        self.name = f"The PostgreSQL database{f' {database}' if database else ''}{f' on {host}' if host else ''}"
        if port and port != _PORT:  # two servers of one machine are two places
            self.name += f" (port {port})"

    def connect(self) -> Connection:
        """Open a connection whose commits are durable.

        Raises:
            JournalError: The server cannot be reached, cannot be written, or may forget what it has acknowledged.

        """
        failure: JournalError
        try:
            connection = psycopg.connect(**{**_DEFAULTS, **self._parameters}, client_encoding="utf8", autocommit=True)
        except psycopg.Error as error:
            failure = self._unreachable(error)
        else:
            try:
                self._check(connection)
            except BaseException as error:
                connection.close()
                if not isinstance(error, psycopg.Error):
                    raise
                failure = self.explain(error)
            else:
                return connection
        raise failure  # outside of the except block: the driver's error is not to be seen in a traceback

    def _check(self, connection: Connection) -> None:
        found: Any = connection.execute(_CHECK).fetchone()
        version, encoding, is_replica, read_only, synchronous_commit, fsync = found
        if version < OLDEST_SERVER * 10_000:
            raise JournalError(
                f"{self.name} is on PostgreSQL {version // 10_000}; a journal needs {OLDEST_SERVER} or newer.",
                hint="Move it to a server that still gets security fixes.",
            )
        if is_replica or read_only == "on":
            raise JournalError(
                f"{self.name} is {'a replica in recovery' if is_replica else 'read-only'} and cannot be written.",
                hint="Name the primary in [journal] url; target_session_attrs=read-write picks it among several hosts.",
            )
        if encoding != "UTF8":
            raise JournalError(
                f"{self.name} stores text as {encoding}, which cannot hold every name and note.",
                hint="Make it anew with ENCODING 'UTF8'.",
            )
        if fsync != "on" or synchronous_commit not in _DURABLE:
            wrong = "fsync = off" if fsync != "on" else f"synchronous_commit = {synchronous_commit}"
            raise JournalError(
                f"{self.name} may forget an acknowledged commit ({wrong}).",
                hint="A journal that may forget a payment is refused: set fsync = on and synchronous_commit = on (or "
                "remote_apply) for the server, the database and the paying role.",
            )

    def _unreachable(self, error: psycopg.Error) -> JournalError:
        return JournalError(
            f"{self.name} cannot be reached: {' '.join(str(error).split()).rstrip('.')}.",
            hint="See that the server runs and that [journal] url is right; the same key is safe.",
        )

    def run(self, action: Callable[[], T]) -> T:
        """Return what an action returns; an error of the driver is explained, and is not chained.

        Not a context manager: an error that is raised at the end of its block keeps the driver's as its context.
        """
        try:
            return action()
        except psycopg.Error as error:
            failure = self.explain(error)
        raise failure

    def explain(self, error: psycopg.Error) -> JournalError:
        """Return an error of the server as one that says what to do next."""
        cause = (error.diag.message_primary or type(error).__name__).rstrip(".")
        match error:
            case errors.LockNotAvailable():
                return JournalLocked(
                    f"{self.name} is locked: another transaction does not let go of this payout.",
                    hint="An application that accepts a payout in its own transaction must end it soon; see "
                    "pg_stat_activity for who waits, and try again: the same key is safe.",
                )
            case errors.DiskFull():
                return JournalError(
                    "The disk of the journal's server is full.",
                    hint="Make room and try again; nothing of this entry was written, and the same key is safe.",
                )
            case errors.ReadOnlySqlTransaction():
                return JournalError(f"{self.name} has become read-only.", hint="Name the primary in [journal] url.")
            case errors.InsufficientPrivilege():
                return JournalError(
                    f"{self.name} refused the paying role: {cause}.",
                    hint="Grant it what the page how-to/run-on-postgresql of the documentation lists.",
                )
            case errors.UndefinedTable() | errors.UndefinedColumn() | errors.InvalidSchemaName():
                return JournalError(
                    f"{self.name} holds no journal of this version: {cause}.",
                    hint="`payouts journal verify` says what is missing. Then restore a backup.",
                )
            case errors.TransactionRollback() | errors.DeadlockDetected() | errors.SerializationFailure():
                return JournalError(
                    f"{self.name} gave way to another transaction: {cause}.",
                    hint="Roll back and begin again: the same key is safe.",
                )
            case errors.DataCorrupted() | errors.IndexCorrupted() | errors.IoError() | errors.UndefinedFile():
                return JournalDamaged(
                    f"{self.name} is damaged: the server cannot read its files (PostgreSQL: {cause}).",
                    hint="Stop every paying process, keep a copy of the server's files, and restore a backup.",
                )
            case psycopg.OperationalError():
                return JournalError(
                    f"{self.name} was lost: {cause}.",
                    hint="See that the server runs, and try again: the same key is safe.",
                )
            case _:
                return JournalError(f"{self.name} refused an entry: {cause}.")


def _parsed(url: str) -> dict[str, Any]:
    """Return the parts of an address, as libpq parses it."""
    try:
        parameters: dict[str, Any] = dict(conninfo.conninfo_to_dict(url))
    except psycopg.Error:
        parameters = {"host": "@"}  # its message may hold a part of the password
    # A password with a bare @ or / in it ends in the name of host or database, and so in every message.
    if any("@" in str(parameters.get(name, "")) for name in ("host", "port", "dbname")):
        raise SettingsError(
            "The journal's address is not understood.",
            hint="Write postgresql://user@host:5432/database?sslmode=verify-full, with every special character of a "
            "password percent-encoded, or leave the password to PGPASSFILE.",
        )
    return parameters


class ReadConnection:
    """One thread's connection, opened when it is needed, and anew when it has failed.

    Args:
        connect: Opens a connection, or raises ``JournalError``.

    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    def take(self) -> Connection:
        """Return a connection that is in no transaction; one that was left in the middle of something is closed."""
        connection = self._connection
        if connection is None or connection.info.transaction_status != TransactionStatus.IDLE:
            self.close()
            connection = self._connection = self._connect()
        return connection

    def close(self) -> None:
        """Close it, which undoes what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
