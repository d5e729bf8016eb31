"""Reads a file of payees: one row, one payout. Every error in it is found before the first payment."""

from __future__ import annotations

import csv
import difflib
import io
import stat
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

from payments_core.client.account_choice import apply_choice, choose, choose_at_once, existing_payout
from payments_core.domain.errors import InvalidCurrency, InvalidPayout, JournalError, KeyReused, PaymentsError
from payments_core.domain.masking import mask_key, scrub
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.engine import check_amount, findings
from payments_core.provider import findings_of
from payments_core.routing import Choice
from payments_core.runtime import Runtime

__all__ = ["Defaults", "Row", "check", "currency_of", "place", "read_file"]

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
        key: As written.
        order: The order; None when the row cannot be parsed.
        account: The account that the row or the command names.
        error: Why it is refused; None when it can be paid.
        same_as: The line of an earlier row with the same key and content: both are one payout.
        cells: As written.
        chosen: The account to pay from.
        is_known: Whether the journal has a payout with this key and content.

    """

    line: int
    key: str
    order: Order | None = None
    account: str | None = None
    error: PaymentsError | None = None
    same_as: int | None = None
    cells: Cells = field(default_factory=dict, repr=False)
    chosen: str | None = None
    is_known: bool = False

    @property
    def waits(self) -> bool:
        """Whether a provider must be asked before its account can be chosen."""
        return self.error is None and self.same_as is None and not self.is_known and self.chosen is None


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


def check(read: Sequence[tuple[int, Cells | None]], runtime: Runtime, defaults: Defaults) -> list[Row]:
    """Check every row of a file without a request to a provider."""
    first: dict[str, Row] = {}
    rows = []
    for line, cells in read:
        row = _check_row(line, cells, runtime, defaults)
        earlier = first.get(row.key)
        if earlier is None:
            first[row.key] = row
        elif row.order is not None:
            row = _again(row, earlier)
        rows.append(row)
    return rows


def _check_row(line: int, cells: Cells | None, runtime: Runtime, defaults: Defaults) -> Row:
    if cells is None:
        error = InvalidPayout("The row has more fields than the header.", hint="Put texts with commas into quotes.")
        return Row(line, "", error=error)
    key, named = cells.get("key", ""), cells.get("account") or defaults.account
    row, by_default = Row(line, key, account=named, cells=cells), defaults.operation is None
    try:
        currency = cells.get("currency") or defaults.currency or currency_of(runtime, named)
        money = Money(cells.get("amount", ""), currency)
        payee = Payee.msisdn(cells.get("to", ""), operator=cells.get("operator", ""))
        order = Order(key, payee, money, Operation(defaults.operation or "transfer"), cells.get("note", ""))
        row = replace(row, order=order)
        recorded = existing_payout(runtime, order, named, by_default=by_default)
        if recorded is not None:
            return replace(row, order=replace(order, operation=recorded.order.operation), is_known=True)
        choice = choose_at_once(choose(runtime, order, named, by_default=by_default))
    except JournalError:  # not an error of the row
        raise
    except PaymentsError as error:
        return replace(row, error=error)
    return row if choice is None else place(row, runtime, choice, by_default=by_default)


def place(row: Row, runtime: Runtime, choice: Choice, *, by_default: bool) -> Row:
    """Return a row with its chosen account, or with the error that refuses it."""
    order = row.order
    assert order is not None  # noqa: S101 - the row was parsed
    try:
        account, order = apply_choice(runtime, order, choice, by_default=by_default)
        found = list(findings(account, order))
        if not any(isinstance(one, InvalidCurrency) for one in found):  # a wrong currency has no limit
            found += findings_of(lambda: check_amount(account, order))
    except PaymentsError as error:
        return replace(row, order=order, error=error)
    if found:
        return replace(row, order=order, error=_all_of(found))
    return replace(row, order=order, chosen=account.name)


def _all_of(found: Sequence[InvalidPayout]) -> InvalidPayout:
    """Return the findings about a row as one error, of the kind of the first."""
    error = copy(found[0])
    error.hint = " ".join([error.hint, *map(str, found[1:])]).strip()
    return error


def _again(row: Row, earlier: Row) -> Row:
    """Return a row whose key was used in the file before: the same payout, or an error."""
    same = earlier.order is not None and row.order is not None and earlier.order.fingerprint == row.order.fingerprint
    if same and earlier.account == row.account:
        return replace(row, error=earlier.error, same_as=earlier.line, chosen=None)
    error = KeyReused(
        f"Rows {earlier.line} and {row.line} have the key {mask_key(row.key)!r} and different content.",
        hint=f"One key is one payment: give row {row.line} another key, or remove it.",
    )
    return replace(row, error=error, chosen=None)


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
