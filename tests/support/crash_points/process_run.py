"""One process from its start to its end or its death: the real client, watched at every point."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from crash_points.scenario import CallerView, Point, Restless, Scenario, Stage, Stopped, World
from payments_core.client import PayoutClient
from payments_core.domain.batches import BatchChange, BatchReply, BatchWrite
from payments_core.domain.errors import OverRefund
from payments_core.domain.payout import Order, Payout, PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.engine.commands import (
    CreatePayout,
    CreateResult,
    DelayPayout,
    JournalCommand,
    JournalResult,
    LoadAttempts,
    RecordAccountQuery,
)
from payments_core.engine.flow import PreflightResult
from payments_core.engine.journal_protocol import Journal
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider import Account
from payments_core.runtime import AccountSession, Runtime

__all__ = ["NAMESPACE", "Life"]

NAMESPACE = "simulated-installation"


class Life:
    """One process from its start to its end or its death."""

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        stage: Stage,
        parsed: CallerView,
        stop_at: int | None,
        stop: Callable[[Point], None],
    ) -> None:
        self.points: list[Point] = []
        self._scenario = scenario
        self._world = world
        self._clock = stage.clock
        self._view = parsed
        self._stop_at = stop_at
        self._stop = stop
        self._is_dead = False
        journal = cast("Journal", _Journal(stage.store.open(NAMESPACE, stage.clock), self))
        runtime = Runtime(
            namespace=NAMESPACE,
            journal=journal,
            plugins=scenario.plugins(),
            accounts={account.name: account for account in world.accounts},
            clock=stage.clock,
        )
        self._journal = journal
        self._client = _Client(runtime, self)

    def pass_by(self, name: str) -> None:
        """Be at a point; die there if it is the one."""
        self.check_alive()
        point = Point(len(self.points) + 1, name)
        self.points.append(point)
        if point.number == self._stop_at:
            self._is_dead = True
            self._stop(point)

    def check_alive(self) -> None:
        """Let nothing be done any more on the way out of a life that has ended."""
        if self._is_dead:
            raise Stopped(self.points[-1])

    def acknowledge(self, key: str) -> None:
        """The application has heard that its key is written down."""
        self._view.accepted.add(key)

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
        return {key for key in self._view.accepted if self._journal.by_key(key) is None}

    def run(self) -> None:
        """Send what has no answer yet, then work until nothing is due before the horizon."""
        until = self._scenario.starts_at + timedelta(seconds=self._scenario.horizon_s)
        for account, order in self._scenario.orders:
            if order.key not in self._view.accepted | self._view.refused:
                self._send(account, order)
        for _ in range(self._scenario.most_steps):
            taken_in = self._take_in()
            left = self._client.resume(timeout_s=0)
            if left.steps or taken_in:
                continue
            moments = [arrival.at for arrival in self._world.arrivals if arrival.at > self._clock()]
            person = self._scenario.person(self._client, self._world, self._clock())
            moments += [at for at in (left.next_at, person) if at is not None]
            moment = min(moments, default=None)
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
        fields: dict[str, Any] = {
            "key": order.key,
            "account": account,
            "amount": order.amount,
            "note": order.note,
            "options": order.options,
            "not_before": order.not_before,
            "expires_at": order.expires_at,
        }
        if order.original_amount is None:
            self._client.send(payee=order.payee, operation=order.operation, **fields)
            return
        try:
            self._client.refund(collection=order.payee.value, original_amount=order.original_amount, **fields)
        except OverRefund:  # an answer as good as any: the application does not ask again
            self._view.refused.add(order.key)

    def _take_in(self) -> bool:
        arrivals, taken_in = self._world.arrivals, False
        for arrival in sorted((one for one in arrivals if one.at <= self._clock()), key=lambda one: one.at):
            payout = self._client.deliver(arrival.token, arrival.callback)
            if payout is not None and payout.status is PayoutStatus.SENDING:
                continue  # it waits until the send has ended, as in the inbox
            arrivals.remove(arrival)  # acknowledged only now: a crash before makes the provider come again
            taken_in = True
        return taken_in


class _Client(PayoutClient):
    """The real client, with a line into the simulated world."""

    def __init__(self, runtime: Runtime, life: Life) -> None:
        super().__init__(runtime)
        self._life = life

    def _session(self, account: Account) -> AccountSession:
        if account not in self._sessions:
            self._sessions[account] = _Line(account, self._runtime, self._life)
        return self._sessions[account]


class _Line(AccountSession):
    def __init__(self, account: Account, runtime: Runtime, life: Life) -> None:
        super().__init__(account, _Wire(life), runtime)
        self._life = life

    def preflight(self, row: PayoutRecord) -> PreflightResult | None:
        self._life.pass_by("before leave")
        return super().preflight(row)


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

    def execute(self, entry: JournalCommand) -> JournalResult:
        if isinstance(entry, LoadAttempts | RecordAccountQuery):  # nothing of it is a payout
            return self._journal.execute(entry)
        begins = entry.begins if isinstance(entry, CreatePayout) else None
        name = "payout.delayed" if isinstance(entry, DelayPayout) else entry.event.name  # it is in no history
        self._life.pass_by(f"before commit {name}")
        reply = self._journal.execute(entry)
        has_begun = begins is not None and isinstance(reply, CreateResult) and reply.row.status is PayoutStatus.SENDING
        self._life.pass_by(f"after commit {begins.event.name if begins and has_begun else name}")
        if isinstance(reply, CreateResult) and isinstance(entry, CreatePayout):
            self._life.acknowledge(entry.row.order.key)
        return reply

    def write_batch(self, change: BatchWrite) -> BatchReply:
        name = change.event if isinstance(change, BatchChange) else type(change).__name__
        self._life.pass_by(f"before commit {name}")
        reply = self._journal.write_batch(change)
        self._life.pass_by(f"after commit {name}")
        return reply

    def close(self) -> None:
        self._journal.close()

    def __getattr__(self, name: str) -> Any:
        self._life.check_alive()
        return getattr(self._journal, name)
