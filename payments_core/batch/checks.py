"""Checks a file of payees: each row as it is read, rows against each other, and each order as ``send`` would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from itertools import islice
from pathlib import Path

from payments_core.batch.earlier_batches import PlannedPayments, compare_with_batches
from payments_core.batch.reading import (
    DecimalMark,
    FileForm,
    FindingCode,
    Level,
    Row,
    RowDefaults,
    RowFinding,
    open_rows,
)
from payments_core.batch.reading.payee_numbers import unlikely_number
from payments_core.batch.reading.row_keys import digest_of
from payments_core.batch.reading.seen import SeenRows
from payments_core.client import (
    PAID_RECENTLY,
    AccountTotal,
    CheckedOrder,
    OrderFinding,
    PayoutClient,
    Validation,
    currency_of,
)
from payments_core.domain.errors import KeyReused
from payments_core.domain.masking import mask_number
from payments_core.domain.money import Currency

__all__ = ["FileReport", "FileReportBuilder", "check_repeats", "validate_file"]

_CHUNK = 1000  # orders that are validated together
# Of a row whose key was derived: the same person and amount, at another number.
_NEW_KEY = (
    "If that payout failed, pay the corrected row alone, with another key in a column `key`: `payouts batch rows BATCH "
    "--failed FILE` writes it so."
)
_BOTH_ARE_PAID = "Both are paid: delete one row if only one is owed."
_EXAMPLES = 20  # findings of one kind that are kept
_EXACT = Context(prec=60)  # an application may have changed its own
RowSink = Callable[[Row], None]


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was found in a file.

    Args:
        form: What the file was found to be.
        rows: How many rows it has.
        new: How many would be new payouts.
        recorded: How many are recorded already, by their status.
        refused: How many would be refused.
        counts: How often each code was found, by level and code.
        examples: The first 20 findings of each code.
        totals: Of the new payouts, by account and currency, beside the balances.
        notes: What holds for whole accounts, and what only the moment of sending decides.

    """

    form: FileForm
    rows: int
    new: int
    recorded: Mapping[str, int]
    refused: int
    counts: Mapping[tuple[Level, str], int]
    examples: Mapping[tuple[Level, str], tuple[RowFinding, ...]]
    totals: tuple[AccountTotal, ...]
    notes: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether no row is refused, and none has a warning."""
        return all(level is Level.NOTE for level, _ in self.counts)


def check_repeats(rows: Iterable[Row]) -> Iterator[Row]:
    """Compare rows with all earlier ones: a key twice is refused, a payment twice is a warning.

    So are one payee's id at two numbers, one number for two ids, and a number of another country than the currency, or
    with another number of digits than numbers there have; the same payee with another amount is a note.
    About a hundred bytes are kept for each row.

    Args:
        rows: As they are read.

    """
    keys, payments, payees, ids, people = SeenRows(), SeenRows(), SeenRows(), SeenRows(), SeenRows()
    for row in rows:
        line, found = row.line, list(row.findings)
        if row.key and (first := keys.add(digest_of(row.key), line).first) != line:
            reason = f"Rows {first} and {line} have the same key."
            hint = f"One key is one payment: give row {line} another key, or remove it."
            found.append(RowFinding(line, "key", "", FindingCode.DUPLICATE_KEY, reason, hint))
        if row.to and row.amount is not None:
            payee = payees.add(digest_of(row.to), line)
            payment = payments.add(digest_of(row.to, f"{row.amount.normalize(_EXACT):f}", row.currency), line)
            is_known_person = people.add(digest_of(row.payee_id, row.to), line).first != line
            code, level, first, what = FindingCode.REPEATED_PAYMENT, Level.WARNING, payment.first, "the same amount"
            if first == line:
                code, level, first, what = FindingCode.REPEATED_PAYEE, Level.NOTE, payee.first, "another amount"
                if first != line and not is_known_person:
                    level, what = Level.WARNING, "for another payee id"
            if (
                row.payee_id
                and (before := ids.add(digest_of(row.payee_id), line).first) != line
                and not is_known_person
            ):
                why = f"Row {before} pays this payee id at another number."
                hint = "Make sure that both are meant, and ask the payee for the number."
                found.append(
                    RowFinding(line, "to", mask_number(row.to), FindingCode.REPEATED_ID, why, hint, Level.WARNING)
                )
            if unlikely := unlikely_number(row.to, row.currency):
                found.append(RowFinding(line, "to", mask_number(row.to), *unlikely, Level.WARNING))
            if first != line:
                reason = f"Row {first} pays this number {what}."
                found.append(RowFinding(line, "to", mask_number(row.to), code, reason, _BOTH_ARE_PAID, level))
        yield row if len(found) == len(row.findings) else _with(row, found)


def _with(row: Row, findings: Iterable[RowFinding]) -> Row:
    """Return a row with other findings: without an order when it is refused for one."""
    made = replace(row, findings=tuple(sorted(findings, key=lambda one: list(Level).index(one.level))))
    return replace(made, order=None) if made.is_refused else made


class FileReportBuilder:
    """Adds up what is found, chunk by chunk; no row is kept.

    Args:
        form: What the file was found to be.

    """

    def __init__(self, form: FileForm) -> None:
        self._form = form
        self._rows = self._new = self._refused = 0
        self._recorded: Counter[str] = Counter()
        self._counts: Counter[tuple[Level, str]] = Counter()
        self._examples: dict[tuple[Level, str], list[RowFinding]] = {}
        self._sums: dict[tuple[str, Currency], tuple[int, Decimal]] = {}
        self._notes: dict[str, int] = {}

    def add(self, rows: Iterable[Row], validation: Validation) -> Iterator[Row]:
        """Take a chunk of rows in, and return them with what the check of their orders found.

        Args:
            rows: As read and compared.
            validation: Of the orders among them, in their order.

        """
        checked = iter(validation.orders)
        for row in rows:
            self._rows += 1
            done = self._checked(row, next(checked)) if row.order is not None else row
            self._refused += done.is_refused
            for finding in done.findings:
                kind = finding.level, finding.code
                self._counts[kind] += 1
                if len(examples := self._examples.setdefault(kind, [])) < _EXAMPLES:
                    examples.append(finding)
            yield done
        for total in validation.totals:
            place = total.account, total.currency
            count, amount = self._sums.get(place, (0, Decimal(0)))
            self._sums[place] = count + total.count, _EXACT.add(amount, total.amount)
        for note in validation.notes:
            self._notes.setdefault(note, 0)

    def _checked(self, row: Row, order: CheckedOrder) -> Row:
        self._new += order.is_new
        if order.status is not None and not order.findings:
            self._recorded[str(order.status)] += 1
        for note in order.notes:
            if note == PAID_RECENTLY:
                continue  # the row has a warning
            if note in self._notes or len(self._notes) < _EXAMPLES:
                self._notes[note] = self._notes.get(note, 0) + 1
        return _with(row, [*row.findings, *(_of(row, one) for one in order.findings)]) if order.findings else row

    def totals(self) -> list[AccountTotal]:
        """Return what the new payouts come to so far, by account and currency."""
        return [AccountTotal(*place, *found) for place, found in sorted(self._sums.items())]

    def report(self, totals: Iterable[AccountTotal]) -> FileReport:
        """Return all that was found.

        Args:
            totals: Those of :meth:`totals`, with balances where they were asked for.

        """
        return FileReport(
            form=self._form,
            rows=self._rows,
            new=self._new,
            recorded=dict(self._recorded),
            refused=self._refused,
            counts=dict(self._counts),
            examples={kind: tuple(found) for kind, found in self._examples.items()},
            totals=tuple(totals),
            notes=tuple(f"{note} ({count} rows)" if count > 1 else note for note, count in self._notes.items()),
        )


def _of(row: Row, found: OrderFinding) -> RowFinding:
    column = "to" if found.field == "payee" else found.field
    reason, hint = found.reason, found.hint
    if found.code == KeyReused.code:
        reason = f"{reason} This is row {row.line}."
        if not row.cells.get("key"):
            hint = _NEW_KEY
    return RowFinding(row.line, column, found.value, found.code, reason, hint)


def validate_file(
    client: PayoutClient,
    path: Path,
    *,
    round_name: str = "",
    account: str | None = None,
    currency: str | None = None,
    operation: str | None = None,
    columns: Mapping[str, str] | None = None,
    sheet: str = "",
    decimal: DecimalMark = "",
    on_form: Callable[[FileForm], None] = lambda _form: None,
    on_row: RowSink = lambda _row: None,
) -> FileReport:
    """Check a file of payees, all of it: every finding is what ``send`` would say. Nothing is recorded or sent.

    Memory does not grow with the orders, and by about a hundred bytes for each row.

    Args:
        client: Whose accounts pay.
        path: Of the file: CSV, JSONL or XLSX.
        round_name: Begins the keys of a file without a column `key`.
        account: The account of rows that name none.
        currency: The currency of rows that name none; the account's when None.
        operation: The operation of every row; the account's when None.
        columns: Names of columns that say nothing by themselves: canonical name to the name in the file.
        sheet: Of XLSX.
        decimal: What comes before decimals in amounts that are text.
        on_form: Is called once, with what the file was found to be.
        on_row: Is called for each row, with all that was found of it.

    Raises:
        InvalidPayout: The file is unusable as a whole.
        InvalidCurrency: The currency for all rows is none.
        JournalError: The journal cannot be read.

    """
    if currency:
        Currency(currency)
    defaults = RowDefaults(
        lambda named: currency or currency_of(client.runtime, named), account, operation, decimal, round_name
    )
    with open_rows(path, defaults, columns=columns, sheet=sheet) as file:
        on_form(file.form)
        builder, rows = FileReportBuilder(file.form), check_repeats(file)
        journal, at = client.runtime.journal, client.runtime.clock()
        planned = PlannedPayments(journal, at)
        while chunk := list(islice(rows, _CHUNK)):
            chunk = compare_with_batches(journal, chunk, at, planned)
            validation = client.validate(row.order for row in chunk if row.order is not None)
            for row in builder.add(chunk, validation):
                on_row(row)
    return builder.report(client.with_balances(builder.totals()))
