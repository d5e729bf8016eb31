"""Sends events to webhooks until it is killed: ``sender.py CONFIG KIND``."""

from __future__ import annotations

import asyncio
import sys
import time

from payments_core import AsyncPayoutClient, PayoutClient

CONFIG, KIND = sys.argv[1:]


def plain() -> None:
    with PayoutClient.from_config(CONFIG) as client:
        while True:
            client.send_events()
            time.sleep(0.05)


async def asynchronous() -> None:
    async with AsyncPayoutClient.from_config(CONFIG) as client:
        while True:
            await client.send_events()
            await asyncio.sleep(0.05)


plain() if KIND == "plain" else asyncio.run(asynchronous())
