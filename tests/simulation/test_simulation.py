"""The simulation itself: one seed decides everything, a failing one can be played again, and every store is played."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import broken_rules
import more_broken_rules
import psycopg
import pytest
from payout_simulation import Outcome, Plan, SqliteStore, shrink, simulate
from payout_simulation import __main__ as simulation
from payout_simulation.__main__ import main

from payments_core.engine.journal_protocol import Journal
from payments_core.journal import init_journal, open_journal

SHARED = os.environ | {"PYTHONPATH": str(Path(str(simulation.__file__)).parents[1])}


def test_simulation_without_faults_pays_every_payee() -> None:
    """What is not paid in the other runs is not paid because of what went wrong in them."""
    calm = frozenset(
        {"guards", "outages", "refunds", "windows", "late-failures", "reversals", "slow", "cancel", "batches"}
    )

    outcome = simulate(Plan(payouts=100, faults=0, trouble=0, without=calm))

    assert outcome.statuses == {"SUCCEEDED": 100}
    assert set(outcome.calls) == {"fine"}


def test_seed_decides_everything() -> None:
    """Two processes whose sets and dictionaries hash differently take the same steps."""
    words = [sys.executable, "-P", "-m", "payout_simulation", "--payouts", "20", "--trace"]
    printed = [
        subprocess.run(words, capture_output=True, text=True, check=True, env={**SHARED, "PYTHONHASHSEED": hashes})
        for hashes in ("1", "2")
    ]

    one, other = ([line for line in run.stdout.splitlines() if " payouts in " not in line] for run in printed)
    assert one == other
    assert len(one) > 500
    (traced,) = (line.removeprefix("trace ") for line in one if line.startswith("trace "))
    assert simulate(Plan(payouts=20)).trace_hash == traced
    assert simulate(Plan(payouts=20, seed=2)).trace_hash != simulate(Plan(payouts=20)).trace_hash


def test_failing_seed_says_how_to_repeat_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command plays the same breach, and another one a smaller case of it, told step by step."""
    with monkeypatch.context() as patch:
        more_broken_rules.callbacks_are_believed(patch)
        exits = main(["--payouts", "20", "--seeds", "5", "--shrink-s", "600"])
        lines = capsys.readouterr().out.splitlines()
        begins = "  PYTHONPATH=tests/support python -m payout_simulation "
        commands = [line.strip() for line in lines if line.startswith(begins)]
        again = [(main([*shlex.split(command)[4:], "--no-shrink"]), capsys.readouterr().out) for command in commands]

    assert exits == 1
    assert len(commands) == 2
    assert (again[0][0], again[0][1].splitlines()[0]) == (1, lines[0])
    assert again[1][0] == 1
    assert again[1][1].splitlines()[0].split(": ")[1] == lines[0].split(": ")[1]
    assert "--workers 1 --hands 1 --only callbacks" in commands[1]
    story = lines[lines.index(f"  {commands[1]}") :]
    assert any("ApplyTransition payout.succeeded: TransitionApplied" in line for line in story)
    assert len(story) < 100


def test_breach_is_reported_before_it_is_shrunk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has no time to wait for the small case, or breaks it off, knows what to play again."""
    before: list[str] = []

    def looking(failed: Outcome, **_: object) -> Outcome:
        before.extend(capsys.readouterr().out.splitlines())
        return failed

    with monkeypatch.context() as patch:
        broken_rules.without_commit("payout.sending")(patch)
        patch.setattr(simulation, "shrink", looking)
        assert main(["--payouts", "10", "--shrink-s", "5"]) == 1
    assert "sent before it was written" in before[0]
    assert "  PYTHONPATH=tests/support python -m payout_simulation --payouts 10" in [
        line.replace("--seed 1 ", "") for line in before
    ]
    assert any("1 breaches" in line for line in before)
    assert before[-1] == "Looking for the same in small, for 5 s at the most ..."
    assert "None of them breaks the same rule." in capsys.readouterr().out


def test_shrinking_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many seconds no other plan is played, and the smallest one found by then is returned."""
    with monkeypatch.context() as patch:
        broken_rules.without_commit("payout.sending")(patch)
        failed = simulate(Plan(payouts=50))
    now, played = [0.0], list[Plan]()

    def play(plan: Plan) -> Outcome:
        """Break the rule where eight payouts or more are simulated, and take a second."""
        now[0] += 1
        played.append(plan)
        breaches = failed.breaches if plan.payouts >= 8 else ()
        return replace(failed, plan=plan, breaches=breaches)

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert shrink(failed, seeds=3, most_s=40, play=play).plan.payouts == 8
    assert len(played) == 40
    played.clear()
    assert shrink(failed, seeds=3, most_s=20, play=play) is failed
    assert len(played) == 20


@pytest.mark.proof
def test_simulation_in_several_processes_gives_the_same_figures(tmp_path: Path) -> None:
    """However many share the seeds, the figures are those of one, and they are there for machines."""
    figures = []
    for jobs in ("1", "2"):
        path = tmp_path / jobs
        assert main(["--payouts", "10", "--seeds", "3", "--jobs", jobs, "--json", str(path)]) == 0
        figures.append(json.loads(path.read_text()) | {"seconds": 0})
    assert figures[0] == figures[1]
    assert figures[0]["payouts"] == 30


@pytest.mark.proof
def test_failing_seed_stops_all_processes(tmp_path: Path) -> None:
    """And its command is printed, by the one that has given out the seeds."""
    script = tmp_path / "broken.py"
    script.write_text(_BROKEN)
    run = subprocess.run([sys.executable, "-P", script], capture_output=True, text=True, check=False, env=SHARED)
    assert run.returncode == 1, run.stderr
    assert "python -m payout_simulation --seed" in run.stdout
    assert "sent before it was written" in run.stdout


_BROKEN = """
from payments_core.engine import steps
from payments_core.engine.commands import TransitionApplied
from payout_simulation.__main__ import main

move = steps.apply_transition


def skipping(entry):
    if entry.event.name == "payout.sending":
        return TransitionApplied(entry.after)
    return (yield from move(entry))


steps.apply_transition = skipping
if __name__ == "__main__":
    raise SystemExit(main(["--payouts", "10", "--seeds", "100000", "--jobs", "2", "--no-shrink"]))
"""


def test_shrinking_returns_a_smallest_case_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A case of one payout and one process cannot become smaller, and is returned."""
    with monkeypatch.context() as patch:
        broken_rules.without_commit("payout.sending")(patch)
        failed = simulate(Plan(payouts=1, workers=1, hands=1, trouble=0))
        assert failed.breaches
        assert shrink(failed, seeds=3).plan.payouts == 1


@pytest.mark.parametrize("words", [["--without", "rain"], ["--payouts", "0"], ["--faults", "2"]])
def test_plan_with_invalid_options_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err


def test_store_is_a_parameter(tmp_path: Path) -> None:
    """It is opened by each process, asked for its events, and thrown away at the end."""

    class Counted(SqliteStore):
        opened = asked = 0

        def open(self, namespace: str, clock: Callable[[], datetime]) -> Journal:
            self.opened += 1
            return super().open(namespace, clock)

        def published(self) -> Mapping[str, list[tuple[int, str]]]:
            self.asked += 1
            return super().published()

    store = Counted(tmp_path)
    outcome = simulate(Plan(payouts=20), store)

    deaths = sum(1 for _, _, _, what in outcome.trace if what == "dies")
    assert store.opened == 1 + 1 + outcome.plan.workers + deaths  # the desk, the application, the workers, and heirs
    assert store.asked == 1
    assert list(tmp_path.iterdir()) == []


class PostgresStore:
    """A database of its own; told of its events by the outbox's table."""

    def __init__(self, url: str) -> None:
        self._url = url

    def open(self, namespace: str, clock: Callable[[], datetime]) -> Journal:
        return open_journal(self._url, namespace=namespace, root=Path(), clock=clock)

    def published(self) -> Mapping[str, list[tuple[int, str]]]:
        found: dict[str, list[tuple[int, str]]] = {}
        with psycopg.connect(self._url) as connection:
            printed = connection.execute("SELECT payout_id, seq, status FROM payments_core.outbox ORDER BY no")
            for payout, seq, status in printed:
                found.setdefault(payout, []).append((seq, status))
        return found

    def close(self) -> None:
        pass


@pytest.mark.proof
def test_simulation_takes_the_same_steps_on_postgresql(new_database: Callable[[], str]) -> None:
    """Whichever database holds the journal, one seed is one story, to the last commit."""
    url = new_database()
    init_journal(url, namespace="simulated-installation", root=Path(), at=datetime.now(UTC))
    there, here = simulate(Plan(payouts=15), PostgresStore(url)), simulate(Plan(payouts=15))
    assert there.breaches == here.breaches == ()
    assert there.trace_hash == here.trace_hash
