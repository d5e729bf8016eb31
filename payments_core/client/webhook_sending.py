"""Sending events to webhooks: what is due is taken, posted some at once, and written down as it ended.

Whatever happens to a receiver concerns its own events and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from payments_core.client.event_stream import Look
from payments_core.domain.deliveries import Waiting
from payments_core.domain.errors import ProviderBug
from payments_core.domain.events import EventName
from payments_core.engine.flow import Command
from payments_core.http.flow import HttpFlow, arun_flow, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.http.transport import AsyncTransport, Transport
from payments_core.logs import log
from payments_core.runtime import Clock, Runtime
from payments_core.webhooks import DeliveryResult, Webhook, deliver, next_at

__all__ = ["DeliverySummary", "Receiver", "asend_all", "send_all"]

_AT_ONCE = 8
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
        """Take some of what is due, each with its flow; others leave them alone until ours is certainly over."""
        self._runtime.check_process()
        journal, at = self._runtime.journal, self._runtime.clock()
        until = at + _TO_WRITE
        taken = journal.take_deliveries(
            self._webhook.consumer,
            at=at,
            until=until + timedelta(seconds=self._webhook.settings.timeout_s),
            after=self._look.begin(),
            limit=_AT_ONCE,
        )
        if not taken:
            self._look.found_nothing()
        rows = [(one, journal.get(one.event.payout_id)) for one in taken]
        return [(one, deliver(self._webhook, one.event, row, at=at, until=until)) for one, row in rows if row]

    def note(self, waiting: Waiting, told: DeliveryResult) -> DeliverySummary:
        """Write down how it ended."""
        event, name = waiting.event, self._webhook.name
        facts = {"webhook": name, "event_id": event.id, "payout": event.payout_id, "account": event.account}
        if told.accepted:
            self._runtime.journal.acknowledge(self._webhook.consumer.name, event.id, told.at)
            log(EventName.WEBHOOK_DELIVERED, **facts, attempts=waiting.attempts + 1)
            return DeliverySummary(delivered=1)
        again_at = next_at(self._webhook, waiting, told)
        self._runtime.journal.put_off_delivery(
            self._webhook.consumer.name, event.id, next_at=again_at, told=f"{told.at:%Y-%m-%d %H:%M:%S} {told.why}"
        )
        name_of_it = EventName.WEBHOOK_GIVEN_UP if again_at is None else EventName.WEBHOOK_FAILED
        log(name_of_it, **facts, attempts=waiting.attempts + 1, why=told.why, next_at=again_at)
        return DeliverySummary(failed=1)

    def stumbled(self, error: Exception) -> DeliveryResult:
        """Return how a delivery ended that should not have ended so; its words could be anybody's."""
        return DeliveryResult(accepted=False, why=type(error).__name__, at=self._runtime.clock())


def send_all(receiver: Receiver, clock: Clock) -> DeliverySummary:
    """Send what is due, until nothing is or none of some was accepted.

    Args:
        receiver: Where to.
        clock: Tells the time.

    """
    from payments_core.http.transport.httpx_sync import HttpxTransport

    transport = HttpxTransport(max_connections=_AT_ONCE, clock=clock)
    try:
        return _send_pages(receiver, transport)
    finally:
        transport.close()


def _send_pages(receiver: Receiver, transport: Transport) -> DeliverySummary:
    def post(command: Command) -> HttpResponse:
        return transport.send(_only_request(command))

    def send(taken: tuple[Waiting, HttpFlow[DeliveryResult]]) -> DeliverySummary:
        waiting, flow = taken
        try:
            told = run_flow(flow, post)
        except Exception as error:  # noqa: BLE001 - one event's trouble is not the others'
            told = receiver.stumbled(error)
        return receiver.note(waiting, told)

    sent = DeliverySummary()
    with ThreadPoolExecutor(_AT_ONCE, "payments-webhook") as pool:
        while page := receiver.take():
            now = sum(pool.map(send, page), DeliverySummary())
            sent += now
            if not now.delivered:
                break
    return sent


async def asend_all(receiver: Receiver, clock: Clock, stopped: Callable[[], bool]) -> DeliverySummary:
    """Send what is due, until nothing is, none of some was accepted, or we are told to stop.

    Args:
        receiver: Where to.
        clock: Tells the time.
        stopped: Asked before more is taken.

    """
    from payments_core.http.transport.aiohttp_async import AiohttpTransport

    transport, sent = AiohttpTransport(max_connections=_AT_ONCE, clock=clock), DeliverySummary()
    try:
        while not stopped() and (page := await asyncio.to_thread(receiver.take)):
            now = sum(await asyncio.gather(*(_send(receiver, transport, *one) for one in page)), DeliverySummary())
            sent += now
            if not now.delivered:
                break
    finally:
        await transport.aclose()
    return sent


async def _send(
    receiver: Receiver, transport: AsyncTransport, waiting: Waiting, flow: HttpFlow[DeliveryResult]
) -> DeliverySummary:
    async def post(command: Command) -> HttpResponse:
        return await transport.send(_only_request(command))

    try:
        told = await arun_flow(flow, post)
    except Exception as error:  # noqa: BLE001 - one event's trouble is not the others'
        told = receiver.stumbled(error)
    return await asyncio.to_thread(receiver.note, waiting, told)


def _only_request(command: Command) -> HttpRequest:
    if not isinstance(command, HttpRequest):
        raise ProviderBug(f"{type(command).__name__} has no place here.")
    return command
