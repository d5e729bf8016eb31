"""``payouts journal upgrade``, and a journal whose address is a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_core.journal.postgres_schema import MIGRATIONS

NEWEST = len(MIGRATIONS)
Call = Callable[..., Any]
SECRET = "hunter2-correct-horse"


@pytest.fixture
def shared(gateway: Any, folder: Path, new_database: Call, monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration that says only where the address of its journal is; the database is empty, the password idle."""
    url: str = new_database()
    path = folder / "payouts.toml"
    path.write_text(path.read_text("utf-8").replace('"sqlite:///payouts.db"', '"env:JOURNAL_URL"'), "utf-8")
    url = f"{url}{'&' if '?' in url else '?'}password={SECRET}" if ":@" not in url and "@/" in url else url
    monkeypatch.setenv("JOURNAL_URL", url)
    return url


def test_a_shared_journal_is_made_by_command(shared: str, payouts: Call) -> None:
    """Before, every command says what to do; afterwards, all is well; nowhere is the password shown."""
    before = payouts("list", "--json")
    assert before.code == 1
    assert "payouts journal upgrade" in before.error["hint"]
    made = payouts("journal", "upgrade")
    assert (made.code, made.out) == (0, f"env:JOURNAL_URL: made, of version {NEWEST}.\n")
    again = payouts("journal", "upgrade", "--json")
    assert again.json == {"journal": "env:JOURNAL_URL", "before": NEWEST, "after": NEWEST}
    assert payouts("list").code == 0
    doctor = payouts("doctor")
    assert (doctor.code, "journal: env:JOURNAL_URL: no payout yet" in doctor.out) == (0, True)
    for ran in (before, made, again, doctor):
        assert SECRET not in ran.out + ran.err


def test_a_file_needs_no_upgrade(gateway: Any, folder: Path, payouts: Call) -> None:
    """It is brought forward when it is opened, and this makes none."""
    ran = payouts("journal", "upgrade")
    assert (ran.code, "nothing to do" in ran.out) == (0, True)
    assert not (folder / "payouts.db").exists()


def test_a_secret_that_is_missing_is_named(gateway: Any, folder: Path, payouts: Call) -> None:
    """What must be set is said before anything else goes wrong."""
    path = folder / "payouts.toml"
    path.write_text(path.read_text("utf-8").replace('"sqlite:///payouts.db"', '"env:JOURNAL_URL"'), "utf-8")
    ran = payouts("journal", "upgrade", "--json")
    assert ran.error["code"] == "secret_missing"
    assert "JOURNAL_URL" in ran.error["message"]
