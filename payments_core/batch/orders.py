"""What a batch is created from: orders, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from payments_core.batch.progress import Tally
from payments_core.batch.reading import Row
from payments_core.client.payout_order import PayoutOrder
from payments_core.client.validation import CheckedOrder, OrderFinding
from payments_core.domain.batches import Batch, BatchReply, BatchRow, BatchState, RowHashes
from payments_core.domain.errors import BatchRefused, InvalidPayout, KeyReused, PaymentsError
from payments_core.domain.payout import Order

__all__ = ["BatchDraft", "BatchOrder", "RefusedRow", "finding_of", "frozen", "orders_of", "same_key"]

#: So many refused rows are named; the others are counted.
MOST_REFUSED = 1000


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """One order of a batch.

    Args:
        order: What is to be paid.
        line: The line of the file where it begins, by which the row is numbered; 0 where there is no file.
        payee_id: The payee's id in the file, such as a staff number; empty where it has none.

    """

    order: PayoutOrder
    line: int = 0
    payee_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that cannot be paid.

    Args:
        number: The line of the file; 1, 2, 3 … where there is none.
        findings: Why, all of them.

    """

    number: int
    findings: tuple[OrderFinding, ...]


def frozen(batch: str, number: int, given: BatchOrder, checked: CheckedOrder) -> BatchRow:
    """Return the row of an order that was checked, with the account and the operation that were chosen for it."""
    arguments = given.order.arguments()
    assert checked.operation is not None  # noqa: S101 - of an order without findings it is known
    if arguments["not_before"] or arguments["expires_at"]:
        raise InvalidPayout("A row of a batch has no not_before and no expires_at.", hint="Run the batch at that time.")
    order = Order(
        key=arguments["key"],
        payee=arguments["payee"],
        amount=arguments["amount"],
        operation=checked.operation,
        note=arguments["note"],
        options=dict(arguments["options"] or {}),
        metadata=dict(arguments["metadata"] or {}),
        batch=batch,
    )
    return BatchRow(number, order, checked.account, given.payee_id)


def finding_of(error: PaymentsError) -> OrderFinding:
    """Return an error as a finding."""
    return OrderFinding(error.field, "", error.code, error.message, error.hint)


def orders_of(rows: Iterable[Row]) -> Iterator[BatchOrder]:
    """Yield the orders of rows that can be paid; the others are left out.

    Args:
        rows: As they are read from a file, compared with each other.

    """
    for row in rows:
        if row.order is not None:
            yield BatchOrder(row.order, row.line, row.payee_id)


def same_key() -> OrderFinding:
    """Return that a key stands in the batch already."""
    return OrderFinding("key", "", KeyReused.code, "Another row of the batch has this key.", "Keep one of the rows.")


class BatchDraft:
    """A batch while its rows are written.

    Args:
        name: The name of the round.

    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._hashes, self._totals, self._count = RowHashes(name), Tally(), 0
        self._rows: list[RefusedRow] = []
        self.seen = self.refused = self._last = 0

    def numbered(self, page: Iterable[BatchOrder]) -> list[tuple[int, BatchOrder]]:
        """Return orders with the numbers of their rows: the line of the file, and never one that was given before."""
        found = []
        for one in page:
            self._last = max(one.line, self._last + 1)
            found.append((self._last, one))
        self.seen += len(found)
        return found

    def refuse(self, rows: Sequence[RefusedRow]) -> None:
        """Keep that rows are refused, the first of them by name."""
        self.refused += len(rows)
        self._rows += rows[: MOST_REFUSED - len(self._rows)]

    def add(self, rows: Sequence[BatchRow], twice: BatchReply) -> None:
        """Take in rows that were written, but those whose key another row has.

        Args:
            rows: The rows.
            twice: The numbers of those that were not written.

        """
        assert isinstance(twice, tuple)  # noqa: S101 - what writing rows returns
        self.refuse([RefusedRow(row.number, (same_key(),)) for row in rows if row.number in twice])
        kept = [row for row in rows if row.number not in twice]
        self._count += len(kept)
        self._hashes.add(row.digest for row in kept)
        for row in kept:
            self._totals.add(row.order.amount)

    def batch(self, name: str) -> Batch:
        """Return what was written, under the id that it has."""
        sums = self._totals.totals()
        return Batch(name, self._name, BatchState.WRITING, self._hashes.hexdigest(), self._count, sums)

    def check(self, *, skip_refused: bool) -> None:
        """Refuse a batch without a row, or with a refused one.

        Raises:
            BatchRefused: It is one.

        """
        if not self.seen:
            raise BatchRefused("The batch has no row.", hint="Add the people who are to be paid.")
        if self.refused and (not skip_refused or not self._count):
            first = self._rows[0]
            why = f"The first is row {first.number}: {first.findings[0].reason}"
            raise BatchRefused(
                f"{self.refused} of {self.seen} rows cannot be paid. {why}",
                hint="Correct them, and create the batch again. Nothing was recorded and nothing was sent.",
                rows=self._rows,
            )
