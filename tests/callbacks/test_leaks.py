"""A callback may hold a number, a name and whatever somebody writes into it: nothing of it is told or kept."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import Any

import pytest

from payments_core.client.inbox import Inbox
from payments_core.testing.leaks import CapturedText, Forbidden, LogCapture

STUCK, NUMBER = "+46733123453", "256772998877"
PIN, KEY = "pin-of-somebody-4711-0815", "Bearer-ish-key-0f9e8d7c6b5a4"
OURS = ("payments_core", "payments_mtn_momo")
Harness = Any


def bodies(payout_id: str) -> list[bytes]:
    """Return callbacks that hold what may not be told: as they should be, and as they should not."""
    fields = {
        "financialTransactionId": NUMBER,
        "externalId": payout_id,
        "payee": {"partyIdType": "MSISDN", "partyId": NUMBER},
        "payerMessage": f"for Akello Quillfeather, {PIN}",
        "status": f"PAID {NUMBER} {KEY}",
        "reason": {"message": f"{KEY} {NUMBER}"},
    }
    whole = json.dumps(fields).encode()
    return [
        whole,
        whole[:-5],
        json.dumps({**fields, "externalId": f"{NUMBER} {PIN}"}).encode(),
        f"<b>{NUMBER}".encode(),
    ]


def stored(harness: Harness) -> list[CapturedText]:
    """Return what the journal tells beside the payouts' own rows."""
    with closing(sqlite3.connect(harness.config.parent / "payouts.db")) as connection:
        return [
            CapturedText("stored", table, repr(row))
            for table in ("inbox", "history", "outbox", "queries")
            for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608
        ]


def test_callback_contents_are_not_logged_or_kept(
    make_scene: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every logger at DEBUG, the account's path among the secrets, and things going wrong on the way."""
    harness = make_scene()
    payout = harness.pay("one", STUCK)
    token: str = harness.token
    secret = harness.client._runtime.journal.callback_secret()
    forbidden = Forbidden({"path": token, "secret": secret, "pin": PIN, "key": KEY}, [NUMBER], ["Quillfeather"])
    with LogCapture(*OURS) as capture:
        for body in bodies(payout.id):
            for method, path in (("PUT", harness.path), ("GET", harness.path), ("PUT", f"{harness.path}x")):
                harness.server.ask(method, path, body, x_number=NUMBER, authorization=KEY, cookie=PIN)
        harness.until_handled(4)
        harness.server.ask("PUT", harness.path, NUMBER.encode() * 10_000)
        harness.server.raw(f"PUT {harness.path} HTTP/9\r\n{NUMBER}\r\n\r\n".encode())
        kind = type(harness.client._runtime.accounts[harness.account].provider)
        with monkeypatch.context() as patch:
            patch.setattr(kind, "parse", lambda _, callback: int(callback.body))
            harness.server.ask("PUT", harness.path, bodies(payout.id)[0])
            harness.until_handled(5)
        with monkeypatch.context() as patch:
            patch.setattr("payments_core.client.inbox.differs_from", lambda parsed, *_: int(parsed.status))
            harness.server.ask("PUT", harness.path, bodies(payout.id)[0])
            harness.until_handled(6)
        harness.go_on()
        capture.shown(
            "harness", harness.client, harness.client.inbox, harness.server.app, harness.client.get(payout.id)
        )
        capture.shown("account", harness.client._runtime.accounts[harness.account].settings, harness.row(payout))
        capture.shown("inbox", harness.client.inbox.counts())
        harness.client._runtime.journal.close()
        assert harness.server.ask("PUT", harness.path, bodies(payout.id)[0])[0] == 503
    out, err = capfd.readouterr()
    kept = stored(harness)

    printed = [CapturedText("output", "stdout", out), CapturedText("output", "stderr", err)]
    assert forbidden.leaks([*capture.captured, *printed, *kept]) == []
    parsed = {
        text.split()[2] for channel, where, text in capture.captured if channel == "log" and where == "payments_core"
    }
    assert {f"callback.{end}" for end in ("received", "matched", "ignored", "refused", "failed")} <= parsed
    assert any(entry.where == "inbox" and payout.id in entry.text for entry in kept)


def test_leak_search_finds_a_callback_that_is_not_handled_yet(
    make_scene: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: until it is handled it is there, sealed in Base64; so the search above looks at the right place."""
    harness = make_scene()
    monkeypatch.setattr(Inbox, "handle", lambda _: 0)
    harness.server.ask("PUT", harness.path, bodies("po_x")[0])
    [inbox] = [entry for entry in stored(harness) if entry.where == "inbox"]
    sealed = json.loads(inbox.text.split("'")[-4])["body"]
    assert NUMBER in base64.b64decode(sealed).decode()


def test_log_handler_that_fails_prints_nothing_of_a_callback(
    make_scene: Callable[..., Harness],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    full_disk: Callable[[], AbstractContextManager[None]],
) -> None:
    """Whatever breaks on the way, nothing is told while an error is being handled that may hold a callback's words."""
    harness = make_scene()
    payout = harness.pay("one", STUCK)
    kind = type(harness.client._runtime.accounts[harness.account].provider)
    forbidden = Forbidden({"pin": PIN, "key": KEY}, [NUMBER], ["Quillfeather"])
    monkeypatch.setattr(kind, "acknowledge", lambda _, callback: int(callback.body))
    monkeypatch.setattr("payments_core.client.inbox.differs_from", lambda parsed, *_: int(parsed.status))
    with full_disk():
        harness.server.ask("PUT", harness.path, bodies(payout.id)[0])
        harness.until_handled(1)
    _, err = capfd.readouterr()

    assert err.count("no space left") >= 3  # received, a provider's bug, failed
    assert forbidden.leaks([CapturedText("output", "stderr", err)]) == []


def test_access_log_is_not_written(make_scene: Callable[..., Harness], caplog: pytest.LogCaptureFixture) -> None:
    """Uvicorn's would hold the paths."""
    harness = make_scene()
    with caplog.at_level(logging.DEBUG):
        harness.server.ask("PUT", harness.path, b"{}")
    assert [record for record in caplog.records if record.name == "uvicorn.access"] == []
    assert harness.token not in caplog.text
