"""The parts of an XLSX file: a zip archive of XML, opened with bounds on what it may unpack to."""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple
from xml.parsers import expat

from payments_core.domain.errors import InvalidPayout

__all__ = ["Sheet", "XlsxPackage"]

_BLOCK: Final = 1 << 16
_LARGEST: Final = 1 << 30  # bytes of all parts that are read, unpacked
_LARGEST_STRINGS: Final = 256 << 20  # these are kept in memory
_SMALL: Final = 16 << 20  # below it the ratio does not matter
_LARGEST_RATIO: Final = 200  # a sheet of payees has about 10, a bomb 1,000
_DATE_FORMATS: Final = frozenset({*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)})
_PERCENT_FORMATS: Final = frozenset({9, 10})
_NOT_SHOWN: Final = re.compile(r'"[^"]*"|\\.|_.|\[[^\]]*\]')  # of a number format: texts, colours, conditions
# What zipfile raises for an archive with wrong figures or bytes.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
)
Start = Callable[[str, dict[str, str]], None]


class Sheet(NamedTuple):
    """A sheet of the workbook.

    Args:
        name: As its tab shows it.
        part: The name of its part in the archive.
        is_hidden: Its tab is not shown.

    """

    name: str
    part: str
    is_hidden: bool


class XlsxPackage:
    """An opened workbook.

    Args:
        path: For messages.
        file: Opened.

    Raises:
        InvalidPayout: It is no workbook, or unpacks to more than a file of payees can.

    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(file)
        except _DAMAGED:
            raise self._broken() from None
        self._parts = {one.filename: one for one in self._zip.infolist()}
        if "xl/workbook.xml" not in self._parts:
            raise InvalidPayout(f"{path} is an archive, but no .xlsx workbook.", hint="Save it as .xlsx or CSV.")
        self._refuse_bombs()
        self.sheets = self._sheets()

    def _refuse_bombs(self) -> None:
        """Refuse by the declared sizes. What is read is never more: ``zipfile`` ends a part at its declared size."""
        whole = 0
        for part in self._parts.values():
            if part.compress_type not in {
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            }:  # no spreadsheet writes another one
                raise self._broken()
            whole += part.file_size
            ratio = part.file_size / max(part.compress_size, 1)
            if whole > _LARGEST or (part.file_size > _SMALL and ratio > _LARGEST_RATIO):
                raise InvalidPayout(
                    f"{self._path} unpacks to {whole >> 20} MiB or more, from {part.compress_size >> 10} KiB in "
                    "one of its parts.",
                    hint="A sheet of payees is smaller: copy its cells into a new workbook, or save it as CSV.",
                )

    def blocks(self, part: str) -> Iterator[bytes]:
        """Unpack a part, piece by piece.

        Raises:
            InvalidPayout: The archive is damaged.

        """
        try:
            with self._zip.open(self._parts[part]) as stream:
                while block := stream.read(_BLOCK):
                    yield block
        except _DAMAGED:
            raise self._broken() from None

    def parse(self, part: str, start: Start, end: Callable[[str], None], text: Callable[[str], None]) -> Iterator[None]:
        """Parse a part, and yield after each piece of it.

        Raises:
            InvalidPayout: It is no XML, or declares a document type.

        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
        parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = self._refuse_doctype  # entities that unpack to gigabytes are declared there
        try:
            for block in self.blocks(part):
                parser.Parse(block, False)
                yield
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, LookupError):  # the latter from what handles the elements
            raise self._broken() from None
        yield

    def _refuse_doctype(self, *_given: object) -> None:
        raise self._broken()

    def _broken(self) -> InvalidPayout:
        return InvalidPayout(f"{self._path} is no .xlsx workbook, or is damaged.", hint="Save it again, or as CSV.")

    def attributes(self, part: str, element: str) -> list[dict[str, str]]:
        """Return the attributes of each element of one name in a part."""
        found: list[dict[str, str]] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == element:
                found.append({key.rpartition(":")[2]: value for key, value in attributes.items()})

        for _ in self.parse(part, start, lambda _name: None, lambda _text: None):
            pass
        return found

    def _sheets(self) -> list[Sheet]:
        relations = self.attributes("xl/_rels/workbook.xml.rels", "Relationship")
        targets = {one.get("Id", ""): one.get("Target", "") for one in relations}
        found = []
        for one in self.attributes("xl/workbook.xml", "sheet"):
            target = targets.get(one.get("id", ""), "")
            part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            if part.startswith("xl/worksheets/"):  # a chart has no cells
                found.append(Sheet(one.get("name", ""), part, one.get("state", "visible") != "visible"))
        return found

    def number_formats(self) -> Mapping[str, str]:
        """Return by the number of a cell's style what its number is, where it is no plain one: date or percentage."""
        if "xl/styles.xml" not in self._parts:
            return {}
        custom: dict[int, str] = {}
        found: dict[str, str] = {}
        inside: list[str] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            inside.append(name)
            if name == "numFmt":
                custom[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            elif name == "xf" and "cellXfs" in inside:
                kind = _kind_of(int(attributes.get("numFmtId", "0")), custom)
                found[str(len(found))] = kind

        for _ in self.parse("xl/styles.xml", start, lambda _name: [inside.pop()].clear(), lambda _text: None):
            pass
        return {style: kind for style, kind in found.items() if kind}

    def strings(self) -> list[str]:
        """Return the texts that cells name by their number."""
        if "xl/sharedStrings.xml" not in self._parts:
            return []
        if self._parts["xl/sharedStrings.xml"].file_size > _LARGEST_STRINGS:
            raise InvalidPayout(f"{self._path} has too many texts.", hint="Save it as CSV.")
        found: list[str] = []
        pieces: list[str] = []
        inside: list[str] = []

        def end(name: str) -> None:
            inside.pop()
            if name == "si":
                found.append("".join(pieces))
                pieces.clear()

        def text(data: str) -> None:
            if inside and inside[-1] == "t" and "rPh" not in inside:  # not how it is pronounced
                pieces.append(data)

        for _ in self.parse("xl/sharedStrings.xml", lambda name, _given: inside.append(name), end, text):
            pass
        return found


def _kind_of(number: int, custom: Mapping[int, str]) -> str:
    if number in _DATE_FORMATS:
        return "date"
    if number in _PERCENT_FORMATS:
        return "percentage"
    shown = _NOT_SHOWN.sub("", custom.get(number, "").partition(";")[0]).lower()
    if shown == "general":
        return ""
    return "percentage" if "%" in shown else "date" if re.search("[dmyhs]", shown) else ""
