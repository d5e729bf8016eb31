"""Creates, approves and runs batches."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import islice

from payments_core.batch.decisions import check_approval, find_batch, not_allowed, not_runnable
from payments_core.batch.orders import BatchDraft, BatchOrder, RefusedRow, finding_of, frozen, same_key
from payments_core.batch.progress import PAGE, BatchProgress, BatchRun, Counts, StopRules, progress_of
from payments_core.batch.running import RunningBatch
from payments_core.batch.verification import FrozenPage, check_digests, check_rows, read_page
from payments_core.client import AsyncPayoutClient
from payments_core.domain.batches import (
    Batch,
    BatchChange,
    BatchReply,
    BatchRow,
    BatchState,
    BatchWrite,
    BeginBatch,
    DropBatch,
    FreezeBatch,
    RowResult,
    WriteRows,
)
from payments_core.domain.bounds import LONGEST_S, check_number
from payments_core.domain.errors import (
    BatchBudgetReached,
    DailyLimitReached,
    DecisionRefused,
    JournalError,
    PaymentsError,
    PayoutInterrupted,
)
from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.engine import OperatorDecision
from payments_core.logs import log
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncBatches"]

_MOMENT_S = 0.25


class AsyncBatches:
    """Batches of a client's journal: created by one person, approved by another one, then run.

    Args:
        client: It stays open.

    """

    def __init__(self, client: AsyncPayoutClient) -> None:
        self._client = client
        self._journal = client.runtime.journal
        self._clock = client.runtime.clock

    async def create(
        self,
        orders: Iterable[BatchOrder],
        *,
        name: str,
        actor: str,
        reason: str = "created",
        skip_refused: bool = False,
    ) -> tuple[Batch, bool]:
        """Freeze orders under a content hash; return the batch, and whether it is new.

        Every order is checked as ``send`` checks it. The same orders under the same name are the batch that is there.
        Nothing is sent.

        Args:
            orders: What is to be paid: any number, taken 500 at a time.
            name: The name of the round, such as ``salary-2026-11``.
            actor: The person who creates it.
            reason: In their words.
            skip_refused: Leave out what is refused.

        Raises:
            BatchRefused: An order cannot be paid, or there is none; nothing is recorded.
            DecisionRefused: The name or the actor is missing.
            JournalError: It cannot be written.

        """
        OperatorDecision(name, reason)  # a name is refused as an actor's is
        person = OperatorDecision(actor, reason)
        batch, rest = f"b_{secrets.token_hex(8)}", iter(orders)
        await self._write(BeginBatch(batch, name, self._clock()))
        draft = BatchDraft(name)
        try:
            while page := list(islice(rest, PAGE)):
                rows, refused = await self._checked(batch, draft.numbered(page))
                draft.refuse(refused)
                if draft.refused and not skip_refused:  # the others are checked, and nothing more is written
                    continue
                twice = await self._write(WriteRows(batch, rows))
                draft.add(rows, twice)
            draft.check(skip_refused=skip_refused)
            freeze = FreezeBatch(draft.batch(batch), self._clock(), person.actor, person.reason)
            found = await self._write(freeze)
        except BaseException:
            await self._write(DropBatch(batch))
            raise
        assert isinstance(found, Batch)  # noqa: S101 - what a freeze returns
        if found.id == batch:
            self._log(found)
        return found, found.id == batch

    async def get(self, batch: str) -> Batch:
        """Return a batch by its id, or by its name where only one has it that was not cancelled.

        Raises:
            UnknownBatch: There is none, or several have the name.

        """
        return await waiting.read(self._journal, find_batch, self._journal, batch)

    async def all(self, *, limit: int = 100) -> tuple[Batch, ...]:
        """Return the batches, newest first."""
        return await waiting.read(self._journal, partial(self._journal.batches, limit=limit))

    async def rows(self, batch: str) -> AsyncIterator[RowResult]:
        """Yield the rows of a batch in their order, each beside its payout."""
        found = await self.get(batch)
        async for result in self._pages(found.id):
            yield result

    async def progress(self, batch: str) -> BatchProgress:
        """Return how far a batch is.

        Raises:
            UnknownBatch: There is none.

        """
        return await waiting.run_blocking(progress_of, self._journal, batch)

    async def approve(
        self, batch: str, *, actor: str, totals: Iterable[Money], reason: str = "approved", content_hash: str = ""
    ) -> Batch:
        """Approve a batch: exactly these rows, and exactly this much money.

        Args:
            batch: Its id.
            actor: The person who approves it: another one than created it.
            totals: What the person has approved: one amount for each currency.
            reason: In their words.
            content_hash: The hash that the person was shown; compared when it is given.

        Raises:
            DecisionRefused: The creator approves it, the total or the hash is another one, a plugin refuses it, or it
                does not wait for an approval.
            JournalDamaged: The rows are not those that were frozen.
            UnknownBatch: There is none.

        """
        person = OperatorDecision(actor, reason)
        found = await self.get(batch)
        check_approval(found, person, totals, content_hash)
        await waiting.run_blocking(check_rows, self._journal, found)
        plugins = self._client.runtime.plugins
        if why := await waiting.run_blocking(plugins.refuses_batch, found, person.actor):
            raise DecisionRefused(f"Batch {found.id} is not approved: {why}", hint="Ask who runs the plugin.")
        return await self._change(found, EventName.BATCH_APPROVED, person)

    async def pause(self, batch: str, *, actor: str, reason: str) -> Batch:
        """Stop a batch: no further row is sent until :meth:`unpause`; what may have arrived is followed.

        The same request may be sent again meanwhile, where the provider does not have it. Raises as :meth:`cancel`.
        """
        return await self._change(await self.get(batch), EventName.BATCH_PAUSED, OperatorDecision(actor, reason))

    async def unpause(self, batch: str, *, actor: str, reason: str) -> Batch:
        """Let a paused batch be run again. Raises as :meth:`cancel`."""
        return await self._change(await self.get(batch), EventName.BATCH_UNPAUSED, OperatorDecision(actor, reason))

    async def cancel(self, batch: str, *, actor: str, reason: str) -> BatchProgress:
        """Cancel a batch: what was not sent is never sent; what may have arrived is followed as before.

        Args:
            batch: Its id.
            actor: The person who cancels it.
            reason: In their words.

        Raises:
            DecisionRefused: Its state does not allow it.
            UnknownBatch: There is none.

        """
        person, found = OperatorDecision(actor, reason), await self.get(batch)
        if found.state is not BatchState.CANCELLED:  # again: for the payouts that a crash has left
            found = await self._change(found, EventName.BATCH_CANCELLED, person)
        async for result in self._pages(found.id):
            if result.payout_id is not None and result.status is PayoutStatus.CREATED:
                await self._cancel_payout(result.payout_id, found, person)
        return await self.progress(found.id)

    async def run(
        self,
        batch: str,
        *,
        timeout_s: float = 60.0,
        stop: StopRules | None = None,
        on_progress: Callable[[BatchProgress], None] | None = None,
    ) -> BatchRun:
        """Send every row that was not sent, and follow what is open until it has ended or the time is over.

        It may be interrupted at any moment, and run again: no row is paid twice. Beside the batch, everything else that
        is due is worked on, as by ``resume``.

        Args:
            batch: Its id.
            timeout_s: Longest wait for ends once every row is sent, in seconds; at most a year.
            stop: When no further row is sent; at the first "not enough money" when left out.
            on_progress: Called about once a second, by whichever task or thread has looked.

        Raises:
            DecisionRefused: It is not approved, or was paused or cancelled.
            JournalDamaged: The rows are not those that were approved.
            JournalError: The journal failed.
            UnknownBatch: There is none.

        """
        check_number("timeout_s", timeout_s, 0, LONGEST_S)
        self._client.runtime.check_process()
        found = await self.get(batch)
        if found.state is not BatchState.APPROVED:
            raise not_runnable(found)
        pages, left = await waiting.run_blocking(check_digests, self._journal, found)
        counts, own = await self._counts(found, own=False), await self._counts(found, own=True)
        stop = stop or StopRules()
        run = RunningBatch(found, left, counts=counts, own=own, stop=stop, on_progress=on_progress, at=self._clock())
        await self._send_all(run, [page for page in pages if page.has_unsent])
        until = self._clock() + timedelta(seconds=timeout_s)
        while True:
            left_s = (until - self._clock()).total_seconds()
            progress = await self._look(run, resume_s=min(max(left_s, 0.0), 1.0))
            if progress.open <= run.standing or self._clock() >= until:
                return BatchRun(await self.progress(found.id), run.stopped, run.refused)
            await waiting.sleep(_MOMENT_S)

    async def reissue(self, batch: str, *, actor: str, reason: str) -> dict[int, Payout | PaymentsError]:
        """Pay the failed rows again whose reason is worth it; return the payout or the refusal of each, by number.

        Args:
            batch: Its id.
            actor: The person who wants it.
            reason: In their words.

        Raises:
            DecisionRefused: The batch is not approved, or was paused or cancelled.
            UnknownBatch: There is none.

        """
        person, found = OperatorDecision(actor, reason), await self.get(batch)
        if found.state is not BatchState.APPROVED:
            raise not_runnable(found)
        results = dict[int, Payout | PaymentsError]()
        async for result in self._pages(found.id):
            if result.status is not PayoutStatus.FAILED or result.payout_id is None:
                continue
            if result.reason is not None and result.reason.is_reissuable:
                results[result.number] = await self._reissue_payout(result.payout_id, person)
        return results

    # --- writing ---

    async def _checked(
        self, batch: str, page: Sequence[tuple[int, BatchOrder]]
    ) -> tuple[list[BatchRow], list[RefusedRow]]:
        """Return the rows of orders that can be paid, and those that cannot."""
        validation = await self._client.validate(one.order for _, one in page)
        rows, refused = list[BatchRow](), list[RefusedRow]()
        for (number, given), checked in zip(page, validation.orders, strict=True):
            findings = checked.findings
            if not findings and checked.same_key_as is not None:
                findings = (same_key(),)
            if not findings:
                try:
                    rows.append(frozen(batch, number, given, checked))
                except PaymentsError as error:
                    findings = (finding_of(error),)
            if findings:
                refused.append(RefusedRow(number, findings))
        return rows, refused

    async def _write(self, change: BatchWrite) -> BatchReply:
        return await waiting.run_blocking(self._journal.write_batch, change)

    async def _change(self, batch: Batch, event: EventName, person: OperatorDecision) -> Batch:
        at = self._clock()
        change = BatchChange(batch=batch.id, event=event, at=at, actor=person.actor, reason=person.reason)
        after = await self._write(change)
        if not isinstance(after, Batch):
            raise not_allowed(await self.get(batch.id), event)
        self._log(after)
        return after

    def _log(self, batch: Batch) -> None:
        last, totals = batch.history[-1], [str(total) for total in batch.totals]
        log(last.event, batch=batch.id, round=batch.name, rows=batch.row_count, totals=totals, actor=last.actor)

    async def _cancel_payout(self, payout: str, batch: Batch, person: OperatorDecision) -> None:
        try:
            await self._client.cancel(payout, actor=person.actor, reason=f"batch {batch.id}: {person.reason}")
        except DecisionRefused:
            return  # it may have arrived, or ended meanwhile

    async def _reissue_payout(self, payout: str, person: OperatorDecision) -> Payout | PaymentsError:
        try:
            return await self._client.reissue(payout, actor=person.actor, reason=person.reason)
        except JournalError:
            raise
        except PaymentsError as error:
            return error

    # --- reading ---

    async def _pages(self, batch: str) -> AsyncIterator[RowResult]:
        read, after = partial(self._journal.batch_rows, batch, limit=PAGE), 0
        while page := await waiting.run_blocking(partial(read, after=after)):
            for result in page:
                yield result
            after = page[-1].number

    async def _counts(self, batch: Batch, *, own: bool) -> Counts:
        return await waiting.run_blocking(partial(self._journal.batch_counts, batch.id, own=own))

    # --- running ---

    async def _send_all(self, run: RunningBatch, pages: Iterable[FrozenPage]) -> None:
        """Send the rows that have no payout, until a look says to stop."""
        for page in pages:
            if run.stopped:
                return
            rows = await waiting.run_blocking(read_page, self._journal, run.batch, page)
            unsent = [one for one in rows if one.payout_id is None]
            run.uses(one.row.account for one in unsent if one.row is not None)
            senders = min(run.in_flight(self._client.runtime), len(unsent))
            with run.stopping():
                await waiting.all_of(partial(self._send_each, run), [iter(unsent)] * senders)

    async def _send_each(self, run: RunningBatch, rows: Iterator[RowResult]) -> None:
        """Send rows one after the other, and look between them; other senders take theirs from the same iterator."""
        with run.stopping():
            for result in rows:
                if run.begin_look(self._clock()):
                    await self._look(run)
                if run.stopped:
                    return
                await self._send(run, result)

    async def _send(self, run: RunningBatch, result: RowResult) -> None:
        if (row := result.row) is None:
            return
        try:
            await self._client.send_order(row.order, row.account)
        except PayoutInterrupted:
            pass  # it is recorded, and followed
        except JournalError:
            raise
        except (BatchBudgetReached, DailyLimitReached) as error:
            run.stop(error.message)
            return
        except PaymentsError as error:
            run.refuse(row, error)
            return
        run.count_sent(row)

    async def _look(self, run: RunningBatch, *, resume_s: float = 0.0) -> BatchProgress:
        """Work on what is due, and see how the batch stands."""
        with suppress(PayoutInterrupted):  # one of them; each stays recorded, and is due again
            await self._client.resume(timeout_s=resume_s)
        now = await waiting.run_blocking(self._journal.batch, run.batch.id)
        own = await self._counts(run.batch, own=True)
        pauses = await waiting.run_blocking(self._journal.pauses)
        return run.look(now, own, pauses, self._clock())
