"""The contestants of `payouts.py`: each pays N people through the gateway and tells what it cost.

One payout is a POST of the transfer and a GET of its status, both answers checked. Started by `payouts.py` in a fresh
process each time: `python _contestants.py '{"name": "ours-async", "url": "http://127.0.0.1:9999"}'` prints JSON; the
fields are those of `Run`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import _stores
from _ours import measure_batch, measure_journal, measure_workers, ours, ours_async
from _spec import PAYEE, Pay, PayLater, Run

if TYPE_CHECKING:
    from payments_core.http.messages import HttpRequest

PATH = "/disbursement/v1_0/transfer"
FIELDS = {
    "Authorization": "Bearer bench-token",
    "Ocp-Apim-Subscription-Key": "0" * 32,
    "X-Target-Environment": "sandbox",
}
_PLUGINS = 4


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
def raw_httpx(run: Run) -> Iterator[Pay]:
    """Yield the yardstick: one `httpx.Client`, as its documentation shows it."""
    import httpx

    with httpx.Client() as client:

        def pay(number: int) -> None:
            reference = str(uuid.uuid4())
            posted = client.post(run.url + PATH, json=body(number), headers={**FIELDS, "X-Reference-Id": reference})
            read = client.get(f"{run.url}{PATH}/{reference}", headers=FIELDS)
            check(posted.status_code, read.status_code, read.json())

        yield pay


@asynccontextmanager
async def raw_httpx_async(run: Run) -> AsyncIterator[PayLater]:
    """Yield one `httpx.AsyncClient`, as its documentation shows it."""
    import httpx

    async with httpx.AsyncClient() as client:

        async def pay(number: int) -> None:
            reference = str(uuid.uuid4())
            posted = await client.post(
                run.url + PATH, json=body(number), headers={**FIELDS, "X-Reference-Id": reference}
            )
            read = await client.get(f"{run.url}{PATH}/{reference}", headers=FIELDS)
            check(posted.status_code, read.status_code, read.json())

        yield pay


@asynccontextmanager
async def raw_aiohttp(run: Run) -> AsyncIterator[PayLater]:
    """Yield one `aiohttp.ClientSession`: what our asynchronous transport stands on."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=run.in_flight)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as client:

        async def pay(number: int) -> None:
            reference = str(uuid.uuid4())
            fields = {**FIELDS, "X-Reference-Id": reference}
            async with client.post(run.url + PATH, json=body(number), headers=fields) as posted:
                await posted.read()
            async with client.get(f"{run.url}{PATH}/{reference}", headers=FIELDS) as read:
                check(posted.status, read.status, await read.json())

        yield pay


@contextmanager
def python_peer(run: Run) -> Iterator[Pay]:
    """Yield the best Python library of others, `mtnmomo-py`, as its documentation shows it."""
    sys.path.append(run.peers)
    from mtnmomo.client import MoMoClient  # type: ignore[import-not-found]
    from mtnmomo.config import MoMoConfig, ProductCredentials  # type: ignore[import-not-found]

    key, user = "0" * 32, str(uuid.uuid4())
    client = MoMoClient(MoMoConfig(disbursement=ProductCredentials(key, user, key), base_url=run.url)).disbursement

    def pay(number: int) -> None:
        status = client.get_transfer_status(client.transfer(body(number))).status
        check(202, 200, {"status": getattr(status, "value", status)})

    yield pay


def _requests(run: Run, number: int) -> tuple[HttpRequest, HttpRequest]:
    from payments_core.http.messages import HttpRequest

    reference = str(uuid.uuid4())
    text = json.dumps(body(number))
    fields = {**FIELDS, "X-Reference-Id": reference, "Content-Type": "application/json"}
    return (
        HttpRequest("POST", run.url + PATH, "transfer", headers=fields, body=text),
        HttpRequest("GET", f"{run.url}{PATH}/{reference}", "transfer_status", headers=FIELDS),
    )


def _transport_settings(run: Run) -> Any:
    usual = {"max_in_flight": run.in_flight, "sync_transport": "h11", "async_transport": "h11"}
    return SimpleNamespace(**{**usual, **run.settings})


@contextmanager
def our_transport(run: Run) -> Iterator[Pay]:
    """Yield our synchronous transport alone: the full path without everything above it."""
    from payments_core.http.transport import make_transport
    from payments_core.runtime import utc_now

    transport = make_transport(_transport_settings(run), clock=utc_now)

    def pay(number: int) -> None:
        post, get = _requests(run, number)
        posted, read = transport.send(post), transport.send(get)
        check(posted.status, read.status, json.loads(read.body))

    yield pay
    transport.close()


@asynccontextmanager
async def our_transport_async(run: Run) -> AsyncIterator[PayLater]:
    """Yield our asynchronous transport alone: the full path without everything above it."""
    from payments_core.http.transport import make_async_transport
    from payments_core.runtime import utc_now

    transport = make_async_transport(_transport_settings(run), clock=utc_now)

    async def pay(number: int) -> None:
        post, get = _requests(run, number)
        posted, read = await transport.send(post), await transport.send(get)
        check(posted.status, read.status, json.loads(read.body))

    yield pay
    await transport.aclose()


SYNC = {"raw-httpx": raw_httpx, "mtnmomo-py": python_peer, "our-transport": our_transport, "ours": ours}
ASYNC = {
    "raw-httpx-async": raw_httpx_async,
    "raw-aiohttp": raw_aiohttp,
    "our-transport-async": our_transport_async,
    "ours-async": ours_async,
}


# --- measuring -------------------------------------------------------------------------------------------------------


def _cost(payouts: int, wall_s: float, cpu_s: float) -> dict[str, float]:
    return {"cpu_us": cpu_s / payouts * 1e6, "wall_us": wall_s / payouts * 1e6, "payouts_per_s": payouts / wall_s}


def measure(run: Run) -> dict[str, float]:
    """Pay one after another; the first ones only warm up."""
    with SYNC[run.name](run) as pay:
        warm = 20 + run.accounts
        for number in range(warm):
            pay(number)
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(warm, warm + run.payouts):
            pay(number)
        return _cost(run.payouts, time.perf_counter() - wall, time.process_time() - cpu)


async def _pay_all(pay: PayLater, numbers: range, in_flight: int) -> None:
    waiting = iter(numbers)

    async def work() -> None:
        for number in waiting:
            await pay(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())


async def measure_async(run: Run) -> dict[str, float]:
    """Pay with so many in flight; the first ones, which open the connections, only warm up."""
    async with ASYNC[run.name](run) as pay:
        warm = 20 + run.in_flight + run.accounts
        await _pay_all(pay, range(warm), run.in_flight)
        wall, cpu = time.perf_counter(), time.process_time()
        await _pay_all(pay, range(warm, warm + run.payouts), run.in_flight)
        return _cost(run.payouts, time.perf_counter() - wall, time.process_time() - cpu)


async def measure_memory(run: Run) -> dict[str, Any]:
    """Pay many in one process, and note its resident memory twenty times after a first thousand payouts."""
    until, step, seen = time.monotonic() + run.budget_s, max(run.payouts // 20, 1), list[tuple[int, float]]()
    async with ours_async(run) as pay:
        await _pay_all(pay, range(1000), run.in_flight)
        for first in range(1000, 1001 + run.payouts, step):
            seen.append((first - 1000, resident_mib()))
            if time.monotonic() > until:
                break
            await _pay_all(pay, range(first, first + step), run.in_flight)
    return {"growth_mib": round(seen[-1][1] - seen[0][1], 1), "payouts": seen[-1][0], "resident_mib": seen}


def resident_mib() -> float:
    """Return the resident memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGESIZE") / 2**20, 1)


def measure_start(run: Run) -> dict[str, float]:
    """Time whole processes in turn: `payouts --help` with plugins that take a second to import, and `import typer`."""
    commands = [[str(Path(sys.executable).with_name("payouts")), "--help"], [sys.executable, "-c", "import typer"]]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_PLUGINS):
            Path(folder, f"slow_plugin_{number}.py").write_text("import time\ntime.sleep(1)\n", "utf-8")
            info = Path(folder, f"slow_plugin_{number}-1.dist-info")
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: slow-plugin-{number}\nVersion: 1\n", "utf-8")
            (info / "entry_points.txt").write_text(f"[payments_core]\nslow{number} = slow_plugin_{number}\n", "utf-8")
        env = {**os.environ, "PYTHONPATH": folder, "PYTHONSAFEPATH": "1"}
        rounds = [[_seconds(command, env) for command in commands] for _ in range(6)][1:]  # the first only warms up
    shown, imported = (median(spent) for spent in zip(*rounds, strict=True))
    return {"help_ms": shown * 1000, "typer_ms": imported * 1000, "help_ratio": shown / imported}


def _seconds(command: list[str], env: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def fill(run: Run) -> dict[str, float]:
    """Make a journal that holds many payouts."""
    with ours(run) as pay:
        pay(0)
    began = time.perf_counter()
    _stores.fill(run.journal, run.payouts)
    return {"wall_us": (time.perf_counter() - began) * 1e6}


OTHERS: dict[str, Callable[[Run], dict[str, Any]]] = {
    "batch": lambda run: asyncio.run(measure_batch(run)),
    "memory": lambda run: asyncio.run(measure_memory(run)),
    "workers": measure_workers,
    "journal": measure_journal,
    "start": measure_start,
    "fill": fill,
}


def main() -> None:
    """Measure one contestant."""
    run = Run(**json.loads(sys.argv[1]))
    if run.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {run.core})
    if run.name in SYNC:
        found: dict[str, Any] = measure(run)
    elif run.name in ASYNC:
        found = asyncio.run(measure_async(run))
    else:
        found = OTHERS[run.name](run)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
