"""The synchronous transport, on httpx."""

from __future__ import annotations

import functools
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import httpcore  # httpx's own floor; these two lines are the whole switch to httpx2:
import httpx  # `import httpcore2 as httpcore` and `import httpx2 as httpx`

from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.http.transport.exchange import KEEP_ALIVE_S, Exchange, TooLate, default_tls, unusable

__all__ = ["HttpxTransport"]

# Raised while making a connection; httpx has no other use for them without a proxy.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)
_SHORTEST_S = 0.001  # a socket takes 0 for "do not wait", not for "too late"

# Whose answer this thread is reading: a connection outlives the exchange that opened it.
_reading: ContextVar[Exchange] = ContextVar("_reading")


class HttpxTransport:
    """Sends over long-lived connections of httpx; may be used from many threads.

    It talks to httpx's transport, one floor below ``httpx.Client``: the client would log every address at INFO,
    phone numbers included, and follow redirects, cookies and the environment, which a payment must not.

    Each connection belongs to one thread at a time. A pool of httpx shared by threads may close a connection that
    another has just begun to use (httpcore 1.0.9: 9 answers of 20,000 lost), and a lost answer is an unknown payment.

    Args:
        max_connections: Connections at once; who finds none free waits.
        clock: Returns the present moment; aware, UTC.
        tls: For servers with certificates of their own; by default what the operating system trusts.

    """

    def __init__(
        self, *, max_connections: int, clock: Callable[[], datetime], tls: ssl.SSLContext | None = None
    ) -> None:
        _check_library()
        self._clock = clock
        self._tls = tls or default_tls()
        self._closed = False
        self._closing = threading.Lock()
        # Last in, first out: as few connections as possible, all of them warm. None stands for one not yet made.
        self._free: queue.LifoQueue[httpx.HTTPTransport | None] = queue.LifoQueue()
        for _ in range(max_connections):
            self._free.put(None)

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send the request at most once and return the complete answer; see ``Transport``."""
        if self._closed:
            raise RuntimeError("This transport is closed.")
        exchange = Exchange(request, self._clock)
        try:
            with self._connection(exchange) as connection:
                response = _answer(connection, exchange)
        except Exception as error:  # noqa: BLE001 whatever a library raises, there is no answer
            ended = exchange.ended(error, unsent=_UNSENT)
        else:
            exchange.check_seam()
            return response
        raise ended  # out here, so that the native error, whose text may hold the address, is not chained to it

    def close(self) -> None:
        """Close every connection; one with a request in flight is closed when that has ended."""
        with self._closing:
            self._closed = True
            with suppress(queue.Empty):
                while True:
                    if connection := self._free.get_nowait():
                        connection.close()
            self._free.put(None)  # wakes one waiter; each wakes the next

    @contextmanager
    def _connection(self, exchange: Exchange) -> Iterator[httpx.HTTPTransport]:
        try:
            connection = self._free.get(timeout=max(exchange.still_in_time(), _SHORTEST_S))
        except queue.Empty:
            raise TooLate("no connection became free in time") from None
        token = _reading.set(exchange)
        try:
            if self._closed:
                raise TooLate("the transport was closed")
            exchange.connected = connection is not None
            connection = connection or self._made()
            yield connection
        finally:
            _reading.reset(token)
            if connection is not None and _has_more(connection):
                connection.close()
                connection = None
            with self._closing:
                if self._closed and connection is not None:
                    connection.close()
                self._free.put(None if self._closed else connection)

    def _made(self) -> httpx.HTTPTransport:
        one = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_S)
        return httpx.HTTPTransport(verify=self._tls, trust_env=False, retries=0, limits=one)


def _has_more(connection: httpx.HTTPTransport) -> bool:
    """Whether more has come than was asked for: it would be taken for the answer to the next request.

    What is still in the socket httpcore sees by itself; what it has read with the answer only its parser knows.
    """
    held: list[Any] = connection._pool.connections  # noqa: SLF001 - nothing public tells
    return any(_unread(one._connection) for one in held)  # noqa: SLF001


def _unread(connection: Any) -> bytes:
    unread: bytes = connection._h11_state.trailing_data[0]  # noqa: SLF001
    return unread


@functools.cache
def _check_library() -> None:
    """Refuse libraries in which what this module needs, beside their public interface, has another name or is gone.

    Raises:
        SettingsError: With the versions that are installed; nothing was sent.

    """
    origin = httpcore.Origin(b"http", b"localhost", 80)
    try:
        with httpx.HTTPTransport(verify=False, trust_env=False) as transport:  # it connects to nothing
            _has_more(transport)
        httpcore.HTTPConnection(origin)._connection  # noqa: B018, SLF001
        _unread(httpcore.HTTP11Connection(origin, httpcore.MockStream([])))
    except (AttributeError, LookupError, TypeError) as error:
        raise unusable("httpx", "httpcore", "h11", why=str(error)) from None


def _answer(connection: httpx.HTTPTransport, exchange: Exchange) -> HttpResponse:
    request = exchange.request
    response = connection.handle_request(
        httpx.Request(
            request.method,
            request.url,
            headers=exchange.headers(),
            content=None if request.body is None else request.body.encode(),
            extensions={"timeout": _TimeLeft(exchange), "trace": functools.partial(_follow, exchange)},
        )
    )
    try:
        for chunk in response.iter_raw():
            exchange.take(chunk)
    finally:
        response.close()
    return exchange.complete(response.status_code, response.headers.multi_items())


class _TimeLeft:
    """The time-outs as httpcore asks for them, at the start of each step: always what is left of the whole."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def get(self, step: str, _default: object = None) -> float:
        left_s = self._exchange.left_to_write_s() if step == "connect" else self._exchange.left_s()
        return max(left_s, _SHORTEST_S)


def _follow(exchange: Exchange, event: str, info: dict[str, Any]) -> None:
    """Follow one request through httpcore, which calls this before and after each of its steps."""
    if event == "http11.send_request_headers.started":
        exchange.about_to_write()
    elif event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
        # httpcore's time-out is for each read, and a server that drips one byte a second would never meet it.
        stream = info["return_value"]
        stream.read = functools.partial(_read, stream.read)
        exchange.connected = event == "connection.start_tls.complete" or exchange.request.url.startswith("http:")
    if not event.endswith(".started"):
        info.clear()  # httpcore logs it next, at DEBUG: the answer's header fields, or an error quoting the answer


def _read(read: Callable[..., bytes], max_bytes: int, timeout: float | None = None) -> bytes:
    if (left_s := _reading.get().left_s()) <= 0:  # data may be there at every read, as of "100 Continue" without end
        raise httpcore.ReadTimeout
    return read(max_bytes, timeout=left_s)
