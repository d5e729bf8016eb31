"""The test environment of a promise: an emulator, an installation that pays through it, and a client of either kind."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from starlette import types
from starlette.responses import Response

from payments_core.callbacks import app
from payments_core.client import PayoutClient
from payments_core.client.inbox import PATH
from payments_core.domain.payout import Order, Payee, Payout, PayoutStatus
from payments_core.domain.references import payout_id
from payments_core.provider import Account, Callback, Draft
from payments_core.runtime import Runtime
from payments_core.settings import load
from payments_core.testing.conformance.client_runner import Kind, Payer, draft_in, runtime_of
from payments_core.testing.conformance.profile import Profile
from payments_core.testing.emulator.connections import ServerThread
from payments_core.testing.emulator.server import Emulator

__all__ = ["METADATA", "CallbackReceiver", "Harness", "Kind", "Payer"]

METADATA = "metadata-of-the-conformance-suite"  # with every payout; nothing may show it

_LONGEST, _MOST_STEPS = timedelta(hours=80), 120  # longer than every schedule
_numbers = itertools.count(1)
_QUICK = {"attempts": 2, "first_wait_s": 0.001, "longest_wait_s": 0.002, "jitter_s": 0.0}


class CallbackReceiver:
    """A server that receives callbacks: one address for many installations in turn; also a context manager."""

    def __init__(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._server = ServerThread(self, listener, _idle)
        self.address = f"http://localhost:{listener.getsockname()[1]}"
        self.behind: types.ASGIApp = _not_found
        self.arrived: list[tuple[str, Mapping[str, str], bytes]] = []

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        body = bytearray()

        async def noted() -> types.Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self.behind(scope, noted, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self.arrived.append((scope["method"], headers, bytes(body)))

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


_not_found: types.ASGIApp = Response(status_code=404)


async def _idle() -> None:
    await asyncio.Event().wait()


class Harness:
    """One installation that pays through an emulator, on the emulator's clock.

    Args:
        profile: The provider's profile.
        emulator: A started emulator.
        folder: An empty folder for configuration, secrets and journal.
        kind: The kind of client.
        receiver: Where callbacks arrive; None for a provider without any.

    """

    def __init__(
        self,
        profile: Profile,
        emulator: Emulator[Any],
        folder: Path,
        kind: Kind,
        receiver: CallbackReceiver | None = None,
    ) -> None:
        self.profile = profile
        self.emulator = emulator
        self._kind: Kind = kind
        self._stack = ExitStack()
        self._name = f"conformance/{next(_numbers)}"
        self.folder = folder
        self._config = folder / "payouts.toml"
        [self.account, *_] = emulator.write_config(self._config, overwrite=True)
        self._receiver = receiver
        self._more: Mapping[str, Any] = {}
        if receiver:
            receiver.arrived.clear()
        self._more = self._callback_settings(receiver) if receiver else {}
        self.payer = self.open()

    def close(self) -> None:
        """Stop everything but the emulator."""
        if self._receiver:
            self._receiver.behind = _not_found
        self._stack.close()

    # --- clients ---

    def open(self, *, journal: str = "payouts.db", called_back: bool = True, **settings: Any) -> Payer:
        """Return a client on a journal; another file imitates an installation that lost its journal."""
        payer = Payer(self._runtime(journal, settings), self._kind)
        self._stack.callback(payer.close)
        if called_back and self._receiver:
            self._receiver.behind = app(payer.client)  # a later client replaces it
        return payer

    def reopen(self, kind: Kind) -> Payer:
        """Return a client of another kind on the same journal, in place of the first."""
        self.payer.close()
        self._kind = kind
        self.payer = self.open()
        return self.payer

    def provider(self) -> Account:
        """Return the account as the engine sees it."""
        return self.payer.runtime.account(self.account)

    def table(self, **settings: Any) -> Mapping[str, Any]:
        """Return the account's table of payouts.toml, secrets as references."""
        retry = dict.fromkeys(self.profile.spec.retry, _QUICK)
        written = load(self._config).accounts[self.account]
        return {"retry": retry, **written, **self.profile.settings, **self._more, **settings}

    def _runtime(self, journal: str, settings: Mapping[str, Any]) -> Runtime:
        table = self.table(**settings)
        return runtime_of(self.profile.spec, self._config, self.account, table, journal, lambda: self.emulator.now)

    # --- callbacks ---

    def arrived(self) -> list[Callback]:
        """Return the callbacks that this installation received."""
        received = self._receiver.arrived if self._receiver else []
        return [Callback(method, headers, body, self.emulator.now) for method, headers, body in received]

    @property
    def is_called_back(self) -> bool:
        """Whether a receiver for callbacks runs."""
        return self._receiver is not None

    def _callback_settings(self, receiver: CallbackReceiver) -> Mapping[str, Any]:
        client = PayoutClient(self._runtime("payouts.db", {}))
        token = client.inbox.tokens.get(self.account, "")
        client.close()
        return self.profile.callback_settings(receiver.address, f"/{PATH}/{token}")

    # --- paying ---

    def key(self, name: str) -> str:
        """Return a key that the emulator has not seen."""
        return f"{self._name}/{name}"

    def payout_id(self, key: str) -> str:
        """Return our payout id for a key."""
        return payout_id(self.payer.runtime.namespace, key)

    def order(self, key: str, **other: Any) -> Order:
        """Return the profile's order, with other values for the given fields of ``Order``."""
        profile = self.profile
        usual = Order(key=key, payee=profile.payee, amount=profile.amount, options=profile.options)
        return replace(usual, **{name: value for name, value in other.items() if value is not None})

    def draft(self, key: str, *, number: int = 1, namespace: str = "", **other: Any) -> Draft:
        """Return a payment's draft, as the engine makes it."""
        namespace, order = namespace or self.payer.runtime.namespace, self.order(key, **other)
        return draft_in(self.provider(), order, namespace=namespace, number=number)

    def asked(self, key: str, **other: Any) -> Mapping[str, Any]:
        """Return the arguments of ``send``."""
        order = self.order(key, **other)
        asked = {"key": order.key, "payee": order.payee, "amount": order.amount, "options": order.options}
        return asked | {"metadata": {"conformance": METADATA}}

    def pay(self, key: str, *, payee: Payee | None = None, by: Payer | None = None) -> Payout:
        """Pay once."""
        payout: Payout = (by or self.payer).ask("send", **self.asked(key, payee=payee))
        return payout

    def get(self, key: str, *, by: Payer | None = None) -> Payout:
        """Return a payout by its key."""
        payout: Payout = (by or self.payer).ask("get", key)
        return payout

    def settle(self, key: str, *, by: Payer | None = None) -> Payout:
        """Advance the clock until a payout is final, in review, or waits for nothing; callbacks are handled.

        Raises:
            AssertionError: The payout is still open after many steps.

        """
        payer = by or self.payer
        end = self.emulator.now + _LONGEST
        for _ in range(_MOST_STEPS):
            self.handle_callbacks(payer)
            payer.ask("resume", timeout_s=0)
            self.handle_callbacks(payer)
            payout = self.get(key, by=payer)
            row = payer.runtime.journal.get(payout.id)
            assert row is not None
            due = row.schedule.next_at if row.status is not PayoutStatus.SENDING else row.lease.until
            if due is not None and row.status is PayoutStatus.CREATED:  # waits while the account is slowed down
                due = max([due, *(pause.probe_at for pause in payer.ask("pauses") if pause.probe_at)])
            if payout.status.is_final or payout.status is PayoutStatus.REVIEW or due is None or due > end:
                return payout
            self.emulator.advance(max((due - self.emulator.now).total_seconds(), 0.0) + 0.01)
        payout = self.get(key, by=payer)
        latest = "; ".join(f"{entry.event} {dict(entry.evidence)}" for entry in payout.history[-3:])
        raise AssertionError(f"after {_MOST_STEPS} steps the payout is still {payout.status}; latest events: {latest}")

    def handle_callbacks(self, by: Payer | None = None) -> None:
        """Wait until every due callback was sent, and handle the received ones."""
        if not self.is_called_back:
            return
        until(lambda: not any(self._under_way(row) for row in self.emulator.callbacks()))
        (by or self.payer).client.inbox.handle()

    def _under_way(self, row: Mapping[str, Any]) -> bool:
        now = self.emulator.now.isoformat()
        return bool(row["state"] == "sending" or (row["state"] == "waiting" and row["next_at"] <= now))

    # --- what the provider did ---

    def _rows(self, payout: Payout) -> Iterator[Mapping[str, Any]]:
        ours = {value.lower() for value in payout.references.values()}
        return (row for row in self.emulator.ledger() if str(row["reference"]).lower() in ours)

    def credits(self, payout: Payout) -> int:
        """Return how often the payment of a payout was credited."""
        return sum(row["credits"] for row in self._rows(payout))

    def posts(self, payout: Payout) -> int:
        """Return how often the payment was requested."""
        return sum(row["posts"] for row in self._rows(payout))

    @contextmanager
    def faults(self, **faults: Any) -> Iterator[None]:
        """Let the emulator misbehave for a block."""
        self.emulator.set_faults(faults)
        try:
            yield
        finally:
            self.emulator.set_faults({})


def until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: The condition did not become true in time.

    """
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not become true in time")
        time.sleep(0.005)
