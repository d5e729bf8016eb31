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

ROUNDS = int(os.environ.get("PAYMENTS_WORKER_PROOF", "0"))
FAULTS = {
    "answer_lost_after_acceptance": 0.1,
    "answer_lost_before_acceptance": 0.1,
    "status_503": {"p": 0.05},
    "slow_s": {"value": 0.1},
}

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
                place.wait_for(
                    lambda worker=worker: worker.events_named("worker.started")
                )  # before that it is only ended
                assert worker.stop()["cut"] == 0
        workers += [place.start() for _ in range(3 - len(workers))]
    place.gateway.set_faults({})
    longest_s = place.wait_for(place.all_paid, timeout_s=120 + 2 * ROUNDS)
    print(f"\nseed {seed}: {ROUNDS} disturbances, {20 * ROUNDS} payouts; the last was paid after {longest_s:.1f} s")
    for worker in workers:
        worker.stop()
    place.check(20 * ROUNDS)
