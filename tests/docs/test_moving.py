"""The page about moving the journal: its commands, in its order, take a real file to a real database."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from payments_core import Money, Payee, PayoutClient
from payments_core.cli.app import run
from payments_mtn_momo.emulator import MtnMomoEmulator

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "move-the-journal.md"


def test_the_commands_of_the_page_move_the_journal(
    tmp_path: Path, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who follows it pays on from the database, with what was in the file."""
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"(?m)^ *\$ payouts (.*)$", PAGE.read_text("utf-8"))
    assert commands == ["journal move --to env:NEW_JOURNAL", "doctor"]
    order = {"payee": Payee.msisdn("46733000001"), "amount": Money(5, "EUR")}
    with MtnMomoEmulator() as gateway:
        gateway.write_config(tmp_path / "payouts.toml")
        with PayoutClient.from_config() as client:
            client.send(key="k", **order)
        monkeypatch.setenv("NEW_JOURNAL", new_database())
        assert run(commands[0].split()) == 0
        text = Path("payouts.toml").read_text("utf-8")
        Path("payouts.toml").write_text(re.sub(r'(?m)^url = "sqlite:.*"$', 'url = "env:NEW_JOURNAL"', text), "utf-8")
        assert run(commands[1].split()) == 0
        with PayoutClient.from_config() as client:
            client.send(key="k", **order)
        assert [entry["credits"] for entry in gateway.ledger()] == [1]
