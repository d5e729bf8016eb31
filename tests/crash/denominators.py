"""Every scenario of one payout or a few, and what is recorded of a run of it without a crash."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from crash_points import Point
from tally_world import TALLY_ANSWERS, TALLY_PATHS, TALLY_POSTS, tally_scenario
from worlds import momo_scenarios

GOLDEN = Path(__file__).with_name("denominators.json")
TALLY = [tally_scenario(post, answers) for post in TALLY_POSTS for answers in TALLY_ANSWERS]
TALLY += [tally_scenario(post, answers) for post in ("paid, answer lost", "slow") for answers in TALLY_PATHS]
EVERY = {scenario.name: scenario for scenario in (*momo_scenarios(), *TALLY)}


def recorded() -> Mapping[str, str]:
    """Return the summary of each scenario; a deposit and a single refund have none of their own."""
    found: Mapping[str, str] = json.loads(GOLDEN.read_text("utf-8"))
    return found


def summary(points: Sequence[Point]) -> str:
    """Tell a trace: how many points, and which commits."""
    commits = [point.name.removeprefix("after commit payout.") for point in points if "after commit" in point.name]
    return f"{len(points)}: {' '.join(commits)}"


def like_a_transfer(name: str) -> str:
    """Return the scenario in which a transfer meets what a deposit or a single refund meets in this one."""
    return name.removeprefix("deposit: ").removeprefix("refund: ")
