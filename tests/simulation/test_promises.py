"""Thousands of payouts, several processes, a provider that goes wrong: nothing is paid twice, lost or guessed."""

from __future__ import annotations

import os
from collections.abc import Callable

from payout_simulation import Plan
from payout_simulation.plan import (
    ANSWER_FAULTS,
    CALLBACK_FAULTS,
    READ_FAULTS,
    SEND_FAULTS,
    TOKEN_FAULTS,
    TROUBLES,
)
from payout_simulation.summary import Summary, play_all

# The proof simulates more, in two processes, and meets everything that can go wrong.
EACH = 150 if "PAYMENTS_SIMULATED" in os.environ else 75
PAYOUTS = int(os.environ.get("PAYMENTS_SIMULATED", "225"))
FIRST = int(os.environ.get("PAYMENTS_SEED") or "1")  # another one plays what no run has played


def test_promises_all_hold(printed: list[str], measured: Callable[..., None]) -> None:
    """And at least three exchanges in ten go wrong; of many, in every way in which they can."""
    plans = [Plan(seed=seed, payouts=EACH) for seed in range(FIRST, FIRST - (-PAYOUTS // EACH))]
    summary, breaches = Summary(), []
    for outcome in play_all(plans, jobs=2 if "PAYMENTS_SIMULATED" in os.environ else 1):
        summary.add(outcome)
        breaches += [f"{breach} ({outcome.plan.command})" for breach in outcome.breaches]
        if breaches:
            break
    printed += summary.lines()
    figures = dict(summary.proof())
    facts = {name: figures[name] for name in ("payouts", "faulty", "workers", "seconds")} | {"first_seed": FIRST}
    measured(1, "payees credited twice", figures["paid_twice"], **facts)
    wrong = figures["failed_but_paid"] + figures["succeeded_but_not_paid"]
    measured(2, "reported failed but paid, or reported paid but not", wrong, **facts)
    ended = 100 * figures["ambiguous_ended"] / figures["ambiguous"]
    longest = {"ambiguous": figures["ambiguous"], "longest_h": figures["longest_doubt_h"]}
    measured(10, "ambiguous payouts that ended in time, in per cent", ended, **longest, **facts)
    measured(10, "ambiguous payouts closed by a timer", figures["closed_by_timer"], **longest, **facts)

    assert breaches == []
    assert (figures["paid_twice"], wrong, figures["lost"], figures["closed_by_timer"], ended) == (0, 0, 0, 0, 100)
    assert figures["longest_doubt_h"] <= 72
    assert summary.faulty >= 0.3
    if PAYOUTS < 1000:
        return
    assert {*SEND_FAULTS, *READ_FAULTS, *TOKEN_FAULTS} <= {*summary.calls}
    assert {*CALLBACK_FAULTS, *ANSWER_FAULTS} <= {*summary.callbacks}
    assert {*TROUBLES} == {*summary.troubles}
    assert {"DecisionRefused", "OverRefund", "NotSupported", "KeyReused"} <= {*summary.refusals}
    assert figures["paid_again"] > 0
    assert figures["rows_of_batches"] > figures["stopped_batches"] > 0
    assert {"SUCCEEDED", "FAILED", "REVIEW", "CANCELLED"} == {*summary.statuses}
