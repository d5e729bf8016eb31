"""Opens a file of payees: what it is, and its rows one after another; nothing of it is kept or sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from payments_core.batch.reading.columns import ColumnMap, map_columns
from payments_core.batch.reading.detection import FileFormat, detect_encoding, detect_format, open_file
from payments_core.batch.reading.row_keys import check_round_name
from payments_core.batch.reading.rows import Row, RowDefaults, RowReader
from payments_core.batch.reading.text_sources import CsvSource, JsonSource
from payments_core.batch.reading.xlsx_source import XlsxSource
from payments_core.domain.errors import InvalidPayout

__all__ = ["FileForm", "PayeeFile", "open_rows"]

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class FileForm:
    """What a file was found to be.

    Args:
        format: By its content.
        encoding: Of a text file; empty for XLSX.
        is_assumed: Another encoding has the same bytes: names and notes should be looked at.
        delimiter: Of CSV.
        sheet: Of XLSX.
        columns: The name in the file of each column that is read, by its canonical name.
        ignored: The names of the others.

    """

    format: FileFormat
    encoding: str
    is_assumed: bool
    delimiter: str
    sheet: str
    columns: Mapping[str, str]
    ignored: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in one line: ``CSV, UTF-8, semicolons``."""
        encoding = self.encoding.removesuffix("-sig").upper() + (" with BOM" if self.encoding.endswith("-sig") else "")
        parts = [
            self.format.upper(),
            encoding,
            _DELIMITERS.get(self.delimiter, ""),
            self.sheet and f"sheet {self.sheet!r}",
        ]
        return ", ".join(filter(None, parts))


class PayeeFile:
    """An opened file of payees: iterate over it once, and close it.

    Args:
        file: Opened.
        form: What it was found to be.
        rows: Read from it.

    """

    def __init__(self, file: IO[Any], form: FileForm, rows: Iterator[Row]) -> None:
        self._file, self._rows = file, rows
        self.form = form

    def __iter__(self) -> Iterator[Row]:
        """Read row by row.

        Raises:
            InvalidPayout: The file is damaged: no row after it can be told apart.

        """
        try:
            yield from self._rows
        except UnicodeDecodeError:
            raise InvalidPayout("The file was changed while it was read.", hint="Read it again.") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        """Use it for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def open_rows(
    path: Path, defaults: RowDefaults, *, columns: Mapping[str, str] | None = None, sheet: str = ""
) -> PayeeFile:
    """Open a file of payees: CSV or JSONL of any size, or XLSX. A few bytes of each row are kept, and no row.

    Args:
        path: Of a file or a pipe.
        defaults: What holds for every row; with the round's name, by which rows without a key get theirs.
        columns: Names of columns that say nothing by themselves: canonical name to the name in the file.
        sheet: Of XLSX; may be left out where only one has content.

    Raises:
        InvalidPayout: The file is unusable as a whole; with what to do.
        InvalidArgument: The round's name cannot begin a key.

    """
    if defaults.round_name:
        check_round_name(defaults.round_name)
    file, given = open_file(path), columns or {}
    try:
        kind = detect_format(path, file)
        encoding = ("", False) if kind == "xlsx" else detect_encoding(path, file)
        source: CsvSource | JsonSource | XlsxSource
        if kind == "xlsx":
            source = XlsxSource(path, file, sheet)
        elif kind == "jsonl":
            source = JsonSource(path, file, encoding[0])
        else:
            source = CsvSource(path, file, encoding[0], given)
        required = ("to", "amount") if defaults.round_name else ("key", "to", "amount")
        found: ColumnMap = map_columns(
            f"{path}, line {source.header_line}", source.header, given=given, required=required
        )
    except BaseException:
        file.close()
        raise
    form = FileForm(
        kind, *encoding, getattr(source, "delimiter", ""), getattr(source, "sheet", ""), found.names, found.ignored
    )
    reader = RowReader(found, defaults)
    return PayeeFile(source.file, form, (reader.read(line, cells) for line, cells in source.rows()))
