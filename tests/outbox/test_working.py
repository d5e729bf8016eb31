"""Events while money moves: a worker delivers them, an observer hears of commits, and neither stops a payment."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, Payout, PayoutClient, PayoutStatus, hookimpl
from payments_core.client import assemble
from payments_core.domain.records import Event
from payments_core.plugins.manager import Plugins
from payments_core.worker import Worked, WorkerSettings, run_worker
from payments_mtn_momo.emulator import MtnMomoEmulator

QUICK = WorkerSettings(poll_s=0.1, claim_s=2, grace_s=0.5)


@pytest.fixture
def config(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A configuration that pays through a gateway at once, its journal on either store."""
    with MtnMomoEmulator() as gateway:
        path = tmp_path / "payouts.toml"
        gateway.write_config(path)
        text = path.read_text("utf-8")
        path.write_text(re.sub(r"(?m)^poll_schedule_s.*$", f"poll_schedule_s = {[0.2] * 60}", text), "utf-8")
        if store == "postgres":
            request.getfixturevalue("share_journal")(path)
        yield path


def add_webhook(config: Path, name: str, url: str, secret: str, **settings: Any) -> None:
    (config.parent / "hook-secret").write_text(secret, "utf-8")
    lines = [f"{setting} = {value}" for setting, value in settings.items()]
    with config.open("a", encoding="utf-8") as file:
        file.write("\n".join([f"\n[webhooks.{name}]", f'url = "{url}"', 'secret = "file:hook-secret"', *lines, ""]))


def accept(config: Path, count: int) -> None:
    with PayoutClient.from_config(config) as client:
        for number in range(count):
            client.accept(key=f"pay/{number}", payee=Payee.msisdn(f"46733{number:06}"), amount=Money(5, "EUR"))


def all_paid(config: Path) -> bool:
    with PayoutClient.from_config(config) as client:
        return {payout.status for payout in client.payouts()} == {PayoutStatus.SUCCEEDED}


@pytest.fixture
def silent() -> Iterator[str]:
    """Where somebody takes connections and never answers."""
    held: list[socket.socket] = []

    def hold() -> None:
        while True:
            try:
                held.append(listener.accept()[0])
            except OSError:
                return

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    for connection in held:
        connection.close()


def test_worker_called_once_delivers_what_it_has_paid(config: Path, receive: Callable[..., Any], secret: str) -> None:
    """From cron: the events of this very call are out when it ends; a dead receiver changes nothing for the other."""
    receiver = receive()
    add_webhook(config, "alive", receiver.url, secret)
    add_webhook(config, "dead", "http://127.0.0.1:1/", secret)
    accept(config, 5)

    async def work() -> None:
        await run_worker(config, once=True, settings=QUICK)  # sent
        await asyncio.sleep(0.5)
        await run_worker(config, once=True, settings=QUICK)  # read

    asyncio.run(work())
    assert all_paid(config)
    result = receiver.log.lines()
    assert len(result) == len({line["id"] for line in result}) == 5
    assert {line["body"]["type"] for line in result} == {"payout.succeeded"}
    with PayoutClient.from_config(config) as client:
        assert len(client.pending_events("webhook/dead")) == 5


def test_worker_does_not_wait_for_a_receiver(config: Path, silent: str, secret: str) -> None:
    """One that hangs keeps neither a payment waiting nor the worker from ending in time."""
    add_webhook(config, "silent", silent, secret, timeout_s=60)
    accept(config, 1)

    async def application() -> tuple[Worked, float]:
        stop = asyncio.Event()
        worker = asyncio.create_task(run_worker(config, settings=QUICK, stop=stop))
        await until_paid(config)
        await asyncio.sleep(0.5)  # the first event hangs by now
        await asyncio.to_thread(accept, config, 10)  # the first of them is the one above
        await until_paid(config)
        begun = time.monotonic()
        stop.set()
        return await worker, time.monotonic() - begun

    worked, took_s = asyncio.run(application())
    assert (worked.ended, worked.trouble, worked.cut) == ({PayoutStatus.SUCCEEDED: 10}, 0, 0)
    assert took_s < 5
    with PayoutClient.from_config(config) as client:
        assert len(client.pending_events("webhook/silent")) == 10


async def until_paid(config: Path) -> None:
    for _ in range(300):
        if await asyncio.to_thread(all_paid, config):
            return
        await asyncio.sleep(0.05)
    raise AssertionError


def observer(hear: Callable[[Payout, Event], None]) -> ModuleType:
    def payments_payout_changed(payout: Payout, event: Event) -> None:
        hear(payout, event)

    module = ModuleType("observer")
    vars(module)["payments_payout_changed"] = hookimpl(payments_payout_changed)
    return module


def paid(kind: str, config: Path, plugins: Plugins, *keys: str) -> list[Payout]:
    """Pay with a client of a kind until each payout is final; return them as they are read then."""
    order: dict[str, Any] = {"payee": Payee.msisdn("46733123499"), "amount": Money(5, "EUR")}

    async def asynchronous() -> list[Payout]:
        async with AsyncPayoutClient(assemble(config, plugins=plugins)) as client:
            return [await client.get((await client.wait((await client.send(key=key, **order)).id)).id) for key in keys]

    if kind == "async":
        return asyncio.run(asynchronous())
    with PayoutClient(assemble(config, plugins=plugins)) as client:
        return [client.get(client.wait(client.send(key=key, **order).id).id) for key in keys]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_observer_receives_commits_and_stops_nothing(config: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """What it is told is there for every other process; it may raise whenever it likes."""
    parsed = list[tuple[str, PayoutStatus, bool]]()

    def hear(payout: Payout, event: Event) -> None:
        stored = [(entry.event, entry.status) for entry in elsewhere.history(payout.id)]
        parsed.append((event.name, payout.status, (event.name, payout.status) in stored))
        raise RuntimeError(payout.payee.value)

    plugins = Plugins()
    plugins.register(observer(hear), "observer")
    with closing(assemble(config).journal) as elsewhere, caplog.at_level(logging.ERROR, "payments_core"):
        [payout] = paid(kind, config, plugins, "pay/1")
    assert payout.status is PayoutStatus.SUCCEEDED
    assert [name for name, _, _ in parsed] == [entry.event for entry in payout.history]
    assert [status for _, status, _ in parsed] == [entry.status for entry in payout.history]
    assert all(is_stored for _, _, is_stored in parsed)
    broken = [vars(record) for record in caplog.records]
    assert len(broken) == len(parsed)
    assert {record["event"] if "event" in record else record["msg"] for record in broken} == {"payments.hook_failed"}
    assert "46733123499" not in str(broken)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_observer_that_hangs_delays_no_payment(
    config: Path, kind: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the end of the client, for longer than a moment; that it has not heard everything is logged."""
    monkeypatch.setattr("payments_core.runtime.observers._LAST_S", 0.2)
    monkeypatch.setattr("payments_core.runtime.observers._MOST_WAITING", 3)
    over, parsed = threading.Event(), list[str]()

    def hear(payout: Payout, event: Event) -> None:
        parsed.append(event.name)
        assert over.wait(60)

    plugins = Plugins()
    plugins.register(observer(hear), "observer")
    try:
        with caplog.at_level(logging.ERROR, "payments_core"):
            payouts = paid(kind, config, plugins, "a", "b")
        assert [payout.status for payout in payouts] == [PayoutStatus.SUCCEEDED] * 2
        assert parsed == ["payout.created"]
        entries = [vars(record)["error"] for record in caplog.records]
        dropped = sum(len(payout.history) for payout in payouts) - 4
        assert entries == ["3 changes wait for the observers: this one is dropped"] * dropped + [
            "an observer did not end within 0.2 s of the last"
        ]
    finally:
        over.set()


def test_observer_has_the_context_of_the_caller(config: Path) -> None:
    bound, seen = ContextVar("request", default=""), list[str]()
    plugins = Plugins()
    plugins.register(observer(lambda _, __: seen.append(bound.get())), "observer")
    with PayoutClient(assemble(config, plugins=plugins)) as client:
        bound.set("r-7")
        client.accept(key="a", payee=Payee.msisdn("46733123499"), amount=Money(5, "EUR"))
    assert seen == ["r-7"]


class Wordless(Exception):
    """An error that cannot be put into words, and so not be logged."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("error", [SystemExit, Wordless])
def test_observer_that_raises_anything_ends_nothing(config: Path, error: type[BaseException]) -> None:
    """It hears of everything, and so do the others: also if it wants to end the process, or its error has no words."""
    seen, plugins = list[tuple[str, str]](), Plugins()

    def raising(name: str) -> Callable[[Payout, Event], None]:
        def hear(payout: Payout, event: Event) -> None:
            seen.append((name, event.name))
            raise error

        return hear

    for name in ("one", "other"):
        plugins.register(observer(raising(name)), name)
    [payout] = paid("sync", config, plugins, "a")
    for name in ("one", "other"):
        assert [event for who, event in seen if who == name] == [entry.event for entry in payout.history]


def test_observer_receives_the_changes_of_a_client_that_is_not_closed(config: Path) -> None:
    """A process that comes to its end in its own way gives observers their moment."""
    program = """
import sys, time
from types import ModuleType
from payments_core import Money, Payee, PayoutClient, hookimpl
from payments_core.client import assemble
from payments_core.plugins.manager import Plugins

def payments_payout_changed(payout, event):
    time.sleep(0.3)
    print(event.name, flush=True)

module = ModuleType("observer")
module.payments_payout_changed = hookimpl(payments_payout_changed)
plugins = Plugins()
plugins.register(module, "observer")
client = PayoutClient(assemble(sys.argv[1], plugins=plugins))
client.accept(key="a", payee=Payee.msisdn("46733123499"), amount=Money(5, "EUR"))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(config)], cwd=config.parent, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["payout.created"]
