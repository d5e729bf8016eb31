"""Sending events to webhooks: what is due is taken, posted some at once, and written down as it ended.

Whatever happens to a receiver concerns its own events and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from payments_core.client.event_stream import Look
from payments_core.domain.deliveries import Waiting
from payments_core.domain.events import EventName
from payments_core.http.flow import HttpFlow
from payments_core.logs import log
from payments_core.runtime import Runtime
from payments_core.webhooks import DeliveryResult, Webhook, deliver, next_at

__all__ = ["AT_ONCE", "DeliverySummary", "Receiver"]

AT_ONCE = 8
_TO_WRITE = timedelta(seconds=5)  # from taking events to the last moment for writing one


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """What came of sending events to webhooks.

    Args:
        delivered: How many were accepted.
        failed: How many were not, this time.

    """

    delivered: int = 0
    failed: int = 0

    def __add__(self, other: DeliverySummary) -> DeliverySummary:
        """Count both."""
        return DeliverySummary(self.delivered + other.delivered, self.failed + other.failed)


class Receiver:
    """One webhook, and where its next look begins."""

    def __init__(self, runtime: Runtime, webhook: Webhook) -> None:
        self._runtime = runtime
        self._webhook = webhook
        self._look = Look(runtime, webhook.consumer)

    def take(self) -> Sequence[tuple[Waiting, HttpFlow[DeliveryResult]]]:
        """Take some of what is due, each with its flow; no other process takes them until ours is certainly over."""
        self._runtime.check_process()
        journal, at = self._runtime.journal, self._runtime.clock()
        until = at + _TO_WRITE
        taken = journal.take_deliveries(
            self._webhook.consumer,
            at=at,
            until=until + timedelta(seconds=self._webhook.settings.timeout_s),
            after=self._look.begin(),
            limit=AT_ONCE,
        )
        if not taken:
            self._look.found_nothing()
        rows = [(one, journal.get(one.event.payout_id)) for one in taken]
        return [(one, deliver(self._webhook, one.event, row, at=at, until=until)) for one, row in rows if row]

    def note(self, waiting: Waiting, result: DeliveryResult) -> DeliverySummary:
        """Write down how a delivery ended."""
        event, name = waiting.event, self._webhook.name
        facts = {"webhook": name, "event_id": event.id, "payout": event.payout_id, "account": event.account}
        if result.accepted:
            self._runtime.journal.acknowledge(self._webhook.consumer.name, event.id, result.at)
            log(EventName.WEBHOOK_DELIVERED, **facts, attempts=waiting.attempts + 1)
            return DeliverySummary(delivered=1)
        again_at = next_at(self._webhook, waiting, result)
        self._runtime.journal.put_off_delivery(
            self._webhook.consumer.name,
            event.id,
            next_at=again_at,
            result=f"{result.at:%Y-%m-%d %H:%M:%S} {result.why}",
        )
        name_of_it = EventName.WEBHOOK_GIVEN_UP if again_at is None else EventName.WEBHOOK_FAILED
        log(name_of_it, **facts, attempts=waiting.attempts + 1, why=result.why, next_at=again_at)
        return DeliverySummary(failed=1)

    def failed(self, error: Exception) -> DeliveryResult:
        """Return the result of a delivery that raised an error; only its kind, as its text could hold anything."""
        return DeliveryResult(accepted=False, why=type(error).__name__, at=self._runtime.clock())
