"""send, show, list, wait and resume: what they print, and what they leave with."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from payments_mtn_momo.emulator import MtnMomoEmulator

NUMBER = "256700199887"
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
Call = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("gateway")


def test_send_that_waits_ends_paid_once_and_exits_with_0(pay: Call, gateway: MtnMomoEmulator) -> None:
    """The same command again is the same payment."""
    ran = pay("wages-1", "--wait", "10", "--note", "November wages", "--json")
    again = pay("wages-1", "--wait", "10", "--note", "November wages", "--json")

    assert (ran.code, ran.json["status"]) == (0, "SUCCEEDED")
    assert (again.code, again.json["references"]) == (0, ran.json["references"])
    reference = ran.json["references"]["reference"]
    rows = [one for one in gateway.ledger() if one["reference"] == reference]
    assert [(row["posts"], row["credits"]) for row in rows] == [(1, 1)]


def test_send_with_metadata_stores_it_and_keeps_what_is_recorded(pay: Call, payouts: Call) -> None:
    """Shown by every command with --json; another note or metadata under the key is said, and changes nothing."""
    own = ["--metadata", "employee=a-17", "--metadata", "run=11=b", "--wait", "10"]
    ran = pay("wages-1", *own, "--note", "November")
    again = pay("wages-1", *own, "--note", "December")
    bare = pay("wages-1", "--json").json

    assert (ran.code, again.code) == (0, 0)
    assert "The note differs from the recorded one, and is kept as recorded." in again.out
    assert "kept as recorded" not in ran.out
    assert (bare["differences"], bare["note"]) == (["note", "metadata"], "November")
    for shown in (payouts("show", "wages-1", "--json").json, *payouts("list", "--json").json):
        assert shown["metadata"] == {"employee": "a-17", "run": "11=b"}
    for wrong in (["a"], ["a=1", "--metadata", "a=2"], ["=1"]):
        refused = pay("wages-2", "--metadata", *wrong)
        assert (refused.code, "Write each --metadata once, as NAME=VALUE." in refused.err) == (2, True)


def test_send_of_a_pending_payout_exits_with_4_and_says_how_to_wait(pay: Call) -> None:
    ran = pay("wages-1")

    assert ran.code == 4
    assert "PENDING" in ran.out
    assert "payouts wait wages-1" in ran.out


def test_send_of_a_failed_payout_exits_with_3_and_says_why(pay: Call) -> None:
    ran = pay("wages-1", "--wait", "10", to="46733123457")

    assert ran.code == 3
    assert "the number has no wallet (PAYEE_NOT_FOUND)" in ran.out
    assert "No money moved" in ran.out


def test_list_as_json_is_one_array_of_exactly_these_fields(pay: Call, payouts: Call) -> None:
    pay("wages-1", "--wait", "10")
    pay("wages-2", to="46733123457")

    shown = payouts("list", "--json").json

    assert [list(one) for one in shown] == [FIELDS, FIELDS]
    first = shown[0]
    assert first.pop("provider_reference") == first["references"]["provider_reference"]
    assert set(first.pop("references")) == {"reference", "external_id", "provider_reference"}
    assert first.pop("id").startswith("po_")
    created, updated = (datetime.fromisoformat(first.pop(name)) for name in ("created_at", "updated_at"))
    assert timedelta() < updated - created < timedelta(seconds=60)
    assert first == {
        "key": "wages-1",
        "account": "mtn-uganda",
        "operation": "transfer",
        "payee": "256******887",
        "operator": None,
        "amount": "25000",
        "currency": "UGX",
        "status": "SUCCEEDED",
        "reason": None,
        "note": "",
        "metadata": {},
        "batch": None,
        "attempt": 1,
        "submissions": 1,
        "next_at": None,
        "contradictions": [],
    }


def test_show_as_json_is_the_same_with_the_history(pay: Call, payouts: Call) -> None:
    pay("wages-1", to="46733123457", amount="5")
    payouts("wait", "wages-1")

    shown = payouts("show", "wages-1", "--json").json

    assert payouts("show", shown["id"], "--json").json == shown
    assert list(shown) == [*FIELDS, "history"]
    assert shown["reason"] == "payee_not_found"
    assert [entry["event"] for entry in shown["history"]] == [
        "payout.created",
        "payout.sending",
        "payout.pending",
        "payout.failed",
    ]
    last = shown["history"][-1]
    assert list(last) == ["seq", "at", "event", "status", "attempt", "submissions", "decided_by", "evidence"]
    assert (last["seq"], last["status"], last["decided_by"]) == (4, "FAILED", "read")
    assert last["at"].endswith("+00:00")


def test_show_prints_the_operator_that_the_order_names(pay: Call, payouts: Call) -> None:
    pay("wages-1", "--operator", "mtn")
    pay("wages-2")

    assert "\noperator    mtn\n" in payouts("show", "wages-1").out
    assert payouts("show", "wages-1", "--json").json["operator"] == "mtn"
    assert [one["operator"] for one in payouts("list", "--json").json] == ["mtn", None]
    assert "\noperator " not in payouts("show", "wages-2").out


def test_list_is_filtered_by_status_and_account(pay: Call, payouts: Call) -> None:
    pay("wages-1", "--wait", "10")
    pay("wages-2", "--wait", "10", to="46733123457")

    assert [one["key"] for one in payouts("list", "--status", "failed", "--json").json] == ["wages-2"]
    assert len(payouts("list", "--account", "mtn-uganda", "--json").json) == 2


def test_list_of_open_payouts_has_every_status_that_is_not_final(pay: Call, payouts: Call) -> None:
    pay("wages-1", "--wait", "10")
    pay("wages-2", to="46733123453")

    assert [one["key"] for one in payouts("list", "--open", "--json").json] == ["wages-2"]
    refused = payouts("list", "--open", "--status", "UNKNOWN")
    assert (refused.code, "Leave out --status, or --open." in " ".join(refused.err.split())) == (2, True)


def test_list_of_an_unknown_account_is_refused(pay: Call, payouts: Call, config: Path) -> None:
    """A misspelt name is refused; one that is not configured any more still shows what it paid."""
    pay("wages-1", "--wait", "10")

    wrong = payouts("list", "--account", "elsewhere", "--json")
    config.write_text(config.read_text("utf-8").replace("mtn-uganda]", "mtn-kampala]"), "utf-8")

    assert (wrong.code, wrong.error["code"]) == (1, "unknown_account")
    assert wrong.error["message"] == "Account 'elsewhere' is unknown. Known: mtn-uganda."
    assert [one["key"] for one in payouts("list", "--account", "mtn-uganda", "--json").json] == ["wages-1"]
    assert payouts("list", "--account", "mtn-kampala", "--json").json == []


def test_list_of_an_empty_journal_says_so_on_standard_error(payouts: Call) -> None:
    assert payouts("list", "--json").json == []
    ran = payouts("list")
    assert (ran.code, ran.out, ran.err) == (0, "", "No payout yet.\n")


def test_list_as_a_table_is_never_cut_to_the_terminal(
    pay: Call, payouts: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    key = "wages-" + "x" * 150
    found = pay(key, "--json").json

    lines = payouts("list").out.splitlines()

    assert len(lines) == 2
    assert key in lines[1]
    assert found["id"] in lines[1]


def test_wait_goes_on_until_a_final_status(pay: Call, payouts: Call) -> None:
    pay("wages-1", to="46733123454")

    ran = payouts("wait", "wages-1", "--timeout", "20")

    assert ran.code == 0
    assert "paid" in ran.out


def test_wait_gives_up_in_time_and_exits_with_4(pay: Call, payouts: Call) -> None:
    pay("wages-1", to="46733123453")

    assert payouts("wait", "wages-1", "--timeout", "0.3", "--json").code == 4


def test_resume_reports_each_change_and_exits_with_0_when_nothing_is_open(pay: Call, payouts: Call) -> None:
    pay("wages-1")
    pay("wages-2", to="46733123457")

    ran = payouts("resume")

    assert ran.code == 0
    assert "wages-1  PENDING -> SUCCEEDED" in ran.out
    assert "wages-2  PENDING -> FAILED: the number has no wallet (PAYEE_NOT_FOUND)" in ran.out
    assert ran.out.endswith("Nothing is open.\n")


def test_resume_says_what_is_left_and_when_it_is_due(pay: Call, payouts: Call) -> None:
    pay("wages-1", to="46733123453")

    ran = payouts("resume", "--timeout", "0")

    assert ran.code == 4
    assert "1 still open; run `payouts resume` again when the next is due, 20" in ran.out


def test_resume_as_json_counts_and_lists_what_changed(pay: Call, payouts: Call) -> None:
    pay("wages-1")

    shown = payouts("resume", "--json").json

    assert list(shown) == ["steps", "open", "held", "review", "contradicted", "next_at", "changed", "unsent_batches"]
    assert [shown[name] for name in ("open", "held", "review", "next_at")] == [0, 0, 0, None]
    assert [(one["key"], one["status"]) for one in shown["changed"]] == [("wages-1", "SUCCEEDED")]


def test_options_are_accepted_before_and_after_the_command(pay: Call, payouts: Call, config: Path) -> None:
    pay("wages-1")
    config.rename("elsewhere.toml")

    before = payouts("--config", "elsewhere.toml", "--json", "--reveal", "list")
    after = payouts("list", "--config", "elsewhere.toml", "--json", "--reveal")

    assert before.json == after.json
    assert before.json[0]["payee"] == NUMBER


def test_configuration_is_found_by_the_environment(
    pay: Call, payouts: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay("wages-1")
    monkeypatch.setenv("PAYOUTS_CONFIG", str(config.rename("elsewhere.toml")))

    assert len(payouts("list", "--json").json) == 1


def test_numbers_are_masked_by_every_command_unless_revealed(pay: Call, payouts: Call, folder: Path) -> None:
    people = f"key,to,amount\nwages-3,+{NUMBER},5\nwages-4,+{NUMBER},0.5\nwages-5,{NUMBER}99999,1\n"
    (folder / "people.csv").write_text(people, "utf-8")
    ran = [
        pay("wages-1", "--log-level", "DEBUG"),
        pay("wages-1", amount="7"),
        pay("wages-2", "--json", "--wait", "5", "--log-level", "DEBUG", "--log-json"),
        pay("wages-6", to=f"{NUMBER}99999"),
        payouts("send", "--file", "people.csv", "--yes", "--log-level", "DEBUG"),
        payouts("send", "--file", "people.csv", "--yes", "--json"),
        payouts("show", "wages-1"),
        payouts("list"),
        payouts("resume", "--log-level", "DEBUG"),
        payouts("resume", "--json"),
    ]

    assert [one for one in ran if NUMBER in one.out + one.err] == []
    assert "payout.sending" in ran[0].err, "the control: events were printed"
    assert NUMBER in payouts("list", "--reveal").out
    assert NUMBER in payouts("send", "--file", "people.csv", "--yes", "--json", "--reveal").out


def test_log_events_go_to_standard_error(pay: Call) -> None:
    ran = pay("wages-1", "--json", "--log-level", "INFO", "--log-json")

    assert ran.json["key"] == "wages-1"
    assert all(line.startswith("{") for line in ran.err.splitlines())
    assert '"payout.created"' in ran.err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "code", "ignores"),
    [(signal.SIGINT, 130, ""), (signal.SIGTERM, 143, ""), (signal.SIGTERM, 143, "INT")],
    ids=["Ctrl-C", "SIGTERM", "SIGTERM to a background job"],
)
def test_interrupted_send_says_what_is_safe_and_resumes(
    start: Call, payouts: Call, gateway: MtnMomoEmulator, config: Path, number: signal.Signals, code: int, ignores: str
) -> None:
    text = config.read_text("utf-8")
    config.write_text(text.replace("timeout_s = 3", "timeout_s = 30").replace("lease_s = 6", "lease_s = 60"), "utf-8")
    gateway.set_faults({"slow_s": {"value": 20}})
    before = len(gateway.ledger())
    process: subprocess.Popen[str] = start(
        "send", "--key", "wages-1", "--to", f"+{NUMBER}", "--amount", "5", ignores=ignores
    )
    _until(lambda: len(gateway.ledger()) > before)

    process.send_signal(number)
    out, output = process.communicate(timeout=10)

    assert (process.returncode, out) == (code, "")
    assert output == (
        "Error: Stopped before it was finished.\n  What was accepted is in the journal: sending the same key again is "
        "safe, and `payouts resume` goes on.\n"
    )
    assert payouts("list", "--json").json[0]["status"] == "SENDING"


def _until(is_so: Callable[[], bool], *, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_provider_options_are_part_of_the_order(pay: Call, payouts: Call) -> None:
    """As part of the intent: the same key with another option is another payment, and refused."""
    ran = pay("wages-1", "--option", "transfer_type=A=B", "--json")
    again = pay("wages-1", "--option", "transfer_type=C", "--json")
    assert (ran.code, again.code, again.error["code"]) == (4, 1, "key_reused")
    for wrong in (("--option", "transfer_type"), ("--option", "=x"), ("--option", "a=1", "--option", "a=2")):
        assert pay("wages-2", *wrong).code == 2
    assert len(payouts("list", "--json").json) == 1


@pytest.fixture
def listed(pay: Call, payouts: Call) -> Call:
    """Four payouts: two of wages that succeed and fail, two of bonuses."""
    other = "+256700199886"
    for key, to in (("wages-1", other), ("wages-2", "46733123457"), ("bonus-1", other), ("bonus-2", f"+{NUMBER}")):
        pay(key, "--wait", "10", to=to)
    return payouts


def keys(found: Any) -> list[str]:
    """Return the keys of a list as JSON."""
    return [one["key"] for one in found.json]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--key-prefix", "wages"], ["wages-1", "wages-2"]),
        (["--key-prefix", "WAGES"], []),
        (["--status", "failed", "--status", "REVIEW"], ["wages-2"]),
        (["--reason", "payee_not_found"], ["wages-2"]),
        (["--reason", "expired"], []),
        (["--payee", "+256 700 199 886"], ["wages-1", "bonus-1"]),
        (["--payee", "256700199886", "--key-prefix", "b"], ["bonus-1"]),
        (["--from", "2001-01-01", "--to", "2999-01-01T00:00+03:00"], ["wages-1", "wages-2", "bonus-1", "bonus-2"]),
        (["--to", "2001-01-01"], []),
        (["--newest-first", "--limit", "3"], ["bonus-2", "bonus-1", "wages-2"]),
    ],
)
def test_list_meets_every_condition(listed: Call, options: list[str], expected: list[str]) -> None:
    """Each option of the command is a condition, in text and in JSON."""
    assert keys(listed("list", *options, "--json")) == expected
    lines = listed("list", *options).out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == expected


def test_list_continues_at_the_cursor(listed: Call) -> None:
    """A list that a limit ended names the cursor of the rest; the last page has none."""
    first = listed("list", "--limit", "3", "--json")
    cursor = json.loads(first.err)["next_cursor"]
    assert cursor in listed("list", "--limit", "3").err
    rest = listed("list", "--limit", "3", "--cursor", cursor, "--json")
    assert keys(first) + keys(rest) == ["wages-1", "wages-2", "bonus-1", "bonus-2"]
    assert rest.err == ""
    wrong = listed("list", "--cursor", cursor[:-2], "--json")
    assert (wrong.code, wrong.error["code"]) == (1, "invalid_argument")


def test_list_prints_pages_as_one_document(listed: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages are read, the output is the one list, and the one table."""
    whole, table = listed("list", "--json").out, listed("list").out
    monkeypatch.setattr("payments_core.cli.listing._PAGE", 1)
    assert listed("list", "--json").out == whole
    assert whole == json.dumps(json.loads(whole), indent=2, ensure_ascii=False) + "\n"
    assert [line.split() for line in listed("list").out.splitlines()] == [line.split() for line in table.splitlines()]


def test_list_goes_on_after_pages_without_payouts(listed: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is complete, and has as many payouts as a limit allows, however few entries a page looks at."""
    monkeypatch.setattr("payments_core.cli.listing._PAGE", 1)
    for name, value in (("LOOK", 1), ("SIDE_BY_SIDE", 1), ("KEYS", 0)):
        monkeypatch.setattr(f"payments_core.journal.sql.listing.{name}", value)
    assert keys(listed("list", "--key-prefix", "bonus", "--json")) == ["bonus-1", "bonus-2"]
    assert keys(listed("list", "--key-prefix", "bonus", "--limit", "1", "--json")) == ["bonus-1"]


@pytest.mark.parametrize("option", [["--status", "gone"], ["--reason", "gone"], ["--from", "soon"], ["--to", "1.1."]])
def test_list_refuses_a_condition_that_is_none(payouts: Call, option: list[str]) -> None:
    """A misspelt condition is a usage error, and no empty list."""
    assert payouts("list", *option).code == 2
