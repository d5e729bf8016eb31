"""The server of ``payouts serve``: one request for each connection, short connections, an orderly shutdown.

A worker can run in the same loop with the same client; both are stopped together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from payments_core.callbacks import CallbackApp, app
from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal
from payments_core.client import AsyncPayoutClient
from payments_core.domain.errors import SettingsError
from payments_core.settings import WorkerSettings
from payments_core.worker import run_worker, stop_on_signals

__all__ = ["listen", "server_config"]

_HEAD_S = 3.0  # for a request's head: a gateway sends it in one piece
_LONGEST_S = 10.0  # for a connection: a slower sender is disconnected
_DRAIN_S = 10
_CONNECTIONS = 512
_FROM_ONE_ADDRESS = 256  # the rest stays free for other addresses
_HEAD_BYTES = 32 * 1024
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Brief(H11Protocol):
    """uvicorn's HTTP/1.1 with time limits for connections; one address can hold half of them at most."""

    held: ClassVar[Counter[object]]  # connections of each address, of one server

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._ends = (
            self.loop.call_later(_HEAD_S, self._end_without_head),
            self.loop.call_later(_LONGEST_S, transport.abort),
        )
        self._address = _network(self.client)
        self.held[self._address] += 1
        if self.held[self._address] > _FROM_ONE_ADDRESS:
            transport.write(_TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        for end in self._ends:
            end.cancel()
        self.held[self._address] -= 1
        if not self.held[self._address]:
            del self.held[self._address]
        super().connection_lost(exc)

    def _end_without_head(self) -> None:
        cycle: object = self.cycle  # uvicorn makes it when the head is complete
        if cycle is None:
            self.transport.abort()


def _network(client: tuple[str, int] | None) -> object:
    """Return the unit that connections are counted by: an IPv4 address, or the /64 network of an IPv6 address."""
    address = ip_address(client[0].partition("%")[0]) if client else None
    return ip_network((address, 64), strict=False) if isinstance(address, IPv6Address) else address


class _Server(uvicorn.Server):
    """A server that leaves signals to the caller and prints when it listens."""

    def __init__(self, config: uvicorn.Config, terminal: Terminal, url: str) -> None:
        super().__init__(config)
        self._terminal, self._url = terminal, url

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: uvicorn would raise the signal again at the end, and an orderly end is no error."""
        yield

    def stop(self) -> None:
        """Accept no new connection, and end when all received requests are answered."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            line = json.dumps({"url": self._url})
            self._terminal.say(line if self._terminal.as_json else f"Listening for callbacks at {self._url}.")


async def listen(
    terminal: Terminal,
    *,
    host: str,
    port: int,
    allowed: Sequence[str],
    address_header: str,
    worker: WorkerSettings | None = None,
) -> int:
    """Serve, with a worker beside the server where its settings are given, until SIGTERM or Ctrl-C.

    A second signal ends it at once.

    Raises:
        SettingsError: It cannot listen there, or an address is not valid.
        JournalError: The worker's journal was closed, or belongs to another process.

    """
    async with AsyncPayoutClient(terminal.runtime()) as client:
        try:
            served = app(client, allowed=allowed, address_header=address_header)
        except ValueError as error:
            raise SettingsError(f"--allow: {error}.") from None
        listener = _listener(host, port)
        at = f"[{host}]" if ":" in host else host
        server = _Server(server_config(served), terminal, f"http://{at}:{listener.getsockname()[1]}")
        with stop_on_signals(server.stop) as stop:
            working = None
            if worker is not None:
                working = asyncio.create_task(run_worker(client, settings=worker, stop=stop))
                working.add_done_callback(lambda _: server.stop())  # a failed worker stops the server
            try:
                await server.serve(sockets=[listener])
            finally:
                stop.set()
                if working is not None:
                    await working
    return exit_codes.DONE


def server_config(served: CallbackApp) -> uvicorn.Config:
    """Return the server's configuration: one request for each connection, and no paths in logs."""
    return uvicorn.Config(
        served,
        http=type("_OfOneServer", (_Brief,), {"held": Counter()}),
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # it would print the secret paths
        server_header=False,
        proxy_headers=False,
        headers=[("connection", "close")],
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_graceful_shutdown=_DRAIN_S,
    )


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise SettingsError(
            f"Nothing can listen on {host}, port {port}: {error.strerror}.",
            hint="Stop what uses the port, or take another: --port 0 takes any free one.",
        ) from None
    # Head and body are two writes: without this the second one waits 40 ms for the acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
