"""Every way to send times every way to read, stopped at every point, and lived on to the end.

By default the first life is stopped where something had just changed, on disk or at the provider. The other points
(before a step, or after a read) follow one of those with nothing but arithmetic in between, so a crash there leaves
the same behind. One in ``SHARE`` of those is played, drawn by a hash of ``PAYMENTS_CRASH_SEED``, the scenario and the
point. Deposits and single refunds pass the points of a transfer (``test_denominators.py``): one scenario in four of
theirs is played, and of its points, as of several refunds whose reads find nothing for a while, one in ``SMALL_SHARE``.
Under PostgreSQL, where a life costs five times as much, scenarios are drawn like that, and points of theirs.

``PAYMENTS_CRASH_PROOF=1`` plays ``PROVEN`` alone, and stops at every point of it, on both stores: each of the seven
answers to a payment times each of the four answers to a read, in a file in every way that differs at the provider, and
under PostgreSQL in every way in which no answer comes, and in one of each other.
``PAYMENTS_CRASH_FULL=1`` plays every point of all on both, and, in a file, many more second crashes.
"""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from crash_points import CrashFile, CrashStore, End, Point, Scenario, Simulator
from denominators import EVERY, like_a_transfer, recorded, summary
from promises import broken_promises, cut_in_a_send, tries_compared
from tally_world import TALLY_POSTS
from worlds import GET_ENDS, POST_ENDS, TOO_MUCH, VISIBLE_AFTER_S

from payments_core.domain.payout import PayoutStatus

FULL = os.environ.get("PAYMENTS_CRASH_FULL") == "1"
PROOF = os.environ.get("PAYMENTS_CRASH_PROOF") == "1"
SEED = os.environ.get("PAYMENTS_CRASH_SEED", "1")
SHARE, SMALL_SHARE = 16, 64
# The answers to a payment, each in the ways that differ at the provider; and to a read.
ANSWERS = {
    "accepted": ("accepted", "accepted, failed later"),
    "no answer": ("accepted, answer lost", "lost before acceptance", "applied late", "accepted, lost, then 400"),
    "duplicate": ("duplicate, ours", "duplicate, another's"),
    "refused": ("refused 400",),
    "5xx": ("internal 500", "internal 500, accepted"),
    "not now": ("429", "403"),
    "not sent": ("not sent",),
}
READS = ("answers", "404 for a while", "5xx for a while", "lost for a while")
PROVEN = {f"{post} | {get}" for ends in ANSWERS.values() for post in ends for get in READS}
UNDER_POSTGRES = {*ANSWERS["no answer"], *(ends[0] for ends in ANSWERS.values())}


def visible_after_s(scenario: Scenario) -> float:
    return 60.0 if scenario.name.startswith("tally") else VISIBLE_AFTER_S


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
        allowed = allowed_ends(wanted, crashed, key)
        # A provider that says both: what is heard first decides, and the promises compare it with the ledger.
        if scenario.name.endswith(("| failed, true", "| true, failed")):
            allowed |= {PayoutStatus.SUCCEEDED, PayoutStatus.FAILED}
        if payout.status not in allowed:
            found.append(f"ends {payout.status} ({payout.reason}) instead of {wanted.payouts[key].status}")
    if crashed.payouts.keys() != wanted.payouts.keys() or crashed.refused != wanted.refused:
        found.append("other payouts than without a crash")
    return found


def first_stops(name: str, store: str, points: Sequence[Point]) -> list[Point]:
    """Choose where the first life ends."""
    if FULL or PROOF:
        return list(points)
    changes = [point for point in points if point.number == 1 or point.name.startswith(CHANGES)]
    few = store == "postgres" or like_a_transfer(name) != name
    few = few or bool(re.fullmatch("refunds of one: .* 404 for a while", name))
    share = SMALL_SHARE if few else SHARE
    return [point for point in changes if is_drawn(f"{SEED} {name} {point.number}", share)]


_SENDS = ("transfer", "deposit", "refund", "pay", "query")
CHANGES = ("after commit", *(f"after POST {name}" for name in _SENDS))


def is_drawn(text: str, share: int) -> bool:
    return zlib.crc32(text.encode()) % share == 0


def second_stops(first: Point, points: Sequence[Point], *, name: str, store: str) -> Sequence[int]:
    """Choose where the second life ends: a few places, others after each first stop."""
    if FULL and store == "sqlite":
        return range(1 + first.number % 3, len(points) + 1, 3)
    if PROOF and name in PROVEN:  # what is proven is each first one
        return []
    return [1 + first.number * 7 % len(points)] if points and first.number % 4 == 3 else []


def played(store: str) -> list[str]:
    """Choose which scenarios are played on a store."""
    if PROOF and not FULL:
        proven = [name for name in EVERY if name in PROVEN]
        return [name for name in proven if store == "sqlite" or name.partition(" | ")[0] in UNDER_POSTGRES]
    if FULL:
        return list(EVERY)
    if store == "postgres":
        return [name for name in EVERY if is_drawn(f"{SEED} postgres {name}", SMALL_SHARE)]
    return [name for name in EVERY if like_a_transfer(name) == name or is_drawn(f"{SEED} {name}", 4)]


# What takes longer begins first.
PLAYED = [(store, name) for store in ("postgres", "sqlite") for name in played(store)]


@pytest.mark.parametrize(("store", "name"), PLAYED)
def test_crash_points_of_one_payout_keep_the_promises(
    store: str,
    name: str,
    open_store: Callable[[str], CrashStore],
    counts: Counter[str],
    measured: Callable[..., None],
) -> None:
    """Wherever a life is cut, the promises hold and the end is the one without a crash, or REVIEW where it must be.

    A life that is cut has passed the points of the one that was not, up to there: what is visited is what was counted.
    """
    scenario = EVERY[name]
    kind = f"{scenario.orders[0][1].operation}, {store}"
    simulator = Simulator(scenario, open_store(store))
    wanted = simulator.trace()
    assert broken_promises(wanted, visible_after_s=visible_after_s(scenario)) == []
    assert summary(wanted.points) == recorded()[like_a_transfer(name)]
    visited, (compared, differ) = 0, tries_compared(wanted)
    for point in first_stops(name, store, wanted.points):
        crashed = simulator.crash_at(point.number)
        assert crashed.points == wanted.points[: point.number], f"{point}: the simulation is not repeatable"
        assert len(crashed.lives) == 2
        assert faults(scenario, wanted, crashed) == [], (name, point)
        visited += 1
        more = tries_compared(crashed)
        compared, differ = compared + more[0], differ + more[1]
        counts[f"single crashes, {kind}"] += 1
        for number in second_stops(point, crashed.lives[1], name=name, store=store):
            twice = simulator.crash_at(point.number, number)
            assert faults(scenario, wanted, twice) == [], (name, point, number)
            counts[f"double crashes, {kind}"] += 1
    counts[f"scenarios, {store}"] += 1
    counts[f"points (denominator), {store}"] += len(wanted.points)
    if FULL or name in PROVEN:
        measured(4, "crash points visited", visited, of=len(wanted.points), store=store, scenario=name)
        measured(8, "submissions compared", compared, store=store, scenario=name, by="crash points")
        measured(8, "submissions that differ", differ, store=store, scenario=name, by="crash points")
    assert differ == 0


def test_proven_scenarios_have_every_answer(measured: Callable[..., None]) -> None:
    """Every way to send that the proof plays is under one of the seven answers, and each of them is there."""
    assert len(ANSWERS) == 7
    assert len(READS) == 4
    played = [name for ends in ANSWERS.values() for name in ends]
    assert sorted(played) == sorted(set(played))
    assert {*played} <= {*POST_ENDS}
    assert {*READS} <= {*GET_ENDS}
    measured(4, "answers to POST", len(ANSWERS), scenarios=len(PROVEN))
    measured(4, "answers to GET", len(READS))


@pytest.mark.parametrize("name", [name for name in EVERY if name.startswith("refunds of one")])
def test_refund_over_the_collected_amount_is_refused_after_any_crash(name: str, folder: Path) -> None:
    """Of three refunds the two that fit are written down, and the third is refused, whatever became of the first."""
    end = Simulator(EVERY[name], CrashFile(folder / "crash.db")).trace()
    assert end.refused == {TOO_MUCH}
    assert end.payouts.keys() == {"refund/1", "refund/2"}


@pytest.mark.parametrize("post", TALLY_POSTS)
def test_payout_without_any_answer_never_fails(post: str, folder: Path) -> None:
    """A provider that never answers a question leads to an end it gave itself in the send, or to REVIEW."""
    (payout,) = Simulator(EVERY[f"tally: {post} | never"], CrashFile(folder / "crash.db")).trace().payouts.values()
    assert payout.status is PayoutStatus.REVIEW or payout.history[-1].decided_by == "submit"
