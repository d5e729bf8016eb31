"""The writer: one connection through which every entry goes, many entries to a commit when many are waiting.

A lone caller commits in its own thread. While another writes, entries queue, and one thread takes up to
64 of them into one transaction, a savepoint each: one bad entry does not undo its neighbours.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic

from payments_core.domain.errors import JournalError
from payments_core.journal.closed_errors import closed, forked
from payments_core.journal.sqlite.connection import LEVELS, SQLITE_ERRORS, is_busy
from payments_core.journal.waiters import (
    BlockingWaiter,
    Entry,
    Failed,
    FutureWaiter,
    LoopWaiter,
    Reply,
    Waiter,
    Wrote,
    set_outcomes,
)

__all__ = ["LARGEST_GROUP", "Writer"]

LARGEST_GROUP = 64


class Writer(Generic[Entry, Reply]):
    """Writes entries and answers when they are durable, or written if they need no flush.

    Args:
        connection: Durable, in autocommit mode, usable from any thread; the writer owns it from now on.
        apply: Writes one entry inside the open transaction and returns its reply; raising undoes this entry only.
        reopen: Opens and verifies the file after a failure; raises ``JournalError`` while it cannot be trusted.
        explain: Turns an error of SQLite into one for people.
        check: Called before each commit; raises ``JournalError`` where what it writes would be lost.
        needs_flush: Whether an entry must be durable when it is answered; a commit of others is not flushed.

    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        apply: Callable[[sqlite3.Connection, Entry], Reply],
        reopen: Callable[[], sqlite3.Connection],
        explain: Callable[[Exception], JournalError],
        check: Callable[[], None],
        needs_flush: Callable[[Entry], bool],
    ) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._apply = apply
        self._reopen = reopen
        self._explain = explain
        self._check = check
        self._needs_flush = needs_flush
        self._flushes = True  # what the connection does
        self._pid = os.getpid()
        # Entered as a bare lock: an interrupt inside Condition.__enter__ would leave it held.
        self._lock = threading.Lock()  # guards the four below
        self._changed = threading.Condition(self._lock)
        self._queue: deque[Waiter[Entry, Reply]] = deque()
        self._busy = False  # a thread uses the connection
        self._closing = False
        self._thread: threading.Thread | None = None
        self.commits = 0

    def execute(self, entry: Entry) -> Reply:
        """Write one entry and return its reply when it is durable.

        Raises:
            JournalClosed: Closed, or another process's.
            JournalError: Nothing of the entry is written, or, after a failed commit, it is not known; read it back.

        """
        self.check_open()
        done: list[Wrote[Reply] | Failed] = []
        alone = False
        try:
            with self._lock:
                if self._closing:
                    raise closed()
                if not self._busy and not self._queue:
                    self._busy = alone = True  # one statement, no call: an interrupt cannot come in between
            if alone:
                done = self._commit([entry])
        finally:
            if alone:
                self._busy = False  # here, not in a call: a call may be interrupted before its first line
                self._wake()
        if not alone:
            caller: BlockingWaiter[Entry, Reply] = BlockingWaiter(entry)
            return caller.wait(self._enqueue)
        if isinstance(outcome := done[0], Failed):
            raise outcome.error
        return outcome.reply

    def submit(self, entry: Entry) -> Future[Reply]:
        """Queue one entry for the writer's thread; cancelling the future before it is taken up writes nothing.

        Raises:
            JournalClosed: Closed, or another process's.

        """
        promise: FutureWaiter[Entry, Reply] = FutureWaiter(entry)
        self._enqueue(promise)
        return promise.future

    async def execute_async(self, entry: Entry) -> Reply:
        """Do the same for a task; one that is cancelled before its entry is taken up writes nothing.

        Raises:
            JournalClosed: Closed, or another process's.
            JournalError: As in ``execute``.

        """
        waiter: LoopWaiter[Entry, Reply] = LoopWaiter(entry)
        self._enqueue(waiter)
        return await waiter.future

    def check_open(self) -> None:
        """Refuse use after ``close`` or in a forked process; takes no lock, as a fork may have left it held.

        Raises:
            JournalClosed: Closed, or another process's.

        """
        if os.getpid() != self._pid:
            raise forked(self._pid)
        if self._closing:
            raise closed()

    def close(self) -> bool:
        """Write what is queued, then close; False in a forked process, where the connection is left alone."""
        if os.getpid() != self._pid:
            return False  # closing it here could touch the parent's files
        with self._lock:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self._dispose()
        elif thread is not threading.current_thread():  # a future's callback may close us: the thread ends by itself
            thread.join()
        return True

    def _enqueue(self, member: Waiter[Entry, Reply]) -> None:
        self.check_open()
        with self._lock:
            self.check_open()
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="payments-journal", daemon=True)
                thread.start()
                self._thread = thread
            self._queue.append(member)
            if not self._busy:
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._lock:
            if self._queue or self._closing:
                self._changed.notify_all()

    def _dispose(self) -> None:
        with self._lock:
            while self._busy:
                self._changed.wait()
            self._discard()

    def _work(self) -> None:
        while group := self._next_group():
            members = [member for member in group if member.take_up()]
            try:
                done = self._commit([member.entry for member in members])
            except BaseException as error:  # noqa: BLE001 - whatever it is, the callers get it and the writer lives
                done = [Failed(error) for _ in members]
            self._busy = False
            self._wake()
            set_outcomes(members, done)
            del group, members, done  # holds no payee while it waits
        self._dispose()

    def _next_group(self) -> list[Waiter[Entry, Reply]]:
        with self._lock:
            while self._busy or not self._queue:
                if self._closing and not self._queue:
                    return []
                # Bounded while entries wait: the thread that wakes this one may be interrupted just before it does.
                self._changed.wait(1.0 if self._queue else None)
            self._busy = True
            return [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_GROUP))]

    def _commit(self, entries: Sequence[Entry]) -> list[Wrote[Reply] | Failed]:
        """Write entries in one transaction; each gets the error that fails all of them."""
        if not entries:
            return []
        try:
            return self._commit_group(entries)
        except SQLITE_ERRORS as error:
            connection = self._connection
            if connection is None or connection.in_transaction or not is_busy(error):
                self._discard()
            return [Failed(self._caused(error)) for _ in entries]
        except JournalError as error:  # it could not be reopened, or is not where it was
            self._discard()
            return [Failed(type(error)(error.message, hint=error.hint)) for _ in entries]
        except BaseException:
            self._discard()  # interrupted anywhere: the open transaction goes with the connection
            raise

    def _commit_group(self, entries: Sequence[Entry]) -> list[Wrote[Reply] | Failed]:
        if self._connection is None:
            self._connection, self._flushes = self._reopen(), True
        connection = self._connection
        if (needs_flush := any(map(self._needs_flush, entries))) is not self._flushes:
            connection.execute(LEVELS[needs_flush])
            self._flushes = needs_flush
        connection.execute("BEGIN IMMEDIATE")
        done = [self._apply_one(connection, entry) for entry in entries]
        self._check()
        connection.execute("COMMIT")
        self.commits += 1
        return done

    def _apply_one(self, connection: sqlite3.Connection, entry: Entry) -> Wrote[Reply] | Failed:
        connection.execute("SAVEPOINT entry")
        try:
            reply = self._apply(connection, entry)
        except BaseException as error:
            if not connection.in_transaction:  # SQLite undid everything, the neighbours too
                raise
            connection.execute("ROLLBACK TO entry")
            connection.execute("RELEASE entry")
            return Failed(self._caused(error) if isinstance(error, SQLITE_ERRORS) else error)
        connection.execute("RELEASE entry")
        return Wrote(reply)

    def _caused(self, error: Exception) -> JournalError:
        # A new one for each member: an exception raised in several threads mixes up its tracebacks.
        explained = self._explain(error)
        explained.__cause__ = error
        return explained

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
