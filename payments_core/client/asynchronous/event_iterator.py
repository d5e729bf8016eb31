"""Events for the application, one after the other."""

from __future__ import annotations

from typing import Self

from payments_core.client.event_stream import EventPage
from payments_core.domain.deliveries import PayoutEvent
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncEvents"]


class AsyncEvents(EventPage):
    """The events of one consumer, for one loop in one task; from :meth:`payments_core.AsyncPayoutClient.events`.

    Asking for the next event acknowledges the one before it. Leaving the loop, by an error, a cancellation or
    ``break``, acknowledges nothing: its event is offered again.
    """

    def __aiter__(self) -> Self:
        """Begin with what was not acknowledged yet."""
        return self._begin()

    async def __anext__(self) -> PayoutEvent:
        """Acknowledge the event before, and return the next one."""
        await self.ack()
        while not self._page:
            self._page = list(await waiting.run_blocking(self._look.offered))
            if not self._page:
                if not self._follow:
                    raise StopAsyncIteration
                await waiting.sleep(self._poll_s)
        self._current = self._page.pop(0)
        return self._current

    async def ack(self) -> None:
        """Acknowledge the event that the loop is at, now; such as before leaving the loop."""
        if self._current is not None:
            await waiting.run_blocking(self._look.acknowledge, self._current)
            self._current = None
