"""Events, to loops of the application and to webhooks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from payments_core.client.asynchronous.event_iterator import AsyncEvents
from payments_core.client.asynchronous.webhook_sender import asend_all
from payments_core.client.event_stream import Look, consumer_of
from payments_core.client.webhook_selection import WebhookSelection
from payments_core.client.webhook_sending import DeliverySummary
from payments_core.domain.bounds import DAY_S, check_number
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncEventsMixin"]


class AsyncEventsMixin(WebhookSelection):
    """Delivers events, to loops of the application and to webhooks."""

    def events(
        self, *, consumer: str, since: datetime | None = None, follow: bool = False, poll_s: float = 1.0
    ) -> AsyncEvents:
        """Return the events a consumer has not acknowledged: each payout's in order, every one at least once.

        Asking for the next one acknowledges the one before it. What a loop was at when it broke off is offered again,
        so the same event may come twice; it has the same id then.

        Args:
            consumer: Its name; what is acknowledged under it is remembered for good. One loop at a time: two lose
                nothing, but do not share the work, and each may receive what the other is at.
            since: Nothing that happened before; aware. Left out, a new consumer receives every event there ever was.
            follow: Wait for more when nothing is left.
            poll_s: How long before it looks again, in seconds; at most a day.

        Raises:
            InvalidArgument: ``poll_s`` is no such number.
            SettingsError: The name, or the moment, is none.
            JournalError: Raised by the loop: the journal failed, or was closed.

        """
        check_number("poll_s", poll_s, 0, DAY_S)
        return AsyncEvents(Look(self._runtime, consumer_of(consumer, since)), follow=follow, poll_s=poll_s)

    async def send_events(
        self, webhook: str | None = None, *, stopped: Callable[[], bool] = lambda: False
    ) -> DeliverySummary:
        """Send to webhooks what is due now, and return when nothing is or no receiver accepts anything.

        Args:
            webhook: To this one only; to all when not given.
            stopped: Asked before more is taken; True ends it.

        Raises:
            SettingsError: There is no such webhook.
            JournalError: The journal failed.

        """
        send = partial(asend_all, clock=self._runtime.clock, stopped=stopped)
        return sum(await waiting.all_of(send, self._chosen(webhook)), DeliverySummary())

    async def acknowledge_event(self, consumer: str, event_id: str) -> None:
        """Write down that a consumer has processed an event, or never will.

        Args:
            consumer: Its name; ``webhook/NAME`` for a webhook.
            event_id: Which event.

        Raises:
            SettingsError: There is no such webhook, or it is no name.
            UnknownEvent: There is no such event.

        """
        await waiting.run_blocking(self._acknowledge, consumer, event_id)

    async def resume_events(self, webhook: str) -> int:
        """Make due what a webhook has given up; return how many events there were.

        Args:
            webhook: Its name in the configuration.

        Raises:
            SettingsError: There is no such webhook.

        """
        return await waiting.run_blocking(self._resume, webhook)
