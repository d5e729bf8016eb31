"""Compares rows with what earlier batches have paid: changed numbers, and payees that were paid just now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from payments_core.batch.progress import rows_of
from payments_core.batch.reading import FindingCode, Level, Row, RowFinding
from payments_core.domain.batches import Batch, BatchPaid, BatchRow
from payments_core.domain.masking import mask_number, scrub
from payments_core.engine.journal_protocol import Journal

__all__ = ["changed_numbers", "compare_with_batches"]

_RECENT = timedelta(days=7)


def compare_with_batches(journal: Journal, rows: Sequence[Row], at: datetime) -> list[Row]:
    """Return rows with a warning where a payee's number has changed, or another batch pays the number these days.

    Only approved batches count for a changed number: most fraud with payrolls is one.

    Args:
        journal: Where the batches are.
        rows: As they were read.
        at: Now.

    """
    ids = list({row.payee_id: None for row in rows if row.payee_id and row.to})
    numbers = list({row.to: None for row in rows if row.to})
    last, paid = journal.last_rows_of(ids), journal.paid_by_batches(numbers, at - _RECENT)
    return [_compared(row, last.get(row.payee_id), paid.get(row.to)) for row in rows]


def changed_numbers(journal: Journal, batch: Batch) -> Iterator[tuple[BatchRow, BatchRow]]:
    """Yield the rows of a batch whose payee's id the last approved batch pays at another number, with its row."""
    for page in rows_of(journal, batch.id):
        rows = [result.row for result in page if result.row is not None and result.row.payee_id]
        last = journal.last_rows_of([row.payee_id for row in rows], apart_from=batch.id)
        for row in rows:
            before = last.get(row.payee_id)
            if before is not None and before.order.payee.value != row.order.payee.value:
                yield row, before


def _compared(row: Row, last: BatchRow | None, paid: BatchPaid | None) -> Row:
    found = list[RowFinding]()
    if last is not None and row.to and last.order.payee.value != row.to:
        before, who = last.order.payee.masked, scrub(row.payee_id, limit=40)
        why = f"The payee {who} was paid at another number, {before}, by batch {last.order.batch}."
        found.append(_warning(row, FindingCode.CHANGED_NUMBER, why, "Ask the payee, not the sender of the file."))
    if paid is not None and paid.key != row.key:  # the same key is the same payment
        why = f"Batch {paid.batch} pays this number {paid.amount} since {paid.at:%Y-%m-%d}."
        found.append(_warning(row, FindingCode.PAID_RECENTLY, why, "Make sure that both are meant."))
    return replace(row, findings=(*row.findings, *found)) if found else row


def _warning(row: Row, code: FindingCode, why: str, hint: str) -> RowFinding:
    return RowFinding(row.line, "to", mask_number(row.to), code, why, hint, Level.WARNING)
