"""Payments and questions against the emulator over real sockets, through both clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from payments_core.domain.errors import InvalidAmount, InvalidPayee, InvalidPayout, LookupFailed, SettingsError
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee, PayoutStatus, ReasonCode
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest
from payments_core.http.transport.httpx_sync import HttpxTransport
from payments_core.provider import CancelAnswer, Credential, Duplicate, Final, Operator, Pending
from payments_core.testing.conformance import Harness

REASONS = {
    "089": ReasonCode.PAYEE_NOT_FOUND,
    "099": ReasonCode.PAYEE_LIMIT_REACHED,
    "109": ReasonCode.PAYEE_LIMIT_REACHED,
    "119": ReasonCode.NOT_COMPLETED,
}


def sent(harness: Harness, key: str, **more: Any) -> Any:
    return harness.payer.ask("send", **{**harness.asked(harness.key(key)), **more})


@pytest.mark.parametrize("ending", REASONS)
def test_payment_to_a_test_number_fails_with_its_reason(play: Any, ending: str) -> None:
    harness = play()
    key = harness.key(ending)
    harness.pay(key, payee=Payee.msisdn(f"+999700000{ending}"))
    end = harness.settle(key)
    assert (end.status, end.reason.code) == (PayoutStatus.FAILED, REASONS[ending])


def test_limits_are_read_before_a_transaction(play: Any) -> None:
    """A fresh process accepts in a transaction nothing that `send` refuses by limits the provider tells."""
    harness = play()
    order = {**harness.asked(harness.key("within")), "amount": Money("15.201", "ZMW"), "connection": object()}
    with pytest.raises(InvalidPayout, match=rf'client\.refresh_provider_config\("{harness.account}"\)'):
        harness.payer.ask("accept", **order)
    harness.payer.ask("refresh_provider_config", harness.account)
    with pytest.raises(InvalidAmount):
        harness.payer.ask("accept", **order)
    with pytest.raises(SettingsError, match="SQLite file"):  # the next thing that is looked at: it is in order
        harness.payer.ask("accept", **order | {"amount": Money("15.2", "ZMW")})


def test_account_pays_to_many_countries(play: Any) -> None:
    """The option names the operator; the account's own is not used for a number of another country."""
    harness = play()
    paid = sent(
        harness,
        "Uganda",
        payee=Payee.msisdn("+256999700789"),
        amount=Money("1500", "UGX"),
        options={"provider": "AIRTEL_OAPI_UGA"},
    )
    assert harness.settle(paid.key).status is PayoutStatus.SUCCEEDED
    before = len(harness.emulator.ledger())
    wrong: list[tuple[type[InvalidPayout], Mapping[str, Any]]] = [
        (InvalidPayee, {"payee": Payee.msisdn("+256999700789")}),
        (InvalidAmount, {"amount": Money("1.5", "XOF")}),
        (InvalidAmount, {"amount": Money("1.555", "ZMW")}),
    ]
    for number, (error, more) in enumerate(wrong):
        with pytest.raises(error):
            sent(harness, f"wrong/{number}", **more)
    assert len(harness.emulator.ledger()) == before


def test_provider_config_is_read_once_until_it_is_old(play: Any) -> None:
    """And again when it is old."""
    harness = play()
    asked: list[str] = []
    answer = harness.emulator.gateway.answer
    harness.emulator.gateway.answer = lambda request: asked.append(request.operation) or answer(request)
    for number in range(3):
        sent(harness, f"early/{number}")
    assert asked.count("active_conf") == 1
    harness.emulator.advance(3601)
    sent(harness, "late")
    assert asked.count("active_conf") == 2


def test_payment_without_a_provider_config_is_made(play: Any) -> None:
    harness = play()
    with harness.faults(status_500={"on": "active_conf"}):
        assert harness.settle(sent(harness, "unlearned").key).status is PayoutStatus.SUCCEEDED


def test_enqueued_payment_can_be_cancelled_and_ends_failed(play: Any) -> None:
    """PawaPay calls it failed, by hand: so do we, and no payee is paid."""
    harness = play(enqueued_s=3600.0)
    payout = sent(harness, "cancelled")
    assert payout.status is PayoutStatus.PENDING
    assert harness.payer.ask("cancel_at_provider", payout.id) is CancelAnswer.TAKEN
    assert harness.get(payout.key).status is PayoutStatus.PENDING, "only a read says what became of it"

    end = harness.settle(payout.key)
    assert (end.status, end.reason.code) == (PayoutStatus.FAILED, ReasonCode.CANCELLED)
    assert end.reason.provider_code == "MANUALLY_CANCELLED"
    assert harness.credits(end) == 0
    assert harness.payer.ask("cancel_at_provider", payout.id) is CancelAnswer.TOO_LATE


def test_payment_in_progress_or_never_sent_is_not_cancelled(play: Any) -> None:
    harness = play()
    paid = sent(harness, "begun")
    assert harness.payer.ask("cancel_at_provider", paid.id) is CancelAnswer.TOO_LATE
    assert harness.settle(paid.key).status is PayoutStatus.SUCCEEDED
    accepted = harness.payer.ask("accept", **harness.asked(harness.key("accepted")))
    assert harness.payer.ask("cancel_at_provider", accepted.id) is CancelAnswer.NOT_FOUND


def test_enqueued_payment_is_waited_for(play: Any) -> None:
    harness = play(enqueued_s=120.0)
    end = harness.settle(sent(harness, "enqueued").key)
    assert end.status is PayoutStatus.SUCCEEDED
    assert harness.credits(end) == 1


def test_payment_to_an_operator_that_is_down_is_sent_later(play: Any) -> None:
    """Refused for now, and sent again later under the same id."""
    harness = play()
    pay, left = harness.emulator.gateway._pay, [2]

    def down(request: Any, order: Any) -> Any:
        if left[0]:
            left[0] -= 1
            reason = {"failureCode": "PROVIDER_TEMPORARILY_UNAVAILABLE", "failureMessage": "so"}
            return 200, {"payoutId": order["payoutId"], "status": "REJECTED", "failureReason": reason}
        return pay(request, order)

    harness.emulator.gateway._pay = down
    payout = sent(harness, "down")
    assert (payout.status, payout.may_have_been_sent) == (PayoutStatus.CREATED, False)
    assert not harness.payer.ask("pauses"), "the account pays to other operators meanwhile"
    end = harness.settle(payout.key)
    assert (end.status, harness.credits(end), harness.posts(end)) == (PayoutStatus.SUCCEEDED, 1, 3)


def test_not_found_soon_after_a_lost_answer_sends_nothing_again(play: Any) -> None:
    """Not found before a quarter of an hour has passed is no reason to send again."""
    harness = play()
    key = harness.key("early")
    account = harness.provider()
    assert account.spec.facts.visible_after_s == account.spec.facts.not_found_conclusive_after_s == 900
    with harness.faults(answer_lost_before_acceptance={"next": 1, "on": "post"}):
        assert harness.pay(key).status is PayoutStatus.UNKNOWN
    end = harness.settle(key)
    assert (end.status, harness.credits(end)) == (PayoutStatus.SUCCEEDED, 1)


# --- questions ---


def test_balances_have_many_wallets(play: Any) -> None:
    harness = play()
    before = {one.label: one for one in harness.payer.ask("balances", harness.account, currency="ZMW")}
    assert set(before) == {"ZMB", "XTS"}
    harness.settle(sent(harness, "spent").key)
    after = {one.label: one for one in harness.payer.ask("balances", harness.account, currency="ZMW")}
    assert before["XTS"].amount - after["XTS"].amount == harness.profile.amount.amount
    assert before["ZMB"] == after["ZMB"]
    assert {one.currency for one in harness.payer.ask("balances", harness.account)} == {"ZMW", "XOF", "UGX"}


def test_operator_lookup_answers_and_chooses_nothing(play: Any) -> None:
    harness = play()
    found = harness.payer.ask("operator", harness.account, Payee.msisdn("+256999700789"))
    assert found == Operator("MTN_MOMO_UGA", "UGA", "mtn")
    with pytest.raises(LookupFailed):
        harness.payer.ask("operator", harness.account, Payee.msisdn("+46733123450"))
    with pytest.raises(InvalidPayee):
        sent(harness, "not chosen", payee=Payee.msisdn("+256999700789"))


def test_diagnosis_of_an_account(play: Any) -> None:
    harness = play()
    fields = {finding.what: finding.level for finding in harness.payer.ask("diagnose", harness.account)}
    assert fields == {"configuration": "ok", "operator": "ok"}
    with harness.faults(status_500={"on": "active_conf"}):
        [finding] = harness.payer.ask("diagnose", harness.account)
    assert finding.level == "wrong"


def test_callback_is_resent_on_request(play: Any) -> None:
    """Of a payment that has ended; it is a hint like the first."""
    harness = play()
    payout = harness.settle(sent(harness, "once more").key)
    before = len(harness.emulator.callbacks())
    reference = payout.references["reference"]
    asked = harness.payer.ask("ask", harness.account, lambda provider: provider.resend_callback(reference))
    assert asked is CancelAnswer.TAKEN
    harness.handle_callbacks()
    result = harness.emulator.callbacks()[before:]
    assert [row["state"] for row in result] == ["received"]
    assert harness.get(payout.key).status is PayoutStatus.SUCCEEDED


def test_callback_finds_its_payout(play: Any) -> None:
    """It names our own id in its metadata, and makes the next read due."""
    harness = play(ends_after_s=60.0)
    payout = sent(harness, "heard")
    harness.emulator.advance(61)
    harness.handle_callbacks()
    entries = [count.outcome for count in harness.payer.client.inbox.counts()]
    assert "read due" in entries
    harness.payer.ask("resume", timeout_s=0)
    assert harness.get(payout.key).status is PayoutStatus.SUCCEEDED


def proofs(harness: Harness) -> list[bool | None]:
    """Return a list that what is found of each callback will be added to."""
    provider, found = harness.provider().provider, list[bool | None]()
    verify = provider.verify

    def noted(callback: Any) -> bool | None:
        found.append(verify(callback))
        return found[-1]

    provider.verify = noted
    return found


def test_signed_callbacks_are_verified_over_real_sockets(play: Any) -> None:
    """A forged one is thrown away; one with a new key waits until the key is known, and the next is proven."""
    pytest.importorskip("http_message_signatures", reason="the extra `signatures` is not installed")
    harness = play(signed_callbacks=True, signed_requests=True)
    found = proofs(harness)
    with harness.faults(callback_forged=True):
        key = sent(harness, "forged").key
        harness.handle_callbacks()
    assert set(found) == {True, False}  # each perhaps twice: the process that serves callbacks handles them, too
    assert "forged" in [count.outcome for count in harness.payer.client.inbox.counts()]
    assert harness.settle(key).status is PayoutStatus.SUCCEEDED

    harness.emulator.rotate_keys()
    harness.emulator.advance(61)
    found.clear()
    for number in range(2):
        key = sent(harness, f"rotated/{number}").key
        assert harness.settle(key).status is PayoutStatus.SUCCEEDED
        harness.emulator.advance(61)
    assert list(dict.fromkeys(found)) == [None, True]


def test_payment_with_a_wrong_signature_pauses_the_account(play: Any) -> None:
    """Where pawaPay wants signatures, and gets a wrong one."""
    pytest.importorskip("http_message_signatures", reason="the extra `signatures` is not installed")
    from payments_pawapay.emulator.signing import new_key, public_of

    harness = play(signed_callbacks=True, signed_requests=True)
    right = harness.emulator.gateway.merchant_key
    harness.emulator.gateway.merchant_key = ("MERCHANT_KEY", public_of(new_key()))
    payout = sent(harness, "wrong key")
    assert (payout.status, payout.reason.code) == (PayoutStatus.CREATED, ReasonCode.CREDENTIALS)
    harness.emulator.gateway.merchant_key = right
    harness.payer.ask("unpause", account=harness.account)
    assert harness.settle(payout.key).status is PayoutStatus.SUCCEEDED


def test_lookup_written_by_the_caller_moves_no_money(play: Any) -> None:
    harness = play()
    draft = harness.draft(harness.key("smuggled"))
    with pytest.raises(LookupFailed):
        harness.payer.ask("ask", harness.account, lambda provider: provider.submit(draft))
    assert not harness.emulator.ledger()


# --- bulk ---


def test_bulk_is_paid_item_by_item(play: Any) -> None:
    """Twenty at the most; one that is refused or was paid before is so alone."""
    harness = play()
    provider = harness.provider().provider
    transport = HttpxTransport(max_connections=1, clock=lambda: harness.emulator.now)
    token = Credential({"api_token": harness.emulator.gateway.api_token})

    def execute(command: Any) -> Any:
        assert isinstance(command, HttpRequest)
        return transport.send(provider.apply(command, token, at=harness.emulator.now, entropy=bytes))

    drafts = [harness.draft(harness.key(f"bulk/{number}")) for number in range(20)]
    body = (drafts[3].request.body or "").replace('"ZMW"', '"UGX"')
    drafts[3] = replace(drafts[3], request=replace(drafts[3].request, body=body))
    waiting: Any = provider.submit_many(drafts)
    next(waiting)
    assert drafts[0].order.payee.value not in repr(waiting.gi_frame.f_locals)  # what an error tracker would send
    waiting.close()
    run_flow(provider.submit(drafts[7]), execute)
    outcomes = run_flow(provider.submit_many(drafts), execute)
    transport.close()

    kinds = {place: type(one) for place, one in enumerate(outcomes) if type(one) is not Pending}
    assert kinds == {3: Final, 7: Duplicate}
    assert sum(row["credits"] for row in harness.emulator.ledger()) == 19
    for many in ([], drafts * 2):
        with pytest.raises(InvalidPayout):
            run_flow(provider.submit_many(many), execute)
