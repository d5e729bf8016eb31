"""An example of a file of payees, to begin with."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable
from xml.sax.saxutils import escape

from payments_core.batch.reading.payee_numbers import NATIONAL
from payments_core.domain.amounts import decimals_of

__all__ = ["template"]

_HEADER = ("payee_id", "name", "to", "amount", "currency", "note")
_NAMES = ("Example One", "Example Two")
_CURRENCY = "UGX"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def template(suffix: str, currency: str = "") -> bytes:
    """Return the example as a file with this suffix.

    Args:
        suffix: ``.csv``, ``.jsonl`` or ``.xlsx``.
        currency: Of its rows; its numbers are of the country whose currency it is, where it is that of one.

    """
    rows = _rows(currency or _CURRENCY)
    if suffix == ".xlsx":
        return _workbook([_HEADER, *rows])
    if suffix == ".jsonl":
        return "".join(json.dumps(dict(zip(_HEADER, row, strict=True))) + "\n" for row in rows).encode()
    text = io.StringIO()
    csv.writer(text).writerows([_HEADER, *rows])
    return text.getvalue().encode()


def _rows(currency: str) -> list[tuple[str, ...]]:
    code, length = NATIONAL.get(currency, NATIONAL[_CURRENCY])
    amount = "250" if decimals_of(currency) else "25000"
    return [
        (f"E-{number:03}", name, f"+{code}772{number:0{length - 3}}", amount, currency, "Wages")
        for number, name in enumerate(_NAMES, 1)
    ]


def _workbook(written: Iterable[Iterable[str]]) -> bytes:
    """Return a workbook whose cells are text, so that no spreadsheet changes a number."""
    rows = "".join(
        f'<row r="{line}">{"".join(_cell(place, line, text) for place, text in enumerate(row))}</row>'
        for line, row in enumerate(written, 1)
    )
    fill = '<fill><patternFill patternType="none"/></fill>'
    looks = f"<fonts><font/></fonts><fills>{fill}{fill}</fills><borders><border/></borders>"
    plain = '<xf numFmtId="{}" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    looks += f"<cellStyleXfs>{plain.format(0)}</cellStyleXfs><cellXfs>{plain.format(0)}{plain.format(49)}</cellXfs>"
    looks += '<cellStyles><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
        "_rels/.rels": _relations(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>'
        '<sheet name="Payees" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")),
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}">{looks}</styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><cols><col min="1" max="9" width="18" style="1"/>'
        f"</cols><sheetData>{rows}</sheetData></worksheet>",
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{text}')
    return made.getvalue()


def _relations(*targets: tuple[str, str]) -> str:
    found = "".join(
        f'<Relationship Id="rId{number}" Type="{_DOCUMENT}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{found}</Relationships>'


def _cell(place: int, line: int, text: str) -> str:
    return f'<c r="{chr(65 + place)}{line}" s="1" t="inlineStr"><is><t>{escape(text)}</t></is></c>'
