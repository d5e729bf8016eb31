"""Workers as they are run: processes that share a journal, and are stopped, killed, frozen and woken."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from payments_core.domain.payout import PayoutStatus

LEASE_S = 2.0  # of the places' accounts
SLOW = {"slow_s": {"value": 0.6, "on": "post"}}
# Where several workers share a journal it is mostly PostgreSQL; the proof plays the file too.
BOTH = pytest.mark.parametrize("place", [pytest.param("sqlite", marks=pytest.mark.proof), "postgres"], indirect=True)


@BOTH
def test_workers_share_the_work_and_do_nothing_twice(place: Any) -> None:
    """Each step is taken by one of them: a payout that both worked on would cost a step more."""
    count = 60
    place.gateway.set_faults({"slow_s": {"value": 0.05}})
    workers = place.start_all(2)
    place.accept(count)  # by another process than either
    place.wait_for(place.all_paid)
    entries = [worker.stop() for worker in workers]

    print(f"\nshares: {[one['steps'] for one in entries]}")
    place.check(count)
    # One to send it, one to read its end; both count as one where the read is due before the first has ended.
    assert sum(one["steps"] for one in entries) <= 2 * count
    assert Counter(row.version for row in place.rows()) == {3: count}, "sending, pending, succeeded"
    assert [entry["posts"] for entry in place.gateway.ledger()] == [1] * count
    assert sum(one["ended"].get("SUCCEEDED", 0) for one in entries) == count
    assert min(one["steps"] for one in entries) > 0
    assert {(one["trouble"], one["cut"]) for one in entries} == {(0, 0)}


@BOTH
def test_killed_workers_payouts_are_taken_over(
    place: Any, request: pytest.FixtureRequest, measured: Callable[..., None]
) -> None:
    """One of two dies with payments on the wire: nothing is stranded 10 seconds after their leases are over."""
    count = 24
    place.gateway.set_faults(SLOW)
    dying, living = place.start_all(2)
    place.accept(count)
    place.wait_for(lambda: sum(dying.owns(row) for row in place.journal.rows(status=PayoutStatus.SENDING)) >= 3)
    dying.signal(signal.SIGKILL)
    killed_at = time.monotonic()
    place.gateway.set_faults({})

    def nothing_is_stranded() -> bool:
        return not any(row.status is PayoutStatus.CREATED or dying.owns(row) for row in place.rows())

    try:
        took_s = place.wait_for(nothing_is_stranded, timeout_s=LEASE_S + 10)
    finally:
        stranded = sum(row.status is PayoutStatus.CREATED or dying.owns(row) for row in place.rows())
        facts = {"store": request.node.callspec.params["place"], "lease_s": LEASE_S, "payouts": count}
        measured(6, "stranded payouts", stranded, longest_s=round(time.monotonic() - killed_at, 1), **facts)
    place.wait_for(place.all_paid)

    lease_expired = sum(
        entry.event == "payout.lease_expired" for row in place.rows() for entry in place.journal.history(row.id)
    )
    print(f"\nrecovered in {took_s:.1f} s, lease {LEASE_S:g} s; {lease_expired} sends taken over")
    assert lease_expired
    place.check(count)
    assert living.stop()["cut"] == 0


@BOTH
def test_worker_that_slept_past_its_lease_changes_nothing(place: Any) -> None:
    """Frozen in the middle of a send and woken when another has read the end: its answer is noted, and looked into."""
    count = 6
    place.gateway.set_faults(SLOW)
    sleeper = place.start()
    place.accept(count)
    place.wait_for(lambda: len(place.gateway.ledger()) == 4 == place.statuses()[PayoutStatus.SENDING])
    sleeper.signal(signal.SIGSTOP)
    place.gateway.set_faults({})
    other = place.start()
    place.wait_for(place.all_paid)
    ends = {row.id: (row.status, row.attempt.references) for row in place.rows()}
    sleeper.signal(signal.SIGCONT)
    place.wait_for(lambda: len(sleeper.events_named("payout.late_result")) == 4)

    place.wait_for(lambda: all(row.schedule.next_at is None for row in place.rows()))
    assert {row.id: (row.status, row.attempt.references) for row in place.rows()} == ends
    place.check(count)
    assert [entry["posts"] for entry in place.gateway.ledger()] == [1] * count
    assert (sleeper.stop()["cut"], other.stop()["cut"]) == (0, 0)


@BOTH
def test_worker_stopped_by_a_signal_finishes_what_is_in_flight(place: Any) -> None:
    """It takes nothing new, lets nothing hang, and leaves with 0; another goes on where it stopped, at once."""
    count = 12
    place.gateway.set_faults(SLOW)
    worker = place.start()
    place.accept(count)
    place.wait_for(lambda: place.statuses()[PayoutStatus.SENDING] == 4)
    result = worker.stop()

    left = place.statuses()
    assert (result["cut"], left[PayoutStatus.SENDING]) == (0, 0)
    assert left[PayoutStatus.CREATED] == count - len(place.gateway.ledger()) > 0
    assert [event["event"] for event in worker.events if event["event"].startswith("worker.")] == [
        "worker.started",
        "worker.draining",
        "worker.stopped",
    ]
    now = datetime.now(UTC)
    free = place.journal.claim(now, owner="test", until=now, accounts=["mtn-sandbox"], limit=100)
    assert sum(row.status is PayoutStatus.CREATED for row in free) == left[PayoutStatus.CREATED], "it holds nothing"


def test_grace_time_over_leaves_a_payout_as_a_crash_does(make_place: Any) -> None:
    """It ends in time with 0, guesses nothing, and whoever comes next reads what became of it."""
    place = make_place()
    place.gateway.set_faults(SLOW)
    worker = place.start("--grace", "0.05")
    place.accept(3)
    place.wait_for(lambda: len(place.gateway.ledger()) == 3)
    result = worker.stop()

    assert result["cut"] == place.statuses()[PayoutStatus.SENDING] == 3
    place.gateway.set_faults({})
    next_one = place.start()
    place.wait_for(place.all_paid)
    place.check(3)
    next_one.stop()


def test_second_signal_ends_the_worker_at_once(make_place: Any) -> None:
    """Who insists is not kept waiting; it is a crash, and says so by its exit code."""
    place = make_place(timeout_s=30, lease_s=70)
    place.gateway.set_faults({"slow_s": 30})
    worker = place.start("--grace", "600")
    place.accept(1)
    place.wait_for(lambda: place.statuses()[PayoutStatus.SENDING] == 1)
    worker.signal(signal.SIGTERM)
    place.wait_for(lambda: worker.events_named("worker.draining"))
    worker.signal(signal.SIGTERM)
    worker.finish(143)
    assert place.statuses() == {PayoutStatus.SENDING: 1}


@BOTH
def test_worker_once_does_what_is_due_and_ends(place: Any) -> None:
    """Cron calls it: each call sends and reads what has become due since the last one."""
    assert place.start("--once").finish() == {"steps": 0, "ended": {}, "trouble": 0, "cut": 0}
    place.accept(5)
    assert place.start("--once").finish()["steps"] == 5
    assert place.statuses() == {PayoutStatus.PENDING: 5}
    place.wait_for(lambda: len(place.journal.due(datetime.now(UTC), accounts=["mtn-sandbox"], limit=9)) == 5)
    result = place.start("--once", "--account", "mtn-sandbox").finish()
    assert result == {"steps": 5, "ended": {"SUCCEEDED": 5}, "trouble": 0, "cut": 0}
    place.check(5)
    assert Counter(entry["posts"] for entry in place.gateway.ledger()) == {1: 5}


@pytest.mark.parametrize(
    ("option", "expected"), [("--account", "Account 'mars' is not configured"), ("--grace", "'--grace'")]
)
def test_invalid_option_is_reported_before_the_worker_starts(make_place: Any, option: str, expected: str) -> None:
    """A worker that works for nobody would look as if all was well."""
    worker = make_place().start(option, "mars")
    worker.finish(1 if option == "--account" else 2)
    assert expected in worker.events[-1]["error"]["message"]
