"""A batch is created, approved, run, paused, cancelled and paid again, and processes die at every commit of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest
from batch_world import BATCHES, batch_faults
from crash_points import CrashStore, End, Simulator
from promises import broken_promises
from worlds import VISIBLE_AFTER_S

from payments_core.domain.payout import PayoutStatus

S = PayoutStatus
FULL = "1" in {os.environ.get("PAYMENTS_CRASH_PROOF"), os.environ.get("PAYMENTS_CRASH_FULL")}
STORES = ("sqlite", "postgres") if FULL else ("sqlite",)


def faults(end: End) -> list[str]:
    return broken_promises(end, visible_after_s=VISIBLE_AFTER_S) + batch_faults(end)


@pytest.mark.parametrize(("store", "name"), [(store, name) for store in STORES for name in BATCHES])
def test_crash_points_of_a_batch_keep_the_promises(
    store: str,
    name: str,
    open_store: Callable[[str], CrashStore],
    counts: Counter[str],
    measured: Callable[..., None],
) -> None:
    """Wherever a life is cut there is one batch, each row is paid at most once, and nothing leaves unapproved."""
    simulator = Simulator(BATCHES[name], open_store(store))
    wanted = simulator.trace()
    assert faults(wanted) == []
    assert set(wanted.payouts) == {"salary/1", "salary/2", "salary/3"}
    points = wanted.points[:: 1 if FULL else 15]
    for point in points:
        crashed = simulator.crash_at(point.number)
        assert faults(crashed) == [], (name, point)
        for key, payout in crashed.payouts.items():
            allowed = {wanted.payouts[key].status, S.REVIEW}
            assert payout.status in allowed or name.startswith("cancelled"), (point, key)
        counts[f"single crashes, batches, {store}"] += 1
        if point.number % 3 == 1:
            again = 1 + point.number * 7 % max(len(crashed.lives[1]), 1)
            assert faults(simulator.crash_at(point.number, again)) == [], (name, point, again)
            counts[f"double crashes, batches, {store}"] += 1
    if FULL:
        measured(4, "crash points visited", len(points), of=len(wanted.points), store=store, scenario=f"batch: {name}")


def test_cancelled_batch_sends_no_row_that_a_crash_kept_back(open_store: Callable[[str], CrashStore]) -> None:
    """Somewhere a crash in the run leaves rows for the cancellation, and somewhere a payout that was not sent."""
    simulator = Simulator(BATCHES["cancelled: not sent"], open_store("sqlite"))
    kept_back = cancelled = False
    for point in simulator.trace().points:
        end = simulator.crash_at(point.number)
        kept_back = kept_back or len(end.payouts) < 3
        cancelled = cancelled or any(payout.status is S.CANCELLED for payout in end.payouts.values())
        if kept_back and cancelled:
            break
    assert (kept_back, cancelled) == (True, True)
