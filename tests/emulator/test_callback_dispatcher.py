"""The courier stops when it is told to."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

from payments_core.testing.emulator.callback_dispatcher import CallbackDispatcher
from payments_core.testing.emulator.callback_queue import Callback, CallbackBook
from payments_core.testing.emulator.destinations import Destination


def test_dispatcher_stops_when_it_is_woken_at_the_same_time() -> None:
    """A try that ends, or a callback that is planned, just as the emulator stops."""
    asyncio.run(_woken_and_stopped())


async def _woken_and_stopped() -> None:
    book = CallbackBook()
    now = datetime.now(UTC)
    book.add(_callback(now + timedelta(hours=1)))
    dispatcher = CallbackDispatcher(book, lock=threading.Lock(), clock=lambda: now, timeout_s=1.0)
    for limiter in range(4):
        running = asyncio.create_task(dispatcher.run())
        await asyncio.sleep(0.01)

        dispatcher.wake()
        for _ in range(limiter):
            await asyncio.sleep(0)
        running.cancel()

        done, _ = await asyncio.wait([running], timeout=5)
        if not done:
            running.cancel()
        assert done == {running}, f"it goes on, cancelled {limiter} turns after it was woken"
        assert running.cancelled()


def _callback(due_at: datetime) -> Callback:
    return Callback(
        reference="r",
        url="http://127.0.0.1:1/",
        method="POST",
        says="paid",
        body=b"{}",
        headers={},
        destination=Destination(("127.0.0.1",), 1, "127.0.0.1:1", "/"),
        due_at=due_at,
    )
