"""Posting events to webhooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from payments_core.client.allowed_commands import only_request
from payments_core.client.webhook_sending import AT_ONCE, DeliverySummary, Receiver
from payments_core.domain.deliveries import Waiting
from payments_core.engine.flow import Command
from payments_core.http.flow import HttpFlow, arun_flow
from payments_core.http.messages import HttpResponse
from payments_core.http.transport import AsyncTransport
from payments_core.runtime import Clock
from payments_core.waiting import tasks as waiting
from payments_core.webhooks import DeliveryResult

__all__ = ["asend_all"]


async def asend_all(receiver: Receiver, clock: Clock, stopped: Callable[[], bool]) -> DeliverySummary:
    """Send what is due, until nothing is, none of some was accepted, or the caller stops it.

    Args:
        receiver: Where to.
        clock: Tells the time.
        stopped: Called before more is taken; True ends it.

    """
    from payments_core.http.transport.h11_async import AsyncH11Transport

    transport, sent = AsyncH11Transport(max_connections=AT_ONCE, clock=clock), DeliverySummary()
    try:
        while not stopped() and (page := await waiting.run_blocking(receiver.take)):
            now = sum(await waiting.all_of(partial(_send, receiver, transport), page), DeliverySummary())
            sent += now
            if not now.delivered:
                break
    finally:
        await transport.aclose()
    return sent


async def _send(
    receiver: Receiver, transport: AsyncTransport, taken: tuple[Waiting, HttpFlow[DeliveryResult]]
) -> DeliverySummary:
    async def post(command: Command) -> HttpResponse:
        return await transport.send(only_request(command))

    event, flow = taken
    try:
        result = await arun_flow(flow, post)
    except Exception as error:  # noqa: BLE001 - one event's trouble is not the others'
        result = receiver.failed(error)
    return await waiting.run_blocking(receiver.note, event, result)
