"""Permits by the database's clock: many processes, one cap; and penalties that slow all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flat_records import START

from payments_core.domain.rates import AcquirePermit, Permit, Priority, ReadEnd
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import ApplyTransition, TransitionApplied
from payments_core.engine.journal_protocol import Journal

ACCOUNT = "mtn-uganda"
SECOND = 1_000_000


def ask_permit(
    journal: Journal,
    priority: Priority = Priority.READ,
    per_s: float | None = 9,
    within_s: float = 10.0,
    account: str = ACCOUNT,
) -> Permit:
    return journal.permit(AcquirePermit(account=account, priority=priority, per_s=per_s, within_s=within_s)).result(30)


def refuse(journal: Journal, row: PayoutRecord, end: ReadEnd) -> TransitionApplied:
    reply = journal.execute(ApplyTransition(row, replace(row), Event("payout.read", START), read_end=end))
    assert isinstance(reply, TransitionApplied)
    return reply


def most_in_a_second(moments: Sequence[int]) -> int:
    return max(sum(at <= other < at + SECOND for other in moments) for at in moments)


def run_workers(address: str, processes: int, *arguments: object) -> list[dict[str, Any]]:
    worker = str(Path(__file__).with_name("permit_worker.py"))
    command = [sys.executable, worker, address, "test-namespace", *map(str, arguments)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    try:
        for process in started:  # nobody begins before everybody is there
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        entries = []
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in started:
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0
            entries.append(json.loads(out))
        return entries
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("store", [pytest.param("sqlite", marks=pytest.mark.proof), "postgres"], indirect=True)
@pytest.mark.parametrize(
    "lanes",
    [pytest.param(["post"], marks=pytest.mark.proof), ["callback_read", "read"]],
    ids=["posts", "reads"],
)
def test_permits_of_many_processes_stay_under_the_cap_and_use_it(
    address: str, store: str, lanes: list[str], measured: Callable[..., None]
) -> None:
    """Processes of threads that ask without end: no second sees too many, and hardly a turn is lost."""
    per_s, workers = 20, 8 if "PAYMENTS_PROOF" in os.environ else 4
    text = run_workers(address, workers, per_s, 2, 6, *lanes)
    given = sorted(at for one in text for at in one["given"])
    used = sorted(at for one in text for priority in lanes for at in one["used"][priority])
    # Judged by the permits' own moments: how long the machine took to get going does not count.
    limiter = (used[-1] - used[0]) * per_s / SECOND + 1
    over = max(0, most_in_a_second(given) - per_s)
    facts = {"store": store, "workers": workers, "counted": f"permits by the database's clock, {'+'.join(lanes)}"}
    measured(9, "calls above the cap in a second", over, cap=per_s, share=round(len(used) / limiter, 3), **facts)
    assert over == 0
    assert min(later - earlier for earlier, later in pairwise(given)) >= SECOND / per_s
    assert len(used) >= 0.85 * limiter
    assert limiter >= 3 * per_s
    for priority in lanes:
        assert sum(len(one["used"][priority]) for one in text) >= (len(used) / 8 if len(lanes) > 1 else len(used))


def test_permit_is_the_next_free_moment_for_every_process(journal: Journal, open_one: Callable[[], Journal]) -> None:
    """One row for all: another process stands behind, each account and each queue for itself."""
    other = open_one()
    first, second, third = ask_permit(journal), ask_permit(other), ask_permit(journal)
    assert all(permit.is_given for permit in (first, second, third))
    assert second.at - first.at == third.at - second.at == 111_112
    assert ask_permit(journal, account="mtn-ghana").at < third.at
    assert ask_permit(journal, Priority.POST).at < third.at
    assert second.starts - first.starts == pytest.approx(0.111, abs=0.05)


def test_permit_follows_the_clock_of_the_database(journal: Journal) -> None:
    """Whatever clock the journal was opened with, here one that stands still: permits are waited for in real time."""
    before = time.time_ns() // 1000
    assert before - SECOND <= ask_permit(journal).at <= time.time_ns() // 1000 + SECOND


def test_permit_that_is_not_given_reserves_nothing(journal: Journal) -> None:
    """Each priority has five places; a caller that finds none gets the time to come back, and reserves nothing."""
    given = [ask_permit(journal, per_s=1) for _ in range(9)]
    waiting = [permit for permit in given if permit.is_given]
    assert len(waiting) in {5, 6}  # the first one's moment is now, and so it may be over
    assert {permit.at for permit in given if not permit.is_given} <= {permit.at for permit in waiting}
    behind = ask_permit(journal, Priority.CALLBACK_READ, per_s=1)
    assert behind.is_given
    assert behind.at - waiting[-1].at == SECOND
    assert not ask_permit(journal, Priority.READ, per_s=1, within_s=0.5).is_given


def test_refused_check_holds_the_checks_of_every_process(
    journal: Journal, open_one: Callable[[], Journal], add: Callable[..., PayoutRecord]
) -> None:
    """One 429, one commit: nobody reads for the account before its end, and payments go on."""
    other, row = open_one(), add()
    refuse(journal, row, ReadEnd(is_refused=True, after_s=30.0))
    held = ask_permit(other)
    assert not held.is_given
    assert held.is_penalised
    assert held.starts - time.monotonic() == pytest.approx(30, abs=5)
    assert not ask_permit(other, Priority.CALLBACK_READ, per_s=None).is_given  # one without a cap waits as well
    assert ask_permit(other, Priority.POST).is_given
    assert ask_permit(other, account="mtn-ghana").is_given
    [hold] = other.holds()
    assert (hold.account, hold.held_until) == (ACCOUNT, held.at)


def test_answered_check_ends_a_penalty_that_is_over(
    journal: Journal, add: Callable[..., PayoutRecord], ask: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    """An answer to what was on the wire when the penalty began ends nothing; one after it forgets how long it was."""
    row = refuse(journal, add(), ReadEnd(is_refused=True)).row
    reply = refuse(journal, row, ReadEnd(is_refused=False))
    assert reply.ended == frozenset()
    assert not ask_permit(journal, within_s=1).is_given
    ask("UPDATE permits SET held_until = 1")
    reply = refuse(journal, reply.row, ReadEnd(is_refused=True))
    assert ask("SELECT penalty FROM permits") == [(10 * SECOND,)]
    ask("UPDATE permits SET held_until = 1")
    reply = refuse(journal, reply.row, ReadEnd(is_refused=False))
    assert reply.ended == {"rate"}
    assert ask("SELECT penalty, held_until FROM permits") == [(0, 0)]
    assert journal.holds() == ()
    assert refuse(journal, reply.row, ReadEnd(is_refused=False)).ended == frozenset()
