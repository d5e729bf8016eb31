"""What a file is: format, encoding, delimiter and columns are found out, or it is refused with what to do."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from messy_payees import Formula, make, workbook

from payments_core.batch.reading import PayeeFile, Row
from payments_core.batch.template import template
from payments_core.domain.errors import InvalidPayout

Open = Callable[..., PayeeFile]
NUMBER = "256772123456"
TEXT = f"key,name,to,amount\nk-1,Bj\u00f6rn,+{NUMBER},5\n"
HEADER = ["key", "to", "amount"]


def rows(file: PayeeFile) -> list[Row]:
    with file:
        return list(file)


def codes(file: PayeeFile) -> dict[int, str]:
    return {row.line: row.findings[0].code for row in rows(file) if row.findings}


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (TEXT.encode(), "CSV, UTF-8, commas"),
        (TEXT.encode("utf-8-sig"), "CSV, UTF-8 with BOM, commas"),
        (TEXT.encode("utf-16"), "CSV, UTF-16-LE, commas"),
        (TEXT.encode("utf-16-le"), "CSV, UTF-16-LE, commas"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "CSV, UTF-16-BE, commas"),
        (TEXT.encode("utf-16-be"), "CSV, UTF-16-BE, commas"),
        (TEXT.encode("latin-1"), "CSV, LATIN-1, commas"),
        (TEXT.replace("\u00f6", "\u00f6\u2019").encode("cp1252"), "CSV, CP1252, commas"),
        (TEXT.replace(",", ";").encode(), "CSV, UTF-8, semicolons"),
        (TEXT.replace(",", "\t").replace("\n", "\r\n").encode(), "CSV, UTF-8, tabs"),
        (("sep=;\r\n" + TEXT.replace(",", ";")).encode(), "CSV, UTF-8, semicolons"),
        (TEXT.replace("key,", '"key;number, of ours",').encode() + b"", "CSV, UTF-8, commas"),
        (json.dumps({"key": "k-1", "name": "Bj\u00f6rn", "to": NUMBER, "amount": 5}).encode(), "JSONL, UTF-8"),
        (
            workbook({"Pay": [["key", "name", "to", "amount"], ["k-1", "Bj\u00f6rn", int(NUMBER), 5]]}),
            "XLSX, sheet 'Pay'",
        ),
    ],
)
def test_file_is_read_in_every_form_that_spreadsheets_write(opened: Open, content: bytes, form: str) -> None:
    columns = {"key": "key;number, of ours"} if b"of ours" in content else {}
    file = opened(content, columns=columns)
    (row,) = rows(file)
    assert str(file.form) == form
    assert (row.key, row.name[:3], row.to, row.amount) == ("k-1", "Bj\u00f6", NUMBER, Decimal(5))
    assert file.form.is_assumed is (form.split(", ")[1] in {"LATIN-1", "CP1252"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old or an encrypted spreadsheet"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\x1f\x8b\x08", "is compressed"),
        (b'[{"key": "k"}]', "is one JSON array"),
        (b"<html><table>", "is a page of HTML"),
        (b"PK\x03\x04nothing", "is no .xlsx workbook, or is damaged"),
        (TEXT.encode() + "k-2,Bj\u00f6rn,,".encode("latin-1"), "mixes UTF-8 with another encoding"),
        (TEXT.encode("utf-8").replace(b"\xc3\xb6", b"\x81"), "is neither UTF-8 nor Windows-1252"),
        (b"key\0\0,\0to", "is not a text file"),
        (b"\xef\xbb\xbfkey,to,amount\nk\xe9,,\n", "begins as UTF-8 and is not UTF-8 to its end"),
        (TEXT.encode("utf-16")[:-1], "begins as UTF-16 and is not UTF-16 to its end"),
        (b"key;name;x,to,amount\n", "commas, semicolons or tabs could all stand"),
        (b"key,to,amount,amount\n", "the column amount is there twice"),
        (b"key,phone,mobile,amount\n", "the columns 'phone' and 'mobile' can both be 'to'"),
        (b"key,to,Amount (UGX)\n", "the column 'Amount (UGX)' looks like 'amount'"),
        (b"key,to,amuont\n", "the column 'amuont' looks like 'amount'"),
        (b"key,to,salary\n", "the header has no column amount. It has: key, to, salary."),
        (b'{"key": "k", "key": "l"}\n', "line 1: The line has a field twice."),
        (b"{nothing\n", "line 1: The line is no JSON object."),
    ],
)
def test_file_that_could_be_read_in_two_ways_or_in_none_is_refused(opened: Open, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidPayout) as refused:
        opened(content)
    assert reason in refused.value.message
    assert refused.value.hint


def test_columns_are_found_by_synonyms_or_as_the_caller_says(opened: Open) -> None:
    """Only by words with one meaning; what is left is named as ignored."""
    text = f"Employee No.,Full Name,Mobile_Number,Net pay,Gross,Total\nE1,Achieng,{NUMBER},5,9,8\n"
    file = opened(text, round_name="wages")
    assert file.form.columns == {
        "payee_id": "Employee No.",
        "name": "Full Name",
        "to": "Mobile_Number",
        "amount": "Net pay",
    }
    assert file.form.ignored == ("Gross", "Total")
    assert rows(file)[0].amount == 5
    (row,) = rows(opened(text, round_name="wages", columns={"amount": "gross"}))
    assert row.amount == 9
    with pytest.raises(InvalidPayout, match=r"no column 'Gros' for amount\. Did you mean 'Gross'"):
        opened(text, round_name="wages", columns={"amount": "Gros"})
    with pytest.raises(InvalidPayout, match="no column 'wage' to give"):
        opened(text, round_name="wages", columns={"wage": "Gross"})


def test_broken_line_of_json_is_one_finding_and_the_others_are_read(opened: Open) -> None:
    good = {"key": "k", "to": NUMBER, "amount": 5}
    lines: list[Any] = [good, "{", "[]", good | {"more": 1}, good | {"amount": [5]}, good | {"amount": 1e22}, good]
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    expected = {2: "row_unreadable", 3: "row_unreadable", 4: "column_unknown", 5: "cell_error"}
    assert codes(opened(text)) == expected | {6: "scientific_notation"}
    (row,) = rows(opened('{"key": 7, "to": 256772123456, "amount": 25000.10, "note": null}'))
    assert (row.key, row.amount, row.note) == ("7", Decimal("25000.1"), "")


def test_cells_of_a_workbook_that_mean_something_else_are_refused(opened: Open) -> None:
    """A formula without result, dates, percentages, merged cells, hidden rows; totals and empty rows as in CSV."""
    table = [
        HEADER,
        ["k-2", int(NUMBER), 25000.1],
        ["k-3", NUMBER, Formula("=C2*2")],
        ["k-4", NUMBER, 45992],
        ["k-5", NUMBER, 0.05],
        ["k-6", NUMBER, 5],
        ["", NUMBER, 5],
        ["k-8", NUMBER, 5],
        [],
        ["k-10", 2.56772123456e11, "5"],
        ["k-11", 772123456, 5],
        ["", "", 25020.1],
    ]
    content = workbook(
        {"Pay": table, "Empty": []},
        merged="A6:A7",
        hidden_rows=[8],
        styles={"C4": "1", "C5": "2", "C2": "3"},
        formats=["dd/mm/yyyy", "0.00%", '#,##0.00 "dollars"'],
    )
    found = rows(opened(content))
    assert {row.line: row.findings[0].code for row in found if row.findings} == {
        3: "formula",
        4: "not_a_number",
        5: "not_a_number",
        6: "merged_cells",
        7: "merged_cells",
        8: "hidden_row",
        12: "totals_row",
    }
    assert {row.line: (row.to, row.amount) for row in found if not row.findings} == {
        2: (NUMBER, Decimal("25000.1")),
        10: (NUMBER, Decimal(5)),
        11: (NUMBER, Decimal(5)),
    }


def test_sheet_is_named_where_several_have_content(opened: Open) -> None:
    sheets = {"November": [HEADER, ["k", NUMBER, 5]], "December": [HEADER, ["k", NUMBER, 6]]}
    with pytest.raises(InvalidPayout, match="several sheets with content: 'November', 'December'"):
        opened(workbook(sheets))
    (row,) = rows(opened(workbook(sheets, inline=True), sheet="December"))
    assert row.amount == 6
    with pytest.raises(InvalidPayout, match="has no sheet 'January'"):
        opened(workbook(sheets), sheet="January")


def _archive(**parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("_", "/", 1).replace("_", "."), content)
    return made.getvalue()


def test_workbook_that_unpacks_to_gigabytes_is_refused(opened: Open) -> None:
    """By what it declares, before anything is unpacked; what declares less than it holds is damaged."""
    bomb = _archive(xl_workbook_xml=b"<workbook/>", xl_sharedStrings_xml=b" " * (64 << 20))
    with pytest.raises(InvalidPayout, match="unpacks to 64 MiB or more"):
        opened(bomb)
    good = bytearray(workbook({"Pay": [HEADER, ["k", NUMBER, 5]]}))
    place = good.rindex(b"PK\1\2", 0, good.index(b"xl/worksheets/sheet1.xml", good.index(b"PK\1\2")))
    good[place + 24 : place + 28] = (20).to_bytes(4, "little")  # the declared size of the sheet
    with pytest.raises(InvalidPayout, match="damaged"):
        rows(opened(bytes(good)))
    entities = b'<!DOCTYPE w [<!ENTITY a "aaaa">]><workbook>&a;</workbook>'
    with pytest.raises(InvalidPayout, match="damaged"):
        opened(_archive(xl_workbook_xml=entities))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".xlsx"])
def test_template_is_a_file_that_is_read_without_a_finding(opened: Open, suffix: str) -> None:
    found = rows(opened(template(suffix), round_name="wages"))
    assert [(row.payee_id, row.amount, row.findings) for row in found] == [
        ("E-001", Decimal(25000), ()),
        ("E-002", Decimal(25000), ()),
    ]


def test_pipe_is_read_more_than_once(opened: Open, tmp_path: Any) -> None:
    """What a program writes is looked at for its encoding, and then read."""
    opened(TEXT).close()
    read, write = os.pipe()
    os.write(write, (TEXT + f"k-2,,+{NUMBER},6\n").encode("latin-1"))
    os.close(write)
    path = tmp_path / "pipe"
    path.symlink_to(f"/dev/fd/{read}")
    from payments_core.batch.reading import RowDefaults, open_rows

    assert [row.amount for row in rows(open_rows(path, RowDefaults(lambda _: "UGX")))] == [5, 6]
    os.close(read)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
@pytest.mark.parametrize("many", [80, pytest.param(1500, marks=pytest.mark.proof)])
def test_damaged_file_is_refused_and_never_an_accident(opened: Open, kind: str, many: int) -> None:
    """Bytes lost, changed and doubled anywhere, also inside a part of a workbook: an error that says so, or rows."""
    whole, dice = make(60, kind, seed=3).content, Random(kind)  # noqa: S311 - the same damage in each run
    read = refused = 0
    for _ in range(many):
        raw = bytearray(whole)
        if kind == "xlsx" and dice.random() < 0.7:
            raw = bytearray(_rewritten(whole, dice))
        else:
            _damage(raw, dice)
        try:
            read += len(rows(opened(bytes(raw))))
        except InvalidPayout:
            refused += 1
    assert min(read, refused) > 0


def _damage(raw: bytearray, dice: Random) -> None:
    for _ in range(dice.randrange(1, 4)):
        place = dice.randrange(len(raw))
        size = dice.choice([1, 1, 2, 5, 40])
        raw[place : place + size] = dice.choice(
            [b"", dice.randbytes(size), bytes(raw[place : place + size]) * 2, b"\0"]
        )


def _rewritten(whole: bytes, dice: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    _damage(parts[dice.choice(sorted(parts))], dice)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, bytes(content))
    return made.getvalue()
