"""Budgets where they are kept: in the transaction that begins a submission, whoever else begins one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from flat_records import START, changed, later

from payments_core.domain.budgets import AboveBudget, Budget, BudgetState
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine.commands import (
    AccountPaused,
    ApplyTransition,
    CreatePayout,
    CreateResult,
    DelayPayout,
    HistoryAppended,
    Stale,
    TransitionApplied,
)
from payments_core.engine.journal_protocol import Journal
from payments_core.journal.sql.apply import apply
from payments_core.journal.sql.statements import SQLITE
from payments_core.journal.sql.transaction import DbTransaction

S = PayoutStatus
DAY = Budget("day/mtn-uganda/EUR/2026-11-02", Decimal(125))
Make = Callable[..., PayoutRecord]
Ask = Callable[[str], list[tuple[Any, ...]]]


def sending(row: PayoutRecord, *budgets: Budget) -> ApplyTransition:
    after = changed(row, status=S.SENDING, submissions=row.attempt.submissions + 1, sent_at=START)
    return ApplyTransition(row, after, Event("payout.sending", START), budgets=budgets or (DAY,))


def sent_at_once(row: PayoutRecord, *budgets: Budget) -> CreatePayout:
    return CreatePayout(row, Event("payout.created", START), replace(sending(row), budgets=()), budgets or (DAY,))


def reserved(journal: Journal, name: str = DAY.name) -> Decimal:
    return journal.budgets([name]).get(name, BudgetState()).reserved


def test_two_processes_that_submit_at_once_never_pass_the_limit(
    open_one: Callable[[], Journal], make_row: Make
) -> None:
    """Forty payouts of 12.50 want a day of 125, new ones and accepted ones, in two processes: ten of them leave."""
    journals = [open_one(), open_one()]
    entries: list[Any] = [sent_at_once(make_row(f"new-{number}")) for number in range(20)]
    for number in range(20):
        row = make_row(f"old-{number}")
        journals[0].execute(CreatePayout(row, Event("payout.created", START)))
        entries.append(sending(row))
    with ThreadPoolExecutor(16) as threads:
        ended = list(threads.map(lambda place: journals[place % 2].execute(entries[place]), [*range(0, 40, 3)] * 3))
        ended += threads.map(lambda place: journals[place % 2].execute(entries[place]), range(40))
    rows = list(journals[0].rows())
    assert sum(row.status is S.SENDING for row in rows) == 10
    assert all(row.attempt.budgets == ((DAY.name,) if row.status is S.SENDING else ()) for row in rows)
    assert reserved(journals[1]) == 125
    assert {type(reply) for reply in ended} == {CreateResult, TransitionApplied, AboveBudget, Stale}
    assert {reply for reply in ended if isinstance(reply, AboveBudget)} == {
        AboveBudget(DAY.name, Decimal(125), Decimal(125))
    }


def test_refused_submission_writes_nothing(journal: Journal, add: Make, make_row: Make, ask: Ask) -> None:
    small, row = Budget("day/small", Decimal("12.49")), add()
    above = AboveBudget("day/small", Decimal("12.49"), Decimal(0))
    assert journal.execute(sending(row, DAY, small)) == above
    assert journal.execute(sent_at_once(make_row("two"), DAY, small)) == above
    assert journal.execute(replace(sent_at_once(make_row("two"), small), begins=None)) == above
    assert (journal.get(row.id), journal.by_key("salary/two")) == (row, None)
    assert ask("SELECT * FROM budgets") == []


def test_submission_reserves_from_each_of_its_budgets(journal: Journal, add: Make, ask: Ask) -> None:
    """What the journal holds the limit of counts by that; none of it, or a closed one, lets nothing leave."""
    row, batch = add(), Budget("batch/b")
    assert journal.execute(sending(row, batch, DAY)) == AboveBudget("batch/b", Decimal(0), Decimal(0))
    ask("INSERT INTO budgets VALUES ('batch/b', '0', '20', 1)")
    assert journal.execute(sending(row, batch, DAY)) == AboveBudget("batch/b", Decimal(20), Decimal(0))
    ask("UPDATE budgets SET is_closed = 0")
    reply = journal.execute(sending(row, DAY, batch))
    assert isinstance(reply, TransitionApplied)
    assert reply.row.attempt.budgets == ("batch/b", DAY.name)
    assert reply.row == journal.get(row.id)
    other = add("two")
    assert journal.execute(sending(other, batch, DAY)) == AboveBudget("batch/b", Decimal(20), Decimal("12.5"))
    assert (reserved(journal), reserved(journal, "batch/b")) == (Decimal("12.5"), Decimal("12.5"))


def test_submission_reads_each_of_its_budgets_once(
    open_sqlite: Callable[..., Journal], path: Path, make_row: Make
) -> None:
    """It is judged and written in one transaction, in which nothing else can have changed them."""
    journal, statements = open_sqlite(), list[str]()
    journal.execute(sent_at_once(make_row("zero")))
    journal.execute(CreatePayout(make_row(), Event("payout.created", START)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:

        def execute(statement: str, values: Any = ()) -> Any:
            statements.append(statement)
            return connection.execute(statement, values)

        session = DbTransaction(execute, SQLITE)
        assert isinstance(apply(session, sent_at_once(make_row("two"))), CreateResult)
        assert isinstance(apply(session, sending(make_row())), TransitionApplied)

    assert statements.count(SQLITE.lock_budget) == 2
    assert reserved(journal) == Decimal("37.5")


def test_paused_account_reserves_nothing(journal: Journal, add: Make, make_row: Make) -> None:
    journal.set_pause(Pause("mtn-uganda", START, "stop"))
    assert isinstance(journal.execute(sending(add())), AccountPaused)
    created = journal.execute(sent_at_once(make_row("two")))
    assert isinstance(created, CreateResult)
    assert created.row.status is S.CREATED
    assert reserved(journal) == 0


def test_amounts_are_exact_whatever_the_application_has_set(journal: Journal, add: Make) -> None:
    """Eighteen digits and nine decimals are added to the last one."""
    most = Budget("day/large", Decimal(2 * 10**18))
    with localcontext(prec=5):
        for name in ("one", "two"):
            journal.execute(sending(add(name, amount=Decimal("123456789012345678.000000001")), most))
        assert str(reserved(journal, "day/large")) == "246913578024691356.000000002"


def test_delay_moves_no_payout(journal: Journal, add: Make) -> None:
    """It is due later, and neither its version nor its history tells; one that was moved meanwhile is left alone."""
    row = add()
    reply = journal.execute(DelayPayout(row.id, row.version, later(60)))
    assert reply == HistoryAppended(changed(row, next_at=later(60)))
    assert journal.get(row.id) == changed(row, next_at=later(60))
    assert len(journal.history(row.id)) == 1
    moved = journal.execute(sending(changed(row, next_at=later(60))))
    assert isinstance(moved, TransitionApplied)
    assert journal.execute(DelayPayout(row.id, row.version, later(90))) == HistoryAppended(moved.row, written=False)
