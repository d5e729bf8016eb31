"""How many entries a second the journal makes durable: one caller at a time, and 64 at once sharing commits.

Every commit is flushed to the disk that holds the temporary folder (`TMPDIR` chooses it; in memory the figures mean
nothing), so a bare flush is measured beside it. Three rounds in turn; prints JSON.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.domain.records import AttemptRecord, Event, PayoutRecord, Schedule
from payments_core.engine.commands import CreatePayout
from payments_core.journal.sqlite.journal import SqliteJournal

ROUNDS = 3
ENTRIES = 600
CALLERS = 64


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def entry(number: int) -> CreatePayout:
    """Return a new payout's first entry."""
    at = now()
    row = PayoutRecord(
        id=f"po_{number:024d}",
        fingerprint="0" * 64,
        order=Order(f"salary/{number:06d}", Payee("msisdn", "256772123456"), Money(15, "EUR")),
        attempt=AttemptRecord(
            account="bench",
            binding={"provider": "mtn_momo", "environment": "sandbox", "host": "127.0.0.1"},
            references={"reference": "0" * 36},
            request="0" * 700,
            request_hash="0" * 64,
        ),
        schedule=Schedule(next_at=at),
        created_at=at,
        updated_at=at,
    )
    return CreatePayout(row, Event("payout.created", at, {"account": "bench"}))


def flushes(folder: Path) -> float:
    """Return how often a second the disk takes four kilobytes for good."""
    with (folder / "bare").open("wb", buffering=0) as file:
        started = time.perf_counter()
        for _ in range(100):
            file.write(b"0" * 4096)
            os.fsync(file.fileno())
        return 100 / (time.perf_counter() - started)


def alone(journal: SqliteJournal) -> None:
    """Write one entry after another."""
    for number in range(ENTRIES):
        journal.execute(entry(number))


def together(journal: SqliteJournal) -> None:
    """Write from many threads at once, each waiting for its own entry."""
    with ThreadPoolExecutor(CALLERS) as callers:
        for _ in callers.map(lambda number: journal.execute(entry(number)), range(ENTRIES)):
            pass


def queued(journal: SqliteJournal) -> None:
    """Hand entries over as an event loop does: many futures in flight, no thread for each."""
    for first in range(0, ENTRIES, CALLERS):
        futures = [journal.submit(entry(number)) for number in range(first, min(first + CALLERS, ENTRIES))]
        for future in futures:
            future.result()


def rate(work: Callable[[SqliteJournal], None]) -> float:
    """Return entries a second into a new journal, durable."""
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "payouts.db", namespace="benchmark", clock=now, make=True)
        started = time.perf_counter()
        work(journal)
        seconds = time.perf_counter() - started
        journal.close()
    return ENTRIES / seconds


def main() -> None:
    """Measure in turn and print the medians."""
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            found.setdefault("bare_flushes", []).append(flushes(Path(folder)))
        for work in (alone, together, queued):
            found.setdefault(work.__name__, []).append(rate(work))
    per_s = {name: round(median(rates)) for name, rates in found.items()}
    result = {"benchmark": "journal", "rounds": ROUNDS, "callers": CALLERS, "median_per_s": per_s}
    print(json.dumps({**result, "together_over_alone": round(per_s["together"] / per_s["alone"], 1)}))


if __name__ == "__main__":
    main()
