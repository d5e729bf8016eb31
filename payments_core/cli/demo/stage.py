"""Runs the demonstration's processes: an emulator, and paying processes that are started and killed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from payments_core.domain.errors import PaymentsError

__all__ = ["PROVIDER", "Stage"]

PROVIDER = "mtn_momo"
_START_S = 30.0


class Stage:
    """An emulator and the command line, both as a user would start them; a context manager.

    Args:
        folder: The folder of configuration, journal and files.
        max_in_flight: Concurrent payments; few, so that a kill finds some sent and others not.

    """

    def __init__(self, folder: Path, *, max_in_flight: int = 4) -> None:
        self.folder = folder
        self.url = ""
        self._max_in_flight = max_in_flight
        self._emulator: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start the emulator and write the configuration."""
        self._emulator = self.start("emulator", PROVIDER, "--port", "0", "--write-config", "payouts.toml", "--json")
        assert self._emulator.stdout is not None  # noqa: S101 - start() pipes it
        first = self._emulator.stdout.readline()
        if not first:
            _, errors = self._emulator.communicate()
            raise PaymentsError(f"The emulator did not start: {errors.strip()}")
        self.url = json.loads(first)["url"]
        config = self.folder / "payouts.toml"
        config.write_text(f"{config.read_text('utf-8')}max_in_flight = {self._max_in_flight}\n", "utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the emulator."""
        if self._emulator is not None:
            self._emulator.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._emulator.communicate(timeout=10)
            self._emulator.kill()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``payouts`` with these arguments."""
        # -P: a file in the working folder must not replace a module.
        command = [sys.executable, "-P", "-m", "payments_core", *arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "NO_COLOR": "1"}
        environment.pop("PAYOUTS_CONFIG", None)
        return subprocess.Popen(  # noqa: S603 - this program
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, *arguments: str) -> Any:
        """Run ``payouts … --json`` and return what it printed."""
        process = self.start(*arguments, "--json")
        out, errors = process.communicate()
        if not out:
            raise PaymentsError(f"`payouts {' '.join(arguments)}` ended with {process.returncode}: {errors.strip()}")
        return json.loads(out)

    def listed(self) -> list[dict[str, Any]]:
        """Return every payout with complete numbers."""
        found: list[dict[str, Any]] = self.ask("list", "--reveal")
        return found

    def kill_when(self, process: subprocess.Popen[str], is_time: Callable[[], bool]) -> bool:
        """Kill a process with SIGKILL once a condition holds; return False when it ended before."""
        while process.poll() is None and not is_time():
            time.sleep(0.01)
        in_time = process.poll() is None
        process.kill()
        process.communicate()
        return in_time

    def ledger(self) -> list[dict[str, Any]]:
        """Return the gateway's ledger."""
        entries: list[dict[str, Any]] = self._call("ledger")["entries"]
        return entries

    def set_faults(self, faults: Mapping[str, Any]) -> None:
        """Set the gateway's faults."""
        self._call("faults", faults)

    def advance(self, seconds: float) -> None:
        """Advance the gateway's clock."""
        self._call("clock", {"advance_s": seconds})

    def settle(
        self, *, rounds: int = 8, timeout_s: int = 15, on_line: Callable[[str], None] = lambda _line: None
    ) -> int:
        """Run ``payouts resume`` until nothing is open, and return the number of runs.

        The gateway's clock advances between them; ``on_line`` is called with each line that ``resume`` prints.
        """
        for number in range(1, rounds + 1):
            process = self.start("resume", "--timeout", str(timeout_s))
            assert process.stdout is not None  # noqa: S101 - start() pipes it
            for line in process.stdout:
                on_line(line.rstrip())
            process.communicate()
            if process.returncode == 0:
                return number
            self.advance(30)
        return rounds

    def _call(self, route: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address of our own emulator
            f"{self.url}/__emulator/{route}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_START_S) as answer:
            return json.load(answer)
