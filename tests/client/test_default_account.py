"""Who pays when nobody names an account: a plugin's choice, then the configuration's default, then the only one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from payments_core import Money, Payee, PayoutClient, hookimpl
from payments_core.client import assemble
from payments_core.domain.errors import InvalidPayout, SettingsError
from payments_core.domain.payout import Order
from payments_core.plugins.manager import Plugins
from payments_mtn_momo.emulator import MtnMomoEmulator


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A configuration of two accounts, without a default."""
    path = tmp_path / "payouts.toml"
    MtnMomoEmulator(port=1).write_config(path)
    text = path.read_text("utf-8")
    head, name, table = re.split(r"\[accounts\.([\w-]+)\]", text)
    assert name == "mtn-sandbox"
    path.write_text(f"{head}[accounts.first]{table}\n[accounts.second]{table}", "utf-8")
    return path


def by_default(path: Path, name: str) -> None:
    text = path.read_text("utf-8")
    path.write_text(text.replace("[installation]", f'[installation]\ndefault_account = "{name}"'), "utf-8")


def chosen(path: Path, account: str | None = None, plugins: Plugins | None = None, key: str = "") -> str:
    with PayoutClient(assemble(path, plugins=plugins)) as client:
        payee, amount = Payee.msisdn("+46733123481"), Money("5", "EUR")
        return client.accept(key=key or f"key/{account}", payee=payee, amount=amount, account=account).account


class ChoosesFirst:
    """A plugin with an opinion."""

    @hookimpl
    def payments_choose_account(self, order: Order, accounts: Sequence[str]) -> str | None:
        return accounts[0]


def test_account_must_be_named_without_a_default(two: Path) -> None:
    with pytest.raises(InvalidPayout, match="Name the account to pay from: first, second"):
        chosen(two)


def test_default_account_pays_unless_the_caller_or_a_plugin_chooses(two: Path) -> None:
    by_default(two, "second")
    plugins = Plugins()
    plugins.register(ChoosesFirst(), "chooses")
    assert chosen(two) == "second"
    assert chosen(two, "first") == "first"
    assert chosen(two, plugins=plugins, key="of the plugin") == "first"


def test_default_that_changes_moves_no_payout(two: Path) -> None:
    """The same key is the same payout, from the account it has."""
    by_default(two, "second")
    assert chosen(two) == "second"
    two.write_text(two.read_text("utf-8").replace('default_account = "second"', 'default_account = "first"'), "utf-8")
    assert chosen(two) == "second"


def test_default_beside_routes_is_refused(two: Path) -> None:
    """Two answers to one question: found at start."""
    by_default(two, "first")
    two.write_text(two.read_text("utf-8") + '\n[[routes]]\naccount = "second"\n', "utf-8")
    with pytest.raises(SettingsError, match="both say which account pays"):
        chosen(two)
