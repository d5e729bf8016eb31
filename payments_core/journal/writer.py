"""The writer: one connection through which every entry goes, many entries to a commit when many are waiting.

A lone caller commits in its own thread. When somebody is writing already, entries queue, and one thread takes up to
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
from dataclasses import dataclass
from typing import Generic, TypeVar

from payments_core.errors import JournalClosed, JournalError
from payments_core.journal.connection import is_busy

__all__ = ["LARGEST_GROUP", "Writer"]

LARGEST_GROUP = 64

Entry = TypeVar("Entry")
Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class _Wrote(Generic[Reply]):
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


class Writer(Generic[Entry, Reply]):
    """Writes entries and answers when they are durable.

    Args:
        connection: Durable, in autocommit mode, usable from any thread; the writer owns it from now on.
        apply: Writes one entry inside the open transaction and returns its reply; raising undoes this entry only.
        reopen: Opens and verifies the file after a failure; raises ``JournalError`` while it cannot be trusted.
        explain: Turns an error of SQLite into one for people.

    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        apply: Callable[[sqlite3.Connection, Entry], Reply],
        reopen: Callable[[], sqlite3.Connection],
        explain: Callable[[sqlite3.Error], JournalError],
    ) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._apply = apply
        self._reopen = reopen
        self._explain = explain
        self._pid = os.getpid()
        self._turn = threading.Condition()  # guards the four below
        self._queue: deque[tuple[Entry, Future[Reply]]] = deque()
        self._busy = False  # somebody uses the connection
        self._closing = False
        self._thread: threading.Thread | None = None
        self.commits = 0

    def perform(self, entry: Entry) -> Reply:
        """Write one entry and return its reply when it is durable.

        Raises:
            JournalClosed: Closed, or another process's.
            JournalError: Nothing of the entry is written, or, after a failed commit, it is not known; read it back.

        """
        self.check_open()
        done: list[_Wrote[Reply] | _Failed] = []
        alone = False
        try:
            with self._turn:
                self.check_open()
                if not self._busy and not self._queue:
                    self._busy = alone = True  # one statement, no call: an interrupt cannot come in between
            if alone:
                done = self._commit([entry])
        finally:
            if alone:
                self._end_turn()
        if alone:
            return _result(done[0])
        future = self.submit(entry)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupted caller leaves nothing behind that is not yet taken up
            raise

    def submit(self, entry: Entry) -> Future[Reply]:
        """Queue one entry for the writer's thread; cancelling the future before it is taken up writes nothing.

        Raises:
            JournalClosed: Closed, or another process's.

        """
        self.check_open()
        future: Future[Reply] = Future()
        with self._turn:
            self.check_open()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="payments-journal", daemon=True)
                self._thread.start()
            self._queue.append((entry, future))
            if not self._busy:
                self._turn.notify_all()
        return future

    def check_open(self) -> None:
        """Refuse use after ``close`` or in a forked process; takes no lock, as a fork may have left it held.

        Raises:
            JournalClosed: Closed, or another process's.

        """
        if os.getpid() != self._pid:
            raise JournalClosed(
                f"This journal was opened by process {self._pid} and cannot be used in its fork {os.getpid()}.",
                hint="Make a new client after the fork.",
            )
        if self._closing:
            raise JournalClosed("The journal is closed.", hint="Make a new client.")

    def close(self) -> bool:
        """Write what is queued, then close; say False in a forked process, where the connection is left alone."""
        if os.getpid() != self._pid:
            return False  # closing it here could touch the parent's files
        with self._turn:
            self._closing = True
            self._turn.notify_all()
            thread = self._thread
        if thread is None:
            self._dispose()
        elif thread is not threading.current_thread():  # a future's callback may close us: the thread ends by itself
            thread.join()
        return True

    def _dispose(self) -> None:
        with self._turn:
            while self._busy:
                self._turn.wait()
            self._discard()

    def _work(self) -> None:
        while group := self._next_group():
            members = [(entry, future) for entry, future in group if future.set_running_or_notify_cancel()]
            try:
                done = self._commit([entry for entry, _ in members])
            except BaseException as error:  # noqa: BLE001 - whatever it is, the callers hear of it and the writer lives
                done = [_Failed(error) for _ in members]
            self._end_turn()
            for (_, future), outcome in zip(members, done, strict=True):
                _tell(future, outcome)
            del group, members, done  # holds no payee while it waits
        self._dispose()

    def _next_group(self) -> list[tuple[Entry, Future[Reply]]]:
        with self._turn:
            while self._busy or not self._queue:
                if self._closing and not self._queue:
                    return []
                self._turn.wait()
            self._busy = True
            return [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_GROUP))]

    def _end_turn(self) -> None:
        with self._turn:
            self._busy = False
            if self._queue or self._closing:
                self._turn.notify_all()

    def _commit(self, entries: Sequence[Entry]) -> list[_Wrote[Reply] | _Failed]:
        """Write entries in one transaction; what fails all of them is told to each."""
        if not entries:
            return []
        try:
            return self._commit_group(entries)
        except sqlite3.Error as error:
            connection = self._connection
            if connection is None or connection.in_transaction or not is_busy(error):
                self._discard()
            return [_Failed(self._caused(error)) for _ in entries]
        except JournalError as error:  # it could not be reopened
            return [_Failed(type(error)(error.message, hint=error.hint)) for _ in entries]
        except BaseException:
            self._discard()  # interrupted anywhere: the open transaction goes with the connection
            raise

    def _commit_group(self, entries: Sequence[Entry]) -> list[_Wrote[Reply] | _Failed]:
        if self._connection is None:
            self._connection = self._reopen()
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        done = [self._apply_one(connection, entry) for entry in entries]
        connection.execute("COMMIT")
        self.commits += 1
        return done

    def _apply_one(self, connection: sqlite3.Connection, entry: Entry) -> _Wrote[Reply] | _Failed:
        connection.execute("SAVEPOINT entry")
        try:
            reply = self._apply(connection, entry)
        except BaseException as error:
            if not connection.in_transaction:  # SQLite undid everything, the neighbours too
                raise
            connection.execute("ROLLBACK TO entry")
            connection.execute("RELEASE entry")
            return _Failed(self._caused(error) if isinstance(error, sqlite3.Error) else error)
        connection.execute("RELEASE entry")
        return _Wrote(reply)

    def _caused(self, error: sqlite3.Error) -> JournalError:
        # A new one for each member: an exception raised in several threads mixes up its tracebacks.
        told = self._explain(error)
        told.__cause__ = error
        return told

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _result(outcome: _Wrote[Reply] | _Failed) -> Reply:
    if isinstance(outcome, _Failed):
        raise outcome.error
    return outcome.reply


def _tell(future: Future[Reply], outcome: _Wrote[Reply] | _Failed) -> None:
    with contextlib.suppress(BaseException):  # a callback of the caller's must not end the writer
        if isinstance(outcome, _Failed):
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome.reply)
