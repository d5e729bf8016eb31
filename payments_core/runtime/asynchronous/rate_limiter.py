"""Waiting for a permit: for each priority one caller of a process asks the journal at a time, the others queue."""

from __future__ import annotations

from time import monotonic

from payments_core.domain.rates import Priority
from payments_core.engine.journal_protocol import Journal
from payments_core.provider import Account
from payments_core.runtime.permit_wait import AccountCaps
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncRateLimiter"]


class AsyncRateLimiter(AccountCaps):
    """An account's permits."""

    def __init__(self, account: Account, journal: Journal) -> None:
        super().__init__(account, journal)
        self._first = {priority: waiting.Lock() for priority in Priority}

    async def take(self, priority: Priority) -> float | None:
        """Wait for a permit; None when it may be used now.

        Otherwise the seconds until one can be granted; 0 when the wait for one timed out.
        """
        wait = self.begin_wait(priority)
        while True:
            async with self._first[priority]:
                while not (permit := await waiting.result_of(self.journal.permit(wait.command()))).is_given:
                    wait_s = wait.wait_s(permit)
                    if wait_s is None:
                        return wait.refused(permit)
                    await waiting.sleep(wait_s)
            self.note(priority, permit)
            await waiting.sleep(max(permit.starts - monotonic(), 0.0))
            if wait.is_good(permit):
                return None
