"""The contestants of `payouts.py`: each pays N people through the gateway and tells what it cost.

One payout is a POST of the transfer and a GET of its status, both answers checked. Started by `payouts.py` in a fresh
process each time: `python _contestants.py ours-async-16 --url http://127.0.0.1:9999 --payouts 400` prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from payments_core.domain.payout import Payout
    from payments_core.http.messages import HttpRequest
    from payments_core.runtime import Runtime

PATH = "/disbursement/v1_0/transfer"
PAYEE = "256772123456"  # the documentation's own example
FIELDS = {
    "Authorization": "Bearer bench-token",
    "Ocp-Apim-Subscription-Key": "0" * 32,
    "X-Target-Environment": "sandbox",
}
Pay = Callable[[int], None]
PayLater = Callable[[int], Awaitable[None]]


def body(number: int) -> dict[str, Any]:
    """Return a transfer's body."""
    return {
        "amount": "15",
        "currency": "EUR",
        "externalId": f"payout-{number:06d}",
        "payee": {"partyIdType": "MSISDN", "partyId": PAYEE},
        "payerMessage": "salary november",
        "payeeNote": "salary november",
    }


def check(posted: int, read: int, answer: dict[str, Any]) -> None:
    """Hold a bare client to the least it must look at."""
    if (posted, read, answer["status"]) != (202, 200, "SUCCESSFUL"):
        raise SystemExit(f"wrong answer: {posted} {read} {answer}")


# --- bare clients --------------------------------------------------------------------------------------------------


@contextmanager
def raw_httpx(url: str, in_flight: int) -> Iterator[Pay]:
    """Yield the yardstick: one `httpx.Client`, as its documentation shows it."""
    import httpx

    with httpx.Client() as client:

        def pay(number: int) -> None:
            reference = str(uuid.uuid4())
            posted = client.post(url + PATH, json=body(number), headers={**FIELDS, "X-Reference-Id": reference})
            read = client.get(f"{url}{PATH}/{reference}", headers=FIELDS)
            check(posted.status_code, read.status_code, read.json())

        yield pay


@asynccontextmanager
async def raw_httpx_async(url: str, in_flight: int) -> AsyncIterator[PayLater]:
    """Yield one `httpx.AsyncClient`, as its documentation shows it."""
    import httpx

    async with httpx.AsyncClient() as client:

        async def pay(number: int) -> None:
            reference = str(uuid.uuid4())
            posted = await client.post(url + PATH, json=body(number), headers={**FIELDS, "X-Reference-Id": reference})
            read = await client.get(f"{url}{PATH}/{reference}", headers=FIELDS)
            check(posted.status_code, read.status_code, read.json())

        yield pay


@asynccontextmanager
async def raw_aiohttp(url: str, in_flight: int) -> AsyncIterator[PayLater]:
    """Yield one `aiohttp.ClientSession`: what our asynchronous transport stands on."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as client:

        async def pay(number: int) -> None:
            reference = str(uuid.uuid4())
            fields = {**FIELDS, "X-Reference-Id": reference}
            async with client.post(url + PATH, json=body(number), headers=fields) as posted:
                await posted.read()
            async with client.get(f"{url}{PATH}/{reference}", headers=FIELDS) as read:
                check(posted.status, read.status, await read.json())

        yield pay


def _requests(url: str, number: int) -> tuple[HttpRequest, HttpRequest]:
    from payments_core.http.messages import HttpRequest

    reference = str(uuid.uuid4())
    text = json.dumps(body(number))
    fields = {**FIELDS, "X-Reference-Id": reference, "Content-Type": "application/json"}
    return (
        HttpRequest("POST", url + PATH, "transfer", headers=fields, body=text),
        HttpRequest("GET", f"{url}{PATH}/{reference}", "transfer_status", headers=FIELDS),
    )


@contextmanager
def our_transport(url: str, in_flight: int) -> Iterator[Pay]:
    """Yield our synchronous transport alone: the full path without everything above it."""
    from payments_core.http.transport.httpx_sync import HttpxTransport
    from payments_core.runtime import utc_now

    transport = HttpxTransport(max_connections=in_flight, clock=utc_now)

    def pay(number: int) -> None:
        post, get = _requests(url, number)
        posted, read = transport.send(post), transport.send(get)
        check(posted.status, read.status, json.loads(read.body))

    yield pay
    transport.close()


@asynccontextmanager
async def our_transport_async(url: str, in_flight: int) -> AsyncIterator[PayLater]:
    """Yield our asynchronous transport alone: the full path without everything above it."""
    from payments_core.http.transport.aiohttp_async import AiohttpTransport
    from payments_core.runtime import utc_now

    transport = AiohttpTransport(max_connections=in_flight, clock=utc_now)

    async def pay(number: int) -> None:
        post, get = _requests(url, number)
        posted, read = await transport.send(post), await transport.send(get)
        check(posted.status, read.status, json.loads(read.body))

    yield pay
    await transport.aclose()


# --- ours: validation, journal flushed to disk, logs, retry, token, everything ----------------------------------------

_CONFIGURATION = """
[installation]
namespace = "benchmark-namespace"

[journal]
url = "sqlite:///payouts.db"

[accounts.bench]
provider = "mtn_momo"
target_environment = "sandbox"
base_url = "{url}"
api_user = "{user}"
api_key = "file:key"
subscription_key = "file:key"
max_in_flight = {in_flight}
reads_per_s = 0
"""


@contextmanager
def runtime(url: str, in_flight: int) -> Iterator[Runtime]:
    """Yield everything a client needs, with a new journal on disk."""
    import payments_mtn_momo.plugin
    from payments_core import logs
    from payments_core.client import assemble
    from payments_core.plugins.manager import Plugins

    logs.configure(level="WARNING")
    plugins = Plugins([])  # ours alone: what else is installed would be measured as well
    plugins.register(payments_mtn_momo.plugin, "mtn_momo")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "key").write_text("0" * 32, "utf-8")
        configuration = Path(folder) / "payouts.toml"
        configuration.write_text(_CONFIGURATION.format(url=url, user=uuid.uuid4(), in_flight=in_flight), "utf-8")
        yield assemble(configuration, plugins=plugins)


def _order(number: int) -> dict[str, Any]:
    from payments_core.domain.money import Money
    from payments_core.domain.payout import Payee

    return {
        "key": f"salary/{number:06d}",
        "payee": Payee.msisdn(f"+{PAYEE}"),
        "amount": Money("15", "EUR"),
        "note": "salary november",
    }


def _succeeded(payout: Payout) -> None:
    if payout.status != "SUCCEEDED":
        raise SystemExit(f"wrong end: {payout}")


@contextmanager
def ours(url: str, in_flight: int) -> Iterator[Pay]:
    """Yield the full path, synchronous."""
    from payments_core.client import PayoutClient

    with runtime(url, in_flight) as built, PayoutClient(built) as client:

        def pay(number: int) -> None:
            payout = client.send(**_order(number))
            _succeeded(payout if payout.is_final else client.refresh(payout.id))

        yield pay


@asynccontextmanager
async def ours_async(url: str, in_flight: int) -> AsyncIterator[PayLater]:
    """Yield the full path, asynchronous."""
    from payments_core.client import AsyncPayoutClient

    with runtime(url, in_flight) as built:
        async with AsyncPayoutClient(built) as client:

            async def pay(number: int) -> None:
                payout = await client.send(**_order(number))
                _succeeded(payout if payout.is_final else await client.refresh(payout.id))

            yield pay


SYNC = {"raw-httpx": raw_httpx, "our-transport": our_transport, "ours": ours}
ASYNC = {
    "raw-httpx-async": raw_httpx_async,
    "raw-aiohttp": raw_aiohttp,
    "our-transport-async": our_transport_async,
    "ours-async": ours_async,
}


# --- measuring -------------------------------------------------------------------------------------------------------


def _told(payouts: int, wall_s: float, cpu_s: float) -> dict[str, float]:
    return {"cpu_us": cpu_s / payouts * 1e6, "payouts_per_s": payouts / wall_s}


def measure(name: str, url: str, payouts: int, in_flight: int) -> dict[str, float]:
    """Pay one after another; the first twenty only warm up."""
    with SYNC[name](url, in_flight) as pay:
        for number in range(20):
            pay(number)
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(20, 20 + payouts):
            pay(number)
        return _told(payouts, time.perf_counter() - wall, time.process_time() - cpu)


async def measure_async(name: str, url: str, payouts: int, in_flight: int) -> dict[str, float]:
    """Pay with so many in flight; the first ones, which open the connections, only warm up."""
    async with ASYNC[name](url, in_flight) as pay:
        numbers = itertools.count()

        async def work(end: int) -> None:
            while (number := next(numbers)) < end:
                await pay(number)

        async def work_all(end: int) -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(work(end))

        warm = 20 + in_flight
        await work_all(warm)
        numbers = itertools.count(warm)
        wall, cpu = time.perf_counter(), time.process_time()
        await work_all(warm + payouts)
        return _told(payouts, time.perf_counter() - wall, time.process_time() - cpu)


async def measure_burst(url: str, payouts: int, in_flight: int) -> dict[str, float]:
    """Start every payout at once, in a client that has nothing yet: no token, no connection."""
    async with ours_async(url, in_flight) as pay:
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(pay(number) for number in range(payouts)))
        return _told(payouts, time.perf_counter() - wall, time.process_time() - cpu)


def main() -> None:
    """Measure one contestant."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("name", choices=[*SYNC, *ASYNC, "burst"])
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--payouts", type=int, default=400)
    arguments.add_argument("--in-flight", type=int, default=1)
    arguments.add_argument("--core", type=int, help="the core to stay on")
    given = arguments.parse_args()
    if given.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {given.core})
    if given.name in SYNC:
        told = measure(given.name, given.url, given.payouts, given.in_flight)
    elif given.name in ASYNC:
        told = asyncio.run(measure_async(given.name, given.url, given.payouts, given.in_flight))
    else:
        told = asyncio.run(measure_burst(given.url, given.payouts, given.in_flight))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
