"""The payouts.toml that pays through an emulator: written once, read back after a restart."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from payments_core.domain.errors import SecretMissing, SettingsError
from payments_core.settings import load, read_secret

__all__ = ["EmulatedAccount", "read_back", "write_new"]

_ELSEWHERE = "Write to another path."
_TEMPLATE = """\
# Written by the emulator: no money moves. The journal beside this file belongs to this namespace.

[installation]
namespace = "{namespace}"

[journal]
url = "sqlite:///{journal}.db"

[accounts.{name}]
provider = "{provider}"
{settings}
{limits}# Short times for tests. Leave all of these out for a live account: the defaults are meant for it.
timeout_s = 3  # live: the default, 30
lease_s = 6  # live: the default, 90
visible_after_s = 2  # live: the provider's own figure
dedupe_settle_s = 1  # live: the provider's own figure
poll_schedule_s = [0.5, 1, 2, 3, 5, 5, 5, 5, 10, 10, 30, 60, 60, 60, 60, 60]  # live: the default, up to 72 hours
retry_schedule_s = [0.5, 1, 2, 5]  # live: the default, 2 s to 5 min
probe_after_s = 10  # live: the default, 300
reads_per_s = 0  # no limit; live: the provider's own figure
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedAccount:
    """An account that pays through an emulator."""

    name: str  #: Its name in the configuration.
    provider: str  #: The provider's name.
    #: Its settings in this order, with the emulator's address. ``write_new`` adds short waits.
    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)  #: Secrets, each written into a file of its own.
    #: The most that one payout may be, for each currency it pays in.
    largest_amount: Mapping[str, str] = field(default_factory=dict)
    taken: Collection[str] = ()  #: Settings that are read back from an existing file, like its secrets.


def write_new(path: Path, account: EmulatedAccount) -> None:
    """Write the file and its secrets, readable by their owner only.

    Several files can share a folder: a journal is named after the file, secrets after its namespace.

    It adds short waits, which the account's settings must not have: ``timeout_s``, ``lease_s``, ``visible_after_s``,
    ``dedupe_settle_s``, ``poll_schedule_s``, ``retry_schedule_s``, ``probe_after_s``, and ``reads_per_s`` (no limit).
    Of these, ``visible_after_s`` and ``dedupe_settle_s`` may be shorter than the provider's own only where the settings
    class says ``is_test_mode`` for a server on this machine.
    """
    namespace = secrets.token_hex(16)
    folder = path.parent / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [_line(name, value) for name, value in account.settings.items()]
    for what, value in account.secrets.items():
        file = f"secrets/emulator-{account.name}-{namespace[:8]}-{what.replace('_', '-')}"
        _write(path.parent / file, value, mode=0o600)
        lines.append(_line(what, f"file:{file}"))
    text = _TEMPLATE.format(
        namespace=namespace,
        journal=path.stem if re.fullmatch(r"[A-Za-z0-9._-]+", path.stem) else "payouts",
        name=account.name,
        provider=account.provider,
        settings="\n".join(lines),
        limits=_limits(account.largest_amount),
    )
    _write(path, text, mode=0o644)


def read_back(path: Path, account: EmulatedAccount) -> EmulatedAccount:
    """Return the account of an existing file, with its settings and secrets.

    Args:
        path: The file.
        account: The account as it would be written; its settings must be equal in the file.

    Raises:
        SettingsError: The file does not pay through this emulator, or its secrets cannot be read.

    """
    written = load(path).accounts.get(account.name)
    if written is None:
        raise SettingsError(f"{path} is there already and has no account {account.name}.", hint=_ELSEWHERE)
    found = {name: value for name, value in written.items() if isinstance(value, str)}
    for name, value in account.settings.items():
        if name not in found:
            raise SettingsError(f"{path}: [accounts.{account.name}] has no {name}.", hint=_ELSEWHERE)
        if name not in account.taken and found[name] != value:
            raise SettingsError(
                f"{path} is there already: the {name} of [accounts.{account.name}] is {found[name]!r}, not {value!r}.",
                hint=f"Start the emulator on that port, or w{_ELSEWHERE[1:]}" if name == "base_url" else _ELSEWHERE,
            )
    read = {what: _secret(path, account.name, written.get(what), what) for what in account.secrets}
    return EmulatedAccount(name=account.name, provider=account.provider, settings=found, secrets=read)


def _line(name: str, value: str) -> str:
    return f"{name} = {json.dumps(value)}"


def _limits(largest_amount: Mapping[str, str]) -> str:
    """Return the setting in one line: a separate table would end the account's."""
    if not largest_amount:
        return ""
    table = ", ".join(_line(code, amount) for code, amount in largest_amount.items())
    return f"largest_amount = {{ {table} }}  # more is refused as a mistake; live: your own figure\n"


def _write(path: Path, text: str, *, mode: int) -> None:
    """Write a file atomically, with its final mode from the first byte."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    try:
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _secret(path: Path, name: str, written: object, what: str) -> str:
    reference = str(written or "")
    with contextlib.suppress(SecretMissing):
        if reference.startswith("file:") and (found := read_secret(reference, root=path.parent)) is not None:
            return found.get_secret_value()
    raise SettingsError(
        f"{path}: the {what} of [accounts.{name}] cannot be read from its file.",
        hint="Remove the configuration and its journal to begin anew, or write to another path.",
    )
