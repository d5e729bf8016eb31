"""What the tests of the command line share: a gateway, a configuration that pays through it, and `payouts`."""

from __future__ import annotations

import http.server
import json
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from payments_core.cli.app import run
from payments_core.journal import init_journal
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
def payouts(folder: Path, capsys: pytest.CaptureFixture[str]) -> Payouts:
    """Call the command line in this process."""

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run(arguments)
        return Ran(code, *capsys.readouterr())

    return call


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
def change(config: Path) -> Callable[[str, str], None]:
    """Replace what a pattern finds in the configuration."""

    def call(pattern: str, replacement: str) -> None:
        before = config.read_text("utf-8")
        after = re.sub(pattern, replacement, before, flags=re.MULTILINE)
        assert after != before
        config.write_text(after, "utf-8")

    return call


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
        fields = {"namespace": "tally-installation", "root": folder, "at": datetime.now(UTC)}
        init_journal("sqlite:///payouts.db", **fields)  # a till is real money
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


@pytest.fixture
def run_program(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a Python program of a few lines to its end."""

    def call(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-c", program, *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)

    return call


@pytest.fixture
def write_sql(folder: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Run a statement in the journal's file, as another program would; return its rows."""

    def call(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "payouts.db")) as journal, journal:
            return journal.execute(statement, values).fetchall()

    return call


class Lying:
    """A proxy before the gateway: while it lies, a payment that was made is called failed, and the other way round."""

    def __init__(self, url: str) -> None:
        self.lies = True
        self.absent = False
        proxy, words = self, {b"SUCCESSFUL": b"FAILED", b"FAILED": b"SUCCESSFUL"}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def _forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0)) or None
                gone = {"host", "connection", "content-length"}
                headers = {name: value for name, value in self.headers.items() if name.lower() not in gone}
                answer = httpx.request(self.command, f"{url}{self.path}", content=body, headers=headers)
                status, result = answer.status_code, answer.content
                if self.command == "GET" and proxy.absent:
                    status, result = 404, b'{"code": "RESOURCE_NOT_FOUND", "message": "Not found."}'
                elif self.command == "GET" and proxy.lies:
                    result = re.sub(b"SUCCESSFUL|FAILED", lambda found: words[found[0]], result)
                self.send_response(status)
                self.send_header("content-type", answer.headers.get("content-type", "application/json"))
                self.send_header("content-length", str(len(result)))
                self.end_headers()
                self.wfile.write(result)

            do_GET = do_POST = do_PUT = _forward

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def liar(config: Path, gateway: MtnMomoEmulator) -> Iterator[Lying]:
    """The gateway behind a proxy that lies about ends, and a configuration that pays through it without long waits."""
    lying = Lying(gateway.url)
    threading.Thread(target=lying.server.serve_forever, daemon=True).start()
    text = re.sub(r"^(lease_s|timeout_s) = .*$", r"\1 = 2", config.read_text("utf-8"), flags=re.MULTILINE)
    config.write_text(text.replace("timeout_s = 2", "timeout_s = 0.9").replace(gateway.url, lying.url), "utf-8")
    yield lying
    lying.server.shutdown()
    lying.server.server_close()
