"""What the tests of the command line share: a gateway, a configuration that pays through it, and `payouts`."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from payments_core.cli.app import run
from payments_mtn_momo.emulator import MtnMomoEmulator

NUMBER = "256700199887"  # made up; only ever sent to a loopback socket


class Ran(NamedTuple):
    """What one call of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.err.splitlines()[-1])["error"]
        return found


Payouts = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PAYOUTS_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def payouts(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Payouts]:
    """Call the command line in this process; its logging is undone afterwards."""
    logger = logging.getLogger("payments_core")
    before = (list(logger.handlers), logger.level, logger.propagate)

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run(arguments)
        return Ran(code, *capsys.readouterr())

    yield call
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture(scope="session")
def running() -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator(target="mtnuganda", delayed_s=1) as emulator:
        yield emulator


@pytest.fixture
def gateway(running: MtnMomoEmulator, folder: Path) -> Iterator[MtnMomoEmulator]:
    """A gateway that behaves, and a payouts.toml that pays through it from the account mtn-uganda."""
    running.set_faults({})
    running.write_config(folder / "payouts.toml")
    yield running
    running.set_faults({})


@pytest.fixture
def config(gateway: MtnMomoEmulator, folder: Path) -> Path:
    return folder / "payouts.toml"


@pytest.fixture
def pay(payouts: Payouts) -> Payouts:
    """Send one payout."""

    def call(key: str, *more: str, to: str = f"+{NUMBER}", amount: str = "25000") -> Ran:
        return payouts("send", "--key", key, "--to", to, "--amount", amount, *more)

    return call


@pytest.fixture
def tills(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The made-up provider Tally, installed as a distribution is, its gateway, and a payouts.toml with two tills."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "provider_tally"))
    monkeypatch.syspath_prepend(str(folder))
    info = folder / "payments_tally-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: payments-tally\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text("[payments_core]\ntally = tally\n", "utf-8")
    from tally_gateway import TallyGateway, served  # type: ignore[import-not-found]  # found by the path above

    gateway = TallyGateway()
    with served(gateway) as url:
        tables = [
            f'[accounts.{name}]\nprovider = "tally"\nbase_url = "{url}"\ntill = "{number}"\n'
            f"[accounts.{name}.retry.balance]\nattempts = 1\n"
            for name, number in (("east", 7001), ("west", 7002))
        ]
        head = '[installation]\nnamespace = "tally-installation"\n[journal]\nurl = "sqlite:///payouts.db"\n'
        (folder / "payouts.toml").write_text(head + "".join(tables), "utf-8")
        yield gateway


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command line as a process of its own; what is still alive at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: str, ignores: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "payments_core", *arguments]
        if ignores:  # as a shell's background job ignores SIGINT
            command = ["sh", "-c", f"trap '' {ignores}; exec \"$@\"", "sh", *command]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=folder, text=True, encoding="utf-8", **pipes)
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()
