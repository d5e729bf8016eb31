"""Changes that wait for a shared transaction: what comes while one is under way goes into the next one together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

from payments_core.domain.errors import JournalClosed
from payments_core.journal.postgres.batch_statements import Member
from payments_core.journal.postgres.connection import ReadConnection
from payments_core.journal.postgres.thread_pool import ThreadPool
from payments_core.journal.waiters import Failed, FutureWaiter, Waiter, Wrote, set_outcomes

__all__ = ["Alone", "BatchQueue", "Waiting", "WriteBatch"]

_LARGEST_BATCH = 64

#: A member, and who waits for it to be written.
Waiting: TypeAlias = tuple[Member, Waiter[Any, Any]]
#: Writes the change of one member by itself.
Alone: TypeAlias = Callable[[ReadConnection], Any]
#: Writes a batch; for each member whether it was written, or what has to be done for it by itself.
WriteBatch: TypeAlias = Callable[[Sequence[Waiting], ReadConnection], Sequence[Wrote[Any] | Alone]]


class BatchQueue:
    """The members of one kind that wait. One batch is under way at a time, so that the next one can grow.

    Args:
        threads: Where a batch is written, and each member that has to be written by itself.
        write: Writes a batch; it raises nothing.

    """

    def __init__(self, threads: ThreadPool[ReadConnection], write: WriteBatch) -> None:
        self._threads = threads
        self._write = write
        self._lock = threading.Lock()  # guards the two below
        self._waiting: deque[Waiting] = deque()
        self._is_busy = False

    def enqueue(self, member: Member, waiter: Waiter[Any, Any]) -> None:
        """Queue a member for the next batch.

        Raises:
            JournalClosed: Closed, or another process's; the member is not written.

        """
        self._threads.check_open()
        with self._lock:
            self._waiting.append((member, waiter))
            is_busy = self._is_busy
        if not is_busy:  # only the thread that works sets it: an interrupt here leaves no queue that nobody works on
            try:
                self._threads.submit(self._work)
            except JournalClosed:
                with self._lock:
                    self._waiting = deque(one for one in self._waiting if one[1] is not waiter)
                raise

    def _work(self, reader: ReadConnection) -> None:
        """Write batches until nothing waits."""
        with self._lock:
            if self._is_busy:
                return
            self._is_busy = True
        while batch := self._next_batch():
            waiters = [waiter for _, waiter in batch]
            ended = list(zip(waiters, self._write(batch, reader), strict=True))
            written = {waiter: result for waiter, result in ended if isinstance(result, Wrote)}
            set_outcomes(written, written.values())
            for waiter, result in ended:
                if not isinstance(result, Wrote):
                    self._write_alone(waiter, result, reader)
            del batch, waiters, ended, written  # hold no payee while it waits

    def _next_batch(self) -> list[Waiting]:
        """Return what is written next, each payout once; the queue is free for another thread when there is nothing."""
        batch: dict[str, Waiting] = {}
        later: list[Waiting] = []
        with self._lock:
            while self._waiting and len(batch) < _LARGEST_BATCH:
                member, waiter = self._waiting.popleft()
                if member.payout_id in batch:
                    later.append((member, waiter))
                elif waiter.take_up():
                    batch[member.payout_id] = member, waiter
            self._waiting.extend(later)
            self._is_busy = bool(batch)
        return list(batch.values())

    def _write_alone(self, waiter: Waiter[Any, Any], write: Alone, reader: ReadConnection) -> None:
        """Write a member by itself: in another thread, so that the next batch does not wait for it."""
        try:
            alone = self._threads.submit(write)
        except JournalClosed:  # closing waits for this thread
            alone = FutureWaiter(None).future
            _run(alone, partial(write, reader))
        alone.add_done_callback(partial(_hand_over, waiter))


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - who waits gets it
        future.set_exception(error)


def _hand_over(waiter: Waiter[Any, Any], future: Future[Any]) -> None:
    error = future.exception()
    set_outcomes([waiter], [Wrote(future.result()) if error is None else Failed(error)])
