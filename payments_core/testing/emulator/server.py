"""An emulator on a loopback socket: the provider's gateway, and the routes that inspect and control it."""

from __future__ import annotations

import asyncio
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from payments_core.testing.emulator.callback_dispatcher import CallbackDispatcher
from payments_core.testing.emulator.configuration import EmulatedAccount, read_back, write_new
from payments_core.testing.emulator.connections import ServerThread, break_off, part_of, send_answer
from payments_core.testing.emulator.control_api import ControlApi
from payments_core.testing.emulator.fault_injection import FaultInjector
from payments_core.testing.emulator.gateway import Gateway
from payments_core.testing.emulator.options import Options

__all__ = ["Emulator"]

G = TypeVar("G", bound=Gateway[Any])
_HOST = "127.0.0.1"  # an emulator listens on this machine only


class Emulator(ABC, Generic[G]):
    """A stand-in for a provider's gateway on this machine; also a context manager.

    Args:
        gateway: The provider's HTTP API.
        port: 0 for any free one.
        faults: Faults in force from the start.
        callback_timeout_s: Seconds that a receiver of callbacks may take.

    Raises:
        ValueError: The faults are not valid.

    """

    what: ClassVar[str]  #: What it imitates.
    example: str = "--to NUMBER --amount AMOUNT"  #: Options of a first `payouts send`.
    switch_type: ClassVar[type[Options]] = Options  #: The class of ``switches``.
    own_options: ClassVar[frozenset[str]] = frozenset()  #: Arguments beside the switches that are text.
    switches: Options = Options()

    def __init__(
        self,
        gateway: G,
        port: int = 0,
        *,
        faults: Mapping[str, Any] | None = None,
        callback_timeout_s: float = 2.0,
    ) -> None:
        self.config_reused = False  # whether write_config found its own file and kept it
        self.url = f"http://{_HOST}:{port}" if port else ""
        self._port = port
        self._gateway = FaultInjector(gateway)
        self._lock = threading.Lock()  # the server's thread and the caller's both use the gateway
        self._ahead = timedelta()
        self._dispatcher = CallbackDispatcher(
            gateway.callbacks, lock=self._lock, clock=lambda: self.now, timeout_s=callback_timeout_s
        )
        self._thread: ServerThread | None = None
        self.set_faults(faults or {})

    @classmethod
    def options(cls, written: Mapping[str, str]) -> Mapping[str, Any]:
        """Parse options given as text; raises ``ValueError`` for an unknown name or value."""
        own = {name: text for name, text in written.items() if name in cls.own_options}
        return own | cls.switch_type.read({name: text for name, text in written.items() if name not in own})

    @abstractmethod
    def account(self, target: str) -> EmulatedAccount:
        """Return the account that pays through this server.

        Args:
            target: One of the provider's environments; the emulator's own when empty.

        """

    @abstractmethod
    def adopt(self, account: EmulatedAccount, path: Path) -> None:
        """Use the secrets and settings of an account that was read back from an existing file."""

    def write_config(self, path: Path, *, target: str = "", overwrite: bool = False) -> Sequence[str]:
        """Write a payouts.toml that pays through this server, or keep the one it wrote before.

        A file that pays through this address is kept, and its credentials are valid: the same journal works after a
        restart. Secrets go into files of mode 0600 in ``secrets/``, which several configurations may share.

        Args:
            path: The file.
            target: One of the provider's environments; the emulator's own when empty.
            overwrite: Write a new file with a new namespace over an existing one.

        Returns:
            The names of its accounts.

        Raises:
            SettingsError: Another file is there.
            RuntimeError: The server has no address yet.

        """
        if not self.url:
            raise RuntimeError("Start the emulator first: its address goes into the file.")
        account = self.account(target)
        self.config_reused = path.exists() and not overwrite
        if self.config_reused:
            self.adopt(read_back(path, account), path)
        else:
            write_new(path, account)
        return (account.name,)

    def about(self) -> Mapping[str, Any]:
        """Return the provider's part of ``/__emulator/``."""
        return {"what": f"An emulator of {self.what}. No money moves.", "switches": asdict(self.switches)}

    def routes(self) -> Sequence[Route]:
        """Return the provider's own routes under ``/__emulator/``."""
        return ()

    @property
    def gateway(self) -> G:
        """The gateway; the server's thread uses it under a lock."""
        return self._gateway.gateway

    @property
    def operations(self) -> Sequence[str]:
        """The calls of its API."""
        operations: Sequence[str] = self.gateway.request.routes.operations
        return operations

    def start(self) -> None:
        """Serve from a background thread; return when the socket listens.

        Raises:
            OSError: The port is taken.

        """
        listener = socket.create_server((_HOST, self._port), backlog=1024)
        # Head and body are two writes: without this the second one waits 40 ms for the acknowledgement of the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://{_HOST}:{listener.getsockname()[1]}"
        self._thread = ServerThread(self._app(), listener, self._dispatcher.run)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; its ledger stays readable."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def restart(self, port: int) -> None:
        """Serve again on a port, with the same state."""
        self._port = port
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
        """Return one row for each payment, by reference."""
        with self._lock:
            return self.gateway.ledger(self.now)

    def callbacks(self) -> Sequence[Mapping[str, Any]]:
        """Return one row for each callback, with its attempts (``CallbackBook.rows``)."""
        with self._lock:
            return list(self.gateway.callbacks.rows())

    @property
    def tokens_issued(self) -> int | None:
        """The number of issued tokens; None where tokens are not issued or not counted."""
        with self._lock:
            return self.gateway.tokens_issued()

    @property
    def faults(self) -> Mapping[str, Any]:
        """The faults in force, as described."""
        return self._gateway.faults.described

    def set_faults(self, faults: Mapping[str, Any]) -> None:
        """Replace the faults in force; raises ``BadFaults`` for a description that is not valid."""
        with self._lock:
            self._gateway.set_faults(faults, self.now)

    def advance(self, seconds: float) -> None:
        """Advance the clock; raises ``ValueError`` for a negative step."""
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
        if not in_time:  # the emulator stops: pending answers are dropped
            await break_off(scope["state"]["connection"], receive, b"")
        elif outcome.answer is not None and outcome.arrives == "whole":
            await send_answer(outcome.answer, send)
        else:
            part = part_of(outcome.answer) if outcome.answer is not None and outcome.arrives == "part" else b""
            await break_off(scope["state"]["connection"], receive, part)

    async def _wait(self, seconds: float) -> bool:
        """Wait; return False when a stop cut it short."""
        thread = self._thread
        if thread is None:
            return False
        try:
            async with asyncio.timeout(seconds):
                await thread.leaving.wait()
        except TimeoutError:
            return True
        return False
