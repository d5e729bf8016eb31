"""Every way to send times every way to read, stopped at every point, and lived on to the end.

By default the first life is stopped at every point at which something had just changed on disk or at the provider: the
points called "after …". The ones called "before …" follow those with nothing but arithmetic in between, so they find
the same state; ``PAYMENTS_CRASH_FULL=1`` plays them too, and more second crashes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from promises import broken_promises
from worlds import TALLY_POSTS, VISIBLE_AFTER_S, scenarios

from payments_core.engine import flows
from payments_core.entries import Held, Move, Moved, Stale
from payments_core.flow import Flow, move
from payments_core.payout import PayoutStatus
from payments_core.testing import End, Point, Restless, Scenario, Simulator

FULL = os.environ.get("PAYMENTS_CRASH_FULL") == "1"
RECORD = os.environ.get("PAYMENTS_CRASH_RECORD") == "1"
SECOND_EVERY = 3 if FULL else 6
EVERY = scenarios()
GOLDEN = Path(__file__).with_name("denominators.json")


def visible_after_s(scenario: Scenario) -> float:
    return 60.0 if scenario.name.startswith("tally") else VISIBLE_AFTER_S


def cut_in_a_send(points: Sequence[Point]) -> bool:
    """Say whether a life ended between a durable SENDING and the commit of what became of it."""
    commits = [point.name for point in points if point.name.startswith("after commit")]
    return bool(commits) and commits[-1] == "after commit payout.sending"


def allowed_ends(wanted: End, crashed: End, key: str) -> set[PayoutStatus]:
    """Return where a payout may end after a crash: where it ends without one, and where DESIGN says otherwise.

    1. A crash between C2 and C3 makes a try ambiguous for ever. If only the answer to the send itself had ended the
       payout (a refusal, or a success that no read confirms), nobody heard it, and REVIEW is the honest end.
    2. Where the machine stops in REVIEW without a crash, a run with other moments may read the truth instead.
    """
    end = wanted.payouts[key]
    allowed = {end.status}
    if end.history[-1].decided_by == "submit" and any(cut_in_a_send(life) for life in crashed.lives[:-1]):
        allowed.add(PayoutStatus.REVIEW)
    if end.status is PayoutStatus.REVIEW:
        allowed |= {PayoutStatus.SUCCEEDED, PayoutStatus.FAILED}  # the promises check them against the ledger
    return allowed


def faults(scenario: Scenario, wanted: End, crashed: End) -> list[str]:
    """Return what is wrong with an end after crashes."""
    found = broken_promises(crashed, visible_after_s=visible_after_s(scenario))
    for key, payout in crashed.payouts.items():
        if payout.status not in allowed_ends(wanted, crashed, key):
            found.append(f"ends {payout.status} ({payout.reason}) instead of {wanted.payouts[key].status}")
    if crashed.payouts.keys() != wanted.payouts.keys():
        found.append("other payouts than without a crash")
    return found


def first_stops(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if FULL or point.name.startswith("after") or point.number == 1]


@pytest.mark.parametrize("name", EVERY)
def test_every_crash_point(name: str, folder: Path, counts: Counter[str]) -> None:
    """Wherever a life is cut, the promises hold and the end is the one without a crash, or REVIEW where it must be."""
    scenario = EVERY[name]
    simulator = Simulator(scenario, folder)
    wanted = simulator.trace()
    assert broken_promises(wanted, visible_after_s=visible_after_s(scenario)) == []
    for point in first_stops(wanted.points):
        crashed = simulator.crash_at(point.number)
        assert len(crashed.lives) == 2, f"{point} was not reached again: the simulation is not repeatable"
        assert faults(scenario, wanted, crashed) == [], (name, point)
        counts["single crashes"] += 1
        for number in range(1 + point.number % SECOND_EVERY, len(crashed.lives[1]) + 1, 2 * SECOND_EVERY):
            twice = simulator.crash_at(point.number, number)
            assert faults(scenario, wanted, twice) == [], (name, point, crashed.lives[1][number - 1])
            counts["double crashes"] += 1
    counts["scenarios"] += 1
    counts["points (denominator)"] += len(wanted.points)


def count_points(scenario: Scenario, folder: Path) -> int | None:
    """Return a crash-free trace's number of points; None when it comes to no end."""
    try:
        return len(Simulator(scenario, folder).trace().points)
    except Restless:
        return None


def test_the_denominators_are_the_recorded_ones(folder: Path) -> None:
    """Every scenario passes as many points as recorded: a step that comes or goes has to be looked at.

    ``PAYMENTS_CRASH_RECORD=1`` writes them anew.
    """
    counted = {name: count_points(scenario, folder) for name, scenario in EVERY.items()}
    if RECORD:
        GOLDEN.write_text(json.dumps(counted, indent=1) + "\n")
    assert counted == json.loads(GOLDEN.read_text())


# A commit, and a scenario that makes it.
COMMITS = {
    "payout.sending": "accepted | answers",
    "payout.pending": "accepted | answers",
    "payout.succeeded": "accepted | answers",
    "payout.failed": "refused 400 | answers",
    "payout.unknown": "accepted, answer lost | answers",
    "payout.absent": "accepted, answer lost | 404 for a while",
    "payout.resend": "lost before acceptance | answers",
    "payout.duplicate": "duplicate, ours | answers",
    "payout.waiting": "not sent | answers",
    "payout.blocked": "403 | answers",
    "payout.review": "duplicate, another's | answers",
    "payout.asked": "tally: paid, answer lost | arrive",
}


@pytest.mark.parametrize("event", COMMITS)
def test_a_commit_that_is_taken_away_changes_the_denominator(
    event: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that no longer commits a step is noticed, because a trace has other points than recorded."""

    def without(entry: Move) -> Flow[Moved | Stale | Held]:
        if entry.event.name == event:
            return Moved(entry.after)
        return (yield from move(entry))

    name = COMMITS[event]
    assert count_points(EVERY[name], folder) == json.loads(GOLDEN.read_text())[name]
    monkeypatch.setattr(flows, "move", without)
    assert count_points(EVERY[name], folder) != json.loads(GOLDEN.read_text())[name]


@pytest.mark.parametrize("post", TALLY_POSTS)
def test_no_answer_ever_is_never_failed(post: str, folder: Path) -> None:
    """A provider that never answers a question leads to an end it gave itself in the send, or to REVIEW."""
    (payout,) = Simulator(EVERY[f"tally: {post} | never"], folder).trace().payouts.values()
    assert payout.status is PayoutStatus.REVIEW or payout.history[-1].decided_by == "submit"
