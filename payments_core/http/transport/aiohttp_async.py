"""The asynchronous transport, on aiohttp."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.http.transport.exchange import KEEP_ALIVE_S, Exchange, TooLate, default_tls, unusable

__all__ = ["AiohttpTransport"]

# Raised while waiting for a connection or making one.
_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_SHORTEST_S = 0.001  # aiohttp takes 0 for "no limit"
_NEVER_ROUND_S = float("inf")  # aiohttp lets longer time-outs end on a whole second
_NO_FIELDS_OF_ITS_OWN = ("Accept", "Content-Type")


class _ConnectionLost(Exception):
    """A connection broke under a request."""


class _HasMore(Exception):
    """More has come over a connection than was asked for; nothing was written."""


_EXCHANGE: ContextVar[Exchange] = ContextVar("_EXCHANGE")  # the one that this task is in


class _WatchedRequest(aiohttp.ClientRequest):
    """A request that tells its exchange of the first byte, and is not written where something unasked has come."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Write the request: the one place in which the library has a connection and has written nothing yet."""
        if conn.protocol is not None and conn.protocol.should_close:
            conn.close()
            raise _HasMore  # it would be taken for the answer
        exchange = _EXCHANGE.get()
        exchange.connected = True
        exchange.about_to_write()  # what it raises closes the connection
        return await super().send(conn)


class AiohttpTransport:
    """Sends through one session of aiohttp; opened by the first request, on that request's event loop.

    Args:
        max_connections: Connections at once; who finds none free waits.
        clock: Returns the present moment; aware, UTC.
        tls: For servers with certificates of their own; by default what the operating system trusts.

    """

    def __init__(
        self, *, max_connections: int, clock: Callable[[], datetime], tls: ssl.SSLContext | None = None
    ) -> None:
        _check_library()
        self._max_connections = max_connections
        self._clock = clock
        self._tls = tls or default_tls()
        self._closed = False
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send the request at most once and return the complete answer; see ``AsyncTransport``."""
        session = self._opened()
        exchange = Exchange(request, self._clock)
        entered = _EXCHANGE.set(exchange)
        try:
            response = await _answer(session, exchange)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling() or not self._closed:
                raise
            # The caller was not cancelled: aiohttp cancels waiters for a connection when it closes.
            ended = exchange.ended(TooLate("the transport was closed"), unsent=())
        except Exception as error:  # noqa: BLE001 whatever a library raises, there is no answer
            # The total time-out is a bare TimeoutError: it counts while no connection was had at all.
            unsent = _UNSENT if exchange.connected else (*_UNSENT, TimeoutError)
            ended = exchange.ended(error, unsent=unsent)
        else:
            exchange.check_seam()
            return response
        finally:
            _EXCHANGE.reset(entered)
        raise ended  # out here, so that the native error, whose text may hold the address, is not chained to it

    async def aclose(self) -> None:
        """Close every connection; a request in flight ends with ``NoAnswer``."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("This transport is closed.")
        loop = asyncio.get_running_loop()
        if self._session is None:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections, keepalive_timeout=KEEP_ALIVE_S, ssl=self._tls
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=_NO_FIELDS_OF_ITS_OWN,
                middlewares=(_without_retry,),
                request_class=_WatchedRequest,
            )
        elif self._loop is not loop:
            raise RuntimeError("This transport belongs to another event loop; make one for each.")
        return self._session


@functools.cache
def _check_library() -> None:
    """Refuse a library in which what this module overrides or looks at has another name or is gone.

    Raises:
        SettingsError: With the version that is installed; nothing was sent.

    """
    needed = {
        "ClientRequest.send": getattr(aiohttp.ClientRequest, "send", None),
        "Connection.protocol": getattr(aiohttp.connector.Connection, "protocol", None),
        "ResponseHandler.should_close": getattr(ResponseHandler, "should_close", None),
    }
    if missing := [name for name, found in needed.items() if found is None]:
        raise unusable("aiohttp", why=f"{', '.join(missing)} is gone")


async def _answer(session: aiohttp.ClientSession, exchange: Exchange) -> HttpResponse:
    exchange.still_in_time()
    request = exchange.request
    async with session.request(
        request.method,
        URL(request.url, encoded=True),  # as the provider wrote it: a signature may cover it
        headers=exchange.headers(),
        data=None if request.body is None else request.body.encode(),
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(
            total=max(exchange.left_s(), _SHORTEST_S),
            connect=max(exchange.left_to_write_s(), _SHORTEST_S),
            ceil_threshold=_NEVER_ROUND_S,
        ),
    ) as response:
        while chunk := await response.content.readany():
            exchange.take(chunk)
        return exchange.complete(response.status, response.headers.items())


async def _without_retry(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Hide a broken connection from the session, which would send PUT, DELETE and GET a second time on a new one."""
    try:
        while True:
            try:
                return await send(request)
            except _HasMore:  # closed by now: the next one is another
                continue
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLost from error
