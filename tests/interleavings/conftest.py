"""What the interleavings share: a gateway over sockets, one journal of either kind, and owners moved step by step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from payments_core import Money, Payee, PayoutClient
from payments_core.client import assemble
from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.domain.rates import Priority
from payments_core.domain.records import PayoutRecord
from payments_core.engine import advance
from payments_core.engine.commands import ApplyTransition
from payments_core.engine.flow import Command, EngineFlow, RunPreflight
from payments_core.http.messages import HttpRequest, NoAnswer, NotSent
from payments_core.plugins.manager import Plugins
from payments_core.runtime import CommandExecutor
from payments_mtn_momo.emulator import MtnMomoEmulator

KEY = "salary/1"
WINDOW_S = 600.0
SETTINGS: dict[str, object] = {"visible_after_s": 2, "dedupe_window_s": WINDOW_S, "poll_schedule_s": [5] * 400}


class Clock:
    """The time, as one machine tells it: it can be set."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        """Return it."""
        return datetime.now(UTC) + self.ahead

    def move(self, seconds: float) -> None:
        """Set it forward, or back."""
        self.ahead += timedelta(seconds=seconds)


class Step:
    """One step of an owner with a payout, carried out command by command, with real sockets and the real journal."""

    def __init__(self, flow: EngineFlow[PayoutRecord], executor: CommandExecutor) -> None:
        self._flow, self._performer = flow, executor
        self._next: Command | None = next(flow)
        self.row: PayoutRecord | None = None

    def until(self, is_it: Callable[[Command], bool]) -> Self:
        """Go on until this is what would come next, and stop before it."""
        while self._next is not None and not is_it(self._next):
            self._one()
        assert self._next is not None, f"it ended before: {self.row}"
        return self

    def finish(self) -> PayoutRecord:
        """Go on to the end; return the row as this owner sees it then."""
        while self._next is not None:
            self._one()
        self._performer.__exit__(None, None, None)
        assert self.row is not None
        return self.row

    def _one(self) -> None:
        assert self._next is not None
        try:
            try:
                reply = self._performer(self._next)
            except (NotSent, NoAnswer) as ended:
                self._next = self._flow.throw(ended)
            else:
                self._next = self._flow.send(reply)
        except StopIteration as end:
            self._next, self.row = None, end.value


class Owner:
    """One process life of its own: a connection to the journal, lines to the gateway, a clock, and a name in leases."""

    def __init__(self, config: Path, clock: Clock, plugins: Sequence[object]) -> None:
        loaded = Plugins()
        for number, plugin in enumerate(plugins):
            loaded.register(plugin, f"test-{number}")
        self.clock = clock
        self.client = PayoutClient(assemble(config, plugins=loaded, clock=clock))

    def row(self, key: str = KEY) -> PayoutRecord:
        """Return the payout as it stands in the journal."""
        found = self.client._runtime.journal.by_key(key)
        assert found is not None
        return found

    def events(self, key: str = KEY) -> list[str]:
        """Return its history."""
        return [entry.event.removeprefix("payout.") for entry in self.client.get(key).history]

    def send(self, key: str = KEY, **changes: Any) -> Payout:
        """Ask for a payment."""
        currency = next(iter(self.client._runtime.accounts.values())).settings.currency
        fields: dict[str, Any] = {"payee": Payee.msisdn("46733000001"), "amount": Money(500, currency), **changes}
        return self.client.send(key=key, **fields)

    def accept(self, key: str = KEY) -> Payout:
        """Write a payment down, and send nothing."""
        currency = next(iter(self.client._runtime.accounts.values())).settings.currency
        return self.client.accept(key=key, payee=Payee.msisdn("46733000001"), amount=Money(500, currency))

    def step(self, line: Any, flow: EngineFlow[PayoutRecord]) -> Step:
        """Begin a flow that a test has made."""
        return Step(flow, line.executor(Priority.READ))

    def begin(self, row: PayoutRecord | None = None) -> Step:
        """Begin a step with the payout as it stands, or as this owner has read it before."""
        runtime, row = self.client._runtime, row or self.row()
        line = self.client._session(runtime.serving(row))
        return self.step(line, advance(line.account, row, runtime.moment()))

    def work(self, rounds: int = 1, every_s: float = 6.0) -> PayoutRecord:
        """Take the step that is due, and again later."""
        for _ in range(rounds):
            self.clock.move(every_s)
            self.client.work_on(self.row())
        return self.row()


class World:
    """A gateway, a configuration, and whoever works with it."""

    def __init__(self, folder: Path, gateway: MtnMomoEmulator) -> None:
        self.gateway, self.config = gateway, folder / "payouts.toml"
        gateway.write_config(self.config)
        self.set(**SETTINGS)
        self._owners: list[Owner] = []

    def set(self, **settings: object) -> None:
        """Change settings of the account; a text is written as one."""
        text = self.settings()
        for name, value in settings.items():
            text = re.sub(rf"(?m)^{name} = .*\n", "", text)
            text = text.rstrip() + f"\n{name} = {f'{value!r}'.replace(chr(39), chr(34))}\n"
        self.config.write_text(text, "utf-8")

    def settings(self) -> str:
        """Return the account's settings as they are written now."""
        return self.config.read_text("utf-8")

    def append(self, text: str) -> None:
        """Write more to the end of the settings."""
        self.config.write_text(f"{self.settings().rstrip()}\n{text}\n", "utf-8")

    def owner(self, *plugins: object, clock: Clock | None = None) -> Owner:
        """Let one more process work with it."""
        self._owners.append(Owner(self.config, clock or Clock(), plugins))
        return self._owners[-1]

    def owners(self) -> tuple[Owner, Owner]:
        """Let two more work with it, by one clock."""
        clock = Clock()
        return self.owner(clock=clock), self.owner(clock=clock)

    def posts(self) -> int:
        """Return how many payments reached the gateway, refused ones included."""
        return sum(self.gateway._gateway.gateway.posts.values())

    def credits(self) -> list[int]:
        """Return how often each payment that the gateway took was paid."""
        return [entry["credits"] for entry in self.gateway.ledger()]

    def close(self) -> None:
        """Close what is open."""
        for owner in self._owners:
            owner.client.close()


class Stops:
    """Where a step can be stopped: before what comes next."""

    @staticmethod
    def is_preflight(command: Command) -> bool:
        """Whether the flow is about to ask for leave to send."""
        return isinstance(command, RunPreflight)

    @staticmethod
    def is_c2(command: Command) -> bool:
        """Whether the flow is about to write SENDING."""
        return isinstance(command, ApplyTransition) and command.after.status is PayoutStatus.SENDING

    @staticmethod
    def is_post(command: Command) -> bool:
        """Whether the flow is about to send the payment: SENDING stands in the journal by now."""
        return isinstance(command, HttpRequest) and command.moves_money


@pytest.fixture
def stops() -> type[Stops]:
    """Return the places where a step can be stopped."""
    return Stops


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """Where the journal is."""
    return str(request.param)


@pytest.fixture
def world(tmp_path: Path, store: str, request: pytest.FixtureRequest) -> Iterator[World]:
    """A world whose journal is of either kind; its gateway plays the sandbox, or the platform that is named."""
    platform = getattr(request, "param", "")
    with MtnMomoEmulator(target="mtnuganda" if platform else "sandbox", platform=platform) as gateway:
        made = World(tmp_path, gateway)
        if store == "postgres":
            request.getfixturevalue("share_journal")(made.config)
        yield made
        made.close()
