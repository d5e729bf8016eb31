"""Every way to send times every way to read, stopped at every point, and lived on to the end.

By default the first life is stopped wherever something had just changed, on disk or at the provider. The other points
(before a step, or after a read) follow one of those with nothing but arithmetic in between, so a crash there leaves
the same behind; ``PAYMENTS_CRASH_FULL=1`` plays them too, and many more second crashes.
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
EVERY = scenarios()
GOLDEN = Path(__file__).with_name("denominators.json")


def visible_after_s(scenario: Scenario) -> float:
    return 60.0 if scenario.name.startswith("tally") else VISIBLE_AFTER_S


def cut_in_a_send(points: Sequence[Point]) -> bool:
    """Say whether a life ended between a durable SENDING and the commit of what became of it."""
    commits = [point.name for point in points if point.name.startswith("after commit")]
    return bool(commits) and commits[-1] == "after commit payout.sending"


def allowed_ends(wanted: End, crashed: End, key: str) -> set[PayoutStatus]:
    """Return where a payout may end after a crash: where it ends without one, and where the rules say otherwise.

    1. A crash between C2 and C3 makes a try ambiguous for ever. If only the answer to the send itself had ended the
       payout (a refusal, or a success that no read confirms), nobody heard it, and REVIEW is the honest end. So it is
       where the provider might pay a second send twice: what it does not show is not sent again.
    2. A later send is refused while an earlier one may have arrived, and the provider shows nothing for as long as a
       payment may stay invisible: FAILED would need a conclusive "not found", which MoMo never gives.
    3. Where the machine stops in REVIEW without a crash, a run with other moments may read the truth instead; the
       promises compare it with the ledger.
    """
    end, other = wanted.payouts[key], crashed.payouts[key]
    allowed = {end.status}
    safe = crashed.world.accounts[0].facts.resend == "safe"
    by_the_send = end.history[-1].decided_by == "submit"
    if (by_the_send or not safe) and any(cut_in_a_send(life) for life in crashed.lives[:-1]):
        allowed.add(PayoutStatus.REVIEW)
    if any(entry.event == "payout.unknown" and entry.evidence.get("http_status") == 400 for entry in other.history):
        allowed.add(PayoutStatus.REVIEW)
    if end.status is PayoutStatus.REVIEW:
        allowed |= {PayoutStatus.SUCCEEDED, PayoutStatus.FAILED}
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
    """Choose where the first life ends."""
    return [point for point in points if FULL or point.number == 1 or point.name.startswith(CHANGES)]


CHANGES = ("after commit", "after POST transfer", "after POST pay", "after POST query")


def second_stops(first: Point, points: Sequence[Point]) -> Sequence[int]:
    """Choose where the second life ends: a few places, others after each first stop."""
    if FULL:
        return range(1 + first.number % 3, len(points) + 1, 3)
    return [1 + first.number * 7 % len(points)] if points and first.number % 4 == 3 else []


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
        for number in second_stops(point, crashed.lives[1]):
            twice = simulator.crash_at(point.number, number)
            assert faults(scenario, wanted, twice) == [], (name, point, number)
            counts["double crashes"] += 1
    counts["scenarios"] += 1
    counts["points (denominator)"] += len(wanted.points)


def passed(scenario: Scenario, folder: Path) -> str:
    """Tell a crash-free trace: how many points, and which commits; empty when it comes to no end."""
    try:
        points = Simulator(scenario, folder).trace().points
    except Restless:
        return ""
    commits = [point.name.removeprefix("after commit payout.") for point in points if "after commit" in point.name]
    return f"{len(points)}: {' '.join(commits)}"


def test_the_denominators_are_the_recorded_ones(folder: Path) -> None:
    """Every scenario passes the recorded points: a step that comes or goes has to be looked at.

    ``PAYMENTS_CRASH_RECORD=1`` writes them anew.
    """
    counted = {name: passed(scenario, folder) for name, scenario in EVERY.items()}
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
    """Code that no longer commits a step is noticed, because a trace passes other points than recorded."""

    def without(entry: Move) -> Flow[Moved | Stale | Held]:
        if entry.event.name == event:
            return Moved(entry.after)
        return (yield from move(entry))

    name = COMMITS[event]
    monkeypatch.setattr(flows, "move", without)
    assert passed(EVERY[name], folder) != json.loads(GOLDEN.read_text())[name]


@pytest.mark.parametrize("post", TALLY_POSTS)
def test_no_answer_ever_is_never_failed(post: str, folder: Path) -> None:
    """A provider that never answers a question leads to an end it gave itself in the send, or to REVIEW."""
    (payout,) = Simulator(EVERY[f"tally: {post} | never"], folder).trace().payouts.values()
    assert payout.status is PayoutStatus.REVIEW or payout.history[-1].decided_by == "submit"
