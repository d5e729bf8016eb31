"""What a run without a crash passes: the number of crash points that have to be visited."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import broken_rules
import pytest
from crash_points import CrashFile, Restless, Scenario, Simulator
from denominators import EVERY, GOLDEN, like_a_transfer, recorded, summary

RECORD = os.environ.get("PAYMENTS_CRASH_RECORD") == "1"


def passed(scenario: Scenario, folder: Path) -> str:
    """Tell a crash-free trace; empty when it comes to no end."""
    try:
        return summary(Simulator(scenario, CrashFile(folder / "crash.db")).trace().points)
    except Restless:
        return ""


def test_denominators_are_recorded_for_every_scenario(folder: Path) -> None:
    """Every scenario has its record: a step that comes or goes has to be looked at.

    A deposit and a refund have none of their own: they travel the road of a transfer. ``test_enumerator.py`` compares
    what each scenario passes with its record. ``PAYMENTS_CRASH_RECORD=1`` writes them anew.
    """
    if RECORD:
        own = {name: passed(scenario, folder) for name, scenario in EVERY.items() if like_a_transfer(name) == name}
        GOLDEN.write_text(json.dumps(own, indent=1) + "\n", "utf-8")
    golden = recorded()
    assert golden.keys() == {like_a_transfer(name) for name in EVERY}
    assert all(golden.values())


# A commit, and a scenario that makes it.
COMMITS = {
    "payout.sending": "accepted | answers",
    "payout.pending": "accepted | answers",
    "payout.succeeded": "accepted | answers",
    "payout.failed": "refused 400 | answers",
    "payout.unknown": "accepted, answer lost | answers",
    "payout.not_found": "accepted, answer lost | 404 for a while",
    "payout.resend": "lost before acceptance | answers",
    "payout.duplicate": "duplicate, ours | answers",
    "payout.waiting": "not sent | answers",
    "payout.account_refused": "403 | answers",
    "payout.review": "duplicate, another's | answers",
    "payout.queried": "tally: paid, answer lost | arrive",
}


@pytest.mark.parametrize("event", COMMITS)
def test_denominator_changes_without_a_commit(
    event: str, folder: Path, monkeypatch: pytest.MonkeyPatch, measured: Callable[..., None]
) -> None:
    """Code that no longer commits a step is noticed, because a trace passes other points than recorded."""
    name = COMMITS[event]
    broken_rules.without_commit(event)(monkeypatch)
    changed = passed(EVERY[name], folder) != recorded()[name]
    measured(4, "commits that change the count", int(changed), of=1, commit=event)
    assert changed
