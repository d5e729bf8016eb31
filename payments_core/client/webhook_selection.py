"""The webhooks of a client, and the events that wait for a consumer."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping

from payments_core.client.event_stream import consumer_of
from payments_core.client.webhook_sending import Receiver
from payments_core.domain.bounds import MOST_ROWS, check_number
from payments_core.domain.deliveries import Consumer, Waiting
from payments_core.domain.errors import UnknownEvent
from payments_core.domain.masking import quote
from payments_core.runtime import Runtime
from payments_core.webhooks import PREFIX

__all__ = ["WebhookSelection"]


class WebhookSelection:
    """Finds webhooks and consumers by name."""

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
