"""One payout through the flows and the emulator of each provider that is installed, stopped at every point.

Each way to send meets a provider that answers, and each way to read a payment that was taken. By default the first life
is stopped at every seventh point where something had just changed; ``PAYMENTS_CRASH_PROOF=1`` stops it at every point,
and ``PAYMENTS_CRASH_FULL=1`` at every point of every way to send times every way to read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from any_provider_world import KEY, POSTS, READS, Installed, Side
from broken_rules import failing_on
from crash_points import CrashStore, End, Simulator
from crash_points.process_run import NAMESPACE
from promises import cut_in_a_send, history_faults

from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.engine import drafts, steps
from payments_core.http.messages import NoAnswer
from payments_core.plugins.manager import Plugins
from payments_core.provider import Draft
from payments_core.waiting import threads

FULL = os.environ.get("PAYMENTS_CRASH_FULL") == "1"
PROOF = FULL or os.environ.get("PAYMENTS_CRASH_PROOF") == "1"
PLAIN = (next(iter(POSTS)), next(iter(READS)))
PLAYED = [pair for pair in product(POSTS, READS) if FULL or PLAIN[0] == pair[0] or PLAIN[1] == pair[1]]
CHANGES = ("after commit", "after POST")
PROVIDERS = sorted(Plugins().providers())
S = PayoutStatus


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Installed]:
    """Make each provider ready once."""
    return cache(lambda name: Installed(Plugins().provider(name), tmp_path_factory.mktemp(name)))


@pytest.fixture(autouse=True)
def _time_is_virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a token that a dead process was to fetch lets the clock of its world pass."""
    monkeypatch.setattr(threads, "sleep", lambda seconds: Side.sleep(seconds))


def faults(end: End, wanted: End | None = None) -> list[str]:
    """Return what is wrong with an end: of what was paid, what is told of it, and what it would be without a crash."""
    side = end.world.gateway
    assert isinstance(side, Side)
    found = side.reckoned(end, NAMESPACE)
    wrong = [*found.twice, *found.stray, *found.lost, *found.wrong, *found.differ, *end.lost]
    payout = end.payouts[KEY]
    visible_after_s = end.world.accounts[0].facts.visible_after_s
    wrong += history_faults(payout.history, payout.status, visible_after_s=visible_after_s)
    submissions = sum(entry.event == "payout.sending" for entry in payout.history)
    if len(side.watched.posts) > submissions:
        wrong.append(f"{len(side.watched.posts)} payments on the wire, {submissions} tries in the journal")
    if wanted is not None:
        allowed = {wanted.payouts[KEY].status}
        # Nobody heard the answer to a send that was cut: where no read tells it, a person has to find out.
        if any(map(cut_in_a_send, end.lives[:-1])):
            allowed.add(S.REVIEW)
        if S.REVIEW in allowed and wanted.payouts[KEY].status is S.REVIEW:
            allowed |= {S.SUCCEEDED, S.FAILED}  # compared with the books above
        if payout.status not in allowed:
            wrong.append(f"ends {payout.status} ({payout.reason}), not {wanted.payouts[KEY].status}")
    return wrong


@pytest.mark.parametrize(("post", "read"), PLAYED)
@pytest.mark.parametrize("name", PROVIDERS)
def test_crash_points_of_every_provider_keep_the_promises(
    name: str,
    post: str,
    read: str,
    installed: Callable[[str], Installed],
    open_store: Callable[[str], CrashStore],
    counts: Counter[str],
    measured: Callable[..., None],
) -> None:
    """Wherever a life is cut, nobody is paid twice or forgotten, and the end is the one without a crash, or REVIEW."""
    simulator = Simulator(installed(name).scenario(post, read), open_store("sqlite"))
    wanted = simulator.trace()
    assert faults(wanted) == []
    visited = 0
    changes = [point for point in wanted.points if point.name.startswith(CHANGES)]
    for point in wanted.points if PROOF else changes[::7]:
        crashed = simulator.crash_at(point.number)
        assert crashed.points == wanted.points[: point.number], f"{point}: the simulation is not repeatable"
        assert len(crashed.lives) == 2
        assert faults(crashed, wanted) == [], point
        visited += 1
        counts[f"{name}: ends {crashed.payouts[KEY].status}"] += 1
    counts[f"{name}: crashes"] += visited
    counts[f"{name}: points"] += len(wanted.points)
    if PROOF:
        harness = {"provider": name, "scenario": f"{post} | {read}"}
        measured(4, "crash points of a provider visited", visited, of=len(wanted.points), **harness)


def sent_otherwise(patch: pytest.MonkeyPatch) -> None:
    """Send another request than the stored one."""
    drafted = drafts.draft_of

    def draft_of(row: PayoutRecord) -> Draft:
        draft = drafted(row)
        return replace(
            draft,
            request=replace(draft.request, body=f'{(draft.request.body or "")[:-1]},"try":{row.attempt.submissions}}}'),
        )

    patch.setattr(steps, "draft_of", draft_of)


BROKEN: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "no answer means failed": (failing_on(lambda outcome: isinstance(outcome, NoAnswer)), "is FAILED with 1 credits"),
    "sent otherwise": (sent_otherwise, "a try is not the stored request"),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", PROVIDERS)
def test_broken_rule_is_found_through_every_provider(
    name: str,
    broken: str,
    installed: Callable[[str], Installed],
    open_store: Callable[[str], CrashStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What finds nothing through a provider would find it if it were there."""
    simulator = Simulator(installed(name).scenario("taken, answer lost", "answers"), open_store("sqlite"))
    points = [point.number for point in simulator.trace().points if point.name.startswith(CHANGES)]
    change, finding = BROKEN[broken]
    change(monkeypatch)
    ends = (simulator.crash_at(*stops) for stops in ((), *((number,) for number in points)))
    assert any(finding in fault for end in ends for fault in faults(end))
