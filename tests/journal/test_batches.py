"""Changes that wait for the server share a transaction, and each is as safe as it is alone."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from flat_records import changed

from payments_core.domain.budgets import AboveBudget, Budget
from payments_core.domain.causes import PausedBy
from payments_core.domain.errors import JournalError
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.rates import AcquirePermit, PostEnd, Priority, ReadEnd
from payments_core.domain.records import Event, Pause, PayoutRecord, Query
from payments_core.engine.commands import (
    AccountPaused,
    AppendHistory,
    ApplyTransition,
    CreatePayout,
    CreateResult,
    Stale,
    TransitionApplied,
)
from payments_core.journal.postgres.batch_statements import member_of, write_members
from payments_core.journal.postgres.journal import PostgresJournal
from payments_core.journal.sql.columns import to_us
from payments_core.journal.sql.statements import POSTGRES
from payments_core.journal.sql.transaction import DbTransaction

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
EVENT = Event("payout.changed", START)
S = PayoutStatus

Row = Callable[..., PayoutRecord]
OpenShared = Callable[..., PostgresJournal]
Select = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def select(postgres_url: str) -> Select:
    """Ask the database itself."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(postgres_url, autocommit=True, options="-csearch_path=payments_core") as other:
            return other.execute(statement).fetchall()

    return run


def write(journal: PostgresJournal, *rows: PayoutRecord) -> tuple[PayoutRecord, ...]:
    replies = [journal.execute(CreatePayout(row, EVENT)) for row in rows]
    return tuple(reply.row for reply in replies)


def pending(row: PayoutRecord, **about: Any) -> ApplyTransition:
    return ApplyTransition(row, changed(row, status=S.UNKNOWN), EVENT, **about)


def sending(row: PayoutRecord) -> ApplyTransition:
    return ApplyTransition(row, changed(row, status=S.SENDING, submissions=1), Event("payout.sending", START))


@pytest.fixture
def together(gate: Any, make_row: Row) -> Callable[..., list[Any]]:
    """Let one batch wait before its end, queue changes behind it, and return what became of these."""

    def run(journal: PostgresJournal, *entries: Any, before_open: Callable[[], object] = int) -> list[Any]:
        is_new = isinstance(entries[0], CreatePayout)
        row = make_row(f"blocker-{is_new}")
        blocker = CreatePayout(row, EVENT) if is_new else pending(*write(journal, row))
        gate.shut()
        first = gate.start(lambda: journal.execute(blocker))
        futures: list[Future[Any]] = [journal.submit(entry) for entry in entries]
        before_open()
        gate.open()
        first.result(10)
        return [future.exception(10) or future.result() for future in futures]

    return run


def test_changes_that_wait_share_a_transaction(
    open_shared: OpenShared, together: Callable[..., list[Any]], make_row: Row, select: Select
) -> None:
    """Fifty payouts cost the round trips of one: new ones, and transitions."""
    journal = open_shared()
    rows = [make_row(str(number)) for number in range(50)]
    assert together(journal, *(CreatePayout(row, EVENT) for row in rows)) == [CreateResult(row, True) for row in rows]
    replies = together(journal, *map(pending, rows))
    assert [reply.row for reply in replies] == [replace(pending(row).after, version=1) for row in rows]
    for number in (1, 2):
        of_ours = f"payouts ON no = payout_no WHERE seq = {number} AND id NOT LIKE 'po_blocker%'"
        assert select(f"SELECT COUNT(*), COUNT(DISTINCT history.xmin::text) FROM history JOIN {of_ours}") == [(50, 1)]  # noqa: S608


def test_batch_holds_a_payout_once(
    open_shared: OpenShared, together: Callable[..., list[Any]], make_row: Row, select: Select
) -> None:
    """Of two transitions of one payout the first is applied, and the second is judged by what that has left."""
    journal = open_shared()
    one, two = write(journal, make_row("one"), make_row("two"))
    first, second, other = together(journal, pending(one), replace(pending(one), publish=True), pending(two))
    assert isinstance(first, TransitionApplied)
    assert second == Stale(first.row)
    assert isinstance(other, TransitionApplied)
    assert len(journal.history("po_one")) == 2
    assert select("SELECT COUNT(*) FROM outbox") == [(0,)]


def test_payout_that_is_not_returned_gets_nothing(
    open_shared: OpenShared, together: Callable[..., list[Any]], make_row: Row, select: Select
) -> None:
    """A stale member is written nowhere: no history, reference, event or query; its neighbour has all of them."""
    journal = open_shared()
    one, two = write(journal, make_row("one"), make_row("two"))
    changed_since = journal.execute(pending(one)).row

    def told(row: PayoutRecord) -> ApplyTransition:
        after = changed(row, status=S.FAILED, references={"reference_id": f"new-{row.id}"})
        return ApplyTransition(row, after, EVENT, publish=True, asks=Query(row.id * 8, START))

    stale, applied = together(journal, told(one), told(two))
    assert (stale, type(applied)) == (Stale(changed_since), TransitionApplied)
    for table in ("outbox", "queries", "by_provider_reference WHERE value LIKE 'new%'"):
        assert select(f"SELECT payout_id FROM {table}") == [("po_two",)]  # noqa: S608
    assert [entry.status for entry in journal.history("po_one")] == [S.CREATED, S.UNKNOWN]


def test_refusal_in_a_batch_stops_only_its_own_payout(
    open_shared: OpenShared, together: Callable[..., list[Any]], make_row: Row
) -> None:
    """A pause that is set after the sends were queued stops them; what needs no submission is written."""
    journal, other = open_shared(), open_shared()
    one, two = write(journal, make_row("one"), make_row("two"))
    pause = Pause("mtn-uganda", START, "stop")
    refused, applied = together(journal, sending(one), pending(two), before_open=lambda: other.set_pause(pause))
    assert refused == AccountPaused(pause)
    assert isinstance(applied, TransitionApplied)
    begun = sending(make_row("three"))
    new = together(journal, CreatePayout(begun.before, EVENT, begun), CreatePayout(make_row("four"), EVENT))
    assert [(reply.created, reply.row.status) for reply in new] == [(True, S.CREATED), (True, S.CREATED)]
    assert [entry.status for entry in journal.history("po_three")] == [S.CREATED]


def test_callback_that_makes_a_payout_due_survives_a_batch(
    open_shared: OpenShared, together: Callable[..., list[Any]], make_row: Row, select: Select
) -> None:
    """A check that became due after the record was read stays due."""
    journal = open_shared()
    row = journal.execute(pending(*write(journal, make_row(next_at=START + timedelta(hours=1))))).row
    wanted = ApplyTransition(row, changed(row, status=S.PENDING), EVENT)
    # Of this payout alone: the one that the batch waits behind is locked.
    make_due = f"UPDATE payouts SET next_at = {to_us(START)} WHERE id = '{row.id}' RETURNING id"  # noqa: S608
    (reply,) = together(journal, wanted, before_open=lambda: select(make_due))
    assert reply.row.schedule.next_at == START


def test_failing_member_is_written_alone_and_so_are_its_neighbours(
    open_shared: OpenShared, together: Callable[..., list[Any]], make_row: Row, select: Select
) -> None:
    """One error undoes the batch; then it costs its own member the change, and no other."""
    journal = open_shared()
    one, two, three = write(journal, *map(make_row, ("one", "two", "three")))
    journal.execute(pending(*write(journal, make_row("asked")), asks=Query("a" * 64, START)))
    replies = together(journal, pending(one), pending(two, asks=Query("a" * 64, START)), pending(three))
    assert [type(reply) for reply in replies] == [TransitionApplied, JournalError, TransitionApplied]
    assert [len(journal.history(row.id)) for row in (one, two, three)] == [2, 1, 2]
    assert select(
        "SELECT COUNT(DISTINCT h.xmin::text) FROM history h JOIN payouts ON no = payout_no"
        " WHERE seq = 2 AND id ~ 'one|three'"
    ) == [(2,)]


@pytest.mark.parametrize("is_written", [True, False], ids=["written", "not written"])
@pytest.mark.parametrize("are_new", [True, False], ids=["new", "moved"])
def test_lost_answer_of_a_batch_is_found_out_for_each_member(
    cut: Any, open_shared: OpenShared, gate: Any, make_row: Row, *, is_written: bool, are_new: bool
) -> None:
    """No caller hears yes before the server has said so; then each is told what became of its own payout."""
    journal = open_shared(cut.url)
    rows = [make_row(str(number)) for number in range(5)]
    blocker = make_row("blocker")
    if not are_new:
        write(journal, blocker, *rows)
    entries = [CreatePayout(row, EVENT) if are_new else pending(row) for row in (blocker, *rows)]
    gate.shut()
    first = gate.start(lambda: journal.execute(entries[0]))
    futures: list[Future[Any]] = [journal.submit(entry) for entry in entries[1:]]
    done: list[bool] = []
    cut.at_cut = lambda: done.extend(future.done() for future in futures)
    cut.before_commit, cut.after_commit = not is_written, is_written
    gate.open()
    first.result(10)
    replies = [future.result(20) for future in futures]
    assert cut.cuts == 1
    assert done == [False] * 5 * is_written
    written = [journal.get(row.id) for row in rows]
    assert [reply.row for reply in replies] == written
    assert all(reply.created if are_new else isinstance(reply, TransitionApplied) for reply in replies)
    assert [len(journal.history(row.id)) for row in rows] == [1 if are_new else 2] * 5


DAY = Budget("day/mtn-uganda/EUR/2026-11-02", Decimal(100))


def submission(row: PayoutRecord, *, is_new: bool) -> CreatePayout | ApplyTransition:
    after = changed(row, status=S.SENDING, submissions=1, sent_at=START)
    begins = ApplyTransition(row, after, Event("payout.sending", START), budgets=() if is_new else (DAY,))
    return CreatePayout(row, EVENT, begins, (DAY,)) if is_new else begins


@pytest.mark.parametrize("are_new", [True, False], ids=["new", "moved"])
def test_batch_reserves_for_what_it_writes_and_no_more(
    open_shared: OpenShared, together: Callable[..., list[Any]], make_row: Row, select: Select, *, are_new: bool
) -> None:
    """Seven fit beside one that is there: they share a transaction; a stale or known one takes nothing from the day."""
    journal = open_shared()
    first, *rows = [make_row(f"{number:02}") for number in range(20)]
    journal.execute(submission(first, is_new=True))
    if are_new:
        stale = submission(make_row("other", key=first.order.key), is_new=True)
    else:
        write(journal, *rows)
        stale = submission(first, is_new=False)
    *replies, last = together(journal, *(submission(row, is_new=are_new) for row in rows), stale)
    sent = [reply.row for reply in replies if not isinstance(reply, AboveBudget)]
    assert [row.status for row in sent] == [S.SENDING] * 7
    refused = [reply for reply in replies if isinstance(reply, AboveBudget)]
    assert refused == [AboveBudget(DAY.name, Decimal(100), Decimal(100))] * 12
    assert isinstance(last, CreateResult if are_new else Stale)
    assert journal.budgets([DAY.name])[DAY.name].reserved == 100
    at_once = "SELECT COUNT(*) FROM history WHERE event = 'payout.sending' GROUP BY xmin::text ORDER BY 1 DESC LIMIT 1"
    assert select(at_once) == [(7 if are_new else 6,)]  # a stale one keeps a neighbour out, which is written alone


@pytest.mark.parametrize("is_written", [True, False], ids=["written", "not written"])
@pytest.mark.parametrize("are_new", [True, False], ids=["new", "moved"])
def test_lost_answer_of_a_batch_reserves_once(
    cut: Any, open_shared: OpenShared, gate: Any, make_row: Row, *, is_written: bool, are_new: bool
) -> None:
    journal = open_shared(cut.url)
    rows = [make_row(str(number)) for number in range(5)]
    write(journal, *(() if are_new else rows))
    journal.execute(submission(make_row("first"), is_new=True))
    blocker = submission(make_row("blocker"), is_new=True)
    gate.shut()
    waiting = gate.start(lambda: journal.execute(blocker))
    futures = [journal.submit(submission(row, is_new=are_new)) for row in rows]
    cut.before_commit, cut.after_commit = not is_written, is_written
    gate.open()
    waiting.result(10)
    assert [future.result(20).row.status for future in futures] == [S.SENDING] * 5
    assert cut.cuts == 1
    assert journal.budgets([DAY.name])[DAY.name].reserved == Decimal("12.5") * 7


def test_batch_locks_its_payouts_in_the_order_of_their_ids(
    open_shared: OpenShared, make_row: Row, postgres_url: str
) -> None:
    """Two batches that hold the same payouts wait for one another, and never each for the other."""
    rows = write(open_shared(), *(make_row(name) for name in "edcba"))
    members = [member for row in rows if (member := member_of(pending(row))) is not None]
    lock = "SELECT 1 FROM payments_core.payouts WHERE id = %s FOR UPDATE"

    def work() -> None:
        with psycopg.connect(postgres_url) as batch:
            write_members(DbTransaction(batch.execute, POSTGRES), members)

    with psycopg.connect(postgres_url) as holder, psycopg.connect(postgres_url, autocommit=True) as other:
        holder.execute(lock, ("po_c",))
        thread = threading.Thread(target=work)
        thread.start()
        while other.execute("SELECT COUNT(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
            assert thread.is_alive()
        free = {
            row.id: other.execute(f"{lock} SKIP LOCKED", (row.id,)).fetchone() is not None
            for row in sorted(rows, key=lambda row: row.id)
        }
        holder.rollback()
        thread.join()
    assert list(free.values()) == [False, False, False, True, True]


def test_batch_does_not_wait_long_for_the_lock_of_one_member(
    open_shared: OpenShared, make_row: Row, postgres_url: str
) -> None:
    """A payout that another transaction holds makes its neighbours wait for a quarter of a second."""
    journal = open_shared()
    rows = write(journal, *map(make_row, ("one", "two", "three")))
    futures: list[Future[Any]] = []
    with psycopg.connect(postgres_url) as holder:
        holder.execute("SELECT 1 FROM payments_core.payouts WHERE id = 'po_two' FOR UPDATE")
        futures = [journal.submit(pending(row)) for row in rows]
        assert isinstance(futures[0].result(5), TransitionApplied)
        assert isinstance(futures[2].result(5), TransitionApplied)
        assert not futures[1].done()
    assert isinstance(futures[1].result(5), TransitionApplied)


def test_cancelled_task_writes_nothing(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """A task that leaves before its batch begins leaves nothing behind."""
    journal = open_shared()

    async def use() -> None:
        first = gate.start(lambda: journal.execute(CreatePayout(make_row("one"), EVENT)))
        left, stays = [
            asyncio.create_task(journal.execute_async(CreatePayout(make_row(name), EVENT))) for name in ("two", "three")
        ]
        await asyncio.sleep(0)
        left.cancel()
        gate.open()
        assert isinstance(await stays, CreateResult)
        first.result(10)

    gate.shut()
    asyncio.run(use())
    assert {row.id for row in journal.rows()} == {"po_one", "po_three"}


@pytest.mark.parametrize(
    "make",
    [
        lambda row: AcquirePermit(account="mtn-uganda", priority=Priority.POST, per_s=5.0, within_s=1.0),
        lambda row: pending(row, read_end=ReadEnd(is_refused=True)),
        lambda row: pending(row, post_end=PostEnd(is_ambiguous=True, circuit_after=0)),
        lambda row: pending(row, pause=Pause("mtn-uganda", START, "refused", PausedBy.ACCOUNT_REFUSED)),
        lambda row: AppendHistory(row.id, EVENT),
    ],
    ids=["permit", "penalty", "circuit", "pause", "note"],
)
def test_change_of_more_than_payouts_is_no_member(make: Callable[[PayoutRecord], Any], make_row: Row) -> None:
    """A permit shares no transaction with a payout, and what writes an account's row holds up no other payout."""
    assert member_of(make(make_row())) is None


def test_batch_finds_payouts_by_index_while_there_are_few(
    shared: PostgresJournal, make_row: Row, postgres_url: str
) -> None:
    """A statement is planned once: by what was right for an empty journal, a batch would read a million payouts."""
    (row,) = write(shared, make_row())
    plans: list[str] = []
    with psycopg.connect(postgres_url, autocommit=True) as batch:

        def execute(statement: str, values: Any) -> Any:
            plans.extend(line for (line,) in batch.execute(f"EXPLAIN {statement}", values))
            return batch.execute(statement, values)

        batch.execute(shared._begin_batch)
        members = [member for change in (pending(row),) if (member := member_of(change)) is not None]
        assert write_members(DbTransaction(execute, POSTGRES), members)() == {row.id}
    assert len(plans) > 10
    assert [line for line in plans if re.search("Seq Scan on (payouts|history|outbox)", line)] == []
