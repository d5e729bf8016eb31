"""Two workers on one journal, stepped by hand: interleavings in which a broken rule shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from crash_points import CrashFile, End, Stage, VirtualClock, World
from promises import broken_promises
from tally_world import TallyWorld

from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.domain.records import PayoutRecord
from payments_core.engine import answer, steps, token_hash
from payments_core.engine.commands import ApplyTransition
from payments_core.engine.flow import Command, Proceed, ReadAs, Reply, RunPreflight
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest
from payments_core.provider import Callback

NAME = "two-workers"


class Pair:
    """Two workers on one journal file, stepped by hand, in a world that would pay twice."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(VirtualClock(datetime(2026, 1, 5, 8, tzinfo=UTC)), CrashFile(folder / "pair.db"))
        self.side = TallyWorld(self.stage, (), "arrive")
        self.side.gateway.dedupes = False
        self.world = World(accounts=[self.side.account()], gateway=self.side)
        self.side.world = self.world
        self.account = self.world.accounts[0]
        opened = [self.stage.store.open(NAME, self.stage.clock) for _ in "ab"]
        self.journals = dict(zip("ab", opened, strict=True))
        order = Order("grant/1", Payee.msisdn("254700000900"), Money("25.50", "KES"))
        self.row = run_flow(steps.accept(self.account, order, self.moment("a")), self.executor("a")).row

    def moment(self, owner: str, token: str = "path") -> steps.StepContext:
        return steps.StepContext(self.stage.clock(), owner, lambda: token, NAME)

    def executor(self, owner: str) -> Callable[[Command], Reply]:
        def execute(command: Command) -> Reply:
            if isinstance(command, RunPreflight):
                return Proceed(self.stage.clock())
            assert not isinstance(command, ReadAs)
            return self.side(command) if isinstance(command, HttpRequest) else self.journals[owner].execute(command)

        return execute

    def advance(self, owner: str, row: PayoutRecord, *, early: bool = False) -> PayoutRecord:
        return run_flow(steps.advance(self.account, row, self.moment(owner), early=early), self.executor(owner))

    def until(self, event: str, owner: str, row: PayoutRecord) -> Callable[[], PayoutRecord]:
        """Let a worker go on until it is about to commit this; return what lets it finish."""
        flow, execute = steps.advance(self.account, row, self.moment(owner)), self.executor(owner)
        command: Command = next(flow)
        while not (isinstance(command, ApplyTransition) and command.event.name == event):
            command = flow.send(execute(command))
        held: list[Command] = [command]

        def finish() -> PayoutRecord:
            command = held.pop()
            try:
                while True:
                    command = flow.send(execute(command))
            except StopIteration as end:
                row: PayoutRecord = end.value
                return row

        return finish

    def end(self) -> list[str]:
        row = self.journals["a"].get(self.row.id)
        assert row is not None
        payout = row.view(self.journals["a"].history(row.id))
        for journal in self.journals.values():
            journal.close()
        end = End(payouts={row.order.key: payout}, world=self.world, lives=[], lost=frozenset(), store=self.stage.store)
        return broken_promises(end, visible_after_s=60.0)


def two_send_at_once(folder: Path) -> list[str]:
    """Both workers have the row in hand; one is about to write C2 when the other goes all the way."""
    pair = Pair(folder)
    finish = pair.until("payout.sending", "a", pair.row)
    pair.advance("b", pair.row)
    finish()
    return pair.end()


def one_looks_while_the_other_sends(folder: Path) -> list[str]:
    """One worker has sent and is about to write what became of it; the other comes by within the lease."""
    pair = Pair(folder)
    finish = pair.until("payout.succeeded", "a", pair.row)
    stored = pair.journals["b"].get(pair.row.id)
    assert stored is not None
    pair.advance("b", stored)
    finish()
    return pair.end()


def an_end_is_contradicted(folder: Path) -> list[str]:
    """The payout has succeeded; somebody asks again and is told that it failed."""
    pair = Pair(folder)
    row = pair.advance("a", pair.advance("a", pair.row), early=True)
    fields = {"txn": row.attempt.references["txn"], "result": 17}
    callback = Callback("POST", {}, json.dumps(fields).encode(), pair.stage.clock())
    run_flow(answer(pair.account, row, callback, query=token_hash("path")), pair.executor("a"))
    return pair.end()
