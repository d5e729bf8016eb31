"""What people do: pause, ask, approve, cancel, decide, pay again; mostly where it makes sense, and often where not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from heapq import heappop, heappush

from payments_core import engine
from payments_core.domain.events import EventName
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.domain.records import Pause, PayoutRecord
from payments_core.engine import OperatorDecision
from payments_core.engine.journal_protocol import Journal
from payout_simulation.batches import SimulatedBatches
from payout_simulation.process import Process, World
from payout_simulation.simulated_time import HOUR, MINUTE
from payout_simulation.task import Work, advancing, deciding

__all__ = ["ACTS", "People"]

_S = PayoutStatus
ACTS = {
    "ask": None,
    "reissue": _S.FAILED,
    "resolve": _S.REVIEW,
    "reopen": _S.REVIEW,
    "approve": _S.CREATED,
    "cancel": _S.CREATED,
}
_SHARE_FROM_ELSEWHERE = 0.35
_SHARE_OF_CANCELLATIONS = 0.3
_ANY_OPERATOR = OperatorDecision("an operator", "it is to be so", evidence="line 12 of the provider's statement")


class People:
    """Everybody who decides something.

    Args:
        world: Where they live.
        chance: Decides what they do.
        desk: Their own connection to the journal.
        ids: Of every payout there may be.
        batches: Of some of them.

    """

    def __init__(
        self, world: World, chance: random.Random, desk: Journal, ids: Sequence[str], batches: SimulatedBatches
    ) -> None:
        self._world = world
        self._plan = world.plan
        self._chance = chance
        self._desk = desk
        self._ids = ids
        self._batches = batches
        self._acts: list[tuple[int, int, str, str]] = []  # when, a number, what, about which payout
        self._lifts: list[tuple[int, int, str | None]] = []
        self._number = 0

    @property
    def next_us(self) -> list[int]:
        """When somebody does something next."""
        return [waiting[0][0] for waiting in (self._acts, self._lifts, self._batches.stops) if waiting]

    @property
    def wants(self) -> bool:
        """Whether somebody wants something now."""
        return bool(self._acts) and self._acts[0][0] <= self._world.time.passed_us

    def hear(self, news: Sequence[PayoutRecord]) -> None:
        """Take notice of what has just reached an end, stopped, or waits for leave."""
        for row in news:
            share = self._chance.random()
            if row.status is _S.FAILED and share < 0.35 and row.attempt.number <= 3:
                self._plans("reissue", row.id, 4 * HOUR)
            elif row.status is _S.REVIEW and share < 0.5:
                self._plans("resolve" if share < 0.25 else "reopen", row.id, 6 * HOUR)
            elif row.status is _S.CREATED and row.reason is not None and row.reason.code is ReasonCode.BATCH_STOPPED:
                if row.order.batch in self._batches.cancelled:
                    self._want(self._chance.randrange(2 * HOUR), "cancel", row.id)
            elif row.waits_for_approval and share < 0.9:
                self._plans("approve" if share < 0.7 else "cancel", row.id, 2 * HOUR)

    def disturb(self, what: str) -> None:
        """Want something at once, of a payout for which it makes sense or of any."""
        fit = [row.id for row in self._world.watch.rows.values() if row.status is ACTS[what]]
        self._want(0, what, self._chance.choice(fit if fit and self._chance.random() < 0.7 else self._ids))

    def pause(self, names: Sequence[str]) -> None:
        """Pause one account or all or a batch, for up to an hour; or cancel a batch."""
        time, paused = self._world.time, self._chance.choice([None, *names, *self._batches.open])
        if paused in self._batches.totals:
            self._stop(paused)
            return
        self._desk.set_pause(Pause(paused, time(), "a person says so"))
        self._world.watch.pauses.add(paused)
        self._number += 1
        heappush(self._lifts, (time.passed_us + self._chance.randrange(60 * MINUTE), self._number, paused))
        self._world.note("person", "", f"pauses {paused or 'all'}")

    def lift_due(self) -> bool:
        """End the pauses whose time is over, and stop batches; say whether a pause has ended."""
        lifted, stops = False, self._batches.stops
        while stops and stops[0][0] <= self._world.time.passed_us:
            self._stop(heappop(stops)[1])
        while self._lifts and self._lifts[0][0] <= self._world.time.passed_us:
            lifted |= self._lift(heappop(self._lifts)[2])
        return lifted

    def clear_up(self) -> bool:
        """End every pause and approve what still waits, at last; say whether there was anything."""
        accounts = [pause.account for pause in self._desk.pauses()]
        accounts += sorted(self._batches.stopped - self._batches.cancelled)
        lifted = [self._lift(account) for account in accounts]
        waiting = [row.id for row in self._world.watch.rows.values() if row.waits_for_approval]
        for payout in waiting:
            self._want(0, "approve", payout)
        return any(lifted) or bool(waiting)

    def act(self, process: Process) -> tuple[PayoutRecord, Work] | None:
        """Return what is wanted now and of which payout; None when it comes to nothing."""
        _, _, what, payout = heappop(self._acts)
        row = process.journal.get(payout)
        if row is None:
            return None
        runtime, moment = process.runtime, process.moment()
        account, serving = runtime.account(row.attempt.account), runtime.serving(row)
        match what:
            case "reissue":
                paying, person = runtime.account(self._payer(row)), self._with_evidence(row)
                return row, deciding(paying, engine.reissue(paying, row, person=person, moment=moment))
            case "resolve":
                paid = self._says(process, row)
                if paid is None:
                    return None
                return row, deciding(
                    serving, engine.resolve(serving, row, paid=paid, person=_ANY_OPERATOR, moment=moment)
                )
            case "reopen":
                return row, deciding(serving, engine.reopen(serving, account, row, person=_ANY_OPERATOR, moment=moment))
            case "cancel":
                return row, deciding(account, engine.cancel(account, row, person=_ANY_OPERATOR, moment=moment))
            case "approve":
                return row, deciding(account, engine.approve(row, person=_ANY_OPERATOR, at=moment.at))
            case _:
                return row, advancing(process, row, early=True)

    def _payer(self, row: PayoutRecord) -> str:
        """Return from which account a payout is to be paid again: now and then from another one."""
        others = sorted(self._world.gateways.keys() - {row.attempt.account})
        fails_over = self._plan.has("failover") and self._chance.random() < _SHARE_FROM_ELSEWHERE
        return self._chance.choice(others) if fails_over else row.attempt.account

    def _with_evidence(self, row: PayoutRecord) -> OperatorDecision:
        """Return who wants it paid again: with evidence only where the providers' own books show no payment."""
        banks = [gateway.bank for gateway in self._world.gateways.values()]
        return replace(_ANY_OPERATOR, evidence="") if any(bank.will_pay(row.id) for bank in banks) else _ANY_OPERATOR

    def _says(self, process: Process, row: PayoutRecord) -> bool | None:
        """Say what became of a payout, from the provider's statement; None while that does not tell.

        Now and then it is said by mistake that it was not paid: never where only the person could know better.
        """
        gateway, time = self._world.gateways[row.attempt.account], self._world.time
        bank, reference = gateway.bank, row.attempt.references["reference"]
        payment = bank.find(row.attempt.binding["user"], reference, time.passed_us)
        can_ask = (
            process.runtime.account(row.attempt.account).identity(row.order.operation, row.attempt.binding) is not None
        )
        shows = payment is not None and payment.pays and payment.gone_us > time.passed_us + HOUR
        if shows and can_ask and bank.facts.status_by == "answer" and self._chance.random() < 0.5:
            gateway.honest.add(reference)
            return False
        banks = [gateway.bank for gateway in self._world.gateways.values()]  # it may have been paid from either
        if any(one.was_paid(row.id, None) for one in banks):
            return True
        return None if any(one.will_pay(row.id) for one in banks) else False

    def _plans(self, what: str, payout: str, within_us: int) -> None:
        if self._plan.has(what):
            self._want(self._chance.randrange(within_us), what, payout)

    def _want(self, after_us: int, what: str, payout: str) -> None:
        self._number += 1
        heappush(self._acts, (self._world.time.passed_us + after_us, self._number, what, payout))

    def _stop(self, batch: str) -> None:
        cancels = self._chance.random() < _SHARE_OF_CANCELLATIONS
        if not self._batches.change(batch, EventName.BATCH_CANCELLED if cancels else EventName.BATCH_PAUSED):
            return
        self._world.note("person", "", f"{'cancels' if cancels else 'pauses'} {batch}")
        self._world.watch.figures["stopped batches"] += 1
        if cancels:
            waiting = [row.id for row in self._world.watch.rows.values() if row.order.batch == batch]
            for payout in waiting:
                if self._world.watch.rows[payout].status is _S.CREATED:
                    self._want(0, "cancel", payout)
        else:
            self._number += 1
            after_us = self._chance.randrange(60 * MINUTE)
            heappush(self._lifts, (self._world.time.passed_us + after_us, self._number, batch))

    def _lift(self, paused: str | None) -> bool:
        if paused in self._batches.totals:
            return self._batches.change(str(paused), EventName.BATCH_UNPAUSED)
        self._world.watch.pauses.discard(paused)
        lifted = self._desk.lift_pause(paused)
        if lifted:
            self._world.note("person", "", f"lifts the pause of {paused or 'all'}")
        return lifted
