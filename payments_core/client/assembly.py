"""From a configuration to a runtime: plugins loaded, secrets resolved, accounts built, journal open."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from payments_core import settings
from payments_core.domain.errors import SettingsError
from payments_core.journal import open_journal
from payments_core.plugins.manager import Plugins
from payments_core.provider import Account
from payments_core.routing import read_routes
from payments_core.runtime import Clock, Runtime, utc_now
from payments_core.settings import AccountSettings, Configuration
from payments_core.webhooks import Webhook, read_webhook

__all__ = ["assemble", "build_account", "build_webhook"]


def assemble(
    configuration: str | Path | Configuration, *, plugins: Plugins | None = None, clock: Clock = utc_now
) -> Runtime:
    """Build everything a client needs; whatever is wrong is found here, before the first payout.

    Args:
        configuration: Path of a payouts.toml, or one that was read.
        plugins: Loaded plugins; the installed ones when not given.
        clock: Tells the time.

    Raises:
        SettingsError: A setting, secret or plugin is wrong.
        JournalMissing: There is no journal, and an account pays real money.
        JournalError: The journal cannot be opened.

    """
    read = configuration if isinstance(configuration, Configuration) else settings.load(configuration)
    loaded = Plugins() if plugins is None else plugins
    root = read.path.resolve().parent
    accounts = {name: build_account(loaded, name, raw, root=root) for name, raw in read.accounts.items()}
    webhooks = {name: build_webhook(loaded, name, raw, root=root) for name, raw in read.webhooks.items()}
    routes = read_routes(read.routes, accounts)
    # Where real money moves a missing journal is not a new one: it would not know what was paid.
    make = all(account.settings.is_test_mode for account in accounts.values())
    journal = open_journal(read.journal, namespace=read.namespace, root=root, clock=clock, make=make)
    return Runtime(
        read.namespace,
        journal,
        loaded,
        accounts,
        clock=clock,
        webhooks=webhooks,
        default_account=read.default_account,
        routes=routes,
    )


def build_webhook(plugins: Plugins, name: str, raw: Mapping[str, Any], *, root: Path) -> Webhook:
    """Make a webhook of its table.

    Args:
        plugins: Loaded; they resolve the secrets.
        name: The webhook's name.
        raw: Its table of the configuration.
        root: Where relative paths start.

    Raises:
        SettingsError: A setting or secret is wrong.

    """
    return read_webhook(name, raw, resolve_secret=functools.partial(plugins.resolve_secret, root=root))


def build_account(plugins: Plugins, name: str, raw: Mapping[str, Any], *, root: Path) -> Account:
    """Make an account of its table, with the identities it had before.

    Args:
        plugins: Loaded; they bring the provider and resolve the secrets.
        name: The account's name.
        raw: Its table of the configuration.
        root: Where relative paths start.

    Raises:
        SettingsError: A setting or secret is wrong.

    """
    spec = plugins.provider(raw["provider"])

    def read(table: Mapping[str, Any], title: str) -> AccountSettings:
        resolve = functools.partial(plugins.resolve_secret, root=root)
        return settings.read_account(spec.settings, title, table, resolve_secret=resolve)

    now = read(raw, name)
    shared = {key: value for key, value in raw.items() if key in AccountSettings.model_fields and key != "retired"}
    retired = []
    for table in now.retired:
        then = read({**shared, **table}, f"{name}.retired")
        if then.is_test_mode != now.is_test_mode:
            raise SettingsError(
                f"[[accounts.{name}.retired]] mixes play money and real money.",
                hint="Give the real account a name of its own, and leave the test account as it is.",
            )
        retired.append(Account(name, spec, then, spec.build(then), is_retired=True))
    return Account(name, spec, now, spec.build(now), retired=tuple(retired))
