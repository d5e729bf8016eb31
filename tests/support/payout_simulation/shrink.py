"""Making a failing simulation small: fewer payouts, fewer processes, less that goes wrong, and then fewer steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from payout_simulation.outcome import Outcome
from payout_simulation.plan import GROUPS, Plan
from payout_simulation.run import simulate

__all__ = ["shrink"]

_SIZES = (1, 2, 3, 5, 8, 13, 25, 50, 100, 200, 400)
_OFTEN = 0.05  # few payouts take few steps: for trouble to find them it must come more often


def shrink(
    failed: Outcome, *, seeds: int = 30, most_s: float = 60.0, play: Callable[[Plan], Outcome] = simulate
) -> Outcome:
    """Return the smallest simulation found that breaks the same rule; at worst the one that was given.

    A smaller plan takes other steps, so each is tried with several seeds: what counts is the rule, not the number.

    Args:
        failed: The outcome with the breach.
        seeds: How many seeds each smaller plan is tried with.
        most_s: After how many seconds no further plan is played; the smallest one found by then is returned.
        play: Plays a plan.

    """
    rule, until = failed.breaches[0].rule, time.monotonic() + most_s

    def failing(plan: Plan, numbers: Iterable[int]) -> Iterator[Outcome]:
        for seed in numbers:
            if time.monotonic() >= until:
                return
            outcome = play(replace(plan, seed=seed))
            if any(breach.rule == rule for breach in outcome.breaches):
                yield outcome

    def fails(plan: Plan, submissions: int) -> Outcome | None:
        return next(failing(plan, chain([plan.seed], range(1, submissions + 1))), None)

    def first(plans: Iterable[Plan], submissions: int) -> Outcome:
        return next((found for plan in plans if (found := fails(plan, submissions))), best)

    best = failed
    best = first(_smaller(best.plan), seeds)
    best = first((replace(best.plan, workers=count) for count in range(1, best.plan.workers)), seeds)
    best = first((replace(best.plan, hands=count) for count in range(1, best.plan.hands)), seeds)
    for names in (*GROUPS, *([name] for group in GROUPS for name in group)):
        if kept := [name for name in names if best.plan.has(name)]:
            best = first([replace(best.plan, without=best.plan.without.union(kept))], seeds // 3)
    return min([best, *failing(best.plan, range(1, 2 * seeds + 1))], key=lambda outcome: outcome.steps)


def _smaller(plan: Plan) -> Iterator[Plan]:
    for size in _SIZES:
        if size < plan.payouts:
            yield replace(plan, payouts=size)
            if plan.trouble:
                yield replace(plan, payouts=size, trouble=max(plan.trouble, _OFTEN))
