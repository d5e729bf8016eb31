"""Builds the accounts that can be built: read-only commands must work without a secret or a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments_core.domain.errors import SettingsError
    from payments_core.plugins.manager import Plugins
    from payments_core.provider import Account
    from payments_core.settings import Configuration

__all__ = ["build_accounts"]


def build_accounts(
    read: Configuration, plugins: Plugins | None = None
) -> tuple[dict[str, Account], dict[str, SettingsError]]:
    """Return the accounts that can be built, and the errors of the others, by name."""
    from payments_core.client import build_account
    from payments_core.domain.errors import SettingsError
    from payments_core.plugins.manager import Plugins

    accounts: dict[str, Account] = {}
    missing: dict[str, SettingsError] = {}
    try:
        plugins = plugins or Plugins()
    except SettingsError as error:
        return {}, dict.fromkeys(read.accounts, error)
    for name, raw in read.accounts.items():
        try:
            accounts[name] = build_account(plugins, name, raw, root=read.root)
        except SettingsError as error:
            missing[name] = error
    return accounts, missing
