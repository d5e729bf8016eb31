"""The synchronous transport, on httpx."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import Any

import httpx  # the only line that names it: `import httpx2 as httpx` is the whole switch

from payments_core.transport.exchange import KEEP_ALIVE_S, Exchange, default_tls
from payments_core.wire import HttpRequest, HttpResponse

__all__ = ["HttpxTransport"]

# Raised while waiting for a connection or making one; httpx has no other use for them without a proxy.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_SHORTEST_S = 0.001  # a socket takes 0 for "do not wait", not for "too late"

# Whose answer this thread is reading: a connection outlives the exchange that opened it.
_reading: ContextVar[Exchange] = ContextVar("_reading")


class HttpxTransport:
    """Sends through one pool of connections of httpx, which may be used from many threads.

    It talks to httpx's transport, one floor below ``httpx.Client``: the client would log every address at INFO,
    phone numbers included, and follow redirects, cookies and the environment, which a payment must not.

    Args:
        max_connections: Connections at once; who finds none free waits.
        clock: Returns the present moment; aware, UTC.
        tls: For servers with certificates of their own; by default what the operating system trusts.

    """

    def __init__(
        self, *, max_connections: int, clock: Callable[[], datetime], tls: ssl.SSLContext | None = None
    ) -> None:
        self._clock = clock
        self._closed = False
        self._pool = httpx.HTTPTransport(
            verify=tls or default_tls(),
            trust_env=False,
            retries=0,
            limits=httpx.Limits(
                max_connections=max_connections,
                max_keepalive_connections=max_connections,
                keepalive_expiry=KEEP_ALIVE_S,
            ),
        )

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send the request at most once and return the complete answer; see ``Transport``."""
        if self._closed:
            raise RuntimeError("This transport is closed.")
        exchange = Exchange(request, self._clock)
        token = _reading.set(exchange)
        try:
            response = self._answer(exchange)
        except Exception as error:  # noqa: BLE001 whatever a library raises, there is no answer
            ended = exchange.ended(error, unsent=_UNSENT)
        else:
            exchange.check_seam()
            return response
        finally:
            _reading.reset(token)
        raise ended  # out here, so that the native error, whose text may hold the address, is not chained to it

    def close(self) -> None:
        """Close every connection; a request in flight ends with ``NoAnswer``, by its time-out at the latest."""
        self._closed = True
        self._pool.close()

    def _answer(self, exchange: Exchange) -> HttpResponse:
        exchange.still_in_time()
        request = exchange.request
        response = self._pool.handle_request(
            httpx.Request(
                request.method,
                request.url,
                headers=exchange.headers(),
                content=None if request.body is None else request.body.encode(),
                extensions={"timeout": _TimeLeft(exchange), "trace": partial(_follow, exchange)},
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
        left_s = self._exchange.left_to_write_s() if step in {"pool", "connect"} else self._exchange.left_s()
        return max(left_s, _SHORTEST_S)


def _follow(exchange: Exchange, event: str, info: dict[str, Any]) -> None:
    """Follow one request through httpcore, which calls this before and after each of its steps."""
    if event == "http11.send_request_headers.started":
        exchange.about_to_write()
    elif event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
        # httpcore's time-out is for each read, and a server that drips one byte a second would never meet it.
        stream = info["return_value"]
        stream.read = partial(_read, stream.read)
    if not event.endswith(".started"):
        info.clear()  # httpcore logs it next, at DEBUG: the answer's header fields, or an error quoting the answer


def _read(read: Callable[..., bytes], max_bytes: int, timeout: float | None = None) -> bytes:
    return read(max_bytes, timeout=max(_reading.get().left_s(), _SHORTEST_S))
