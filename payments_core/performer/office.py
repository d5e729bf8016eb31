"""What every performer of one client shares: journal, plugins, accounts and a clock."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

from payments_core.engine import Moment
from payments_core.entries import Journal, JournalEntry, JournalReply, Move, Moved, Note, Open, Opened, PayoutRow
from payments_core.errors import JournalClosed, UnknownAccount
from payments_core.events import EventName
from payments_core.logs import log, log_payout
from payments_core.plugins import Plugins
from payments_core.provider import Account

__all__ = ["Clock", "Office", "in_daemon", "utc_now"]

Clock: TypeAlias = Callable[[], datetime]
T = TypeVar("T")


def utc_now() -> datetime:
    """Return the time: aware, UTC."""
    return datetime.now(UTC)


def _life() -> str:
    # Unique to this life of this process: a restarted worker must not inherit its own leases.
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"


@dataclass(frozen=True)
class Office:
    """The common ground of a client.

    Args:
        namespace: The installation's.
        journal: The one memory.
        plugins: Loaded.
        accounts: By name.
        clock: Tells the time.
        owner: Who works here, in leases.
        pid: The process it was made in; no other may use it.

    """

    namespace: str
    journal: Journal
    plugins: Plugins
    accounts: Mapping[str, Account]
    clock: Clock = utc_now
    owner: str = field(default_factory=_life)
    pid: int = field(default_factory=os.getpid)

    def account(self, name: str) -> Account:
        """Return one account.

        Raises:
            UnknownAccount: It is not configured.

        """
        if name not in self.accounts:
            raise UnknownAccount(
                f"There is no account {name!r}; configured are: {', '.join(sorted(self.accounts)) or 'none'}.",
                hint="Correct the name, or add [accounts.…] to the configuration.",
            )
        return self.accounts[name]

    def moment(self) -> Moment:
        """Return what a flow may not find out by itself."""
        return Moment(at=self.clock(), owner=self.owner, token=secrets.token_urlsafe(24), namespace=self.namespace)

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

    def announce(self, entry: JournalEntry, reply: JournalReply) -> None:
        """Emit the event of a recorded transition and tell the observers; nothing here can stop money."""
        if isinstance(reply, Opened) and reply.created and isinstance(entry, Open):
            self._tell(entry, reply.row)
            log_payout(EventName(entry.event.name), reply.row, entry.event.evidence)
        elif isinstance(reply, Moved) and isinstance(entry, Move):
            log_payout(EventName(entry.event.name), reply.row, entry.event.evidence)
            if entry.pause is not None:
                log(EventName.ACCOUNT_PAUSED, account=entry.pause.account, by=entry.pause.by, why=entry.pause.why)
            self._tell(entry, reply.row)
        elif isinstance(entry, Note) and (row := self.journal.get(entry.payout_id)):
            log_payout(EventName(entry.event.name), row, entry.event.evidence)
            self._tell(entry, row)

    def _tell(self, entry: JournalEntry, row: PayoutRow) -> None:
        if self.plugins.has_observers:
            self.plugins.payout_changed(row.view(), entry.event)


def in_daemon(work: Callable[[], T]) -> Future[T]:
    """Run work in a thread that cannot keep the process alive: a hanging guard must not."""
    future: Future[T] = Future()

    def finish() -> None:
        if not future.set_running_or_notify_cancel():  # from here on nobody can cancel it under our hands
            return
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 whatever it was, it belongs to the one who waits
            # A SystemExit must not end the one who waits, and a StopIteration cannot be handed to an event loop.
            plain = isinstance(error, Exception) and not isinstance(error, StopIteration)
            future.set_exception(error if plain else RuntimeError(type(error).__name__))
        else:
            future.set_result(result)

    threading.Thread(target=finish, daemon=True, name="payments-guard").start()
    return future
