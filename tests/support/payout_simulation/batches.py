"""Rows of batches among the payouts: approved before anything is sent, then paused or cancelled while they are paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from payments_core.batch.orders import BatchDraft
from payments_core.domain.batches import (
    Batch,
    BatchChange,
    BatchRow,
    BatchState,
    BeginBatch,
    FreezeBatch,
    WriteRows,
)
from payments_core.domain.events import EventName
from payments_core.domain.payout import Operation
from payments_core.engine.journal_protocol import Journal
from payout_simulation.plan import Plan
from payout_simulation.seeded_random import stream
from payout_simulation.simulated_time import HOUR, Time
from payout_simulation.workload import PlannedOrder

__all__ = ["SimulatedBatches"]

_NAMES = ("b_1", "b_2")
_SHARE = 0.25  # of the simulations
_EVERY = 3  # of the payouts
_STOPS_EACH = 2


class SimulatedBatches:
    """The batches of one simulation: none, or two of them, each approved for exactly what its rows come to.

    Args:
        plan: What is simulated.
        planned: What the application sends.
        desk: Where people work.
        time: The only clock.

    """

    def __init__(self, plan: Plan, planned: Sequence[PlannedOrder], desk: Journal, time: Time) -> None:
        self._desk, self._time = desk, time
        self.planned = list(planned)
        self.totals: dict[str, Decimal] = {}
        self.stopped: set[str] = set()  # paused or cancelled
        self.cancelled: set[str] = set()
        self.put_off: list[PlannedOrder] = []  # refused, as their batch was stopped
        self.stops: list[tuple[int, str]] = []  # when people stop which one
        if not plan.has("batches") or stream(plan.seed, "batches").random() >= _SHARE:
            return
        for number in range(0, len(planned), _EVERY):
            order = planned[number].order
            if order.operation is not Operation.REFUND and order.not_before is None and order.expires_at is None:
                batch = _NAMES[number // _EVERY % len(_NAMES)]
                self.planned[number] = replace(planned[number], order=replace(order, batch=batch))
        for batch in _NAMES:
            self._approve(batch)
        chance, until_us = stream(plan.seed, "stops"), max(one.at_us for one in planned) + HOUR
        self.stops = sorted((chance.randrange(until_us), batch) for batch in sorted(self.totals) * _STOPS_EACH)

    @property
    def open(self) -> list[str]:
        """The batches that are neither paused nor cancelled."""
        return sorted(self.totals.keys() - self.stopped)

    def change(self, batch: str, event: EventName) -> bool:
        """Pause, unpause or cancel a batch; say whether that was possible."""
        change = BatchChange(batch=batch, event=event, at=self._time(), actor="bob", reason="a person says so")
        if self._desk.write_batch(change) is None:
            return False
        if event is EventName.BATCH_UNPAUSED:
            self.stopped.discard(batch)
        else:
            self.stopped.add(batch)
        if event is EventName.BATCH_CANCELLED:
            self.cancelled.add(batch)
        return True

    def _approve(self, batch: str) -> None:
        rows = [
            BatchRow(number, planned.order, planned.account)
            for number, planned in enumerate(self.planned, 1)
            if planned.order.batch == batch
        ]
        if not rows:
            return
        draft, at = BatchDraft(batch), self._time()
        self._desk.write_batch(BeginBatch(batch, batch, at))
        twice = self._desk.write_batch(WriteRows(batch, rows))
        draft.add(rows, twice)
        found = self._desk.write_batch(FreezeBatch(draft.batch(batch), at, "ann"))
        assert isinstance(found, Batch)
        assert found.state is BatchState.CREATED
        approval = BatchChange(batch=batch, event=EventName.BATCH_APPROVED, at=at, actor="bob")
        assert self._desk.write_batch(approval) is not None
        [total] = found.totals
        self.totals[batch] = total.amount
