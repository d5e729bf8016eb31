"""Waiting in threads; ``tasks`` has the same names."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from payments_core.engine.commands import JournalCommand, JournalResult
from payments_core.engine.journal_protocol import Journal

__all__ = [
    "BoundedSemaphore",
    "Lock",
    "SingleFlight",
    "all_of",
    "each",
    "execute",
    "iterate",
    "read",
    "result_of",
    "run_blocking",
    "sleep",
    "try_acquire",
]

A = TypeVar("A")
T = TypeVar("T")

BoundedSemaphore = threading.BoundedSemaphore
Lock = threading.Lock
sleep = time.sleep


def run_blocking(call: Callable[..., T], *args: Any) -> T:
    """Return what a blocking call returns."""
    return call(*args)


def read(journal: Journal, call: Callable[..., T], *args: Any) -> T:
    """Return what a call reads from the journal."""
    return call(*args)


def result_of(future: Future[T], timeout_s: float | None = None) -> T:
    """Return the result of a future of the standard library.

    Raises:
        TimeoutError: It has none within this many seconds.

    """
    return future.result(timeout_s)


def try_acquire(semaphore: BoundedSemaphore) -> bool:
    """Take a permit of a semaphore if one is free; say whether it was."""
    return semaphore.acquire(blocking=False)


def execute(journal: Journal, command: JournalCommand) -> JournalResult:
    """Carry out a command of the journal; a lone caller writes it itself."""
    return journal.execute(command)


def iterate(items: Iterator[T]) -> Iterator[T]:
    """Return a blocking iterator as it is."""
    return items


def each(call: Callable[[A], T], items: Iterable[A]) -> Generator[T]:
    """Yield the result of a call for each item, one after the other.

    Closing the generator leaves out the calls that have not begun.
    """
    for item in items:
        yield call(item)


def all_of(call: Callable[[A], T], items: Iterable[A]) -> list[T]:
    """Return the results of a call for each item, in their order; the calls run side by side, each to its end.

    Raises:
        BaseException: What the first of the failed calls raised, when all have ended.

    """
    calls = list(items)
    if len(calls) <= 1:
        return [call(item) for item in calls]
    with ThreadPoolExecutor(len(calls), "payments-all-of") as pool:
        futures = [pool.submit(copy_context().run, call, item) for item in calls]
    return [future.result() for future in futures]


class SingleFlight(Generic[T]):
    """A value that is fetched once however many callers ask for it, and kept as long as it is fresh.

    The first caller fetches it in its own thread; the others wait for that.

    Args:
        fetch: Fetches it.
        is_fresh: Whether a value may still be used.
        interrupted: Returns what the callers get when the fetch is interrupted.
        on_drop: Called with a value that is dropped.

    """

    def __init__(
        self,
        fetch: Callable[[], T],
        *,
        is_fresh: Callable[[T], bool],
        interrupted: Callable[[], T],
        on_drop: Callable[[T], None] = lambda _: None,
    ) -> None:
        self._fetch = fetch
        self._is_fresh = is_fresh
        self._interrupted = interrupted
        self._on_drop = on_drop
        self._lock = threading.Lock()  # guards the two below
        self._value: T | None = None
        self._fetching: Future[T] | None = None

    @property
    def is_fetching(self) -> bool:
        """Whether a fetch is under way."""
        return self._fetching is not None

    @property
    def is_ready(self) -> bool:
        """Whether there is a fresh value."""
        return (value := self._value) is not None and self._is_fresh(value)

    def get(self) -> T:
        """Return a fresh value, or what a fetch returns; what it raises is raised to everyone who waits for it."""
        with self._lock:
            if (value := self._value) is not None and self._is_fresh(value):
                return value
            fetching, is_leader = self._fetching, self._fetching is None
            if fetching is None:
                fetching = self._fetching = Future()
        if is_leader:
            self._fetch_for_all(fetching)
        return fetching.result()

    def put(self, value: T) -> None:
        """Keep this value from now on."""
        with self._lock:
            self._value = value

    def drop(self, value: T) -> None:
        """Forget a value that was refused; a newer one stays."""
        with self._lock:
            if self._value is value:
                self._value = None
                self._on_drop(value)

    def close(self) -> None:
        """Do nothing: the thread that fetches ends by its own time-out."""

    def _fetch_for_all(self, fetching: Future[T]) -> None:
        try:
            value = self._fetch()
            self.put(value)
            fetching.set_result(value)
        except Exception as error:
            fetching.set_exception(error)
            raise
        except BaseException:  # a KeyboardInterrupt is for this thread, not for those who wait with it
            if not fetching.done():
                fetching.set_result(self._interrupted())
            raise
        finally:
            with self._lock:
                self._fetching = None
