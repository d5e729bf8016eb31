"""`payouts events`, and what the doctor says of webhooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
SECRET = f"whsec_{'k' * 32}"


class Receiver(BaseHTTPRequestHandler):
    status = 500

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(type(self).status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Receiver]]:
    """A webhook whose receiver answers as it is told, and one try to get through to it."""
    monkeypatch.setattr(Receiver, "status", 500)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with config.open("a", encoding="utf-8") as file:
        file.write(
            f'\n[webhooks.erp]\nurl = "http://127.0.0.1:{server.server_port}/"\nsecret = "env:HOOK_SECRET"\n'
            "retry_schedule_s = [0.001]\n"
        )
    yield Receiver
    server.shutdown()
    thread.join()
    server.server_close()


def pay(payouts: Call, key: str) -> None:
    assert payouts("send", "--key", key, "--to", "46733123499", "--amount", "500").code in {0, 4}
    assert payouts("wait", key).code == 0


def check(payouts: Call) -> dict[str, str]:
    [found] = [one for one in payouts("doctor", "--json").json["checks"] if one["what"] == "webhook erp"]
    return dict(found)


def test_event_given_up_is_reported_and_sent_again(payouts: Call, receiver: type[Receiver]) -> None:
    """From the first refusal to the last, and back: nothing is lost in between."""
    pay(payouts, "salary/1")
    assert check(payouts)["level"] == "ok"
    assert payouts("events", "deliver", "--json").json == {"delivered": 0, "failed": 1}
    refused = payouts("events", "deliver")
    assert (refused.code, refused.out) == (4, "0 delivered, 1 not accepted.\n")
    assert payouts("events", "deliver").code == 0
    assert "given up" in payouts("events", "list", "webhook/erp").out
    [left] = payouts("events", "list", "webhook/erp", "--json").json
    assert (left["status"], left["attempts"], left["given_up"], left["next_at"]) == ("SUCCEEDED", 2, True, None)
    assert left["result"].endswith("HTTP 500")
    found = check(payouts)
    assert (found["level"], found["hint"].split(": ")[1]) == ("wrong", "payouts events deliver --again erp")
    assert "1 given up" in found["says"]
    receiver.status = 200
    assert payouts("events", "deliver", "--again", "erp", "--json").json == {"delivered": 1, "failed": 0}
    assert "No event waits." in payouts("events", "list", "webhook/erp").err


def test_events_of_a_consumer_are_listed_and_acknowledged(payouts: Call, receiver: type[Receiver]) -> None:
    """The ids that are listed are the ids that can be acknowledged."""
    pay(payouts, "salary/1")
    pay(payouts, "salary/2")
    first, second = (row["event"] for row in payouts("events", "list", "books", "--json").json)
    assert payouts("events", "ack", "books", first).out == "1 acknowledged for books.\n"
    assert [row["event"] for row in payouts("events", "list", "books", "--json").json] == [second]
    assert payouts("events", "ack", "books", second, "--json").json == {"consumer": "books", "acknowledged": [second]}
    assert payouts("events", "ack", "books", "po_none.1", "--json").error["code"] == "unknown_event"
    assert payouts("events", "list", "webhook/none", "--json").error["code"] == "settings_invalid"
    assert payouts("events", "deliver", "--again", "none").code == 1


def test_doctor_names_the_missing_secret_of_a_webhook(
    payouts: Call, receiver: type[Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And names the variable, not what should be in it."""
    monkeypatch.delenv("HOOK_SECRET")
    found = check(payouts)
    assert found["level"] == "wrong"
    assert "HOOK_SECRET does not exist" in found["says"]
