"""Where the promises are tried: an emulator, an installation that pays through it, and a client of either kind."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from starlette import types
from starlette.responses import Response

from payments_core.callbacks import app
from payments_core.client import AsyncPayoutClient, PayoutClient, assemble
from payments_core.client.inbox import PATH
from payments_core.engine.drafts import make_draft
from payments_core.hookspecs import hookimpl
from payments_core.money import Money
from payments_core.payout import Order, Payee, Payout, PayoutStatus
from payments_core.performer import Office
from payments_core.plugins import Plugins
from payments_core.provider import Account, Draft, ProviderSpec
from payments_core.references import payout_id
from payments_core.settings import load
from payments_core.testing.conformance.sheet import Sheet
from payments_core.testing.emulator.connections import ServerThread
from payments_core.testing.emulator.server import Emulator

__all__ = ["Door", "Kind", "Payer", "Scene"]

Kind: TypeAlias = Literal["sync", "async"]

_LONGEST = timedelta(hours=80)  # past every schedule
_numbers = itertools.count(1)
_QUICK = {"attempts": 2, "first_wait_s": 0.001, "longest_wait_s": 0.002, "jitter_s": 0.0}


class _Plugin:
    def __init__(self, spec: ProviderSpec) -> None:
        self._spec = spec

    @hookimpl
    def payments_providers(self) -> list[ProviderSpec]:
        return [self._spec]


class Payer:
    """A client of either kind, asked in one way.

    Args:
        office: What it works with; closed with it.
        kind: Which.

    """

    def __init__(self, office: Office, kind: Kind) -> None:
        self.office = office
        self._closed = False
        self.client: PayoutClient | AsyncPayoutClient
        self.client = PayoutClient(office) if kind == "sync" else AsyncPayoutClient(office)
        self._runner = asyncio.Runner() if kind == "async" else None

    def ask(self, name: str, *args: Any, **more: Any) -> Any:
        """Call a method of the client and return what it gives."""
        found = getattr(self.client, name)(*args, **more)
        return self._run(found) if inspect.isawaitable(found) else found

    def ask_together(self, name: str, calls: list[Mapping[str, Any]]) -> list[Any]:
        """Make many calls at once."""
        if self._runner is None:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(32) as pool:
                return list(pool.map(lambda more: self.ask(name, **more), calls))

        async def together() -> list[Any]:
            return list(await asyncio.gather(*(getattr(self.client, name)(**more) for more in calls)))

        return list(self._run(together()))

    def close(self) -> None:
        """Close it and its journal; twice is as good as once."""
        if not self._closed:
            self._closed = True
            self.ask("close")
            if self._runner is not None:
                self._runner.close()

    def _run(self, found: Any) -> Any:
        assert self._runner is not None

        async def awaited() -> Any:
            return await found

        return self._runner.run(awaited())


class Door:
    """Where callbacks come to: one address for many installations, one after the other; also a context manager."""

    def __init__(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._server = ServerThread(self, listener, _idle)
        self.address = f"http://localhost:{listener.getsockname()[1]}"
        self.behind: types.ASGIApp = _nobody

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        await self.behind(scope, receive, send)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


_nobody: types.ASGIApp = Response(status_code=404)


async def _idle() -> None:
    await asyncio.Event().wait()


class Scene:
    """One installation that pays through an emulator, on the emulator's clock.

    Args:
        sheet: The author's.
        emulator: Started.
        folder: Empty; for configuration, secrets and journal.
        kind: Of the client.
        door: Where it is called back; None where it is not.

    """

    def __init__(
        self, sheet: Sheet, emulator: Emulator[Any], folder: Path, kind: Kind, door: Door | None = None
    ) -> None:
        self.sheet = sheet
        self.emulator = emulator
        self._kind: Kind = kind
        self._stack = ExitStack()
        self._name = f"conformance/{next(_numbers)}"
        self.folder = folder
        self._config = folder / "payouts.toml"
        [self.account, *_] = emulator.write_config(self._config, overwrite=True)
        self._door = door
        self._more = self._callback_settings(door) if door else {}
        self.payer = self.open()

    def close(self) -> None:
        """Stop everything but the emulator."""
        if self._door:
            self._door.behind = _nobody
        self._stack.close()

    # --- clients ---

    def open(self, *, journal: str = "payouts.db", called_back: bool = True, **settings: Any) -> Payer:
        """Return a client on a journal; another file is an installation that has lost its journal."""
        payer = Payer(self._office(journal, {**self._more, **settings}), self._kind)
        self._stack.callback(payer.close)
        if called_back and self._door:
            self._door.behind = app(payer.client)  # a later client takes it over
        return payer

    def reopen(self, kind: Kind) -> Payer:
        """Return a client of another kind on the same journal, in place of the first."""
        self.payer.close()
        self._kind = kind
        self.payer = self.open()
        return self.payer

    def provider(self) -> Account:
        """Return the account as the engine sees it."""
        return self.payer.office.account(self.account)

    def _office(self, journal: str, settings: Mapping[str, Any]) -> Office:
        read = load(self._config)
        retry = dict.fromkeys(self.sheet.spec.retry, _QUICK)
        table = {"retry": retry, **read.accounts[self.account], **self.sheet.settings, **settings}
        configuration = replace(read, accounts={self.account: table}, journal=f"sqlite:///{journal}")
        plugins = Plugins(())
        plugins.register(_Plugin(self.sheet.spec), self.sheet.spec.name)
        return assemble(configuration, plugins=plugins, clock=lambda: self.emulator.now)

    # --- callbacks ---

    @property
    def is_called_back(self) -> bool:
        """Whether somebody listens to what the provider tells."""
        return self._door is not None

    def _callback_settings(self, door: Door) -> Mapping[str, Any]:
        client = PayoutClient(self._office("payouts.db", {}))
        token = client.inbox.tokens.get(self.account, "")
        client.close()
        return self.sheet.callback_settings(door.address, f"/{PATH}/{token}")

    # --- paying ---

    def key(self, name: str) -> str:
        """Return a key that is new to the emulator."""
        return f"{self._name}/{name}"

    def order(self, key: str, *, payee: Payee | None = None, amount: Money | None = None) -> Order:
        """Return what is asked for."""
        return Order(
            key=key, payee=payee or self.sheet.payee, amount=amount or self.sheet.amount, options=self.sheet.options
        )

    def draft(self, key: str, *, payee: Payee | None = None, amount: Money | None = None, number: int = 1) -> Draft:
        """Make a payment ready, as the engine does."""
        namespace, order = self.payer.office.namespace, self.order(key, payee=payee, amount=amount)
        identity = payout_id(namespace, key)
        return make_draft(self.provider(), order, namespace=namespace, payout_id=identity, number=number)

    def asked(self, key: str, *, payee: Payee | None = None, amount: Money | None = None) -> Mapping[str, Any]:
        """Return the arguments of ``send``."""
        order = self.order(key, payee=payee, amount=amount)
        return {"key": order.key, "payee": order.payee, "amount": order.amount, "options": order.options}

    def pay(self, key: str, *, payee: Payee | None = None, by: Payer | None = None) -> Payout:
        """Pay once."""
        payout: Payout = (by or self.payer).ask("send", **self.asked(key, payee=payee))
        return payout

    def get(self, key: str, *, by: Payer | None = None) -> Payout:
        """Return a payout by its key."""
        payout: Payout = (by or self.payer).ask("get", key)
        return payout

    def settle(self, key: str, *, by: Payer | None = None) -> Payout:
        """Let the time pass until a payout is final, in review, or waits for nothing; what comes is heard."""
        payer = by or self.payer
        end = self.emulator.now + _LONGEST
        while True:
            self.hear(payer)
            payer.ask("resume", timeout_s=0)
            self.hear(payer)
            payout = self.get(key, by=payer)
            row = payer.office.journal.get(payout.id)
            assert row is not None
            due = row.next_at if row.status is not PayoutStatus.SENDING else row.lease_until
            if due is not None and row.status is PayoutStatus.CREATED:  # held as long as the account is slowed down
                due = max([due, *(pause.probe_at for pause in payer.ask("pauses") if pause.probe_at)])
            if payout.status.is_final or payout.status is PayoutStatus.REVIEW or due is None or due > end:
                return payout
            self.emulator.advance(max((due - self.emulator.now).total_seconds(), 0.0) + 0.01)

    def hear(self, by: Payer | None = None) -> None:
        """Wait until every callback that is due has left, and handle what has come."""
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
        """Return how often the payment of a payout reached somebody."""
        return sum(row["credits"] for row in self._rows(payout))

    def posts(self, payout: Payout) -> int:
        """Return how often it was asked for."""
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
    """Wait for what other threads do.

    Raises:
        TimeoutError: It did not happen.

    """
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        time.sleep(0.005)
