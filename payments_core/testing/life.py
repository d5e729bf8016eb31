"""One process from its start to its end or its death: the real client, watched at every point."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from payments_core.client import PayoutClient
from payments_core.entries import Journal, JournalEntry, JournalReply, Open, PayoutRow
from payments_core.flow import Leave
from payments_core.journal import open_journal
from payments_core.payout import Order, Payout
from payments_core.performer import Line, Office
from payments_core.provider import Account
from payments_core.testing.scenario import Point, Restless, Scenario, Stage, Stopped, VirtualClock, World
from payments_core.wire import HttpRequest, HttpResponse

__all__ = ["Life", "open_file"]

_NAMESPACE = "simulated-installation"


def open_file(path: Path, clock: VirtualClock) -> Journal:
    """Open a journal of the simulated installation."""
    return open_journal(f"sqlite:///{path.name}", namespace=_NAMESPACE, root=path.parent, clock=clock)


def _die(point: Point) -> None:
    raise Stopped(point)


class Life:
    """One process from its start to its end or its death."""

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        stage: Stage,
        acknowledged: set[str],
        stop_at: int | None,
        stop: Callable[[Point], None] = _die,
    ) -> None:
        self.points: list[Point] = []
        self._scenario = scenario
        self._world = world
        self._clock = stage.clock
        self._acknowledged = acknowledged
        self._stop_at = stop_at
        self._stop = stop
        journal = cast("Journal", _Journal(open_file(stage.journal, stage.clock), self))
        office = Office(
            namespace=_NAMESPACE,
            journal=journal,
            plugins=scenario.plugins(),
            accounts={account.name: account for account in world.accounts},
            clock=stage.clock,
        )
        self._journal = journal
        self._client = _Client(office, self)

    def pass_by(self, name: str) -> None:
        """Be at a point; die there if it is the one."""
        point = Point(len(self.points) + 1, name)
        self.points.append(point)
        if point.number == self._stop_at:
            self._stop(point)

    def acknowledge(self, key: str) -> None:
        """The application has heard that its key is written down."""
        self._acknowledged.add(key)

    def exchange(self, request: HttpRequest) -> HttpResponse:
        """Let the world answer."""
        name = f"{request.method} {request.operation}"
        self.pass_by(f"before {name}")
        try:
            return self._world.gateway(request)
        finally:
            self.pass_by(f"after {name}")

    def missing(self) -> set[str]:
        """Return the acknowledged keys that the journal does not know."""
        return {key for key in self._acknowledged if self._journal.by_key(key) is None}

    def run(self) -> None:
        """Send what was not acknowledged, then work until nothing is due before the horizon."""
        until = self._scenario.starts_at + timedelta(seconds=self._scenario.horizon_s)
        for account, order in self._scenario.orders:
            if order.key not in self._acknowledged:
                self._send(account, order)
        for _ in range(self._scenario.most_steps):
            taken_in = self._take_in()
            left = self._client.resume(timeout_s=0)
            if left.steps or taken_in:
                continue
            moments = [arrival.at for arrival in self._world.arrivals]
            moment = min(moments if left.next_at is None else [*moments, left.next_at], default=None)
            if moment is None or moment > until:
                return
            self._clock.reach(moment)
        raise Restless(f"{self._scenario.name}: still at work after {self._scenario.most_steps} rounds.")

    def payouts(self) -> dict[str, Payout]:
        """Return every payout by key."""
        return {payout.key: self._client.get(payout.id) for payout in self._client.payouts()}

    def close(self) -> None:
        """Give the files back."""
        self._client.close()

    def _send(self, account: str, order: Order) -> None:
        self._client.send(
            key=order.key,
            account=account,
            payee=order.payee,
            amount=order.amount,
            operation=order.operation,
            note=order.note,
            options=order.options,
            not_before=order.not_before,
            expires_at=order.expires_at,
        )

    def _take_in(self) -> bool:
        arrivals = self._world.arrivals
        due = sorted((one for one in arrivals if one.at <= self._clock()), key=lambda one: one.at)
        for arrival in due:
            self._client.deliver(arrival.token, arrival.callback)
            arrivals.remove(arrival)  # acknowledged only now: a crash before makes the provider come again
        return bool(due)


class _Client(PayoutClient):
    """The real client, with a line into the simulated world."""

    def __init__(self, office: Office, life: Life) -> None:
        super().__init__(office)
        self._life = life

    def _line(self, account: str) -> Line:
        if account not in self._lines:
            self._lines[account] = _Line(self._office.account(account), self._office, self._life)
        return self._lines[account]


class _Line(Line):
    def __init__(self, account: Account, office: Office, life: Life) -> None:
        super().__init__(account, _Wire(life), office)
        self._life = life

    def leave(self, row: PayoutRow) -> Leave | None:
        self._life.pass_by("before leave")
        return super().leave(row)


class _Wire:
    """A transport whose other end is the world."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def send(self, request: HttpRequest) -> HttpResponse:
        return self._life.exchange(request)

    def close(self) -> None:
        pass


class _Journal:
    """The real journal, with a point before and after each commit."""

    def __init__(self, journal: Journal, life: Life) -> None:
        self._journal = journal
        self._life = life

    def perform(self, entry: JournalEntry) -> JournalReply:
        self._life.pass_by(f"before commit {entry.event.name}")
        reply = self._journal.perform(entry)
        self._life.pass_by(f"after commit {entry.event.name}")
        if isinstance(entry, Open):
            self._life.acknowledge(entry.row.key)
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)
