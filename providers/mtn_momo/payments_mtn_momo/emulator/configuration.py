"""The payouts.toml that pays through an emulator: written once, read back after a restart."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from payments_core.errors import SettingsError
from payments_core.settings import load
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.targets import TARGETS

__all__ = ["account_name", "read_back", "write_new"]

_TEMPLATE = """\
# Written by the emulator: no money moves. The journal beside this file belongs to this namespace.

[installation]
namespace = "{namespace}"

[journal]
url = "sqlite:///payouts.db"

[accounts.{name}]
provider = "mtn_momo"
target_environment = "{target}"  # pays in {currency}
{platform}base_url = "{url}"
api_user = "{api_user}"
api_key = "file:{api_key}"
subscription_key = "file:{subscription_key}"
# Quick, for a rehearsal. Leave all of these out for a live account: the defaults are made for it.
timeout_s = 3  # live: the default, 30
lease_s = 6  # live: the default, 90
visible_after_s = 2  # live: the provider's own figure, 300
poll_schedule_s = [0.5, 1, 2, 3, 5, 5, 5, 5, 10, 10, 30, 60, 60, 60, 60, 60]  # live: the default, up to 72 hours
retry_schedule_s = [0.5, 1, 2, 5]  # live: the default, 2 s to 5 min
probe_after_s = 10  # live: the default, 300
"""


def account_name(target: str) -> str:
    """Return the account's name for a target: ``mtn-sandbox``, ``mtn-uganda``."""
    return f"mtn-{target.removeprefix('mtn')}"


def write_new(path: Path, *, url: str, target: str, platform: str = "", credentials: Credentials) -> str:
    """Write the file and its secrets, readable by their owner alone; return the account's name."""
    name = account_name(target)
    folder = path.parent / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = {}
    for what in ("api_key", "subscription_key"):
        files[what] = f"secrets/emulator-{name}-{what.replace('_', '-')}"
        _write(path.parent / files[what], getattr(credentials, what), mode=0o600)
    text = _TEMPLATE.format(
        namespace=secrets.token_hex(16),
        name=name,
        target=target,
        currency=TARGETS[target].currency,
        platform=f'platform = "{platform}"\n' if platform else "",
        url=url,
        api_user=credentials.api_user,
        **files,
    )
    _write(path, text, mode=0o644)
    return name


def _write(path: Path, text: str, *, mode: int) -> None:
    """Put a file in place at once, with its final mode from the first byte."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    try:
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def read_back(path: Path, *, url: str, target: str, platform: str = "") -> tuple[str, Credentials]:
    """Return the account of a file written before, and its credentials.

    Raises:
        SettingsError: The file does not pay through this address, or its secrets cannot be read.

    """
    accounts = load(path).accounts
    name = account_name(target)
    account = accounts.get(name)
    if account is None or account.get("target_environment") != target:
        raise SettingsError(
            f"{path} is there already and has no account {name} for {target}.", hint="Write to another path."
        )
    if account.get("base_url") != url:
        raise SettingsError(
            f"{path} is there already and pays through {account.get('base_url', 'the live gateway')}, not {url}.",
            hint="Start the emulator on that port, or write to another path.",
        )
    if (written := str(account.get("platform", ""))) != platform and {written, platform} & {"momo_africa"}:
        raise SettingsError(
            f"{path} is there already and pays through another platform: {written or 'the one of its target'}.",
            hint="Write to another path.",
        )
    user = account.get("api_user")
    if not isinstance(user, str):
        raise SettingsError(f"{path}: [accounts.{name}] has no api_user.", hint="Write to another path.")
    keys = (_secret(path, name, account, what) for what in ("api_key", "subscription_key"))
    return name, Credentials(user, *keys)


def _secret(path: Path, name: str, account: Any, what: str) -> str:
    reference = str(account.get(what, ""))
    if reference.startswith("file:"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if found := (path.parent / reference.removeprefix("file:")).read_text("utf-8").strip():
                return found
    raise SettingsError(
        f"{path}: the {what} of [accounts.{name}] cannot be read from its file.",
        hint="Remove the configuration and its journal to begin anew, or write to another path.",
    )
