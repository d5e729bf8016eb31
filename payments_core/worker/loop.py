"""One worker: it claims due payouts, works on many at a time, and sleeps until the next one is due.

Nothing here decides about money. Every step is the engine's, and safe when two workers take it at once; a claim only
saves the duplicate work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from payments_core import settings as configurations
from payments_core.client import AsyncPayoutClient, assemble
from payments_core.client.inbox import PAGE
from payments_core.domain.errors import JournalClosed, JournalError, PayoutInterrupted
from payments_core.domain.events import EventName
from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.logs import log
from payments_core.settings import Configuration, WorkerSettings

__all__ = ["Worked", "run_worker"]

_MOMENT_S = 0.25
_LONGEST_WAIT_S = 30.0
_DEFAULTS = WorkerSettings()


@dataclass(frozen=True, slots=True)
class Worked:
    """The counts of a worker's run."""

    steps: int  #: Steps of payouts.
    ended: Mapping[PayoutStatus, int]  #: Steps that led to a final status or into REVIEW, by status.
    trouble: int  #: Steps that failed with an error.
    cut: int  #: Payouts in flight that were left at the end of the grace time, as a crash would leave them.


async def run_worker(
    payer: AsyncPayoutClient | Configuration | str | Path = "payouts.toml",
    *,
    accounts: Collection[str] | None = None,
    settings: WorkerSettings | None = None,
    once: bool = False,
    stop: asyncio.Event | None = None,
    on_change: Callable[[Payout], None] | None = None,
) -> Worked:
    """Work on every due payout until stopped; any number of workers may share one journal.

    When cancelled, it leaves payouts in flight as a crash would. Signals are the application's; see :func:`work`.

    Args:
        payer: A client, which stays open, or the configuration to make one from.
        accounts: The accounts to work for; all when not given.
        settings: The worker's settings; the configuration's ``[worker]`` when not given, or the defaults with a client.
        once: Work on the payouts that are due now, and return.
        stop: When set, the worker takes nothing new, finishes payouts in flight, and returns.
        on_change: Called with each payout that has changed.

    Raises:
        SettingsError: A setting, secret or plugin is wrong, or an account is not configured.
        JournalError: The journal cannot be opened, or failed with ``once``; it was closed, moved, or belongs to
            another process. A journal that comes back is waited for.

    """
    if isinstance(payer, AsyncPayoutClient):
        stop = stop or asyncio.Event()
        return await _Worker(payer, accounts, settings or _DEFAULTS, once=once, stop=stop, on_change=on_change).run()
    read = payer if isinstance(payer, Configuration) else configurations.load(payer)
    async with AsyncPayoutClient(assemble(read)) as client:
        settings = settings or read.worker
        return await run_worker(client, accounts=accounts, settings=settings, once=once, stop=stop, on_change=on_change)


class _Slots:
    """The payouts of one account: some in flight, and about as many claimed next."""

    def __init__(self, account: str, size: int) -> None:
        self.account = account
        self.size = size
        self.permits = asyncio.Semaphore(size)
        self.tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def has_room(self) -> bool:
        return len(self.tasks) < self.size


class _Worker:
    def __init__(
        self,
        client: AsyncPayoutClient,
        accounts: Collection[str] | None,
        settings: WorkerSettings,
        *,
        once: bool,
        stop: asyncio.Event,
        on_change: Callable[[Payout], None] | None,
    ) -> None:
        runtime = client.runtime
        self._client = client
        self._clock = runtime.clock
        self._journal = runtime.journal
        self._owner = runtime.owner
        names = runtime.accounts if accounts is None else accounts
        self._lanes = [_Slots(name, runtime.account(name).settings.max_in_flight) for name in sorted(set(names))]
        self._settings = settings
        self._once = once
        self._began: datetime | None = None
        self._more = False  # stored callbacks may need handling
        self._stop = stop
        self._on_change = on_change
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._done: set[str] = set()  # in work and claimed
        self._steps = self._trouble = self._cut = 0
        self._ended: Counter[PayoutStatus] = Counter()

    async def run(self) -> Worked:
        names, settings = [slots.account for slots in self._lanes], self._settings
        log(EventName.WORKER_STARTED, owner=self._owner, accounts=names, once=self._once, **settings.model_dump())
        stopping, keeping = asyncio.create_task(self._stop.wait()), asyncio.create_task(self._keep())
        stopping.add_done_callback(lambda _: self._wake.set())
        telling = [asyncio.create_task(self._tell(name)) for name in self._client.runtime.webhooks]
        try:
            await self._work()
            until = asyncio.get_running_loop().time() + self._settings.grace_s
            await self._drain()
            self._over.set()
            await _ended_within(telling, until - asyncio.get_running_loop().time())
        except JournalError:  # payouts in flight may still be written
            await self._drain()
            raise
        finally:
            await _end([stopping, keeping, *telling, *self._tasks().values()])
            worked = Worked(self._steps, dict(self._ended), self._trouble, self._cut)
            log(EventName.WORKER_STOPPED, owner=self._owner, steps=worked.steps, trouble=worked.trouble, cut=worked.cut)
        return worked

    # --- claiming and waiting ---

    async def _work(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._wake.clear()
            try:
                wait_s = await self._turn()
            except JournalClosed:
                raise
            except JournalError as error:
                if self._once:
                    raise
                wait_s = min(_MOMENT_S * 2**failures, _LONGEST_WAIT_S)
                failures += 1
                log(EventName.WORKER_TROUBLE, owner=self._owner, why=error.message, wait_s=wait_s)
                await _within(self._stop, wait_s)
                continue
            failures = 0
            if wait_s is None:
                return
            await _within(self._wake, wait_s)

    async def _turn(self) -> float | None:
        """Claim due payouts where there is room; return the seconds to wait, or None when all is done."""
        await self._let_go()
        handled = await asyncio.to_thread(self._client.inbox.handle, PAGE)  # checks for callbacks are due then
        if self._began is None or self._more:  # checks for the last callbacks are due then too
            self._began = self._clock()
        self._more = handled == PAGE
        wait_s = await self._take_due(self._began)
        return 0.0 if self._more else wait_s

    async def _take_due(self, began: datetime) -> float | None:
        """Claim due payouts where there is room."""
        poll_s, now, open_lanes = (
            self._settings.poll_s,
            self._clock(),
            [slots for slots in self._lanes if slots.has_room],
        )
        if not open_lanes:  # wait until there is room, unless no account is left
            return None if self._once and not self._lanes else poll_s
        at = began if self._once else now
        names = [slots.account for slots in open_lanes]
        due_at = await asyncio.to_thread(partial(self._journal.next_due, accounts=names, free_at=at))
        if due_at is None or due_at > at:
            if self._once:
                return poll_s if self._tasks() else None
            return poll_s if due_at is None else min(poll_s, (due_at - now).total_seconds())
        taken = [await self._take(slots) for slots in open_lanes]
        return 0.0 if any(taken) else _MOMENT_S  # another worker has just claimed the due payouts

    async def _take(self, slots: _Slots) -> bool:
        now = self._clock()
        rows = await asyncio.to_thread(
            partial(
                self._journal.claim,
                (self._began or now) if self._once else now,
                owner=self._owner,
                until=now + timedelta(seconds=self._settings.claim_s),
                accounts=[slots.account],
                limit=slots.size,
            )
        )
        for row in rows:
            if row.id not in slots.tasks:  # this process was stopped for longer than its claim
                slots.tasks[row.id] = asyncio.create_task(self._step(slots, row), name=f"payout {row.id}")
        return bool(rows)

    # --- working ---

    async def _step(self, slots: _Slots, row: PayoutRecord) -> None:
        why = ""
        try:
            async with slots.permits:
                if self._stop.is_set():  # claimed, not started
                    self._done.add(row.id)
                    return
                after = await self._client.work_on(row)
            self._note(row, after)
        except Exception as error:  # noqa: BLE001 - one payout's error stops no other
            # It stays claimed until the claim expires: no worker retries before that.
            self._trouble += 1
            why = error.message if isinstance(error, PayoutInterrupted) else f"{type(error).__name__}: {error}"
        finally:
            del slots.tasks[row.id]
            self._wake.set()
        if why:
            log(EventName.WORKER_TROUBLE, owner=self._owner, payout=row.id, account=row.attempt.account, why=why)

    def _note(self, before: PayoutRecord, after: PayoutRecord) -> None:
        self._steps += 1
        if after.version == before.version:
            return  # no step was possible now: like an error
        self._done.add(after.id)
        if after.status is not before.status and (after.status.is_final or after.status is PayoutStatus.REVIEW):
            self._ended[after.status] += 1
        if self._on_change is not None and not before.status.is_final:  # a final payout needs no step
            self._on_change(after.view())

    def _tasks(self) -> Mapping[str, asyncio.Task[None]]:
        return {payout: task for slots in self._lanes for payout, task in slots.tasks.items()}

    # --- webhooks ---

    async def _tell(self, webhook: str) -> None:
        """Send events to a webhook concurrently: neither payments nor other webhooks wait for it."""
        is_over = False
        while not is_over:
            is_over, why = self._over.is_set(), ""  # once more, for the last events
            try:
                await self._client.send_events(webhook, stopped=self._stop.is_set)
            except Exception as error:  # noqa: BLE001 - an error here stops no payment
                why = error.message if isinstance(error, JournalError) else type(error).__name__
            if why:
                log(EventName.WORKER_TROUBLE, owner=self._owner, why=f"webhook {webhook}: {why}")
            if not is_over:
                await _within(self._over, self._settings.poll_s)

    # --- claims ---

    async def _keep(self) -> None:
        """Renew the claims of payouts in work."""
        while True:
            await asyncio.sleep(self._settings.claim_s / 3)
            if not (ids := list(self._tasks())):
                continue
            until = self._clock() + timedelta(seconds=self._settings.claim_s)
            try:
                ours = await asyncio.to_thread(self._journal.renew, self._owner, ids, until)
            except JournalError as error:
                log(EventName.WORKER_TROUBLE, owner=self._owner, why=error.message)
                continue
            if lost := set(ids) & set(self._tasks()) - ours:
                why = (
                    f"other workers took over {len(lost)} payouts: this worker's claims were not renewed within claim_s"
                )
                log(EventName.WORKER_TROUBLE, owner=self._owner, why=why)

    async def _let_go(self) -> None:
        if done := self._done.copy():
            await asyncio.to_thread(self._journal.release, self._owner, done)
            self._done -= done

    async def _drain(self) -> None:
        tasks = self._tasks().values()
        if self._stop.is_set():
            log(EventName.WORKER_DRAINING, owner=self._owner, in_flight=len(tasks), grace_s=self._settings.grace_s)
        await _ended_within(tasks, self._settings.grace_s)
        left = self._tasks()
        self._cut = len(left)
        await _end(left.values())
        self._done |= left.keys()
        try:
            await self._let_go()
        except JournalError as error:  # claims expire by themselves
            log(EventName.WORKER_TROUBLE, owner=self._owner, why=error.message)


async def _within(event: asyncio.Event, wait_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await event.wait()


async def _ended_within(tasks: Collection[asyncio.Task[None]], wait_s: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=max(wait_s, 0))


async def _end(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
