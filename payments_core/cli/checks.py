"""What the doctor looks at: configuration, secrets, journal, pauses and credentials; no money moves."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from payments_core import settings
from payments_core.cli import words
from payments_core.client import PayoutClient
from payments_core.entries import Journal
from payments_core.errors import PaymentsError, SettingsError
from payments_core.journal import open_journal
from payments_core.payout import PayoutStatus
from payments_core.performer import Office, utc_now
from payments_core.plugins import Plugins
from payments_core.provider import Account
from payments_core.retry import quiet
from payments_core.settings import Configuration

__all__ = ["Check", "examine", "write_configuration"]


class Check(NamedTuple):
    """One thing that was looked at.

    Args:
        level: ``ok``, ``note`` (look at it) or ``wrong``.
        what: What was looked at.
        says: What was found.
        hint: What to do.

    """

    level: Literal["ok", "note", "wrong"]
    what: str
    says: str
    hint: str = ""


def examine(path: Path) -> list[Check]:
    """Look at everything; what is wrong in one place hides nothing in another."""
    quiet()
    return list(_examine(path))


def _examine(path: Path) -> Iterator[Check]:
    try:
        read = settings.load(path)
    except PaymentsError as error:
        yield _wrong("configuration", error)
        return
    yield Check("ok", "configuration", f"{path}, {len(read.accounts)} accounts")
    try:
        plugins = Plugins()
        names = ", ".join(plugins.providers()) or "none"
    except PaymentsError as error:
        yield _wrong("plugins", error)
        return
    yield Check("ok", "plugins", f"providers: {names}")
    root = read.path.resolve().parent
    accounts: dict[str, Account] = {}
    for name, raw in read.accounts.items():
        yield from _account(name, raw, plugins, root, accounts)
    if not read.accounts:
        yield Check("note", "accounts", "none is configured", "Add [accounts.<name>] to pay from.")
    try:
        journal = open_journal(read.journal, namespace=read.namespace, root=root, clock=utc_now)
    except PaymentsError as error:
        yield _wrong("journal", error)
        return
    yield from _journal(read, journal, root)
    office = Office(namespace=read.namespace, journal=journal, plugins=plugins, accounts=accounts)
    with PayoutClient(office) as client:
        for name in client.accounts():
            yield _credential(client, name)


def _wrong(what: str, error: PaymentsError) -> Check:
    return Check("wrong", what, error.message, error.hint)


def _account(
    name: str, raw: Mapping[str, Any], plugins: Plugins, root: Path, accounts: dict[str, Account]
) -> Iterator[Check]:
    what = f"account {name}"
    try:
        spec = plugins.provider(raw["provider"])
        values = settings.read_account(
            spec.settings, name, raw, resolve_secret=lambda reference: plugins.resolve_secret(reference, root=root)
        )
        accounts[name] = Account(name, spec, values, spec.build(values))
    except PaymentsError as error:
        yield _wrong(what, error)
        return
    money = "no real money moves" if values.is_rehearsal else "REAL MONEY moves"
    yield Check("ok", what, f"{spec.title}, {values.currency}, {money}")
    for value in raw.values():
        if isinstance(value, str) and value.startswith("file:"):
            file = root / value.removeprefix("file:")
            if os.name == "posix" and file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
                yield Check("wrong", what, f"others may read the secret file {file}", f"chmod 600 {file}")


def _journal(read: Configuration, journal: Journal, root: Path) -> Iterator[Check]:
    counts = journal.counts()
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no payout yet"
    yield Check("ok", "journal", f"{read.journal}: {told}")
    file = root / read.journal.removeprefix("sqlite:///")
    if os.name == "posix" and file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Check("wrong", "journal", f"others may read {file}, and it holds payees", f"chmod 600 {file}")
    if review := counts.get(PayoutStatus.REVIEW):
        yield Check("note", "review", f"{review} payouts wait for a person", "`payouts list --status REVIEW`")
    gone = sorted({row.account for row in _open(journal) if row.account not in read.accounts})
    if gone:
        yield Check(
            "wrong",
            "journal",
            f"open payouts belong to accounts that are not configured: {', '.join(gone)}",
            "Put these accounts back until their payouts have come to an end.",
        )
    for pause in journal.pauses():
        level: Literal["note", "wrong"] = "note" if pause.by == "person" else "wrong"
        yield Check(level, "pause", words.lifting(pause))


def _open(journal: Journal) -> Iterator[Any]:
    for status in PayoutStatus:
        if not status.is_final:
            yield from journal.rows(status=status)


def _credential(client: PayoutClient, name: str) -> Check:
    what = f"credentials of {name}"
    problem = client.check_account(name)
    if not problem:
        return Check("ok", what, "the provider accepts them")
    return Check(
        "wrong",
        what,
        problem,
        "Compare the account's user, keys and environment with the provider's portal, and see that its server answers.",
    )


_NEW = """\
# The configuration of one installation. Secrets are never written here, only where they are.

[installation]
# References are derived from it: never change it, and keep it as safe as the journal.
namespace = "{namespace}"

[journal]
# The memory of every payout: back it up. The path starts at this file's folder.
url = "sqlite:///payouts.db"

[accounts]

# An account is where money is paid from. Uncomment, and fill in:
#
# [accounts.mtn-uganda]
# provider = "mtn_momo"
# target_environment = "mtnuganda"       # or "sandbox", which pays play money in EUR
# api_user = "00000000-0000-4000-8000-000000000000"
# api_key = "env:MTN_UGANDA_API_KEY"     # or "file:secrets/mtn-uganda-api-key", mode 0600
# subscription_key = "env:MTN_UGANDA_SUBSCRIPTION_KEY"
"""


def write_configuration(path: Path) -> None:
    """Write a new configuration with a fresh namespace.

    Raises:
        SettingsError: A file is there already, or it cannot be written.

    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_NEW.format(namespace=secrets.token_hex(16)))
    except FileExistsError:
        raise SettingsError(
            f"{path} is there already, and its namespace must not be lost.",
            hint="Name another path with --config, or go on with this one: `payouts doctor`.",
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from None
