"""One row of a file: an order, or what keeps it from being one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from payments_core.batch.reading.amounts import DecimalMark, read_amount
from payments_core.batch.reading.cells import BadCell, Cell, as_text
from payments_core.batch.reading.columns import ColumnMap
from payments_core.batch.reading.findings import CellFault, FindingCode, Level, RowFinding
from payments_core.batch.reading.payee_numbers import read_payee
from payments_core.batch.reading.row_keys import derive_row_key, digest_of, payee_identity
from payments_core.batch.reading.seen import SeenRows
from payments_core.client import PayoutOrder
from payments_core.domain.characters import find_unclear
from payments_core.domain.errors import InvalidPayout, PaymentsError
from payments_core.domain.masking import mask_key, mask_number, scrub
from payments_core.domain.money import Currency, Money
from payments_core.domain.payout import Payee
from payments_core.domain.references import check_key

__all__ = ["Row", "RowDefaults", "RowReader", "shown"]

_TOTAL: Final = re.compile(r"(?:grand|sub)?[\s-]*(?:totals?|totaux|sum|gesamt|sous-total)\b[^0-9]*", re.IGNORECASE)
_NO_CURRENCY: Final = "XXX"  # ISO 4217
_TEXTS: Final = ("key", "payee_id", "name", "currency", "account", "note", "operator")


class RowDefaults(NamedTuple):
    """What holds for every row; a row's own account and currency come first.

    Args:
        currency_of: The currency of a row that names none, by the account that it names; raises where there is none.
        account: The account of rows that name none.
        operation: The operation of every row; when None the recorded one, else the account's.
        decimal: What comes before decimals in amounts that are text.
        round_name: Of the round: begins the keys of a file without a column `key`; empty where the file must have one.

    """

    currency_of: Callable[[str | None], str]
    account: str | None = None
    operation: str | None = None
    decimal: DecimalMark = ""
    round_name: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file.

    Args:
        line: The line of the file where it begins; the header is line 1. Messages call it the row's number.
        cells: As written, by canonical name; only the columns that are read.
        key: Its own or the derived one; empty where it has none.
        payee_id: The caller's id of the payee; not part of the order.
        name: The payee's name; not part of the order.
        to: The number as it is paid: country code and number; empty where it cannot be read.
        amount: None where it cannot be read.
        currency: Of the amount; empty where it is not known.
        account: The account that it names, or the default.
        note: Text for the payee.
        operator: Whose customer the payee is, where the file says so.
        order: What is to be paid; None when the row is refused.
        findings: What was found, the refusals first.

    """

    line: int
    cells: Mapping[str, str] = field(repr=False)
    key: str = field(default="", repr=False)
    payee_id: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    to: str = field(default="", repr=False)
    amount: Decimal | None = None
    currency: str = ""
    account: str | None = None
    note: str = field(default="", repr=False)
    operator: str = ""
    order: PayoutOrder | None = None
    findings: tuple[RowFinding, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether it cannot be paid."""
        return any(one.level is Level.REFUSED for one in self.findings)


def shown(column: str, value: str) -> str:
    """Return a cell as a message may show it: numbers and keys masked; nothing of a name or a note."""
    if column in {"name", "note"}:
        return ""
    if column == "to":
        return mask_number("".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in value[:64]))
    return mask_key(value) if column == "key" else scrub(value, limit=40)


class RowReader:
    """Makes rows of cells, and counts the payments that are alike: their keys differ by it.

    Args:
        columns: Of the file.
        defaults: For every row.

    """

    def __init__(self, columns: ColumnMap, defaults: RowDefaults) -> None:
        self._columns, self._defaults = columns, defaults
        self._places = tuple(columns.places.items())
        self._derives = "key" not in columns.places
        self._payments = SeenRows(strict=True)

    def read(self, line: int, given: Sequence[Cell] | BadCell) -> Row:
        """Return the row of a line.

        Args:
            line: Where it begins.
            given: Its cells by place, or why it has none.

        """
        if isinstance(given, BadCell):
            fault = given.fault()
            return Row(line, {}, findings=(RowFinding(line, "", "", fault.code, fault.reason, fault.hint),))
        cells: dict[str, Cell] = {name: given[at] if at < len(given) else "" for name, at in self._places}
        if len(given) > self._columns.width and any(given[self._columns.width :]):
            why, hint = "The row has more fields than the header.", "Put texts with commas into quotes."
            return Row(line, cells, findings=(RowFinding(line, "", "", FindingCode.TOO_MANY_FIELDS, why, hint),))
        if self._is_totals_row(cells):
            why, hint = "It is no payment but looks like a sum of the rows above.", "Remove the row."
            return Row(line, cells, findings=(RowFinding(line, "", "", FindingCode.TOTALS_ROW, why, hint),))
        return self._order(line, cells)

    def _is_totals_row(self, cells: Mapping[str, Cell]) -> bool:
        who = [text for name in ("to", "key", "payee_id", "name") if (text := cells.get(name, "").strip())]
        if not who:
            return bool(cells["amount"].strip())
        return not any(map(str.isdigit, cells["to"])) and any(map(_TOTAL.fullmatch, who))

    def _order(self, line: int, cells: Mapping[str, Cell]) -> Row:
        found: list[RowFinding] = []
        texts = dict.fromkeys(_TEXTS, "")
        for name in _TEXTS:
            if cell := cells.get(name):
                try:
                    texts[name] = as_text(cell)
                except CellFault as fault:
                    found.append(_finding(line, name, cell, fault))
            elif isinstance(cell, BadCell):
                found.append(_finding(line, name, cell, cell.fault()))
        account = texts["account"] or self._defaults.account
        currency = self._currency(line, texts["currency"], account, found)
        payee = self._payee(line, cells["to"], currency, texts["operator"], found)
        amount = self._amount(line, cells["amount"], currency, found)
        key, payee_id = texts["key"], texts["payee_id"]
        if payee_id and (why := find_unclear(payee_id)):
            unclear = CellFault(InvalidPayout.code, f"The payee's id holds {why}.", "Type it again.")
            found.append(_finding(line, "payee_id", payee_id, unclear))
        if self._derives:
            key = self._derived_key(line, payee_id, payee, amount) if not found and payee and amount else ""
        elif found and all(one.column != "key" for one in found):  # `send` would say it of the others
            try:
                check_key(key)
            except InvalidPayout as error:
                found.append(_finding(line, "key", key, CellFault(error.code, error.message, error.hint)))
        order = None
        if not found and payee is not None and amount is not None:
            order = PayoutOrder(
                key=key,
                payee=payee,
                amount=amount,
                account=account,
                operation=self._defaults.operation,
                note=texts["note"],
            )
        return Row(
            line,
            cells,
            key,
            payee_id,
            texts["name"],
            payee.value if payee else "",
            amount.amount if amount else None,
            currency,
            account,
            texts["note"],
            texts["operator"],
            order,
            tuple(found),
        )

    def _currency(self, line: int, written: str, account: str | None, found: list[RowFinding]) -> str:
        """Return the currency; empty, beside a finding, where there is none."""
        try:
            return str(Currency(written)) if written else self._defaults.currency_of(account)
        except PaymentsError as error:
            column = "account" if account and not written else "currency"
            fault = CellFault(error.code, error.message, error.hint)
            found.append(_finding(line, column, written or account or "", fault))
            return ""

    def _payee(self, line: int, cell: Cell, currency: str, operator: str, found: list[RowFinding]) -> Payee | None:
        try:
            return read_payee(cell, currency, operator)
        except CellFault as fault:
            if currency or fault.code != FindingCode.NATIONAL_NUMBER:
                found.append(_finding(line, "to", cell, fault))
            return None

    def _amount(self, line: int, cell: Cell, currency: str, found: list[RowFinding]) -> Money | None:
        try:
            return read_amount(cell, currency or _NO_CURRENCY, self._defaults.decimal)
        except CellFault as fault:
            if currency or fault.code != FindingCode.WRONG_CURRENCY:
                found.append(_finding(line, "amount", cell, fault))
            return None

    def _derived_key(self, line: int, payee_id: str, payee: Payee, amount: Money) -> str:
        identity = payee_identity(payee_id, payee.value)
        alike = self._payments.add(digest_of(identity, amount.text, str(amount.currency)), line)
        return derive_row_key(self._defaults.round_name, payee_id, payee.value, amount, alike.occurrence)


def _finding(line: int, column: str, value: str, fault: CellFault) -> RowFinding:
    return RowFinding(line, column, shown(column, value), fault.code, fault.reason, fault.hint)
