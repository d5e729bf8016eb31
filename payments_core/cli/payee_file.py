"""The rows of a file that is sent: what each asks for, and what the check found of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from payments_core.batch.reading import Row as FileRow
from payments_core.batch.reading import RowDefaults, RowFinding
from payments_core.client import CheckedOrder, OrderFinding, PayoutOrder, Validation, currency_of
from payments_core.domain.errors import KeyReused
from payments_core.domain.masking import mask_key
from payments_core.runtime import Runtime

__all__ = ["Defaults", "Row", "checked", "rows_of"]


class Defaults(NamedTuple):
    """What the command line gives for every row; a row's own account and currency come first.

    Args:
        account: The account of rows that name none.
        currency: The currency of rows that name none; the account's when None.
        operation: The operation of every row; when None the recorded one, else the account's.

    """

    account: str | None
    currency: str | None
    operation: str | None

    def of_rows(self, runtime: Runtime) -> RowDefaults:
        """Return them as the reader of the file needs them."""
        return RowDefaults(lambda account: self.currency or currency_of(runtime, account), self.account, self.operation)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file.

    Args:
        read: As it was read.
        findings: Why it is refused, all of them; empty when it can be paid.
        checked: What the check found of it.
        same_as: The line of an earlier row with the same key and content: both are one payout.

    """

    read: FileRow
    findings: tuple[OrderFinding, ...] = ()
    checked: CheckedOrder | None = None
    same_as: int | None = None

    @property
    def line(self) -> int:
        """The line of the file where it begins; the header is line 1. Messages call it the row's number."""
        return self.read.line

    @property
    def cells(self) -> Mapping[str, str]:
        """As written."""
        return self.read.cells

    @property
    def given(self) -> PayoutOrder | None:
        """What it asks for; None when it cannot be read."""
        return self.read.order

    @property
    def key(self) -> str:
        """The key, as written."""
        return self.read.key or self.cells.get("key", "")

    @property
    def is_paid(self) -> bool:
        """Whether it is paid already."""
        return self.checked is not None and self.checked.is_paid


def rows_of(read: Iterable[FileRow]) -> list[Row]:
    """Return the rows with what was found while they were read; nothing of their orders is checked yet."""
    return [Row(row, tuple(map(_as_order_finding, row.findings))) for row in read]


def _as_order_finding(finding: RowFinding) -> OrderFinding:
    field = "payee" if finding.column == "to" else finding.column
    return OrderFinding(field, finding.value, finding.code, finding.reason, finding.hint)


def checked(rows: Sequence[Row], validation: Validation) -> list[Row]:
    """Return the rows with what the check of their orders found."""
    given, orders = [row for row in rows if row.given is not None], validation.orders
    found = {row.line: order for row, order in zip(given, orders, strict=True)}
    lines = {order.number: line for line, order in found.items()}
    return [_checked(row, found[row.line], orders, lines) if row.line in found else row for row in rows]


def _checked(row: Row, order: CheckedOrder, orders: Sequence[CheckedOrder], lines: Mapping[int, int]) -> Row:
    row = replace(row, checked=order, findings=order.findings)
    if order.same_key_as is None:
        return row
    earlier, is_recorded = lines[order.same_key_as], orders[order.same_key_as - 1].status is not None
    if not order.findings:
        return replace(row, same_as=earlier)
    if order.findings[0].code != KeyReused.code or is_recorded:
        return row
    finding = replace(
        order.findings[0],
        reason=f"Rows {earlier} and {row.line} have the key {mask_key(row.key)!r} and different content.",
        hint=f"One key is one payment: give row {row.line} another key, or remove it.",
    )
    return replace(row, findings=(finding,))
