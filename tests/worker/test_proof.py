"""The long proof: workers are killed, frozen and stopped at random, again and again.

``PAYMENTS_WORKER_PROOF=20`` disturbs workers twenty times; unset, nothing here runs. ``PAYMENTS_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from random import Random
from typing import Any

import pytest

from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.engine.transitions import MOST_SUBMISSIONS

ROUNDS = int(os.environ.get("PAYMENTS_WORKER_PROOF", "0"))
FAULTS = {
    "answer_lost_after_acceptance": 0.1,
    "answer_lost_before_acceptance": 0.1,
    "status_503": {"p": 0.05},
    "slow_s": {"value": 0.1},
}
LOST_TOO_OFTEN = (ReasonCode.NEVER_APPEARED, MOST_SUBMISSIONS)

pytestmark = pytest.mark.skipif(ROUNDS < 1, reason="set PAYMENTS_WORKER_PROOF to a number of rounds")


def test_workers_disturbed_at_random_pay_every_payee_once(place: Any) -> None:
    """Three workers; one after another is killed and replaced, frozen past its lease, or told to stop."""
    seed = int(os.environ.get("PAYMENTS_SEED", secrets.randbelow(10**6)))
    dice = Random(seed)  # noqa: S311 - a play, not a secret
    place.gateway.set_faults({**FAULTS, "seed": seed})
    workers = place.start_all(3)
    longest_s = 0.0
    for number in range(ROUNDS):
        place.accept(20, f"round/{number}")
        time.sleep(dice.uniform(0, 0.5))
        worker = workers.pop(0)
        match dice.choice(["kill", "freeze", "stop"]):
            case "kill":
                worker.signal(signal.SIGKILL)
            case "freeze":
                worker.signal(signal.SIGSTOP)
                time.sleep(dice.uniform(0, 5))
                worker.signal(signal.SIGCONT)
                workers.append(worker)
            case _:
                assert stopped(place, worker)["cut"] == 0
        workers += [place.start() for _ in range(3 - len(workers))]
    place.gateway.set_faults({})
    longest_s = place.wait_for(place.all_over, timeout_s=120 + 2 * ROUNDS)
    in_review = [row for row in place.rows() if row.status is PayoutStatus.REVIEW]
    # One of some thousands loses every submission that it may make: it waits for a person, and was never paid.
    assert {(row.reason and row.reason.code, row.attempt.submissions) for row in in_review} <= {LOST_TOO_OFTEN}
    print(
        f"\nseed {seed}: {ROUNDS} disturbances, {20 * ROUNDS} payouts, {len(in_review)} in review; "
        f"the last was paid after {longest_s:.1f} s"
    )
    for worker in workers:
        stopped(place, worker)
    place.check(20 * ROUNDS, unsent=len(in_review))


def stopped(place: Any, worker: Any) -> Any:
    """Stop a worker once it has begun, since before that it is only ended; return its summary."""
    place.wait_for(lambda: worker.events_named("worker.started"))
    return worker.stop()
