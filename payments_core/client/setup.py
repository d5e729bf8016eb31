"""From a configuration to a working office: plugins loaded, secrets resolved, accounts built, journal open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from payments_core import settings
from payments_core.engine import same_order
from payments_core.entries import Journal, JournalEntry, Move, Note, Open, PayoutRow
from payments_core.errors import (
    InvalidPayout,
    JournalClosed,
    JournalLocked,
    KeyReused,
    PaymentsError,
    PayoutInterrupted,
    ProviderBug,
    UnknownPayout,
)
from payments_core.flow import Command
from payments_core.journal import open_journal
from payments_core.masking import scrub
from payments_core.payout import Order, Payout, PayoutStatus
from payments_core.performer import Clock, Office, utc_now
from payments_core.plugins import Plugins
from payments_core.provider import Account
from payments_core.settings import Configuration

__all__ = [
    "MOMENT",
    "STEPS_AT_ONCE",
    "Resumed",
    "assemble",
    "choose",
    "interrupted",
    "is_due",
    "known",
    "of_one",
    "only_entries",
    "only_trouble",
    "resumed",
    "row_of",
    "view",
    "wait_moment",
]


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a ``resume`` left behind.

    Args:
        steps: How often a payout was advanced.
        open: Payouts the machine still works on.
        held: Of these, the ones a pause keeps from being sent.
        review: Payouts that wait for a read or a person.
        next_at: When the next one is due; None when nothing is.

    """

    steps: int
    open: int
    held: int
    review: int
    next_at: datetime | None


def assemble(
    configuration: str | Path | Configuration, *, plugins: Plugins | None = None, clock: Clock = utc_now
) -> Office:
    """Build everything a client needs; whatever is wrong is found here, before the first payout.

    Args:
        configuration: Path of a payouts.toml, or one that was read.
        plugins: Loaded plugins; the installed ones when not given.
        clock: Tells the time.

    Raises:
        SettingsError: A setting, secret or plugin is wrong.
        JournalError: The journal cannot be opened.

    """
    read = configuration if isinstance(configuration, Configuration) else settings.load(configuration)
    loaded = Plugins() if plugins is None else plugins
    root = read.path.resolve().parent
    accounts = {}
    for name, raw in read.accounts.items():
        spec = loaded.provider(raw["provider"])
        values = settings.read_account(
            spec.settings, name, raw, resolve_secret=lambda reference: loaded.resolve_secret(reference, root=root)
        )
        accounts[name] = Account(name, spec, values, spec.build(values))
    journal = open_journal(read.journal, namespace=read.namespace, root=root, clock=clock)
    return Office(namespace=read.namespace, journal=journal, plugins=loaded, accounts=accounts, clock=clock)


def known(office: Office, order: Order, account: str | None) -> PayoutRow | None:
    """Return the payout of the order's key, if there is one; the key is looked up before any routing.

    Raises:
        KeyReused: It stands for another intent, or for a payout from another account.

    """
    row = office.journal.by_key(order.key)
    if row is None:
        return None
    same_order(row, order)
    if account is not None and account != row.account:
        raise KeyReused(
            f"The key {order.key!r} is paid from account {row.account!r} ({row.id}), not {account!r}; "
            "nothing was changed.",
            hint="A payout never changes its account. Use another key if this really is another payment.",
        )
    return row


def choose(office: Office, order: Order, account: str | None) -> Account:
    """Return the account to pay from: the one named, the plugins' choice, or the only one there is.

    Raises:
        UnknownAccount: It is not configured.
        InvalidPayout: None was named and there are several.

    """
    name = account or office.plugins.choose_account(order, _names(office))
    if name is None and len(office.accounts) == 1:
        name = _names(office)[0]
    if name is None:
        raise InvalidPayout(f"Name the account to pay from: {', '.join(_names(office)) or 'none is configured'}.")
    return office.account(name)


def _names(office: Office) -> Sequence[str]:
    return sorted(office.accounts)


def row_of(journal: Journal, payout: str) -> PayoutRow:
    """Return a payout's row by its id or key.

    Raises:
        UnknownPayout: There is none.

    """
    row = journal.get(payout) or journal.by_key(payout)
    if row is None:
        raise UnknownPayout(
            f"The journal has no payout with the id or key {payout!r}.", hint="`payouts list` shows all."
        )
    return row


def view(office: Office, row: PayoutRow) -> Payout:
    """Return what a caller sees, history included."""
    return row.view(office.journal.history(row.id))


def interrupted(error: Exception, row: PayoutRow, *, money_asked: bool) -> PayoutInterrupted:
    """Wrap an error that came after the payout was recorded."""
    may_have_been_sent = money_asked or row.view().may_have_been_sent
    said = str(error) if isinstance(error, PaymentsError) else f"{type(error).__name__}: {scrub(str(error))}"
    return PayoutInterrupted(said, payout_id=row.id, key=row.key, may_have_been_sent=may_have_been_sent)


STEPS_AT_ONCE = 3  # send, duplicate, read: more than that is the schedule's work


def is_due(row: PayoutRow, at: datetime) -> bool:
    """Say whether the machine has something to do for a payout now."""
    return row.next_at is not None and row.next_at <= at and row.status is not PayoutStatus.SENDING


def only_entries(command: Command) -> JournalEntry:
    """Return a command that must be a journal entry: accepting and delivering ask for nothing else."""
    if not isinstance(command, Open | Move | Note):
        raise ProviderBug(f"{type(command).__name__} has no place here.")
    return command


MOMENT = timedelta(seconds=0.25)


def only_trouble(office: Office, trouble: Mapping[str, PayoutInterrupted]) -> bool:
    """Say whether every open payout is one that cannot be worked on now."""
    return bool(trouble) and _open(office.journal.counts()) <= len(trouble)


def _open(counts: Mapping[PayoutStatus, int]) -> int:
    return sum(count for status, count in counts.items() if not status.is_final and status is not PayoutStatus.REVIEW)


def of_one(error: PayoutInterrupted) -> PayoutInterrupted:
    """Return an error that concerns one payout; one of the journal concerns all, and goes up."""
    if isinstance(error.__cause__, JournalClosed | JournalLocked):
        raise error
    return error


def resumed(office: Office, steps: int, trouble: Mapping[str, PayoutInterrupted]) -> Resumed:
    """Count what is left.

    Raises:
        PayoutInterrupted: The first of those that could not be worked on.

    """
    for error in trouble.values():
        raise error
    counts = office.journal.counts()
    paused = {pause.account for pause in office.journal.pauses()}
    held = sum(1 for row in office.journal.rows(status=PayoutStatus.CREATED) if paused and {None, row.account} & paused)
    review = counts.get(PayoutStatus.REVIEW, 0)
    return Resumed(steps, _open(counts), held, review, office.journal.next_due(accounts=sorted(office.accounts)))


_WAITS_S = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0)  # a waiting caller asks sooner than the schedule, but never faster than this


def wait_moment(row: PayoutRow, step: int, now: datetime) -> tuple[datetime, bool]:
    """Return when a waiting caller looks again, and whether it may then ask the provider before it is due."""
    soon = now + timedelta(seconds=_WAITS_S[min(step, len(_WAITS_S) - 1)])
    if row.status in {PayoutStatus.PENDING, PayoutStatus.UNKNOWN}:
        return min(soon, max(row.next_at or soon, now)), True
    return soon, False
