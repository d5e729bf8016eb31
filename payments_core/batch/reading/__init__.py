"""Reading a file of payees: CSV, JSONL or XLSX, row by row, each an order or what is wrong with it."""

from payments_core.batch.reading.amounts import DecimalMark
from payments_core.batch.reading.columns import COLUMNS
from payments_core.batch.reading.files import FileForm, PayeeFile, open_rows
from payments_core.batch.reading.findings import MEANINGS, FindingCode, Level, RowFinding
from payments_core.batch.reading.row_keys import derive_row_key
from payments_core.batch.reading.rows import Row, RowDefaults

__all__ = [
    "COLUMNS",
    "MEANINGS",
    "DecimalMark",
    "FileForm",
    "FindingCode",
    "Level",
    "PayeeFile",
    "Row",
    "RowDefaults",
    "RowFinding",
    "derive_row_key",
    "open_rows",
]
