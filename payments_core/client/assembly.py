"""From a configuration to a working office: plugins loaded, secrets resolved, accounts built, journal open."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from payments_core import settings
from payments_core.domain.characters import find_unclear
from payments_core.domain.errors import (
    InvalidPayout,
    JournalClosed,
    JournalLocked,
    KeyReused,
    PaymentsError,
    PayoutInterrupted,
    ProviderBug,
    SettingsError,
    UnknownPayout,
)
from payments_core.domain.events import EventName
from payments_core.domain.masking import mask_key, quote, scrub
from payments_core.domain.payout import Operation, Order, Payout, PayoutStatus, Reason
from payments_core.domain.records import PayoutRecord
from payments_core.engine import same_order
from payments_core.engine.commands import (
    AcknowledgeContradictions,
    AppendHistory,
    ApplyTransition,
    CreatePayout,
    Journal,
    JournalCommand,
)
from payments_core.engine.flow import Command
from payments_core.journal import open_journal
from payments_core.plugins.manager import Plugins
from payments_core.provider import Account, Capability
from payments_core.routing import Choice, Choosing, read_routes
from payments_core.routing import choose as choose_by_routes
from payments_core.runtime import Clock, Runtime, utc_now
from payments_core.settings import AccountSettings, Configuration
from payments_core.webhooks import Webhook, read_webhook

__all__ = [
    "MOMENT",
    "STEPS_AT_ONCE",
    "ResumeResult",
    "assemble",
    "at_once",
    "build_account",
    "build_webhook",
    "check_learned",
    "choose",
    "chosen",
    "interrupted",
    "is_due",
    "is_over",
    "known",
    "of_one",
    "only_entries",
    "only_open",
    "only_trouble",
    "operation_of",
    "refusal",
    "resumed",
    "row_of",
    "sleep_s",
    "view",
    "wait_moment",
]


@dataclass(frozen=True, slots=True)
class ResumeResult:
    """What a ``resume`` left behind.

    Args:
        steps: How often a payout was advanced.
        open: Payouts the machine still works on.
        held: Of these, the ones a pause keeps from being sent.
        review: Payouts that wait for a read or a person.
        next_at: When the next one is due; None when nothing is.
        contradicted: Payouts whose end their provider contradicts, which no person has acknowledged.

    """

    steps: int
    open: int
    held: int
    review: int
    next_at: datetime | None
    contradicted: int = 0


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
                hint="Give the real account a name of its own, and leave the rehearsal's account as it is.",
            )
        retired.append(Account(name, spec, then, spec.build(then), is_retired=True))
    return Account(name, spec, now, spec.build(now), retired=tuple(retired))


def check_learned(runtime: Runtime, account: Account) -> None:
    """Refuse to accept from an account whose provider was never asked for its limits in this process.

    Raises:
        InvalidPayout: The order could be one that ``send`` refuses.

    """
    if Capability.PROVIDER_CONFIG in account.spec.capabilities and account.name not in runtime.learned:
        raise InvalidPayout(
            f"What account {account.name} may pay is not known in this process yet, and a transaction waits for no "
            "network.",
            hint=f'Call client.refresh_provider_config("{account.name}") once when the process starts.',
        )


def known(runtime: Runtime, order: Order, account: str | None, *, by_default: bool = False) -> PayoutRecord | None:
    """Return the payout of the order's key, if there is one; the key is looked up before any routing.

    Args:
        office: Whose journal is asked.
        order: What is wanted.
        account: The account the caller named.
        by_default: The caller named no operation: a recorded one stands, whatever the account's default is now.

    Raises:
        KeyReused: It stands for another intent, or for a payout from another account.

    """
    row = runtime.journal.by_key(order.key)
    if row is None:
        return None
    if by_default and row.operation is not Operation.REFUND:
        order = replace(order, operation=row.operation)
    same_order(row, order)
    if account not in {None, row.account, _first_account(runtime, row)}:
        raise KeyReused(
            f"The key {mask_key(order.key)!r} is paid from account {row.account!r} ({row.id}), not {quote(account)}. "
            "This time nothing was sent, and nothing was changed.",
            hint="A payout changes its account only when it is paid again. Use another key if this really is another "
            "payment.",
        )
    return row


def _first_account(runtime: Runtime, row: PayoutRecord) -> str:
    """Return the account of the first attempt: whoever accepted the payout goes on naming that one."""
    return runtime.journal.attempts(row.id)[0].account if row.attempt > 1 else row.account


def choose(
    runtime: Runtime, order: Order, account: str | None, *, by_default: bool = False, ask: bool = True
) -> Choosing:
    """Choose the account to pay from; ask by yielding whose provider is to be asked for the payee's operator.

    It is the account that is named, the plugins' choice, what the routes say, or, where there are no routes, the
    configuration's default or the only one there is.

    Args:
        office: Whose accounts there are.
        order: What is wanted.
        account: The account the caller named.
        by_default: The caller named no operation: the account's own is meant.
        ask: Whether providers may be asked.

    Raises:
        UnknownAccount: It is not configured.
        InvalidPayout: It may be no new payout; or no account was named, there are several, and no routes.

    """
    order.check_new()  # before anybody is asked about the payee
    names = _names(runtime)
    if account:
        return Choice(runtime.account(account).name, "caller", why="The caller names it.")
    if (name := runtime.plugins.choose_account(order, names)) is not None:
        return Choice(runtime.account(name).name, "plugin", why="A plugin chose it (payments_choose_account).")
    if runtime.routes:
        return (yield from choose_by_routes(order, runtime.routes, by_default=by_default, ask=ask))
    if runtime.default_account:
        return Choice(runtime.default_account, "default", why="It is the default (default_account).")
    if len(names) == 1:
        return Choice(names[0], "only_account", why="It is the only account there is.")
    raise InvalidPayout(
        f"Name the account to pay from: {', '.join(names) or 'none is configured'}.",
        hint="Or let the configuration choose: [installation] default_account, or [[routes]]." if names else "",
    )


def chosen(runtime: Runtime, order: Order, choice: Choice, *, by_default: bool = False) -> tuple[Account, Order]:
    """Return the account that was chosen, and the order as that account pays it.

    Args:
        office: Whose accounts there are.
        order: What is wanted.
        choice: Of the account.
        by_default: The caller named no operation: the account's own is taken.

    Raises:
        NoRoute: None was chosen.

    """
    if not choice.account:
        raise choice.refusal()
    account = runtime.account(choice.account)
    return account, replace(order, operation=account.settings.default_operation) if by_default else order


def at_once(choosing: Choosing) -> Choice | None:
    """Return a choice that needs no provider's answer; None when one has to be asked."""
    try:
        next(choosing)
    except StopIteration as end:
        choice: Choice = end.value
        return choice
    choosing.close()
    return None


def operation_of(operation: Operation | str | None) -> Operation:
    """Return what a caller named as the operation; a transfer when nothing was named.

    Raises:
        InvalidPayout: There is no such operation.

    """
    try:
        return Operation.TRANSFER if operation is None else Operation(operation)
    except ValueError:
        raise InvalidPayout(
            f"There is no operation {scrub(str(operation), limit=40)!r}; there are {', '.join(Operation)}.",
            hint="Leave it out for the account's own.",
        ) from None


def _names(runtime: Runtime) -> Sequence[str]:
    return sorted(runtime.accounts)


def row_of(journal: Journal, payout: str) -> PayoutRecord:
    """Return a payout's row by its id or key.

    Raises:
        UnknownPayout: There is none; or an older journal has one with this id and another one with this key.

    """
    named, keyed = journal.get(payout), journal.by_key(payout)
    if named is not None and keyed is not None and named.id != keyed.id:
        raise UnknownPayout(
            f"{payout} names two payouts: it is the id of one and the key of another.",
            hint=f"Name the first by its key {mask_key(named.key)!r}, or the second by its id {keyed.id}: "
            "`payouts list` shows both.",
        )
    row = named or keyed
    if row is None:
        unclear = find_unclear(payout)
        odd = f" It holds {unclear}." if unclear else ""
        raise UnknownPayout(
            f"The journal has no payout with the id or key {mask_key(payout)!r}.{odd}", hint="`payouts list` shows all."
        )
    return row


def view(runtime: Runtime, row: PayoutRecord) -> Payout:
    """Return what a caller sees, history included."""
    history = runtime.journal.history(row.id)
    if any(entry.event == EventName.PAYOUT_CONTRADICTED for entry in history):  # written beside what moved the row
        row = runtime.journal.get(row.id) or row
    return row.view(history)


def refusal(reason: Reason) -> str:
    """Return why a provider refuses us: ``credentials (login_failed): …``."""
    return f"{reason}: {reason.text}" if reason.text else str(reason)


def interrupted(error: Exception, row: PayoutRecord, *, money_asked: bool) -> PayoutInterrupted:
    """Wrap an error that came after the payout was recorded."""
    may_have_been_sent = money_asked or row.view().may_have_been_sent
    said = str(error) if isinstance(error, PaymentsError) else f"{type(error).__name__}: {scrub(str(error))}"
    return PayoutInterrupted(said, payout_id=row.id, key=row.key, may_have_been_sent=may_have_been_sent)


STEPS_AT_ONCE = 3  # send, duplicate, read: more than that is the schedule's work


def is_due(row: PayoutRecord, at: datetime) -> bool:
    """Say whether the machine has something to do for a payout now."""
    return row.next_at is not None and row.next_at <= at and row.status is not PayoutStatus.SENDING


def only_open(command: Command) -> CreatePayout:
    """Return a command that must open a payout: accepting asks for nothing else."""
    if not isinstance(command, CreatePayout):
        raise ProviderBug(f"{type(command).__name__} has no place here.")
    return command


def only_entries(command: Command) -> JournalCommand:
    """Return a command that must be a journal entry: what needs no account asks for nothing else."""
    if not isinstance(command, CreatePayout | ApplyTransition | AppendHistory | AcknowledgeContradictions):
        raise ProviderBug(f"{type(command).__name__} has no place here.")
    return command


MOMENT = timedelta(seconds=0.25)


_LONGEST_SLEEP_S = 1.0


def sleep_s(due_at: datetime, now: datetime) -> float:
    """Return how long ``resume`` may sleep: a callback can make something due sooner."""
    return min(max((due_at - now).total_seconds(), 0.0), _LONGEST_SLEEP_S)


def only_trouble(runtime: Runtime, trouble: Mapping[str, PayoutInterrupted]) -> bool:
    """Say whether every open payout is one that cannot be worked on now."""
    return bool(trouble) and _open(runtime.journal.counts()) <= len(trouble)


def _open(counts: Mapping[PayoutStatus, int]) -> int:
    return sum(count for status, count in counts.items() if not status.is_final and status is not PayoutStatus.REVIEW)


def of_one(error: PayoutInterrupted) -> PayoutInterrupted:
    """Return an error that concerns one payout; one of the journal concerns all, and goes up."""
    if isinstance(error.__cause__, JournalClosed | JournalLocked):
        raise error
    return error


def resumed(
    runtime: Runtime, steps: int, trouble: Mapping[str, PayoutInterrupted], next_at: datetime | None
) -> ResumeResult:
    """Count what is left.

    Raises:
        PayoutInterrupted: The first of those that could not be worked on.

    """
    for error in trouble.values():
        raise error
    counts = runtime.journal.counts()
    paused = {pause.account for pause in runtime.journal.pauses()}
    unsent = runtime.journal.rows(status=PayoutStatus.CREATED) if paused else ()
    held = sum(1 for row in unsent if {None, row.account} & paused)
    review = counts.get(PayoutStatus.REVIEW, 0)
    contradicted = sum(1 for row in runtime.journal.undecided() if row.contradicted_at is not None)
    return ResumeResult(steps, _open(counts), held, review, next_at, contradicted)


_WAITS_S = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0)  # a waiting caller asks sooner than the schedule, but never faster than this


def is_over(row: PayoutRecord) -> bool:
    """Say whether nobody has to wait for a payout any more: it has ended, or waits for a person."""
    return row.status.is_final or row.status is PayoutStatus.REVIEW


def wait_moment(row: PayoutRecord, step: int, now: datetime) -> tuple[datetime, bool]:
    """Return when a waiting caller looks again, and whether it may then ask the provider before it is due."""
    soon = now + timedelta(seconds=_WAITS_S[min(step, len(_WAITS_S) - 1)])
    if row.status in {PayoutStatus.PENDING, PayoutStatus.UNKNOWN}:
        return min(soon, max(row.next_at or soon, now)), True
    return soon, False
