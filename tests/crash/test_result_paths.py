"""Several answers to one path, and a process that dies at every step: the first end is recorded, another one once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from crash_points import CrashStore, End, Simulator
from denominators import EVERY
from promises import broken_promises
from tally_world import TALLY_PATHS

from payments_core.domain.payout import PayoutStatus

PAID, FAILED = PayoutStatus.SUCCEEDED, PayoutStatus.FAILED
# Where the path ends, and how often that is contradicted.
ENDS = {"empty, true": (PAID, 0), "failed, true": (FAILED, 1), "true, failed": (PAID, 1), "true, true": (PAID, 0)}


def described(end: End) -> tuple[PayoutStatus, int]:
    """Return how the payout ended, and how often that was contradicted."""
    (payout,) = end.payouts.values()
    return payout.status, sum(entry.event == "payout.contradicted" for entry in payout.history)


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=pytest.mark.proof)])
@pytest.mark.parametrize("answers", TALLY_PATHS)
def test_first_final_result_is_recorded_wherever_the_process_dies(
    answers: str, store: str, open_store: Callable[[str], CrashStore]
) -> None:
    """An answer that was taken in, and not acknowledged, comes again: that changes nothing either."""
    simulator = Simulator(EVERY[f"tally: paid, answer lost | {answers}"], open_store(store))
    wanted = simulator.trace()
    assert described(wanted) == ENDS[answers]
    for point in wanted.points:
        end = simulator.crash_at(point.number)
        assert broken_promises(end, visible_after_s=60.0) == [], point
        side: Any = end.world.gateway
        never_sent = {(PayoutStatus.REVIEW, 0), (FAILED, 0)}  # it died before the request left: nothing was paid
        assert described(end) in ({ENDS[answers]} if side.gateway.credits else never_sent), point
