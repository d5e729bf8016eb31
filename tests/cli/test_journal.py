"""``payouts journal init``, and a journal whose address is a secret."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
SECRET = "hunter2-correct-horse"


@pytest.fixture
def shared(gateway: Any, folder: Path, new_database: Call, monkeypatch: pytest.MonkeyPatch, change: Call) -> str:
    """A configuration that says only where the address of its journal is; the database is empty, the password idle."""
    url: str = new_database()
    change('"sqlite:///payouts.db"', '"env:JOURNAL_URL"')
    url = f"{url}{'&' if '?' in url else '?'}password={SECRET}" if ":@" not in url and "@/" in url else url
    monkeypatch.setenv("JOURNAL_URL", url)
    return url


def test_shared_journal_is_created_by_command(shared: str, payouts: Call) -> None:
    """Before, every command says what to do; afterwards, all is well; nowhere is the password shown."""
    before = payouts("list", "--json")
    assert before.code == 1
    assert before.error["code"] == "journal_missing"
    assert "payouts journal init" in before.error["hint"]
    made = payouts("journal", "init", "--json")
    assert (made.code, made.json) == (0, {"journal": "env:JOURNAL_URL", "made": True})
    assert "is there already" in payouts("journal", "init", "--json").error["message"]
    assert payouts("list").code == 0
    doctor = payouts("doctor")
    assert (doctor.code, "journal: env:JOURNAL_URL: no payout yet" in doctor.out) == (0, True)
    for ran in (before, made, doctor):
        assert SECRET not in ran.out + ran.err


@pytest.mark.parametrize("lost", ["removed", "emptied"])
def test_lost_journal_of_real_money_is_not_created_anew(
    gateway: Any, folder: Path, payouts: Call, pay: Call, lost: str, change: Call
) -> None:
    """An old key would be paid again once the provider has forgotten it: every command stops, and says how to go on."""
    change("^(base_url|visible_after|dedupe_settle).*$", "")  # the provider's own gateway, which nothing here asks
    before = pay("old", "--json")
    assert (before.error["code"], "payouts journal init" in before.error["hint"]) == ("journal_missing", True)
    assert payouts("journal", "init").code == 0
    assert payouts("list", "--json").json == []
    journal = folder / "payouts.db"
    code = "journal_missing" if lost == "removed" else "journal_damaged"
    journal.unlink() if lost == "removed" else os.truncate(journal, 0)
    for command in (["send", "--key", "old", "--to", "256700199887", "--amount", "5"], ["list"], ["pause"], ["resume"]):
        ran = payouts(*command, "--json")
        assert (ran.code, ran.error["code"]) == (1, code), command
        assert "restore a backup" in ran.error["hint"]
    doctor = payouts("doctor", "--json").json
    assert [check["level"] for check in doctor["checks"] if check["what"] == "journal"] == ["wrong"]
    assert (journal.exists(), lost == "emptied" and journal.stat().st_size) == (lost == "emptied", False)


def test_journal_in_test_mode_is_created_at_first_use(gateway: Any, folder: Path, payouts: Call, pay: Call) -> None:
    """A file is made when it is first used; made twice it stays as it is, and other words come as JSON too."""
    assert payouts("list").code == 0
    assert pay("first", "--wait", "10").code == 0
    again = payouts("journal", "init", "--json")
    assert (again.code, again.error["code"]) == (1, "journal_error")
    assert "is there already; nothing was changed" in again.error["message"]
    assert len(payouts("list", "--json").json) == 1
    (folder / "payouts.db").rename(folder / "away.db")
    made = payouts("journal", "init", "--json")
    assert (made.code, made.json) == (0, {"journal": "sqlite:///payouts.db", "made": True})


def test_journal_secret_that_is_missing_is_named(gateway: Any, folder: Path, payouts: Call, change: Call) -> None:
    """What must be set is said before anything else goes wrong."""
    change('"sqlite:///payouts.db"', '"env:JOURNAL_URL"')
    ran = payouts("journal", "init", "--json")
    assert ran.error["code"] == "secret_missing"
    assert "JOURNAL_URL" in ran.error["message"]
