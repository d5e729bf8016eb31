"""The checks of ``payouts doctor``: configuration, secrets, journal, pauses, credentials; no money moves."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from payments_core import settings
from payments_core.cli import messages
from payments_core.cli.accounts import build_accounts
from payments_core.client import PayoutClient, build_webhook
from payments_core.client.inbox import PATH
from payments_core.domain.causes import PausedBy
from payments_core.domain.errors import JournalError, PaymentsError, SettingsError
from payments_core.domain.listing import ToCheck
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.engine.journal_protocol import Journal
from payments_core.journal import open_journal
from payments_core.plugins.manager import Plugins, found
from payments_core.provider import Account, Authenticates
from payments_core.routing import read_routes
from payments_core.runtime import Runtime, utc_now
from payments_core.settings import Configuration

__all__ = ["Check", "examine", "write_configuration"]


class Check(NamedTuple):
    """The result of one check: its subject, what it found, and how to fix it; a ``note`` is worth a look."""

    level: Literal["ok", "note", "wrong"]
    what: str
    says: str
    hint: str = ""


def examine(path: Path) -> Iterator[Check]:
    """Run all checks; a failed one hides no other."""
    try:
        read = settings.load(path)
    except PaymentsError as error:
        yield _wrong("configuration", error)
        return
    yield Check("ok", "configuration", f"{path}, {messages.counted(len(read.accounts), 'account')}")
    try:
        plugins = Plugins()
        plugins.providers()
    except PaymentsError as error:
        yield _wrong("plugins", error)
        return
    names = ", ".join(f"{plugin.name} {plugin.version}" for plugin in found()) or "none"
    yield Check("ok", "plugins", f"payments-core {version('payments-core')}; installed: {names}")
    accounts, broken = build_accounts(read, plugins)
    for name, raw in read.accounts.items():
        if name in broken:
            yield _wrong(f"account {name}", broken[name])
        else:
            yield from _account(accounts[name])
            yield from _exposed(f"account {name}", raw, read.root)
    if read.routes and not broken:
        yield _routes(read, accounts)
    if not read.accounts:
        yield Check("note", "accounts", "none is configured", "Add [accounts.<name>] to pay from.")
    make = not broken and all(one.settings.is_test_mode for one in accounts.values())
    try:
        journal = open_journal(read.journal, namespace=read.namespace, root=read.root, clock=utc_now, make=make)
    except PaymentsError as error:
        yield _wrong("journal", error)
        return
    try:
        yield from _used(read, journal, plugins, accounts)
    except JournalError as error:  # such as a damaged one
        journal.close()
        yield _wrong("journal", error)


def _used(read: Configuration, journal: Journal, plugins: Plugins, accounts: Mapping[str, Account]) -> Iterator[Check]:
    """Check the journal's content and each account's provider; the journal is closed afterwards."""
    yield from _file(read, journal)
    to_check = journal.to_check(utc_now())
    yield from _payouts(read, journal, to_check)
    yield from _stops(journal)
    for name, raw in read.webhooks.items():
        yield _webhook(name, raw, plugins, read.root, journal)
        yield from _exposed(f"webhook {name}", raw, read.root)
    needed, orphans, named = _needed(journal, accounts, to_check)
    if gone := sorted(named - read.accounts.keys()):
        says = f"open payouts belong to accounts that are not configured: {', '.join(gone)}"
        yield Check("wrong", "journal", says, "Put these accounts back until their payouts are final.")
    yield from _identities(accounts, needed, orphans)
    retired = {title: one for name in sorted(accounts) for title, one in _retired(accounts[name])}
    identities = {**accounts, **retired}  # a retired identity is checked like an account
    runtime = Runtime(namespace=read.namespace, journal=journal, plugins=plugins, accounts=identities)
    with PayoutClient(runtime) as client:
        yield from _paths(client, accounts)
        for name in sorted(accounts):
            checked = _credential(client, name, accounts[name])
            yield checked
            if checked.level != "wrong":  # without a credential every lookup would fail alike
                for finding in client.diagnose(name):
                    yield Check(finding.level, f"{finding.what} of {name}", finding.says, finding.hint)
        for title, identity in retired.items():
            checked = _credential(client, title, identity)
            yield checked if needed[identity] or checked.level == "ok" else checked._replace(level="note")


def _wrong(what: str, error: PaymentsError) -> Check:
    return Check("wrong", what, error.message, error.hint)


def _account(account: Account) -> Iterator[Check]:
    """Require a largest amount for each currency where real money moves: it refuses a mistyped digit."""
    settings = account.settings
    money = "no real money moves" if settings.is_test_mode else "REAL MONEY moves"
    yield Check("ok", f"account {account.name}", f"{account.spec.title}, {settings.currency}, {money}")
    limits = settings.largest_amount
    lacking = sorted((settings.currencies or {settings.currency}) - (limits or {}).keys())
    if not lacking or (limits is None and settings.is_test_mode):
        return
    codes = ", ".join(lacking)
    means = f"nothing is paid in {codes}" if limits else "a mistyped amount is paid like any other"
    hint = f'Set the largest amount of one payout: [accounts.{account.name}.largest_amount] {lacking[0]} = "…"'
    yield Check("note", f"largest_amount of {account.name}", f"none for {codes}: {means}", hint)


def _exposed(what: str, value: Any, root: Path) -> Iterator[Check]:
    """Yield the secret files in a table, at any depth, that other users may read."""
    if isinstance(value, str) and value.startswith("file:"):
        exposed: list[str] = []
        with contextlib.suppress(SettingsError):  # reported where it is read
            settings.read_secret(value, root=root, on_exposed=exposed.append)
        for name in exposed:
            yield Check(
                "wrong", what, f"other users may read the secret file {root / name}", f"chmod 600 {root / name}"
            )
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _exposed(what, part, root)


def _routes(read: Configuration, accounts: Mapping[str, Account]) -> Check:
    try:
        routes = read_routes(read.routes, accounts)
    except PaymentsError as error:
        return _wrong("routes", error)
    unreached = sorted(set(accounts) - {route.account.name for route in routes})
    says = messages.counted(len(routes), "route")
    if not unreached:
        return Check("ok", "routes", says)
    says += f"; none leads to {', '.join(unreached)}"
    return Check("note", "routes", says, "These accounts pay only orders that name them.")


def _file(read: Configuration, journal: Journal) -> Iterator[Check]:
    yield from _exposed("journal", read.journal, read.root)
    summary = ", ".join(f"{count} {status}" for status, count in sorted(journal.counts().items())) or "no payout yet"
    yield Check("ok", "journal", f"{read.journal}: {summary}")
    file = read.root / read.journal.removeprefix("sqlite:///")
    is_file = read.journal.startswith("sqlite:") and os.name == "posix" and file.exists()
    if is_file and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Check("wrong", "journal", f"other users may read {file}, which holds payees", f"chmod 600 {file}")


def _payouts(read: Configuration, journal: Journal, to_check: Iterable[ToCheck]) -> Iterator[Check]:
    review = journal.counts([PayoutStatus.REVIEW]).get(PayoutStatus.REVIEW, 0)
    if review:
        says = f"{messages.counted(review, 'payout')} {'waits' if review == 1 else 'wait'} for a decision"
        yield Check("note", "review", says, "`payouts list --status REVIEW` shows which.")
    if contradicted := journal.contradicted():
        says = f"the provider contradicts the result of {messages.counted(contradicted, 'payout')}"
        yield Check("wrong", "contradictions", says, "`payouts review list` shows them until they are acknowledged.")
    untaken = review - sum(group.number for group in to_check if group.status is PayoutStatus.REVIEW)
    if untaken > 0:
        says = f"{messages.counted(untaken, 'payout')} in review {'was' if untaken == 1 else 'were'} never accepted"
        yield Check("note", "review", says, "After the cause is fixed, it is safe to pay these under another key.")
    if (gap := journal.gap()) is not None:
        says = f"it was restored, and may lack everything after {messages.moment(gap.began_at)}"
        missing = sorted(read.accounts.keys() - gap.compared)
        if missing:
            says = f"{says}; the statement of {', '.join(missing)} was not compared with it yet"
        reconciled = "Compare each statement: `payouts journal reconciled --account NAME`."
        over = "When all payouts are settled: `payouts journal restored --over`."
        yield Check("note", "journal", says, reconciled if missing else over)


def _stops(journal: Journal) -> Iterator[Check]:
    for pause in journal.pauses():
        level: Literal["note", "wrong"] = "note" if pause.by in {PausedBy.PERSON, PausedBy.RATE} else "wrong"
        yield Check(level, "pause", messages.lifting(pause))
    for hold in journal.holds():
        until = messages.moment(datetime.fromtimestamp(hold.held_until / 1_000_000, UTC), utc_now())
        says = f"status checks of {hold.account} wait until {until}: the provider reports too many requests"
        yield Check("note", "rate", says, "Lower reads_per_s of the account if this happens again.")


def _webhook(name: str, raw: Mapping[str, Any], plugins: Plugins, root: Path, journal: Journal) -> Check:
    """Check a webhook's configuration and backlog."""
    what = f"webhook {name}"
    try:
        backlog = journal.backlog(build_webhook(plugins, name, raw, root=root).consumer)
    except PaymentsError as error:
        return _wrong(what, error)
    says = f"{messages.counted(backlog.count, 'event')} to deliver"
    if backlog.oldest_at is not None:
        says += f", the oldest from {messages.moment(backlog.oldest_at, utc_now())}"
    if not backlog.given_up:
        return Check("ok", what, says)
    hint = f"Fix the receiver, then: payouts events deliver --again {name}"
    return Check("wrong", what, f"{says}; {backlog.given_up} given up", hint)


def _retired(account: Account) -> Iterator[tuple[str, Account]]:
    """Yield an account's retired identities with their titles."""
    for number, identity in enumerate(account.retired, 1):
        yield f"retired identity {number} of {account.name}", identity


def _needed(
    journal: Journal, accounts: Mapping[str, Account], to_check: Iterable[ToCheck]
) -> tuple[Counter[Account], Counter[str], set[str]]:
    """Count the payouts that each identity checks, and by account those that none can; name the accounts of all."""
    needed, orphans, named = Counter[Account](), Counter[str](), set[str]()
    for group in to_check:
        earlier = journal.attempts(group.payout_id) if group.payout_id else ()  # checked before it is sent again
        named |= {group.account, *(attempt.account for attempt in earlier)}
        account = accounts.get(group.account)
        if account is None or group.is_unsent:
            continue  # an unsent payout is sent with the account's current identity
        identity = account.identity(group.operation, group.binding)
        if identity is None and not group.status.is_final:
            orphans[group.account] += group.number
        asked = {identity}
        for attempt in earlier:
            payer = accounts.get(attempt.account)
            asked.add(None if payer is None else payer.identity(group.operation, attempt.binding))
        for one in asked:
            if one is not None:
                needed[one] += group.number
    return needed, orphans, named


def _identities(
    accounts: Mapping[str, Account], needed: Counter[Account], orphans: Mapping[str, int]
) -> Iterator[Check]:
    """Yield which retired identities are still needed, and which payouts no identity can check."""
    for account in accounts.values():
        for what, identity in _retired(account):
            if count := needed[identity]:
                says = f"{messages.counted(count, 'payout')} still {'needs' if count == 1 else 'need'} it"
                yield Check("ok", what, says, "Keep it until these payouts are final.")
            else:
                yield Check("note", what, "no payout needs it: it can be removed")
    for name, count in orphans.items():
        sent = f"{messages.counted(count, 'open payout')} {'was' if count == 1 else 'were'} sent"
        says = f"{sent} with an identity that the account does not have"
        hint = f"Add that identity as [[accounts.{name}.retired]]; until then these payouts cannot be checked."
        yield Check("wrong", f"identities of {name}", says, hint)


def _paths(client: PayoutClient, accounts: Mapping[str, Account]) -> Iterator[Check]:
    """Check that each account's callback_url leads to `payouts serve`."""
    for name, token in client.inbox.tokens.items():
        if name not in accounts:  # a retired identity receives no callbacks
            continue
        url = getattr(accounts[name].settings, "callback_url", "")
        what = f"callbacks of {name}"
        if not url:
            if accounts[name].facts.status_by == "result_callback":  # results come only by callback
                says = f"callback_url is not set, and {accounts[name].spec.title} reports results only by callback"
                hint = "`payouts callbacks --url ADDRESS --reveal` prints it; `payouts serve` must run there."
                yield Check("wrong", what, says, hint)
            continue
        if url.endswith(f"/{PATH}/{token}"):
            yield Check("ok", what, "callback_url ends with the account's own path")
        else:
            says = "callback_url does not end with the account's own path: `payouts serve` receives no callbacks"
            yield Check("note", what, says, "`payouts callbacks --url ADDRESS --reveal` prints it.")


def _credential(client: PayoutClient, name: str, account: Account) -> Check:
    what, provider = f"credentials of {name}", account.provider
    if not isinstance(provider, Authenticates):
        return Check("ok", what, "it needs none")
    problem = client.check_account(name)
    if not problem:
        if next(provider.authenticate(), None) is not None:  # it makes a request, which was answered
            return Check("ok", what, "the provider accepts them")
        says = "not checked: nothing is fetched, and the key is sent with each request"
        return Check("note", what, says, "A refused key pauses the account at the first payment, and fails no payout.")
    hint = "Check that its server runs and is reachable, and that the account has the right address."
    if problem.partition(":")[0].partition(" ")[0] in set(ReasonCode):  # refused: it begins with the reason's code
        hint = "Compare the account's user, keys and environment with the provider's portal."
    return Check("wrong", what, problem, hint)


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
# largest_amount = {{ UGX = "5000000" }}   # the most that one payout may be: more is refused as a mistake
"""


def write_configuration(path: Path) -> None:
    """Write a new configuration with a fresh namespace.

    Raises:
        SettingsError: The file exists already, or cannot be written.

    """
    try:
        # Only its owner may change it, whatever the umask: a file that others can change is refused.
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(_NEW.format(namespace=secrets.token_hex(16)))
    except FileExistsError:
        raise SettingsError(
            f"{path} exists already, and its namespace must not be lost.",
            hint="Name another path with --config, or use this one: `payouts doctor`.",
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from None
