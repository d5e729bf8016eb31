"""What the client tells: events, to loops of the application's and to webhooks."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from payments_core.client.event_stream import AsyncEvents, Events, Look, consumer_of
from payments_core.client.webhook_sending import DeliverySummary, Receiver, asend_all, send_all
from payments_core.domain.bounds import DAY_S, MOST_ROWS, check_number
from payments_core.domain.deliveries import Consumer, Waiting
from payments_core.domain.errors import UnknownEvent
from payments_core.domain.masking import quote
from payments_core.runtime import Runtime
from payments_core.webhooks import PREFIX

__all__ = ["AsyncEventsMixin", "EventsMixin"]


class _Webhooks:
    """What both clients know of their webhooks."""

    _runtime: Runtime

    @functools.cached_property
    def _receivers(self) -> Mapping[str, Receiver]:
        return {name: Receiver(self._runtime, webhook) for name, webhook in self._runtime.webhooks.items()}

    def _chosen(self, webhook: str | None) -> Collection[Receiver]:
        return self._receivers.values() if webhook is None else [self._receivers[self._runtime.webhook(webhook).name]]

    def pending_events(self, consumer: str, *, limit: int = 100) -> tuple[Waiting, ...]:
        """Return what a consumer has not acknowledged, oldest first, also what waits for an earlier event.

        Args:
            consumer: Its name; ``webhook/NAME`` for a webhook.
            limit: How many at most; up to 100,000.

        Raises:
            InvalidArgument: ``limit`` is no such number.
            SettingsError: There is no such webhook, or it is no name.

        """
        check_number("limit", limit, 1, MOST_ROWS, whole=True)
        return self._runtime.journal.waiting(self._consumer(consumer), limit=limit)

    def _consumer(self, name: str) -> Consumer:
        if name.startswith(PREFIX):
            return self._runtime.webhook(name.removeprefix(PREFIX)).consumer
        return consumer_of(name, None)

    def _acknowledge(self, consumer: str, event_id: str) -> None:
        name = self._consumer(consumer).name
        if not self._runtime.journal.acknowledge(name, event_id, self._runtime.clock()):
            raise UnknownEvent(
                f"The journal has no event {quote(event_id)}.",
                hint="`payouts events list` shows their ids.",
            )

    def _resume(self, webhook: str) -> int:
        consumer = self._runtime.webhook(webhook).consumer.name
        return self._runtime.journal.resume_deliveries(consumer, self._runtime.clock())


class EventsMixin(_Webhooks):
    """Events, for the synchronous client."""

    def events(
        self, *, consumer: str, since: datetime | None = None, follow: bool = False, poll_s: float = 1.0
    ) -> Events:
        """Return the events a consumer has not acknowledged: each payout's in order, every one at least once.

        Asking for the next one acknowledges the one before it. What a loop was at when it broke off is offered again,
        so the same event may come twice; it has the same id then.

        Args:
            consumer: Its name; what is acknowledged under it is remembered for good. One loop at a time: two lose
                nothing, but do not share the work, and each may hear what the other is at.
            since: Nothing that happened before; aware. Left out, a new consumer hears everything there ever was.
            follow: Wait for more when nothing is left.
            poll_s: How long before it looks again, in seconds; at most a day.

        Raises:
            InvalidArgument: ``poll_s`` is no such number.
            SettingsError: The name, or the moment, is none.
            JournalError: Raised by the loop: the journal failed, or was closed.

        """
        check_number("poll_s", poll_s, 0, DAY_S)
        return Events(Look(self._runtime, consumer_of(consumer, since)), follow=follow, poll_s=poll_s)

    def send_events(self, webhook: str | None = None) -> DeliverySummary:
        """Send to webhooks what is due now, and return when nothing is or no receiver accepts anything.

        Args:
            webhook: To this one only; to all when not given.

        Raises:
            SettingsError: There is no such webhook.
            JournalError: The journal failed.

        """
        return sum((send_all(receiver, self._runtime.clock) for receiver in self._chosen(webhook)), DeliverySummary())

    def acknowledge_event(self, consumer: str, event_id: str) -> None:
        """Write down that a consumer has heard an event, or never shall.

        Args:
            consumer: Its name; ``webhook/NAME`` for a webhook.
            event_id: Which event.

        Raises:
            SettingsError: There is no such webhook, or it is no name.
            UnknownEvent: There is no such event.

        """
        self._acknowledge(consumer, event_id)

    def resume_events(self, webhook: str) -> int:
        """Make due what a webhook has given up; say how many events there were.

        Args:
            webhook: Its name in the configuration.

        Raises:
            SettingsError: There is no such webhook.

        """
        return self._resume(webhook)


class AsyncEventsMixin(_Webhooks):
    """Events, for the asynchronous client."""

    def events(
        self, *, consumer: str, since: datetime | None = None, follow: bool = False, poll_s: float = 1.0
    ) -> AsyncEvents:
        """Return the events a consumer has not acknowledged: each payout's in order, every one at least once.

        Asking for the next one acknowledges the one before it. What a loop was at when it broke off is offered again,
        so the same event may come twice; it has the same id then.

        Args:
            consumer: Its name; what is acknowledged under it is remembered for good. One loop at a time: two lose
                nothing, but do not share the work, and each may hear what the other is at.
            since: Nothing that happened before; aware. Left out, a new consumer hears everything there ever was.
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
        rounds = [asend_all(receiver, self._runtime.clock, stopped) for receiver in self._chosen(webhook)]
        ended = await asyncio.gather(*rounds, return_exceptions=True)  # each to its end: one's trouble is its own
        for one in ended:
            if isinstance(one, BaseException):
                raise one
        return sum((one for one in ended if isinstance(one, DeliverySummary)), DeliverySummary())

    async def acknowledge_event(self, consumer: str, event_id: str) -> None:
        """Write down that a consumer has heard an event, or never shall.

        Args:
            consumer: Its name; ``webhook/NAME`` for a webhook.
            event_id: Which event.

        Raises:
            SettingsError: There is no such webhook, or it is no name.
            UnknownEvent: There is no such event.

        """
        await asyncio.to_thread(self._acknowledge, consumer, event_id)

    async def resume_events(self, webhook: str) -> int:
        """Make due what a webhook has given up; say how many events there were.

        Args:
            webhook: Its name in the configuration.

        Raises:
            SettingsError: There is no such webhook.

        """
        return await asyncio.to_thread(self._resume, webhook)
