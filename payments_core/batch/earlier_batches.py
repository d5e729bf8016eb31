"""Compares rows with earlier payments: changed numbers, and payees that another payment pays or is about to pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from payments_core.batch.progress import PAGE, rows_of
from payments_core.batch.reading import FindingCode, Level, Row, RowFinding
from payments_core.batch.reading.row_keys import digest_of
from payments_core.batch.reading.seen import SeenRows
from payments_core.domain.batches import Batch, BatchRow, BatchState
from payments_core.domain.listing import RECENT, EarlierPayment
from payments_core.domain.masking import mask_number, scrub
from payments_core.engine.journal_protocol import Journal

__all__ = ["PlannedPayments", "changed_numbers", "compare_with_batches", "paid_elsewhere"]

_MOST = 1000  # batches that are looked at
_PLANNED = {BatchState.CREATED, BatchState.APPROVED, BatchState.PAUSED}


class PlannedPayments:
    """Rows of batches created in the last seven days that are not paid yet; about forty bytes are kept for each.

    Args:
        journal: Where the batches are.
        at: Now.
        apart_from: The id of a batch whose rows are left out.

    """

    def __init__(self, journal: Journal, at: datetime, *, apart_from: str = "") -> None:
        self._batches, self._numbers, self._keys = list[str](), SeenRows(strict=True), SeenRows(strict=True)
        for batch in journal.batches(limit=_MOST):
            is_recent = bool(batch.history) and batch.history[0].at >= at - RECENT
            if batch.state in _PLANNED and is_recent and batch.id != apart_from:
                self._batches.append(batch.id)
                self._add(journal, batch.id)

    def _add(self, journal: Journal, batch: str) -> None:
        after = 0
        while page := journal.batch_rows(batch, after=after, limit=PAGE, unrecorded=True):
            after = page[-1].number
            for row in (result.row for result in page if result.row is not None):
                self._numbers.add(digest_of(row.order.payee.value), len(self._batches))
                self._keys.add(digest_of(row.order.key), len(self._batches))

    def batch_that_pays(self, number: str, key: str) -> str:
        """Return the batch that pays a number under another key; empty where none does."""
        if not self._batches or self._keys.find(digest_of(key)):
            return ""  # the same key is the same payment
        place = self._numbers.find(digest_of(number))
        return self._batches[place - 1] if place else ""


def compare_with_batches(journal: Journal, rows: Sequence[Row], at: datetime, planned: PlannedPayments) -> list[Row]:
    """Return rows with a warning where a payee's number has changed, or is paid these days under another key.

    Only approved batches count for a changed number: most fraud with payrolls is one.

    Args:
        journal: Where the batches are.
        rows: As they were read.
        at: Now.
        planned: What other batches are about to pay.

    """
    ids = list({row.payee_id: None for row in rows if row.payee_id and row.to})
    numbers = list({row.to: None for row in rows if row.to})
    last, paid = journal.last_rows_of(ids), journal.payments_to(numbers, at - RECENT)
    return [_compared(row, last.get(row.payee_id), paid.get(row.to, ()), planned) for row in rows]


def changed_numbers(journal: Journal, batch: Batch) -> Iterator[tuple[BatchRow, BatchRow]]:
    """Yield the rows of a batch whose payee's id the last approved batch pays at another number, with its row."""
    for page in rows_of(journal, batch.id):
        rows = [result.row for result in page if result.row is not None and result.row.payee_id]
        last = journal.last_rows_of([row.payee_id for row in rows], apart_from=batch.id)
        for row in rows:
            before = last.get(row.payee_id)
            if before is not None and before.order.payee.value != row.order.payee.value:
                yield row, before


def paid_elsewhere(journal: Journal, batch: Batch, at: datetime) -> Iterator[tuple[BatchRow, str]]:
    """Yield the rows of a batch whose number is paid these days under another key, with the id of the batch that does.

    The id is empty where a payout of no batch pays the same amount.
    """
    planned = PlannedPayments(journal, at, apart_from=batch.id)
    for page in rows_of(journal, batch.id):
        rows = [result.row for result in page if result.row is not None]
        paid = journal.payments_to(list({row.order.payee.value: None for row in rows}), at - RECENT)
        for row in rows:
            number, key, owed = row.order.payee.value, row.order.key, row.order.amount
            before = _other_payment(paid.get(number, ()), key, owed.amount, owed.currency)
            found = before.batch if before else planned.batch_that_pays(number, key)
            if found or before:
                yield row, found


def _other_payment(
    paid: Sequence[EarlierPayment], key: str, amount: Decimal | None, currency: str
) -> EarlierPayment | None:
    """Return the last payment under another key: of any batch, or of the same amount. The same key is the same one."""
    for one in reversed(paid):
        if one.key != key and (one.batch or (one.amount.amount, one.amount.currency) == (amount, currency)):
            return one
    return None


def _compared(row: Row, last: BatchRow | None, paid: Sequence[EarlierPayment], planned: PlannedPayments) -> Row:
    found = list[RowFinding]()
    if last is not None and row.to and last.order.payee.value != row.to:
        before, who = last.order.payee.masked, scrub(row.payee_id, limit=40)
        why = f"The last approved batch, {last.order.batch}, has the payee {who} at another number, {before}."
        found.append(_warning(row, FindingCode.CHANGED_NUMBER, why, "Ask the payee, not the sender of the file."))
    if other := _other_payment(paid, row.key, row.amount, row.currency):
        whose = f"Batch {other.batch}" if other.batch else "A payout of no batch"
        why = f"{whose} pays this number {other.amount} since {other.at:%Y-%m-%d}, under another key."
        hint = "Make sure that both are meant: `payouts list --payee NUMBER` shows it."
        found.append(_warning(row, FindingCode.PAID_RECENTLY, why, hint))
    elif row.to and (batch := planned.batch_that_pays(row.to, row.key)):
        why = f"Batch {batch} is about to pay this number as well."
        hint = f"Make sure that both are meant; `payouts batch cancel {batch}` ends the other one."
        found.append(_warning(row, FindingCode.IN_ANOTHER_BATCH, why, hint))
    return replace(row, findings=(*row.findings, *found)) if found else row


def _warning(row: Row, code: FindingCode, why: str, hint: str) -> RowFinding:
    return RowFinding(row.line, "to", mask_number(row.to), code, why, hint, Level.WARNING)
