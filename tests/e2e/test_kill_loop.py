"""Paying processes are killed at random moments, again and again; in the end everybody was paid exactly once.

``PAYMENTS_KILLS=100`` kills a hundred times; ``PAYMENTS_SEED`` repeats a run.
"""

from __future__ import annotations

import csv
import os
import secrets
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from payments_core.cli.demo.compare import differences, unaccounted
from payments_core.cli.demo.stage import Stage

KILLS = int(os.environ.get("PAYMENTS_KILLS", "6"))
PEOPLE_A_FILE = 10
FAULTS = {
    "answer_lost_after_acceptance": 0.1,
    "answer_lost_before_acceptance": 0.1,
    "reset_mid_body": [{"p": 0.05}, {"p": 0.05, "on": "get"}],
    "status_503": {"p": 0.05},
    "status_429": {"p": 0.05, "value": 1},
    "invisible_s": {"p": 0.1, "value": 1},
    "slow_s": {"value": 0.15},
}

Row = Sequence[str]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as started:
        yield started


def test_nobody_is_paid_twice_or_forgotten_however_often_the_paying_process_is_killed(stage: Stage) -> None:
    seed = int(os.environ.get("PAYMENTS_SEED", secrets.randbelow(10**6)))
    dice = Random(seed)  # noqa: S311 - a play, not a secret
    stage.set_faults({**FAULTS, "seed": seed})
    started_at = time.monotonic()
    startup_s = _startup_s(stage)
    rows: list[Row] = []
    kills, begun = 0, 0
    while kills < KILLS:
        assert begun < 5 * KILLS + 10, "processes end before they can be killed"
        # By turns a process that begins with new people and one that goes on with what others left behind.
        if begun % 3 < 2:
            rows += (fresh := _people(len(rows), dice))
            process = _send(stage, fresh)
        else:
            process = stage.start("resume", "--timeout", "5")
        begun += 1
        kills += _kill_after(process, dice.uniform(0.7 * startup_s, startup_s + 0.9))  # only what was alive counts
    stage.set_faults({})
    process = _send(stage, rows)
    process.communicate()
    stage.settle(rounds=20)

    told = stage.ask("send", "--file", "people.csv", "--reveal")
    payouts, ledger = stage.listed(), stage.ledger()
    lapsed, tried_again = _figures(stage.folder)
    print(
        f"\nseed {seed}: {kills} of {begun} processes killed; {len(payouts)} payouts, {len(ledger)} payments "
        f"at the gateway, {sum(entry['posts'] for entry in ledger)} POSTs; {lapsed} sends were cut by a kill, "
        f"{tried_again} payouts were sent more than once; {time.monotonic() - started_at:.0f} s"
    )
    assert [*differences(ledger, payouts), *unaccounted(told, payouts)] == [], f"PAYMENTS_SEED={seed}"
    assert len(payouts) == len(rows)
    assert {payout["status"] for payout in payouts} == {"SUCCEEDED"}


def _startup_s(stage: Stage) -> float:
    """How long the command line takes to do nothing, so that kills land around the moments that matter."""
    begun = time.monotonic()
    stage.ask("list")
    return time.monotonic() - begun


def _people(first: int, dice: Random) -> list[Row]:
    return [
        (f"wages/{first + n:05}", f"+467017406{dice.randint(5, 99):02}", f"{dice.randint(100, 9999) / 100:.2f}")
        for n in range(PEOPLE_A_FILE)
    ]


def _send(stage: Stage, rows: Sequence[Row]) -> subprocess.Popen[str]:
    with (stage.folder / "people.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("key", "to", "amount"))
        lines.writerows(rows)
    return stage.start("send", "--file", "people.csv")


def _kill_after(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode < 0


def _figures(folder: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(folder / "payouts.db")) as journal:
        lapsed = journal.execute("SELECT COUNT(*) FROM history WHERE event = 'payout.lease_lapsed'").fetchone()[0]
        again = journal.execute("SELECT COUNT(*) FROM payouts WHERE tries > 1").fetchone()[0]
    return lapsed, again
