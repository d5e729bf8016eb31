"""Rows of one sheet of an XLSX file, one after another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from payments_core.batch.reading.cells import BadCell, Cell, NumberCell
from payments_core.batch.reading.findings import FindingCode
from payments_core.batch.reading.xlsx_package import Sheet, XlsxPackage
from payments_core.domain.errors import InvalidPayout
from payments_core.domain.masking import quote, scrub

__all__ = ["XlsxSource"]

_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')
_OVERLAP: Final = 128  # bytes; longer than what the pattern above matches
_FILLED: Final = re.compile(rb"<(?:\w+:)?(?:v|is|f)[ />]")
_PLACE: Final = re.compile("([A-Z]{1,3})[0-9]{1,7}")
_COLUMNS: Final = 16384
_ROWS: Final = 1 << 20
_ADVICE: Final = "Copy the column and paste its values only."


class XlsxSource:
    """One sheet of a workbook.

    Args:
        path: For messages.
        file: Opened.
        sheet: Its name; where there is only one with content, it may be left out.

    Raises:
        InvalidPayout: It is no workbook, or which sheet is meant is not clear.

    """

    def __init__(self, path: Path, file: BinaryIO, sheet: str = "") -> None:
        self.file = file
        package = XlsxPackage(path, file)
        chosen = _choose(path, package, sheet)
        self.sheet = chosen.name
        self._merged = _merged(package, chosen)
        self._rows = _SheetReader(package).rows(chosen)
        self.header_line, found, _ = next(self._rows, (1, [], False))
        if not found:
            raise InvalidPayout(f"{path} is empty.", hint="The first row names the columns, such as key,to,amount.")
        self.header = [str(cell) for cell in found]

    def rows(self) -> Iterator[tuple[int, Sequence[Cell] | BadCell]]:
        """Read the rows below the header, each with its number in the sheet; empty ones are left out."""
        for line, row, is_hidden in self._rows:
            if is_hidden:
                reason = "The row is hidden in the sheet, so that a person may not know of it."
                hint = "Show all rows of the sheet, and remove those that are not to be paid."
                yield line, BadCell(FindingCode.HIDDEN_ROW, reason, "", hint)
                continue
            for first, last, left, right in self._merged:
                if first <= line <= last:
                    row += [""] * (min(right, len(self.header) - 1) + 1 - len(row))
                    reason = "The cell is merged with others: which of them its value is for is not clear."
                    for place in range(left, min(right + 1, len(row))):
                        row[place] = BadCell(FindingCode.MERGED_CELLS, reason, row[place], "Unmerge and fill them.")
            yield line, row


def _choose(path: Path, package: XlsxPackage, wanted: str) -> Sheet:
    named = [one for one in package.sheets if one.name == wanted] if wanted else []
    if named:
        return named[0]
    names = scrub(", ".join(one.name for one in package.sheets))
    if wanted:
        raise InvalidPayout(f"{path} has no sheet {quote(wanted)}.", hint=f"It has: {names}.")
    filled = [one for one in package.sheets if not one.is_hidden and any(map(_FILLED.search, package.blocks(one.part)))]
    if len(filled) > 1:
        shown = ", ".join(quote(one.name) for one in filled)
        raise InvalidPayout(
            f"{path} has several sheets with content: {shown}.", hint="Say which one is paid: --sheet NAME."
        )
    if not filled:
        raise InvalidPayout(f"{path} is empty.", hint="The first row names the columns, such as key,to,amount.")
    return filled[0]


def _merged(package: XlsxPackage, sheet: Sheet) -> list[tuple[int, int, int, int]]:
    """Return merged cells as first and last row, first and last column; they stand behind all rows."""
    found: dict[tuple[int, int, int, int], None] = {}
    before = b""
    for block in package.blocks(sheet.part):
        for one in _MERGED.finditer(before + block):
            left, right = _column(one[1].decode()), _column(one[3].decode())
            found[int(one[2]), int(one[4]), left, right] = None
        before = block[-_OVERLAP:]
    return list(found)


def _column(name: str) -> int:
    number = 0
    for capital in name:
        number = number * 26 + ord(capital) - 64
    return number - 1


class _SheetReader:
    """Takes a sheet apart."""

    def __init__(self, package: XlsxPackage) -> None:
        self._package = package
        self._strings = package.strings()
        self._formats: Mapping[str, str] = package.number_formats()
        self._done: list[tuple[int, list[Cell], bool]] = []
        self._row: list[Cell] = []
        self._line, self._hidden = 0, False
        self._cell: dict[str, str] = {}
        self._place = -1
        self._path: list[str] = []
        self._value: list[str] | None = None
        self._has_formula = self._has_value = False

    def rows(self, sheet: Sheet) -> Iterator[tuple[int, list[Cell], bool]]:
        """Yield the number, the cells and whether it is hidden of each row that has content."""
        for _ in self._package.parse(sheet.part, self._start, self._end, self._text):
            yield from self._done
            self._done.clear()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if name == "c":
            self._cell = attributes
            place = _PLACE.fullmatch(attributes.get("r", ""))
            self._place = _column(place[1]) if place else self._place + 1
            self._value, self._has_formula, self._has_value = [], False, False
        elif name == "row":
            self._line = int(attributes["r"]) if attributes.get("r", "").isdecimal() else self._line + 1
            if self._line > _ROWS:
                msg = "no sheet has so many rows"
                raise ValueError(msg)
            self._hidden = attributes.get("hidden") in {"1", "true"} or attributes.get("ht") == "0"
            self._row, self._place = [], -1
        elif name == "f":
            self._has_formula = True

    def _text(self, data: str) -> None:
        if self._value is None or not self._path:
            return
        inside = self._path[-1]
        if inside == "v" or (inside == "t" and "is" in self._path and "rPh" not in self._path):
            self._value.append(data)

    def _end(self, name: str) -> None:
        self._path.pop()
        if name == "c":
            cell = self._read("".join(self._value or ()))
            self._value = None
            if (cell or isinstance(cell, BadCell)) and self._place < _COLUMNS:
                self._row += [""] * (self._place + 1 - len(self._row))
                self._row[self._place] = cell
        elif name == "row" and any(isinstance(cell, BadCell) or cell.strip() for cell in self._row):
            self._done.append((self._line, self._row, self._hidden))

    def _read(self, value: str) -> Cell:
        kind = self._cell.get("t", "n")
        if self._has_formula and not value and kind != "str":
            reason = "The cell has a formula without a stored result."
            return BadCell(FindingCode.FORMULA, reason, "", f"Open it in a spreadsheet and save it. {_ADVICE}")
        if kind == "s":
            known = value.isdecimal() and int(value) < len(self._strings)
            return self._strings[int(value)] if known else BadCell(FindingCode.CELL_ERROR, "The cell has no text.")
        if kind in {"str", "inlineStr"}:
            return value
        if kind == "e":
            reason = "The cell holds an error of a spreadsheet."
            return BadCell(FindingCode.CELL_ERROR, reason, value, "Correct the cell in the sheet.")
        if kind == "b" and value:
            return BadCell(FindingCode.NOT_A_NUMBER, "The cell holds true or false.", value)
        if not value:
            return ""
        number_format = "date" if kind == "d" else self._formats.get(self._cell.get("s", "0"), "")
        if number_format:
            reason = f"The cell is formatted as a {number_format}."
            return BadCell(FindingCode.NOT_A_NUMBER, reason, value, "Format it as a plain number, or as text.")
        return NumberCell.of_double(value)
