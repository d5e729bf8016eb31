"""Sends callbacks to receivers on this machine, on the server's event loop.

HTTP is written by hand: one request for each connection, no redirect, no proxy, no name resolution, no TLS. So no
callback can leave this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from payments_core.testing.emulator.callback_queue import Callback, CallbackBook
from payments_core.testing.emulator.destinations import Destination

__all__ = ["CallbackDispatcher"]

_AT_ONCE = 16  # concurrent callbacks
_MOST = 65_536  # bytes read of a receiver's answer


class CallbackDispatcher:
    """Sends the due callbacks of a book.

    Args:
        book: The planned callbacks and their results.
        lock: Held while the book is used.
        clock: The gateway's clock.
        timeout_s: Seconds for one delivery attempt.

    """

    def __init__(
        self,
        book: CallbackBook,
        *,
        lock: AbstractContextManager[bool],
        clock: Callable[[], datetime],
        timeout_s: float,
    ) -> None:
        self._book = book
        self._lock = lock
        self._clock = clock
        self._timeout_s = timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watched: dict[Callback, asyncio.Event] = {}

    async def run(self) -> None:
        """Send until cancelled; then attempts in progress are aborted, and waiting callbacks stay waiting."""
        self._loop, self._awake = asyncio.get_running_loop(), asyncio.Event()
        places = asyncio.Semaphore(_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as under_way:
                while True:
                    self._awake.clear()
                    with self._lock:
                        due, wait_s = self._book.due(self._clock())
                    for callback in due:
                        under_way.create_task(self._deliver(callback, places))
                    # Not `wait_for`: in Python 3.11 it may swallow a cancellation, and the loop would never stop.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await self._awake.wait()
        finally:
            self._loop = None
            with self._lock:
                self._book.put_back()
            for tried in self._watched.values():
                tried.set()

    def wake(self) -> None:
        """Look for due callbacks again; callable from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was just closed
                loop.call_soon_threadsafe(self._awake.set)

    async def first_try(self, callback: Callback) -> None:
        """Wait for a callback's first delivery attempt or the end of the dispatcher; on the dispatcher's loop."""
        if callback.state in {"waiting", "sending"} and not callback.attempts and self._loop is not None:
            await self._watched.setdefault(callback, asyncio.Event()).wait()

    async def _deliver(self, callback: Callback, places: asyncio.Semaphore) -> None:
        async with places:
            answer, failed, loop = None, "the emulator stopped", asyncio.get_running_loop()
            began = loop.time()
            try:
                answer, failed = await self._try(callback)
            finally:
                with self._lock:
                    self._book.note(callback, answer, failed, loop.time() - began)
                if tried := self._watched.pop(callback, None):
                    tried.set()
                self._awake.set()

    async def _try(self, callback: Callback) -> tuple[int | None, str]:
        """Send a callback once; return the answer's status, or None and how it failed."""
        if isinstance(callback.destination, str):
            return None, callback.destination
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    reader, writer = await _connect(callback.destination)
                except OSError:
                    return None, "no connection"
                try:
                    writer.write(_request(callback, callback.destination))
                    return await _status(reader), ""
                finally:
                    writer.transport.abort()
        except TimeoutError:
            return None, "timed out"
        except (OSError, EOFError):
            return None, "broken off"
        except (ValueError, asyncio.LimitOverrunError):
            return None, "answered without HTTP"


async def _connect(destination: Destination) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    *others, last = destination.addresses
    for address in others:
        with contextlib.suppress(ConnectionRefusedError):
            return await asyncio.open_connection(address, destination.port)
    return await asyncio.open_connection(last, destination.port)


def _request(callback: Callback, destination: Destination) -> bytes:
    lines = [f"{callback.method} {destination.target} HTTP/1.1", f"host: {destination.host}"]
    lines += [f"{name}: {value}" for name, value in callback.headers.items()]
    lines += [f"content-length: {len(callback.body)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + callback.body


async def _status(reader: asyncio.StreamReader) -> int:
    """Return an answer's status once the whole answer has arrived."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        if not (found := re.match(rb"HTTP/1\.[01] (\d{3})[ \r]", head)):
            raise ValueError("no HTTP")
        status = int(found[1])
        if status >= 200:  # interim answers precede the final one
            break
    length = re.search(rb"(?i)\r\ncontent-length: *(\d{1,9})\r", head)
    with contextlib.suppress(OSError, EOFError):  # the status is known by now
        await (reader.readexactly(min(int(length[1]), _MOST)) if length else reader.read(_MOST))
    return status
