"""Events for the application: each is offered until it is acknowledged, in order for each payout.

At least once, and never less: what is not acknowledged is offered again, by whichever process asks next.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from datetime import datetime
from typing import Self

from payments_core.domain.deliveries import Consumer, PayoutEvent
from payments_core.domain.errors import SettingsError
from payments_core.domain.masking import quote
from payments_core.runtime import Runtime

__all__ = ["AsyncEvents", "Events", "Look", "consumer_of"]

_PAGE = 100
_AGAIN_S = 60.0  # between two looks at everything
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Look:
    """What one consumer has still to hear: where the next look begins.

    What was acknowledged need not be passed again each time. But in a shared journal an event may become visible after
    others with higher numbers, so now and then a look begins at the beginning.
    """

    def __init__(self, runtime: Runtime, consumer: Consumer) -> None:
        self._runtime = runtime
        self.consumer = consumer
        self._after = 0
        self._again_at = 0.0

    def begin(self) -> int:
        """Return the number after which the next look begins."""
        if time.monotonic() >= self._again_at:
            journal = self._runtime.journal
            self._after = journal.acknowledged_up_to(self.consumer, after=0)
            self._again_at = time.monotonic() + _AGAIN_S if journal.appears_late else math.inf
        return self._after

    def found_nothing(self) -> None:
        """Begin later next time, as far as all is acknowledged."""
        self._after = self._runtime.journal.acknowledged_up_to(self.consumer, after=self._after)

    def offered(self) -> tuple[PayoutEvent, ...]:
        """Return what may be heard now, oldest first."""
        self._runtime.check_process()
        found = self._runtime.journal.offered(self.consumer, after=self.begin(), limit=_PAGE)
        if not found:
            self.found_nothing()
        return found

    def acknowledge(self, event: PayoutEvent) -> None:
        """Write down that an event was heard."""
        self._runtime.check_process()
        self._runtime.journal.acknowledge(self.consumer.name, event.id, self._runtime.clock())


class _Events:
    """What both iterators know: the events of the last look, and the one that is being worked on.

    Args:
        look: What is still to hear.
        follow: Wait for more when nothing is left.
        poll_s: How long before it looks again, in seconds.

    """

    def __init__(self, look: Look, *, follow: bool, poll_s: float) -> None:
        self._look = look
        self._follow = follow
        self._poll_s = poll_s
        self._page: list[PayoutEvent] = []
        self._current: PayoutEvent | None = None

    def _forget(self) -> Self:
        # A loop that was left, by an error or on purpose, has not said that its event was heard.
        self._page, self._current = [], None
        return self


class Events(_Events):
    """The events of one consumer, for one loop in one thread; from :meth:`payments_core.PayoutClient.events`.

    Asking for the next event acknowledges the one before it. Leaving the loop, by an error or ``break``, acknowledges
    nothing: its event is offered again.
    """

    def __iter__(self) -> Self:
        """Begin with what was not acknowledged yet."""
        return self._forget()

    def __next__(self) -> PayoutEvent:
        """Acknowledge the event before, and return the next one."""
        self.ack()
        while not self._page:
            self._page = list(self._look.offered())
            if not self._page:
                if not self._follow:
                    raise StopIteration
                time.sleep(self._poll_s)
        self._current = self._page.pop(0)
        return self._current

    def ack(self) -> None:
        """Acknowledge the event that the loop is at, now; such as before leaving the loop."""
        if self._current is not None:
            self._look.acknowledge(self._current)
            self._current = None


class AsyncEvents(_Events):
    """The events of one consumer, for one loop in one task; from :meth:`payments_core.AsyncPayoutClient.events`.

    Asking for the next event acknowledges the one before it. Leaving the loop, by an error, a cancellation or
    ``break``, acknowledges nothing: its event is offered again.
    """

    def __aiter__(self) -> Self:
        """Begin with what was not acknowledged yet."""
        return self._forget()

    async def __anext__(self) -> PayoutEvent:
        """Acknowledge the event before, and return the next one."""
        await self.ack()
        while not self._page:
            self._page = list(await asyncio.to_thread(self._look.offered))
            if not self._page:
                if not self._follow:
                    raise StopAsyncIteration
                await asyncio.sleep(self._poll_s)
        self._current = self._page.pop(0)
        return self._current

    async def ack(self) -> None:
        """Acknowledge the event that the loop is at, now; such as before leaving the loop."""
        if self._current is not None:
            await asyncio.to_thread(self._look.acknowledge, self._current)
            self._current = None


def consumer_of(name: str, since: datetime | None) -> Consumer:
    """Return a consumer of the application's.

    Raises:
        SettingsError: Its name, or the moment, is none.

    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{quote(name)} is no name for a consumer.",
            hint="Use small letters, digits, - and _; at most 63.",
        )
    if since is not None and since.tzinfo is None:
        raise SettingsError("`since` has no time zone.", hint="Write datetime(…, tzinfo=UTC).")
    return Consumer(name, since)
