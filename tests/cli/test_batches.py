"""A batch on the command line, from its file to its end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_core.domain.payout import PayoutStatus
from payments_mtn_momo.emulator import MtnMomoEmulator

Call = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("gateway")


@pytest.fixture
def people(folder: Path) -> Path:
    path = folder / "people.csv"
    rows = "".join(f"E{n},+2567721{n:05},{100 + n}\n" for n in range(5))
    path.write_text(f"payee_id,to,amount\n{rows}")
    return path


@pytest.fixture
def batch(people: Path, payouts: Call) -> str:
    """The id of a batch that waits for its approval."""
    ran = payouts("batch", "create", "people.csv", "--round", "november", "--actor", "ann", "--json")
    assert ran.code == 0
    name: str = ran.json["id"]
    return name


def test_batch_goes_from_its_file_to_its_end(people: Path, payouts: Call, gateway: MtnMomoEmulator) -> None:
    """Each command says what comes next, and the words it says are the command that does it."""
    created = payouts("batch", "create", "people.csv", "--round", "november", "--actor", "ann")
    assert created.code == 0, created.err
    advice = next(line for line in created.out.splitlines() if "batch approve" in line).split()
    name = advice[3]
    assert advice == ["payouts", "batch", "approve", name, "--actor", "NAME", "--total", '"510', 'UGX"']
    assert payouts("batch", "show", name).code == 4

    approved = payouts("batch", "approve", name, "--actor", "bob", "--total", "510 UGX")
    ran = payouts("batch", "run", name, "--wait", "20")
    again = payouts("batch", "run", "november", "--json")
    shown = payouts("batch", "show", name, "--json")
    rows = payouts("batch", "rows", name, "--json")
    listed = payouts("list", "--batch", name, "--json")

    assert (approved.code, ran.code, again.code, shown.code) == (0, 0, 0, 0)
    assert shown.json["by_status"] == {"SUCCEEDED": 5}
    assert (shown.json["created_by"], shown.json["approved_by"]) == ("ann", "bob")
    results = [json.loads(line) for line in rows.out.splitlines()]
    assert [one["row"] for one in results] == [*range(2, 7)], "as the lines of the file"
    assert {one["id"] for one in results} == {one["id"] for one in listed.json}
    assert {one["batch"] for one in listed.json} == {name}
    assert f"\nbatch       {name}\n" in payouts("show", results[0]["id"]).out
    assert "+2567721" not in rows.out
    keys = {one["references"]["reference"] for one in listed.json}
    assert sorted(e["credits"] for e in gateway.ledger() if e["reference"] in keys) == [1] * 5
    assert [one["state"] for one in payouts("batch", "list", "--json").json] == ["APPROVED"]


def test_failed_row_that_no_reissue_can_mend_is_named(people: Path, payouts: Call) -> None:
    """What is not paid again is said, with the command that says why; and what was not run yet, with the next one."""
    people.write_text("payee_id,to,amount\nE1,+256772100001,100\nE2,+46733123457,100\n")
    payouts("batch", "create", "people.csv", "--round", "november", "--actor", "ann")
    payouts("batch", "approve", "november", "--actor", "bob", "--total", "200 UGX")
    shown = payouts("batch", "show", "november")
    ran = payouts("batch", "run", "november", "--wait", "20")
    reissued = payouts("batch", "reissue", "november", "--actor", "cy", "--reason", "paid in")

    assert ("` goes on, and pays no row twice" in shown.out, "goes on" in ran.out) == (True, False)
    assert ("says why rows failed" in shown.out, "says why rows failed" in ran.out) == (False, True)
    assert (ran.code, reissued.code) == (3, 0)
    assert "0 reissued, 0 refused.\nPassed over: 1 failed row, as a reissue mends no such reason." in reissued.out


def test_failed_rows_are_written_to_correct_and_pay_each_once(
    people: Path, payouts: Call, gateway: MtnMomoEmulator, folder: Path
) -> None:
    """Each has a new key; what was corrected is a batch that is approved as any other, and pays who was not paid."""
    people.write_text("payee_id,to,amount\nE1,+256772100001,100\nE2,+46733123457,100\n")
    payouts("batch", "create", "people.csv", "--round", "november", "--actor", "ann")
    payouts("batch", "approve", "november", "--actor", "bob", "--total", "200 UGX")
    assert payouts("batch", "rows", "november", "--failed", "wrong.csv", "--json").json == {
        "file": None,
        "rows": 0,
        "left_out": 0,
    }
    payouts("batch", "run", "november", "--wait", "20")

    written = payouts("batch", "rows", "november", "--failed", "wrong.csv")
    again = payouts("batch", "rows", "november", "--failed", "wrong.csv")

    assert (written.code, "1 row to correct: wrong.csv." in written.out) == (0, True)
    assert (again.code, "wrong.csv cannot be written: File exists." in again.err) == (1, True)
    wrong = folder / "wrong.csv"
    assert (wrong.stat().st_mode & 0o777, "'+46733123457" in wrong.read_text("utf-8-sig")) == (0o600, True)
    wrong.write_text(wrong.read_text("utf-8-sig").replace("+46733123457", "+256772100002"), "utf-8-sig")
    created = payouts("batch", "create", "wrong.csv", "--round", "november", "--actor", "ann", "--json")
    assert created.code == 0, created.err
    name = created.json["id"]
    payouts("batch", "approve", name, "--actor", "bob", "--total", "100 UGX")
    assert payouts("batch", "run", name, "--wait", "20").code == 0
    paid = Counter({entry["payee"]: entry["credits"] for entry in gateway.ledger()})
    assert [paid[number] for number in ("256772100001", "256772100002", "46733123457")] == [1, 1, 0]


def test_resume_names_an_approved_batch_with_rows_that_were_not_sent(batch: str, payouts: Call) -> None:
    """After a kill, "nothing is open" alone would read as if everybody were paid."""
    created = payouts("resume", "--json").json["unsent_batches"]
    payouts("batch", "approve", batch, "--actor", "bob", "--total", "510 UGX")
    resumed = payouts("resume", "--json").json["unsent_batches"]
    printed = payouts("resume").out
    payouts("batch", "run", batch, "--wait", "20")

    assert (created, resumed) == ([], [batch])
    assert f"`payouts batch run {batch}`" in printed
    assert payouts("resume", "--json").json["unsent_batches"] == []


def test_rows_and_list_name_the_statuses_there_are(batch: str, payouts: Call) -> None:
    rows = payouts("batch", "rows", batch, "--status", "BOGUS")
    listed = payouts("list", "--status", "BOGUS")

    assert (rows.code, listed.code) == (2, 2)
    for status in PayoutStatus:
        assert status in rows.err
        assert status in listed.err
    assert "UNSENT" in rows.err
    assert len(payouts("batch", "rows", batch, "--status", "unsent", "--json").out.splitlines()) == 5


def test_rows_and_list_say_the_form_of_their_json(payouts: Call) -> None:
    """Rows may be many and are lines; payouts are an array."""
    rows, listed = (" ".join(payouts(*words, "--help").out.split()) for words in (("batch", "rows"), ("list",)))
    assert "one object a line (JSONL), no array" in rows
    assert "with --json as one array" in listed


def test_row_of_an_erased_payee_shows_its_key_and_that_it_was_erased(batch: str, payouts: Call) -> None:
    """By its key it is found again; nothing of the payee is shown."""
    payouts("batch", "approve", batch, "--actor", "bob", "--total", "510 UGX")
    payouts("batch", "run", batch, "--wait", "20")
    first, *_ = (json.loads(line) for line in payouts("batch", "rows", batch, "--json").out.splitlines())
    assert payouts("erase", first["key"], "--actor", "ann", "--reason", "asked for it", "--yes").code == 0

    row, *others = (json.loads(line) for line in payouts("batch", "rows", batch, "--json").out.splitlines())
    table = payouts("batch", "rows", batch, "--reveal").out.splitlines()

    assert (row["key"], row["payee"], row["amount"], row["status"]) == (first["key"], None, None, "SUCCEEDED")
    assert [one["payee"] is None for one in others] == [False] * 4
    assert table[1].split() == ["2", first["key"], "erased", "SUCCEEDED", first["id"]]


def test_create_refuses_a_file_with_a_refused_row_unless_it_is_skipped(people: Path, payouts: Call) -> None:
    with people.open("a") as file:
        file.write("E9,+256772100009,-5\n")
    arguments = ("batch", "create", "people.csv", "--round", "november", "--actor", "ann")

    refused = payouts(*arguments)
    assert refused.code == 1
    assert "1 of 6 rows of people.csv are refused: no batch is created." in refused.err
    assert "not_positive" in refused.out
    assert payouts("batch", "list", "--json").json == []

    created = payouts(*arguments, "--skip-refused", "--json")
    assert (created.code, created.json["rows"], created.json["is_new"]) == (3, 5, True)
    assert payouts(*arguments, "--skip-refused", "--json").json["is_new"] is False


def test_create_of_a_file_that_is_all_paid_creates_nothing(batch: str, people: Path, payouts: Call) -> None:
    """The same rows are still the batch that is there; a row that is not paid makes a batch."""
    payouts("batch", "approve", batch, "--actor", "bob", "--total", "510 UGX")
    payouts("batch", "run", batch, "--wait", "20")
    command = ("batch", "create", "people.csv", "--round", "november", "--actor", "ann")
    same = payouts(*command, "--json").json
    lines = people.read_text().splitlines()
    people.write_text("\n".join(lines[:3]))
    ran, as_json = payouts(*command), payouts(*command, "--json")
    listed = payouts("batch", "list", "--json").json
    people.write_text("\n".join([*lines[:3], "E7,+256772100007,5"]))

    assert (same["id"], same["is_new"]) == (batch, False)
    assert (ran.code, as_json.code) == (0, 0)
    assert "There is nothing to pay: 2 rows of people.csv are paid already. No batch was created." in ran.out
    assert "approve" not in ran.out
    assert as_json.json == {"id": None, "is_new": False, "rows": 2, "recorded": {"SUCCEEDED": 2}}
    assert [one["id"] for one in listed] == [batch]
    assert payouts(*command, "--json").json["is_new"] is True


def test_approve_refuses_its_creator_and_another_total(batch: str, payouts: Call) -> None:
    by_creator = payouts("batch", "approve", batch, "--actor", "Ann", "--total", "510 UGX", "--json")
    too_much = payouts("batch", "approve", batch, "--actor", "bob", "--total", "511 UGX", "--json")
    no_total = payouts("batch", "approve", batch, "--actor", "bob", "--total", "510")
    early = payouts("batch", "run", batch, "--json")

    assert [one.error["code"] for one in (by_creator, too_much, early)] == ["decision_refused"] * 3
    assert "510 UGX, not to 511 UGX" in too_much.error["message"]
    assert f"payouts batch approve {batch}" in early.error["hint"]
    assert no_total.code == 2


def test_paused_and_cancelled_batches_say_so(batch: str, payouts: Call) -> None:
    payouts("batch", "approve", batch, "--actor", "bob", "--total", "510 UGX")
    person = ("--actor", "carol", "--reason", "wrong month")

    assert payouts("batch", "pause", batch, *person).code == 0
    stopped = payouts("batch", "run", batch, "--json")
    assert f"payouts batch unpause {batch}" in stopped.error["hint"]
    assert payouts("batch", "unpause", batch, *person).code == 0
    cancelled = payouts("batch", "cancel", batch, *person, "--json")

    assert (cancelled.code, cancelled.json["state"], cancelled.json["unsent"]) == (0, "CANCELLED", 5)
    assert payouts("batch", "show", "nothing", "--json").error["code"] == "unknown_batch"
    assert payouts("list", "--json").json == []


def test_changed_numbers_are_shown_before_the_approval(batch: str, people: Path, payouts: Call) -> None:
    payouts("batch", "approve", batch, "--actor", "bob", "--total", "510 UGX")
    people.write_text(people.read_text().replace("+256772100003", "+256772999999"))
    created = payouts("batch", "create", "people.csv", "--round", "december", "--actor", "ann")
    name = next(line for line in created.out.splitlines() if "batch approve" in line).split()[3]

    shown = payouts("batch", "show", name, "--reveal")

    assert "changed_number" in created.out
    assert "row 5, E3: 256772999999, before 256772100003" in shown.out
    assert payouts("batch", "show", name, "--json").json["changed_numbers"][0]["payee_id"] == "E3"


def test_follow_ends_with_its_batch_and_changes_nothing(
    batch: str, payouts: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stops looking hears that nothing was stopped by it."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    def cancel(_seconds: float) -> None:
        assert payouts("batch", "cancel", batch, "--actor", "bob", "--reason", "not owed").code == 0

    monkeypatch.setattr("payments_core.cli.batches.time.sleep", interrupt)
    stopped = payouts("batch", "show", batch, "--follow")
    assert stopped.code == 130
    assert "This command only looked" in stopped.err
    assert "sending the same key" not in stopped.err
    monkeypatch.setattr("payments_core.cli.batches.time.sleep", cancel)
    assert payouts("batch", "show", batch, "--follow").code == 4
    assert [one["state"] for one in payouts("batch", "list", "--json").json] == ["CANCELLED"]
