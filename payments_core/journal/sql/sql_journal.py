"""The methods of a journal that both databases share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

from payments_core.domain.rates import AcquirePermit, Permit
from payments_core.domain.records import Pause
from payments_core.domain.shared_tokens import SharedToken, TokenChange
from payments_core.engine.commands import JournalCommand, JournalResult
from payments_core.journal.sql.batches import BatchesMixin
from payments_core.journal.sql.claims import ClaimsMixin
from payments_core.journal.sql.erasure import ErasureMixin
from payments_core.journal.sql.inbox import InboxMixin
from payments_core.journal.sql.outbox import OutboxMixin
from payments_core.journal.sql.pauses import LiftPause, SetPause
from payments_core.journal.sql.queries import QueriesMixin

__all__ = ["SqlJournal"]


class SqlJournal(QueriesMixin, ClaimsMixin, InboxMixin, OutboxMixin, ErasureMixin, BatchesMixin):
    """A journal in a database."""

    is_remote: bool
    _clock: Callable[[], datetime]

    async def execute_async(self, entry: JournalCommand) -> JournalResult:
        """Write one entry and return when it is durable; a task cancelled before it is taken up writes nothing."""
        return await asyncio.wrap_future(self.submit(entry))

    def submit(self, entry: JournalCommand) -> Future[JournalResult]:
        """Queue one entry; the future ends when it is durable. Cancelling it before it is taken up writes nothing."""
        return self._queue(entry)

    def set_pause(self, pause: Pause) -> None:
        """Write a pause; one in force for the same account is replaced."""
        self.execute(SetPause(pause))

    def lift_pause(self, account: str | None) -> bool:
        """End the pause of an account (or the one for all) and make due what waited; whether there was one."""
        return bool(self.execute(LiftPause(account, self._clock())))

    def permit(self, request: AcquirePermit) -> Future[Permit]:
        """Reserve the next time at which an account may be used, by the journal's clock, for all processes."""
        return self._queue(request)

    def token(self, change: TokenChange) -> Future[SharedToken]:
        """Ask for a token that all processes share, or store the one that was fetched."""
        return self._queue(change)
