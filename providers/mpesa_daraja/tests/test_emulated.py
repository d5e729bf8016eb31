"""Payments through an emulated Daraja in each of its modes: who is paid, what is reported, what is stored."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from payments_core.domain.errors import DecisionRefused, NotSupported
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee, Payout, PayoutStatus, ReasonCode
from payments_core.provider import Callback
from payments_core.testing.conformance import Harness
from payments_mpesa_daraja.emulator import MpesaDarajaEmulator
from payments_mpesa_daraja.emulator.payments import FAILURES, QUEUED, result

FAILING = min(FAILURES)
PAID, FAILED, REVIEW = PayoutStatus.SUCCEEDED, PayoutStatus.FAILED, PayoutStatus.REVIEW
Play = Callable[..., Harness]


def paid(harness: Harness, payee: str = "+254708374149", **faults: Any) -> Payout:
    key = harness.key(payee)
    with harness.faults(**faults):
        harness.pay(key, payee=Payee.msisdn(payee))
        return harness.settle(key)


def by(payout: Payout) -> str:
    return payout.history[-1].decided_by


def test_result_callback_ends_a_payment_without_a_status_query(play: Play) -> None:
    # It comes when the answer has long been written down, and before the first question: never early on a slow machine.
    harness = play(ends_after_s=30.0)
    payer, key = harness.open(poll_schedule_s=[60.0, 60.0]), harness.key("told")
    harness.pay(key, by=payer)
    payout = harness.settle(key, by=payer)

    assert (payout.status, by(payout)) == (PAID, "result_callback")
    assert "payout.queried" not in {entry.event for entry in payout.history}
    assert (payout.provider_reference or "").startswith("SK")


@pytest.mark.parametrize(("payee", "status"), [("254708374149", PAID), (FAILING, FAILED)])
def test_result_callback_may_come_before_the_acknowledgement(
    play: Play, monkeypatch: pytest.MonkeyPatch, payee: str, status: PayoutStatus
) -> None:
    """It is left as it is while the payment is being sent, and decides afterwards: what is proven is not asked for."""
    harness = play()
    dispatcher, inbox, handled = harness.emulator._dispatcher, harness.payer.client.inbox, list[int]()
    first_try = dispatcher.first_try

    async def and_handle(callback: Any) -> None:
        await first_try(callback)
        handled.append(await asyncio.to_thread(inbox.handle))

    monkeypatch.setattr(dispatcher, "first_try", and_handle)
    payout = paid(harness, payee=f"+{payee}", callback_early=True)

    assert (payout.status, by(payout), handled) == (status, "result_callback", [0])
    assert "payout.queried" not in {entry.event for entry in payout.history}
    assert harness.credits(payout) == (status is PAID)


@pytest.mark.parametrize("parties", ["credit", "debit"])
def test_payment_without_a_callback_is_checked(play: Play, parties: str) -> None:
    payout = paid(play(silent=True, parties=parties))

    assert (payout.status, by(payout)) == (PAID, "result_callback")
    assert "payout.queried" in {entry.event for entry in payout.history}


def test_payment_in_a_slow_sandbox_is_waited_for(play: Play) -> None:
    payout = paid(play(ends_after_s=200.0, answers_after_s=50.0))

    assert payout.status is PAID


@pytest.mark.parametrize("payee", FAILURES)
def test_payment_fails_with_the_reason_of_its_result(play: Play, payee: str) -> None:
    payout = paid(play(), payee=f"+{payee}")

    assert payout.status is FAILED
    assert payout.reason is not None
    assert payout.reason.provider_code == str(FAILURES[payee][0])


def test_failure_with_a_lost_callback_is_found_by_a_status_query(play: Play) -> None:
    payout = paid(play(silent=True), payee="+254190000001")

    assert payout.status is FAILED
    assert payout.reason is not None
    assert payout.reason.code is ReasonCode.REJECTED


def test_payment_unknown_to_daraja_is_no_failure(play: Play) -> None:
    """SFC_IC0003 to a status query says nothing, so an operator decides."""
    payout = paid(play(silent=True, declined="unknown"), payee="+254190000001")

    assert payout.status is REVIEW


def test_payment_without_any_answer_is_not_failed(play: Play) -> None:
    """Neither to the payment nor to any question."""
    harness = play()
    payout = paid(harness, callback_lost={"on": "any"})

    assert payout.status is REVIEW
    assert harness.posts(payout) == 1


def test_queue_timeout_callback_is_a_hint_and_no_failure(play: Play) -> None:
    """A hint, and no failure."""
    harness = play()
    key = harness.key("queued")
    harness.pay(key, payee=Payee.msisdn(f"+{QUEUED}"))
    [row] = [row for row in harness.emulator.callbacks() if row["says"] == "queue timeout"]
    harness.emulator.advance(61)
    harness.handle_callbacks()
    parsed = harness.get(key)
    end = harness.settle(key)

    assert row["state"] == "waiting"
    assert ("read due", 1) in {(count.outcome, count.count) for count in harness.payer.client.inbox.counts()}
    assert parsed.status is not FAILED
    assert end.status is REVIEW
    assert harness.credits(end) == 0


def test_security_credential_in_a_callback_is_never_stored(play: Play) -> None:
    """Not even until it is handled: the inbox is durable."""
    harness = play()
    inbox = harness.payer.client.inbox
    place = inbox.place(inbox.tokens["mpesa"])
    assert place is not None
    echo = json.dumps({"OriginatorConversationID": "po_x", "SecurityCredential": "SEALED"}).encode()
    inbox.receive(place, Callback("POST", {}, echo, harness.emulator.now)).result()
    [kept] = harness.payer.runtime.journal.unhandled(accounts=["mpesa"], limit=10)

    body = base64.b64decode(json.loads(kept.encoded)["body"])
    assert json.loads(body) == {"OriginatorConversationID": "po_x", "SecurityCredential": "***"}


def test_callback_that_cannot_be_redacted_is_not_stored(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = play()
    inbox = harness.payer.client.inbox
    place = inbox.place(inbox.tokens["mpesa"])
    assert place is not None
    monkeypatch.setattr("payments_mpesa_daraja.provider.redacted", lambda _: 1 / 0)
    inbox.receive(place, Callback("POST", {"a": "SEALED"}, b"SEALED", harness.emulator.now)).result()
    [kept] = harness.payer.runtime.journal.unhandled(accounts=["mpesa"], limit=10)

    assert json.loads(kept.encoded) == {"headers": {}, "body": ""}


def outcomes(harness: Harness) -> dict[str, int]:
    return {count.outcome: count.count for count in harness.payer.client.inbox.counts()}


def contradictions(payout: Payout) -> int:
    return sum(entry.event == "payout.contradicted" for entry in payout.history)


@pytest.mark.parametrize(
    ("results", "payee", "status", "contradicted"),
    [
        ("empty,true", "+254708374149", PAID, 0),
        ("empty,another,true", f"+{FAILING}", FAILED, 0),
        ("true,true", "+254708374149", PAID, 0),
        ("other,true", "+254708374149", FAILED, 1),
        ("true,other,other", "+254708374149", PAID, 1),
        ("forged,empty,true,true", f"+{FAILING}", PAID, 1),
    ],
)
def test_result_path_records_the_first_end_and_contradicts_another(
    play: Play, results: str, payee: str, status: PayoutStatus, contradicted: int
) -> None:
    """All of it is kept and acknowledged; no question is needed, and nothing is lost."""
    harness = play(ends_after_s=30.0, **MpesaDarajaEmulator.options({"results": results}))
    payer, key = harness.open(poll_schedule_s=[60.0, 60.0]), harness.key(results)
    harness.pay(key, by=payer, payee=Payee.msisdn(payee))
    harness.settle(key, by=payer)
    harness.emulator.advance(31)
    harness.handle_callbacks()
    payout = harness.get(key, by=payer)

    assert (payout.status, contradictions(payout)) == (status, contradicted)
    assert [row["state"] for row in harness.emulator.callbacks()] == ["received"] * len(results.split(","))
    assert sum(outcomes(harness).values()) == len(results.split(","))


def rest(harness: Harness, key: str) -> Payout:
    """Do what is due until nothing is any more."""
    while (payout := harness.get(key)).next_at is not None:
        harness.emulator.advance(max((payout.next_at - harness.emulator.now).total_seconds(), 0.0) + 0.01)
        harness.payer.ask("resume", timeout_s=0)
        harness.handle_callbacks()
    return payout


@pytest.mark.parametrize(("answers", "contradicted"), [("true", 1), ("empty,true", 1), ("empty", 0)])
def test_forged_failure_is_vetoed_by_a_status_query(play: Play, answers: str, contradicted: int) -> None:
    """Who knows the path posts a failure, and the true result is lost: nothing is paid again before it is known."""
    harness = play(ends_after_s=2.0, **MpesaDarajaEmulator.options({"results": "forged", "answers": answers}))
    key = harness.key("forged")
    harness.pay(key)
    forged = harness.settle(key)
    with pytest.raises(DecisionRefused) as early:
        harness.payer.ask("reissue", key, actor="Ann", reason="it failed")
    payout = rest(harness, key)
    with pytest.raises(DecisionRefused if contradicted else NotSupported):
        harness.payer.ask("reissue", key, actor="Ann", reason="it failed")

    assert (forged.status, forged.may_have_been_sent) == (FAILED, True)
    waits = harness.provider().settings.poll_schedule_s[:3]
    assert early.value.again_at == forged.history[-1].at + timedelta(seconds=sum(waits))
    assert (payout.status, contradictions(payout)) == (FAILED, contradicted)
    assert [entry.event for entry in payout.history].count("payout.queried") == 3
    assert harness.credits(payout) == 1


def test_true_failure_stands_after_three_status_queries(play: Play) -> None:
    harness = play(ends_after_s=30.0)  # the result comes when the answer has long been written down
    key = harness.key("fails")
    harness.pay(key, payee=Payee.msisdn(f"+{FAILING}"))
    harness.emulator.advance(31)
    harness.handle_callbacks()
    payout = rest(harness, key)

    assert (payout.status, contradictions(payout), payout.may_have_been_sent) == (FAILED, 0, False)
    assert outcomes(harness) == {"answered": 1, "repeated": 3}


def test_success_counts_only_with_the_right_amount_and_payee(play: Play) -> None:
    """A forged one that names another payee stops the machine; the true result that follows says how it is."""
    harness = play(ends_after_s=30.0)
    key = harness.key("another payee")
    payout = harness.pay(key)
    [url] = [row["url"] for row in harness.emulator.callbacks()]
    fields = {"TransactionAmount": 50, "ReceiverPartyPublicName": "254700000000 - X"}
    ours = payout.references["originator"], payout.references["conversation"]
    forged = json.dumps(result(0, "Processed.", *ours, "SK1", *fields.items())).encode()
    urllib.request.urlopen(urllib.request.Request(url, forged, method="POST"), timeout=10).close()  # noqa: S310 our own
    harness.handle_callbacks()
    stopped = harness.get(key)
    harness.emulator.advance(31)
    harness.handle_callbacks()

    assert stopped.status is REVIEW
    assert harness.get(key).status is PAID


def test_duplicate_reported_by_a_result_fails_nothing(play: Play) -> None:
    """The journal was lost, the payment is asked for again, and code 15 comes to the new path."""
    harness = play(duplicates="result")
    key = harness.key("twice")
    harness.pay(key)
    first = harness.settle(key)
    later = harness.open(journal="new.db")
    harness.pay(key, by=later)
    again = harness.settle(key, by=later)

    assert first.status is PAID
    assert again.status in {PAID, REVIEW}, again.reason
    assert harness.credits(again) == 1


def test_payment_with_a_wrong_password_moves_nothing(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTS_CONFORMANCE_WRONG_SECRET", "another-password")
    harness = play()
    wrong = harness.open(journal="wrong.db", initiator_password="env:PAYMENTS_CONFORMANCE_WRONG_SECRET")
    key = harness.key("wrong")
    harness.pay(key, by=wrong)
    end = harness.settle(key, by=wrong)

    assert end.status is FAILED
    assert end.reason is not None
    assert (end.reason.code, end.reason.provider_code) == (ReasonCode.CREDENTIALS, "2001")


@pytest.mark.parametrize("expires_in", ["text", "number"])
def test_payment_after_its_token_was_replaced_is_made(play: Play, expires_in: str) -> None:
    harness = play(expires_in=expires_in)
    assert paid(harness).status is PAID
    harness.open(journal="other.db", called_back=False).ask(
        "send", **harness.asked(harness.key("elsewhere"))
    )  # with a token of its own
    key = harness.key("killed")
    first = harness.pay(key)
    end = harness.settle(key)

    assert first.status is PayoutStatus.CREATED
    assert end.status is PAID
    assert harness.credits(end) == 1


def test_salary_command_is_sent_as_configured(play: Play) -> None:
    harness = play()
    key = harness.key("salary")
    order = {"key": key, "payee": Payee.msisdn("+254708374149"), "amount": Money("50", "KES")}
    harness.payer.ask("send", **order, options={"command_id": "SalaryPayment"})

    assert harness.settle(key).status is PAID
    assert harness.emulator.ledger()[-1]["command"] == "SalaryPayment"


def test_emulator_switches_are_read_from_text() -> None:
    read = MpesaDarajaEmulator.options({"tokens": "many", "ends_after_s": "2", "callback_url": "http://localhost/c/t"})

    assert read == {"tokens": "many", "ends_after_s": 2, "callback_url": "http://localhost/c/t"}
    with pytest.raises(ValueError, match="unknown switches"):
        MpesaDarajaEmulator.options({"token": "many"})


def test_emulator_configuration_survives_a_restart(tmp_path: Path) -> None:
    """With its secrets; the certificate is the new emulator's."""
    path = tmp_path / "payouts.toml"
    first = MpesaDarajaEmulator(port=1)
    first.write_config(path)
    later = MpesaDarajaEmulator(port=1)
    later.write_config(path)

    assert later.config_reused
    assert later.gateway.credentials == first.gateway.credentials
    assert later.certificate.strip() in "".join(file.read_text() for file in (tmp_path / "secrets").iterdir())


def test_emulator_refuses_as_daraja_does() -> None:
    with MpesaDarajaEmulator() as emulator:
        for method, path, code in (
            ("GET", "/oauth/v1/generate?grant_type=client_credentials", "400.008.01"),
            ("POST", "/mpesa/b2c/v3/paymentrequest", "404.001.03"),
            ("POST", "/mpesa/b2c/v9/paymentrequest", "404.001.01"),
        ):
            body = b"{}" if method == "POST" else None
            request = urllib.request.Request(emulator.url + path, body, method=method)  # noqa: S310 our own
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=10)  # noqa: S310 our own
            assert json.loads(refused.value.read())["errorCode"] == code
            refused.value.close()
