"""A consumer of events that breaks now and then: ``consumer.py CONFIG LOG KIND``.

Its work is one line in a file for each event. Now and then it raises, before or after that; then it begins anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from random import Random

from payments_core import AsyncPayoutClient, PayoutClient, PayoutEvent

CONFIG, LOG, KIND = sys.argv[1:]
RANDOM = Random()  # noqa: S311 - no secret
FILE = os.open(LOG, os.O_WRONLY | os.O_APPEND)
HOW = {"consumer": "books", "follow": True, "poll_s": 0.05}


class Broke(Exception):
    """The application has failed."""


def work(event: PayoutEvent) -> None:
    if RANDOM.random() < 0.01:
        raise Broke
    os.write(FILE, f"{json.dumps({'id': event.id, 'payout': event.payout_id})}\n".encode())
    if RANDOM.random() < 0.01:
        raise Broke


def plain() -> None:
    with PayoutClient.from_config(CONFIG) as client:
        while True:
            try:
                for event in client.events(**HOW):
                    work(event)
            except Broke:
                continue


async def asynchronous() -> None:
    async with AsyncPayoutClient.from_config(CONFIG) as client:
        while True:
            try:
                async for event in client.events(**HOW):
                    work(event)
            except Broke:
                continue


plain() if KIND == "plain" else asyncio.run(asynchronous())
