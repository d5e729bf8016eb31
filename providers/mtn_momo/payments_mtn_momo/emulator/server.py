"""The emulator on a loopback socket: the gateway, and the routes that watch and steer it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast, get_args

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from payments_mtn_momo.emulator.collected import read_collection
from payments_mtn_momo.emulator.configuration import read_back, write_new
from payments_mtn_momo.emulator.connections import ServerThread, break_off, part_of, send_answer
from payments_mtn_momo.emulator.gateway import Gateway, home_of
from payments_mtn_momo.emulator.steering import Steering
from payments_mtn_momo.emulator.switches import Platform, Switches
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
        platform: Whose quirks it has: ``sandbox``, ``legacy`` or ``momo_africa``; empty for the target's own. What one
            emulator has taken no other knows, as it is between MTN's platforms.
        credentials: What its callers hold; drawn in the platform's form when None.
        callback_host: Where its callers may be called back, as registered; empty for anywhere.
        faults: Faults in force from the start.
        switches: Fields of :class:`~payments_mtn_momo.emulator.switches.Switches`, such as ``delayed_s=2``.

    Raises:
        ValueError: A host that is not loopback; a target, a platform or a switch's value that does not exist; a
            platform that does not serve the target.

    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        target: str = "sandbox",
        platform: str = "",
        credentials: Credentials | None = None,
        callback_host: str = "",
        faults: Mapping[str, Any] | None = None,
        **switches: Any,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"An emulator listens on loopback only, not on {host}.")
        if target not in TARGETS:
            raise ValueError(f"There is no target {target!r}; there are: {', '.join(TARGETS)}.")
        self.target = target
        self.platform = _platform(platform, target)
        self.switches = Switches(**switches)
        self.credentials = credentials or Credentials.new(self.platform, callback_host=callback_host)
        self.config_reused = False  # whether write_config found its own file and kept it
        self.url = f"http://{host}:{port}" if port else ""
        self._address = (host, port)
        self._gateway = UnrulyGateway(
            Gateway(self.credentials, targets=[target], switches=self.switches, platform=self.platform)
        )
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

    def payments(self) -> Sequence[Mapping[str, Any]]:
        """Return what the ledger leaves out: bodies, API users, callback addresses, a row an acceptance."""
        with self._lock:
            self._gateway.gateway.books.settle(self.now)
            return self._gateway.gateway.books.details()

    def collections(self) -> Sequence[Mapping[str, Any]]:
        """Return the collections it was told of."""
        with self._lock:
            known = list(self._gateway.gateway.collections.known.values())
        return [asdict(one) | {"at": one.at.isoformat()} for one in known]

    def add_collection(self, **told: Any) -> str:
        """Know a collection, for refunds and delivery notifications; return its reference.

        Args:
            told: ``amount``, ``currency`` and ``payer``; where wanted ``reference``, ``state`` and ``api_user``.

        Raises:
            ValueError: Something is missing, unknown or wrong.

        """
        collection = read_collection(told, user=self.credentials.api_user, at=self.now)
        with self._lock:
            self._gateway.gateway.collections.add(collection)
        return collection.reference

    @property
    def targets(self) -> Sequence[str]:
        """The target environments it serves."""
        return sorted(self._gateway.gateway.targets)

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

    def write_config(
        self, path: Path, *, target: str = "", platform: str = "", overwrite: bool = False
    ) -> Sequence[str]:
        """Write a payouts.toml that pays through this server, or keep the one it wrote before.

        A file that pays through this address is kept, and the credentials it names are served: the same journal
        works on after a restart (``config_reused`` tells). Secrets go into files of mode 0600 in ``secrets/``.

        Args:
            path: The file.
            target: The target environment; the emulator's own when empty.
            platform: Written down where it is not the target's own; must be the emulator's.
            overwrite: Write a new one, with a new namespace, whatever is there.

        Returns:
            The names of its accounts.

        Raises:
            SettingsError: Another file is there.
            ValueError: A target that does not exist, or a platform this emulator does not play.
            RuntimeError: The server has no address yet.

        """
        if not self.url:
            raise RuntimeError("Start the emulator first: its address goes into the file.")
        if target and target not in TARGETS:
            raise ValueError(f"There is no target {target!r}; there are: {', '.join(TARGETS)}.")
        if platform and platform != self.platform:
            raise ValueError(f"This emulator plays {self.platform}; start another with platform={platform!r}.")
        wanted = target or self.target
        moved = "momo_africa" if self.platform == "momo_africa" else ""
        self.config_reused = path.exists() and not overwrite
        if self.config_reused:
            name, held = read_back(path, url=self.url, target=wanted, platform=moved)
            held = replace(held, callback_host=self.credentials.callback_host)
        else:
            name = write_new(path, url=self.url, target=wanted, platform=moved, credentials=self.credentials)
            held = self.credentials
        with self._lock:
            self.credentials = held
            self._gateway.gateway.door.admit(held)
            self._gateway.gateway.targets.add(wanted)
        return (name,)

    def _app(self) -> Starlette:
        return Starlette(routes=[*Steering(self).routes(), Mount("/", self._serve)])

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
        if outcome.after_s:
            await self._wait(outcome.after_s)
        if outcome.answer is not None and outcome.arrives == "whole":
            await send_answer(outcome.answer, send)
        else:
            part = part_of(outcome.answer) if outcome.answer is not None and outcome.arrives == "part" else b""
            await break_off(scope["state"]["connection"], receive, part)

    async def _wait(self, seconds: float) -> None:
        thread = self._thread
        if thread is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(thread.leaving.wait(), seconds)


def _platform(platform: str, target: str) -> Platform:
    if platform and platform not in get_args(Platform):
        raise ValueError(f"There is no platform {platform!r}; there are: {', '.join(get_args(Platform))}.")
    found = cast("Platform", platform or home_of(target))
    if (found == "sandbox") != (target == "sandbox"):
        raise ValueError(f"The target {target} is not served by the platform {found}.")
    return found
