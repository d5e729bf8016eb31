"""`payouts balance` beside `payouts serve`, a process of its own, on one journal."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stamina.instrumentation import set_on_retry_hooks

from payments_core.cli.app import run
from payments_mpesa_daraja.emulator import MpesaDarajaEmulator

Ran = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Ran]:
    """Call the command line in this process; its logging is undone afterwards."""
    logger = logging.getLogger("payments_core")
    before = (list(logger.handlers), logger.level, logger.propagate)

    def call(*arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = run([*arguments, "--json", "--config", str(tmp_path / "payouts.toml")])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    yield call
    logger.handlers, logger.level, logger.propagate = before
    set_on_retry_hooks(None)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[MpesaDarajaEmulator]:
    """Return one whose answers go to a port of this machine without a listener yet."""
    with MpesaDarajaEmulator(funds=4321) as emulator:
        emulator.write_config(tmp_path / "payouts.toml")
        yield emulator


def called_back_at(folder: Path, ran: Ran) -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    _, [row], _ = ran("callbacks", "--reveal", "--url", f"http://localhost:{port}")
    config = folder / "payouts.toml"
    config.write_text(
        config.read_text("utf-8").replace('"mpesa_daraja"', f'"mpesa_daraja"\ncallback_url = "{row["url"]}"', 1),
        "utf-8",
    )
    return port


def test_balance_command_waits_for_the_callback_server_and_doctor_does_not(
    tmp_path: Path, emulator: MpesaDarajaEmulator, ran: Ran
) -> None:
    port = called_back_at(tmp_path, ran)
    code, [row], _ = ran("balance", "--wait", "0.2")
    assert (code, row["amount"], row["error"]["code"]) == (4, None, "lookup_failed")
    assert "payouts serve" in row["error"]["hint"]

    command = [sys.executable, "-P", "-m", "payments_core", "serve", "--port", str(port), "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            code, rows, text = ran("balance", "--log-level", "DEBUG")
        finally:
            server.terminate()
    assert (code, [(one["label"], one["amount"], one["error"]) for one in rows]) == (
        0,
        [
            ("Utility Account", "4321.00", None),
            ("Working Account", "900000.00", None),
            ("Charges Paid Account", "-220.00", None),
        ],
    )
    asked_at = {row["url"].rpartition("/")[2] for row in emulator.callbacks()}
    assert len(asked_at) == 2
    assert not [token for token in asked_at if token in text]

    before, asked = time.monotonic(), len(emulator.callbacks())
    code, result, _ = ran("doctor")
    assert (code, len(emulator.callbacks())) == (0, asked), result
    assert time.monotonic() - before < 20
    assert ran("journal", "verify")[0] == 0
