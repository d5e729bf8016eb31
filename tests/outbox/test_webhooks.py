"""Webhooks out: signed, repeated by a schedule, in order for each payout, and nobody else's trouble."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flat_records import changed, new_record
from pydantic import SecretStr
from standardwebhooks import Webhook as Library

from payments_core import AsyncPayoutClient, PayoutClient
from payments_core import settings as configurations
from payments_core.client import DeliverySummary, assemble
from payments_core.domain.deliveries import PayoutEvent, Waiting
from payments_core.domain.errors import SecretMissing, SettingsError
from payments_core.domain.payout import Operation, PayoutStatus, Reason, ReasonCode
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer
from payments_core.webhooks import DeliveryResult, Webhook, WebhookSettings, body_of, deliver, next_at, read_webhook

AT = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ONE, OTHER = f"whsec_{'a' * 32}", f"whsec_{'b' * 32}"
EVENT = PayoutEvent(
    id="po_one.3",
    payout_id="po_one",
    key="salary/0772 123 456/11",
    account="mtn-uganda",
    status=PayoutStatus.FAILED,
    reason=Reason(ReasonCode.PAYEE_NOT_FOUND, "PAYEE_NOT_FOUND", "256772123456 is nobody"),
    attempt=1,
    seq=3,
    at=AT,
)


def webhook(**changes: Any) -> Webhook:
    given = {"url": "https://erp.example.org/payouts", "secret": ONE} | changes
    return read_webhook("erp", given, resolve_secret=SecretStr)


ROW = new_record("one", payee_value="256772123456", next_at=None)


def only_sqlite(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.parametrize("store", ["sqlite"], indirect=True)(test)


# --- what is sent ---


def test_webhook_request_is_signed_as_the_published_library_wants_it() -> None:
    """While a secret is being changed either of the two verifies it."""
    flow = deliver(webhook(old_secret=OTHER), EVENT, ROW, at=datetime.now(UTC), until=AT)
    request = next(flow)
    assert isinstance(request, HttpRequest)
    assert (request.method, request.repeatable, request.moves_money) == ("POST", False, False)
    assert request.send_before == AT
    for secret in (ONE, OTHER):
        result = Library(secret).verify(request.body or "", dict(request.headers))
        assert (result["type"], result["timestamp"]) == ("payout.failed", "2026-11-02T08:00:00+00:00")
    assert request.headers["webhook-id"] == EVENT.id


def test_webhook_body_does_not_name_the_payee() -> None:
    """Not even where the caller has put the number into the key, or the provider into its words."""
    fields = json.loads(body_of(EVENT, ROW))
    assert fields["data"] == {
        "event": "po_one.3",
        "payout": "po_one",
        "key": "salary/077******456/11",
        "account": "mtn-uganda",
        "operation": "transfer",
        "amount": "12.50",
        "currency": "EUR",
        "status": "FAILED",
        "reason": {"code": "payee_not_found", "provider_code": "PAYEE_NOT_FOUND"},
        "attempt": 1,
        "seq": 3,
    }
    assert not re.search(r"\d{7}", body_of(EVENT, ROW))
    refund = changed(ROW, operation=Operation.REFUND, payee_kind="collection", original_amount=ROW.order.amount)
    assert json.loads(body_of(EVENT, refund))["data"]["key"] == EVENT.key


def test_webhook_body_masks_every_number_in_the_key_of_an_erased_payout() -> None:
    """The payee was forgotten: what is left of him cannot be found in the key, so no long number of it is told."""
    erased = changed(ROW, payee_value="erased:0123abcd", erased_at=AT)
    assert json.loads(body_of(EVENT, erased))["data"]["key"] == "salary/077*********/11"


# --- how it ends ---


@pytest.mark.parametrize(
    ("status", "headers", "accepted", "after_s"),
    [
        (200, {}, True, 0),
        (204, {}, True, 0),
        (299, {}, True, 0),
        (199, {}, False, 0),
        (301, {"location": "https://elsewhere.example.org"}, False, 0),
        (410, {}, False, 0),
        (429, {"retry-after": "120"}, False, 120),
        (503, {"retry-after": "Mon, 02 Nov 2026 09:00:00 GMT"}, False, 3600),
        (503, {"retry-after": "999999999"}, False, 86_400),
        (503, {"retry-after": "soon"}, False, 0),
        (503, {"retry-after": "-5"}, False, 0),
    ],
)
def test_delivery_is_accepted_only_by_200_to_299(
    status: int, headers: Mapping[str, str], accepted: bool, after_s: float
) -> None:
    """Everything else is tried again, not before the receiver wants it."""
    flow = deliver(webhook(), EVENT, ROW, at=AT, until=AT)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(HttpResponse(status, headers, b"", AT))
    assert end.value.value == DeliveryResult(accepted, "" if accepted else f"HTTP {status}", AT, after_s)


def test_delivery_without_an_answer_is_not_accepted() -> None:
    """Whether the receiver has it or not, it gets it again."""
    flow = deliver(webhook(), EVENT, ROW, at=AT, until=AT)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.throw(NoAnswer("the connection was reset", at=AT))
    assert end.value.value == DeliveryResult(accepted=False, why="the connection was reset", at=AT)


def test_delivery_is_given_up_at_the_end_of_the_schedule() -> None:
    """More than five days, as the documentation says."""
    schedule = WebhookSettings.model_fields["retry_schedule_s"].default
    assert sum(schedule) > 5 * 86_400
    waits = list[float]()
    for attempts in range(len(schedule)):
        moment = next_at(
            webhook(), Waiting(event=EVENT, attempts=attempts), DeliveryResult(accepted=False, why="", at=AT)
        )
        assert moment is not None
        waits.append((moment - AT).total_seconds())
    assert waits == list(schedule)
    result = DeliveryResult(accepted=False, why="", at=AT, after_s=7)
    assert next_at(webhook(), Waiting(event=EVENT), result) == AT + timedelta(seconds=7)
    assert next_at(webhook(), Waiting(event=EVENT, attempts=len(schedule)), result) is None


# --- settings ---


@only_sqlite
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"url": "http://erp.example.org/"}, "must begin with https"),
        ({"url": "ftp://localhost/"}, "must begin with https"),
        ({"url": "https://me:secret@erp.example.org/"}, "must hold no user"),
        ({"url": "https:///nowhere"}, "must begin with https"),
        ({"secret": "whsec_kurz"}, "written into the configuration itself"),
        ({"secret": "file:bad"}, "must be whsec_ and 24 to 64 bytes in base64"),
        ({"secret": "env:NO_SUCH_SECRET"}, "NO_SUCH_SECRET does not exist"),
        ({"retries": 3}, "no such setting"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"since": "2026-11-25T00:00:00"}, "since"),
        ({"accounts": ["mtn-uganda"]}, "'mtn-uganda', which is not configured"),
    ],
)
def test_webhook_with_a_wrong_setting_is_refused_at_the_start(
    installation: Any, changes: Mapping[str, Any], expected: str
) -> None:
    """In words, and without the secret."""
    (installation.folder / "bad").write_text("whsec_c2hvcnQ=", "utf-8")
    installation.add_webhook("erp", **{"url": "https://erp.example.org/"} | changes)
    with pytest.raises(SettingsError, match=expected) as wrong:
        assemble(installation.config)
    assert "erp" in wrong.value.message
    assert not re.search("c2hvcnQ|kurz|me:secret", f"{wrong.value!r} {wrong.value.hint}")


@only_sqlite
def test_webhook_repr_shows_no_secret(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in a repr nor in what is said when the library is missing."""
    installation.add_webhook("erp", "https://erp.example.org/x?token=hidden-word")
    runtime = assemble(installation.config)
    runtime.journal.close()
    shown = repr(runtime.webhooks)
    assert "hidden-word" not in shown
    assert "a2tra" not in shown
    monkeypatch.setitem(__import__("sys").modules, "standardwebhooks", None)
    with pytest.raises(SettingsError, match="standardwebhooks, which is not installed") as missing:
        assemble(installation.config)
    assert not isinstance(missing.value, SecretMissing)


def test_webhook_table_without_a_name_is_refused(tmp_path: Any) -> None:
    """Two tables or one value: it is said which."""
    path = tmp_path / "payouts.toml"
    path.write_text(
        '[installation]\nnamespace = "12345678"\n[journal]\nurl = "sqlite:///x"\n[accounts]\n[webhooks]\nurl = "x"\n',
        "utf-8",
    )
    with pytest.raises(SettingsError, match=r"a webhook is a table \[webhooks.NAME\]"):
        configurations.load(path)


# --- over real sockets ---


def send(installation: Any, kind: str) -> DeliverySummary:
    """Send what is due, with either client."""

    async def asynchronous() -> DeliverySummary:
        async with AsyncPayoutClient.from_config(installation.config) as client:
            return await client.send_events()

    if kind == "async":
        return asyncio.run(asynchronous())
    with PayoutClient.from_config(installation.config) as client:
        return client.send_events()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_webhooks_arrive_in_order_and_once(
    installation: Any, receive: Callable[..., Any], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The receiver verifies each; the log names neither its address nor the secret."""
    caplog.set_level(logging.DEBUG, "payments_core")
    receiver = receive()
    installation.add_webhook("erp", f"{receiver.url}?token=hidden-word")
    installation.publish([f"p{number}" for number in range(10)], key="salary/46733123450/{}")
    assert send(installation, kind) == DeliverySummary(delivered=30)
    assert send(installation, kind) == DeliverySummary()
    events = receiver.events()
    assert len(events) == len(set(events)) == 30
    for number in range(10):
        ours = [event for event in events if event.startswith(f"po_p{number}.")]
        assert ours == [f"po_p{number}.{seq}" for seq in (2, 3, 4)]
    assert "46733123450" not in receiver.log.path.read_text("utf-8")
    shown = "".join(str(vars(record)) for record in caplog.records)
    assert shown.count("webhook.delivered") >= 30
    assert not re.search("hidden-word|127.0.0.1|kkkk|a2tra|46733123450", shown)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_webhook_with_a_dead_receiver_delays_no_other(
    installation: Any, receive: Callable[..., Any], kind: str, store: str
) -> None:
    """Its events are put off, given up after the last wait, shown, and sent when a person asks for it."""
    receiver = receive()
    installation.add_webhook("alive", receiver.url)
    installation.add_webhook("dead", "http://127.0.0.1:1/", retry_schedule_s=[0.001])
    installation.publish([f"p{number}" for number in range(10)])
    with PayoutClient.from_config(installation.config) as client:
        assert send(installation, kind) == DeliverySummary(delivered=30, failed=8)
        for _ in range(10):
            send(installation, kind)
        waiting = client.pending_events("webhook/dead")
        assert len(waiting) == 30
        given_up = [one for one in waiting if one.is_given_up]
        assert {one.event.seq for one in given_up} == {2}
        assert len(given_up) == 10
        assert {one.attempts for one in given_up} == {2}
        assert all("127.0.0.1: " in one.result and "token" not in one.result for one in given_up)
        assert client.resume_events("dead") == 10
        assert client.resume_events("alive") == 0
    text = installation.config.read_text("utf-8").replace("http://127.0.0.1:1/", receiver.url)
    installation.config.write_text(text, "utf-8")
    assert send(installation, kind) == DeliverySummary(delivered=30)


@only_sqlite
def test_webhook_that_cannot_be_sent_is_put_off(installation: Any, receive: Callable[..., Any]) -> None:
    """A key that looks like a slot is a request that no transport sends; the others are sent."""
    receiver = receive()
    installation.add_webhook("erp", receiver.url)
    installation.publish(["odd"], [PayoutStatus.FAILED])
    with closing(sqlite3.connect(installation.folder / "payouts.db", isolation_level=None)) as connection:
        connection.execute("UPDATE outbox SET key = '{{slot:pin}}'")  # by hand: an order with such a key is refused
    installation.publish(["one"], [PayoutStatus.FAILED])
    assert send(installation, "sync") == DeliverySummary(delivered=1, failed=1)
    with PayoutClient.from_config(installation.config) as client:
        [left] = client.pending_events("webhook/erp")
    assert left.event.id == "po_odd.2"
    assert left.result.endswith("ProviderBug")
