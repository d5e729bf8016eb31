"""The asynchronous client: the twin of ``sync``, call for call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from payments_core.client import assembly
from payments_core.client.assembly import ResumeResult
from payments_core.client.erasure import AsyncErasureMixin
from payments_core.client.events import AsyncEventsMixin
from payments_core.client.inbox import PAGE, InboxMixin
from payments_core.client.iteration import in_thread
from payments_core.client.lookups import AsyncLookupsMixin
from payments_core.client.result_paths import TRIES, asked_about
from payments_core.client.reviews import AsyncReviewMixin
from payments_core.client.routing import AsyncRoutingMixin
from payments_core.domain.bounds import LONGEST_S, check_number
from payments_core.domain.errors import PayoutInterrupted
from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, Payout, PayoutStatus
from payments_core.domain.rates import Priority
from payments_core.domain.records import Pause, PayoutRecord
from payments_core.engine import accept, advance, answer, token_hash
from payments_core.engine.commands import CreateResult, JournalResult
from payments_core.engine.flow import Command, EngineFlow, ReadAs, Reply
from payments_core.http.flow import arun_flow
from payments_core.logs import about_payout, log
from payments_core.provider import Account, AccountRefused, Callback, Credential
from payments_core.runtime import AsyncAccountSession, AsyncCommandExecutor, Runtime, priority_of
from payments_core.settings import Configuration

__all__ = ["AsyncPayoutClient"]

T = TypeVar("T")


class AsyncPayoutClient(
    AsyncReviewMixin, AsyncLookupsMixin, AsyncRoutingMixin, InboxMixin, AsyncEventsMixin, AsyncErasureMixin
):
    """Pays money out, once for each key, and tells what became of it.

    One client serves one event loop and many tasks. A cancelled call leaves its payout as a crash would: the same key,
    or ``resume``, goes on. Close it when done, or use it as an asynchronous context manager.

    Args:
        office: From :func:`payments_core.client.assemble`; most callers use :meth:`from_config`.

    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lines: dict[Account, AsyncAccountSession] = {}

    @classmethod
    def from_config(cls, configuration: str | Path | Configuration = "payouts.toml") -> Self:
        """Make a client from a payouts.toml.

        Raises:
            SettingsError: A setting, secret or plugin is wrong.
            JournalError: The journal cannot be opened.

        """
        return cls(assembly.assemble(configuration))

    async def send(
        self,
        *,
        key: str,
        payee: Payee,
        amount: Money,
        account: str | None = None,
        operation: Operation | str | None = None,
        note: str = "",
        options: Mapping[str, str] | None = None,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> Payout:
        """Pay somebody once; the same key again returns the same payout and never a second payment.

        Returns when the provider has answered or the answer is known to be lost; see ``status``, and :meth:`wait`.

        Args:
            key: The caller's business key: one key, at most one payment.
            payee: Who receives it.
            amount: How much.
            account: The account's name; may be left out when plugins, routes or a default choose, or there is only one.
            operation: Which kind of payment; the account's ``default_operation`` when left out.
            note: Text for the payee.
            options: The provider's options.
            not_before: Not sent earlier; aware.
            expires_at: Not sent later; aware.

        Raises:
            InvalidPayout: It cannot be paid as asked; nothing is recorded or sent.
            KeyReused: The key stands for another intent.
            UnknownAccount: The account is not configured.
            PayoutInterrupted: Something failed after the payout was recorded.

        """
        self._runtime.check_process()
        order = Order(
            key=key,
            payee=payee,
            amount=amount,
            operation=assembly.operation_of(operation),
            note=note,
            options=dict(options or {}),
            not_before=not_before,
            expires_at=expires_at,
        )
        return await self._pay(order, account, by_default=operation is None)

    async def accept(
        self,
        *,
        key: str,
        payee: Payee,
        amount: Money,
        account: str | None = None,
        operation: Operation | str | None = None,
        note: str = "",
        options: Mapping[str, str] | None = None,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
        connection: object = None,
    ) -> Payout:
        """Write a payout down and send nothing; ``send`` with the same key, or ``resume``, sends it.

        Args:
            key: The caller's business key: one key, at most one payment.
            payee: Who receives it.
            amount: How much.
            account: The account's name; may be left out when plugins, routes or a default choose, or there is only one.
            operation: Which kind of payment; the account's ``default_operation`` when left out.
            note: Text for the payee.
            options: The provider's options.
            not_before: Not sent earlier; aware.
            expires_at: Not sent later; aware.
            connection: Of psycopg (``Connection`` here, ``AsyncConnection`` for the asynchronous client), to the
                journal's database, in a transaction of yours: the payout is there exactly if you commit. It is
                returned without history, and nobody is told of it.

        Raises:
            InvalidPayout: It cannot be paid as asked; nothing is recorded.
            KeyReused: The key stands for another intent.
            UnknownAccount: The account is not configured.
            SettingsError: A connection was given, and the journal is a file.
            JournalError: It cannot be written; roll back, if the transaction is yours.

        """
        self._runtime.check_process()
        order = Order(
            key=key,
            payee=payee,
            amount=amount,
            operation=Operation.TRANSFER if operation is None else Operation(operation),
            note=note,
            options=dict(options or {}),
            not_before=not_before,
            expires_at=expires_at,
        )
        opened = await self._accept(order, account, by_default=operation is None, connection=connection)
        payout = assembly.view(self._runtime, opened.row) if connection is None else opened.row.view()
        return replace(payout, is_new=opened.created)

    async def refund(
        self,
        *,
        key: str,
        collection: str,
        amount: Money,
        original_amount: Money,
        account: str | None = None,
        note: str = "",
        options: Mapping[str, str] | None = None,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> Payout:
        """Pay a collection back, whole or in part; otherwise as :meth:`send`.

        All refunds of one collection together never come to more than was collected: one that is not known yet counts.

        Args:
            key: The caller's business key: one key, at most one refund.
            collection: The reference under which the money was collected, as its provider knows it.
            amount: How much goes back.
            original_amount: How much was collected; the same each time.
            account: The account's name; may be left out when plugins, routes or a default choose, or there is only one.
            note: Text for the payer.
            options: The provider's options.
            not_before: Not sent earlier; aware.
            expires_at: Not sent later; aware.

        Raises:
            OverRefund: There is not that much left to refund; nothing is recorded or sent.
            InvalidPayout: It cannot be paid as asked; nothing is recorded or sent.
            KeyReused: The key stands for another intent.
            UnknownAccount: The account is not configured.
            PayoutInterrupted: Something failed after the payout was recorded.

        """
        self._runtime.check_process()
        order = Order(
            key=key,
            payee=Payee.payer_of(collection),
            amount=amount,
            operation=Operation.REFUND,
            note=note,
            options=dict(options or {}),
            not_before=not_before,
            expires_at=expires_at,
            original_amount=original_amount,
        )
        return await self._pay(order, account)

    async def get(self, payout: str) -> Payout:
        """Return a payout by id or key, with its history.

        Raises:
            UnknownPayout: There is none.

        """
        self._runtime.check_process()
        return assembly.view(self._runtime, assembly.row_of(self._runtime.journal, payout))

    async def payouts(self, *, status: PayoutStatus | None = None, account: str | None = None) -> AsyncIterator[Payout]:
        """Yield payouts, oldest first, without their histories."""
        self._runtime.check_process()
        async for row in in_thread(self._runtime.journal.rows(status=status, account=account)):
            yield row.view()

    async def refresh(self, payout: str) -> Payout:
        """Ask the provider now, and return the payout as it then stands."""
        row = assembly.row_of(self._runtime.journal, payout)
        return assembly.view(self._runtime, await self._advance(row, early=True))

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
        row, step, until = assembly.row_of(self._runtime.journal, payout), 0, clock() + timedelta(seconds=timeout_s)
        row = await self._settle(row)
        while not assembly.is_over(row) and (now := clock()) < until:
            moment, early = assembly.wait_moment(row, step, now)
            await asyncio.sleep(max((min(moment, until) - now).total_seconds(), 0.0))
            row = assembly.row_of(self._runtime.journal, row.id)
            if not assembly.is_over(row):  # otherwise another process has found out: nobody need ask once more
                row = await self._advance(row, early=early)
            step += 1
        return assembly.view(self._runtime, row)

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
            handled = await asyncio.to_thread(self.inbox.handle, PAGE)
            due = [row for row in journal.due(clock(), accounts=mine, limit=100) if row.id not in trouble]
            ended = {row.id for row in due if row.status.is_final}
            tasks = [asyncio.ensure_future(self._advance(row)) for row in due]
            try:
                for stepped in asyncio.as_completed(tasks):
                    try:
                        row = await stepped
                    except PayoutInterrupted as error:
                        trouble[error.payout_id] = assembly.of_one(error)
                        continue
                    steps += 1
                    if on_change and row.id not in ended:
                        on_change(row.view())
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            due_at, now = journal.next_due(accounts=mine), clock()
            if handled == PAGE and now < until:  # there may be more, and what they ask for is due then
                continue
            if due_at is None or now >= until or due_at > until or assembly.only_trouble(self._runtime, trouble):
                return assembly.resumed(self._runtime, steps, trouble, due_at)
            if not due:  # what is due is in trouble: look for the others again in a moment
                due_at = max(due_at, now + assembly.MOMENT)
            await asyncio.sleep(assembly.sleep_s(due_at, now))

    @property
    def runtime(self) -> Runtime:
        """What it is made of."""
        return self._runtime

    async def work_on(self, row: PayoutRecord) -> PayoutRecord:
        """Take the steps that are due for one payout now; what a worker does with each.

        Args:
            row: As read from the journal.

        Raises:
            PayoutInterrupted: It could not be worked on.

        """
        return await self._settle(row)

    async def pause(self, *, account: str | None = None, reason: str = "") -> None:
        """Stop payments from one account, or from all, for every process; reads go on."""
        if account is not None:
            self._runtime.account(account)
        pause = Pause.by_person(account, self._runtime.clock(), reason)
        self._runtime.journal.set_pause(pause)
        log(EventName.ACCOUNT_PAUSED, account=account, by="person", why=pause.why)

    async def unpause(self, *, account: str | None = None) -> bool:
        """End a pause, a provider's block included; say whether there was one."""
        lifted = self._runtime.journal.lift_pause(account)
        if lifted:
            log(EventName.ACCOUNT_UNPAUSED, account=account)
        return lifted

    async def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force."""
        return await asyncio.to_thread(self._runtime.journal.pauses)

    def accounts(self) -> tuple[str, ...]:
        """Return the names of the configured accounts."""
        return tuple(sorted(self._runtime.accounts))

    async def check_account(self, account: str) -> str:
        """Obtain an account's credential without moving money; empty when all is well, else what is wrong."""
        fetched = await self._line(self._runtime.account(account)).credential()
        if isinstance(fetched, Credential):
            return ""
        return assembly.refusal(fetched.reason) if isinstance(fetched, AccountRefused) else fetched.why

    async def deliver(self, token: str, callback: Callback) -> Payout | None:
        """Take in what came to a path minted for a submission or a query; None when the path was never minted.

        The first clear answer counts. What comes later changes no end: if it tells another one, it contradicts.

        Args:
            token: The path's token.
            callback: What arrived.

        """
        self._runtime.check_process()
        query, row = token_hash(token), None
        for _ in range(TRIES):
            asked = asked_about(self._runtime, query)
            if asked is None:
                return None
            flow = answer(asked.account, asked.row, callback, query=query, ended=asked.ended)
            answered = await arun_flow(flow, self._write)
            row = answered.row
            if answered.effect is not None or row.status is PayoutStatus.SENDING:
                break
        return None if row is None else assembly.view(self._runtime, row)

    async def close(self) -> None:
        """Close connections and journal, when observers have heard of the last change; they have five seconds."""
        for line in self._lines.values():
            await line.close()
        await asyncio.to_thread(self._runtime.observers.close)
        self._runtime.journal.close()

    async def __aenter__(self) -> Self:
        """Use the client for a block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    async def _pay(self, order: Order, account: str | None, *, by_default: bool = False) -> Payout:
        opened = await self._accept(order, account, by_default=by_default)
        return replace(assembly.view(self._runtime, await self._settle(opened.row)), is_new=opened.created)

    async def _accept(
        self, order: Order, account: str | None, *, by_default: bool, connection: object = None
    ) -> CreateResult:
        row = assembly.known(self._runtime, order, account, by_default=by_default)
        if row is not None:
            return CreateResult(row, created=False)
        # A transaction of the caller's does not wait for the network.
        choice = await self._choose(order, account, by_default=by_default, ask=connection is None)
        chosen, order = assembly.chosen(self._runtime, order, choice, by_default=by_default)
        if connection is None:
            await self.refresh_provider_config(chosen.name)
        else:
            assembly.check_learned(self._runtime, chosen)
        write = self._write if connection is None else partial(self._write_within, connection)
        return await arun_flow(accept(chosen, order, self._runtime.moment()), write)

    async def _ask(self, account: Account, flow: EngineFlow[T], priority: Priority | None = None) -> T:
        with self._line(account).executor(priority) as executor:
            return await arun_flow(flow, self._with_lines(executor))

    def _with_lines(self, executor: AsyncCommandExecutor) -> Callable[[Command], Awaitable[Reply]]:
        """Let a flow read as another identity of its account: each has a line of its own."""

        async def execute(command: Command) -> Reply:
            if isinstance(command, ReadAs):
                return await self._line(self._runtime.identity(command)).exchange(command.request, executor.priority)
            return await executor(command)

        return execute

    def _line(self, account: Account) -> AsyncAccountSession:
        if account not in self._lines:
            from payments_core.http.transport.aiohttp_async import AiohttpTransport

            transport = AiohttpTransport(max_connections=account.settings.max_in_flight, clock=self._runtime.clock)
            self._lines[account] = AsyncAccountSession(account, transport, self._runtime)
        return self._lines[account]

    async def _write(self, command: Command) -> JournalResult:
        entry = assembly.only_entries(command)
        reply = await asyncio.wrap_future(self._runtime.journal.submit(entry))
        self._runtime.announce(entry, reply)
        return reply

    async def _write_within(self, connection: object, command: Command) -> JournalResult:
        return await self._runtime.journal.open_within_async(connection, assembly.only_open(command))

    async def _settle(self, row: PayoutRecord) -> PayoutRecord:
        """Advance as long as something is due this instant: a duplicate is read at once."""
        for _ in range(assembly.STEPS_AT_ONCE):
            before, row = row, await self._advance(row)
            if row.version == before.version or not assembly.is_due(row, self._runtime.clock()):
                break
        return row

    async def _advance(self, row: PayoutRecord, *, early: bool = False) -> PayoutRecord:
        self._runtime.check_process()
        line = self._line(self._runtime.serving(row))
        with about_payout(row.id), line.executor(priority_of(row)) as executor:
            try:
                flow = advance(line.account, row, self._runtime.moment(), early=early)
                return await arun_flow(flow, self._with_lines(executor))
            except Exception as error:
                raise assembly.interrupted(error, row, money_asked=executor.money_asked) from error
