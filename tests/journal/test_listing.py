"""Lists of payouts: every filter finds what a plain filter would, in pages that stay true, by an index."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import psycopg
import pytest
from flat_records import START, later
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments_core.domain.listing import PayoutFilter, Position
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.engine.journal_protocol import Journal
from payments_core.journal.sql import listing

AddRow = Callable[..., PayoutRecord]

ACCOUNTS = ("mtn-ghana", "mtn-uganda", "é", "z'")
PAYEES = ("46733123450", "46733123451", "Shop@Example.org", "shop@example.org", "x" * 300, "x" * 300 + "y")
BATCHES = ["", "", "b_1", "b_2"]
REASONS = (ReasonCode.PAYEE_NOT_FOUND, ReasonCode.EXPIRED, ReasonCode.REJECTED)
PREFIXES = ("a", "a/", "a/1", "A", "b%", "b_", "é", "\U0010ffff", "\ud7ff", "salary\0", "\ud800", "none")
KEYS = ("a/", "a/1", "a0", "A/", "b%", "bx", "b_", "é", "e\u0301", "\U0010ffff", "\U0010ffffx", "\ud7ff", "\ue000")
SECONDS = 40


@pytest.fixture
def payouts(add: AddRow) -> list[PayoutRecord]:
    """Two hundred random payouts, many of the same moment, and written in another order than accepted."""
    draw = random.Random(7)  # noqa: S311 - the same payouts each time
    return [
        add(
            f"{number}",
            key=f"{draw.choice(KEYS)}.{number}",
            batch=draw.choice(BATCHES),
            account=draw.choice(ACCOUNTS),
            status=draw.choice([one for one in PayoutStatus if one is not PayoutStatus.SENDING]),
            payee_value=draw.choice(PAYEES),
            reason=draw.choice([None, *(Reason(code, "P", 'says "no"') for code in REASONS)]),
            created_at=later(draw.randrange(SECONDS)),
        )
        for number in range(200)
    ]


def meets(row: PayoutRecord, wanted: PayoutFilter) -> bool:
    """Whether a payout meets every condition, plainly."""
    return (
        row.order.key.startswith(wanted.key_prefix)
        and wanted.batch in {"", row.order.batch}
        and (not wanted.statuses or row.status in wanted.statuses)
        and (wanted.reason is None or (row.reason is not None and row.reason.code is wanted.reason))
        and wanted.account in {None, row.attempt.account}
        and wanted.payee in {None, row.order.payee.value}
        and (wanted.created_from is None or row.created_at >= wanted.created_from)
        and (wanted.created_to is None or row.created_at < wanted.created_to)
    )


def expected(rows: list[PayoutRecord], wanted: PayoutFilter) -> list[str]:
    """Return the ids of a list, sorted plainly; rows come in the order they were written."""
    found = sorted([row for row in rows if meets(row, wanted)], key=lambda row: row.created_at)
    return [row.id for row in (reversed(found) if wanted.newest_first else found)]


def pages(journal: Journal, wanted: PayoutFilter, limit: int) -> Iterator[list[str]]:
    """Yield the ids of each page."""
    page = journal.page(wanted, limit=limit)
    yield [row.id for row in page.rows]
    while page.last is not None:
        page = journal.page(wanted, after=page.last, limit=limit)
        yield [row.id for row in page.rows]


MOMENTS = st.none() | st.integers(-1, SECONDS + 1).map(later)
FILTERS = st.builds(
    PayoutFilter,
    key_prefix=st.just("") | st.sampled_from(PREFIXES),
    batch=st.just("") | st.sampled_from(["b_1", "b_2", "none"]),
    statuses=st.just(()) | st.lists(st.sampled_from(PayoutStatus), max_size=4).map(tuple),
    reason=st.none() | st.sampled_from([*REASONS, ReasonCode.CREDENTIALS]),
    account=st.none() | st.sampled_from([*ACCOUNTS, "none"]),
    payee=st.none() | st.sampled_from([*PAYEES, "none", "SHOP@example.org"]),
    created_from=MOMENTS,
    created_to=MOMENTS,
    newest_first=st.booleans(),
)


@pytest.mark.parametrize(("look", "keys"), [(1, 0), (5, 10), (listing.LOOK, listing.KEYS)])
def test_every_filter_finds_what_a_plain_filter_finds(
    journal: Journal, payouts: list[PayoutRecord], look: int, keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any combination of conditions, in either order and pages of any size, however few entries a page looks at."""
    monkeypatch.setattr(listing, "LOOK", look)
    monkeypatch.setattr(listing, "KEYS", keys)

    @settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(FILTERS, st.integers(1, 250))
    def check(wanted: PayoutFilter, limit: int) -> None:
        found = list(pages(journal, wanted, limit))
        assert [name for page in found for name in page] == expected(payouts, wanted)
        assert all(len(page) <= limit for page in found)
        if look > len(payouts) or wanted == PayoutFilter(newest_first=wanted.newest_first):
            assert all(len(page) == limit for page in found[:-1]), "only the bound ends a page earlier"

    check()


@pytest.mark.parametrize("newest_first", [False, True])
def test_page_ends_after_a_bounded_number_of_entries(
    journal: Journal, add: AddRow, newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the position after which the next page continues, whether it has found a payout or not."""
    for number in range(100):
        add(f"{number}", key=f"{number // 50}/{number}", payee_value=PAYEES[number % 2], created_at=later(number))
    for name, value in (("LOOK", 9), ("SIDE_BY_SIDE", 1), ("KEYS", 9)):
        monkeypatch.setattr(listing, name, value)
    none = PayoutFilter(key_prefix="1/", payee=PAYEES[0], created_to=later(50), newest_first=newest_first)
    assert [len(page) for page in pages(journal, none, 5)] == [0, 0, 0], "25 of the payee, ten a page"
    half = PayoutFilter(key_prefix="1/", newest_first=newest_first)
    assert [len(page) for page in pages(journal, half, 9)][:5] == ([9] * 5 if newest_first else [0] * 5)


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_hold_each_payout_once_while_payouts_are_added_and_change(
    journal: Journal, add: AddRow, payouts: list[PayoutRecord], newest_first: bool, ask: Any, store: str
) -> None:
    """What was there is on exactly one page, whatever is added, and however statuses change meanwhile."""
    wanted = PayoutFilter(newest_first=newest_first)
    page, seen, number = journal.page(wanted, limit=7), list[str](), 0
    schema = "" if store == "sqlite" else "payments_core."
    while True:
        seen += [row.id for row in page.rows]
        for seconds in (-5, number % SECONDS, SECONDS + 5):
            number += 1
            add(f"added{number}", created_at=later(seconds))
        ask(f"UPDATE {schema}payouts SET status = 'SUCCEEDED' WHERE id = 'po_{number}'")  # noqa: S608
        if page.last is None or number > 2_000:
            break
        page = journal.page(wanted, after=page.last, limit=7 if number < 120 else 500)
    assert [name for name in seen if "added" not in name] == expected(payouts, wanted)
    assert len(set(seen)) == len(seen)


def test_accounts_and_counts_are_those_of_all_payouts(journal: Journal, payouts: list[PayoutRecord]) -> None:
    """Each account and status is counted, wherever accounts stand in the alphabet."""
    found = journal.counts_by_account([PayoutStatus.FAILED, PayoutStatus.REVIEW])
    assert journal.accounts() == set(ACCOUNTS)
    assert sum(journal.counts().values()) == len(payouts)
    for account in ACCOUNTS:
        plain = [row for row in payouts if row.attempt.account == account and row.status is PayoutStatus.FAILED]
        assert found[account, PayoutStatus.FAILED] == len(plain)
    assert {status for _, status in found} == {PayoutStatus.FAILED, PayoutStatus.REVIEW}


def test_payouts_to_check_are_those_that_a_provider_may_still_change(journal: Journal, add: AddRow) -> None:
    """Open, or failed and not settled; in REVIEW only what may have been sent. All are counted, in groups."""
    draw, at, rows = random.Random(11), later(3600), list[PayoutRecord]()  # noqa: S311 - the same each time
    codes = (ReasonCode.REJECTED, ReasonCode.EARLIER_ATTEMPT_PAID, ReasonCode.ON_STATEMENT)
    for number in range(300):
        row = add(
            f"{number}",
            account=draw.choice(ACCOUNTS),
            status=draw.choice([one for one in PayoutStatus if one is not PayoutStatus.SENDING]),
            reason=draw.choice([None, *(Reason(code, settling_h=draw.choice([0.0, 0.5, 24.0])) for code in codes)]),
            ambiguous=draw.random() < 0.2,
            first_sent_at=draw.choice([None, START]),
            rechecks_left=draw.choice([0, 0, 0, 2]),
            submissions=draw.choice([0, 1]),
            attempt=draw.choice([1, 1, 1, 2]),
            binding={"host": draw.choice(["one", "two"])},
        )
        rows.append(row)

    def is_to_check(row: PayoutRecord) -> bool:
        if row.status is PayoutStatus.FAILED:
            return row.reason is not None and row.updated_at + timedelta(hours=row.reason.settling_h) > at
        return not row.status.is_final and (row.status is not PayoutStatus.REVIEW or row.view().may_have_been_sent)

    expected = Counter(
        (
            row.attempt.account,
            row.status,
            row.attempt.binding["host"],
            row.id if row.attempt.number > 1 else None,
            row.status is PayoutStatus.CREATED and not row.attempt.submissions,
        )
        for row in rows
        if is_to_check(row)
    )
    found = journal.to_check(at)
    assert expected == {
        (one.account, one.status, one.binding["host"], one.payout_id, one.is_unsent): one.number for one in found
    }


@pytest.mark.parametrize(
    "different",
    [{}, {"binding": {"host": "two"}}, {"attempt": 2}, {"submissions": 1}],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_payouts_to_check_are_one_group_only_if_all_are_alike(
    journal: Journal, add: AddRow, different: dict[str, Any], is_first: bool
) -> None:
    """One that differs from the others of its account is in a group of its own, wherever it stands."""
    usual: dict[str, Any] = {"binding": {"host": "one"}, "submissions": 0}
    for number in range(5):
        add(f"{number}", **usual, created_at=later(number))
    add("other", **(usual | different), created_at=later(-1 if is_first else 9))
    add("elsewhere", account="z", **usual)
    found = journal.to_check(later(3600))
    assert sorted((one.account, one.number) for one in found) == sorted(
        [("mtn-uganda", 5), ("mtn-uganda", 1), ("z", 1)] if different else [("mtn-uganda", 6), ("z", 1)]
    )
    assert {one.is_unsent for one in found} == {True, "submissions" not in different}


DAY = (START, START + timedelta(days=1))
LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "key prefix": {"key_prefix": "old/1"},
    "batch": {"batch": "b_1"},
    "batch and status": {"batch": "b_1", "statuses": (PayoutStatus.FAILED,)},
    "status": {"statuses": (PayoutStatus.FAILED, PayoutStatus.REVIEW)},
    "reason": {"reason": ReasonCode.EXPIRED},
    "account": {"account": "mtn-uganda"},
    "payee": {"payee": "46733123450"},
    "dates": {"created_from": DAY[0], "created_to": DAY[1]},
    "key prefix and status": {"key_prefix": "old/", "statuses": (PayoutStatus.FAILED,)},
    "payee and status": {"payee": "46733123450", "statuses": (PayoutStatus.FAILED,)},
    "reason and account": {"reason": ReasonCode.EXPIRED, "account": "mtn-uganda"},
    "account and dates": {"account": "mtn-uganda", "created_from": DAY[0], "created_to": DAY[1]},
    "all of them": {"key_prefix": "old/", "account": "none", "payee": "1", "reason": ReasonCode.EXPIRED},
}


@pytest.fixture
def many(add: AddRow, ask: Any, store: str) -> datetime:
    """Five thousand payouts that have succeeded, with the statistics a server keeps of them."""
    row = add("0", key="old/0", status=PayoutStatus.SUCCEEDED, next_at=None)
    schema = "" if store == "sqlite" else "payments_core."
    columns = [name for name in listing.COLUMNS if name not in {"id", "key", "created_at"}]
    names = ", ".join(f'"{name}"' for name in columns)
    ask(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000) "  # noqa: S608
        f"INSERT INTO {schema}payouts (id, key, created_at, {names}) SELECT 'po_old' || n, 'old/' || n, "
        f"created_at + n * CAST(1000000 AS BIGINT), {names} FROM numbers, {schema}payouts WHERE id = '{row.id}'"
    )
    ask("ANALYZE" if store == "postgres" else "SELECT 1")
    return row.created_at


def test_lists_scan_no_table(
    journal: Any, many: datetime, store: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page and a late one are read by an index, of many payouts and of none."""
    fetch, asked = journal._fetch, list[tuple[str, Any]]()

    def record(statement: str, values: Any = ()) -> Any:
        asked.append((statement, values))
        return fetch(statement, values)

    monkeypatch.setattr(journal, "_fetch", record)
    late = Position(int((many + timedelta(seconds=2500)).timestamp()) * 1_000_000, 2501)
    for name, newest_first in product(LISTS, (False, True)):
        wanted = PayoutFilter(**LISTS[name], newest_first=newest_first)
        journal.page(wanted, limit=100), journal.page(wanted, after=late, limit=100)
    journal.accounts(), journal.counts(), journal.counts_by_account([PayoutStatus.CREATED])
    explain, scan = "EXPLAIN QUERY PLAN ", r"SCAN (payouts|p)\b"
    if store == "postgres":
        explain, scan = "EXPLAIN ", r"Seq Scan on payouts"
    with ExitStack() as opened:
        if store == "postgres":  # so few rows are scanned otherwise
            own = opened.enter_context(psycopg.connect(address, options="-cenable_seqscan=off"))
        for statement, values in asked:
            if store == "sqlite":
                found = fetch(explain + statement, values)
            else:
                found = own.execute(explain + statement, values).fetchall()
            plan = [str(line[-1]) for line in found]
            assert [line for line in plan if re.search(scan, line)] == [], statement
