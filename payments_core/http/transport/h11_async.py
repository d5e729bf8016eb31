"""The asynchronous transport, on connections of the event loop; answers are read as by the synchronous one."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from typing import cast

from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.http.transport.answers import AnswerReader
from payments_core.http.transport.exchange import KEEP_ALIVE_S, Exchange, TooLate, default_tls
from payments_core.http.transport.h11_sync import (
    ConnectError,
    ConnectTimeout,
    Endpoint,
    is_readable,
    split_address,
)

__all__ = ["AsyncH11Transport"]


class AsyncH11Transport:
    """Sends over long-lived connections of one event loop, that of the first request.

    Args:
        max_connections: Connections at once; who finds none free waits.
        clock: Returns the present moment; aware, UTC.
        tls: For servers with certificates of their own; by default what the operating system trusts.

    """

    def __init__(
        self, *, max_connections: int, clock: Callable[[], datetime], tls: ssl.SSLContext | None = None
    ) -> None:
        self._clock = clock
        self._tls = tls or default_tls()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = asyncio.Semaphore(max_connections)
        # Last in, first out: as few connections as possible, all of them warm.
        self._free: list[_Connection] = []
        self._open: set[_Connection] = set()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send the request at most once and return the complete answer; see ``AsyncTransport``."""
        self._check_usable()
        exchange = Exchange(request, self._clock)
        try:
            return await self._answer(exchange)
        except Exception as error:  # noqa: BLE001 whatever is raised, there is no answer
            ended = exchange.ended(error, unsent=(ConnectError,))
        raise ended  # out here, so that the native error, whose text may hold the answer, is not chained to it

    async def aclose(self) -> None:
        """Close every connection; a request in flight ends with ``NoAnswer``."""
        self._closed = True
        for connection in tuple(self._open):
            connection.close()
        self._free.clear()
        await asyncio.sleep(0)  # the event loop closes them

    def _check_usable(self) -> None:
        if self._closed:
            raise RuntimeError("This transport is closed.")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("This transport belongs to another event loop; make one for each.")

    async def _answer(self, exchange: Exchange) -> HttpResponse:
        server, target = split_address(exchange.request.url)
        await self._take_place(exchange)
        connection: _Connection | None = None
        try:
            while self._free and connection is None:
                connection = self._free.pop()
                if not connection.is_usable(server):
                    self._drop(connection)
                    connection = None
            if connection is None:
                connection = await _connected(server, exchange, self._tls)
                self._open.add(connection)
                if self._closed:
                    raise TooLate("the transport was closed")
            return await connection.answer(exchange, target)
        finally:
            if connection is not None:
                self._put_back(connection)
            self._places.release()

    async def _take_place(self, exchange: Exchange) -> None:
        left_s = exchange.still_in_time()
        if self._places.locked():
            try:
                async with asyncio.timeout(left_s):
                    await self._places.acquire()
            except TimeoutError:
                raise TooLate("no connection became free in time") from None
        else:
            await self._places.acquire()
        if self._closed:
            self._places.release()
            raise TooLate("the transport was closed")

    def _put_back(self, connection: _Connection) -> None:
        if connection.is_idle and not self._closed:
            self._free.append(connection)
        else:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        connection.close()
        self._open.discard(connection)


class _Connection(asyncio.Protocol):
    """One connection to one server, for one exchange at a time.

    It is idle only between a complete answer and the next request. Whatever ends an exchange otherwise, a cancellation
    included, leaves it as it is: then it is never used again.
    """

    def __init__(self, server: str, field: str) -> None:
        self._server = server
        self._field = field  # `Host`
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader | None = None
        self._waiter: asyncio.Future[tuple[HttpResponse, bool]] | None = None
        self._idle_since = 0.0
        self.is_idle = False

    def is_usable(self, server: str) -> bool:
        """Whether a request may be written: to this server, soon enough, and nothing came since the last answer."""
        is_warm = self.is_idle and server == self._server and time.monotonic() - self._idle_since <= KEEP_ALIVE_S
        return is_warm and self._transport is not None and not is_readable(self._transport.get_extra_info("socket"))

    def close(self) -> None:
        """Close it; an exchange that waits ends without an answer."""
        self.is_idle = False
        if self._transport is not None:
            self._transport.abort()

    async def answer(self, exchange: Exchange, target: str) -> HttpResponse:
        """Write the request once, and wait for the end of the answer."""
        self.is_idle = False
        loop, transport = asyncio.get_running_loop(), self._transport
        if transport is None or transport.is_closing():
            raise ConnectError("the server has closed the new connection")
        message = exchange.message(self._field, target)
        exchange.about_to_write()
        self._reader, self._waiter = AnswerReader(exchange), loop.create_future()
        transport.write(message)
        timer = loop.call_later(exchange.left_s(), self._fail, TimeoutError())
        try:
            response, is_done = await self._waiter
        finally:
            timer.cancel()
            self._reader = self._waiter = None
        self.is_idle = is_done and not transport.is_closing() and not transport.get_write_buffer_size()
        self._idle_since = time.monotonic()
        return response

    # --- what the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on; what comes unasked makes the connection useless."""
        if self._reader is None or self._waiter is None or self._waiter.done():
            self.close()
            return
        try:
            answer = self._reader.receive(data)
        except Exception as error:  # noqa: BLE001 whatever it is, the exchange gets it
            self._fail(error)
        else:
            if answer is not None:
                self._waiter.set_result(answer)

    def eof_received(self) -> None:
        """Read to the end: an answer may end with the connection."""
        self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """End an exchange that still waits."""
        self.is_idle = False
        self._fail(exc or ConnectionResetError())

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


async def _connected(server: str, exchange: Exchange, tls: ssl.SSLContext) -> _Connection:
    """Return a new connection; over TLS the server has proven its name."""
    at = Endpoint.of(server)
    try:
        async with asyncio.timeout(exchange.still_in_time()):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(server, at.field), at.host, at.port, ssl=tls if at.is_tls else None
            )
    except (OSError, ValueError) as error:  # a host name that cannot be one is a ValueError
        raise (ConnectTimeout if isinstance(error, TimeoutError) else ConnectError) from error
    return connection
