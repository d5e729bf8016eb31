"""What a payout costs through this library, beside what the same two requests cost through a bare HTTP client.

Each contestant runs in a fresh process on one core, the gateway in another process on another core, in shuffled rounds,
so that a busy machine slows all of them alike. CPU time is the client process's own, user and system, all threads.
Trust the ratios; the microseconds are this machine's. Never fails for being slow: it prints what the goals are.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
LATENCY_MS = 50
YARDSTICK = "raw-httpx"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the table.

    Args:
        name: As `_contestants.py` knows it.
        in_flight: Payouts at once, and connections.
        share: Of `--payouts`: slow ones pay fewer.
        latency_ms: What the gateway waits before each answer, in milliseconds.

    """

    name: str
    in_flight: int = 1
    share: float = 1.0
    latency_ms: int = 0

    @property
    def label(self) -> str:
        """``ours-async, 16``."""
        label = self.name if self.in_flight == 1 else f"{self.name}, {self.in_flight}"
        return f"{label}, {self.latency_ms} ms" if self.latency_ms else label


CONTESTANTS = (
    Contestant(YARDSTICK),
    Contestant("raw-httpx-async", 16, share=0.3),
    Contestant("raw-httpx-async", 64, share=0.3),
    Contestant("raw-aiohttp", 16),
    Contestant("our-transport"),
    Contestant("our-transport-async", 16),
    Contestant("ours", share=0.5),
    Contestant("ours-async", 16),
    Contestant("ours-async", 64),
    Contestant("ours-async", 64, share=2.5, latency_ms=LATENCY_MS),
)
BURST = Contestant("burst", 16, share=2.5)


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio we want to keep, and how it is made of two contestants' medians.

    Args:
        words: What it says.
        least: The ratio wanted.
        ours: Label of the contestant that should be fast.
        other: Label of the one it is compared with.

    """

    words: str
    least: float
    ours: str
    other: str


GOALS = (
    Goal("full path, 16 in flight / raw httpx.Client", 1.0, "ours-async, 16", YARDSTICK),
    Goal("full path, 64 in flight / raw httpx.Client", 1.0, "ours-async, 64", YARDSTICK),
    Goal("full path / raw httpx.AsyncClient, 16 in flight", 5.0, "ours-async, 16", "raw-httpx-async, 16"),
    Goal("full path / raw httpx.AsyncClient, 64 in flight", 5.0, "ours-async, 64", "raw-httpx-async, 64"),
    Goal("full path / our transport alone, 16 in flight", 0.65, "ours-async, 16", "our-transport-async, 16"),
)


@contextmanager
def gateway(latency_ms: int, core: int | None) -> Iterator[str]:
    """Run the gateway in a process of its own and yield its address."""
    command = [sys.executable, str(HERE / "_gateway.py"), "--latency-ms", str(latency_ms), *_on(core)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def ask(url: str) -> dict[str, int]:
    """Return what the gateway counted, or have it forget that."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own gateway, on loopback
        counted: dict[str, int] = json.load(answer)
        return counted


def run(contestant: Contestant, url: str, payouts: int, core: int | None) -> dict[str, float]:
    """Run one contestant once, and add what the gateway saw of it."""
    ask(f"{url}/__reset")
    number = max(int(payouts * contestant.share), contestant.in_flight)
    command = [sys.executable, str(HERE / "_contestants.py"), contestant.name, "--url", url]
    command += ["--payouts", str(number), "--in-flight", str(contestant.in_flight), *_on(core)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise SystemExit(f"{contestant.label} failed:\n{done.stderr}")
    told: dict[str, float] = json.loads(done.stdout)
    seen = ask(f"{url}/__stats")
    return {**told, "token_calls": seen.get("token", 0), "connections": seen["connections"] - 1, "payouts": number}


def measure(
    rounds: int, payouts: int, budget_s: float, cores: tuple[int | None, int | None]
) -> dict[str, list[dict[str, float]]]:
    """Run everybody once a round, in another order each time; no round begins that would go beyond the budget."""
    started = time.monotonic()
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    ours, theirs = cores
    with gateway(0, theirs) as prompt, gateway(LATENCY_MS, theirs) as slow:
        for number in range(rounds):
            if (time.monotonic() - started) * (number + 1) > budget_s * number > 0:
                break
            for contestant in random.Random(number).sample(CONTESTANTS, len(CONTESTANTS)):  # noqa: S311 - a shuffle
                url = slow if contestant.latency_ms else prompt
                rows[contestant.label].append(run(contestant, url, payouts, ours))
                print(".", end="", file=sys.stderr, flush=True)
        rows[BURST.label].append(run(BURST, prompt, payouts, ours))
    print(file=sys.stderr)
    return rows


def middle(rows: list[dict[str, float]], name: str = "cpu_us") -> float:
    """Return the median of one figure."""
    return median(row[name] for row in rows)


def table(rows: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'contestant, in flight':30} {'CPU us/payout':>22} {'per core-s':>10} {'x yardstick':>11} {'wall/s':>7}"
    yardstick = middle(rows[YARDSTICK])
    for label, told in rows.items():
        cpu, costs = middle(told), [row["cpu_us"] for row in told]
        spread = f"{cpu:.0f} ({min(costs):.0f}-{max(costs):.0f})"
        yield (
            f"{label:30} {spread:>22} {1e6 / cpu:>10.0f} {yardstick / cpu:>11.2f} {middle(told, 'payouts_per_s'):>7.0f}"
        )


def goals(rows: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """Hold what was measured against what we want."""
    slow, burst = rows[f"ours-async, 64, {LATENCY_MS} ms"], rows[BURST.label][0]
    ceiling = 64 / (2 * LATENCY_MS / 1000)
    found = [
        (goal.words, ">=", goal.least, round(middle(rows[goal.other]) / middle(rows[goal.ours]), 2)) for goal in GOALS
    ]
    found += [
        (f"share of the ceiling of {ceiling:.0f}/s, 64 in flight, {LATENCY_MS} ms a request", ">=", 0.85,
         round(middle(slow, "payouts_per_s") / ceiling, 2)),
        ("connections per payout there", "<=", 0.1, round(slow[0]["connections"] / slow[0]["payouts"], 3)),
        (f"token calls, {burst['payouts']} payouts at once", "<=", 1, burst["token_calls"]),
        (f"connections, {burst['payouts']} payouts at once", "<=", BURST.in_flight, burst["connections"]),
    ]  # fmt: skip
    return [
        {"goal": words, "wanted": f"{how} {limit}", "measured": value,
         "met": value >= limit if how == ">=" else value <= limit}
        for words, how, limit, value in found
    ]  # fmt: skip


def main() -> None:
    """Measure, print, and write JSON where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--payouts", type=int, default=400, help="payouts of one contestant in one round")
    arguments.add_argument(
        "--budget-s", type=float, default=50, help="no round begins that would end later, in seconds"
    )
    arguments.add_argument("--json", type=Path, help="where to write every figure")
    given = arguments.parse_args()
    cores: list[int] = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    pinned = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    rows = measure(given.rounds, given.payouts, given.budget_s, pinned)
    print(*table(rows), sep="\n", end="\n\n")
    held = goals(rows)
    for goal in held:
        print(f"{goal['goal']:62} wanted {goal['wanted']:8} measured {goal['measured']:<6} {_yes(goal['met'])}")
    if hasattr(os, "getloadavg"):
        print(
            f"\n{len(rows[YARDSTICK])} rounds; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
    if given.json:
        given.json.write_text(json.dumps({"rows": rows, "goals": held}, indent=1), "utf-8")


def _yes(met: bool) -> str:
    return "met" if met else "NOT met"


def _on(core: int | None) -> list[str]:
    return [] if core is None else ["--core", str(core)]


if __name__ == "__main__":
    main()
