"""An installation on either store, events in its journal, and a receiver of webhooks in a process of its own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flat_records import new_record

from payments_core.client import assemble
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event
from payments_core.engine.commands import ApplyTransition, CreatePayout, CreateResult, TransitionApplied
from payments_core.engine.journal_protocol import Journal

HERE = Path(__file__).parent
NAMESPACE = "test-namespace"
NUMBER = "46733123450"
SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
ENDS = (PayoutStatus.REVIEW, PayoutStatus.SUCCEEDED, PayoutStatus.REVERSED)


class Installation:
    """A payouts.toml without accounts, and its journal."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.config = folder / "payouts.toml"
        self.config.write_text(
            f'[installation]\nnamespace = "{NAMESPACE}"\n[journal]\nurl = "{address}"\n[accounts]\n', "utf-8"
        )
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        """Its journal, as another process would see it."""
        if self._journal is None:
            self._journal = assemble(self.config).journal
        return self._journal

    def add(self, table: str) -> None:
        """Add to the configuration."""
        with self.config.open("a", encoding="utf-8") as file:
            file.write(f"{table}\n")

    def add_webhook(self, name: str, url: str, **settings: Any) -> None:
        """Add a webhook whose secret stands in a file."""
        (self.folder / "hook-secret").write_text(SECRET, "utf-8")
        given = {"url": url, "secret": "file:hook-secret"} | settings
        lines = [f"{setting} = {json.dumps(value)}" for setting, value in given.items()]
        self.add("\n".join([f"[webhooks.{name}]", *lines]))

    def publish(self, names: Sequence[str], ends: Sequence[PayoutStatus] = ENDS, *, key: str = "salary/{}") -> None:
        """Write payouts, and for each an event for each end, one after the other; many payouts at once."""
        new = [new_record(name, key=key.format(name), next_at=None) for name in names]
        opened = [self.journal.submit(CreatePayout(row, Event("payout.created", now()))) for row in new]
        rows = [reply.row for reply in (future.result() for future in opened) if isinstance(reply, CreateResult)]
        for end in ends:
            moves = [
                self.journal.submit(
                    ApplyTransition(one, replace(one, status=end), Event("payout.moved", now()), publish=True)
                )
                for one in rows
            ]
            rows = [
                reply.row for reply in (future.result() for future in moves) if isinstance(reply, TransitionApplied)
            ]
        assert len(rows) == len(names)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """Which database holds the journal: each test that asks for it runs on both."""
    name: str = request.param
    return name


@pytest.fixture
def installation(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installation]:
    """An empty installation."""
    address = "sqlite:///payouts.db" if store == "sqlite" else request.getfixturevalue("postgres_url")
    made = Installation(tmp_path, address)
    yield made
    made.close()


class Process:
    """A program of ours, which can be killed and started again; it writes down what it has done, a line for each."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._command = [sys.executable, "-P", str(HERE / program), *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        assert self._process is not None
        assert self._process.poll() is None, "it has ended by itself"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        self.kills += 1

    def close(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(10)


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start programs that end with the test."""
    started: list[Process] = []

    def begin(program: str, *arguments: str) -> Process:
        started.append(Process(program, *arguments))
        started[-1].start()
        return started[-1]

    yield begin
    for process in started:
        process.close()


class Log:
    """What programs have written down, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def lines(self) -> list[dict[str, Any]]:
        """Return every complete line; a kill may have cut the last one of a process."""
        found = []
        for line in self.path.read_text("utf-8").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def count(self) -> int:
        return self.path.read_bytes().count(b"\n")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Where programs write down what they have heard."""
    return Log(tmp_path / "heard.jsonl")


class Receiver:
    """A receiver of webhooks: verifies each request with the published library, and answers as it is told."""

    def __init__(self, log: Log, start: Callable[..., Process], *, faults: float = 0.0) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/payouts"
        self.log = log
        self.process = start("receiver.py", str(self.port), str(log.path), SECRET, str(faults))
        self.wait()

    def wait(self) -> None:
        """Wait until it listens."""
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError

    def events(self) -> list[str]:
        """Return the ids of what it has accepted, in order."""
        return [line["id"] for line in self.log.lines()]


@pytest.fixture
def receive(log: Log, start: Callable[..., Process]) -> Callable[..., Receiver]:
    """Start a receiver."""
    return lambda **options: Receiver(log, start, **options)


@pytest.fixture
def secret() -> str:
    """What the receiver verifies with."""
    return SECRET
