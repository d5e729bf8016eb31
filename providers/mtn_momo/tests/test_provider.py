"""The provider as the core drives it: pure drafts, refusals with a way out, flows against the gateway, no leak."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.payout import Operation, Order, Payee, ReasonCode
from payments_core.domain.references import derive
from payments_core.engine.flow import Command, Reply
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, slots_in
from payments_core.provider import (
    Account,
    AccountRefused,
    Attempt,
    Capability,
    Credential,
    Draft,
    Emulator,
    NotAccepted,
)
from payments_mtn_momo import MtnMomoProvider, MtnMomoSettings
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.gateway import Gateway, Switches
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.spec import SPEC

MakeOrder = Callable[..., Order]
MakeAttempt = Callable[..., Attempt]
MakeSettings = Callable[..., MtnMomoSettings]


class NativeSession:
    """Carries a flow's requests to a gateway without sockets, with the credential the core would apply."""

    def __init__(self, provider: MtnMomoProvider, gateway: Gateway, at: datetime) -> None:
        self.provider, self.gateway, self.at = provider, gateway, at
        self.credential: Credential | None = None
        self.carried: list[HttpRequest] = []

    def __call__(self, command: Command) -> Reply:
        assert isinstance(command, HttpRequest)
        request = command
        if command.credential and self.credential:
            request = self.provider.apply(command, self.credential, at=self.at, entropy=bytes)
        self.carried.append(request)
        assert not slots_in(request)
        body = (request.body or "").encode()
        text = self.gateway.handle(request.method, urlsplit(request.url).path, request.headers, body, self.at)
        return HttpResponse(text.status, text.headers, text.body, self.at)

    def login(self) -> Credential:
        found = run_flow(self.provider.authenticate(), self)
        assert isinstance(found, Credential)
        self.credential = found
        return found


@pytest.fixture
def provider(make_settings: MakeSettings) -> MtnMomoProvider:
    return MtnMomoProvider(make_settings())


@pytest.fixture
def line(provider: MtnMomoProvider, held: Credentials, at: datetime) -> NativeSession:
    return NativeSession(provider, Gateway(held), at)


@pytest.fixture
def draft(provider: MtnMomoProvider, make_order: MakeOrder, make_attempt: MakeAttempt) -> Draft:
    return provider.draft(make_order(), make_attempt())


def test_reference_of_a_key_never_changes(
    provider: MtnMomoProvider, make_order: MakeOrder, make_attempt: MakeAttempt
) -> None:
    """A golden vector: another value here means that a key paid yesterday would be paid again today."""
    first, again = (provider.draft(make_order(), make_attempt(number=number)) for number in (1, 2))

    assert first.references == {
        "reference": "d4ffabe0-d0b3-46e2-88bb-a634733813d3",
        "external_id": "po_dvdtynnhgitzk6di2ynv6jio",
    }
    assert again.references == {
        "reference": "6f3f8ea3-623c-400d-a50f-9b07185c698d",
        "external_id": "po_dvdtynnhgitzk6di2ynv6jio",
    }


def test_transfer_request_is_the_documented_one(draft: Draft) -> None:
    request = draft.request

    assert (request.method, request.operation) == ("POST", "transfer")
    assert request.url == "https://sandbox.momodeveloper.mtn.com/disbursement/v1_0/transfer"
    assert request.headers == {
        "Authorization": "Bearer {{slot:access_token}}",
        "Ocp-Apim-Subscription-Key": "{{slot:subscription_key}}",
        "X-Target-Environment": "sandbox",
        "Content-Type": "application/json",
        "X-Reference-Id": draft.references["reference"],
    }
    assert request.moves_money
    assert not request.repeatable
    assert request.credential


def test_secrets_are_neither_stored_nor_shown(line: NativeSession, draft: Draft, held: Credentials) -> None:
    """Neither the stored request nor the repr of any request that left shows key, subscription or token."""
    token = line.login().secrets["access_token"]
    run_flow(line.provider.submit(draft), line)
    run_flow(line.provider.check(draft), line)

    pair = base64.b64encode(f"{held.api_user}:{held.api_key}".encode()).decode()
    shown = f"{draft!r} {draft.request.to_json()} {line.carried!r} {line.credential!r} {line.provider!r}"
    assert [secret for secret in (token, held.api_key, held.subscription_key, pair) if secret in shown] == []
    assert "***" in shown
    sent = [dict(request.headers) for request in line.carried]
    assert sent[0]["Authorization"].startswith("Basic ")
    assert sent[0]["Authorization"].endswith(pair)
    assert sent[1]["Authorization"].split() == ["Bearer", token]


REFUSALS = [
    ({"currency": "UGX", "amount": "5"}, InvalidCurrency, "This account pays in EUR, not in UGX."),
    ({"amount": "12.505"}, InvalidAmount, "12.505 EUR has too many decimals. EUR takes at most 2 decimals"),
    ({"payee": Payee("alias", "somebody")}, InvalidPayee, "cannot pay to a payee of kind 'alias'"),
]


@pytest.mark.parametrize(("changed", "error", "says"), REFUSALS)
def test_order_that_cannot_be_paid_is_refused_with_a_hint(
    provider: MtnMomoProvider,
    make_order: MakeOrder,
    changed: dict[str, object],
    error: type[InvalidPayout],
    says: str,
) -> None:
    [finding] = provider.validate(make_order(**changed))

    assert type(finding) is error
    assert says in str(finding)
    assert finding.hint


def test_validation_finds_all_that_is_wrong(provider: MtnMomoProvider, make_order: MakeOrder) -> None:
    """The payee first, then the amount."""
    found = provider.validate(make_order(payee=Payee("alias", "somebody"), amount="12.505"))

    assert [type(one) for one in found] == [InvalidPayee, InvalidAmount]


@pytest.mark.parametrize(
    "payee",
    [
        Payee("msisdn", "0772123456"),
        Payee("msisdn", "+46733123499"),
        Payee("msisdn", "46733"),
        Payee("msisdn", "4673312349x"),
        Payee("msisdn", "٤٦٧٣٣١٢٣٤٩٩"),
        Payee("msisdn", "46733123499\n"),
        Payee("email", "someone"),
        Payee("email", "some one@example.org"),
        Payee("email", "someone@example"),
        Payee("party_code", "46733123499"),
        Payee("party_code", f"{{{uuid.UUID(int=7)}}}"),
    ],
)
def test_payee_that_cannot_be_addressed_is_refused_and_not_shown(
    provider: MtnMomoProvider, make_order: MakeOrder, payee: Payee
) -> None:
    [finding] = provider.validate(make_order(payee))

    assert isinstance(finding, InvalidPayee)
    assert payee.value not in str(finding)
    assert finding.hint


def test_shillings_with_decimals_are_refused(
    make_settings: MakeSettings, make_order: MakeOrder, make_attempt: MakeAttempt
) -> None:
    """An amount the route cannot carry is refused, never rounded; trailing zeros are no decimals."""
    uganda = MtnMomoProvider(make_settings(target_environment="mtnuganda"))

    [finding] = uganda.validate(make_order(amount="25000.5", currency="UGX"))
    assert isinstance(finding, InvalidAmount)
    assert "UGX takes whole numbers only" in finding.hint
    draft = uganda.draft(make_order(amount="25000.00", currency="UGX"), make_attempt())

    assert draft.request.body is not None
    assert '"amount":"25000"' in draft.request.body
    assert draft.request.headers["X-Target-Environment"] == "mtnuganda"
    assert draft.request.url.startswith("https://proxy.momoapi.mtn.com/")


def test_binding_says_where_and_as_whom(make_settings: MakeSettings, held: Credentials) -> None:
    live = MtnMomoProvider(make_settings(target_environment="mtnuganda"))
    rotated = MtnMomoProvider(make_settings(target_environment="mtnuganda", api_key="another", subscription_key="too"))

    assert live.binding(Operation.TRANSFER) == {
        "provider": "mtn_momo",
        "platform": "legacy",
        "host": "proxy.momoapi.mtn.com",
        "environment": "mtnuganda",
        "api_user": held.api_user,
        "operation": "transfer",
        "version": "v1_0",
    }
    assert rotated.binding(Operation.TRANSFER) == live.binding(Operation.TRANSFER)
    assert MtnMomoProvider(make_settings()).binding(Operation.TRANSFER)["platform"] == "sandbox"


def test_reads_are_repeatable_and_payments_are_not(line: NativeSession, draft: Draft) -> None:
    line.login()
    run_flow(line.provider.submit(draft), line)
    run_flow(line.provider.check(draft), line)

    fields = {request.operation: (request.repeatable, request.moves_money) for request in line.carried}
    assert fields == {"token": (True, False), "transfer": (False, True), "transfer_status": (True, False)}
    assert {operation for operation in fields if operation in SPEC.retry} == {"token", "transfer_status"}


@pytest.mark.parametrize("ended", [NotSent, NoAnswer])
def test_exchange_without_an_answer_stays_not_sent_or_no_answer(
    provider: MtnMomoProvider, draft: Draft, at: datetime, ended: type[NotSent] | type[NoAnswer]
) -> None:
    def fail(_: Command) -> Reply:
        raise ended("no luck", at=at)

    for flow in (provider.submit(draft), provider.check(draft), provider.authenticate()):
        with pytest.raises(ended):
            run_flow(flow, fail)


def test_token_is_renewed_ten_minutes_early(line: NativeSession) -> None:
    found = line.login()

    assert found.expires_at == line.at + timedelta(seconds=3000)
    assert set(found.secrets) == {"access_token", "subscription_key"}


@pytest.mark.parametrize(
    ("payload", "life_s"),
    [("3600", 3000), (600, 500), ("60", 50), (None, 3000), ("soon", 3000), (-5, 3000), (0, 3000), ("1e30", 85_800)],
)
def test_token_lives_as_long_as_reported_or_an_hour(
    provider: MtnMomoProvider, at: datetime, payload: object, life_s: int
) -> None:
    body = json.dumps({"access_token": "t", "expires_in": payload}).encode()

    found = run_flow(provider.authenticate(), lambda _: HttpResponse(200, {}, body, at))

    assert isinstance(found, Credential)
    assert found.expires_at == at + timedelta(seconds=life_s)


TOKEN_REFUSALS = [
    (500, b'{"error":"login_failed"}', ReasonCode.CREDENTIALS),
    (401, b'{"error":"login failed"}', ReasonCode.CREDENTIALS),
    (401, b'{"error":"invalid_client"}', ReasonCode.CREDENTIALS),
    (401, b'{"statusCode":401,"message":"Access denied due to invalid subscription key."}', ReasonCode.CREDENTIALS),
    (400, b'{"error":"Invalid or missing X-Target-Environment header"}', ReasonCode.MISCONFIGURED),
    (403, b"<html><title>403 Forbidden</title></html>", ReasonCode.NOT_PERMITTED),
    (404, b'{"statusCode":404,"message":"Resource not found"}', ReasonCode.MISCONFIGURED),
]


@pytest.mark.parametrize(("status", "body", "code"), TOKEN_REFUSALS)
def test_refused_credentials_are_an_account_refusal(
    provider: MtnMomoProvider, at: datetime, status: int, body: bytes, code: ReasonCode
) -> None:
    found = run_flow(provider.authenticate(), lambda _: HttpResponse(status, {}, body, at))

    assert isinstance(found, AccountRefused)
    assert (found.reason.code, found.http_status) == (code, status)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"Internal server error"),
        (503, b"<html>"),
        (504, b""),
        (429, b""),
        (400, b""),
        (404, b""),
        (200, b""),
        (200, b"<html>"),
        (200, b'{"access_token":""}'),
        (200, b'{"access_token":17}'),
        (200, b'{"access_token":"a\\nb"}'),
        (200, '{"access_token":"é"}'.encode()),
        (204, b'{"access_token":"t"}'),
    ],
)
def test_token_call_with_another_answer_is_no_refusal(
    provider: MtnMomoProvider, at: datetime, status: int, body: bytes
) -> None:
    with pytest.raises(NoAnswer) as caught:
        run_flow(provider.authenticate(), lambda _: HttpResponse(status, {}, body, at))

    assert caught.value.at == at
    assert str(status) in caught.value.why


@pytest.mark.parametrize(
    ("switches", "code"),
    [(Switches(), ReasonCode.CREDENTIALS), (Switches(login_refusal=401), ReasonCode.CREDENTIALS)],
)
def test_wrong_key_pauses_the_account(
    make_settings: MakeSettings, held: Credentials, at: datetime, switches: Switches, code: ReasonCode
) -> None:
    provider = MtnMomoProvider(make_settings(api_key="wrong"))

    found = run_flow(provider.authenticate(), NativeSession(provider, Gateway(held, switches=switches), at))

    assert isinstance(found, AccountRefused)
    assert found.reason.code is code


def test_refused_token_is_distinguished_from_a_refused_subscription(
    line: NativeSession, draft: Draft, held: Credentials, make_settings: MakeSettings
) -> None:
    """The core drops its token after the first kind; after the second a new token would change nothing."""
    line.login()
    line.at += timedelta(seconds=3601)
    refused = run_flow(line.provider.submit(draft), line)
    other = MtnMomoProvider(make_settings(subscription_key="wrong"))
    elsewhere = NativeSession(other, line.gateway, line.at)
    elsewhere.credential = Credential(dict(line.login().secrets) | {"subscription_key": "wrong"})
    blocked = run_flow(other.submit(draft), elsewhere)

    assert isinstance(refused, NotAccepted)
    assert refused.blocks_if_repeated is not None
    assert refused.blocks_if_repeated.code is ReasonCode.CREDENTIALS
    assert isinstance(blocked, AccountRefused)
    for request, token_refused in ((line.carried[1], True), (elsewhere.carried[0], False)):
        text = line.gateway.handle(request.method, urlsplit(request.url).path, request.headers, b"", line.at)
        response = HttpResponse(text.status, text.headers, text.body, line.at)
        assert response.status == 401
        assert line.provider.is_auth_refusal(response) is token_refused
    assert not line.provider.is_auth_refusal(HttpResponse(403, {}, b"", line.at))


def test_spec_declares_what_the_provider_does(make_settings: MakeSettings) -> None:
    settings = make_settings()
    provider = SPEC.build(settings)

    assert Capability.RESULT_CALLBACKS not in SPEC.capabilities  # MTN answers a question at once
    assert frozenset(Operation) == SPEC.operations
    assert SPEC.options == {Operation.TRANSFER: {"transfer_type"}}  # deposits and refunds have none
    assert set(SPEC.facts.sources) == {
        "resend",
        "dedupe_window_s",
        "dedupe_settle_s",
        "visible_after_s",
        "not_found_conclusive_after_s",
        "reads_per_s",
        "posts_per_s",
    }
    assert [name for name, source in SPEC.facts.sources.items() if source.startswith("ASSUMED")] == [
        "dedupe_window_s",
        "visible_after_s",
        "dedupe_settle_s",
    ]
    assert Account("mtn", SPEC, settings, provider).facts == SPEC.facts
    module, _, name = SPEC.emulator.partition(":")
    emulator: Emulator = getattr(__import__(module, fromlist=[name]), name)()
    assert isinstance(emulator, MtnMomoEmulator)


def test_plugin_loading_loads_no_server_no_settings_and_no_client() -> None:
    program = "import payments_mtn_momo.plugin, sys; print(*sys.modules)"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(ran.stdout.split())
    assert "payments_mtn_momo.plugin" in loaded
    assert {"starlette", "uvicorn", "pydantic", "httpx", "payments_mtn_momo.spec"} & loaded == set()


def test_gateway_and_package_load_no_server() -> None:
    program = (
        "import payments_mtn_momo, payments_core.testing.emulator.fault_injection, sys;"
        "payments_mtn_momo.MtnMomoProvider;"
        "from payments_mtn_momo.plugin import payments_providers;"
        "print(payments_providers()[0].name); print(*sys.modules)"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    name, _, loaded = ran.stdout.partition("\n")
    assert name == "mtn_momo"
    assert {"starlette", "uvicorn", "httpx", "h11"} & set(loaded.split()) == set()


def test_seeds_decide_the_reference_and_nothing_else(
    provider: MtnMomoProvider, make_order: MakeOrder, make_attempt: MakeAttempt
) -> None:
    one = provider.draft(make_order(), make_attempt())
    other = provider.draft(make_order(), Attempt(1, derive("another namespace", "k", 1), make_attempt().payout_id))

    assert one.request.body == other.request.body
    assert one.references["reference"] != other.references["reference"]
