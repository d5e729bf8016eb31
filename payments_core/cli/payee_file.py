"""Reading a file of people: one row, one payout. Everything wrong in it is found before the first one is paid."""

from __future__ import annotations

import csv
import difflib
import io
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from payments_core.client.account_choice import apply_choice, choose, choose_at_once, existing_payout
from payments_core.domain.errors import InvalidPayout, JournalError, KeyReused, PaymentsError
from payments_core.domain.masking import mask_key, scrub
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.engine import check_amount
from payments_core.provider import Validates
from payments_core.routing import Choice
from payments_core.runtime import Runtime

__all__ = ["COLUMNS", "People", "Row", "check", "currency_of", "place", "read_file"]

COLUMNS = ("key", "to", "amount", "currency", "account", "note", "operator")
_REQUIRED = ("key", "to", "amount")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file.

    Args:
        line: Where it begins in the file, the header being line 1.
        key: As written.
        order: What it asks for; None when it cannot be understood.
        account: The account it is paid from, where one is named.
        error: Why it is refused; None when it can be paid.
        same_as: The line of an earlier row with the same key and content: both are one payout.
        to: The number, as written.
        amount: The amount, as written.
        chosen: The account it is paid from, where none is named.
        waits: A provider has to be asked before that can be chosen.
        is_known: The journal has a payout of this key and content.

    """

    line: int
    key: str
    order: Order | None = None
    account: str | None = None
    error: PaymentsError | None = None
    same_as: int | None = None
    to: str = field(default="", repr=False)
    amount: str = field(default="", repr=False)
    chosen: str | None = None
    waits: bool = False
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class People:
    """A file that was read.

    Args:
        cells: Per row: its line, and its cells by our names of the columns.
        ignored: Columns nobody asked for.

    """

    cells: Sequence[tuple[int, Mapping[str, str] | None]] = field(repr=False)
    ignored: Sequence[str] = ()


def read_file(path: Path, names: Mapping[str, str]) -> People:
    """Read a CSV file: UTF-8, with or without BOM, with a header; commas, semicolons or tabs.

    Args:
        path: The file.
        names: What the file calls our columns.

    Raises:
        InvalidPayout: The file itself is unusable; nothing of it is paid.

    """
    try:
        if stat.S_ISCHR(mode := path.stat().st_mode) or stat.S_ISBLK(mode):
            raise InvalidPayout(f"{path} is a device, which may never end.", hint="Name a file or a pipe.")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidPayout(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidPayout(f"{path} is not UTF-8.", hint="Save it as CSV UTF-8.") from None
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)  # spreadsheets in half the world write semicolons
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = list(_rows(reader))
    except csv.Error as error:
        raise InvalidPayout(f"{path}, line {reader.line_num}: {error}.", hint="Mend the quotes of this line.") from None
    if not rows:
        raise InvalidPayout(f"{path} is empty.", hint=f"The first line names the columns: {','.join(COLUMNS)}.")
    header = [name.strip() for name in rows[0][1]]
    _check_header(path, header, names)
    ours = {theirs: own for own, theirs in names.items()}
    cells = [
        (
            line,
            None
            if len(row) > len(header)
            else {ours[name]: cell.strip() for name, cell in zip(header, row, strict=False) if name in ours},
        )
        for line, row in rows[1:]
    ]
    return People(cells, [name for name in header if name and name not in ours])


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    line = 1
    for row in reader:
        if any(cell.strip() for cell in row):
            yield line, row
        line = reader.line_num + 1  # type: ignore[attr-defined]  # a row may span several lines


def _check_header(path: Path, header: Sequence[str], names: Mapping[str, str]) -> None:
    missing = [names[own] for own in _REQUIRED if names[own] not in header]
    if missing:
        found = scrub(", ".join(header)) or "none"
        raise InvalidPayout(
            f"{path}, line 1: the header has no column {', '.join(missing)}; it has {found}.",
            hint="The first line names the columns; --key-column, --to-column and so on say what yours are called.",
        )
    unused = [name for name in names.values() if name not in header]
    for name in header:  # a misspelt `currency` would pay in the account's
        if name not in names.values() and (meant := difflib.get_close_matches(name.lower(), unused, 1, 0.7)):
            raise InvalidPayout(
                f"{path}, line 1: the column {scrub(name)!r} looks like {meant[0]!r}.",
                hint="Correct its name, or rename it if it is something else; nothing of the file was sent.",
            )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if named := scrub(", ".join(twice)):
        raise InvalidPayout(f"{path}, line 1: the column {named} stands there twice.", hint="Keep one.")


def check(
    people: People, runtime: Runtime, *, account: str | None, operation: str | None, currency: str | None
) -> list[Row]:
    """Check every row as far as it can be without sending anything.

    Args:
        people: The file.
        runtime: The accounts and the journal.
        account: For rows that name none.
        operation: For every row; the one it was recorded with, else its account's, when None.
        currency: For rows that name none; the account's when None.

    """
    first: dict[str, Row] = {}
    rows = []
    for line, cells in people.cells:
        row = _read(line, cells, runtime, account=account, operation=operation, currency=currency)
        earlier = first.get(row.key)
        if earlier is None:
            first[row.key] = row
        elif row.order is not None:
            row = _again(row, earlier)
        rows.append(row)
    return rows


def _read(
    line: int,
    cells: Mapping[str, str] | None,
    runtime: Runtime,
    *,
    account: str | None,
    operation: str | None,
    currency: str | None,
) -> Row:
    if cells is None:
        return Row(line, "", error=InvalidPayout("The row has more fields than the header.", hint="Quote commas."))
    key = cells.get("key", "")
    named = cells.get("account") or account
    order = None
    try:
        money = Money(cells.get("amount", ""), cells.get("currency") or currency or currency_of(runtime, named))
        payee = Payee.msisdn(cells.get("to", ""), operator=cells.get("operator", ""))
        order = Order(key, payee, money, Operation(operation or "transfer"), cells.get("note", ""))
        recorded = existing_payout(runtime, order, named, by_default=operation is None)
        if recorded is not None:
            return Row(line, key, replace(order, operation=recorded.operation), named, is_known=True)
        choice = choose_at_once(choose(runtime, order, named, by_default=operation is None))
    except JournalError:  # not the row's fault
        raise
    except PaymentsError as error:
        return Row(line, key, order, named, error, to=cells.get("to", ""), amount=cells.get("amount", ""))
    row = Row(line, key, order, named)
    return replace(row, waits=True) if choice is None else place(row, runtime, choice, by_default=operation is None)


def place(row: Row, runtime: Runtime, choice: Choice, *, by_default: bool) -> Row:
    """Return a row with the account that was chosen for it, or with why it cannot be paid.

    Args:
        row: It was understood.
        runtime: The accounts.
        choice: Of its account.
        by_default: No operation was named: the account's own is taken.

    """
    order = row.order
    assert order is not None  # noqa: S101 - it was understood
    try:
        account, order = apply_choice(runtime, order, choice, by_default=by_default)
        if isinstance(account.provider, Validates):
            account.provider.validate(order)
        check_amount(account, order)
    except PaymentsError as error:
        return replace(row, order=order, error=error, waits=False)
    return replace(row, order=order, chosen=account.name, waits=False)


def _again(row: Row, earlier: Row) -> Row:
    """A key that stood in the file before: the same payout, or a mistake."""
    same = earlier.order is not None and row.order is not None and earlier.order.fingerprint == row.order.fingerprint
    if same and earlier.account == row.account:
        return replace(row, error=earlier.error, same_as=earlier.line, waits=False)
    error = KeyReused(
        f"Lines {earlier.line} and {row.line} have the key {mask_key(row.key)!r} and are not the same payment.",
        hint=f"One key is one payment: give line {row.line} a key of its own, or remove it.",
    )
    return Row(row.line, row.key, row.order, row.account, error)


def currency_of(runtime: Runtime, account: str | None) -> str:
    """Return the currency of an account, or the one all accounts share.

    Raises:
        UnknownAccount: It is not configured.
        InvalidPayout: No account is named, and they pay in several currencies.

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
