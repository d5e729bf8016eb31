"""What came of a simulation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from payout_simulation.invariant_checker import Breach
from payout_simulation.plan import Plan
from payout_simulation.simulated_time import described

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one plan.

    Args:
        plan: What was simulated.
        breaches: What must never be and was; empty when all is well.
        statuses: How many payouts stand in each status at the end.
        calls: How many exchanges with providers ended ``fine``, and in each fault.
        troubles: How often each befell us.
        letters: How many callbacks and late answers were ``fine``, and how many had each fault.
        refusals: What people and the application wanted and may not do, by the error's name.
        figures: What was counted at the end: payouts ``paid twice``, ``failed and paid``, ``succeeded and not paid``,
            ``lost``; attempts in doubt (``doubts``), those that ended or stopped in time (``doubts_ended``), and those
            that failed without anybody's word (``by_timer``).
        longest_doubt_s: The longest time from a latest send to the end of the doubt about it, in seconds.
        steps: How many commands and answers there were.
        simulated_s: How much time passed in it, in seconds.
        trace: What happened, in order: microseconds since the start, who, about which key, what.

    """

    plan: Plan
    breaches: Sequence[Breach]
    statuses: Counter[str]
    calls: Counter[str]
    troubles: Counter[str]
    callbacks: Counter[str]
    refusals: Counter[str]
    figures: Counter[str]
    longest_doubt_s: float
    steps: int
    simulated_s: float
    trace: Sequence[tuple[int, str, str, str]]

    @property
    def faulty(self) -> float:
        """The share of exchanges that went wrong."""
        return 1 - self.calls["fine"] / max(self.calls.total(), 1)

    @property
    def trace_hash(self) -> str:
        """SHA-256 of the trace: equal for two runs of one plan."""
        return hashlib.sha256("\n".join(map(str, self.trace)).encode()).hexdigest()

    def story(self, *, whole: bool = False) -> list[str]:
        """Return the trace for people: whole, or only what befell all and the payouts of the breaches."""
        keys = {breach.key for breach in self.breaches} | {""}
        shown = [line for line in self.trace if whole or line[2] in keys]
        return [f"{described(at_us)}  {who:<14} {about:<9} {what}" for at_us, who, about, what in shown]
