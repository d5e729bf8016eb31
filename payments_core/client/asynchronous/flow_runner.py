"""Runs the engine's flows: over a session of each account, or against the journal alone."""

from __future__ import annotations

from typing import TypeVar

from payments_core.client import resuming
from payments_core.client.allowed_commands import only_create, only_journal
from payments_core.client.interruptions import interrupted
from payments_core.domain.payout import Order
from payments_core.domain.rates import Priority
from payments_core.domain.records import PayoutRecord
from payments_core.domain.references import payout_id
from payments_core.engine import advance, send
from payments_core.engine.commands import CreateResult, JournalResult
from payments_core.engine.flow import Command, EngineFlow, ReadAs
from payments_core.http.flow import arun_flow
from payments_core.http.transport import make_async_transport
from payments_core.provider import Account
from payments_core.runtime import AsyncAccountSession, Runtime, priority_of
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncFlowRunner"]

T = TypeVar("T")


class AsyncFlowRunner:
    """What every part of a client runs flows by.

    Args:
        runtime: The client's.

    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sessions: dict[Account, AsyncAccountSession] = {}

    async def close(self) -> None:
        """Close connections and journal, when observers have received the last change; they have five seconds."""
        for session in self._sessions.values():
            await session.close()
        await waiting.run_blocking(self._runtime.observers.close)
        self._runtime.journal.close()

    async def _run(self, account: Account, flow: EngineFlow[T], priority: Priority | None = None) -> T:
        with self._session(account).executor(priority, self._session_of) as executor:
            return await arun_flow(flow, executor)

    def _session_of(self, read: ReadAs) -> AsyncAccountSession:
        """Return the session of another identity of an account: each has its own."""
        return self._session(self._runtime.identity(read))

    def _session(self, account: Account) -> AsyncAccountSession:
        if (session := self._sessions.get(account)) is None:
            transport = make_async_transport(account.settings, clock=self._runtime.clock)
            # Threads that come first at once share the one session that is kept: the others have opened nothing.
            session = self._sessions.setdefault(account, AsyncAccountSession(account, transport, self._runtime))
        return session

    async def _write(self, command: Command) -> JournalResult:
        entry = only_journal(command)
        reply = await waiting.execute(self._runtime.journal, entry)
        self._runtime.announce(entry, reply)
        return reply

    async def _write_within(self, connection: object, command: Command) -> JournalResult:
        return await self._runtime.journal.open_within_async(connection, only_create(command))

    async def _send(self, account: Account, order: Order) -> CreateResult:
        """Record a payout under its key, and send it in the same breath where nothing makes it wait."""
        runtime, session = self._runtime, self._session(account)
        identity = payout_id(runtime.namespace, order.key)
        with session.executor(None, self._session_of, payout_id=identity) as executor:
            try:
                return await arun_flow(send(account, order, runtime.moment(), identity), executor)
            except Exception as error:
                if executor.created is None:
                    raise
                raise interrupted(error, executor.created, money_asked=executor.money_asked) from error

    async def _settle(self, row: PayoutRecord) -> PayoutRecord:
        """Advance as long as something is due this instant: a duplicate is read at once."""
        for _ in range(resuming.STEPS_AT_ONCE):
            before, row = row, await self._advance(row)
            if row.version == before.version or not resuming.is_due(row, self._runtime.clock()):
                break
        return row

    async def _advance(self, row: PayoutRecord, *, early: bool = False) -> PayoutRecord:
        self._runtime.check_process()
        session = self._session(self._runtime.serving(row))
        with session.executor(priority_of(row), self._session_of, payout_id=row.id) as executor:
            try:
                flow = advance(session.account, row, self._runtime.moment(), early=early)
                return await arun_flow(flow, executor)
            except Exception as error:
                raise interrupted(error, row, money_asked=executor.money_asked) from error
