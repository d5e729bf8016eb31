"""New payouts: one for each key."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from payments_core.domain.errors import JournalError
from payments_core.domain.payout import PayoutStatus
from payments_core.engine.commands import CreatePayout, CreateResult, OverRefunded
from payments_core.journal.sql import refunds
from payments_core.journal.sql.columns import read_row, write_row
from payments_core.journal.sql.history import history_values
from payments_core.journal.sql.provider_references import searchable_references
from payments_core.journal.sql.statements import DbTransaction, Statements

__all__ = ["StatementFlow", "create_payout", "creation"]

T = TypeVar("T")

#: Yields a statement with its values; is sent the rows that it found, or how many it wrote.
StatementFlow: TypeAlias = Generator[tuple[str, Sequence[Any]], Any, T]


def create_payout(session: DbTransaction, entry: CreatePayout) -> CreateResult | OverRefunded:
    """Write a new payout, or find the payout of its key."""
    row = entry.row
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
            result: CreateResult = end.value
            return result
        cursor = session.execute(statement, values)
        answer = cursor.fetchall() if statement.startswith("SELECT") else cursor.rowcount


def creation(entry: CreatePayout, sql: Statements) -> StatementFlow[CreateResult]:
    """Write a new payout, or find the payout of its key; any kind of connection can execute the statements.

    Raises:
        JournalError: It would begin as SENDING, or its id belongs to another key.

    """
    row = entry.row
    if row.status is PayoutStatus.SENDING:
        raise JournalError(f"Payout {row.id} cannot begin as SENDING: a pause could not hold it.")
    if found := (yield sql.by_key, (row.order.key,)):
        return CreateResult(read_row(found[0]), created=False)
    if not (yield sql.insert, write_row(row)):  # another transaction has committed the same key or id by now
        if found := (yield sql.by_key, (row.order.key,)):
            return CreateResult(read_row(found[0]), created=False)
        raise JournalError(f"The id {row.id} is not UNIQUE: it belongs to the payout of another key.")
    yield sql.add_history, history_values(row, entry.event, 1, decided_by=row.decided_by)
    for reference in searchable_references(row):
        yield sql.add_provider_reference, (reference, row.id)
    return CreateResult(row, created=True)
