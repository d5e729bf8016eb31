"""Rows against each other, at any size; and the refused rows in a file of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from payments_core import PayoutClient
from payments_core.batch.checks import check_repeats, validate_file
from payments_core.batch.reading import PayeeFile
from payments_core.batch.reading.seen import SeenRows
from payments_core.batch.rejects import RejectsFile
from payments_core.domain.errors import InvalidArgument

NUMBER = "256772123456"
TEXT = f"""key,to,amount,note
k-1,+{NUMBER},5,
k-2,0772123456,5.00,
k-1,256772000001,6,
k-4,{NUMBER},7,
k-5,nobody,8,=SUM(A1)
"""


def test_repeated_rows_are_found_however_they_are_written(opened: Callable[..., PayeeFile]) -> None:
    """A key twice is refused; the same number and amount is a warning, the same number a note: each with both lines."""
    with opened(TEXT) as file:
        rows = list(check_repeats(file))
    found = [[(str(one.level), one.code, one.reason) for one in row.findings] for row in rows[1:4]]
    assert found == [
        [("warning", "repeated_payment", "Row 2 pays this number the same amount.")],
        [("refused", "duplicate_key", "Rows 2 and 4 have the same key.")],
        [("note", "repeated_payee", "Row 2 pays this number another amount.")],
    ]
    assert [row.order is None for row in rows] == [False, False, True, False, True]


def test_person_at_two_numbers_and_number_of_two_people_are_warnings(opened: Callable[..., PayeeFile]) -> None:
    """The same person at the same number, with another amount, is a note."""
    rows = "S-1,+256772000001,5\nS-1,+256772000002,6\nS-2,+256772000001,7\nS-1,+256772000001,8\n,+256772000009,9\n"
    with opened(f"payee_id,to,amount\n{rows}", round_name="wages") as file:
        found = [[(str(one.level), one.code, one.reason) for one in row.findings] for row in check_repeats(file)]
    assert found == [
        [],
        [("warning", "repeated_id", "Row 2 pays this payee id at another number.")],
        [("warning", "repeated_payee", "Row 2 pays this number for another payee id.")],
        [("note", "repeated_payee", "Row 2 pays this number another amount.")],
        [],
    ]


def test_number_of_another_country_or_length_is_a_warning(opened: Callable[..., PayeeFile]) -> None:
    """A currency of several countries, and one whose country is not known here, tell nothing."""
    rows = "k-1,+256772000001,5,UGX\nk-2,+254772000001,5,UGX\nk-3,+254772000002,5,KES\nk-4,+46733123498,5,XOF\n"
    mistyped = "k-5,+25677200001,5,UGX\nk-6,+2567720000012,5,UGX\n"
    with opened(f"key,to,amount,currency\n{rows}{mistyped}") as file:
        found = list(check_repeats(file))
    assert [[(str(one.level), one.code) for one in row.findings] for row in found] == [
        [],
        [("warning", "other_country")],
        [],
        [],
        [("warning", "unusual_length")],
        [("warning", "unusual_length")],
    ]
    assert None not in [row.order for row in found]


def test_repeats_are_found_after_any_number_of_rows() -> None:
    """None is missed and none invented when the table grows: of every digest the first line and the count."""
    for strict in (False, True):
        table = SeenRows(strict=strict)
        digests = [n.to_bytes(8, "little") + (n % 3).to_bytes(8, "little") for n in range(1, 20_000)]
        assert [table.add(one, line).first for line, one in enumerate(digests, 1)] == list(range(1, 20_000))
        assert [table.find(one) for one in digests] == list(range(1, 20_000))
        assert table.find((30_000).to_bytes(16, "little")) == 0
        again = [table.add(one, 99_999) for one in digests]
        assert [one.first for one in again] == list(range(1, 20_000))
        assert {one.occurrence for one in again} == {2}
        other = table.add((5).to_bytes(8, "little") + (7).to_bytes(8, "little"), 7)
        assert other == ((7, 1) if strict else (5, 3))


def test_refused_rows_are_written_so_that_no_spreadsheet_obeys_them(client: PayoutClient, tmp_path: Path) -> None:
    """Only the owner may read the file; corrected, it is read again with the same columns."""
    source, rejects = tmp_path / "people.csv", tmp_path / "rejects.csv"
    source.write_text(TEXT, "utf-8")
    with RejectsFile(rejects, source) as file:
        report = validate_file(client, source, on_form=lambda form: file.begin(form.columns), on_row=file.add)

    assert (file.count, report.refused, report.is_clean) == (2, 2, False)
    assert rejects.stat().st_mode & 0o777 == 0o600
    text = rejects.read_text("utf-8-sig")
    assert "4,key,k-1," in text
    assert "k-1,'256772000001,6," in text
    assert "\n6,note | to,=SUM" not in text
    assert ",'=SUM(A1)" in text
    fixed = text.replace("k-1", "k-9").replace("nobody", f"+{NUMBER}")
    rejects.write_text(fixed, "utf-8-sig")
    assert validate_file(client, rejects).refused == 1, "a formula that nobody has corrected is refused again"
    corrected = fixed.replace("#FORMULA!", "Wages")
    rejects.write_text(corrected, "utf-8-sig")
    again = validate_file(client, rejects)
    assert (again.rows, again.new, again.refused) == (2, 2, 0)
    assert again.form.ignored == ("row", "column", "value", "reason", "advice")
    with pytest.raises(InvalidArgument, match="is not overwritten"), RejectsFile(rejects, source) as file:
        validate_file(client, source, on_form=lambda form: file.begin(form.columns), on_row=file.add)
    assert rejects.read_text("utf-8-sig") == corrected
    with pytest.raises(InvalidArgument, match="is the file that is read"):
        RejectsFile(source, source)
    with pytest.raises(InvalidArgument, match="cannot be written"):
        RejectsFile(tmp_path / "nowhere" / "rejects.csv", tmp_path / "missing.csv")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


MEASURE = """
import sys, time
from pathlib import Path
from payments_core.batch.checks import check_repeats
from payments_core.batch.reading import RowDefaults, open_rows
rows, began, laps = 0, time.process_time(), []
with open_rows(Path(sys.argv[1]), RowDefaults(lambda account: "UGX", round_name="wages")) as file:
    for row in check_repeats(file):
        rows += 1
        assert row.order is not None, row.findings
        if rows % (int(sys.argv[2]) // 4) == 0:
            laps.append(time.process_time() - began)
            began = time.process_time()
# Of this program: the peak that getrusage has begins with that of the process that started it.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(rows, int(peak.split()[1]) // 1024, max(laps[1:]) / min(laps[:-1]))
"""


@pytest.mark.parametrize("many", [20_000, pytest.param(1_000_000, marks=pytest.mark.proof)])
def test_file_is_read_in_bounded_memory_and_at_the_same_speed(tmp_path: Path, many: int) -> None:
    """A million rows in at most 300 MiB for the whole process; no quarter takes twice the time of an earlier one."""
    path = tmp_path / "people.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("payee_id,name,to,amount,currency,note\n")
        for n in range(many):
            file.write(f"E{n:07},Person {n},+2567{n:08},{20000 + n % 5000},UGX,Wages\n")
    command = [sys.executable, "-P", "-c", MEASURE, str(path), str(many)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1800)
    rows, mib, growth = ran.stdout.split()
    assert int(rows) == many
    assert int(mib) <= 300
    assert float(growth) < (2 if many > 100_000 else 5)
