"""The synchronous transport, on sockets: it reads ordinary answers, and h11 all others."""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.http.transport.answers import AnswerReader
from payments_core.http.transport.exchange import KEEP_ALIVE_S, Exchange, TooLate, default_tls

__all__ = ["ConnectError", "ConnectTimeout", "Endpoint", "H11Transport", "is_readable", "split_address"]

_SHORTEST_S = 0.001  # a socket takes 0 for "do not wait", not for "too late"
_READ_AT_ONCE = 64 * 1024  # more than a TLS record: none of one is left where `select` does not see it
_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(r"(\w+://[^/?]+)(.*)")  # scheme, host and port as they are written, and the rest


class ConnectError(Exception):
    """No connection could be made; its cause says why."""


class ConnectTimeout(ConnectError):
    """No connection could be made in time."""


class H11Transport:
    """Sends over long-lived connections; may be used from many threads.

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
        # Entered in C, where no signal can come between its taking and the `try` (in `Condition` one can).
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        # Last in, first out: as few connections as possible, all of them warm. None stands for one not yet made.
        self._free: list[_Connection | None] = [None] * max_connections

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send the request at most once and return the complete answer; see ``Transport``."""
        if self._closed:
            raise RuntimeError("This transport is closed.")
        exchange = Exchange(request, self._clock)
        try:
            return self._answer(exchange)
        except Exception as error:  # noqa: BLE001 whatever is raised, there is no answer
            ended = exchange.ended(error, unsent=(ConnectError,))
        raise ended  # out here, so that the native error, whose text may hold the answer, is not chained to it

    def close(self) -> None:
        """Close every connection; one with a request in flight is closed when that has ended."""
        with self._lock:
            self._closed = True
            for connection in filter(None, self._free):
                connection.close()
            self._free.clear()
            self._changed.notify_all()

    def _answer(self, exchange: Exchange) -> HttpResponse:
        server, target = split_address(exchange.request.url)
        connection = self._taken(exchange)
        try:
            if connection is not None and not connection.is_usable(server):
                connection.close()
                connection = None
            connection = connection or _Connection(server, exchange, self._tls)
            return connection.answer(exchange, target)
        finally:
            self._put_back(connection)

    def _taken(self, exchange: Exchange) -> _Connection | None:
        left_s = exchange.still_in_time()
        with self._lock:
            if not self._free:
                self._changed.wait_for(lambda: self._free or self._closed, left_s)
            if self._closed:
                raise TooLate("the transport was closed")
            if not self._free:
                raise TooLate("no connection became free in time")
            return self._free.pop()

    def _put_back(self, connection: _Connection | None) -> None:
        with self._lock:
            if connection is not None and (self._closed or not connection.is_idle):
                connection.close()
                connection = None
            self._free.append(connection)
            self._changed.notify()


class _Connection:
    """One connection to one server, for one thread at a time.

    It is idle only between a complete answer and the next request. Whatever ends an exchange otherwise, a signal
    included, leaves it as it is: then it is never used again.

    Args:
        server: Scheme, host and port, as an address has them.
        exchange: On whose time it is made.
        tls: What to trust.

    Raises:
        ConnectError: None could be made.
        TooLate: The last moment for writing has passed.

    """

    __slots__ = ("_host", "_idle_since", "_server", "_sock", "is_idle")

    def __init__(self, server: str, exchange: Exchange, tls: ssl.SSLContext) -> None:
        self._server = server
        self._idle_since = 0.0
        self.is_idle = False
        self._host, self._sock = _connected(server, exchange, tls)

    def is_usable(self, server: str) -> bool:
        """Whether a request may be written: to this server, soon enough, and nothing came since the last answer."""
        is_warm = server == self._server and time.monotonic() - self._idle_since <= KEEP_ALIVE_S
        return is_warm and not is_readable(self._sock)

    def close(self) -> None:
        """Close it."""
        self._sock.close()

    def answer(self, exchange: Exchange, target: str) -> HttpResponse:
        """Write the request once, and read the answer to its end."""
        self.is_idle = False
        message = exchange.message(self._host, target)
        exchange.about_to_write()
        is_written = self._write(message, exchange)
        response, is_done = self._read(exchange)
        if is_written and is_done:
            self._idle_since = time.monotonic()
            self.is_idle = True
        return response

    def _write(self, message: bytes, exchange: Exchange) -> bool:
        """Write all of it; False when the server no longer reads: it may have answered before it hung up."""
        unwritten = memoryview(message)
        try:
            while unwritten:
                self._sock.settimeout(_left_s(exchange))
                unwritten = unwritten[self._sock.send(unwritten) :]
        except TimeoutError:
            raise
        except OSError:
            return False
        return True

    def _receive(self, exchange: Exchange) -> bytes:
        self._sock.settimeout(_left_s(exchange))
        return self._sock.recv(_READ_AT_ONCE)

    def _read(self, exchange: Exchange) -> tuple[HttpResponse, bool]:
        reader = AnswerReader(exchange)
        while (answer := reader.receive(self._receive(exchange))) is None:
            pass
        return answer


def _left_s(exchange: Exchange) -> float:
    """Return what is left of the whole: a server that drips a byte a second gets no more than that."""
    if (left_s := exchange.left_s()) <= 0:
        raise TimeoutError
    return left_s


def _connected(server: str, exchange: Exchange, tls: ssl.SSLContext) -> tuple[str, socket.socket]:
    """Return the field ``Host`` and a socket that is connected; over TLS the server has proven its name."""
    at = Endpoint.of(server)
    sock = None
    try:
        sock = socket.create_connection((at.host, at.port), exchange.still_in_time())
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if at.is_tls:
            sock.settimeout(exchange.still_in_time())
            sock = tls.wrap_socket(sock, server_hostname=at.host)
    except BaseException as error:
        if sock is not None:
            sock.close()
        if not isinstance(error, (OSError, ValueError)):  # a host name that cannot be one is a ValueError
            raise
        raise (ConnectTimeout if isinstance(error, TimeoutError) else ConnectError) from error
    return at.field, sock


def split_address(url: str) -> tuple[str, str]:
    """Return an address's scheme, host and port as they are written, and its path and query."""
    server, target = _ADDRESS.findall(url)[0]
    return server, target if target.startswith("/") else f"/{target}"


class Endpoint(NamedTuple):
    """Where to connect; ``field`` is what the field ``Host`` says of it."""

    host: str
    port: int
    is_tls: bool
    field: str

    @classmethod
    def of(cls, server: str) -> Self:
        """Return that of a scheme, host and port."""
        parts = urlsplit(server)
        host, usual = parts.hostname or "", _PORTS[parts.scheme]
        field = f"[{host}]" if ":" in host else host
        port = parts.port or usual
        return cls(host, port, parts.scheme == "https", field if port == usual else f"{field}:{port}")


def is_readable(sock: socket.socket) -> bool:
    """Whether something has come, if only the end; without waiting."""
    if hasattr(select, "poll"):
        waiting = select.poll()
        waiting.register(sock, select.POLLIN)
        return bool(waiting.poll(0))
    return bool(select.select([sock], [], [], 0)[0])
