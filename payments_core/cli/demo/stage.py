"""The demonstration's gateway, and its processes that pay and are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from payments_core.cli.emulator import start_emulator
from payments_core.domain.errors import PaymentsError
from payments_core.plugins.manager import Plugins

__all__ = ["PROVIDER", "Stage"]

PROVIDER = "mtn_momo"
_IN_FLIGHT = 4  # few, so that a kill finds some payments sent and others not


class Stage:
    """An emulator, a configuration in a folder that pays through it, and the command line; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway = start_emulator(Plugins().provider(PROVIDER), 0)

    def __enter__(self) -> Self:
        """Write the configuration."""
        config = self.folder / "payouts.toml"
        self.gateway.write_config(config)
        config.write_text(f"{config.read_text('utf-8')}max_in_flight = {_IN_FLIGHT}\n", "utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the emulator."""
        self.gateway.stop()

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

    def settle(self, *, rounds: int = 8, on_line: Callable[[str], None] = lambda _line: None) -> None:
        """Run ``payouts resume`` until nothing is open; the gateway's clock advances between the runs.

        Each line that ``resume`` prints is given to ``on_line``.
        """
        for _ in range(rounds):
            process = self.start("resume", "--timeout", "15")
            assert process.stdout is not None  # noqa: S101 - start() pipes it
            for line in process.stdout:
                on_line(line.rstrip())
            process.communicate()
            if process.returncode == 0:
                return
            self.gateway.advance(30)
