"""What keeps payouts going: checks, waiting, and working on whatever is open."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from functools import partial

from payments_core.client import resuming
from payments_core.client.asynchronous.account_mixin import AsyncAccountsMixin
from payments_core.client.inbox import PAGE, InboxMixin
from payments_core.client.interruptions import of_one_payout
from payments_core.client.payout_views import find_payout
from payments_core.client.resuming import ResumeResult
from payments_core.domain.bounds import LONGEST_S, check_number
from payments_core.domain.errors import PayoutInterrupted
from payments_core.domain.payout import Payout
from payments_core.domain.records import PayoutRecord
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncResumingMixin"]


class AsyncResumingMixin(InboxMixin, AsyncAccountsMixin):
    """Works on payouts until they end."""

    async def refresh(self, payout: str) -> Payout:
        """Ask the provider now, and return the payout as it then stands."""
        row = await self._find_payout(payout)
        return (await self._advance(row, early=True)).view()

    async def wait(self, payout: str, *, timeout_s: float = 60.0) -> Payout:
        """Work on a payout until it is final or in review, or the time is over.

        Args:
            payout: Id or key.
            timeout_s: Longest wait, in seconds; at most a year.

        Raises:
            InvalidArgument: ``timeout_s`` is no such number.
            UnknownPayout: There is none.

        """
        check_number("timeout_s", timeout_s, 0, LONGEST_S)
        clock = self._runtime.clock
        step, until = 0, clock() + timedelta(seconds=timeout_s)
        row = await self._settle(await self._find_payout(payout))
        while not resuming.is_settled(row) and (now := clock()) < until:
            moment, early = resuming.next_look(row, step, now)
            await waiting.sleep(max((min(moment, until) - now).total_seconds(), 0.0))
            row = await self._find_payout(row.id)
            if not resuming.is_settled(row):  # otherwise another process has read it already
                row = await self._advance(row, early=early)
            step += 1
        return row.view()

    async def resume(
        self, *, timeout_s: float = 60.0, on_change: Callable[[Payout], None] | None = None
    ) -> ResumeResult:
        """Work on every open payout until nothing will become due or the time is over.

        Args:
            timeout_s: Longest time, in seconds, at most a year; 0 for only what is due now.
            on_change: Called with each payout after a step.

        Raises:
            InvalidArgument: ``timeout_s`` is no such number.
            PayoutInterrupted: Payouts that could not be worked on; raised at the end, the others were.
            JournalError: The journal failed.

        """
        check_number("timeout_s", timeout_s, 0, LONGEST_S)
        self._runtime.check_process()
        journal, clock, mine, steps = self._runtime.journal, self._runtime.clock, self.accounts(), 0
        trouble: dict[str, PayoutInterrupted] = {}
        until = clock() + timedelta(seconds=timeout_s)
        while True:
            handled = await waiting.run_blocking(self.inbox.handle, PAGE)
            found = await waiting.read(journal, partial(journal.due, clock(), accounts=mine, limit=100))
            due = [row for row in found if row.id not in trouble]
            ended = {row.id for row in due if row.status.is_final}
            async with aclosing(waiting.each(self._step, due)) as stepped:
                async for row in stepped:
                    if isinstance(row, PayoutInterrupted):
                        trouble[row.payout_id] = row
                        continue
                    steps += 1
                    if on_change and row.id not in ended:
                        on_change(row.view())
            due_at, now = await waiting.read(journal, partial(journal.next_due, accounts=mine)), clock()
            if handled == PAGE and now < until:  # there may be more, and what they ask for is due then
                continue
            stuck = await waiting.read(journal, resuming.only_interrupted, self._runtime, trouble)
            if due_at is None or now >= until or due_at > until or stuck:
                return await waiting.read(journal, resuming.resume_result, self._runtime, steps, trouble, due_at)
            if not due:  # what is due is in trouble: look for the others again in a moment
                due_at = max(due_at, now + resuming.MOMENT)
            await waiting.sleep(resuming.sleep_s(due_at, now))

    async def work_on(self, row: PayoutRecord) -> PayoutRecord:
        """Take the steps that are due for one payout now; what a worker does with each.

        Args:
            row: As read from the journal.

        Raises:
            PayoutInterrupted: It could not be worked on.

        """
        return await self._settle(row)

    async def _find_payout(self, payout: str) -> PayoutRecord:
        return await waiting.read(self._runtime.journal, find_payout, self._runtime.journal, payout)

    async def _step(self, row: PayoutRecord) -> PayoutRecord | PayoutInterrupted:
        """Advance a payout, or return what interrupted it; an error of the journal concerns all, and is raised."""
        try:
            return await self._advance(row)
        except PayoutInterrupted as error:
            return of_one_payout(error)
