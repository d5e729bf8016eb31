"""Waiting on an event loop; ``threads`` has the same names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
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

_PAGE = 100

BoundedSemaphore = asyncio.BoundedSemaphore
Lock = asyncio.Lock
sleep = asyncio.sleep


async def run_blocking(call: Callable[..., T], *args: Any) -> T:
    """Return what a blocking call returns; it runs in a thread."""
    return await asyncio.to_thread(call, *args)


async def read(journal: Journal, call: Callable[..., T], *args: Any) -> T:
    """Return what a call reads from the journal; in a thread where a server has to answer first."""
    return await run_blocking(call, *args) if journal.is_remote else call(*args)


async def result_of(future: Future[T], timeout_s: float | None = None) -> T:
    """Return the result of a future of the standard library.

    Raises:
        TimeoutError: It has none within this many seconds.

    """
    async with asyncio.timeout(timeout_s):
        return await asyncio.wrap_future(future)


async def try_acquire(semaphore: BoundedSemaphore) -> bool:
    """Take a permit of a semaphore if one is free; say whether it was."""
    return not semaphore.locked() and await semaphore.acquire()  # a free one is taken without giving way


async def execute(journal: Journal, command: JournalCommand) -> JournalResult:
    """Carry out a command of the journal."""
    return await journal.execute_async(command)


async def iterate(items: Iterator[T]) -> AsyncIterator[T]:
    """Yield what a blocking iterator yields; it runs in a thread, a hundred items at a time."""
    while page := await run_blocking(lambda: list(islice(items, _PAGE))):
        for item in page:
            yield item


async def each(call: Callable[[A], Awaitable[T]], items: Iterable[A]) -> AsyncGenerator[T]:
    """Yield the result of a call for each item as it comes; the calls run side by side.

    Closing the generator cancels the calls that have not ended.
    """
    tasks = [asyncio.ensure_future(call(item)) for item in items]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_of(call: Callable[[A], Awaitable[T]], items: Iterable[A]) -> list[T]:
    """Return the results of a call for each item, in their order; the calls run side by side, each to its end.

    Raises:
        BaseException: What the first of the failed calls raised, when all have ended.

    """
    ended = await asyncio.gather(*(call(item) for item in items), return_exceptions=True)
    results = []
    for one in ended:
        if isinstance(one, BaseException):
            raise one
        results.append(one)
    return results


class SingleFlight(Generic[T]):
    """A value that is fetched once however many callers ask for it, and kept as long as it is fresh.

    No caller owns the fetch: one that is cancelled harms no other.

    Args:
        fetch: Fetches it.
        is_fresh: Whether a value may still be used.
        interrupted: Returns what the callers get when the fetch is interrupted.
        on_drop: Called with a value that is dropped.

    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[T]],
        *,
        is_fresh: Callable[[T], bool],
        interrupted: Callable[[], T],
        on_drop: Callable[[T], None] = lambda _: None,
    ) -> None:
        self._fetch = fetch
        self._is_fresh = is_fresh
        self._interrupted = interrupted
        self._on_drop = on_drop
        self._value: T | None = None
        self._fetching: asyncio.Task[T] | None = None

    @property
    def is_fetching(self) -> bool:
        """Whether a fetch is under way."""
        return self._fetching is not None

    @property
    def is_ready(self) -> bool:
        """Whether there is a fresh value."""
        return self._value is not None and self._is_fresh(self._value)

    async def get(self) -> T:
        """Return a fresh value, or what a fetch returns; what it raises is raised to everyone who waits for it."""
        if (value := self._value) is not None and self._is_fresh(value):
            return value
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch_for_all())
        return await asyncio.shield(self._fetching)

    def put(self, value: T) -> None:
        """Keep this value from now on."""
        self._value = value

    def drop(self, value: T) -> None:
        """Forget a value that was refused; a newer one stays."""
        if self._value is value:
            self._value = None
            self._on_drop(value)

    async def close(self) -> None:
        """Interrupt a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetch_for_all(self) -> T:
        try:
            self._value = await self._fetch()
            return self._value
        except asyncio.CancelledError:  # by close(): a waiter that is cancelled does not reach this task
            return self._interrupted()
        finally:
            self._fetching = None
