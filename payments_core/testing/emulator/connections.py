"""Connections that can be reset, and the server thread that holds them."""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from payments_core.testing.emulator.responses import Answer

__all__ = ["ServerThread", "break_off", "part_of", "send_answer"]

_PATIENCE_S = 2.0  # for a request whose connection is gone


class _Breakable(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it; each request's scope knows its connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, "connection": self}


async def break_off(connection: H11Protocol, receive: Receive, sent_before: bytes = b"") -> None:
    """Reset a connection, after some bytes or none; return when it is closed.

    Args:
        connection: The connection in the scope's state.
        receive: The request's ``receive``; it reports the disconnection.
        sent_before: Bytes written before the reset.

    """
    transport = connection.transport
    if sent_before:
        transport.write(sent_before)
        await asyncio.sleep(0.02)  # a reset must not overtake the bytes
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        with contextlib.suppress(OSError):
            # A linger time of zero turns the close into a reset.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_answer(answer: Answer, send: Send) -> None:
    """Send the whole of an answer."""
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def part_of(answer: Answer) -> bytes:
    """Return the beginning of an answer: its head and half its body, or half its head without a body."""
    head = f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items()) + "\r\n"
    raw = head.encode("latin-1")
    return raw + answer.body[: len(answer.body) // 2] if answer.body else raw[: len(raw) // 2]


class _Server(uvicorn.Server):
    """A server that signals when it listens, and stops immediately instead of at its next tick."""

    def __init__(self, config: uvicorn.Config, beside: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__(config)
        self.beside = beside
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.preflight = asyncio.Event()
        self.errand = asyncio.create_task(self.beside())
        await asyncio.sleep(0)  # it runs before the first request is read
        await super().startup(sockets=sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        await self.preflight.wait()
        self.errand.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.errand

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Reset every connection: a gateway that fails does not close them in order.

        It replaces uvicorn's shutdown, which waits a tenth of a second: a test stops many servers.
        """
        for listening in (one for server in self.servers for one in server.sockets):
            self.loop.remove_reader(listening.fileno())
        # An accepted socket becomes a connection some iterations of the loop later. If its server is closed before, the
        # socket is never closed.
        for _ in range(5):
            await asyncio.sleep(0)
        for one in (*self.servers, *(sockets or ())):
            one.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if under_way := set(self.server_state.tasks):
            _, stuck = await asyncio.wait(under_way, timeout=_PATIENCE_S)
            for task in stuck:
                task.cancel()
        while self.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for a closed connection
            await asyncio.sleep(0)
        for server in self.servers:
            await server.wait_closed()


class ServerThread:
    """Serves an ASGI application on a listening socket, in a thread of its own.

    Args:
        app: The application.
        listener: A listening socket; closed with the server.
        beside: A coroutine on the same event loop; cancelled when the server stops.

    """

    def __init__(self, app: ASGIApp, listener: socket.socket, beside: Callable[[], Coroutine[Any, Any, None]]) -> None:
        config = uvicorn.Config(
            app,
            http=_Breakable,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,  # logging belongs to the application
            access_log=False,
            server_header=False,
            date_header=False,  # the gateway writes it, by its own clock
            proxy_headers=False,
            timeout_keep_alive=75,
        )
        self._server = _Server(config, beside)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="emulator", daemon=True
        )

    def start(self) -> None:
        """Return when requests are answered."""
        self._thread.start()
        while not self._server.listening.wait(0.05):
            if not self._thread.is_alive():
                raise RuntimeError("The emulator's server thread ended before it listened.")

    def stop(self) -> None:
        """Reset every connection and return when the thread has ended."""
        self._server.loop.call_soon_threadsafe(self._server.preflight.set)
        self._thread.join()

    @property
    def leaving(self) -> asyncio.Event:
        """Set when the server is about to stop; for use on its event loop."""
        return self._server.preflight
