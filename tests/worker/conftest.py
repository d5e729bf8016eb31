"""What the tests of workers share: a gateway over sockets, a journal of either kind, and workers as processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from payments_core import Money, Payee, PayoutClient, PayoutStatus
from payments_core.client import assemble
from payments_core.domain.records import PayoutRecord
from payments_core.engine.journal_protocol import Journal
from payments_mtn_momo.emulator import MtnMomoEmulator

LEASE_S = 2.0
# Short, so that what a dead worker held is soon somebody else's.
SETTINGS = {
    "timeout_s": 0.9,
    "lease_s": LEASE_S,
    "max_in_flight": 4,
    "visible_after_s": 0.8,
    "poll_schedule_s": [0.4] * 60 + [2.0] * 60,  # a loaded machine must not make anybody give up
}
WORKER = "\n[worker]\npoll_s = 0.5\nclaim_s = 2\ngrace_s = 10\n"


def order(key: str, number: int = 0) -> dict[str, Any]:
    return {"key": key, "payee": Payee.msisdn(f"46733{number:06}"), "amount": Money(5, "EUR")}


class Worker:
    """A worker in a process of its own; its events are read as they come."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-P", "-m", "payments_core", "worker", "--json", "--log-json", *options]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.events: list[dict[str, Any]] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with contextlib.suppress(ValueError):
                self.events.append(json.loads(line))

    def events_named(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]

    def owns(self, row: PayoutRecord) -> bool:
        return f":{self.process.pid}:" in row.lease.owner

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self, code: int = 0) -> Any:
        """Wait for its end; return its summary."""
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        assert self.process.wait(60) == code, self.events[-5:]
        self._reading.join(10)
        return json.loads(out) if out else None

    def stop(self) -> Any:
        self.signal(signal.SIGTERM)
        return self.finish()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGCONT)
        self.process.kill()
        self.process.wait(10)
        self._reading.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


class Place:
    """A folder with a payouts.toml, its journal, and the gateway it pays through."""

    def __init__(self, folder: Path, gateway: MtnMomoEmulator) -> None:
        self.folder = folder
        self.gateway = gateway
        self._workers: list[Worker] = []
        self._journal: Journal | None = None

    @property
    def config(self) -> Path:
        return self.folder / "payouts.toml"

    @property
    def journal(self) -> Journal:
        """The journal, as another process would see it."""
        if self._journal is None:
            self._journal = assemble(self.config).journal
        return self._journal

    def start(self, *options: str) -> Worker:
        self._workers.append(Worker(self.folder, *options))
        return self._workers[-1]

    def start_all(self, count: int) -> list[Worker]:
        """Start workers and wait until each takes payouts."""
        workers = [self.start() for _ in range(count)]
        self.wait_for(lambda: all(worker.events_named("worker.started") for worker in workers))
        return workers

    def accept(self, count: int, prefix: str = "pay", **more: Any) -> None:
        """Accept payouts, as an application does; nothing leaves."""
        with PayoutClient.from_config(self.config) as client:
            for number in range(count):
                client.accept(**order(f"{prefix}/{number:03}", number), **more)

    def wait_for(self, is_so: Callable[[], Any], timeout_s: float = 60) -> float:
        """Wait until something is so; return how long that took."""
        begun = time.monotonic()
        while not is_so():
            assert time.monotonic() - begun < timeout_s, self.statuses()
            time.sleep(0.02)
        return time.monotonic() - begun

    def rows(self) -> list[PayoutRecord]:
        return list(self.journal.rows())

    def statuses(self) -> Mapping[PayoutStatus, int]:
        return Counter(row.status for row in self.rows())

    def all_paid(self) -> bool:
        return set(self.statuses()) == {PayoutStatus.SUCCEEDED}

    def all_over(self) -> bool:
        """Whether each is paid, or waits for a person."""
        return not set(self.statuses()) - {PayoutStatus.SUCCEEDED, PayoutStatus.REVIEW}

    def check(self, count: int, *, unsent: int = 0) -> None:
        """Each was paid, once, under its first reference, and so it is told; those in review were not paid."""
        result = Counter({PayoutStatus.SUCCEEDED: count - unsent, PayoutStatus.REVIEW: unsent})
        assert self.statuses() == +result
        assert Counter(entry["credits"] for entry in self.gateway.ledger()) == {1: count - unsent}
        paid = {entry["reference"] for entry in self.gateway.ledger()}
        assert {
            row.attempt.references["reference"] for row in self.rows() if row.status is PayoutStatus.SUCCEEDED
        } == paid
        assert {row.attempt.number for row in self.rows()} == {1}

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        if self._journal is not None:
            self._journal.close()


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Make a place; its settings may be changed."""
    made: list[Place] = []
    with contextlib.ExitStack() as gateways:

        def make(**changes: Any) -> Place:
            gateway = gateways.enter_context(MtnMomoEmulator())
            folder = tmp_path / str(len(made))
            folder.mkdir()
            gateway.write_config(folder / "payouts.toml")
            text = (folder / "payouts.toml").read_text("utf-8")
            settings = SETTINGS | changes
            lines = [line for line in text.splitlines() if line.split(" ")[0] not in settings]
            lines += [f"{name} = {value}" for name, value in settings.items()]
            (folder / "payouts.toml").write_text("\n".join(lines) + WORKER, "utf-8")
            made.append(Place(folder, gateway))
            return made[-1]

        yield make
        for place in made:
            place.close()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, make_place: Callable[..., Place]) -> Place:
    """A place whose journal is of either kind."""
    made = make_place()
    if request.param == "postgres":
        request.getfixturevalue("share_journal")(made.config)
    return made
