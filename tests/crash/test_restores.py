"""A journal is restored, and its gap ended, while processes die before and after every step of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from crash_points import CrashDatabase, CrashStore, End, Simulator
from promises import broken_promises
from restored_world import GAPS, restored_scenario, store_at
from worlds import VISIBLE_AFTER_S

from payments_core.domain.payout import PayoutStatus
from payments_core.journal.maintenance import restore

FULL = "1" in {os.environ.get("PAYMENTS_CRASH_PROOF"), os.environ.get("PAYMENTS_CRASH_FULL")}
S = PayoutStatus
# Whether anything leaves after the restore, and who ends it.
WANTED = {
    "paid and forgotten": (0, "person"),
    "paid and shown": (0, "read"),
    "paid and shown, a short gap": (0, "read"),
    "not paid": (1, "read"),
    "not paid, a short gap": (1, "read"),
}


def faults(end: End) -> list[str]:
    """Return what is wrong with an end; the gap has to be over in it."""
    side: Any = end.world.gateway
    found = broken_promises(end, visible_after_s=VISIBLE_AFTER_S)
    (payout,) = end.payouts.values()
    if payout.status is not S.SUCCEEDED:
        found.append(f"it ends {payout.status}")
    if restore.gap_of(store_at(side.stage)) is not None:
        found.append("the gap is still open")
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.proof)])
def store(request: pytest.FixtureRequest, open_store: Callable[[str], CrashStore]) -> Iterator[CrashStore]:
    """Give the store, and leave no gap in the database of all crash tests."""
    made = open_store(request.param)
    yield made
    if isinstance(made, CrashDatabase):
        made.ask("DELETE FROM meta WHERE name LIKE 'restor%' RETURNING name")


@pytest.mark.parametrize("name", GAPS)
def test_crash_points_of_a_restore_keep_the_promises(store: CrashStore, name: str, counts: Counter[str]) -> None:
    """Restored, asked for again, compared, over, and on: wherever a life is cut, it is paid once."""
    simulator = Simulator(restored_scenario(name), store)
    wanted = simulator.trace()
    (payout,) = wanted.payouts.values()
    side: Any = wanted.world.gateway
    assert faults(wanted) == []
    assert (len(side.posts), payout.history[-1].decided_by) == WANTED[name]
    passed = {point.name for point in wanted.points}
    assert {"before over", "after over", "before compared", "after compared"} <= passed
    every = 1 if FULL else 3 if store.__class__.__name__ == "CrashFile" else 8
    for point in wanted.points[::every]:
        if point.name.startswith("before") and not FULL:  # the same is left behind by the point before it
            continue
        crashed = simulator.crash_at(point.number)
        assert faults(crashed) == [], (name, point)
        counts[f"single crashes, restored, {type(store).__name__}"] += 1
        if point.number % 4 == 1:
            again = 1 + point.number * 7 % max(len(crashed.lives[1]), 1)
            assert faults(simulator.crash_at(point.number, again)) == [], (name, point, again)
            counts[f"double crashes, restored, {type(store).__name__}"] += 1
