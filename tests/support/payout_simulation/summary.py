"""Many simulations: shared among processes, and summed up."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from payout_simulation.outcome import Outcome
from payout_simulation.plan import Plan
from payout_simulation.run import simulate

__all__ = ["Summary", "play_all"]


def play_all(plans: Sequence[Plan], *, jobs: int = 1) -> Iterator[Outcome]:
    """Play plans and yield what came of each; in their order, or as they end where several processes play them.

    Whoever stops asking stops all of them.

    Args:
        plans: What to simulate.
        jobs: How many processes share them.

    """
    if jobs <= 1:
        yield from map(simulate, plans)
        return
    # Ended, and not waited for, when it is left.
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=_stand_back) as pool:
        for outcome in pool.imap_unordered(_play, plans):
            # What came back without its story is played once more when it is to be told.
            yield simulate(outcome.plan) if outcome.breaches else outcome


def _stand_back() -> None:
    """Leave the processors to whoever wants them, and look for garbage less often: much of ours goes by itself."""
    if sys.platform != "win32":
        os.nice(19)
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def _play(plan: Plan) -> Outcome:
    return replace(simulate(plan), trace=())


class Summary:
    """What many simulations come to."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._last: Plan | None = None
        self.seeds = self.payouts = self.steps = self.breaches = 0
        self.longest_doubt_s = 0.0
        self.statuses, self.calls, self.troubles = Counter[str](), Counter[str](), Counter[str]()
        self.callbacks, self.refusals, self.figures = Counter[str](), Counter[str](), Counter[str]()

    def add(self, outcome: Outcome) -> None:
        """Count what came of one plan."""
        self._last = outcome.plan
        self.seeds += 1
        self.payouts += outcome.plan.payouts
        self.steps += outcome.steps
        self.breaches += len(outcome.breaches)
        self.longest_doubt_s = max(self.longest_doubt_s, outcome.longest_doubt_s)
        for name in ("statuses", "calls", "troubles", "callbacks", "refusals", "figures"):
            getattr(self, name).update(getattr(outcome, name))

    @property
    def faulty(self) -> float:
        """The share of exchanges that went wrong."""
        return 1 - self.calls["fine"] / max(self.calls.total(), 1)

    def proof(self) -> Mapping[str, Any]:
        """Return the figures by name, for machines and for the proof's table."""
        took_s = time.perf_counter() - self._began
        counted = self.figures
        return {
            "seeds": self.seeds,
            "payouts": self.payouts,
            "workers": self._last.workers if self._last else 0,
            "faulty": round(self.faulty, 4),
            "paid_twice": counted["paid twice"],
            "failed_but_paid": counted["failed and paid"],
            "succeeded_but_not_paid": counted["succeeded and not paid"],
            "lost": counted["lost"],
            "ambiguous": counted["doubts"],
            "ambiguous_ended": counted["doubts_ended"],
            "closed_by_timer": counted["by_timer"],
            "longest_doubt_h": round(self.longest_doubt_s / 3600, 2),
            "paid_again": counted["paid again"],
            "paid_from_elsewhere": counted["paid from elsewhere"],
            "failed_and_paid_within_the_providers_own_time": counted["failed and then paid, as the provider says"],
            "rows_of_batches": counted["rows of batches"],
            "stopped_batches": counted["stopped batches"],
            "breaches": self.breaches,
            "exchanges": self.calls.total(),
            "steps": self.steps,
            "statuses": dict(sorted(self.statuses.items())),
            "troubles": dict(sorted(self.troubles.items())),
            "callbacks": dict(sorted(self.callbacks.items())),
            "faults": dict(sorted(self.calls.items())),
            "refusals": dict(sorted(self.refusals.items())),
            "seconds": round(took_s, 1),
        }

    def write(self, path: str) -> None:
        """Write the figures to a file, in place of those of before; whoever reads finds it whole."""
        fresh = Path(f"{path}.new")
        fresh.write_text(json.dumps(self.proof(), indent=1) + "\n", encoding="utf-8")
        Path(fresh).replace(path)

    def lines(self) -> list[str]:
        """Return the figures for people."""
        figures = self.proof()
        took_s, troubles = max(figures["seconds"], 0.1), self.troubles
        deaths = troubles["kill"] + troubles["kill-inside"]
        ends = ", ".join(f"{count} {status}" for status, count in figures["statuses"].items())
        return [
            f"{self.payouts} payouts in {took_s:.1f} s ({self.payouts / took_s:.0f}/s), {self.steps} steps: {ends}",
            f"{figures['exchanges']} exchanges, {self.faulty:.0%} of them faulty; {self.callbacks.total()} callbacks "
            f"and late answers; {deaths} deaths, {troubles['power-cut']} power cuts, {troubles['freeze']} freezes, "
            f"{troubles['clock']} clocks set, {troubles['identity'] + troubles['identity-gone']} changed identities; "
            f"{figures['paid_again']} paid again ({figures['paid_from_elsewhere']} from another account), "
            f"{self.refusals.total()} decisions and keys refused",
            f"paid twice {figures['paid_twice']}, failed but paid {figures['failed_but_paid']}, succeeded but not paid "
            f"{figures['succeeded_but_not_paid']}, lost {figures['lost']}; in doubt {figures['ambiguous']}, of these "
            f"ended in time {figures['ambiguous_ended']}, by a timer {figures['closed_by_timer']}; "
            f"{self.breaches} breaches",
        ]
