"""A file of payees as offices write them: most rows are right, about 3 % are wrong in one of thirty ways.

``make`` draws the same file again for the same seed. It knows what it planted, so that a test can ask for every fault
and for nothing else. No row is a fault of chance.
"""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape, quoteattr

__all__ = ["FAULTS", "Formula", "MessyFile", "make", "workbook"]

COLUMNS: Final = ("key", "name", "to", "amount", "currency", "note")


class Formula(str):
    """A formula cell of a workbook without a stored result."""


Cell = str | int | float
_Row = dict[str, Cell]

# What is wrong, to the cells that make it so and the code that it must be refused for.
FAULTS: Mapping[str, tuple[Mapping[str, Cell], str]] = {
    "letter O in the number": ({"to": "+25677212345O"}, "invalid_payee"),
    "number with an exponent": ({"to": "2.56772E+11"}, "scientific_notation"),
    "number as a float": ({"to": "256772123456.0"}, "invalid_payee"),
    "number too short": ({"to": "7721234"}, "national_number"),
    "national number too short": ({"to": "077212345"}, "national_number"),
    "number too long": ({"to": "+2567721234567890"}, "invalid_payee"),
    "no number": ({"to": ""}, "invalid_payee"),
    "two numbers": ({"to": "+256772123456/7"}, "invalid_payee"),
    "an extension": ({"to": "+256772123456x12"}, "invalid_payee"),
    "a word for a number": ({"to": "see HR"}, "invalid_payee"),
    "a line break in the number": ({"to": "+256772123456\n1"}, "invalid_payee"),
    "an error for a number": ({"to": "#REF!"}, "cell_error"),
    "amount with three digits after a comma": ({"amount": "25,000"}, "amount_ambiguous"),
    "amount with three digits after a point": ({"amount": "1.234"}, "amount_ambiguous"),
    "negative amount": ({"amount": "-25000"}, "not_positive"),
    "negative amount in brackets": ({"amount": "(25000)"}, "not_positive"),
    "zero": ({"amount": "0"}, "not_positive"),
    "no amount": ({"amount": ""}, "invalid_amount"),
    "a word for an amount": ({"amount": "five"}, "invalid_amount"),
    "letter O in the amount": ({"amount": "25O00"}, "not_a_number"),
    "amount with an exponent": ({"amount": "2.5E+04"}, "scientific_notation"),
    "amount with a currency sign": ({"amount": "$25000"}, "wrong_currency"),
    "amount in another currency": ({"amount": "KES 25000"}, "wrong_currency"),
    "a percentage": ({"amount": "5%"}, "not_a_number"),
    "decimals in a currency without": ({"amount": "2500.5"}, "invalid_amount"),
    "a formula": ({"amount": "=B2*2"}, "formula"),
    "a name of a currency": ({"currency": "Shillings"}, "invalid_currency"),
    "a formula in the note": ({"note": "=HYPERLINK(1)"}, "formula"),
    "no key": ({"key": ""}, "invalid_payout"),
    "a row of totals": ({"key": "", "name": "Total", "to": "", "amount": "999999999"}, "totals_row"),
}

# Other ways to write what is right.
_NUMBERS: Final = ("+{0}", "{0}", "00{0}", "+256 {1} {2}", " +{0} ", "0{1}{2}", "'+{0}", "+256\u00a0{1}\u00a0{2}")
_AMOUNTS: Final = ("{0}", "{0}.00", " {0}", "UGX {0}", "{0} UGX", "{1} {2}", "{0},0")


@dataclass(frozen=True, slots=True)
class MessyFile:
    """A file, and what is planted in it.

    Args:
        content: Of the file.
        faults: The code for each wrong row, by its line.
        paid: Number and amount of each right row, by its line.

    """

    content: bytes
    faults: Mapping[int, str]
    paid: Mapping[int, tuple[str, int]] = field(repr=False)


def make(rows: int, kind: str, *, seed: int = 1, currency: str = "UGX", share: float = 0.03) -> MessyFile:
    """Return a file with this many rows as CSV, JSONL or XLSX (`kind`)."""
    chance, names = random.Random(seed), list(FAULTS)  # noqa: S311 - the same file for the same seed
    wrong = set(chance.sample(range(rows), max(len(names), round(rows * share))))
    table: list[_Row] = []
    faults, paid = dict[int, str](), dict[int, tuple[str, int]]()
    first = 1 if kind == "jsonl" else 2
    for place in range(rows):
        line, number, amount = first + place, f"25677{place:07}", 1000 + chance.randrange(9000)
        row: _Row = {
            "key": f"wages/{place:06}",
            "name": chance.choice(["Achieng", "Bj\u00f6rn, Erik", 'Mary "May" Nakato', "\u0645\u0631\u064a\u0645"]),
            "to": chance.choice(_NUMBERS).format(number, number[3:6], number[6:]),
            "amount": chance.choice(_AMOUNTS).format(amount, amount // 1000, f"{amount % 1000:03}"),
            "currency": currency,
            "note": chance.choice(["Wages", "", "Bonus; November", "- see letter"]),
        }
        if kind != "csv" and chance.random() < 0.3:
            row |= {"to": int(number), "amount": amount}
        if place in wrong:
            cells, code = FAULTS[names[len(faults) % len(names)]]
            row |= cells
            faults[line] = code
        else:
            paid[line] = number, amount
        table.append(row)
    written = [[row[name] for name in COLUMNS] for row in table]
    if kind == "xlsx":
        written = [[Formula(cell) if str(cell).startswith("=") else cell for cell in row] for row in written]
        return MessyFile(workbook({"Payees": [list(COLUMNS), *written]}), faults, paid)
    if kind == "jsonl":
        text = "".join(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n" for row in written)
        return MessyFile(text.encode(), faults, paid)
    lines = _lines(written)
    return MessyFile(
        lines[0],
        {lines[1][line]: code for line, code in faults.items()},
        {lines[1][line]: payment for line, payment in paid.items()},
    )


def _lines(rows: Sequence[Sequence[Cell]]) -> tuple[bytes, dict[int, int]]:
    """Return CSV, and the line where each row begins: a cell with a line break takes two."""
    text = io.StringIO()
    writer, places, line = csv.writer(text, delimiter=";"), {}, 2
    writer.writerow(COLUMNS)
    for number, row in enumerate(rows, 2):
        places[number] = line
        writer.writerow(row)
        line += 1 + sum(str(cell).count("\n") for cell in row)
    return text.getvalue().encode("utf-8-sig"), places


def workbook(
    sheets: Mapping[str, Sequence[Sequence[Cell | str]]],
    *,
    merged: str = "",
    hidden_rows: Sequence[int] = (),
    styles: Mapping[str, str] | None = None,
    formats: Sequence[str] = (),
    inline: bool = False,
) -> bytes:
    """Return a workbook as spreadsheet programs write it: texts in a table of their own, numbers as numbers.

    Args:
        sheets: Rows of cells, by the sheet's name.
        merged: A range such as ``A2:A4``, of the first sheet.
        hidden_rows: Of the first sheet.
        styles: The number of a style, by the cell's place such as ``C2``.
        formats: Number formats, for the styles from 1 on.
        inline: Write texts into the cells.

    """
    strings: dict[str, int] = {}
    parts: dict[str, str] = {}
    for number, rows in enumerate(sheets.values(), 1):
        lines = []
        for line, row in enumerate(rows, 1):
            cells = [
                _written(f"{_name(place)}{line}", cell, strings, (styles or {}).get(f"{_name(place)}{line}"), inline)
                for place, cell in enumerate(row)
            ]
            hidden = ' hidden="1"' if number == 1 and line in hidden_rows else ""
            lines.append(f'<row r="{line}"{hidden}>{"".join(cells)}</row>')
        merges = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged and number == 1 else ""
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="m"><sheetData>{"".join(lines)}</sheetData>{merges}</worksheet>'
        )
    names = [f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, 1)]
    targets = [f'<Relationship Id="rId{n}" Target="worksheets/sheet{n}.xml"/>' for n in range(1, len(sheets) + 1)]
    texts = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    custom = "".join(f'<numFmt numFmtId="{164 + n}" formatCode={quoteattr(one)}/>' for n, one in enumerate(formats))
    used = "".join(f'<xf numFmtId="{164 + n}"/>' for n in range(len(formats)))
    parts |= {
        "xl/workbook.xml": f'<workbook xmlns="m" xmlns:r="r"><sheets>{"".join(names)}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="p">{"".join(targets)}</Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="m">{texts}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="m"><numFmts>{custom}</numFmts><cellStyleXfs><xf numFmtId="14"/>'
        f'</cellStyleXfs><cellXfs><xf numFmtId="0"/>{used}</cellXfs></styleSheet>',
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return made.getvalue()


def _name(place: int) -> str:
    return chr(65 + place)


def _written(at: str, cell: Cell, strings: dict[str, int], style: str | None, inline: bool) -> str:
    look = f' s="{style}"' if style else ""
    if isinstance(cell, Formula):
        return f'<c r="{at}"{look}><f>{escape(cell[1:])}</f><v></v></c>'
    if not isinstance(cell, str):
        return f'<c r="{at}"{look}><v>{cell!r}</v></c>'
    if not cell:
        return ""
    if inline:
        return f'<c r="{at}"{look} t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    return f'<c r="{at}"{look} t="s"><v>{strings.setdefault(cell, len(strings))}</v></c>'
