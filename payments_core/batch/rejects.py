"""Rows to correct, in a file that can be read again: what was refused, and what failed for a reason that stays."""

from __future__ import annotations

import csv
import filecmp
import os
import re
import tempfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from payments_core.batch.progress import rows_of
from payments_core.batch.reading import FindingCode, Level, Row
from payments_core.domain.batches import BatchRow, RowResult
from payments_core.domain.budgets import holds_nothing
from payments_core.domain.errors import InvalidArgument
from payments_core.domain.payout import PayoutStatus
from payments_core.engine.journal_protocol import Journal

__all__ = ["RejectsFile", "write_failed"]

# A spreadsheet takes the first for a formula. Of the others it cuts the zero, or saves 2.5677E+11.
_CHANGED = re.compile(r"[=+\-@\t\r].*|0\d+|\d{12,}", re.DOTALL)


class RejectsFile:
    """Writes refused rows as CSV, with mode 0600: it holds whole numbers and names. It appears when all is written.

    A file that is there stays as it is: a person may have corrected it. The end of the block raises ``InvalidArgument``
    where it differs from what would be written.

    Args:
        path: Where to.
        source: The file that is read.

    Raises:
        InvalidArgument: It is the file that is read, or cannot be written.

    """

    def __init__(self, path: Path, source: Path) -> None:
        hint = "Name another file for the refused rows."
        if path.is_dir() or (path.exists() and source.exists() and path.samefile(source)):
            raise InvalidArgument(f"{path} is the file that is read, or a folder.", hint=hint)
        self._path = path
        self._names: Mapping[str, str] = {}
        try:
            handle, self._written = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        except OSError as error:
            raise InvalidArgument(f"{path} cannot be written: {error.strerror}.", hint=hint) from None
        self._file = os.fdopen(handle, "w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._file)
        self.count = 0

    def begin(self, names: Mapping[str, str]) -> None:
        """Write the header.

        Args:
            names: Of the columns in the file that is read, by canonical name.

        """
        self._names = names
        self._csv.writerow(["row", "column", "value", "reason", "advice", *map(_escaped, names.values())])

    def add(self, row: Row) -> None:
        """Write a row, if it is refused.

        Args:
            row: With all that was found of it.

        """
        refusals = [one for one in row.findings if one.level is Level.REFUSED]
        if not refusals:
            return
        self.count += 1
        found = (
            [self._names.get(one.column, one.column) for one in refusals],
            [row.cells.get(one.column, "") for one in refusals],
            [one.reason for one in refusals],
            [one.hint for one in refusals],
        )
        joined = [" | ".join(filter(None, dict.fromkeys(texts))) for texts in found]
        formulas = {one.column for one in refusals if one.code == FindingCode.FORMULA}
        # With the apostrophe that keeps a spreadsheet from calculating it, a formula would be read as corrected.
        cells = ["#FORMULA!" if name in formulas else row.cells.get(name, "") for name in self._names]
        self._csv.writerow([str(row.line), *map(_escaped, [*joined, *cells])])

    def __enter__(self) -> Self:
        """Use it for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put it in its place; or remove it after an error, or where another file is there."""
        self._file.close()
        written = Path(self._written)
        try:
            if kind is None:
                self._place(written)
        finally:
            written.unlink(missing_ok=True)

    def _place(self, written: Path) -> None:
        try:
            is_same = not self._path.exists() or filecmp.cmp(self._path, written, shallow=False)
        except OSError:
            is_same = False  # it cannot be read
        if not is_same:
            raise InvalidArgument(
                f"{self._path} is there already, with other content than the refused rows of this check: "
                "it is not overwritten.",
                hint="If it was corrected, validate that file itself. Else remove it, or name another one for the "
                "refused rows.",
            )
        written.replace(self._path)


def _escaped(cell: str) -> str:
    return f"'{cell}" if _CHANGED.fullmatch(cell) else str(cell)


def write_failed(journal: Journal, batch: str, path: Path) -> tuple[int, int]:
    """Write the rows that failed for a reason that no reissue mends as CSV, mode 0600, each with a key of its own.

    A failed row's key belongs to its payout. The new one is the old one with ``/2``: the corrected row is paid once,
    however often the file is written. A row whose failure may still be contradicted, or was, is not written: it could
    be paid twice. Nor is one whose payee was erased.

    Args:
        journal: Where the batch is.
        batch: Its id, or its name where only one has it.
        path: Where to.

    Returns:
        How many rows it has, and how many may still be paid. Without any row no file is written.

    Raises:
        UnknownBatch: There is no such batch.
        InvalidArgument: A file is there, or it cannot be written.

    """
    found, uncertain = list[dict[str, str]](), 0
    for one in chain.from_iterable(rows_of(journal, batch)):
        is_final = one.status is PayoutStatus.FAILED and not (one.reason is not None and one.reason.is_reissuable)
        if is_final and one.row is not None and one.payout_id is not None:
            payout = journal.get(one.payout_id)
            if payout is None or payout.contradictions or not holds_nothing(payout):
                uncertain += 1
            else:
                found.append(_to_correct(one, one.row))
    if not found:
        return 0, uncertain
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        why = f"{path} cannot be written: {error.strerror}."
        raise InvalidArgument(why, hint="Name another file for the failed rows.") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
            lines = csv.DictWriter(file, found[0])
            lines.writeheader()
            lines.writerows({name: _escaped(cell) for name, cell in one.items()} for one in found)
    except OSError as error:
        path.unlink(missing_ok=True)  # a part of it would pass for all of it
        raise InvalidArgument(f"{path} cannot be written: {error.strerror}.", hint="Make room for it.") from None
    return len(found), uncertain


def _to_correct(one: RowResult, row: BatchRow) -> dict[str, str]:
    order, payee = row.order, row.order.payee
    return {
        "row": str(one.number),
        "reason": str(one.reason or ""),
        "key": f"{one.key}/2",
        "payee_id": row.payee_id,
        "to": f"+{payee.value}" if payee.kind == "msisdn" else payee.value,
        "amount": order.amount.text,
        "currency": str(order.amount.currency),
        "account": row.account,
        "note": order.note,
        "operator": payee.details.get("operator", ""),
    }
