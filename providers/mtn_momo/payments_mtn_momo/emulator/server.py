"""The emulator on a loopback socket: the gateway, and the routes that watch and steer it."""

from __future__ import annotations

import asyncio
import contextlib
import http
import ipaddress
import json
import socket
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from payments_mtn_momo.emulator.configuration import read_back, write_new
from payments_mtn_momo.emulator.connections import ServerThread, break_off
from payments_mtn_momo.emulator.faults import FAULTS, BadFaults
from payments_mtn_momo.emulator.gateway import Gateway, Switches
from payments_mtn_momo.emulator.replies import Answer
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.emulator.unruly import UnrulyGateway
from payments_mtn_momo.targets import TARGETS

__all__ = ["MtnMomoEmulator"]


class MtnMomoEmulator:
    """A stand-in for MTN's disbursement gateway on this machine; also a context manager.

    Args:
        port: 0 for any free one.
        host: A loopback address; nothing else is served.
        target: The target environment it plays.
        credentials: What its callers hold; drawn when None.
        faults: Faults in force from the start.
        switches: Fields of :class:`~payments_mtn_momo.emulator.gateway.Switches`, such as ``delayed_s=2``.

    Raises:
        ValueError: A host that is not loopback, or a target that does not exist.

    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        target: str = "sandbox",
        credentials: Credentials | None = None,
        faults: Mapping[str, Any] | None = None,
        **switches: Any,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"An emulator listens on loopback only, not on {host}.")
        if target not in TARGETS:
            raise ValueError(f"There is no target {target!r}; there are: {', '.join(TARGETS)}.")
        self.target = target
        self.credentials = credentials or Credentials.new()
        self.config_reused = False  # whether write_config found its own file and kept it
        self.url = f"http://{host}:{port}" if port else ""
        self._address = (host, port)
        self._gateway = UnrulyGateway(Gateway(self.credentials, targets=[target], switches=Switches(**switches)))
        self._lock = threading.Lock()  # the server's thread and the caller's both ask the gateway
        self._ahead = timedelta()
        self._thread: ServerThread | None = None
        self.set_faults(faults or {})

    def start(self) -> None:
        """Serve from a background thread; returns when the socket listens.

        Raises:
            OSError: The port is taken.

        """
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        self._thread = ServerThread(self._app(), listener)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; what it has done stays readable."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

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

    @property
    def tokens_issued(self) -> int:
        """How many tokens were asked for with good credentials."""
        with self._lock:
            return self._gateway.gateway.door.issued

    def ledger(self) -> Sequence[Mapping[str, Any]]:
        """Return what was paid, a row a reference."""
        with self._lock:
            return self._gateway.gateway.ledger(self.now)

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

    def write_config(self, path: Path, *, target: str = "", overwrite: bool = False) -> Sequence[str]:
        """Write a payouts.toml that pays through this server, or keep the one it wrote before.

        A file that pays through this address is kept, and the credentials it names are served: the same journal
        works on after a restart (``config_reused`` tells). Secrets go into files of mode 0600 in ``secrets/``.

        Args:
            path: The file.
            target: The target environment; the emulator's own when empty.
            overwrite: Write a new one, with a new namespace, whatever is there.

        Returns:
            The names of its accounts.

        Raises:
            SettingsError: Another file is there.
            RuntimeError: The server has no address yet.

        """
        if not self.url:
            raise RuntimeError("Start the emulator first: its address goes into the file.")
        if target and target not in TARGETS:
            raise ValueError(f"There is no target {target!r}; there are: {', '.join(TARGETS)}.")
        wanted = target or self.target
        self.config_reused = path.exists() and not overwrite
        if self.config_reused:
            name, held = read_back(path, url=self.url, target=wanted)
        else:
            name, held = write_new(path, url=self.url, target=wanted, credentials=self.credentials), self.credentials
        with self._lock:
            self.credentials = held
            self._gateway.gateway.door.admit(held)
            self._gateway.gateway.targets.add(wanted)
        return (name,)

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/__emulator/", self._about),
                Route("/__emulator/ledger", self._ledger),
                Route("/__emulator/faults", self._faults, methods=["GET", "POST"]),
                Route("/__emulator/clock", self._clock, methods=["GET", "POST"]),
                Mount("/", self._serve),
            ]
        )

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
        with self._lock:
            outcome = self._gateway.exchange(
                scope["method"], scope["raw_path"].decode("latin-1"), headers, body, self.now
            )
        if outcome.after_s:
            await self._wait(outcome.after_s)
        if outcome.answer is not None and outcome.arrives == "whole":
            await _send(outcome.answer, send)
        else:
            part = _part(outcome.answer) if outcome.answer is not None and outcome.arrives == "part" else b""
            await break_off(scope["state"]["connection"], receive, part)

    async def _wait(self, seconds: float) -> None:
        thread = self._thread
        if thread is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(thread.leaving.wait(), seconds)

    async def _about(self, request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "what": "An emulator of MTN MoMo disbursements: token, transfer, transfer status. No money moves.",
                "targets": sorted(self._gateway.gateway.targets),
                "now": self.now.isoformat(),
                "payments": len(self.ledger()),
                "faults": self._gateway.faults.described,
                "fault_names": {name: fault.does for name, fault in FAULTS.items()},
                "routes": ["GET /__emulator/ledger", "POST /__emulator/faults", "POST /__emulator/clock"],
            }
        )

    async def _ledger(self, request: Request) -> JSONResponse:
        return JSONResponse({"entries": self.ledger()})

    async def _faults(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                self.set_faults(await _object(request))
            except ValueError as error:
                names = list(FAULTS) if isinstance(error, BadFaults) else []
                return JSONResponse({"error": str(error), "names": names}, 400)
        return JSONResponse({"faults": self._gateway.faults.described})

    async def _clock(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                told = await _object(request)
                step = told.get("advance_s")
                if set(told) != {"advance_s"} or isinstance(step, bool) or not isinstance(step, int | float):
                    raise ValueError('write {"advance_s": 3600}')
                self.advance(step)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"now": self.now.isoformat()})


async def _object(request: Request) -> Mapping[str, Any]:
    told = json.loads(await request.body())
    if not isinstance(told, dict):
        raise ValueError("the body must be a JSON object")
    return told


async def _send(answer: Answer, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _part(answer: Answer) -> bytes:
    """Return the beginning of an answer: its head and half its body, or half its head when there is no body."""
    head = f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items()) + "\r\n"
    raw = head.encode("latin-1")
    return raw + answer.body[: len(answer.body) // 2] if answer.body else raw[: len(raw) // 2]
