"""Reads a file of payees: one row, one payout."""

from __future__ import annotations

import csv
import difflib
import io
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

from payments_core.client import CheckedOrder, OrderFinding, PayoutOrder, Validation
from payments_core.domain.errors import InvalidPayout, KeyReused, PaymentsError
from payments_core.domain.masking import mask_key, mask_numbers, scrub
from payments_core.runtime import Runtime

__all__ = ["Defaults", "Row", "checked", "currency_of", "read_file", "rows_of"]

COLUMNS = ("key", "to", "amount", "currency", "account", "note", "operator")
_REQUIRED = COLUMNS[:3]
Cells: TypeAlias = Mapping[str, str]


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


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file.

    Args:
        line: The line of the file where it begins; the header is line 1. Messages call it the row's number.
        cells: As written.
        given: What it asks for; None when the row cannot be taken apart, or its currency is not known.
        findings: Why it is refused, all of them; empty when it can be paid.
        checked: What the check found of it.
        same_as: The line of an earlier row with the same key and content: both are one payout.

    """

    line: int
    cells: Cells = field(default_factory=dict, repr=False)
    given: PayoutOrder | None = None
    findings: tuple[OrderFinding, ...] = ()
    checked: CheckedOrder | None = None
    same_as: int | None = None

    @property
    def key(self) -> str:
        """The key, as written."""
        return self.cells.get("key", "")

    @property
    def is_paid(self) -> bool:
        """Whether it is paid already."""
        return self.checked is not None and self.checked.is_paid


def read_file(path: Path) -> tuple[list[tuple[int, Cells | None]], list[str]]:
    """Read a CSV file: UTF-8, with or without BOM, with a header; commas, semicolons or tabs.

    Returns its rows, each with its line and its cells by column (None for too many), and the names of unknown columns.

    Raises:
        InvalidPayout: The file is unusable; nothing of it is paid.

    """
    try:
        if stat.S_ISCHR(mode := path.stat().st_mode) or stat.S_ISBLK(mode):
            raise InvalidPayout(f"{path} is a device, not a file.", hint="Name a file or a pipe.")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidPayout(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidPayout(f"{path} is not UTF-8.", hint="Save it as CSV UTF-8.") from None
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)  # spreadsheets in many countries write semicolons
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = list(_rows(reader))
    except csv.Error as error:
        raise InvalidPayout(
            f"{path}, line {reader.line_num}: {error}.", hint="Correct the quotes in this line."
        ) from None
    if not rows:
        raise InvalidPayout(f"{path} is empty.", hint=f"The first line names the columns: {','.join(COLUMNS)}.")
    header = [name.strip() for name in rows[0][1]]
    _check_header(path, header)

    def cells(row: Sequence[str]) -> Cells | None:
        if len(row) > len(header):
            return None
        return {name: cell.strip() for name, cell in zip(header, row, strict=False) if name in COLUMNS}

    return [(line, cells(row)) for line, row in rows[1:]], [name for name in header if name and name not in COLUMNS]


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    line = 1
    for row in reader:
        if any(cell.strip() for cell in row):
            yield line, row
        line = reader.line_num + 1  # type: ignore[attr-defined]  # a row can span several lines


def _check_header(path: Path, header: Sequence[str]) -> None:
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        found = scrub(", ".join(header)) or "none"
        raise InvalidPayout(
            f"{path}, line 1: the header has no column {', '.join(missing)}. It has: {found}.",
            hint=f"The first line has the column names: {', '.join(COLUMNS)}.",
        )
    unused = [name for name in COLUMNS if name not in header]
    for name in header:  # a misspelt `currency` would pay in the account's currency
        if name not in COLUMNS and (meant := difflib.get_close_matches(name.lower(), unused, 1, 0.7)):
            raise InvalidPayout(
                f"{path}, line 1: the column {scrub(name)!r} looks like {meant[0]!r}.",
                hint="Correct its name, or rename it if it is something else; nothing of the file was sent.",
            )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if named := scrub(", ".join(twice)):
        raise InvalidPayout(f"{path}, line 1: the column {named} is there twice.", hint="Keep one.")


def rows_of(read: Sequence[tuple[int, Cells | None]], runtime: Runtime, defaults: Defaults) -> list[Row]:
    """Return the rows with what they ask for; nothing of it is checked yet."""
    return [_row(line, cells, runtime, defaults) for line, cells in read]


def _row(line: int, cells: Cells | None, runtime: Runtime, defaults: Defaults) -> Row:
    if cells is None:
        why, hint = "The row has more fields than the header.", "Put texts with commas into quotes."
        return Row(line, findings=(OrderFinding("", "", InvalidPayout.code, why, hint),))
    account = cells.get("account") or defaults.account
    try:
        currency = cells.get("currency") or defaults.currency or currency_of(runtime, account)
    except PaymentsError as error:
        named = mask_numbers(account or "")
        return Row(line, cells, findings=(OrderFinding(error.field, named, error.code, error.message, error.hint),))
    given = PayoutOrder(
        key=cells.get("key", ""),
        payee=cells.get("to", ""),
        amount=cells.get("amount", ""),
        currency=currency,
        account=account,
        operation=defaults.operation,
        note=cells.get("note", ""),
        operator=cells.get("operator", ""),
    )
    return Row(line, cells, given)


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


def currency_of(runtime: Runtime, account: str | None) -> str:
    """Return the currency of an account, or the one all accounts share.

    Raises:
        UnknownAccount: The account is not configured.
        InvalidPayout: No account is named, and the accounts pay in several currencies.

    """
    if account is not None:
        return runtime.account(account).settings.currency
    currencies = sorted({one.settings.currency for one in runtime.accounts.values()})
    if len(currencies) != 1:
        raise InvalidPayout(
            f"No currency is given, and the accounts pay in {', '.join(currencies) or 'none'}.",
            hint="Give --currency, or the account to pay from.",
        )
    return currencies[0]
