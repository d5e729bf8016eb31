"""The seventeen assumptions that paying through one provider suggests, each with a provider that breaks it.

The core pays right through that provider all the same: through its own distribution and emulator where there is one
here, else through a stand-in of its shape. Everything runs over real sockets.
"""

from __future__ import annotations

import inspect
import json
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from like_airtel import UNKNOWN_NUMBER, AirtelGateway, AirtelProvider
from like_gsma import GsmaGateway, GsmaProvider
from like_orange import CameroonGateway, CameroonProvider, SenegalGateway, SenegalProvider
from like_vodacom import LONGEST, REFUSED, WARM_UP_S, VodacomGateway, VodacomProvider
from like_wave import WaveGateway, WaveProvider
from standins import StandIn, sheet_of

from payments_core.client.inbox import PATH
from payments_core.domain.errors import InvalidAmount, InvalidPayee, InvalidPayout, NotSupported, SettingsError
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Payee, Payout, PayoutStatus, ReasonCode
from payments_core.plugins.manager import Plugins
from payments_core.provider import CancelAnswer, HolderStatus, Person
from payments_core.testing.conformance import Harness, Profile

PAID, FAILED, PENDING = PayoutStatus.SUCCEEDED, PayoutStatus.FAILED, PayoutStatus.PENDING
CREATED, UNKNOWN, REVIEW = PayoutStatus.CREATED, PayoutStatus.UNKNOWN, PayoutStatus.REVIEW
BREAKERS = ("Airtel", "Daraja", "GSMA", "Orange", "Vodacom", "Wave", "pawaPay")
DARAJA, PAWAPAY, MTN = "mpesa_daraja", "pawapay", "mtn_momo"

Play = Callable[..., Harness]
PutOn = Callable[[Profile, Any], Harness]


def send(harness: Harness, key: str, **more: Any) -> Payout:
    """Pay once; return the payout with its history."""
    payout: Payout = harness.payer.ask("send", **{**harness.asked(harness.key(key)), **more})
    return harness.get(payout.key)


def end(harness: Harness, key: str, **more: Any) -> Payout:
    """Pay, and wait for the end."""
    return harness.settle(send(harness, key, **more).key)


def by(payout: Payout) -> str:
    """Return who decided."""
    return payout.history[-1].decided_by


def events(payout: Payout) -> list[str]:
    """Return what happened."""
    return [entry.event for entry in payout.history]


def sent_bodies(harness: Harness, operation: str = "pay") -> list[Mapping[str, Any]]:
    """Return a list that every body of a call will be added to, as it came over the wire."""
    found: list[Mapping[str, Any]] = []
    answer = harness.emulator.gateway.answer

    def noted(request: Any) -> Any:
        if request.operation == operation:
            found.append(json.loads(request.body))
        return answer(request)

    harness.emulator.gateway.answer = noted
    return found


def is_uuid(text: str) -> bool:
    """Say whether it is one."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def lost_journal(harness: Harness, key: str) -> Payout:
    """Pay under a key that was paid already, from an installation that has lost its journal."""
    later = harness.open(journal="new.db")
    harness.pay(key, by=later)
    return harness.settle(key, by=later)


def test_assumption_01_reference_is_a_uuid(play: Play, put_on: PutOn) -> None:
    """Daraja's is free text, Vodacom's has at most 20 characters, and Orange in Cameroon gives it before it is paid."""
    daraja = play(DARAJA)
    paid = end(daraja, "free text")
    assert (paid.status, daraja.credits(paid)) == (PAID, 1)
    assert not is_uuid(paid.references["originator"])

    vodacom = put_on(sheet_of(VodacomProvider), StandIn(VodacomGateway))
    paid = end(vodacom, "short")
    assert (paid.status, vodacom.credits(paid)) == (PAID, 1)
    assert len(paid.references["reference"]) <= LONGEST

    orange = put_on(sheet_of(CameroonProvider), StandIn(CameroonGateway))
    taken = send(orange, "given first")
    assert taken.status is PENDING
    paid = orange.settle(taken.key)
    assert (paid.status, paid.references["pay_token"], orange.credits(paid)) == (PAID, "MP00000001", 1)
    with orange.faults(answer_lost_after_acceptance={"next": 1, "on": "post"}):
        lost = send(orange, "given first, answer lost")
    assert (lost.status, lost.references["pay_token"]) == (UNKNOWN, "MP00000002")
    assert (orange.settle(lost.key).status, orange.credits(lost)) == (PAID, 1)


def test_assumption_02_payment_has_one_reference(put_on: PutOn) -> None:
    """Wave has three: the key that makes a repetition harmless, one to search by, and its own to read by."""
    harness = put_on(sheet_of(WaveProvider, resend="safe", dedupe_window_s=86_400.0), StandIn(WaveGateway))
    paid = end(harness, "three")
    assert set(paid.references) == {"idempotency_key", "client_reference", "transfer_id"}
    assert paid.references["transfer_id"] == "pt-1"

    with harness.faults(answer_lost_after_acceptance={"next": 1, "on": "post"}):
        lost = send(harness, "theirs is not known")
    assert "transfer_id" not in lost.references
    found = harness.settle(lost.key)
    assert (found.status, found.references["transfer_id"], harness.posts(found)) == (PAID, "pt-2", 1)


def test_assumption_03_submission_returns_nothing_and_status_comes_later(put_on: PutOn) -> None:
    """Airtel and Wave tell the end in the answer to the payment: nothing is asked after it."""
    for profile, emulator in (
        (sheet_of(AirtelProvider), StandIn(AirtelGateway)),
        (sheet_of(WaveProvider), StandIn(WaveGateway)),
    ):
        harness = put_on(profile, emulator)
        paid = send(harness, "at once")
        assert (paid.status, by(paid), harness.credits(paid)) == (PAID, "submit", 1)


def test_assumption_04_check_returns_the_status_itself(play: Play) -> None:
    """Daraja says only that it was asked; the answer comes by callback, and must be that of the question."""
    harness = play(DARAJA, silent=True, answers_after_s=30.0)
    paid = end(harness, "asked")
    assert (paid.status, by(paid), harness.credits(paid)) == (PAID, "result_callback", 1)
    assert "payout.queried" in events(paid)


def test_assumption_05_duplicate_is_reported_with_409(play: Play, put_on: PutOn) -> None:
    """PawaPay has 200, Daraja 500, and Wave answers as the first time: no payee is paid twice, and no payout fails."""
    for name, status in {PAWAPAY: 200, DARAJA: 500}.items():
        harness = play(name)
        first = end(harness, "twice")
        again = lost_journal(harness, first.key)
        assert (again.status, harness.credits(again), harness.posts(again)) == (PAID, 1, 2)
        [duplicate] = [entry for entry in again.history if entry.event == "payout.duplicate"]
        assert duplicate.evidence["http_status"] == status

    wave = put_on(sheet_of(WaveProvider, resend="safe", dedupe_window_s=86_400.0), StandIn(WaveGateway))
    first = end(wave, "replayed")
    again = lost_journal(wave, first.key)
    assert (again.status, by(again), wave.credits(again), wave.posts(again)) == (PAID, "submit", 1, 2)


def test_assumption_06_http_status_decides(play: Play, put_on: PutOn) -> None:
    """PawaPay refuses, and finds nothing, with 200; Airtel fails with 200; Vodacom's 401 may be a failed payment."""
    pawapay = play(PAWAPAY)
    with pawapay.faults(status_500={"on": "active_conf"}):  # otherwise it is known before anything is sent
        refused = send(pawapay, "REJECTED inside 200", amount=Money("0.5", "ZMW"))
    assert refused.reason is not None
    assert (refused.status, refused.reason.provider_code) == (FAILED, "AMOUNT_OUT_OF_BOUNDS")
    assert refused.history[-1].evidence["http_status"] == 200
    with pawapay.faults(answer_lost_before_acceptance={"next": 1, "on": "post"}):
        lost = send(pawapay, "NOT_FOUND inside 200")
    found = pawapay.settle(lost.key)
    assert (found.status, pawapay.credits(found), found.submissions) == (PAID, 1, 2)

    airtel = put_on(sheet_of(AirtelProvider), StandIn(AirtelGateway))
    refused = send(airtel, "failed with 200", payee=Payee.msisdn(f"+999{UNKNOWN_NUMBER}"))
    assert refused.reason is not None
    assert (refused.status, refused.reason.code) == (FAILED, ReasonCode.PAYEE_NOT_FOUND)
    assert refused.history[-1].evidence["http_status"] == 200

    vodacom = put_on(sheet_of(VodacomProvider), StandIn(VodacomGateway))
    refused = end(vodacom, "failed with 401", payee=Payee.msisdn(f"+{REFUSED}"))
    assert refused.reason is not None
    assert (refused.status, refused.reason.provider_code) == (FAILED, "INS-6")
    assert not vodacom.payer.ask("pauses"), "401 says nothing of the account"


def test_assumption_07_payment_is_pending_successful_or_failed(play: Play, put_on: PutOn) -> None:
    """PawaPay's may be enqueued for hours, and then be cancelled; Wave's is reversed after it has succeeded."""
    harness = play(PAWAPAY, enqueued_s=3600.0)
    waits = send(harness, "ENQUEUED")
    assert (waits.status, harness.payer.ask("refresh", waits.id).status) == (PENDING, PENDING)
    assert harness.payer.ask("cancel_at_provider", waits.id) is CancelAnswer.TAKEN
    cancelled = harness.settle(waits.key)
    assert cancelled.reason is not None
    assert (cancelled.status, cancelled.reason.code, harness.credits(cancelled)) == (FAILED, ReasonCode.CANCELLED, 0)

    wave = put_on(sheet_of(WaveProvider), StandIn(WaveGateway))
    paid = send(wave, "reversed")
    wave.emulator.gateway.paid[paid.references["idempotency_key"]]["status"] = "reversed"
    read = wave.payer.ask("refresh", paid.id)
    assert read.status is PAID, "an end is never taken back"
    assert "payout.contradicted" in events(wave.get(read.key)), "and what was read stands beside it, for a person"


def test_assumption_08_callback_is_a_post_of_json_answered_by_an_empty_200(play: Play, put_on: PutOn) -> None:
    """GSMA's is a PUT with the id in a header; Daraja has two addresses and wants words; Vodacom wants an echo."""
    gsma = put_on(
        sheet_of(GsmaProvider, result_by="submission"),
        StandIn(GsmaGateway),
    )
    paid = end(gsma, "put")
    [result] = gsma.emulator.callbacks()
    assert (paid.status, gsma.credits(paid)) == (PAID, 1)
    assert by(paid) in {"result_callback", "read"}, (
        "one that comes before the answer is written down is a reason to ask"
    )
    assert (result["method"], result["attempts"][0]["answer"]) == ("PUT", 204)

    daraja = play(DARAJA)
    bodies = sent_bodies(daraja)
    given_up = send(daraja, "queued", payee=Payee.msisdn("+254190000009"))
    assert len({bodies[0]["ResultURL"], bodies[0]["QueueTimeOutURL"]}) == 2
    daraja.emulator.advance(61)  # the request itself comes back, to the other address
    daraja.handle_callbacks()
    assert daraja.get(given_up.key).status is PENDING, "a hint, and no end"
    assert [count.outcome for count in daraja.payer.client.inbox.counts()] == ["read due"]
    assert json.loads(called(daraja, {"Result": {}})) == {"ResultCode": 0, "ResultDesc": "Accepted"}

    vodacom = put_on(sheet_of(VodacomProvider), StandIn(VodacomGateway))
    echo = json.loads(called(vodacom, {"input_OriginalConversationID": "theirs"}))
    assert echo["output_OriginalConversationID"] == "theirs"


def called(harness: Harness, payload: object) -> bytes:
    """Call an account back, and return the body of what it is answered with."""
    door = harness._receiver
    assert door is not None
    address = f"{door.address}/{PATH}/{harness.payer.client.inbox.tokens[harness.account]}"
    request = urllib.request.Request(address, json.dumps(payload).encode(), {"content-type": "application/json"})  # noqa: S310 our own
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 our own
        body: bytes = answer.read()
        return body


def test_assumption_09_callbacks_are_all_signed_or_none_is(play: Play, put_on: PutOn) -> None:
    """Daraja signs nothing, Orange in Senegal a MAC and the time, pawaPay with a key pair: each by its own measure."""
    scenes: dict[str, tuple[Harness, bool | None]] = {
        "nothing": (play(DARAJA), None),
        "a MAC": (put_on(sheet_of(SenegalProvider), StandIn(SenegalGateway)), True),
    }
    if pytest.importorskip("http_message_signatures", reason="the extra `signatures` is not installed"):
        profile = "SignedPawapayConformance"
        scenes["a key pair"] = (play(PAWAPAY, profile=profile, signed_callbacks=True, signed_requests=True), True)
    for name, (harness, genuine) in scenes.items():
        proofs = verified(harness)
        with harness.faults(callback_forged=True):
            paid = end(harness, name)
        assert (paid.status, harness.credits(paid)) == (PAID, 1)
        assert set(proofs) == ({None} if genuine is None else {True, False}), name
        outcomes = {count.outcome for count in harness.payer.client.inbox.counts()}
        assert ("forged" in outcomes) is (genuine is not None)


def verified(harness: Harness) -> list[bool | None]:
    """Return a list that what is found of each callback to the account's path will be added to."""
    provider: Any = harness.provider().provider
    found: list[bool | None] = []
    verify = provider.verify

    def noted(callback: Any) -> bool | None:
        found.append(verify(callback))
        return found[-1]

    provider.verify = noted
    return found


def test_assumption_10_account_has_one_balance(play: Play) -> None:
    """PawaPay has a wallet for each country and currency; Daraja has several pots in one, and tells them later."""
    harness = play(PAWAPAY)
    wallets = harness.payer.ask("balances", harness.account)
    assert len({(wallet.label, wallet.currency) for wallet in wallets}) == len(wallets) > 3
    assert len([wallet for wallet in wallets if wallet.currency == "ZMW"]) == 2
    daraja = play(DARAJA)
    pots = daraja.payer.ask("balances", daraja.account)
    assert len({pot.label for pot in pots}) == len(pots) > 1
    assert {pot.currency for pot in pots} == {"KES"}


def test_assumption_11_lookup_returns_name_and_state(play: Play, put_on: PutOn) -> None:
    """Wave only says whether a name matches, Airtel has one call for both, Daraja and pawaPay have neither."""
    airtel = put_on(sheet_of(AirtelProvider), StandIn(AirtelGateway))
    payee = Payee.msisdn("+999700000010")
    assert airtel.payer.ask("name", airtel.account, payee) == Person(given_name="Grace", family_name="Banda")
    assert airtel.payer.ask("account_holder", airtel.account, payee) is HolderStatus.ACTIVE

    wave = put_on(sheet_of(WaveProvider), StandIn(WaveGateway))
    for name, matches in {"Awa Diop": True, "Somebody Else": False}.items():
        asked = wave.payer.ask("ask", wave.account, lambda provider, name=name: provider.match(payee, name))
        assert asked is matches

    for harness in (wave, play(DARAJA), play(PAWAPAY)):
        for question in ("name", "account_holder"):
            with pytest.raises(NotSupported):
                harness.payer.ask(question, harness.account, harness.profile.payee)


def test_assumption_12_provider_refunds_payouts(play: Play) -> None:
    """Daraja and pawaPay refund no payout: what a provider has not is refused before anything is sent."""
    for name in (DARAJA, PAWAPAY):
        harness = play(name)
        back = {"key": "back", "collection": "c-1", "amount": harness.profile.amount}
        with pytest.raises(InvalidPayout, match="has no refund"):
            harness.payer.ask("refund", **back, original_amount=harness.profile.amount)
        with pytest.raises(InvalidPayout, match="has no deposit"):
            send(harness, "deposit", operation=Operation.DEPOSIT)
        with pytest.raises(SettingsError, match="default_operation"):
            harness.open(journal="other.db", called_back=False, default_operation="deposit")
        assert not harness.emulator.ledger()
    daraja = play(DARAJA)
    paid = end(daraja, "no way back")
    with pytest.raises(NotSupported):
        daraja.payer.ask("cancel_at_provider", paid.id)


def test_assumption_13_currency_implies_its_decimals(play: Play) -> None:
    """PawaPay's operators differ within one currency: two decimals of UGX with one, none with another."""
    harness = play(PAWAPAY)
    bodies = sent_bodies(harness)
    payee = Payee.msisdn("+256999700789")
    paid = end(harness, "two", payee=payee, amount=Money("1500.50", "UGX"), options={"provider": "MTN_MOMO_UGA"})
    assert (paid.status, bodies[-1]["amount"]) == (PAID, "1500.5"), "as it is wanted: without trailing zeros"
    with pytest.raises(InvalidAmount):
        send(harness, "none", payee=payee, amount=Money("1500.50", "UGX"), options={"provider": "AIRTEL_OAPI_UGA"})
    paid = end(harness, "whole", payee=payee, amount=Money("1500", "UGX"), options={"provider": "AIRTEL_OAPI_UGA"})
    assert (paid.status, len(bodies)) == (PAID, 2), "refused before it was sent, and never rounded"


def test_assumption_14_international_number_goes_on_the_wire(play: Play, put_on: PutOn) -> None:
    """Airtel takes the national number, Wave a plus before it, pawaPay the operator beside it, Daraja 254 alone."""
    payee = Payee.msisdn("+999700000010")
    for provider, gateway, operation, name, written in (
        (AirtelProvider, AirtelGateway, "pay", "to", "700000010"),
        (WaveProvider, WaveGateway, "pay", "mobile", "+999700000010"),
    ):
        harness = put_on(sheet_of(provider), StandIn(gateway))
        bodies = sent_bodies(harness, operation)
        assert end(harness, "written", payee=payee).status is PAID
        assert bodies[-1][name] == written

    airtel = put_on(sheet_of(AirtelProvider), StandIn(AirtelGateway))
    with airtel.faults(answer_lost_after_acceptance={"next": 1, "on": "post"}):
        lost = send(airtel, "read back", payee=payee)
    assert airtel.settle(lost.key).status is PAID, "the national number of the answer is compared as ours"

    pawapay = play(PAWAPAY)
    bodies = sent_bodies(pawapay)
    payee = Payee("msisdn", "260999700789", {"operator": "AIRTEL_OAPI_ZMB"})
    assert end(pawapay, "operator", payee=payee).status is PAID
    details = {"phoneNumber": "260999700789", "provider": "AIRTEL_OAPI_ZMB"}
    assert bodies[-1]["recipient"]["accountDetails"] == details

    with pytest.raises(InvalidPayee):
        send(play(DARAJA), "Uganda", payee=Payee.msisdn("+256772123456"))


def test_assumption_15_bearer_token_and_fixed_headers_suffice(play: Play, put_on: PutOn) -> None:
    """PawaPay signs the very bytes, Daraja has a secret in the body and one token at a time, Vodacom's must warm up."""
    pytest.importorskip("http_message_signatures", reason="the extra `signatures` is not installed")
    pawapay = play(PAWAPAY, profile="SignedPawapayConformance", signed_callbacks=True, signed_requests=True)
    assert end(pawapay, "signed").status is PAID  # an unsigned or changed byte is refused by the emulator

    daraja = play(DARAJA)
    bodies = sent_bodies(daraja)
    paid = end(daraja, "a secret in the body")
    row = daraja.payer.runtime.journal.get(paid.id)
    assert row is not None
    assert bodies[0]["SecurityCredential"] not in row.attempt.request, "what is stored has a slot in its place"
    daraja.open(journal="other.db", called_back=False).ask("send", **daraja.asked(daraja.key("elsewhere")))
    killed = send(daraja, "its token was killed")
    assert killed.status is CREATED
    assert (daraja.settle(killed.key).status, daraja.credits(killed)) == (PAID, 1)

    vodacom = put_on(sheet_of(VodacomProvider), StandIn(VodacomGateway))
    early = send(vodacom, "too early")
    assert early.status is CREATED, "not taken, and not failed"
    paid = vodacom.settle(early.key)
    assert (paid.status, vodacom.credits(paid), len(vodacom.emulator.gateway.sessions)) == (PAID, 1, 1)
    assert (paid.updated_at - paid.created_at).total_seconds() >= WARM_UP_S


def test_assumption_16_callback_address_is_in_the_request(play: Play) -> None:
    """PawaPay has it in its dashboard, and no request names one; Daraja wants two, one of them new each time."""
    pawapay = play(PAWAPAY)
    bodies = sent_bodies(pawapay)
    waits = send(pawapay, "dashboard")
    pawapay.handle_callbacks()
    assert "callback" not in json.dumps(bodies[0]).lower()
    assert "http" not in json.dumps(bodies[0])
    assert "read due" in {count.outcome for count in pawapay.payer.client.inbox.counts()}
    assert pawapay.settle(waits.key).status is PAID

    daraja = play(DARAJA)
    bodies = sent_bodies(daraja)
    assert [end(daraja, name).status for name in ("one", "two")] == [PAID, PAID]
    assert len({body["ResultURL"] for body in bodies}) == 2
    assert len({body["QueueTimeOutURL"] for body in bodies}) == 1


def test_assumption_17_account_has_one_country_and_one_currency(play: Play) -> None:
    """PawaPay's account pays to Zambia, Uganda and Benin, each in its own money."""
    harness = play(PAWAPAY)
    for number, amount, operator in (
        ("+260999700789", Money("15.2", "ZMW"), "MTN_MOMO_ZMB"),
        ("+256999700789", Money("1500", "UGX"), "AIRTEL_OAPI_UGA"),
        ("+229999700789", Money("500", "XOF"), "MTN_MOMO_BEN"),
    ):
        paid = end(harness, operator, payee=Payee.msisdn(number), amount=amount, options={"provider": operator})
        assert (paid.status, paid.account, paid.amount) == (PAID, harness.account, amount)
    assert {row["currency"] for row in harness.emulator.ledger()} == {"ZMW", "UGX", "XOF"}


def test_assumptions_are_seventeen_and_each_names_who_breaks_it() -> None:
    """One for each, in order, and each names who breaks it; MTN's own is the one that every assumption is made of."""
    tests = {name: test for name, test in globals().items() if name.startswith("test_assumption_")}
    assert [int(name.split("_")[2]) for name in tests] == list(range(1, 18))
    for name, test in tests.items():
        result = (inspect.getdoc(test) or "").replace("PawaPay", "pawaPay")
        assert any(breaker in result for breaker in BREAKERS), f"{name} names no provider that breaks it"
    assert {MTN, DARAJA, PAWAPAY} <= set(Plugins().providers())
