"""Numbers and amounts in cells: read as what they mean, or refused; never as something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments_core.batch.reading import PayeeFile, Row
from payments_core.batch.reading.amounts import DecimalMark, read_amount
from payments_core.batch.reading.cells import BadCell, NumberCell
from payments_core.batch.reading.findings import CellFault
from payments_core.batch.reading.payee_numbers import NATIONAL, read_payee

Open = Callable[..., PayeeFile]
NUMBER = "256772123456"


def one(opened: Open, *, to: str = f"+{NUMBER}", amount: str = "5", **more: str) -> Row:
    """Return the row of a file with one."""
    decimal = more.pop("decimal", "")
    names, cells = ["key", "to", "amount", *more], ["k", to, amount, *more.values()]
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    with opened(f"{','.join(names)}\n{','.join(quoted)}\n", decimal=decimal) as file:
        (row,) = file
    return row


@pytest.mark.parametrize(
    "written",
    [
        f"+{NUMBER}",
        NUMBER,
        f"'+{NUMBER}",
        f"00{NUMBER}",
        f"\u200b{NUMBER[:3]}\u00a0{NUMBER[3:6]}\u202f{NUMBER[6:]}\ufeff",
        "+\u0662\u0665\u0666\u0667\u0667\u0662\u0661\u0662\u0663\u0664\u0665\u0666",
        "0772123456",
        "0772 123 456",
        "772123456",
        "\u06f0\u06f7\u06f7\u06f2\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6",
    ],
)
def test_payee_number_is_read_in_every_form_that_has_one_reading(opened: Open, written: str) -> None:
    """Marks of a spreadsheet, blanks and what is not seen, Arabic digits, and the form of the currency's country."""
    row = one(opened, to=written)
    assert (row.to, row.findings) == (NUMBER, ())


@pytest.mark.parametrize(
    ("written", "currency", "code"),
    [
        (f"{NUMBER}.0", "UGX", "invalid_payee"),
        ("2.56772E+11", "UGX", "scientific_notation"),
        ("25677212345O", "UGX", "invalid_payee"),
        ("=A2", "UGX", "formula"),
        ("#####", "UGX", "cell_error"),
        ("077212345", "UGX", "national_number"),
        ("256772123", "UGX", "national_number"),
        ("0707070707", "XOF", "national_number"),
        ("707070707", "XOF", "national_number"),
        ("\uff12\uff15\uff16772123456", "UGX", "invalid_payee"),
    ],
)
def test_payee_number_with_lost_or_doubtful_digits_is_refused(
    opened: Open, written: str, currency: str, code: str
) -> None:
    """With what to do. A currency of several countries tells no country, and a plain short number may lack its 0."""
    (finding,) = one(opened, to=written, currency=currency).findings
    assert (finding.line, finding.column, finding.code) == (2, "to", code)
    assert finding.hint
    assert NUMBER[:-2] not in finding.value + finding.reason


@pytest.mark.parametrize(
    ("written", "currency", "reason", "hint"),
    [
        ("2.56772E+11", "UGX", "is written with an exponent at position 7", "Make the spreadsheet's column text"),
        ("96712345", "ZMW", "it has 8 digits, and 9 are needed", "such as +260772123456."),
        ("0707070707", "XOF", "has no country code", "such as +256772123456."),
    ],
)
def test_refused_number_says_what_is_wrong_with_it(
    opened: Open, written: str, currency: str, reason: str, hint: str
) -> None:
    """Not what else it may look like: the dot of an exponent is no amount's, and the example is of the country."""
    (finding,) = one(opened, to=written, currency=currency).findings
    assert reason in finding.reason
    assert hint in finding.hint


AMOUNTS: list[tuple[str, str, str | None, str | None, str | None]] = [
    # written, code without a word of the caller, and what it is: without, with a point, with a comma
    ("25000", "", "25000", "25000", "25000"),
    ("25 000", "", "25000", "25000", "25000"),
    ("25\u00a0000", "", "25000", "25000", "25000"),
    ("1'234'567", "", "1234567", "1234567", "1234567"),
    ("1,234,567", "", "1234567", "1234567", None),
    ("1.234.567", "", "1234567", None, "1234567"),
    ("1,234.50", "", "1234.5", "1234.5", None),
    ("1.234,50", "", "1234.5", None, "1234.5"),
    ("25 000,5", "", "25000.5", None, "25000.5"),
    ("412,5", "", "412.5", None, "412.5"),
    ("412.50", "", "412.5", "412.5", None),
    ("0.500", "", "0.5", "0.5", None),
    ("1234.567", "", "1234.567", "1234.567", None),
    ("25,000", "amount_ambiguous", None, "25000", "25"),
    ("1.234", "amount_ambiguous", None, "1.234", "1234"),
    ("\u0662\u0665\u066c\u0660\u0660\u0660", "", "25000", "25000", "25000"),
    ("UGX 25000", "", "25000", "25000", "25000"),
    ("25 000 UGX", "", "25000", "25000", "25000"),
    ("'25000", "", "25000", "25000", "25000"),
    ("1,00,000", "invalid_amount", None, None, None),
    ("1,2.5", "invalid_amount", None, None, None),
    ("25000/=", "invalid_amount", None, None, None),
    ("1 " * 40_000, "invalid_amount", None, None, None),
    ("five", "invalid_amount", None, None, None),
    ("", "invalid_amount", None, None, None),
    ("-5", "not_positive", None, None, None),
    ("\u22125", "not_positive", None, None, None),
    ("5-", "not_positive", None, None, None),
    ("1500.-", "invalid_amount", None, None, None),
    ("(25)", "not_positive", None, None, None),
    ("0", "not_positive", None, None, None),
    ("2.5E+04", "scientific_notation", None, None, None),
    ("25O00", "not_a_number", None, None, None),
    ("5%", "not_a_number", None, None, None),
    ("$25", "wrong_currency", None, None, None),
    ("KSh 25", "wrong_currency", None, None, None),
    ("KES 25", "wrong_currency", None, None, None),
    ("=1+2", "formula", None, None, None),
    ("#N/A", "cell_error", None, None, None),
]


@pytest.mark.parametrize(("written", "code", "alone", "point", "comma"), AMOUNTS)
def test_amount_is_read_by_the_table_or_refused(
    opened: Open, written: str, code: str, alone: str | None, point: str | None, comma: str | None
) -> None:
    """What has two readings is refused, until the caller says what comes before decimals in the whole file."""
    row = one(opened, amount=written)
    assert [finding.code for finding in row.findings] == [code] * bool(code)
    for decimal, meant in (("", alone), ("point", point), ("comma", comma)):
        row = one(opened, amount=written, decimal=decimal)
        assert row.amount == (None if meant is None else Decimal(meant))
        assert (row.order is None) == (meant is None)


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("25,000", "Write 25000, or 25. For a whole file, --decimal point or --decimal comma says"),
        ("12,500", "Write 12500, or 12.5 where the account takes decimals. For a whole file, --decimal point or"),
        ("12,505", "Write 12505 if that is meant; with decimals, write no more than the account takes. For a whole"),
        ("12,505", "--decimal point says what"),
        ("12.505", "--decimal comma says what"),
    ],
)
def test_advice_for_an_amount_with_two_readings_offers_what_is_accepted(
    opened: Open, written: str, advice: str
) -> None:
    """Three decimals are refused next, so they are not offered."""
    (finding,) = one(opened, amount=written).findings
    assert advice in finding.hint
    assert "12.505" not in finding.hint


def readings(text: str) -> set[Decimal]:
    """Return every value that a text of digits and marks has for anyone: each mark is thousands, or decimals."""
    text = re.sub(r"[ \u00a0']", "_", text.strip())
    found = set()
    for decimal in (".", ",", ""):
        whole, _, fraction = text.partition(decimal) if decimal else (text, "", "")
        if re.search("[.,_]", fraction) or (decimal and decimal not in text):
            continue
        groups = re.split("[.,_]", whole)
        marks = set(re.findall("[.,_]", whole))
        is_grouped = len(groups) == 1 or (len(marks) == 1 and 1 <= len(groups[0]) <= 3)
        if is_grouped and all(len(group) == 3 for group in groups[1:]) and all(groups):
            found.add(Decimal(f"{''.join(groups)}.{fraction or 0}"))
    return found


@given(
    st.lists(st.text("0123456789", min_size=1, max_size=4), min_size=1, max_size=4),
    st.lists(st.sampled_from([",", ".", " ", "'", "\u00a0"]), min_size=3, max_size=3),
    st.sampled_from(["", "point", "comma"]),
)
def test_amount_is_never_another_one_than_written(groups: list[str], marks: list[str], decimal: DecimalMark) -> None:
    """Of groups of digits and marks: the value is one of its readings, and the only one unless the caller said it."""
    text = "".join(group + mark for group, mark in zip(groups, [*marks, ""], strict=False))[:40].strip(",.' \u00a0")
    possible = readings(text)
    try:
        money = read_amount(text, "UGX", decimal)
    except CellFault:
        return
    assert money.amount in possible
    if not decimal:
        assert len(possible) == 1 or groups[0].startswith("0")


@given(st.decimals("0.01", "99999999", places=2))
def test_amount_of_a_number_cell_is_the_number_that_was_entered(amount: Decimal) -> None:
    """A spreadsheet keeps it as a binary fraction: the shortest decimal with that value is what was meant."""
    for stored in (repr(float(amount)), format(float(amount), ".17g")):
        assert read_amount(NumberCell.of_double(stored), "UGX").amount == amount


@pytest.mark.parametrize("stored", ["0.30000000000000004", "1e+300", "nan", "inf", "x", "12345678901234567"])
def test_number_cell_that_is_not_exact_is_refused(stored: str) -> None:
    cell = NumberCell.of_double(stored)
    assert isinstance(cell, BadCell)
    with pytest.raises(CellFault):
        read_amount(cell, "UGX")


@given(st.text("0123456789+ -.,'O\u0662\u200b\u00a0", max_size=18), st.sampled_from([*NATIONAL, "XOF", "EUR"]))
def test_payee_number_is_never_another_one_than_written(text: str, currency: str) -> None:
    """Its digits are those of the cell, in order; before them stands nothing but the country of the currency."""
    try:
        payee = read_payee(text, currency)
    except CellFault:
        return
    digits = re.sub(r"\D", "", text.replace("\u0662", "2"))
    code = NATIONAL.get(currency, ("", 0))[0]
    assert payee.value in {digits, digits.removeprefix("00"), code + digits.removeprefix("0")}
    if payee.value not in {digits, digits.removeprefix("00")}:
        assert "+" not in text
        assert len(payee.value) == len(code) + NATIONAL[currency][1]


def test_row_of_totals_is_no_payment(opened: Open) -> None:
    """A last row with a label, or with nothing but a sum; empty rows are none at all."""
    text = f"key,name,to,amount\nk,Achieng,+{NUMBER},5\n\n ,,\u00a0,\n,Total:,,5\n,,,5\nGRAND TOTAL,,,5\n"
    with opened(text) as file:
        rows = list(file)
    assert [(row.line, [finding.code for finding in row.findings]) for row in rows] == [
        (2, []),
        (5, ["totals_row"]),
        (6, ["totals_row"]),
        (7, ["totals_row"]),
    ]


def test_row_names_everything_that_is_wrong_with_it(opened: Open) -> None:
    """Number, amount, key and id together: it is corrected once."""
    row = one(opened, to="see HR", amount="five", payee_id="E\u200b1", currency="Shillings")
    assert [finding.column for finding in row.findings] == ["currency", "to", "amount", "payee_id"]
    with opened("key,to,amount\n,x,y,z\n") as file:
        (row,) = file
    assert [finding.code for finding in row.findings] == ["too_many_fields"]
