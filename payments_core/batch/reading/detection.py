"""What a file is: its format, its encoding and its delimiter. What cannot be told without a guess is refused."""

from __future__ import annotations

import codecs
import csv
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple, cast

from payments_core.batch.reading.columns import column_of
from payments_core.domain.errors import InvalidPayout

__all__ = ["DetectedText", "FileFormat", "detect_delimiter", "detect_encoding", "detect_format", "open_file"]

FileFormat = Literal["csv", "jsonl", "xlsx"]
_BLOCK: Final = 1 << 20
_LARGEST: Final = 2 << 30  # bytes; a million rows are about a tenth of it
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UTF8_LETTER: Final = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_AS_CSV: Final = "Save it as CSV UTF-8 or as .xlsx."
_FOREIGN: Final = (
    (b"\xd0\xcf\x11\xe0", "is an old or an encrypted spreadsheet (.xls)", "Save it as .xlsx, without a password."),
    (b"%PDF", "is a PDF", "Export the table that it was made of as CSV or .xlsx."),
    (b"\x1f\x8b", "is compressed (gzip)", "Unpack it first."),
    (b"{\\rtf", "is a text document (RTF)", _AS_CSV),
    (b"\xff\xfe\0\0", "is UTF-32", _AS_CSV),
    (b"\0\0\xfe\xff", "is UTF-32", _AS_CSV),
)


class DetectedText(NamedTuple):
    """The encoding of a file.

    Args:
        encoding: As Python names it.
        is_assumed: It is one of several that have the same bytes: only names and notes differ.

    """

    encoding: str
    is_assumed: bool = False


def open_file(path: Path) -> BinaryIO:
    """Open a file, or take in a pipe: it is read more than once.

    Raises:
        InvalidPayout: It cannot be read, or is a device or too large.

    """
    try:
        if stat.S_ISCHR(mode := path.stat().st_mode) or stat.S_ISBLK(mode):
            raise InvalidPayout(f"{path} is a device, not a file.", hint="Name a file or a pipe.")
        file: BinaryIO = path.open("rb")
    except OSError as error:
        raise InvalidPayout(f"{path} cannot be read: {error.strerror}.") from None
    try:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            size = os.fstat(file.fileno()).st_size
        else:
            with file as pipe:
                file = cast("BinaryIO", tempfile.TemporaryFile("w+b"))  # noqa: SIM115 - of no name; the caller closes it
                size = 0
                while size <= _LARGEST and (block := pipe.read(_BLOCK)):
                    size += file.write(block)
            file.seek(0)
        if size > _LARGEST:
            raise InvalidPayout(f"{path} is larger than {_LARGEST >> 30} GiB.", hint="Split it.")
    except BaseException:
        file.close()
        raise
    return file


def detect_format(path: Path, file: BinaryIO) -> FileFormat:
    """Return the format by what the file holds; its name has no part in it.

    Raises:
        InvalidPayout: It is another kind of file, or empty.

    """
    head = file.read(4096)
    file.seek(0)
    if not head.strip():
        raise InvalidPayout(f"{path} is empty.", hint="The first line names the columns, such as key,to,amount.")
    if head.startswith(b"PK\3\4"):
        return "xlsx"
    for magic, what, hint in _FOREIGN:
        if head.startswith(magic):
            raise InvalidPayout(f"{path} {what}.", hint=hint)
    plain = head.removeprefix(codecs.BOM_UTF8).lstrip()
    first = plain.replace(b"\0", b"").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").lstrip()[:1]
    if first == b"[":
        raise InvalidPayout(f"{path} is one JSON array.", hint="Write one JSON object a line (JSONL).")
    if first == b"<":
        raise InvalidPayout(f"{path} is a page of HTML or XML.", hint=_AS_CSV)
    return "jsonl" if first == b"{" else "csv"


def detect_encoding(path: Path, file: BinaryIO) -> DetectedText:
    """Return the encoding; the whole file is read for it.

    Raises:
        InvalidPayout: No encoding fits, or several that would read other letters.

    """
    if stated := _stated_encoding(path, file):
        if _is_all(file, stated):
            return DetectedText(stated)
        name = stated.removesuffix("-sig").upper()[:6].rstrip("-")
        raise InvalidPayout(f"{path} begins as {name} and is not {name} to its end.", hint="Save it as CSV UTF-8.")
    if _is_all(file, "utf-8"):
        return DetectedText("utf-8")
    marks, is_mixed = set[int](), False
    while block := file.read(_BLOCK):
        marks.update(block.translate(None, bytes(range(0x80))))
        is_mixed = is_mixed or _UTF8_LETTER.search(block) is not None
    file.seek(0)
    if is_mixed or marks & {0x81, 0x8D, 0x8F, 0x90, 0x9D}:
        mixed = "mixes UTF-8 with another encoding" if is_mixed else "is neither UTF-8 nor Windows-1252"
        raise InvalidPayout(f"{path} {mixed}.", hint="Save it as CSV UTF-8.")
    return DetectedText("cp1252" if any(mark < 0xA0 for mark in marks) else "latin-1", is_assumed=True)


def _stated_encoding(path: Path, file: BinaryIO) -> str:
    """Return the encoding that a byte order mark states, or the zeros of UTF-16; empty where there is neither."""
    head = file.read(4096)
    file.seek(0)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    if b"\0" not in head:
        return ""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if bool(even) == bool(odd):
        raise InvalidPayout(f"{path} is not a text file.", hint=_AS_CSV)
    return "utf-16-be" if even else "utf-16-le"


def _is_all(file: BinaryIO, encoding: str) -> bool:
    """Whether a whole file has an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while block := file.read(_BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


def detect_delimiter(path: Path, head: str, given: Mapping[str, str]) -> tuple[str, int]:
    """Return the delimiter, and how many lines stand before the header: 1 after a line ``sep=;``.

    Args:
        path: For messages.
        head: The beginning of the text.
        given: Columns that the caller names: canonical name to the name in the file.

    Raises:
        InvalidPayout: Two delimiters give a header with the same number of known columns.

    """
    if named := re.match(r'"?sep=([,;\t|])"?\r?\n', head):
        return named[1], 1
    line = re.match(r'(?:"[^"]*"|[^"\r\n])*', head.lstrip("\r\n"))
    header = line[0] if line else ""
    known = {one: _known(header, one, set(given.values())) for one in ",;\t|"}
    best = max(known.values())
    if not best:
        return max(",;\t|", key=header.count), 0
    found = [one for one, count in known.items() if count == best]
    if len(found) > 1 and best > 1:
        raise InvalidPayout(
            f"{path}, line 1: commas, semicolons or tabs could all stand between the columns.",
            hint="Save it with one of them, and put texts into quotes.",
        )
    return max(found, key=header.count), 0


def _known(header: str, delimiter: str, given: set[str]) -> int:
    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return 0
    return sum(1 for name in names if column_of(name) or name.strip() in given)
