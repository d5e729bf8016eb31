"""The shared journal: one PostgreSQL database, many processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any, cast

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import tuple_row

from payments_core.domain.budgets import AboveBudget
from payments_core.domain.errors import JournalError
from payments_core.engine.commands import (
    CreatePayout,
    CreateResult,
    JournalCommand,
    JournalResult,
    Stale,
    TransitionApplied,
)
from payments_core.journal.postgres.batch_queue import Alone, BatchQueue, Waiting
from payments_core.journal.postgres.batch_statements import Member, member_of, write_members
from payments_core.journal.postgres.connection import SET_DURABLE, Connection, ReadConnection, Server
from payments_core.journal.postgres.schema import (
    SELECT_NAMESPACE,
    check_namespace,
    check_server,
    check_version,
)
from payments_core.journal.postgres.thread_pool import ThreadPool
from payments_core.journal.sql.apply import Change, Reply, apply
from payments_core.journal.sql.new_payouts import StatementFlow, creation
from payments_core.journal.sql.sql_journal import SqlJournal
from payments_core.journal.sql.statements import POSTGRES, POSTGRES_SCHEMA
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.waiters import BlockingWaiter, FutureWaiter, LoopWaiter, Wrote

__all__ = ["PostgresJournal"]

_REPETITIONS = 5
_PAUSE_S = 0.1
# READ COMMITTED whatever the server's default: what is read behind a lock must be what is there now.
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {{lock_timeout_ms}}; SELECT {SET_DURABLE}"

# A batch finds each payout by its id: a plan that was made while the tables were small would read all of them.
_BEGIN_BATCH = f"{_BEGIN}; SET LOCAL enable_seqscan = off"
_BATCH_LOCK_TIMEOUT_S = 0.25  # then each member waits by itself, and none for a neighbour's


class PostgresJournal(SqlJournal):
    """A journal in a PostgreSQL database that was prepared by ``payouts journal init``.

    Args:
        url: ``postgresql://…``, as libpq understands it.
        namespace: The installation's.
        clock: Returns now; aware, UTC.
        connections: How many at most.
        lock_timeout_s: Longest wait for another transaction's lock, in seconds.
        fate_timeout_s: How long it is tried to find out what became of a commit whose answer was lost, in seconds.

    Raises:
        JournalMissing: The database holds none.
        JournalTooNew: A newer version of this library made it.
        NamespaceChanged: It belongs to another installation.
        JournalIsBackup: It is a backup.
        JournalError: The server cannot be reached, or the journal cannot be trusted.

    """

    is_remote = True
    _sql = POSTGRES

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        clock: Callable[[], datetime],
        connections: int = 8,
        lock_timeout_s: float = 10.0,
        fate_timeout_s: float = 5.0,
    ) -> None:
        self._server = Server(url)
        self._namespace = namespace
        self._clock = clock
        self._begin = _BEGIN.format(lock_timeout_ms=round(lock_timeout_s * 1000)).encode()
        batch_lock_timeout_s = min(lock_timeout_s, _BATCH_LOCK_TIMEOUT_S)
        self._begin_batch = _BEGIN_BATCH.format(lock_timeout_ms=round(batch_lock_timeout_s * 1000)).encode()
        self._fate_timeout_s = fate_timeout_s
        self._threads = ThreadPool(partial(ReadConnection, self._connect), size=connections)
        self._new_payouts = BatchQueue(self._threads, self._write_batch)
        self._transitions = BatchQueue(self._threads, self._write_batch)
        try:
            self._threads.execute(self._check)
        except BaseException:
            self._threads.close()
            raise

    def _check(self, reader: ReadConnection) -> None:
        """Check the version and the server, once."""
        connection, name = reader.take(), self._server.name
        self._server.run(lambda: check_version(connection, name))
        self._server.run(lambda: check_server(connection, name))

    def _connect(self) -> Connection:
        connection = self._server.connect()
        try:
            self._server.run(lambda: self._check_namespace(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_namespace(self, connection: Connection) -> None:
        with contextlib.suppress(psycopg.errors.UndefinedTable):  # explained better by the check of the version
            check_namespace(connection, self._server.name, self._namespace)

    # --- writing ---

    def execute(self, entry: Change) -> Any:
        """Write one entry and return its reply when it is durable."""
        if (member := member_of(entry)) is None:
            return self._threads.execute(partial(self._write, entry))
        waiter: BlockingWaiter[Change, Any] = BlockingWaiter(entry)
        return waiter.wait(partial(self._queue_of(member).enqueue, member))

    async def execute_async(self, entry: JournalCommand) -> JournalResult:
        """Write one entry and return when it is durable; a task cancelled before it is taken up writes nothing."""
        if (member := member_of(entry)) is None:
            return await super().execute_async(entry)
        waiter: LoopWaiter[JournalCommand, JournalResult] = LoopWaiter(entry)
        self._queue_of(member).enqueue(member, waiter)
        return await waiter.future

    def _queue(self, change: Change) -> Future[Any]:
        if (member := member_of(change)) is None:
            return self._threads.submit(partial(self._write, change))
        waiter: FutureWaiter[Change, Any] = FutureWaiter(change)
        self._queue_of(member).enqueue(member, waiter)
        return waiter.future

    def _queue_of(self, member: Member) -> BatchQueue:
        return self._new_payouts if member.is_new else self._transitions

    def vacuum(self) -> bool:
        """Return False: the server vacuums by itself; its log and its backups keep what was there."""
        return False

    def close(self) -> None:
        """Finish what is queued and close; in a forked process nothing is touched."""
        self._threads.close()

    def _write(self, change: Change, reader: ReadConnection) -> Reply:
        """Write a change; again when nothing of it was written and a repetition may succeed."""
        failure = JournalError("")
        for _ in range(_REPETITIONS):
            try:
                return self._transact(change, reader)
            except _NothingWritten as undone:
                failure = undone.failure
            except _NotKnown as lost:
                return self._find_out(change, lost.reply, reader)
        raise failure

    def _find_out(self, change: Change, lost: Reply, reader: ReadConnection) -> Reply:
        """Write a change once more whose commit was not answered: if it is there, the first commit has written it.

        The number of the lost transaction proves nothing: after a crash the server gives it to another one.
        """
        until = time.monotonic() + self._fate_timeout_s
        while True:
            try:
                return _recognised(lost, self._transact(change, reader))
            except (_NothingWritten, _NotKnown, JournalError):
                if time.monotonic() >= until:
                    break
            time.sleep(_PAUSE_S)
        raise JournalError(
            f"{self._server.name} was lost while it committed an entry, and it is not known whether it did.",
            hint="See that the server runs, and try again: the same key is safe.",
        )

    def _transact(self, change: Change, reader: ReadConnection) -> Reply:
        connection, reply = reader.take(), None
        failure: psycopg.Error | None = None
        try:
            connection.execute(self._begin, prepare=False)
            reply = apply(DbTransaction(connection.execute, POSTGRES), change)
            connection.execute("COMMIT", prepare=False)
        except psycopg.Error as error:
            failure = error
        finally:
            _roll_back(connection)
        if failure is None:
            return reply
        if reply is not None and connection.broken:
            raise _NotKnown(reply)
        explained = self._server.explain(failure)
        if connection.broken or isinstance(failure, psycopg.errors.TransactionRollback):
            raise _NothingWritten(explained)
        raise explained

    # --- writing many ---

    def _write_batch(self, batch: Sequence[Waiting], reader: ReadConnection) -> Sequence[Wrote[Any] | Alone]:
        """Write a batch in one transaction; a member that it does not write is written alone, as is a failed batch."""
        try:
            written = self._transact_batch([member for member, _ in batch], reader)
        except _NotKnown:  # of each member it is found out by itself
            return [partial(self._find_out, waiter.entry, member.reply) for member, waiter in batch]
        except Exception:  # noqa: BLE001 - whatever it is, each member meets it by itself, and the queue lives
            written = frozenset()
        return [
            Wrote(member.reply) if member.payout_id in written else partial(self._write, waiter.entry)
            for member, waiter in batch
        ]

    def _transact_batch(self, members: Sequence[Member], reader: ReadConnection) -> frozenset[str]:
        """Write members in one transaction, in two round trips; return the payouts that were written."""
        connection, is_sent = reader.take(), False
        try:
            connection.execute(self._begin_batch, prepare=False)
            is_sent = True
            with connection.pipeline():
                written = write_members(DbTransaction(connection.execute, POSTGRES), members)
                connection.execute("COMMIT", prepare=False)
            return written()
        except psycopg.Error as error:
            failure = self._server.explain(error)
        finally:
            _roll_back(connection)
        if is_sent and connection.broken:
            raise _NotKnown(None)
        raise _NothingWritten(failure)

    # --- in the application's transaction ---

    def open_within(self, connection: object, entry: CreatePayout) -> CreateResult | AboveBudget:
        """Write a new payout in a transaction of the application's: it is there exactly if that is committed.

        Args:
            connection: A ``psycopg.Connection`` to the journal's database, in a transaction.
            entry: No refund: its collection would be locked until the application commits.

        Raises:
            JournalError: The connection will not do, or the entry cannot be written; roll back.

        """
        self._threads.check_open()
        if not isinstance(connection, psycopg.Connection):
            raise _not_usable("It is no psycopg.Connection.")
        _check_transaction(connection)
        flow, answer = self._creation_within(entry), None
        failure: psycopg.Error
        with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
            try:
                while True:
                    cursor.execute(*flow.send(answer))
                    answer = cursor.fetchall() if cursor.description else cursor.rowcount
            except StopIteration as done:
                return cast("CreateResult | AboveBudget", done.value)
            except psycopg.Error as error:
                failure = error
        raise self._server.explain(failure)

    async def open_within_async(self, connection: object, entry: CreatePayout) -> CreateResult | AboveBudget:
        """Do the same with a ``psycopg.AsyncConnection``."""
        self._threads.check_open()
        if not isinstance(connection, psycopg.AsyncConnection):
            raise _not_usable("It is no psycopg.AsyncConnection.")
        _check_transaction(connection)
        flow, answer = self._creation_within(entry), None
        failure: psycopg.Error
        async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
            try:
                while True:
                    await cursor.execute(*flow.send(answer))
                    answer = await cursor.fetchall() if cursor.description else cursor.rowcount
            except StopIteration as done:
                return cast("CreateResult | AboveBudget", done.value)
            except psycopg.Error as error:
                failure = error
        raise self._server.explain(failure)

    def _creation_within(self, entry: CreatePayout) -> StatementFlow[CreateResult | AboveBudget]:
        if entry.row.order.original_amount is not None:
            raise JournalError("A refund cannot be accepted in the application's transaction.", hint="Use refund().")
        looks = f"SELECT to_regclass(%s)::text, {SET_DURABLE}, current_setting('lock_timeout')"
        [(meta, _, lock_timeout)] = yield looks, (f"{POSTGRES_SCHEMA}.meta",)
        found = (yield SELECT_NAMESPACE, ()) if meta else []
        if found != [(self._namespace,)]:
            raise _not_usable("It leads to a database without this journal.")
        if lock_timeout != "0":
            return (yield from creation(entry, POSTGRES))
        yield _SET_LOCK_TIMEOUT, (_LOCK_TIMEOUT,)  # another transaction may hold the same key, and the application both
        result = yield from creation(entry, POSTGRES)
        yield _SET_LOCK_TIMEOUT, ("0",)
        return result

    # --- reading ---

    def _fetch(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._threads.execute(partial(self._read, statement, values))

    def _read(self, statement: str, values: Sequence[Any], reader: ReadConnection) -> list[tuple[Any, ...]]:
        failure = JournalError("")
        for _ in range(2):  # a connection that lay idle while the server was restarted is found out here
            connection = reader.take()
            try:
                return connection.execute(statement, values).fetchall()
            except psycopg.Error as error:
                failure = self._server.explain(error)
            if not connection.broken:
                break
        raise failure


_LOCK_TIMEOUT = "10s"  # of an accept in an application's transaction that has none of its own
_SET_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', %s, true)"


class _NothingWritten(Exception):
    """The transaction was undone by what may not happen again."""

    def __init__(self, failure: JournalError) -> None:
        super().__init__()
        self.failure = failure


class _NotKnown(Exception):
    """The answer to COMMIT was lost."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


def _recognised(lost: Reply, found: Reply) -> Reply:
    """Return the reply to a change that was made twice: the first one, when the second found the change there."""
    match lost, found:
        case (TransitionApplied(), Stale()) if found.row == lost.row:
            return lost
        case (CreateResult(created=True), CreateResult(created=False)) if found.row == lost.row:
            return lost
        case (bool(), bool()):  # a pause that is not there any more was lifted by this change
            return lost or found
        case _:
            return found


def _roll_back(connection: Connection) -> None:
    if connection.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK")


def _check_transaction(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    is_idle = connection.info.transaction_status == TransactionStatus.IDLE
    if is_idle and connection.autocommit:
        raise _not_usable("It is in autocommit mode and in no transaction.")
    if connection.info.encoding != "utf-8":
        raise _not_usable("Its client_encoding is not UTF8.")
    if connection.info.pipeline_status != PipelineStatus.OFF:
        raise _not_usable("It is in pipeline mode, and answers later.")


def _not_usable(problem: str) -> JournalError:
    return JournalError(
        f"The payout cannot be accepted on this connection. {problem}",
        hint="Give the psycopg connection to the journal's database on which your own transaction is open.",
    )
