"""A file of people: checked whole, paid side by side, told row by row."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_core import Money, Payee, PayoutClient
from payments_mtn_momo.emulator import MtnMomoEmulator

NUMBERS = [f"2567721{n:05}" for n in range(40)]
FIELDS = ["id", "key", "account", "operation", "payee", "operator", "amount", "currency", "status"]
FIELDS += [
    "reason",
    "references",
    "provider_reference",
    "note",
    "metadata",
    "batch",
    "attempt",
    "submissions",
    "created_at",
    "updated_at",
    "next_at",
    "contradictions",
]
FIELDS += ["row", "same_as_row", "is_new", "error", "findings", "notes"]
Call = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("gateway")


@pytest.fixture
def send(payouts: Call, folder: Path) -> Call:
    def call(text: str | bytes, *more: str) -> Any:
        raw = text.encode() if isinstance(text, str) else text
        (folder / "people.csv").write_bytes(raw)
        return payouts("send", "--file", "people.csv", "--yes", *more)

    return call


def test_file_pays_every_row_once(send: Call, gateway: MtnMomoEmulator) -> None:
    rows = [f"wages-{n},+{number},{100 + n},UGX,mtn-uganda,Wages" for n, number in enumerate(NUMBERS)]
    text = "\n".join(["key,to,amount,currency,account,note", *rows])

    ran = send(text, "--wait", "15", "--json")
    again = send(text, "--json")

    assert (ran.code, again.code) == (0, 0)
    assert {row["status"] for row in again.json} == {"SUCCEEDED"}
    assert [row["row"] for row in ran.json] == list(range(2, 42))
    paid = {row["references"]["reference"] for row in ran.json}
    entries = [entry for entry in gateway.ledger() if entry["reference"] in paid]
    assert sorted((e["payee"], e["posts"], e["credits"]) for e in entries) == [(number, 1, 1) for number in NUMBERS]


def test_refused_rows_are_named_by_their_lines_and_can_be_skipped(send: Call, payouts: Call) -> None:
    """Nothing of the file is sent because of them, unless the others are wanted."""
    text = f"""key,to,amount,currency
wages-1,+{NUMBERS[0]},5,UGX
wages-2,077212345,5,UGX
wages-3,+{NUMBERS[2]},5.5,UGX
wages-4,+{NUMBERS[3]},5,EUR
wages-5,+{NUMBERS[4]},five,UGX
,+{NUMBERS[5]},5,UGX
wages-7,+{NUMBERS[6]},5,UGX,more,cells
wages-8,+{NUMBERS[7]},5,UGX
"""
    stopped = send(text, "--json")
    assert (stopped.code, payouts("list", "--json").json) == (1, [])
    assert stopped.error["message"] == "6 of 8 rows of people.csv cannot be paid."
    assert "--skip-refused" in stopped.error["hint"]
    ran = send(text, "--wait", "10", "--json", "--skip-refused")

    assert ran.code == 3
    codes = {row["row"]: row["error"]["code"] for row in ran.json if row["error"]}
    assert {row["row"]: row["error"]["code"] for row in stopped.json if row["error"]} == codes
    assert codes == {
        3: "national_number",
        4: "invalid_amount",
        5: "invalid_currency",
        6: "invalid_amount",
        7: "invalid_payout",
        8: "too_many_fields",
    }
    assert [row["key"] for row in ran.json if row["status"] == "SUCCEEDED"] == ["wages-1", "wages-8"]


def test_numbers_changed_by_a_spreadsheet_are_refused_row_by_row(send: Call, gateway: MtnMomoEmulator) -> None:
    """A number that became an amount, with an exponent or a second number behind it: each row says so, none is paid."""
    before = len(gateway.ledger())
    rows = [f"{NUMBERS[0]}.0", "2.56772E+11", f'"{NUMBERS[1]},0"', f'"{NUMBERS[2]}\n1"', f"{NUMBERS[3]}-1"]
    ran = send("key,to,amount\n" + "\n".join(f"sheet-{n},{to},5" for n, to in enumerate(rows)), "--json")

    assert ran.code == 1
    codes = [row["error"]["code"] for row in ran.json]
    assert codes == ["invalid_payee", "scientific_notation", "invalid_payee", "invalid_payee", "invalid_payee"]
    fields = [row["error"]["message"] for row in ran.json]
    assert ["spreadsheet" in one for one in fields] == [True, True, True, False, False]
    assert "line break" in fields[3]
    assert "single digit" in fields[4]
    assert not any(number in ran.out for number in NUMBERS[:4])
    assert len(gateway.ledger()) == before


def test_key_that_looks_like_another_is_refused_before_any_row_is_sent(send: Call, gateway: MtnMomoEmulator) -> None:
    """A file knows all its keys at once: what cannot be accepted is found with the rest, and stops all if it shall."""
    before = len(gateway.ledger())
    keys = ["l\u00f6hne-1", "lo\u0308hne-1", "l\u00f6hne-1\u3164", "po_" + "a" * 24]
    text = "key,to,amount\n" + "\n".join(f"{key},+{NUMBERS[0]},5" for key in keys)

    refused = send(text, "--json")

    assert refused.code == 1
    errors = [row["error"]["message"] for row in refused.json if row["error"]]
    assert ["U+0308 (COMBINING DIAERESIS) at position 3" in errors[0], "payout's id" in errors[2]] == [True, True]
    assert "U+3164 (HANGUL FILLER) at position 8" in errors[1]
    assert len(gateway.ledger()) == before
    ran = send(text, "--wait", "10", "--json", "--skip-refused")
    assert [row["status"] for row in ran.json] == ["SUCCEEDED", None, None, None]
    assert len(gateway.ledger()) == before + 1


def test_rows_as_json_all_have_the_same_fields(send: Call) -> None:
    ran = send(f"key,to,amount\nwages-1,+{NUMBERS[0]},5\nwages-2,+{NUMBERS[1]},0\n", "--json", "--skip-refused")

    assert [list(row) for row in ran.json] == [FIELDS, FIELDS]
    refused = ran.json[1]
    assert (refused["id"], refused["status"], refused["references"], refused["submissions"]) == (None, None, None, None)
    assert list(refused["error"]) == ["code", "message", "hint"]


def test_table_names_refused_rows_and_its_summary_counts(send: Call) -> None:
    text = f"key,to,amount\nwages-1,+{NUMBERS[0]},5\nwages-1,+{NUMBERS[0]},5\nwages-2,+{NUMBERS[1]},5.5\n"

    ran = send(text, "--wait", "10", "--skip-refused")

    lines = ran.out.splitlines()
    assert lines[0].split() == ["ROW", "KEY", "PAYEE", "AMOUNT", "ACCOUNT", "STATUS", "WHY", "SUBMISSIONS", "ID"]
    assert "same payout as row 2" in lines[2]
    assert "REFUSED" in lines[3]
    assert "UGX takes whole numbers only here" in lines[3]
    assert lines[4] == "3 rows: 1 SUCCEEDED, 1 REFUSED, 1 repeated."
    assert lines[5] == "Refused rows were not sent: correct each, and send the file again; no row is paid twice."


def test_refused_row_shows_what_the_file_contains(send: Call) -> None:
    """A number that cannot be read is masked all the same, and what is empty is called empty."""
    rows = f"wages-1,077212345,5\nwages-2,,7\nwages-3,+{NUMBERS[0]},\n,+{NUMBERS[0]},9\nwages-5,+{NUMBERS[0]},"
    lines = send(f"key,to,amount\n{rows}{NUMBERS[1]}x\n", "--skip-refused").out.splitlines()

    assert lines[1].split()[:4] == ["2", "wages-1", "07*****45", "5"]
    assert "The payee's number is empty." in lines[2]
    assert "The amount is empty." in lines[3]
    assert "The key is empty." in lines[4]
    assert lines[5].split()[2:4] == ["+25*******000", "256******001x"]
    assert "What was given is not a positive amount." in lines[5]
    assert [line for line in lines if NUMBERS[0] in line or NUMBERS[1] in line or "077212345" in line] == []
    assert lines[6].startswith("5 rows: 5 REFUSED.")


def test_refused_file_shows_all_that_is_wrong_row_by_row(send: Call) -> None:
    """Each finding with the row, the field, the value (a number masked) and what to do: it is corrected once."""
    rows = f"wages-1,+{NUMBERS[0]},7000000.5\n\nwages-2,077212345,5x\nwages-3,+{NUMBERS[0]},5\n"
    ran = send(f"key,to,amount\n{rows}")
    lines = ran.out.splitlines()

    assert (ran.code, lines[0]) == (1, "people.csv: 1 payout, 2 refused.")
    table = lines[next(n for n, line in enumerate(lines) if line.split()[:2] == ["ROW", "FIELD"]) + 1 :]
    assert [line.split()[:3] for line in table] == [
        ["2", "amount", "7000000.5"],
        ["2", "amount", "7000000.5"],
        ["4", "to", "07*****45"],
        ["4", "amount", "5x"],
    ]
    for line, text in zip(table, ["whole numbers only", "largest_amount", "country code", "plain digits"], strict=True):
        assert text in line
    assert "2 of 3 rows of people.csv cannot be paid." in ran.err

    row = send(f"key,to,amount\n{rows}", "--json").json[0]
    assert [one["field"] for one in row["findings"]] == ["amount", "amount"]
    assert row["error"]["message"] == "7000000.5 UGX has too many decimals."
    assert row["error"]["hint"].endswith("Nothing was recorded and nothing was sent.")
    assert "is more than" in row["error"]["hint"]


def test_dry_run_checks_a_file_without_a_question_and_pays_nothing(payouts: Call, send: Call, folder: Path) -> None:
    """Also in a script: 0 when every row can be paid, 1 when not; payees that are paid twice and paid rows are told."""
    send(f"key,to,amount\nwages-1,+{NUMBERS[0]},5\n", "--wait", "10")
    rows = f"wages-1,+{NUMBERS[0]},5\nwages-2,+{NUMBERS[1]},6\nwages-3,+{NUMBERS[1]},7\n"
    (folder / "people.csv").write_text(f"key,to,amount\n{rows}", "utf-8")
    ran = payouts("send", "--file", "people.csv", "--dry-run")

    assert ran.code == 0
    assert "people.csv: 2 payouts, 1 already paid." in ran.out
    assert "256******001 is paid 2 times: rows 3, 4." in ran.out
    assert "Already paid, and not paid again: row 2." in ran.out
    assert ["mtn-uganda", "2", "13", "UGX"] in [line.split()[:4] for line in ran.out.splitlines()]
    assert "No row has a fault. Nothing was recorded and nothing was sent." in ran.err
    shown = payouts("send", "--file", "people.csv", "--dry-run", "--json")
    assert [(row["status"], row["error"]) for row in shown.json] == [("SUCCEEDED", None), (None, None), (None, None)]
    assert [row["is_new"] for row in shown.json] == [False, True, True]
    (folder / "people.csv").write_text(f"key,to,amount\n{rows}wages-4,,1\n", "utf-8")
    assert payouts("send", "--file", "people.csv", "--dry-run").code == 1
    assert len(payouts("list", "--json").json) == 1
    assert payouts("send", "--key", "k", "--to", f"+{NUMBERS[0]}", "--amount", "5", "--dry-run").code == 2


def test_daily_limit_is_shown_before_a_file_is_paid_and_by_what_waits(payouts: Call, send: Call, folder: Path) -> None:
    """What is left today stands beside the sum, with a note when it is less; a payout that waits says for what."""
    config = folder / "payouts.toml"
    config.write_text(f'{config.read_text("utf-8")}\n[accounts.mtn-uganda.daily_limit]\nUGX = "100"\n', "utf-8")
    rows = f"wages-1,+{NUMBERS[0]},60\nwages-2,+{NUMBERS[1]},70\nwages-3,+{NUMBERS[2]},101\n"
    ran = send(f"key,to,amount\n{rows}", "--dry-run")
    assert ["mtn-uganda", "2", "130", "UGX", "100", "UGX"] in [line.split()[:6] for line in ran.out.splitlines()]
    assert "come to 130 UGX, and of its daily_limit 100 is left" in ran.out
    assert "101 UGX is more than the daily_limit of account mtn-uganda: 100 UGX." in ran.out
    with PayoutClient.from_config(config) as client:
        client.accept(key="late", payee=Payee.msisdn(f"+{NUMBERS[3]}"), amount=Money(70, "UGX"), account="mtn-uganda")
    ran = send(f"key,to,amount\n{rows}", "--skip-refused", "--wait", "10")
    assert "daily_limit of account mtn-uganda" in ran.out
    payouts("resume", "--timeout", "0")
    shown = payouts("show", "late")
    assert "the daily limit of the account is reached" in shown.out
    assert "raise daily_limit of [accounts.mtn-uganda]" in shown.out


def test_file_paid_again_says_that_nothing_is_new(send: Call) -> None:
    """Without a question too: payees that are paid twice before it is paid, and rows that were known after it."""
    text = f"key,to,amount\nwages-1,+{NUMBERS[0]},5\nwages-2,+{NUMBERS[0]},6\n"
    first, again = send(text, "--wait", "10"), send(text, "--wait", "10")

    assert "256******000 is paid 2 times: rows 2, 3." in first.err
    assert "recorded before" not in first.out
    assert "Already paid, and not paid again: rows 2, 3." in again.err
    assert "2 of them were recorded before: no row is paid twice." in again.out
    assert "No row is new: there is nothing to pay." in send(text, "--dry-run").err


def test_file_with_a_failed_row_says_how_it_can_be_paid(send: Call) -> None:
    """It is told apart from the row that was paid, and neither is sent again."""
    text = f"key,to,amount\nwages-1,+{NUMBERS[0]},5\nwages-2,+46733123457,6\n"
    first, again = send(text, "--wait", "10"), send(text, "--wait", "10")

    assert (first.code, again.code) == (3, 3)
    assert "sending the key again pays nothing. `payouts show KEY` says what to do: row 3." in again.err
    assert "1 of these ended FAILED or CANCELLED before: `payouts show KEY` says what to do." in again.out


def test_row_that_appears_twice_is_one_payout(send: Call, gateway: MtnMomoEmulator) -> None:
    row = f"wages-1,+{NUMBERS[0]},5\n"

    ran = send(f"key,to,amount\n{row}{row}", "--wait", "10", "--json")

    assert ran.code == 0
    assert [one["same_as_row"] for one in ran.json] == [None, 2]
    assert ran.json[0]["id"] == ran.json[1]["id"]
    reference = ran.json[0]["references"]["reference"]
    assert [one["credits"] for one in gateway.ledger() if one["reference"] == reference] == [1]


def test_key_with_two_contents_is_refused_with_both_lines(send: Call) -> None:
    ran = send(f"key,to,amount\nwages-1,+{NUMBERS[0]},5\nwages-1,+{NUMBERS[0]},6\n", "--json", "--skip-refused")

    assert ran.code == 3
    assert ran.json[0]["status"] is not None
    assert ran.json[1]["error"]["code"] == "key_reused"
    assert "Rows 2 and 3" in ran.json[1]["error"]["message"]


def test_key_known_for_another_payment_is_refused(send: Call, pay: Call) -> None:
    pay("wages-1", to=f"+{NUMBERS[0]}", amount="5")

    ran = send(f"key,to,amount\nwages-1,+{NUMBERS[0]},6\n", "--json")

    assert (ran.code, ran.json[0]["error"]["code"]) == (1, "key_reused")
    assert "recorded 5 UGX, now 6 UGX" in ran.json[0]["error"]["message"]


def test_open_row_exits_with_4_and_says_how_to_go_on(send: Call) -> None:
    ran = send(f"key,to,amount\nwages-1,+{NUMBERS[0]},5\nwages-2,46733123453,5\n", "--wait", "2.5")

    assert ran.code == 4
    assert "`payouts resume` continues the open ones" in ran.out


def test_misspelt_column_stops_the_file(send: Call, gateway: MtnMomoEmulator) -> None:
    """A currency that is not read would be paid in the account's own: nothing of the file is sent."""
    before = len(gateway.ledger())
    ran = send(f"key,to,amount,curency\nwages-1,+{NUMBERS[0]},5,EUR\n", "--json")

    assert (ran.code, ran.error["code"]) == (1, "invalid_payout")
    assert "'curency' looks like 'currency'" in ran.error["message"]
    assert len(gateway.ledger()) == before


def test_unknown_column_is_ignored(send: Call) -> None:
    ran = send(f"key,Shirt,to,amount\nwages-1,Large,+{NUMBERS[0]},5\n", "--wait", "10")

    assert ran.code == 0
    assert "Unknown columns are ignored: Shirt." in ran.err


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeffkey,to,amount\nwages-1,+{NUMBERS[0]},5\n".encode(),
        f"key;to;amount\r\nwages-1;+{NUMBERS[0]};5\r\n".encode(),
        f"key\tto\tamount\nwages-1\t+{NUMBERS[0]}\t5\n\n\n".encode(),
        f'key,to,amount,note\nwages-1,+{NUMBERS[0]},5,"Wages,\nNovember"\n'.encode(),
    ],
    ids=["BOM", "semicolons and CRLF", "tabs and blank lines", "a quoted line break"],
)
def test_spreadsheet_formats_are_read(send: Call, text: bytes) -> None:
    ran = send(text, "--json")

    assert [(row["key"], row["amount"], row["row"]) for row in ran.json] == [("wages-1", "5", 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "people.csv is empty."),
        (b"key,to\nwages-1,5\n", "people.csv, line 1: the header has no column amount. It has: key, to."),
        (b"key,to,amount,to\n", "people.csv, line 1: the column to is there twice."),
        (b"key,to,amount\nk\xe9\xc3\xa9,1,1\n", "people.csv mixes UTF-8 with another encoding."),
        (b'key,to,amount\nwages-1,"46,5\n', "people.csv, line 2: unexpected end of data."),
    ],
    ids=["empty", "column missing", "column twice", "two encodings", "open quote"],
)
def test_file_that_cannot_be_read_sends_nothing(send: Call, payouts: Call, text: bytes, message: str) -> None:
    ran = send(text, "--json")

    assert (ran.code, ran.error["message"]) == (1, message)
    assert payouts("list", "--json").json == []


def test_missing_file_is_an_error(payouts: Call) -> None:
    assert (
        payouts("send", "--file", "nobody.csv", "--yes", "--json")
        .error["message"]
        .startswith("nobody.csv cannot be read")
    )


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs devices")
def test_device_is_refused_and_a_pipe_is_read(payouts: Call, folder: Path) -> None:
    """A device such as /dev/zero never ends and would fill the memory; what a program writes into a pipe is paid."""
    ran = payouts("send", "--file", "/dev/null", "--yes", "--json")
    assert (ran.code, ran.error["code"]) == (1, "invalid_payout")
    assert ran.error["message"] == "/dev/null is a device, not a file."
    os.mkfifo(folder / "pipe")
    text = f"key,to,amount,currency\nk,+{NUMBERS[0]},5,UGX\n"
    writer = threading.Thread(target=(folder / "pipe").write_text, args=(text, "utf-8"))
    writer.start()
    assert payouts("send", "--file", "pipe", "--yes", "--json").json[0]["key"] == "k"
    writer.join()
