"""payouts.toml: read, and checked as far as no provider is needed."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from payments_core.domain.errors import SettingsError
from payments_core.settings.accounts import WorkerSettings
from payments_core.settings.files import read_file
from payments_core.settings.tables import read_table

__all__ = ["Configuration", "load"]

_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Configuration:
    """A payouts.toml, read but not yet given to the providers.

    Args:
        path: Where it was read.
        namespace: ``[installation] namespace``.
        journal: ``[journal] url``: an address without a password, or a reference to one.
        accounts: The raw tables ``[accounts.<name>]``.
        worker: ``[worker]``.
        webhooks: The raw tables ``[webhooks.<name>]``.
        default_account: ``[installation] default_account``; empty when there is none.
        routes: The raw tables ``[[routes]]``, in their order.

    """

    path: Path
    namespace: str
    journal: str
    accounts: Mapping[str, Mapping[str, Any]]
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    webhooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    default_account: str = ""
    routes: Sequence[Mapping[str, Any]] = ()

    @property
    def root(self) -> Path:
        """The folder in which relative paths start."""
        return self.path.resolve().parent


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_URLS = ("sqlite:///", "postgresql://", "postgres://", "env:", "file:")
_TABLES = {"installation": {"namespace", "default_account"}, "journal": {"url"}, "accounts": None}
_OPTIONAL = {"routes", "webhooks", "worker"}


def load(path: str | Path) -> Configuration:
    """Read a payouts.toml.

    Raises:
        SettingsError: There is none, others can change it, it is no TOML, or a table is missing, unknown or of the
            wrong form.

    """
    file = Path(path)
    raw = _read_toml(file, str(path))
    _check_tables(raw, path)
    installation, accounts = raw["installation"], raw["accounts"]
    _check_namespace(installation.get("namespace"), path)
    _check_journal(raw["journal"].get("url"), path)
    _check_accounts(accounts, path)
    default_account, routes = installation.get("default_account", ""), raw.get("routes", [])
    if default_account != "" and default_account not in list(accounts):
        raise SettingsError(
            f"{path}: [installation] default_account names {default_account!r}, which is not configured.",
            hint="Name an account as in [accounts.NAME], or leave the setting out.",
        )
    worker = read_table(WorkerSettings, "[worker]", raw.get("worker", {}), resolve_secret=SecretStr)
    webhooks = raw.get("webhooks", {})
    _check_webhooks(webhooks, accounts, path)
    _check_routes(routes, default_account, path)
    return Configuration(
        file,
        installation["namespace"],
        raw["journal"]["url"],
        accounts,
        worker,
        webhooks,
        default_account,
        tuple(routes),
    )


def _read_toml(file: Path, path: str) -> dict[str, Any]:
    try:
        text = read_file(file, path, most_bytes=_MOST_BYTES).text
    except FileNotFoundError:
        raise SettingsError(
            f"There is no configuration at {file.resolve()}.",
            hint="Stand in its folder, or name it with --config. For a new installation make one: `payouts doctor "
            "--init` for your own accounts, or `payouts emulator PROVIDER --write-config payouts.toml` to try it "
            "without money.",
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} cannot be read: it is not UTF-8.", hint="Save it as UTF-8.") from None
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # Python refuses a number of thousands of digits by itself
        cause: object = "a number in it is too long, or its tables are nested too deep"
        if isinstance(error, tomllib.TOMLDecodeError):
            cause = error
        raise SettingsError(
            f"{path} cannot be read as TOML: {cause}.",
            hint='Look at that line: text stands in double quotes (api_key = "env:NAME"), and each table and setting '
            "stands there once.",
        ) from None


def _check_tables(raw: Mapping[str, Any], path: str | Path) -> None:
    unknown_tables = sorted(set(raw) - set(_TABLES) - _OPTIONAL)
    for table, allowed in _TABLES.items():
        if not isinstance(raw.get(table), dict):
            similar = difflib.get_close_matches(table, unknown_tables, 1, 0.6)
            misspelt = f"There is [{similar[0]}]: did you mean [{table}]?" if similar else ""
            raise SettingsError(
                f"{path} has no [{table}] table.",
                hint=misspelt or "See the page reference/settings of the documentation for its form.",
            )
        unknown = set(raw[table]) - allowed if allowed else set()
        if unknown:
            raise SettingsError(f"{path}: [{table}] does not know {', '.join(sorted(unknown))}.")
    if unknown_tables:
        known = ", ".join(f"[{table}]" for table in (*_TABLES, *sorted(_OPTIONAL)))
        raise SettingsError(f"{path} has unknown tables: {', '.join(unknown_tables)}.", hint=f"There are {known}.")


def _check_namespace(namespace: object, path: str | Path) -> None:
    if not isinstance(namespace, str) or len(namespace) < 8:
        raise SettingsError(
            f"{path}: [installation] namespace is missing or shorter than 8 characters.",
            hint="References are derived from it: put back the one that the journal was made with. A new installation "
            'takes a fresh one, such as: python3 -c "import secrets; print(secrets.token_hex(16))".',
        )


def _check_journal(url: object, path: str | Path) -> None:
    if not isinstance(url, str) or not url.startswith(_URLS):
        raise SettingsError(
            f"{path}: [journal] url must look like sqlite:///payouts.db or postgresql://user@host/database."
        )
    if _has_password(url):
        raise SettingsError(
            f"{path}: [journal] url holds a password.",
            hint='Put the whole address where secrets are, and write url = "env:NAME" or "file:PATH"; or leave the '
            "password out and give it to PGPASSFILE.",
        )


def _has_password(url: str) -> bool:
    if not url.startswith("postgres"):
        return False
    user = url.split("://", 1)[1].rpartition("@")[0]
    return ":" in user or re.search(r"[?&](ssl)?password=", url) is not None


def _check_accounts(accounts: Mapping[str, Any], path: str | Path) -> None:
    for name, account in accounts.items():
        if not _NAME.fullmatch(name) or not isinstance(account, dict) or not isinstance(account.get("provider"), str):
            raise SettingsError(
                f'{path}: [accounts.{name}] needs a provider = "…" and a name of small letters, digits, - and _.'
            )


def _check_webhooks(webhooks: object, accounts: Mapping[str, Any], path: str | Path) -> None:
    if not isinstance(webhooks, dict) or not all(
        _NAME.fullmatch(name) and isinstance(table, dict) for name, table in webhooks.items()
    ):
        raise SettingsError(
            f"{path}: a webhook is a table [webhooks.NAME] with a name of small letters, digits, - and _."
        )
    for name, table in webhooks.items():
        listed = table.get("accounts", [])
        if isinstance(listed, list) and (unknown := [one for one in listed if one not in accounts]):
            raise SettingsError(
                f"{path}: [webhooks.{name}] accounts names {unknown[0]!r}, which is not configured.",
                hint="Name accounts as in [accounts.NAME], or leave the setting out for all.",
            )


def _check_routes(routes: object, default_account: str, path: str | Path) -> None:
    if not isinstance(routes, list) or not all(isinstance(table, dict) for table in routes):
        raise SettingsError(
            f"{path}: routes are tables of their own, in the order in which they are tried.",
            hint="Begin each with [[routes]], in two pairs of brackets.",
        )
    if default_account and routes:
        raise SettingsError(
            f"{path}: [installation] default_account and [[routes]] both say which account pays.",
            hint="Leave out default_account; a last route without conditions takes what no other takes.",
        )
