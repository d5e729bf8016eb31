"""`payouts serve --with-worker`: one process that hears callbacks and works, and ends as gently as each of the two."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from payments_core import PayoutClient, PayoutStatus


@pytest.fixture
def serving(place: Any) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, with an account that is called back there, and a schedule of hours."""
    text = re.sub(r"(?m)^poll_schedule_s = .*", "poll_schedule_s = [7200]", place.config.read_text("utf-8"))
    place.config.write_text(text, "utf-8")
    with PayoutClient.from_config(place.config) as client:
        [(account, token)] = client.inbox.tokens.items()
    command = [sys.executable, "-P", "-m", "payments_core", "serve", "--with-worker", "--port", "0", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, "--log-json"], cwd=place.folder, text=True, encoding="utf-8", **pipes) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        table, address = f"[accounts.{account}]", url.replace("127.0.0.1", "localhost")
        called_back = f'{table}\ncallback_url = "{address}/callbacks/{token}"'
        text = place.config.read_text("utf-8").replace(table, called_back)
        place.config.write_text(text, "utf-8")  # for whoever accepts: the address goes along with each payment
        yield process
        process.kill()


def finish(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Tell it to stop; return its events."""
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate(timeout=30)
    assert process.returncode == 0, output
    return [json.loads(line) for line in output.splitlines()]


def test_serve_with_worker_sends_receives_and_checks(place: Any, serving: subprocess.Popen[str]) -> None:
    """What is accepted elsewhere is sent; the gateway calls back, and hours before its schedule it is read and paid."""
    place.accept(4)
    place.wait_for(place.all_paid)
    events = finish(serving)
    place.check(4)
    result = {event["event"] for event in events}
    assert {"worker.started", "callback.received", "payout.succeeded", "worker.draining", "worker.stopped"} <= result
    assert [event["cut"] for event in events if event["event"] == "worker.stopped"] == [0]


def test_serve_stopped_by_a_signal_finishes_what_is_in_flight(place: Any, serving: subprocess.Popen[str]) -> None:
    """Both halves end: the sends that are out there get their answers, and nothing hangs in SENDING."""
    place.gateway.set_faults({"slow_s": {"value": 0.5}})
    place.accept(12)
    place.wait_for(lambda: place.statuses()[PayoutStatus.SENDING] == 4)
    begun = time.monotonic()
    finish(serving)
    assert time.monotonic() - begun < 15
    left = place.statuses()
    assert left[PayoutStatus.SENDING] == 0
    assert left[PayoutStatus.CREATED] > 0
