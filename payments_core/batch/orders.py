"""What a batch is created from: orders, each with its place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from payments_core.client.payout_order import PayoutOrder
from payments_core.client.validation import CheckedOrder, OrderFinding
from payments_core.domain.batches import BatchRow
from payments_core.domain.errors import BatchRefused, InvalidPayout, KeyReused, PaymentsError
from payments_core.domain.payout import Order

__all__ = ["MOST_REFUSED", "BatchOrder", "RefusedRow", "finding_of", "frozen", "refusal", "twice"]

#: So many refused rows are named; the others are counted.
MOST_REFUSED = 1000


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """One order of a batch.

    Args:
        order: What is to be paid.
        line: The line of the file where it begins; 0 where there is no file.
        payee_id: The payee's id in the file, such as a staff number; empty where it has none.

    """

    order: PayoutOrder
    line: int = 0
    payee_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that cannot be paid.

    Args:
        number: 1, 2, 3 … within the batch.
        line: The line of the file.
        findings: Why, all of them.

    """

    number: int
    line: int
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
    return BatchRow(number, given.line, order, checked.account, given.payee_id)


def finding_of(error: PaymentsError) -> OrderFinding:
    """Return an error as a finding."""
    return OrderFinding(error.field, "", error.code, error.message, error.hint)


def twice() -> OrderFinding:
    """Return that a key stands in the batch already."""
    return OrderFinding("key", "", KeyReused.code, "Another row of the batch has this key.", "Keep one of the rows.")


def refusal(rows: Sequence[RefusedRow], refused: int, count: int) -> BatchRefused:
    """Return that a batch is not created.

    Args:
        rows: The refused rows that are named.
        refused: How many there are.
        count: How many rows the batch would have.

    """
    if not count:
        return BatchRefused("The batch has no row.", hint="Add the people who are to be paid.")
    first = rows[0]
    where = f"line {first.line}" if first.line else f"row {first.number}"
    return BatchRefused(
        f"{refused} of {count} rows cannot be paid. The first is {where}: {first.findings[0].reason}",
        hint="Correct them, and create the batch again. Nothing was recorded and nothing was sent.",
        rows=rows,
    )
