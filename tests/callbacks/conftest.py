"""A gateway that calls back, an account whose callbacks lead to a server of ours, and both journals under it."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from payments_core import Money, Payee, PayoutClient, PayoutStatus
from payments_core.callbacks import CallbackApp, Limits, app
from payments_core.cli.callback_server import server_config
from payments_core.client import assemble
from payments_core.client.inbox import PATH
from payments_core.domain.payout import Payout
from payments_core.domain.records import PayoutRecord
from payments_mtn_momo.emulator import MtnMomoEmulator

NAMESPACE = "test-namespace"  # as in the databases that are made for tests
GOOD = "+46733123499"


def until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait for what other threads and processes do."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


class Gateway(MtnMomoEmulator):
    """The emulator, which also counts what is read from it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.reads: Counter[str] = Counter()
        exchange = self._gateway.exchange

        def counted(method: str, path: str, *rest: Any) -> Any:
            if method == "GET" and "/transfer/" in path:
                self.reads[path.rpartition("/")[2]] += 1
            return exchange(method, path, *rest)

        self._gateway.exchange = counted  # type: ignore[method-assign]


class Serving:
    """An ASGI application on a socket of this machine, as `payouts serve` serves it."""

    def __init__(self, served: CallbackApp, listener: socket.socket) -> None:
        self.app = served
        self.port: int = listener.getsockname()[1]
        self._server = uvicorn.Server(server_config(served))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def raw(self, sent: bytes, *, ends: bool = False, source: str = "127.0.0.1") -> bytes:
        """Send bytes, and return all that comes until the other end closes."""
        peer = ("127.0.0.1", self.port)
        with socket.create_connection(peer, timeout=20, source_address=(source, 0)) as connection:
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            result = b""
            while part := connection.recv(65536):
                result += part
        return result

    def ask(
        self, method: str, path: str, body: bytes = b"", /, *, source: str = "127.0.0.1", **headers: str
    ) -> tuple[int, bytes]:
        """Make a request; return its status, and all of the answer but the date."""
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        result = self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body, source=source)
        kept = [line for line in result.split(b"\r\n") if not line.lower().startswith(b"date:")]
        return int(result.split(b" ", 2)[1]), b"\r\n".join(kept)


class Harness:
    """One installation: a client, the server that hears for it, and the gateway it pays through."""

    spacing = timedelta(seconds=5)  # between two reads that callbacks ask for

    def __init__(self, folder: Path, gateway: Gateway, url: str, stack: ExitStack, **options: Any) -> None:
        self.gateway = gateway
        self.config = folder / "payouts.toml"
        self.name = uuid.uuid4().hex[:12]  # keys are new to the gateway, which serves every test
        self.ahead = timedelta()
        self.frozen: datetime | None = None
        [self.account] = gateway.write_config(self.config, overwrite=True)
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._rewrite(url)
        with self._client() as client:
            self.token = client.inbox.tokens[self.account]
        self.address = f"http://localhost:{listener.getsockname()[1]}/{PATH}/{self.token}"
        self._set('provider = "mtn_momo"', f'provider = "mtn_momo"\ncallback_url = "{self.address}"')
        self.client = stack.enter_context(self._client())
        # A busy machine may take longer to flush than a provider waits; the limit has tests of its own.
        self._served = app(self.client, **{"limits": Limits(keep_s=20.0), **options})
        self.server = Serving(self._served, listener)
        stack.callback(lambda: self.server.stop())

    def _client(self) -> PayoutClient:
        return PayoutClient(assemble(self.config, clock=lambda: (self.frozen or datetime.now(UTC)) + self.ahead))

    def _rewrite(self, url: str) -> None:
        lines = self.config.read_text("utf-8").splitlines()
        fields = {"namespace": f'"{NAMESPACE}"', "url": f'"{url}"', "poll_schedule_s": "[600, 600]"}
        new = [f"{name} = {fields[name]}" if (name := line.partition(" ")[0]) in fields else line for line in lines]
        self.config.write_text("\n".join(new), "utf-8")

    def _set(self, old: str, new: str) -> None:
        text = self.config.read_text("utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new, 1), "utf-8")

    def freeze(self) -> None:
        """Stop our clock: only ``ahead`` moves it from now on."""
        self.frozen = datetime.now(UTC)

    def restart(self) -> None:
        """Stop the server, and start it at the same address."""
        self.server.stop()
        listener = socket.create_server(("127.0.0.1", self.server.port), backlog=128)
        self.server = Serving(self._served, listener)

    @property
    def path(self) -> str:
        return f"/{PATH}/{self.token}"

    def pay(self, key: str, to: str = GOOD) -> Payout:
        return self.client.send(key=f"{self.name}/{key}", payee=Payee.msisdn(to), amount=Money("5", "EUR"))

    def callback_of(self, payout: Payout) -> dict[str, Any]:
        """Return the fields that MTN would send of a payout that was paid."""
        return {
            "financialTransactionId": "363440463",
            "externalId": payout.id,
            "amount": "5",
            "currency": "EUR",
            "payee": {"partyIdType": "MSISDN", "partyId": GOOD[1:]},
            "payerMessage": "",
            "payeeNote": "",
            "status": "SUCCESSFUL",
        }

    def row(self, payout: Payout) -> PayoutRecord:
        row = self.client._runtime.journal.get(payout.id)
        assert row is not None
        return row

    def go_on(self) -> None:
        """Do what is due now."""
        self.client.resume(timeout_s=0)

    def reads(self, payout: Payout) -> int:
        return self.gateway.reads[payout.references["reference"]]

    def outcomes(self) -> dict[str, int]:
        return {count.outcome: count.count for count in self.client.inbox.counts()}

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the gateway does."""
        until(holds)

    def until_handled(self, count: int) -> None:
        """Wait until that many callbacks are handled."""
        until(lambda: sum(self.outcomes().values()) >= count and "" not in self.outcomes())

    def events(self, payout: Payout) -> list[str]:
        return [entry.event for entry in self.client.get(payout.id).history]

    def status(self, payout: Payout) -> PayoutStatus:
        return self.client.get(payout.id).status


@pytest.fixture(scope="session")
def running() -> Iterator[Gateway]:
    with Gateway(callback_host="localhost") as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway) -> Iterator[Gateway]:
    running.set_faults({})
    yield running
    running.set_faults({})


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """Which database holds the test's journal: each test that asks for it runs on both."""
    name: str = request.param
    return name


@pytest.fixture
def harness(gateway: Gateway, tmp_path: Path, store: str, request: pytest.FixtureRequest) -> Iterator[Harness]:
    """A scene on either journal."""
    url = "sqlite:///payouts.db" if store == "sqlite" else request.getfixturevalue("postgres_url")
    with ExitStack() as stack:
        yield Harness(tmp_path, gateway, url, stack)


@pytest.fixture
def make_scene(gateway: Gateway, tmp_path: Path) -> Iterator[Callable[..., Harness]]:
    """Make scenes on a file, with options of the application."""
    with ExitStack() as stack:
        yield lambda **options: Harness(tmp_path, gateway, "sqlite:///payouts.db", stack, **options)


@pytest.fixture
def serve() -> Iterator[Callable[..., Serving]]:
    """Serve other applications; they end with the test."""
    with ExitStack() as stack:

        def start(application: Any) -> Serving:
            serving = Serving(application, socket.create_server(("127.0.0.1", 0)))
            stack.callback(serving.stop)
            return serving

        yield start
