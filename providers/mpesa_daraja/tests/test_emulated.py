"""Payments through an emulated Daraja in each of its moods: who is paid, what is told, what is kept."""

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

from payments_core.domain.errors import DecisionRefused, NotOffered
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee, Payout, PayoutStatus, ReasonCode
from payments_core.provider import Callback
from payments_core.testing.conformance import Scene
from payments_mpesa_daraja.emulator import MpesaDarajaEmulator
from payments_mpesa_daraja.emulator.payments import FAILURES, QUEUED, result

FAILING = min(FAILURES)
PAID, FAILED, REVIEW = PayoutStatus.SUCCEEDED, PayoutStatus.FAILED, PayoutStatus.REVIEW
Play = Callable[..., Scene]


def paid(scene: Scene, payee: str = "+254708374149", **faults: Any) -> Payout:
    key = scene.key(payee)
    with scene.faults(**faults):
        scene.pay(key, payee=Payee.msisdn(payee))
        return scene.settle(key)


def by(payout: Payout) -> str:
    return payout.history[-1].decided_by


def test_a_result_ends_a_payment_without_a_question(play: Play) -> None:
    # It comes when the answer has long been written down, and before the first question: never early on a slow machine.
    scene = play(ends_after_s=30.0)
    payer, key = scene.open(poll_schedule_s=[60.0, 60.0]), scene.key("told")
    scene.pay(key, by=payer)
    payout = scene.settle(key, by=payer)

    assert (payout.status, by(payout)) == (PAID, "deferred")
    assert "payout.asked" not in {entry.event for entry in payout.history}
    assert payout.references["receipt"].startswith("SK")


@pytest.mark.parametrize(("payee", "status"), [("254708374149", PAID), (FAILING, FAILED)])
def test_a_result_may_come_before_the_answer(
    play: Play, monkeypatch: pytest.MonkeyPatch, payee: str, status: PayoutStatus
) -> None:
    """It is left as it is while the payment is being sent, and decides afterwards: what is proven is not asked for."""
    scene = play()
    courier, inbox, handled = scene.emulator._courier, scene.payer.client.inbox, list[int]()
    first_try = courier.first_try

    async def and_handle(callback: Any) -> None:
        await first_try(callback)
        handled.append(await asyncio.to_thread(inbox.handle))

    monkeypatch.setattr(courier, "first_try", and_handle)
    payout = paid(scene, payee=f"+{payee}", callback_early=True)

    assert (payout.status, by(payout), handled) == (status, "deferred", [0])
    assert "payout.asked" not in {entry.event for entry in payout.history}
    assert scene.credits(payout) == (status is PAID)


@pytest.mark.parametrize("parties", ["credit", "debit"])
def test_a_silent_sandbox_is_asked(play: Play, parties: str) -> None:
    payout = paid(play(silent=True, parties=parties))

    assert (payout.status, by(payout)) == (PAID, "deferred")
    assert "payout.asked" in {entry.event for entry in payout.history}


def test_a_slow_sandbox_is_waited_for(play: Play) -> None:
    payout = paid(play(ends_after_s=200.0, answers_after_s=50.0))

    assert payout.status is PAID


@pytest.mark.parametrize("payee", FAILURES)
def test_a_payment_fails_with_the_reason_of_its_result(play: Play, payee: str) -> None:
    payout = paid(play(), payee=f"+{payee}")

    assert payout.status is FAILED
    assert payout.reason is not None
    assert payout.reason.provider_code == str(FAILURES[payee][0])


def test_a_lost_result_of_a_failure_is_asked_for(play: Play) -> None:
    payout = paid(play(silent=True), payee="+254190000001")

    assert payout.status is FAILED
    assert payout.reason is not None
    assert payout.reason.code is ReasonCode.REJECTED


def test_what_daraja_does_not_know_is_no_failure(play: Play) -> None:
    """SFC_IC0003 to a question: nobody knows, so a person looks."""
    payout = paid(play(silent=True, declined="unknown"), payee="+254190000001")

    assert payout.status is REVIEW


def test_when_no_answer_ever_comes_nothing_is_failed(play: Play) -> None:
    """Neither to the payment nor to any question."""
    scene = play()
    payout = paid(scene, callback_lost={"on": "any"})

    assert payout.status is REVIEW
    assert scene.posts(payout) == 1


def test_a_queue_that_gives_up_sends_the_request_back(play: Play) -> None:
    """A hint, and no failure."""
    scene = play()
    key = scene.key("queued")
    scene.pay(key, payee=Payee.msisdn(f"+{QUEUED}"))
    [row] = [row for row in scene.emulator.callbacks() if row["says"] == "queue timeout"]
    scene.emulator.advance(61)
    scene.hear()
    heard = scene.get(key)
    end = scene.settle(key)

    assert row["state"] == "waiting"
    assert ("read due", 1) in {(count.outcome, count.count) for count in scene.payer.client.inbox.counts()}
    assert heard.status is not FAILED
    assert end.status is REVIEW
    assert scene.credits(end) == 0


def test_a_security_credential_that_comes_back_is_not_kept_for_a_moment(play: Play) -> None:
    """Not even until it is handled: the inbox is durable."""
    scene = play()
    inbox = scene.payer.client.inbox
    place = inbox.place(inbox.tokens["mpesa"])
    assert place is not None
    echo = json.dumps({"OriginatorConversationID": "po_x", "SecurityCredential": "SEALED"}).encode()
    inbox.receive(place, Callback("POST", {}, echo, scene.emulator.now)).result()
    [kept] = scene.payer.office.journal.unhandled(accounts=["mpesa"], limit=10)

    body = base64.b64decode(json.loads(kept.sealed)["body"])
    assert json.loads(body) == {"OriginatorConversationID": "po_x", "SecurityCredential": "***"}


def test_what_a_provider_cannot_redact_is_not_kept(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = play()
    inbox = scene.payer.client.inbox
    place = inbox.place(inbox.tokens["mpesa"])
    assert place is not None
    monkeypatch.setattr("payments_mpesa_daraja.provider.redacted", lambda _: 1 / 0)
    inbox.receive(place, Callback("POST", {"a": "SEALED"}, b"SEALED", scene.emulator.now)).result()
    [kept] = scene.payer.office.journal.unhandled(accounts=["mpesa"], limit=10)

    assert json.loads(kept.sealed) == {"headers": {}, "body": ""}


def outcomes(scene: Scene) -> dict[str, int]:
    return {count.outcome: count.count for count in scene.payer.client.inbox.counts()}


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
def test_whatever_comes_to_a_result_path_the_first_end_is_recorded_and_another_contradicts(
    play: Play, results: str, payee: str, status: PayoutStatus, contradicted: int
) -> None:
    """All of it is kept and acknowledged; no question is needed, and nothing is lost."""
    scene = play(ends_after_s=30.0, **MpesaDarajaEmulator.options({"results": results}))
    payer, key = scene.open(poll_schedule_s=[60.0, 60.0]), scene.key(results)
    scene.pay(key, by=payer, payee=Payee.msisdn(payee))
    scene.settle(key, by=payer)
    scene.emulator.advance(31)
    scene.hear()
    payout = scene.get(key, by=payer)

    assert (payout.status, contradictions(payout)) == (status, contradicted)
    assert [row["state"] for row in scene.emulator.callbacks()] == ["received"] * len(results.split(","))
    assert sum(outcomes(scene).values()) == len(results.split(","))


def rest(scene: Scene, key: str) -> Payout:
    """Do what is due until nothing is any more."""
    while (payout := scene.get(key)).next_at is not None:
        scene.emulator.advance(max((payout.next_at - scene.emulator.now).total_seconds(), 0.0) + 0.01)
        scene.payer.ask("resume", timeout_s=0)
        scene.hear()
    return payout


@pytest.mark.parametrize(("answers", "contradicted"), [("true", 1), ("empty,true", 1), ("empty", 0)])
def test_a_failure_that_somebody_forged_is_vetoed_by_a_question(play: Play, answers: str, contradicted: int) -> None:
    """Who knows the path posts a failure, and the true result is lost: nothing is paid again before it is known."""
    scene = play(ends_after_s=2.0, **MpesaDarajaEmulator.options({"results": "forged", "answers": answers}))
    key = scene.key("forged")
    scene.pay(key)
    forged = scene.settle(key)
    with pytest.raises(DecisionRefused) as early:
        scene.payer.ask("pay_again", key, who="Ann", why="it failed")
    payout = rest(scene, key)
    with pytest.raises(DecisionRefused if contradicted else NotOffered):
        scene.payer.ask("pay_again", key, who="Ann", why="it failed")

    assert (forged.status, forged.may_have_been_sent) == (FAILED, True)
    waits = scene.provider().settings.poll_schedule_s[:3]
    assert early.value.again_at == forged.history[-1].at + timedelta(seconds=sum(waits))
    assert (payout.status, contradictions(payout)) == (FAILED, contradicted)
    assert [entry.event for entry in payout.history].count("payout.asked") == 3
    assert scene.credits(payout) == 1


def test_a_true_failure_stands_after_three_questions(play: Play) -> None:
    scene = play()
    key = scene.key("fails")
    scene.pay(key, payee=Payee.msisdn(f"+{FAILING}"))
    scene.hear()
    payout = rest(scene, key)

    assert (payout.status, contradictions(payout), payout.may_have_been_sent) == (FAILED, 0, False)
    assert outcomes(scene) == {"answered": 1, "repeated": 3}


def test_a_success_is_believed_only_with_amount_and_payee(play: Play) -> None:
    """A forged one that names another payee stops the machine; the true result that follows says how it is."""
    scene = play(ends_after_s=30.0)
    key = scene.key("another payee")
    payout = scene.pay(key)
    [url] = [row["url"] for row in scene.emulator.callbacks()]
    told = {"TransactionAmount": 50, "ReceiverPartyPublicName": "254700000000 - X"}
    ours = payout.references["originator"], payout.references["conversation"]
    forged = json.dumps(result(0, "Processed.", *ours, "SK1", *told.items())).encode()
    urllib.request.urlopen(urllib.request.Request(url, forged, method="POST"), timeout=10).close()  # noqa: S310 our own
    scene.hear()
    stopped = scene.get(key)
    scene.emulator.advance(31)
    scene.hear()

    assert stopped.status is REVIEW
    assert scene.get(key).status is PAID


def test_a_duplicate_that_is_told_by_a_result_fails_nothing(play: Play) -> None:
    """The journal was lost, the payment is asked for again, and code 15 comes to the new path."""
    scene = play(duplicates="result")
    key = scene.key("twice")
    scene.pay(key)
    first = scene.settle(key)
    later = scene.open(journal="new.db")
    scene.pay(key, by=later)
    again = scene.settle(key, by=later)

    assert first.status is PAID
    assert again.status in {PAID, REVIEW}, again.reason
    assert scene.credits(again) == 1


def test_a_wrong_password_moves_nothing(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTS_CONFORMANCE_WRONG_SECRET", "another-password")
    scene = play()
    wrong = scene.open(journal="wrong.db", initiator_password="env:PAYMENTS_CONFORMANCE_WRONG_SECRET")
    key = scene.key("wrong")
    scene.pay(key, by=wrong)
    end = scene.settle(key, by=wrong)

    assert end.status is FAILED
    assert end.reason is not None
    assert (end.reason.code, end.reason.provider_code) == (ReasonCode.CREDENTIALS, "2001")


@pytest.mark.parametrize("expires_in", ["text", "number"])
def test_a_new_token_kills_the_one_before_and_the_next_payment_is_made(play: Play, expires_in: str) -> None:
    scene = play(expires_in=expires_in)
    assert paid(scene).status is PAID
    scene.open(journal="other.db", called_back=False).ask(
        "send", **scene.asked(scene.key("elsewhere"))
    )  # with a token of its own
    key = scene.key("killed")
    first = scene.pay(key)
    end = scene.settle(key)

    assert first.status is PayoutStatus.CREATED
    assert end.status is PAID
    assert scene.credits(end) == 1


def test_salaries_are_paid_as_salaries(play: Play) -> None:
    scene = play()
    key = scene.key("salary")
    order = {"key": key, "payee": Payee.msisdn("+254708374149"), "amount": Money("50", "KES")}
    scene.payer.ask("send", **order, options={"command_id": "SalaryPayment"})

    assert scene.settle(key).status is PAID
    assert scene.emulator.ledger()[-1]["command"] == "SalaryPayment"


def test_every_switch_is_read_from_text() -> None:
    read = MpesaDarajaEmulator.options({"tokens": "many", "ends_after_s": "2", "callback_url": "http://localhost/c/t"})

    assert read == {"tokens": "many", "ends_after_s": 2, "callback_url": "http://localhost/c/t"}
    with pytest.raises(ValueError, match="unknown switches"):
        MpesaDarajaEmulator.options({"token": "many"})


def test_a_configuration_is_kept_over_a_restart(tmp_path: Path) -> None:
    """With its secrets; the certificate is the new emulator's."""
    path = tmp_path / "payouts.toml"
    first = MpesaDarajaEmulator(port=1)
    first.write_config(path)
    later = MpesaDarajaEmulator(port=1)
    later.write_config(path)

    assert later.config_reused
    assert later.gateway.held == first.gateway.held
    assert later.certificate.strip() in "".join(file.read_text() for file in (tmp_path / "secrets").iterdir())


def test_the_gateway_refuses_as_daraja_does() -> None:
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
