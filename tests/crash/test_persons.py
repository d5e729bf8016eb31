"""People decide what the machine leaves, pay again what failed, and processes die at every commit of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from crash_points import CrashFile, CrashStore, End, Simulator, Stage, VirtualClock, World
from flat_records import changed
from person_world import PERSONS, REFUSED, Books
from promises import broken_promises
from worlds import VISIBLE_AFTER_S, order_of

from payments_core.domain.contradictions import ProviderStatus
from payments_core.domain.errors import DecisionRefused
from payments_core.domain.payout import Operation, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import OperatorDecision, StepContext, accept, advance, reissue, resolve
from payments_core.engine.commands import ApplyTransition, CreateAttempt
from payments_core.engine.flow import Command, EngineFlow, Proceed, ReadAs, Reply, RunPreflight
from payments_core.engine.journal_protocol import Journal
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest, NoAnswer, NotSent
from payments_core.provider import Authenticates, Credential

S = PayoutStatus
FULL = "1" in {os.environ.get("PAYMENTS_CRASH_PROOF"), os.environ.get("PAYMENTS_CRASH_FULL")}
STORES = ("sqlite", "postgres") if FULL else ("sqlite",)
NAMESPACE = "two-people"
ANN, BEN = OperatorDecision("Ann", "still owed"), OperatorDecision("Ben", "still owed")

# How each ends without a crash: the status, and the attempt it ends with.
WANTED = {
    "refused, then paid": (S.SUCCEEDED, 2),
    "refused twice, then lost": (S.SUCCEEDED, 3),
    "a refund refused, then paid": (S.SUCCEEDED, 2),
    "never enough money": (S.FAILED, 3),
    "refused, and made all the same": (S.FAILED, 1),
    "refused, made all the same, and looked at": (S.FAILED, 1),
    "refused, and shown very late": (S.SUCCEEDED, 2),
    "refused, then not sent, then lost": (S.SUCCEEDED, 2),
    "lost and never shown": (S.SUCCEEDED, 2),
    "taken and never shown": (S.SUCCEEDED, 1),
    "taken, and called unpaid": (S.SUCCEEDED, 1),
    "called failed, then paid": (S.FAILED, 1),
    "failed, then forgotten": (S.FAILED, 3),
    "needs an approval": (S.SUCCEEDED, 2),
    "an approval declined": (S.CANCELLED, 1),
    "cancelled between two tries": (S.CANCELLED, 1),
    "cancelled when it may have arrived": (S.SUCCEEDED, 1),
}


@pytest.mark.parametrize(("store", "name"), [(store, name) for store in STORES for name in PERSONS])
def test_crash_points_of_decisions_keep_the_promises(
    store: str, name: str, open_store: Callable[[str], CrashStore], counts: Counter[str]
) -> None:
    """Wherever a life is cut, at every commit and request of a decision too, nothing is paid twice and all is kept."""
    simulator = Simulator(PERSONS[name], open_store(store))
    wanted = simulator.trace()
    (payout,) = wanted.payouts.values()
    assert broken_promises(wanted, visible_after_s=VISIBLE_AFTER_S) == []
    assert (payout.status, payout.attempt) == WANTED[name]
    for point in wanted.points[:: 1 if FULL else 11]:
        crashed = simulator.crash_at(point.number)
        assert broken_promises(crashed, visible_after_s=VISIBLE_AFTER_S) == [], (name, point)
        (payout,) = crashed.payouts.values()
        assert payout.status is not S.REVIEW, (name, point)
        counts[f"single crashes, people decide, {store}"] += 1
        if point.number % 4 == 1:
            again = 1 + point.number * 7 % max(len(crashed.lives[1]), 1)
            twice = simulator.crash_at(point.number, again)
            assert broken_promises(twice, visible_after_s=VISIBLE_AFTER_S) == [], (name, point, again)
            counts[f"double crashes, people decide, {store}"] += 1


def test_contradiction_is_kept_and_published_once_after_any_crash(open_store: Callable[[str], CrashStore]) -> None:
    """Wherever a life is cut: it is part of the payout, an event tells it once, and a person has acknowledged it."""
    simulator = Simulator(PERSONS["called failed, then paid"], open_store("sqlite"))
    for point in simulator.trace().points:
        if point.name.startswith("before") and not FULL:  # the same is left behind by the point before it
            continue
        end = simulator.crash_at(point.number)
        (payout,) = end.payouts.values()
        (text,) = payout.contradictions
        assert (text.provider_status, text.attempt, text.actor) == (ProviderStatus.PAID, 1, "Ann")
        assert end.store.ask("SELECT COUNT(*) FROM outbox WHERE contradiction IS NOT NULL") == [(1,)]
        assert broken_promises(end, visible_after_s=VISIBLE_AFTER_S) == []


# --- two at once ---------------------------------------------------------------------------------------------------


class Two:
    """Two people in two processes on one journal file, stepped by hand."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(VirtualClock(datetime(2026, 1, 5, 8, tzinfo=UTC)), CrashFile(folder / "two.db"))
        self.side = Books(self.stage, REFUSED, "answers")
        self.world = World(accounts=[self.side.account()], gateway=self.side)
        self.account = self.world.accounts[0]
        self.journals: list[Journal] = [self.stage.store.open(NAMESPACE, self.stage.clock) for _ in "ab"]
        self.row = run_flow(
            accept(self.account, order_of(Operation.TRANSFER, "46733123499"), self.moment()), self.execute
        )

    def moment(self, owner: str = "a") -> StepContext:
        return StepContext(self.stage.clock(), owner, lambda: "path", NAMESPACE)

    def execute(self, command: Command, at: int = 0) -> Reply:
        if isinstance(command, RunPreflight):
            return Proceed(self.stage.clock())
        if isinstance(command, HttpRequest):
            provider, ask = cast("Authenticates", self.account.provider), cast("Callable[[Command], Reply]", self.side)
            if command.credential:
                held = run_flow(provider.authenticate(), ask)
                assert isinstance(held, Credential)
                command = provider.apply(command, held, at=self.stage.clock(), entropy=bytes)
            return self.side(command)
        assert not isinstance(command, ReadAs)
        return self.journals[at].execute(command)

    def advance(self, row: PayoutRecord, at: int = 0) -> PayoutRecord:
        flow = advance(self.account, row, self.moment("ab"[at]))
        return run_flow(flow, lambda command: self.execute(command, at))

    def held(self, flow: EngineFlow[PayoutRecord], kind: type, at: int) -> Callable[[], PayoutRecord | DecisionRefused]:
        """Let a decision go on until it is about to be written; return what lets it finish."""
        steps: Generator[Command, Reply, PayoutRecord] = flow
        command = next(steps)
        while not isinstance(command, kind) or (
            isinstance(command, ApplyTransition) and "resolved" not in command.event.name
        ):
            command = steps.send(self.execute(command, at))

        def finish() -> PayoutRecord | DecisionRefused:
            nonlocal command
            try:
                while True:
                    try:
                        reply = self.execute(command, at)
                    except (NotSent, NoAnswer) as ended:
                        command = steps.throw(ended)
                    else:
                        command = steps.send(reply)
            except StopIteration as end:
                row: PayoutRecord = end.value
                return row
            except DecisionRefused as refused:
                return refused

        return finish

    def end(self, row: PayoutRecord) -> list[str]:
        stored = self.journals[0].get(row.id)
        assert stored is not None
        payout = stored.view(self.journals[0].history(row.id))
        for journal in self.journals:
            journal.close()
        end = End(payouts={row.order.key: payout}, world=self.world, lives=[], lost=frozenset(), store=self.stage.store)
        return broken_promises(end, visible_after_s=VISIBLE_AFTER_S)


def two_pay_again(folder: Path) -> tuple[list[str], list[PayoutRecord | DecisionRefused]]:
    """Both have read every attempt and are about to begin the next one; then both try to send it."""
    two = Two(folder)
    row = two.advance(two.row.row)
    assert row.status is S.FAILED
    two.stage.clock.advance(10_000)
    flows = [reissue(two.account, row, person=who, moment=two.moment(name)) for who, name in ((ANN, "a"), (BEN, "b"))]
    ready = [two.held(flow, CreateAttempt, at) for at, flow in enumerate(flows)]
    begun = [finish() for finish in ready]
    for at, one in enumerate(begun):
        if isinstance(one, PayoutRecord):
            two.advance(one, at)
    stored = two.journals[1].get(row.id)
    assert stored is not None
    two.stage.clock.advance(5)
    two.advance(stored, 1)
    return two.end(row), begun


def test_concurrent_reissues_begin_one_attempt(folder: Path) -> None:
    """One attempt begins and one payment leaves; who came second is told."""
    found, begun = two_pay_again(folder)
    assert found == []
    assert [type(one).__name__ for one in begun] == ["PayoutRecord", "DecisionRefused"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_concurrent_decisions_write_one(folder: Path, order: tuple[int, int]) -> None:
    """Opposite decisions about one payout: the first one that is written stands, the other is refused."""
    two = Two(folder)
    row = two.row.row
    reply: Any = two.journals[0].execute(
        ApplyTransition(row, _stopped(row, two.stage.clock()), Event("payout.review", two.stage.clock()), publish=True)
    )
    two.stage.clock.advance(10_000)
    ready = [
        two.held(resolve(two.account, reply.row, paid=paid, person=who, moment=two.moment()), ApplyTransition, at)
        for at, (paid, who) in enumerate(((False, ANN), (True, BEN)))
    ]
    first, second = ready[order[0]](), ready[order[1]]()
    assert isinstance(first, PayoutRecord)
    assert first.status is (S.FAILED if order[0] == 0 else S.SUCCEEDED)
    assert isinstance(second, DecisionRefused)
    stored = two.journals[1].get(row.id)
    assert stored == first
    for journal in two.journals:
        journal.close()


def _stopped(row: PayoutRecord, at: datetime) -> PayoutRecord:
    fields: dict[str, Any] = {"ambiguous": True, "first_sent_at": at, "sent_at": at, "submissions": 1, "next_at": None}
    return changed(row, status=S.REVIEW, reason=Reason(ReasonCode.NEVER_APPEARED), **fields)
