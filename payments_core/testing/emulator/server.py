"""An emulator on a loopback socket: the provider's gateway, and the routes that watch and steer it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from payments_core.testing.emulator.callback_dispatcher import CallbackDispatcher
from payments_core.testing.emulator.connections import ServerThread, break_off, part_of, send_answer
from payments_core.testing.emulator.control_api import ControlApi
from payments_core.testing.emulator.fault_injection import FaultInjector
from payments_core.testing.emulator.gateway import Gateway

__all__ = ["Emulator"]

G = TypeVar("G", bound=Gateway[Any])


class Emulator(ABC, Generic[G]):
    """A stand-in for a provider's gateway on this machine; also a context manager.

    Args:
        gateway: The provider's wire.
        port: 0 for any free one.
        host: A loopback address; nothing else is served.
        faults: Faults in force from the start.
        callback_timeout_s: How long a receiver of callbacks may take.

    Raises:
        ValueError: A host that is not loopback, or faults that cannot be understood.

    """

    example: ClassVar[str] = "--to NUMBER --amount AMOUNT"  # what a first `payouts send` through it may say

    def __init__(
        self,
        gateway: G,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        faults: Mapping[str, Any] | None = None,
        callback_timeout_s: float = 2.0,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"An emulator listens on loopback only, not on {host}.")
        self.config_reused = False  # whether write_config found its own file and kept it
        self.url = f"http://{host}:{port}" if port else ""
        self._address = (host, port)
        self._gateway = FaultInjector(gateway)
        self._lock = threading.Lock()  # the server's thread and the caller's both ask the gateway
        self._ahead = timedelta()
        self._dispatcher = CallbackDispatcher(
            gateway.callbacks, lock=self._lock, clock=lambda: self.now, timeout_s=callback_timeout_s
        )
        self._thread: ServerThread | None = None
        self.set_faults(faults or {})

    @classmethod
    def options(cls, written: Mapping[str, str]) -> Mapping[str, Any]:
        """Read arguments that were written as text; raises ``ValueError`` for a name or value that does not exist."""
        if written:
            raise ValueError(f"it has no switches, and so no {', '.join(written)}")
        return {}

    @abstractmethod
    def write_config(self, path: Path, *, target: str = "", overwrite: bool = False) -> Sequence[str]:
        """Write a payouts.toml that pays through this server, or keep the one it wrote before.

        ``configuration.write_new`` writes it, with short waits of its own; ``read_back`` reads the one that is kept.

        Args:
            path: The file.
            target: Which of the provider's environments; the emulator's own when empty.
            overwrite: Write a new one, with a new namespace, whatever is there.

        Returns:
            The names of its accounts.

        """

    def about(self) -> Mapping[str, Any]:
        """Return what ``/__emulator/`` tells of this provider, such as ``what`` and ``switches``."""
        return {}

    def routes(self) -> Sequence[Route]:
        """Return the provider's own routes under ``/__emulator/``."""
        return ()

    @property
    def gateway(self) -> G:
        """What answers; asked by the server's thread under a lock."""
        return self._gateway.gateway

    @property
    def operations(self) -> Sequence[str]:
        """The calls it answers."""
        operations: Sequence[str] = self.gateway.request.routes.operations
        return operations

    def start(self) -> None:
        """Serve from a background thread; returns when the socket listens.

        Raises:
            OSError: The port is taken.

        """
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
        # Head and body leave in two writes: without this the second waits 40 ms for the first to be acknowledged.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        self._thread = ServerThread(self._app(), listener, self._dispatcher.run)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; what it has done stays readable."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def restart(self, port: int) -> None:
        """Serve again on a port, with the same books."""
        self._address = (self._address[0], port)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def now(self) -> datetime:
        """The emulator's clock."""
        return datetime.now(UTC) + self._ahead

    def ledger(self) -> Sequence[Mapping[str, Any]]:
        """Return what was paid, a row a reference."""
        with self._lock:
            return self.gateway.ledger(self.now)

    def callbacks(self) -> Sequence[Mapping[str, Any]]:
        """Return the callbacks: to where, how, when, and what came of each try, a row each (``CallbackBook.rows``)."""
        with self._lock:
            return list(self.gateway.callbacks.rows())

    @property
    def tokens_issued(self) -> int | None:
        """How many tokens it has issued; None where it issues none, or does not count."""
        with self._lock:
            return self.gateway.tokens_issued()

    @property
    def faults(self) -> Mapping[str, Any]:
        """The faults in force, as described."""
        return self._gateway.faults.described

    def set_faults(self, faults: Mapping[str, Any]) -> None:
        """Replace the faults in force; raises ``BadFaults`` when they cannot be understood."""
        with self._lock:
            self._gateway.set_faults(faults, self.now)

    def advance(self, seconds: float) -> None:
        """Move the clock on; raises ``ValueError`` for a step back."""
        if not 0 <= seconds <= 10 * 366 * 86_400:
            raise ValueError("advance_s must be a number of seconds, 0 or more")
        with self._lock:
            self._ahead += timedelta(seconds=seconds)
        self._dispatcher.wake()

    def _app(self) -> Starlette:
        return Starlette(routes=[*ControlApi(self).routes(), Mount("/", self._serve)])

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return  # half a request is no request
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        path = scope["raw_path"].decode("latin-1") + query
        with self._lock:
            outcome = self._gateway.exchange(scope["method"], path, headers, body, self.now)
        if outcome.callbacks:
            self._dispatcher.wake()
        for callback in outcome.callbacks:
            if callback.early:
                await self._dispatcher.first_try(callback)
        in_time = not outcome.after_s or await self._wait(outcome.after_s)
        if not in_time:  # the emulator stops: nobody gets an answer that was to come later
            await break_off(scope["state"]["connection"], receive, b"")
        elif outcome.answer is not None and outcome.arrives == "whole":
            await send_answer(outcome.answer, send)
        else:
            part = part_of(outcome.answer) if outcome.answer is not None and outcome.arrives == "part" else b""
            await break_off(scope["state"]["connection"], receive, part)

    async def _wait(self, seconds: float) -> bool:
        """Wait, and say whether it was not cut short by a stop."""
        thread = self._thread
        if thread is None:
            return False
        try:
            async with asyncio.timeout(seconds):
                await thread.leaving.wait()
        except TimeoutError:
            return True
        return False
