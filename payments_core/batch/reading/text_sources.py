"""Rows of CSV and JSONL files, one after another: nothing of the file is kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

from payments_core.batch.reading.cells import BadCell, Cell, NumberCell
from payments_core.batch.reading.detection import detect_delimiter
from payments_core.batch.reading.findings import FindingCode
from payments_core.domain.errors import InvalidPayout
from payments_core.domain.masking import quote

__all__ = ["CsvSource", "JsonSource"]

_HEAD: Final = 65536
_LONGEST_LINE: Final = 1 << 20
_FORM: Final = 'Write one object a line, such as {"key": "wages-1", "to": "+256772123456", "amount": "25000"}.'


class CsvSource:
    """A CSV file.

    Args:
        path: For messages.
        file: Opened.
        encoding: Detected.
        given: Columns that the caller names.

    Raises:
        InvalidPayout: It has no header, or its quotes are broken.

    """

    def __init__(self, path: Path, file: BinaryIO, encoding: str, given: Mapping[str, str]) -> None:
        self.file = text = io.TextIOWrapper(file, encoding, newline="")
        head = (text.read(_HEAD) + text.readline()).removeprefix("\ufeff")  # whole lines
        self.delimiter, before = detect_delimiter(path, head, given)
        self._path = path
        self._reader = csv.reader(chain(io.StringIO(head, newline=""), text), delimiter=self.delimiter, strict=True)
        self._rows = self._read(before)
        self.header_line, self.header = next(self._rows, (1, []))
        if not self.header:
            raise InvalidPayout(f"{path} is empty.", hint="The first line names the columns, such as key,to,amount.")

    def rows(self) -> Iterator[tuple[int, Sequence[Cell] | BadCell]]:
        """Read the rows below the header, each with the line where it begins; empty ones are left out.

        Raises:
            InvalidPayout: A quote is open: no row after it can be told apart.

        """
        return self._rows

    def _read(self, skipped: int) -> Iterator[tuple[int, list[str]]]:
        line, reader = 1, self._reader
        try:
            for number, row in enumerate(reader):
                if number >= skipped and any(map(str.strip, row)):
                    yield line, row
                line = reader.line_num + 1  # a row can span several lines
        except csv.Error as error:
            raise InvalidPayout(
                f"{self._path}, line {reader.line_num}: {error}.", hint="Correct the quotes in this line."
            ) from None


class JsonSource:
    """A file with one JSON object a line. The names of the first line are its columns.

    Args:
        path: For messages.
        file: Opened.
        encoding: Detected.

    Raises:
        InvalidPayout: The first line is no object.

    """

    def __init__(self, path: Path, file: BinaryIO, encoding: str) -> None:
        self.file = io.TextIOWrapper(file, encoding, newline="\n")
        self._lines = self._read(path)
        self.header_line, first = next(self._lines, (1, ""))
        fields = _fields(first)
        if isinstance(fields, BadCell):
            raise InvalidPayout(f"{path}, line {self.header_line}: {fields.fault().reason}", hint=_FORM)
        self.header = list(fields)
        self._first = first

    def rows(self) -> Iterator[tuple[int, Sequence[Cell] | BadCell]]:
        """Read the rows, each with its line; a line that is no object is one cell that says so."""
        places = set(self.header)
        for line, text in chain([(self.header_line, self._first)], self._lines):
            fields = _fields(text)
            if isinstance(fields, BadCell):
                yield line, fields
            elif strange := next((name for name in fields if name not in places), None):
                reason = f"The line has a field {quote(strange)} that the first line does not have."
                hint = "Give every line the same fields; an empty text where there is nothing."
                yield line, BadCell(FindingCode.COLUMN_UNKNOWN, reason, "", hint)
            else:
                yield line, [fields.get(name, "") for name in self.header]

    def _read(self, path: Path) -> Iterator[tuple[int, str]]:
        number = 0
        while text := self.file.readline(_LONGEST_LINE):
            number += 1
            if len(text) == _LONGEST_LINE:
                raise InvalidPayout(f"{path}, line {number} has more than a million characters.", hint=_FORM)
            if text := text.removeprefix("\ufeff").strip():
                yield number, text


def _fields(text: str) -> Mapping[str, Cell] | BadCell:
    try:
        found = _decode(text)
    except RecursionError:
        return BadCell(FindingCode.ROW_UNREADABLE, "The line is nested too deeply.", "", _FORM)
    except ValueError as error:
        twice = str(error) if isinstance(error, _FieldTwice) else "The line is no JSON object."
        return BadCell(FindingCode.ROW_UNREADABLE, twice, "", _FORM)
    if not isinstance(found, dict):
        return BadCell(FindingCode.ROW_UNREADABLE, "The line is no JSON object.", "", _FORM)
    return {name: _cell(value) for name, value in found.items()}


def _cell(value: Any) -> Cell:
    if isinstance(value, str):  # numbers too: they are kept as written
        return value
    if value is None:
        return ""
    return BadCell(FindingCode.CELL_ERROR, f"The field is no text or number, but a {type(value).__name__}.")


class _FieldTwice(ValueError):
    """A JSON object has a field twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _FieldTwice("The line has a field twice.")
    return fields


def _float(written: str) -> str:
    if "e" in written.lower():
        return BadCell(
            FindingCode.SCIENTIFIC_NOTATION, "The number is written with an exponent.", written, "Write all its digits."
        )
    return NumberCell(written)


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=NumberCell, parse_constant=NumberCell
).decode
