"""New payouts: one for each key."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from payments_core.domain.budgets import AboveBudget, first_above, reserving
from payments_core.domain.errors import JournalError
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import AttemptRecord, PayoutRecord
from payments_core.engine.commands import ApplyTransition, CreatePayout, CreateResult, OverRefunded
from payments_core.journal.sql import budgets, pauses, refunds
from payments_core.journal.sql.columns import (
    COLUMNS,
    may_send_values,
    read_row,
    searchable_references,
    to_us,
    write_entry,
    write_row,
)
from payments_core.journal.sql.statements import Statements, marks, quoted
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["StatementFlow", "check_first_submission", "create_payout", "creation", "first_submission"]

T = TypeVar("T")

_SUBMISSION_FIELDS = {"submissions", "guards_passed", "sent_at"}  # what a first submission changes of its attempt
_unchanged_fields = attrgetter(*(one.name for one in fields(AttemptRecord) if one.name not in _SUBMISSION_FIELDS))

#: Yields a statement with its values; is sent the rows that it found, or how many it wrote.
StatementFlow: TypeAlias = Generator[tuple[str, Sequence[Any]], Any, T]


def create_payout(session: DbTransaction, entry: CreatePayout) -> CreateResult | OverRefunded | AboveBudget:
    """Write a new payout, or find the payout of its key."""
    row = entry.row
    if entry.begins is not None:
        if (begun := _create_sending(session, entry, entry.begins)) is not None:
            return begun
        entry = replace(entry, begins=None)
    if row.order.original_amount is not None:
        refunds.lock_collection(session, row)
        existing = session.execute(session.sql.by_key, (row.order.key,)).fetchone()
        if existing is None and (over := refunds.over_refunded(session, row, row.order.original_amount)):
            return over
    flow, answer = creation(entry, session.sql), None
    while True:
        try:
            statement, values = flow.send(answer)
        except StopIteration as end:
            result: CreateResult | AboveBudget = end.value
            return result
        cursor = session.execute(statement, values)
        answer = cursor.fetchall() if statement.startswith("SELECT") else cursor.rowcount


def _create_sending(session: DbTransaction, entry: CreatePayout, begins: ApplyTransition) -> CreateResult | None:
    """Write a new payout as SENDING, with both history entries; None, and nothing written, where it may not begin.

    What could forbid it is not judged here: a payout that is only created meets the rules of every transition.
    """
    row, sql = entry.row, session.sql
    check_first_submission(row, begins)
    after = first_submission(entry, begins)
    if session.sql.lock_shared:  # SQLite has one writer at a time
        pauses.lock(session, shared=True)
    locked = budgets.lock(session, row, after, entry.budgets) if entry.budgets else {}
    if isinstance(locked, AboveBudget):
        return None
    gate = may_send_values(after)
    if session.execute(_insert_text(sql, len(gate)), (*write_row(after), *gate)).rowcount == 0:
        return None
    if after.attempt.budgets:
        budgets.settle(session, row, after, locked)
    created, began = write_entry(row, entry.event, ""), write_entry(after, begins.event, "")
    session.execute(sql.add_two_to_history, (1, *created, row.id, 2, *began, row.id))
    for reference in searchable_references(after):
        session.execute(sql.add_provider_reference, (reference, after.id))
    if begins.asks is not None:
        query = (begins.asks.token_hash, after.id, after.attempt.number, to_us(begins.asks.asked_at))
        session.execute(sql.add_query, query)
    return CreateResult(after, created=True)


def first_submission(entry: CreatePayout, begins: ApplyTransition) -> PayoutRecord:
    """Return the record of a new payout as its first submission leaves it."""
    after = replace(begins.after, version=1, updated_at=begins.event.at)
    return reserving(entry.row, after, entry.budgets) if entry.budgets else after


@functools.lru_cache(maxsize=64)
def _insert_text(sql: Statements, gate: int) -> str:
    """Return the statement that writes a new row unless its key is known, or something could stop a submission."""
    return sql.text(
        f"INSERT INTO {sql.schema}payouts ({quoted(COLUMNS)}) SELECT {marks(len(COLUMNS))}"
        f" WHERE {sql.may_send(marks(gate - 1))} ON CONFLICT DO NOTHING"
    )


def check_first_submission(row: PayoutRecord, begins: ApplyTransition) -> None:
    """Refuse a beginning that is not the first submission of this very payout, or that needs an approval."""
    after = begins.after
    begun = (row.attempt.number, after.attempt.submissions, after.status)
    if (
        begins.needs_approval
        or row.order.original_amount is not None
        or (row.status, row.attempt.submissions) != (PayoutStatus.CREATED, 0)
        or begun != (1, 1, PayoutStatus.SENDING)
        or (after.id, after.order, after.fingerprint) != (row.id, row.order, row.fingerprint)
        or _unchanged_fields(after.attempt) != _unchanged_fields(row.attempt)
    ):
        raise JournalError(f"Payout {row.id} cannot be created and sent in one commit: it is not its first submission.")


def creation(entry: CreatePayout, sql: Statements) -> StatementFlow[CreateResult | AboveBudget]:
    """Write a new payout, or find the payout of its key; any kind of connection can execute the statements.

    Nothing is reserved, and no budget is locked: the submission looks again.

    Raises:
        JournalError: It would begin as SENDING, or its id belongs to another key.

    """
    row = entry.row
    if row.status is PayoutStatus.SENDING:
        raise JournalError(f"Payout {row.id} cannot begin as SENDING: a pause could not hold it.")
    if found := (yield sql.by_key, (row.order.key,)):
        return CreateResult(read_row(found[0]), created=False)
    if entry.budgets:
        found = []
        for budget in entry.budgets:
            found += yield sql.budget, (budget.name,)
        if above := first_above(entry.budgets, row.order.amount.amount, budgets.read_states(found)):
            return above
    if not (yield sql.insert, write_row(row)):  # another transaction has committed the same key or id by now
        if found := (yield sql.by_key, (row.order.key,)):
            return CreateResult(read_row(found[0]), created=False)
        raise JournalError(f"The id {row.id} is not UNIQUE: it belongs to the payout of another key.")
    yield sql.add_history, (1, *write_entry(row, entry.event, row.decided_by), row.id)
    for reference in searchable_references(row):
        yield sql.add_provider_reference, (reference, row.id)
    return CreateResult(row, created=True)
