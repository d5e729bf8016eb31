"""Threads that work for a shared journal, each on a connection of its own; no more of them than are busy at once.

No thread of a caller touches a connection: Ctrl-C, which strikes anywhere in the main thread, finds callers waiting at
a bare lock, and never a connection in the middle of a message.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from payments_core.journal.closed_errors import closed, forked
from payments_core.journal.waiters import BlockingWaiter, Failed, FutureWaiter, Wrote

__all__ = ["ThreadPool"]

T = TypeVar("T")


class Tool(Protocol):
    """What a thread works with; only ever used in that thread."""

    def close(self) -> None:
        """Give it back."""
        ...


U = TypeVar("U", bound=Tool)
_Member: TypeAlias = "BlockingWaiter[Callable[[U], T], T] | FutureWaiter[Callable[[U], T], T]"


class ThreadPool(Generic[U]):
    """Does jobs in threads.

    Args:
        make_tool: Makes what a thread works with.
        size: How many threads at most.

    """

    def __init__(self, make_tool: Callable[[], U], *, size: int) -> None:
        self._make_tool = make_tool
        self._size = size
        self._pid = os.getpid()
        self._jobs: SimpleQueue[_Member[U, Any] | None] = SimpleQueue()
        self._lock = threading.Lock()  # guards the three below
        self._threads: set[threading.Thread] = set()
        self._undone = 0
        self._closing = False

    def execute(self, job: Callable[[U], T]) -> T:
        """Do a job and return its result.

        Raises:
            JournalClosed: Closed, or another process's.

        """
        caller: BlockingWaiter[Callable[[U], T], T] = BlockingWaiter(job)
        return caller.wait(self._enqueue)

    def submit(self, job: Callable[[U], T]) -> Future[T]:
        """Queue a job; cancelling the future before it is taken up does nothing at all.

        Raises:
            JournalClosed: Closed, or another process's.

        """
        promise: FutureWaiter[Callable[[U], T], T] = FutureWaiter(job)
        self._enqueue(promise)
        return promise.future

    def check_open(self) -> None:
        """Refuse use after ``close`` or in a forked process; takes no lock, as a fork may have left it held.

        Raises:
            JournalClosed: Closed, or another process's.

        """
        if os.getpid() != self._pid:
            raise forked(self._pid)
        if self._closing:
            raise closed()

    def close(self) -> None:
        """Do what is queued, then end; in a forked process nothing is touched."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._closing = True
            threads = set(self._threads)
            self._jobs.put(None)  # the thread that takes it passes it on
        for thread in threads:
            if thread is not threading.current_thread():  # a future's callback may close us
                thread.join()

    def _enqueue(self, member: _Member[U, Any]) -> None:
        self.check_open()
        with self._lock:
            self.check_open()
            # In this order: an interrupt in between leaves a thread too many, and never one too few.
            self._undone += 1
            if self._undone > len(self._threads) < self._size:
                thread = threading.Thread(target=self._work, name="payments-journal", daemon=True)
                thread.start()
                self._threads.add(thread)
            self._jobs.put(member)

    def _work(self) -> None:
        with self._lock:
            me = (
                threading.current_thread()
            )  # the thread that started this one may have been interrupted before it noted that
            if me not in self._threads and len(self._threads) >= self._size:
                return
            self._threads.add(me)
        tool = self._make_tool()
        while member := self._jobs.get():
            outcome: Wrote[Any] | Failed | None = None
            if member.take_up():
                try:
                    outcome = Wrote(member.entry(tool))
                except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it, and the thread lives
                    outcome = Failed(error)
            with self._lock:
                self._undone -= 1
            if outcome is not None:
                member.set_outcome(outcome)
            del member, outcome  # holds no payee while it waits
        self._jobs.put(None)
        tool.close()
