"""Waiting for a permit: for each lane one caller of a process asks the journal at a time, the others stand behind."""

from __future__ import annotations

import asyncio
import threading
import time
from time import monotonic

from payments_core.domain.events import EventName
from payments_core.domain.rates import LONGEST_WAIT_S, VOID_AFTER_S, AcquirePermit, Permit, Priority
from payments_core.engine.commands import Journal
from payments_core.logs import log
from payments_core.provider import Account

__all__ = ["AsyncRateLimiter", "RateLimiter"]

_LONGEST_LEAD_S = 1.0


class _Caps:
    """What both twins know of an account: its caps, and whether its reads were refused though it has none."""

    def __init__(self, account: Account, journal: Journal) -> None:
        self.account = account
        self.journal = journal
        self._per_s = {"read": account.facts.reads_per_s, "post": account.facts.posts_per_s}
        self.is_penalised = False

    def applies(self, priority: Priority) -> bool:
        """Say whether the journal has to be asked at all."""
        return self._per_s[priority.queue] is not None or (self.is_penalised and priority is not Priority.POST)

    def is_over(self, turn_at: float | None) -> bool:
        """Say whether a payment's turn is over: to write it down took long, and others may have had theirs since."""
        return turn_at is not None and monotonic() - turn_at > VOID_AFTER_S

    def note(self, priority: Priority, permit: Permit) -> None:
        """Ask no more than needed once a penalty is forgotten."""
        if priority is not Priority.POST:
            self.is_penalised = permit.is_penalised

    def asking(self, priority: Priority) -> _Asking:
        return _Asking(self.account.name, priority, self._per_s[priority.queue])


class RateLimiter(_Caps):
    """An account's permits, for threads."""

    def __init__(self, account: Account, journal: Journal) -> None:
        super().__init__(account, journal)
        self._first = {priority: threading.Lock() for priority in Priority}

    def take(self, priority: Priority) -> float | None:
        """Wait for a permit; None when it may be used now, else how long asking again is not worth it, in seconds."""
        asking = self.asking(priority)
        while True:
            with self._first[priority]:
                while not (permit := self.journal.permit(asking.ask()).result()).is_given:
                    wait_s = asking.wait_s(permit)
                    if wait_s is None:
                        return asking.refused(permit)
                    time.sleep(wait_s)
            self.note(priority, permit)
            time.sleep(max(permit.starts - monotonic(), 0.0))
            if asking.is_good(permit):
                return None


class AsyncRateLimiter(_Caps):
    """An account's permits, for an event loop."""

    def __init__(self, account: Account, journal: Journal) -> None:
        super().__init__(account, journal)
        self._first = {priority: asyncio.Lock() for priority in Priority}

    async def take(self, priority: Priority) -> float | None:
        """Wait for a permit; None when it may be used now, else how long asking again is not worth it, in seconds."""
        asking = self.asking(priority)
        while True:
            async with self._first[priority]:
                while not (permit := await asyncio.wrap_future(self.journal.permit(asking.ask()))).is_given:
                    wait_s = asking.wait_s(permit)
                    if wait_s is None:
                        return asking.refused(permit)
                    await asyncio.sleep(wait_s)
            self.note(priority, permit)
            await asyncio.sleep(max(permit.starts - monotonic(), 0.0))
            if asking.is_good(permit):
                return None


class _Asking:
    """One caller's way to a permit."""

    def __init__(self, account: str, priority: Priority, per_s: float | None) -> None:
        self._account, self._priority, self._per_s = account, priority, per_s
        self._until = monotonic() + LONGEST_WAIT_S
        self._lead_s = 0.0
        self._has_waited = False

    def ask(self) -> AcquirePermit:
        return AcquirePermit(
            account=self._account,
            priority=self._priority,
            per_s=self._per_s,
            within_s=max(self._until - monotonic(), 0.0),
            lead_s=self._lead_s,
        )

    def wait_s(self, permit: Permit) -> float | None:
        """Return how long to wait before asking again; None when that is too long."""
        now = monotonic()
        if permit.starts > self._until or now >= self._until:
            return None
        self._has_waited = True
        return max(permit.starts - now, 0.001)

    def refused(self, permit: Permit) -> float:
        """Return how long asking again is not worth it; nothing for who has waited in vain, as the next may be his."""
        after_s = 0.0 if self._has_waited else max(permit.starts - monotonic(), 0.001)
        log(EventName.RATE_EXHAUSTED, account=self._account, priority=str(self._priority), again_in_s=round(after_s, 3))
        return after_s

    def is_good(self, permit: Permit) -> bool:
        """Say whether a permit may still be used; one that came too late is asked for earlier the next time."""
        late_s = monotonic() - permit.starts
        if late_s <= VOID_AFTER_S:
            return True
        self._lead_s = min(late_s, _LONGEST_LEAD_S)
        self._has_waited = True
        return False
