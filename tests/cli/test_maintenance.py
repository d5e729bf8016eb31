"""``payouts journal verify``, ``backup`` and ``trim``, and ``payouts erase``."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[..., Any]
NUMBER = "256700199887"
BY = ("--actor", "Ann", "--reason", "asked for it")


def test_verify_exits_with_0_for_a_sound_journal_and_with_1_for_flaws(
    pay: Call, payouts: Call, config: Path, write_sql: Call
) -> None:
    """What is wrong is named by payout and rule, for people and for machines."""
    paid = pay("one", "--json").json
    well = payouts("journal", "verify")
    assert (well.code, well.out) == (0, "No flaws found: 1 payout in the journal.\n")
    write_sql("UPDATE payouts SET version = version + 1")
    ran = payouts("journal", "verify")
    assert ran.code == 1
    assert f"{paid['id']}: version: " in ran.out
    fields = payouts("journal", "verify", "--json")
    assert (fields.code, fields.json["ok"], fields.json["payouts"]) == (1, False, 1)
    assert [(one["payout"], one["rule"]) for one in fields.json["flaws"]] == [(paid["id"], "version")]


def test_verify_needs_no_secret_and_says_what_it_could_not_derive(pay: Call, payouts: Call, change: Call) -> None:
    """Looking works where nothing can be paid."""
    pay("one")
    change('^subscription_key = "', 'subscription_key = "env:NOT_SET_')
    ran = payouts("journal", "verify")
    assert (ran.code, "could not be checked" in ran.err) == (0, True)
    assert list(payouts("journal", "verify", "--json").json["references_not_derived"]) == ["mtn-uganda"]


def test_verify_creates_no_journal(payouts: Call, config: Path) -> None:
    """Nothing is written, not even where nothing is."""
    ran = payouts("journal", "verify", "--json")
    assert (ran.code, ran.error["code"]) == (1, "journal_missing")
    assert not (config.parent / "payouts.db").exists()


def test_backup_is_checked_and_refused_for_paying(pay: Call, payouts: Call, config: Path) -> None:
    """It can be verified by its name; every other command refuses it and says what to do."""
    pay("one")
    ran = payouts("journal", "backup", "b.db", "--json")
    assert (ran.code, ran.json["payouts"], ran.json["flaws"]) == (0, 1, 0)
    assert stat.S_IMODE((config.parent / "b.db").stat().st_mode) == 0o600
    again = payouts("journal", "backup", "b.db", "--json")
    assert (again.code, "already" in again.error["message"]) == (1, True)
    assert payouts("journal", "verify", "b.db").out.startswith("No flaws found: 1 payout in the backup of 20")
    config.write_text(config.read_text("utf-8").replace("sqlite:///payouts.db", "sqlite:///b.db"), "utf-8")
    for command in (["list"], ["resume", "--timeout", "0"], ["show", "one"]):
        refused = payouts(*command, "--json")
        assert (refused.code, refused.error["code"]) == (1, "journal_is_backup"), command
        assert "payouts journal restored --gap-from" in refused.error["hint"]
    assert pay("two", "--json").error["code"] == "journal_is_backup"


def test_backup_of_a_journal_with_flaws_exits_with_1(pay: Call, payouts: Call, config: Path, write_sql: Call) -> None:
    """It is kept, as it is what there is, and it leaves with 1."""
    pay("one")
    write_sql("UPDATE payouts SET version = version + 1")
    ran = payouts("journal", "backup", "b.db")
    assert (ran.code, "It has 1 flaw:" in ran.out, (config.parent / "b.db").exists()) == (1, True, True)


def test_erase_is_a_dry_run_unless_yes_is_given(pay: Call, payouts: Call, config: Path) -> None:
    """Without --yes nothing is changed; with it, the number is gone from the file and from what is shown."""
    paid = pay("one", "--note", "wages of Mrs Namukasa", "--wait", "30", "--json").json
    rehearsed = payouts("erase", "one", *BY)
    assert (rehearsed.code, "would be erased" in rehearsed.out) == (0, True)
    assert payouts("show", "one", "--reveal", "--json").json["payee"] == NUMBER
    done = payouts("erase", "--payee", f"+{NUMBER}", *BY, "--yes", "--json")
    assert done.json == {"done": True, "erased": [paid["id"]], "kept": {}, "rows": 0, "vacuumed": True}
    shown = payouts("show", "one", "--reveal", "--json")
    assert shown.json["payee"].startswith("erased:")
    assert "erased:" in payouts("show", "one").out
    for path in config.parent.glob("payouts.db*"):
        assert NUMBER.encode() not in path.read_bytes()
        assert b"Namukasa" not in path.read_bytes()
    assert payouts("journal", "verify").code == 0
    assert pay("one", "--note", "wages of Mrs Namukasa", "--json").json["status"] == "SUCCEEDED"


def test_erase_of_an_open_payout_is_refused(pay: Call, payouts: Call, config: Path, write_sql: Call) -> None:
    """An open payout is needed; and exactly one thing has to be named."""
    pay("late", "--to", "+256700199887")
    write_sql("UPDATE payouts SET status = 'PENDING'")
    ran = payouts("erase", "late", *BY, "--yes", "--json")
    assert (ran.code, ran.error["code"]) == (1, "decision_refused")
    assert NUMBER not in ran.err
    assert payouts("erase", *BY).code == 2
    assert payouts("erase", "late", "--before", "2026-01-01", *BY).code == 2
    swept = payouts("erase", "--before", "2020-01-01", *BY, "--yes")
    assert (swept.code, "The payee of 0 payouts is erased." in swept.out) == (0, True)


def test_trim_removes_old_callbacks(pay: Call, payouts: Call, config: Path, write_sql: Call) -> None:
    """Handled ones, after the days asked for."""
    pay("one")
    columns = "INSERT INTO inbox (account, received_at, query, method, body, handled_at, outcome)"
    write_sql(f"{columns} VALUES ('a', 1, '', 'PUT', '', 1, 'x'), ('a', 1, '', 'PUT', '', NULL, '')")
    ran = payouts("journal", "trim", "--days", "30", "--json")
    assert (ran.code, ran.json["removed"]) == (0, 1)
    assert "0 callbacks removed" in payouts("journal", "trim").out


def test_shared_journal_is_verified_backed_up_and_erased(
    pay: Call, payouts: Call, config: Path, share_journal: Callable[[Path], str]
) -> None:
    """The same words for both stores; of what a server keeps, it is said that it does."""
    share_journal(config)
    pay("one", "--wait", "30")
    assert payouts("journal", "verify").code == 0
    made = json.loads(payouts("journal", "backup", "b.db", "--json").out)
    assert (made["payouts"], made["flaws"]) == (1, 0)
    assert payouts("journal", "verify", "b.db").code == 0
    done = payouts("erase", "one", *BY, "--yes")
    assert (done.code, "when it vacuums" in done.out) == (0, True)
