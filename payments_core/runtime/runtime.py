"""What every executor of one client shares: journal, plugins, accounts and a clock."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias, TypeVar

from payments_core.domain.causes import PausedBy
from payments_core.domain.errors import JournalClosed, PayoutInterrupted, ProviderBug, SettingsError, UnknownAccount
from payments_core.domain.events import EventName
from payments_core.domain.masking import quote
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import StepContext
from payments_core.engine.commands import (
    AcknowledgeContradictions,
    AppendHistory,
    ApplyTransition,
    CreateAttempt,
    CreatePayout,
    CreateResult,
    HistoryAppended,
    JournalCommand,
    JournalResult,
    TransitionApplied,
)
from payments_core.engine.flow import ReadAs
from payments_core.engine.journal_protocol import Journal
from payments_core.logs import LEVELS, is_received, load, log, log_payout
from payments_core.plugins.manager import Plugins
from payments_core.provider import Account
from payments_core.routing import Route
from payments_core.runtime.observers import Observers
from payments_core.webhooks import Webhook

__all__ = ["Clock", "Runtime", "in_daemon", "utc_now"]

Clock: TypeAlias = Callable[[], datetime]
T = TypeVar("T")


utc_now: Clock = partial(datetime.now, UTC)  # aware
_new_token = partial(secrets.token_urlsafe, 24)


def _life() -> str:
    # Unique to this life of this process: a restarted worker must not inherit its own leases.
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"


@dataclass(frozen=True)
class Runtime:
    """The journal, plugins, accounts and clock of a client.

    Args:
        namespace: The installation's.
        journal: The one memory.
        plugins: Loaded.
        accounts: By name.
        clock: Tells the time.
        webhooks: By name.
        default_account: The account that pays when the caller names none; empty for none.
        routes: In the order in which they are tried.
        owner: The name of this process in leases.
        pid: The process it was made in; no other may use it.

    """

    namespace: str
    journal: Journal
    plugins: Plugins
    accounts: Mapping[str, Account]
    clock: Clock = utc_now
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    default_account: str = ""
    routes: tuple[Route, ...] = ()
    owner: str = field(default_factory=_life)
    pid: int = field(default_factory=os.getpid)
    observers: Observers = field(init=False, repr=False, compare=False)
    learned: set[str] = field(init=False, repr=False, compare=False, default_factory=set)  # accounts, in this process

    def __post_init__(self) -> None:
        """Make the thread of the observers; load what events are logged with."""
        load()
        object.__setattr__(self, "observers", Observers(self.plugins))

    def account(self, name: str) -> Account:
        """Return one account.

        Raises:
            UnknownAccount: It is not configured.

        """
        if name not in self.accounts:
            raise UnknownAccount(
                f"Account {quote(name)} is not configured. Configured: {', '.join(sorted(self.accounts)) or 'none'}.",
                hint="Correct the name, or add [accounts.…] to the configuration.",
            )
        return self.accounts[name]

    def webhook(self, name: str) -> Webhook:
        """Return one webhook.

        Raises:
            SettingsError: It is not configured.

        """
        if name not in self.webhooks:
            raise SettingsError(
                f"There is no webhook {quote(name)}; configured are: {', '.join(sorted(self.webhooks)) or 'none'}.",
                hint="Correct the name, or add [webhooks.…] to the configuration.",
            )
        return self.webhooks[name]

    def serving(self, row: PayoutRecord) -> Account:
        """Return the identity that works on a payout: its account, or the retired one that sent it and only reads.

        Raises:
            PayoutInterrupted: Its account is not configured any more.

        """
        if row.attempt.account not in self.accounts:  # recorded, and perhaps sent: not merely an unknown name
            raise PayoutInterrupted(
                f"Its account {row.attempt.account!r} is not configured any more",
                payout_id=row.id,
                key=row.order.key,
                may_have_been_sent=row.view().may_have_been_sent,
            )
        account = self.accounts[row.attempt.account]
        untried = row.status is PayoutStatus.CREATED and not row.attempt.submissions
        return account if untried else account.identity(row.order.operation, row.attempt.binding) or account

    def identity(self, read: ReadAs) -> Account:
        """Return the identity that a read is to be made with.

        Raises:
            ProviderBug: There is none, or it is no read.

        """
        identity = self.account(read.account).identity(read.operation, read.binding)
        if identity is None or read.request.moves_money:
            raise ProviderBug("Another identity only checks, and has to be configured.")
        return identity

    def moment(self) -> StepContext:
        """Return the inputs of one step that a flow must not obtain itself."""
        return StepContext(self.clock(), self.owner, _new_token, self.namespace, self.accounts)

    def check_process(self) -> None:
        """Refuse to work in a process forked from ours: two owners of one connection would corrupt what they share.

        Raises:
            JournalClosed: This is another process.

        """
        if os.getpid() != self.pid:
            raise JournalClosed(
                "This client was made in another process, before a fork.",
                hint="Make a new client in each process, after the fork.",
            )

    def announce(self, entry: JournalCommand, reply: JournalResult) -> None:
        """Emit the event of a recorded transition and call the observers; nothing here can stop a payment."""
        if isinstance(reply, CreateResult) and reply.created and isinstance(entry, CreatePayout):
            self._tell(entry.event, entry.row)
            if (begun := entry.begins) is not None and reply.row.status is PayoutStatus.SENDING:
                self._tell(begun.event, reply.row)
        elif isinstance(reply, TransitionApplied) and isinstance(entry, ApplyTransition | CreateAttempt):
            self._tell(entry.event, reply.row)
            if isinstance(entry, ApplyTransition):
                _announce_stops(entry, reply)
        elif isinstance(entry, AppendHistory | AcknowledgeContradictions) and isinstance(reply, HistoryAppended):
            self._announce_note(entry.event, reply)

    def _announce_note(self, event: Event, reply: HistoryAppended) -> None:
        if reply.written and reply.row is not None:
            self._tell(event, reply.row)

    def _tell(self, event: Event, row: PayoutRecord) -> None:
        """Log an event of a payout and have the observers called, where there is anybody to receive it."""
        if is_received(LEVELS[event.name]):
            log_payout(event.name, row, event.evidence)
        if self.plugins.has_observers:
            self.observers.notify(row.view(), event)


def _announce_stops(entry: ApplyTransition, reply: TransitionApplied) -> None:
    """Emit the events of what a move has stopped, slowed or let go on."""
    account = reply.row.attempt.account
    for by in sorted(reply.ended):
        log(_ENDS[by], account=account, **({"by": by} if by is PausedBy.ACCOUNT_REFUSED else {}))
    if reply.opened is not None:
        log(EventName.CIRCUIT_OPENED, account=account, why=reply.opened.why, probe_at=reply.opened.probe_at)
    if (pause := entry.pause) is not None and reply.paused:  # once an incident, not once a payout
        if pause.by is PausedBy.RATE:
            log(EventName.RATE_PENALTY, account=account, queue="post", why=pause.why, until=pause.probe_at)
        else:
            log(EventName.ACCOUNT_PAUSED, account=pause.account, by=pause.by, why=pause.why)
    if entry.read_end is not None and entry.read_end.is_refused:
        log(EventName.RATE_PENALTY, account=account, queue="read", after_s=entry.read_end.after_s)


_ENDS = {
    PausedBy.ACCOUNT_REFUSED: EventName.ACCOUNT_UNPAUSED,
    PausedBy.RATE: EventName.RATE_CLEARED,
    PausedBy.CIRCUIT: EventName.CIRCUIT_CLOSED,
}


def in_daemon(work: Callable[[], T]) -> Future[T]:
    """Run work in a thread that cannot keep the process alive: a hanging guard must not."""
    future: Future[T] = Future()

    def finish() -> None:
        if not future.set_running_or_notify_cancel():  # from here on it cannot be cancelled
            return
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 whatever it was, it belongs to the caller that waits
            # A SystemExit must not end the caller that waits, a StopIteration cannot be handed to an event loop, and a
            # future of the standard library takes an error that is false for none at all.
            plain = isinstance(error, Exception) and not isinstance(error, StopIteration)
            plain = plain and not any(hasattr(type(error), name) for name in ("__bool__", "__len__"))
            future.set_exception(error if plain else RuntimeError(type(error).__name__))
        else:
            future.set_result(result)

    threading.Thread(target=finish, daemon=True, name="payments-guard").start()
    return future
