"""`payouts callbacks`, `payouts serve`, and what the doctor says of them."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
NUMBER = "46733123453"


def put(url: str, body: bytes) -> int:
    request = urllib.request.Request(url, body, method="PUT")  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def paths(payouts: Call) -> dict[str, str]:
    found: dict[str, str] = {row["account"]: row["url"] for row in payouts("callbacks", "--reveal", "--json").json}
    return found


def test_callback_paths_are_masked_unless_revealed(config: Path, payouts: Call) -> None:
    """Whoever looks over a shoulder learns no path; it is the same each time."""
    masked = payouts("callbacks", "--url", "https://pay.example.org/")
    result = payouts("callbacks", "--url", "https://pay.example.org/", "--reveal")
    [found] = re.findall(r"https://pay\.example\.org/callbacks/([\w-]{32})\s", result.out)
    assert found not in masked.out
    assert "https://pay.example.org/callbacks/********" in masked.out
    assert paths(payouts) == {"mtn-uganda": f"https://HOST/callbacks/{found}"}


def test_callback_address_without_https_is_refused(payouts: Call) -> None:
    """What is printed is copied into a provider's portal: it has to be an address."""
    ran = payouts("callbacks", "--url", "pay.example.org")
    assert (ran.code, "--url must begin with https://" in ran.err) == (2, True)


def test_callback_paths_exist_only_where_the_provider_calls_back(tills: Any, payouts: Call) -> None:
    assert payouts("callbacks", "--json").json == []
    assert "No account" in payouts("callbacks").err


@pytest.mark.parametrize(
    ("end", "level"), [("/callbacks/{token}", "ok"), ("/callbacks/other", "note"), ("/{token}x", "note")]
)
def test_doctor_compares_callback_url_with_the_path(config: Path, payouts: Call, end: str, level: str) -> None:
    """An address with one letter missing is found before the first payment, not after a week without callbacks."""
    token = paths(payouts)["mtn-uganda"].rpartition("/")[2]
    url = f"https://pay.example.org{end.format(token=token)}"
    text = config.read_text("utf-8").replace('"mtn_momo"', f'"mtn_momo"\ncallback_url = "{url}"', 1)
    config.write_text(text, "utf-8")
    ran = payouts("doctor", "--json")
    [check] = [check for check in ran.json["checks"] if check["what"] == "callbacks of mtn-uganda"]
    assert check["level"] == level
    assert token not in ran.out


def serve(start: Call, *more: str) -> tuple[subprocess.Popen[str], str]:
    process: subprocess.Popen[str] = start("serve", "--port", "0", "--json", *more)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["url"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_keeps_what_it_acknowledged_and_stops_quietly(
    config: Path, payouts: Call, pay: Call, start: Call, number: signal.Signals
) -> None:
    """What was acknowledged is there when it has ended, and `resume` reads it."""
    sent = pay("wages-1", "--json", to=f"+{NUMBER}").json
    process, url = serve(start, "--log-level", "DEBUG")
    path = paths(payouts)["mtn-uganda"].removeprefix("https://HOST")
    body = json.dumps({"externalId": sent["id"], "status": "SUCCESSFUL", "payee": NUMBER}).encode()

    assert [put(f"{url}{path}", body) for _ in range(3)] == [200] * 3
    assert put(f"{url}{path}x", body) == 404
    process.send_signal(number)
    _, output = process.communicate(timeout=20)

    assert process.returncode == 0
    [counted] = payouts("callbacks", "--json").json
    assert (counted["received"], counted["unhandled"]) == (3, 0)
    assert payouts("show", "wages-1", "--json").json["status"] == "PENDING"
    assert "callback.received" in output
    assert path.rpartition("/")[2] not in output
    assert NUMBER not in output


def test_server_finishes_requests_under_way_when_stopped(config: Path, payouts: Call, start: Call) -> None:
    """SIGTERM in the middle of a body: the rest is waited for and acknowledged."""
    process, url = serve(start)
    path = paths(payouts)["mtn-uganda"].removeprefix("https://HOST")
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{".encode())
        assert put(f"{url}{path}", b"{}") == 200  # by now the first one is being read
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionError):
            while True:  # until nobody new is let in
                socket.create_connection(("127.0.0.1", port), timeout=20).close()
        connection.sendall(b"}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert payouts("callbacks", "--json").json[0]["received"] == 2


CRASH = """
import os, sys
from payments_core.client.inbox import Inbox
from payments_core.cli import main
Inbox.handle = lambda self: os._exit(9) if self._runtime.journal.inbox_counts() else 0
main()
"""


def test_callback_survives_a_crash_before_it_is_handled(change: Call, payouts: Call, pay: Call, folder: Path) -> None:
    """Killed between the insert and the handling: the next server, or whoever works, handles it."""
    change("^poll_schedule_s = .*", "poll_schedule_s = [600]")
    sent = pay("wages-1", "--json", to=f"+{NUMBER}").json
    path = paths(payouts)["mtn-uganda"].removeprefix("https://HOST")
    command = [sys.executable, "-P", "-c", CRASH, "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        body = json.dumps({"externalId": sent["id"], "status": "FAILED"}).encode()
        with contextlib.suppress(urllib.error.URLError, ConnectionError):  # acknowledged or cut off: it is kept
            put(f"{url}{path}", body)
        assert process.wait(timeout=20) == 9
    assert payouts("callbacks", "--json").json[0]["unhandled"] == 1
    payouts("resume", "--timeout", "0")
    assert payouts("callbacks", "--json").json[0]["outcomes"] == {"read due": 1}
    events = [entry["event"] for entry in payouts("show", "wages-1", "--json").json["history"]]
    assert events[-2:] == ["callback.matched", "payout.read"]


BROKEN_WORKER = """
import asyncio
from payments_core.cli import callback_server, main
from payments_core.domain.errors import JournalClosed
async def run_worker(client, **more):
    await asyncio.sleep(0.2)
    raise JournalClosed("the journal is gone")
callback_server.run_worker = run_worker
main()
"""


def test_server_ends_when_its_worker_fails(config: Path, run_program: Call) -> None:
    """Half a process that looks alive would be worse than one that its supervisor starts again."""
    ran = run_program(BROKEN_WORKER, "serve", "--port", "0", "--with-worker", "--json")
    assert ran.returncode == 1
    assert "the journal is gone" in json.loads(ran.stderr.splitlines()[-1])["error"]["message"]


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--host", "203.0.113.7"), "Nothing can listen on 203.0.113.7"), (("--allow", "10.0.0.0/99"), "--allow: ")],
)
def test_server_that_cannot_start_says_why(config: Path, payouts: Call, words: tuple[str, ...], says: str) -> None:
    ran = payouts("serve", "--port", "0", *words, "--json")
    assert ran.code == 1
    assert says in ran.error["message"]


@pytest.mark.parametrize(
    ("missing", "command"),
    [("uvicorn", ["serve"]), ("uvicorn", ["emulator", "mtn_momo"]), ("starlette", ["emulator", "mtn_momo"])],
)
def test_server_extra_that_is_missing_is_named(
    config: Path, run_program: Call, missing: str, command: list[str]
) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None\nfrom payments_core.cli import main\nmain()"
    ran = run_program(program, *command, "--port", "0")
    assert ran.returncode == 1
    assert "pip install 'payments-core[server]'" in ran.stderr
