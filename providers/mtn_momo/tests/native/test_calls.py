"""The twelve methods people know and the newer ones: what leaves, and what comes back."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

import payments_mtn_momo
from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout, SettingsError
from payments_core.domain.masking import scrub
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee, ReasonCode
from payments_mtn_momo import AsyncDisbursementsClient, DisbursementsClient, MtnMomoSettings, new_reference
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.native import (
    Address,
    AsyncSandboxProvisioning,
    NotSentError,
    ReadRefused,
    SandboxProvisioning,
)

if TYPE_CHECKING:
    from providers.mtn_momo.tests.native.conftest import ExpectedOutcome, Face, Script

# mobilemoney.js to ours
TWELVE = {
    "createAccessToken": "create_access_token",
    "getAccountBalance": "get_account_balance",
    "getAccountBalanceIn": "get_account_balance_in",
    "getBasicUserInfo": "get_basic_user_info",
    "askUserInfo": "ask_user_info",
    "deposit": "deposit",
    "transfer": "transfer",
    "refund": "refund",
    "getDepositStatus": "get_deposit_status",
    "getTransferStatus": "get_transfer_status",
    "getRefundStatus": "get_refund_status",
    "isActive": "is_active",
}
NEWER = ("authorize_consent", "create_oauth2_token", "refresh_oauth2_token", "send_delivery_notification")


@pytest.mark.parametrize("method", [*TWELVE.values(), *NEWER])
def test_clients_have_the_same_methods_and_signatures(method: str) -> None:
    one, other = getattr(DisbursementsClient, method), getattr(AsyncDisbursementsClient, method)

    assert inspect.signature(one) == inspect.signature(other)
    assert not inspect.iscoroutinefunction(one)
    assert inspect.iscoroutinefunction(other)
    assert inspect.getdoc(one) == inspect.getdoc(other)


def test_clients_are_exported_by_the_package() -> None:
    assert payments_mtn_momo.SandboxProvisioning is SandboxProvisioning
    assert payments_mtn_momo.AsyncSandboxProvisioning is AsyncSandboxProvisioning
    assert {"DisbursementsClient", "AsyncDisbursementsClient", "SandboxProvisioning"} <= set(dir(payments_mtn_momo))
    for method in ("create_api_user", "create_api_key", "get_api_user"):
        one, other = getattr(SandboxProvisioning, method), getattr(AsyncSandboxProvisioning, method)
        assert inspect.signature(one) == inspect.signature(other)


@pytest.mark.parametrize("method", ["transfer", "deposit", "refund"])
def test_payment_without_a_reference_is_refused(method: str) -> None:
    reference = inspect.signature(getattr(DisbursementsClient, method)).parameters["reference"]

    assert reference.kind is inspect.Parameter.KEYWORD_ONLY
    assert reference.default is inspect.Parameter.empty


PAYEE = {"partyIdType": "MSISDN", "partyId": "46733123499"}
REFUNDED = "0f4c3f5e-7a1d-4b8e-9d6e-3c1a2b4d5e6f"
SENT: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("transfer", {"payee": "+46 733 123 499"}, "/disbursement/v1_0/transfer", {"payee": PAYEE}),
    (
        "transfer",
        {"payee": "+46733123499", "transfer_type": "X"},
        "/disbursement/v1_0/transfer",
        {"payee": PAYEE, "transferType": "X"},
    ),
    (
        "deposit",
        {"payee": Payee("email", "a@example.org")},
        "/disbursement/v2_0/deposit",
        {"payee": {"partyIdType": "EMAIL", "partyId": "a@example.org"}},
    ),
    (
        "deposit",
        {"payee": Payee("party_code", REFUNDED), "version": 1},
        "/disbursement/v1_0/deposit",
        {"payee": {"partyIdType": "PARTY_CODE", "partyId": REFUNDED}},
    ),
    ("refund", {"reference_id_to_refund": REFUNDED}, "/disbursement/v2_0/refund", {"referenceIdToRefund": REFUNDED}),
    (
        "refund",
        {"reference_id_to_refund": REFUNDED, "version": 1},
        "/disbursement/v1_0/refund",
        {"referenceIdToRefund": REFUNDED},
    ),
]


@pytest.mark.parametrize(("method", "given", "path", "body"), SENT, ids=[str(place) for place, _ in enumerate(SENT)])
def test_payment_is_the_documented_request(
    client: Face,
    script: Script,
    make_outcome: Callable[..., ExpectedOutcome],
    held: Credentials,
    method: str,
    given: dict[str, Any],
    path: str,
    body: dict[str, Any],
) -> None:
    script.say(make_outcome(202))
    reference = new_reference()

    taken = getattr(client, method)(
        reference=reference,
        amount=Money("12.50", "EUR"),
        payer_message="d'été",
        callback_url="http://pay.example.org/x",
        **given,
    )

    (parsed,) = script.calls()
    assert (parsed.method, parsed.path) == ("POST", path)
    assert parsed.headers["authorization"] == "Bearer token-number-1."
    assert parsed.headers["ocp-apim-subscription-key"] == held.subscription_key
    assert parsed.headers["x-target-environment"] == "sandbox"
    assert parsed.headers["x-reference-id"] == reference
    assert parsed.headers["x-callback-url"] == "http://pay.example.org/x"
    assert parsed.headers["content-type"] == "application/json"
    common = {"amount": "12.5", "currency": "EUR", "externalId": reference, "payerMessage": "dete", "payeeNote": "dete"}
    assert json.loads(parsed.body) == common | body
    assert (taken.reference, taken.external_id, taken.at.tzinfo) == (reference, reference, UTC)


@pytest.mark.parametrize("amount", [Money("5", "EUR"), Decimal("5.00"), 5, "5"], ids=repr)
def test_amount_may_be_of_any_exact_type(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome], amount: Any
) -> None:
    script.say(make_outcome(202))
    client.transfer(reference=new_reference(), payee="+46733123499", amount=amount, external_id="salary-7")

    sent = json.loads(script.calls()[0].body)
    assert (sent["amount"], sent["currency"], sent["externalId"]) == ("5", "EUR", "salary-7")


def test_amount_above_the_largest_of_the_settings_is_not_sent(
    make_client: Callable[..., Face], script: Script, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    """A limit that is set holds for who pays without a journal, too."""
    client = make_client(largest_amount={"EUR": "5"})
    with pytest.raises(NotSentError, match=r"5\.01 EUR is more than the largest_amount of account sandbox: 5 EUR"):
        client.transfer(reference=new_reference(), payee="+46733123499", amount="5.01")
    assert script.requests == []
    script.say(make_outcome(202))
    client.transfer(reference=new_reference(), payee="+46733123499", amount="5")
    assert len(script.calls()) == 1


MISUSE: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"amount": 1.5}, InvalidAmount),
    ({"amount": "0"}, InvalidAmount),
    ({"amount": "1.005"}, InvalidAmount),
    ({"amount": Money("5", "UGX")}, InvalidCurrency),
    ({"payee": "0733123499"}, InvalidPayee),
    ({"payee": Payee("msisdn", "46x33123499")}, InvalidPayee),
    ({"payee": "46733123499.0"}, InvalidPayee),
    ({"payee": "46733123499-1"}, InvalidPayee),
    ({"payee": Payee("msisdn", "0733123499")}, InvalidPayee),
    ({"payee": Payee("msisdn", "46733")}, InvalidPayee),
    ({"payee": Payee("iban", "46733123499")}, InvalidPayee),
    ({"payee": 46733123499}, InvalidPayee),
    ({"payee": Payee("email", "{{slot:access_token}}@example.org")}, InvalidPayout),
    ({"reference": "46733123499"}, InvalidPayout),
    ({"reference": "0f4c3f5e-7a1d-1b8e-9d6e-3c1a2b4d5e6f"}, InvalidPayout),
    ({"reference": ""}, InvalidPayout),
    ({"callback_url": "http://192.0.2.7/x"}, InvalidPayout),
    ({"callback_url": "http://[2001:db8::1]/x"}, InvalidPayout),
    ({"callback_url": "pay.example.org/x"}, InvalidPayout),
    ({"callback_url": "http://a:b@pay.example.org/x"}, InvalidPayout),
    ({"callback_url": "http://pay.example.org/{{slot:access_token}}"}, InvalidPayout),
    ({"external_id": "{{slot:subscription_key}}"}, InvalidPayout),
    ({"transfer_type": "{{slot:subscription_key}}"}, InvalidPayout),
    ({"external_id": "a\nb"}, InvalidPayout),
]


@pytest.mark.parametrize(("changed", "cause"), MISUSE, ids=[str(place) for place, _ in enumerate(MISUSE)])
def test_invalid_argument_is_not_sent_and_its_error_has_the_reference(
    client: Face, script: Script, changed: dict[str, Any], cause: type[Exception]
) -> None:
    """What could not be sent is found before anything leaves, and no mark of the caller's becomes a secret."""
    given = {"reference": new_reference(), "payee": "+46733123499", "amount": "5"} | changed

    with pytest.raises(NotSentError) as caught:
        client.transfer(**given)

    assert caught.value.reference == scrub(given["reference"])  # one that is none may be a number
    assert isinstance(caught.value.__cause__, cause)
    assert "46733123499" not in str(caught.value)
    assert "0733123499" not in str(caught.value)
    assert script.requests == []


def test_unknown_version_is_not_sent(client: Face, script: Script) -> None:
    with pytest.raises(NotSentError, match="no such version"):
        client.deposit(reference=new_reference(), payee="+46733123499", amount="5", version=3)
    with pytest.raises(NotSentError, match="no UUID"):
        client.refund(reference=new_reference(), reference_id_to_refund="5", amount="5")
    with pytest.raises(ReadRefused):
        client.get_transfer_status("46733123499")
    with pytest.raises(ReadRefused):
        client.get_account_balance_in("euro")
    with pytest.raises(ReadRefused):
        client.is_active("not a number")
    assert script.requests == []


READS: list[tuple[str, tuple[Any, ...], str]] = [
    ("get_account_balance", (), "/disbursement/v1_0/account/balance"),
    ("get_account_balance_in", ("EUR",), "/disbursement/v1_0/account/balance/EUR"),
    ("get_basic_user_info", ("46733123499",), "/disbursement/v1_0/accountholder/msisdn/46733123499/basicuserinfo"),
    ("is_active", ("+46733123499",), "/disbursement/v1_0/accountholder/msisdn/46733123499/active"),
    ("is_active", ("a@example.org", "email"), "/disbursement/v1_0/accountholder/email/a%40example.org/active"),
    ("is_active", (REFUNDED, "party_code"), f"/disbursement/v1_0/accountholder/party_code/{REFUNDED}/active"),
    ("get_transfer_status", (REFUNDED,), f"/disbursement/v1_0/transfer/{REFUNDED}"),
    ("get_deposit_status", (REFUNDED,), f"/disbursement/v1_0/deposit/{REFUNDED}"),
    ("get_refund_status", (REFUNDED,), f"/disbursement/v1_0/refund/{REFUNDED}"),
    ("ask_user_info", (), "/disbursement/oauth2/v1_0/userinfo"),
]
ENOUGH = {"availableBalance": "1", "result": True, "status": "PENDING", "name": "x"}


@pytest.mark.parametrize(("method", "given", "path"), READS, ids=[str(place) for place, _ in enumerate(READS)])
def test_status_read_is_the_documented_request(
    client: Face, script: Script, held: Credentials, method: str, given: tuple[Any, ...], path: str
) -> None:
    script.say_json(ENOUGH)

    getattr(client, method)(*given)

    (parsed,) = script.calls()
    assert (parsed.method, parsed.path, parsed.body) == ("GET", path, "")
    assert parsed.headers["authorization"] == "Bearer token-number-1."
    assert parsed.headers["ocp-apim-subscription-key"] == held.subscription_key
    assert parsed.headers["x-target-environment"] == "sandbox"


STATUS = {
    "amount": "12.5",
    "currency": "EUR",
    "financialTransactionId": "1234567890",
    "externalId": "salary-7",
    "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"},
    "payerMessage": "m",
    "payeeNote": "n",
    "status": "SUCCESSFUL",
}


def test_status_is_read_whole(client: Face, script: Script) -> None:
    script.say_json(STATUS | {"newField": {"a": 1}})
    found = client.get_transfer_status(REFUNDED)

    assert (found.reference, found.status, found.amount, found.currency) == (
        REFUNDED,
        "SUCCESSFUL",
        Decimal("12.5"),
        "EUR",
    )
    assert (found.financial_transaction_id, found.external_id) == ("1234567890", "salary-7")
    assert (found.payee.kind, found.payee.value) == ("MSISDN", "46733123499")
    assert (found.payer_message, found.payee_note, found.reason, found.extra) == (
        "m",
        "n",
        None,
        {"newField": {"a": 1}},
    )
    assert found.succeeded
    assert found.is_final
    assert "46733123499" not in f"{found!r} {found} {found.payee}"


def test_status_may_hold_numbers_and_lack_fields(client: Face, script: Script) -> None:
    script.say_json(
        {
            "amount": 12.5,
            "externalId": 7,
            "financialTransactionId": 23,
            "payee": {"partyId": 46733123499},
            "status": "PENDING",
        }
    )
    numeric = client.get_deposit_status(REFUNDED)
    script.say_json({"status": "PENDING"})
    bare = client.get_deposit_status(REFUNDED)

    assert (numeric.amount, numeric.external_id, numeric.financial_transaction_id) == (Decimal("12.5"), "7", "23")
    assert numeric.payee.value == "46733123499"
    assert bare.is_pending
    assert (bare.amount, bare.payee, bare.reason, bare.extra) == (None, None, None, {})


@pytest.mark.parametrize(
    ("reason", "code", "message", "neutral"),
    [
        ("NOT_ENOUGH_FUNDS", "NOT_ENOUGH_FUNDS", "", ReasonCode.INSUFFICIENT_FUNDS),
        ({"code": "PAYEE_NOT_FOUND", "message": "who?"}, "PAYEE_NOT_FOUND", "who?", ReasonCode.PAYEE_NOT_FOUND),
        ("SOMETHING_NEW", "SOMETHING_NEW", "", ReasonCode.UNRECOGNISED),
    ],
)
def test_reason_may_be_a_word_or_an_object(
    client: Face, script: Script, reason: Any, code: str, message: str, neutral: ReasonCode
) -> None:
    script.say_json({"status": "FAILED", "reason": reason})
    found = client.get_transfer_status(REFUNDED)

    assert found.failed
    assert (found.reason.code, found.reason.message, found.reason.neutral) == (code, message, neutral)
    assert found.reason.meaning.what
    assert found.reason.meaning.do


@pytest.mark.parametrize(
    ("word", "final", "pending"),
    [
        ("CREATED", False, True),
        ("PENDING", False, True),
        ("REJECTED", False, False),
        ("TIMEOUT", False, False),
        ("NEW", False, False),
    ],
)
def test_undocumented_status_is_kept_and_is_no_failure(
    client: Face, script: Script, word: str, final: bool, pending: bool
) -> None:
    script.say_json({"status": word})
    found = client.get_transfer_status(REFUNDED)

    assert (found.status, found.is_final, found.is_pending) == (word, final, pending)
    assert not found.failed
    assert not found.succeeded


def test_unreadable_answer_is_kept(client: Face, script: Script) -> None:
    odd = {"amount": "lots", "payee": ["x"], "reason": 1.5, "currency": {"a": 1}, "status": "FAILED"}
    script.say_json(odd)
    found = client.get_transfer_status(REFUNDED)

    assert found.failed
    assert found.amount is None
    assert {"amount", "payee", "currency"} <= set(found.extra)


@pytest.mark.parametrize(("payload", "amount"), [("35.83", "35.83"), (-25, "-25"), ("0", "0")])
def test_balance_is_a_decimal_and_may_be_negative(client: Face, script: Script, payload: Any, amount: str) -> None:
    script.say_json({"availableBalance": payload, "currency": "EUR"})
    found = client.get_account_balance()

    assert (found.available_balance, found.currency) == (Decimal(amount), "EUR")


@pytest.mark.parametrize(
    ("body", "active"),
    [
        ('{"result":true}', True),
        ('{"result":false}', False),
        ("true", True),
        ("false", False),
        ('{"result":"true"}', True),
    ],
)
def test_holder_status_is_true_or_false(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome], body: str, active: bool
) -> None:
    script.say(make_outcome(200, body))

    assert client.is_active("46733123499") is active


PERSON = {
    "sub": "0",
    "name": "Sand Box",
    "given_name": "Sand",
    "family_name": "Box",
    "birthdate": "1976-08-13",
    "locale": "sv_SE",
    "gender": "MALE",
    "updated_at": 1_690_000_000,
}
ALL_INFO = PERSON | {
    "status": "ACTIVE",
    "email": "email@domain.test",
    "email_verified": True,
    "phone_number": "46733123499",
    "phone_number_verified": "true",
    "credit_score": 123,
    "active": True,
    "occupation": "Manager",
    "address": {"formatted": "x", "street_address": "Street 17", "locality": "Karlskrona", "new": 1},
    "identification_type": "PASS",
    "identification_value": "S1234567",
    "shoe_size": 44,
}


def test_name_is_read_and_not_shown(client: Face, script: Script) -> None:
    script.say_json(PERSON)
    found = client.get_basic_user_info("46733123499")

    assert (found.name, found.birthdate, found.status) == ("Sand Box", "1976-08-13", "")
    assert found.updated_at == datetime.fromtimestamp(1_690_000_000, UTC)
    assert "given_name=***" in repr(found)
    assert not any(str(value) in f"{found!r} {found}" for value in PERSON.values() if value != "0")


def test_consent_runs_from_the_request_to_the_user_info(client: Face, script: Script, held: Credentials) -> None:
    """The request speaks with the token, the consent's token call with the pair, the read with the consent's token."""
    script.say_json({"auth_req_id": REFUNDED, "interval": 5, "expires_in": "300"})
    consent = client.authorize_consent(
        "+46733123499",
        scope="all_info",
        access_type="offline",
        consent_valid_in_s=600,
        callback_url="http://pay.example.org/c",
    )
    script.say_json(
        {
            "access_token": "consent.token",
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": "all_info",
            "refresh_token": "refresh/1",
            "refresh_token_expired_in": 7200,
        }
    )
    token = client.create_oauth2_token(consent)
    again = client.refresh_oauth2_token(token)
    script.say_json(ALL_INFO)
    info = client.ask_user_info(again)

    asked, first, second, read = script.calls()
    assert (asked.path, asked.headers["authorization"]) == ("/disbursement/v1_0/bc-authorize", "Bearer token-number-1.")
    assert asked.headers["x-callback-url"] == "http://pay.example.org/c"
    assert dict(parse_qsl(asked.body)) == {
        "login_hint": "ID:46733123499/MSISDN",
        "scope": "all_info",
        "access_type": "offline",
        "consent_valid_in": "600",
    }
    pair = base64.b64encode(f"{held.api_user}:{held.api_key}".encode()).decode()
    for call in (first, second):
        assert (call.path, call.headers["authorization"]) == ("/disbursement/oauth2/token/", f"Basic {pair}")
        assert call.headers["x-target-environment"] == "sandbox"
        assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(first.body)) == {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": REFUNDED}
    assert dict(parse_qsl(second.body)) == {"grant_type": "refresh_token", "refresh_token": "refresh/1"}
    assert (read.path, read.headers["authorization"]) == ("/disbursement/oauth2/v1_0/userinfo", "Bearer consent.token")
    assert (consent.interval_s, consent.expires_in_s) == (5, 300)
    assert (token.scope, token.refresh_token_expires_in_s) == ("all_info", 7200)
    assert info.address == Address("x", "Street 17", locality="Karlskrona", extra={"new": 1})
    assert (info.credit_score, info.active, info.phone_number_verified) == (Decimal(123), True, True)
    assert info.extra == {"shoe_size": 44}
    shown = f"{consent!r} {token!r} {again} {info!r} {info} {info.address!r}"
    for hidden in (REFUNDED, "consent.token", "refresh/1", "46733123499", "Street", "S1234567", "Manager", "domain"):
        assert hidden not in shown


def test_consent_may_be_requested_with_the_pair(make_client: Callable[..., Face], script: Script) -> None:
    script.say_json({"auth_req_id": REFUNDED})
    make_client(consent_auth="basic").authorize_consent("46733123499")

    (asked,) = script.calls()
    assert asked.headers["authorization"].startswith("Basic ")
    assert script.token_calls() == []


def test_consent_without_a_refresh_token_is_not_refreshed(client: Face, script: Script) -> None:
    script.say_json({"access_token": "consent.token"})
    token = client.create_oauth2_token("an-id")
    with pytest.raises(NotSentError, match="no refresh token"):
        client.refresh_oauth2_token(token)


@pytest.mark.parametrize("status", [200, 202])
def test_notification_is_sent_in_header_and_body(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome], status: int
) -> None:
    script.say(make_outcome(status))
    assert client.send_delivery_notification(REFUNDED, "Merci d'été", language="fr") is None

    (parsed,) = script.calls()
    assert parsed.path == f"/disbursement/v1_0/requesttopay/{REFUNDED}/deliverynotification"
    assert (parsed.headers["notificationmessage"], parsed.headers["language"]) == ("Merci d'ete", "fr")
    assert json.loads(parsed.body) == {"notificationMessage": "Merci d'été"}


@pytest.mark.parametrize("message", ["", "x" * 161, "{{slot:access_token}}", "a\nb"])
def test_notification_with_an_invalid_message_is_not_sent(client: Face, script: Script, message: str) -> None:
    with pytest.raises(NotSentError):
        client.send_delivery_notification(REFUNDED, message)
    assert script.requests == []


def test_provisioning_sends_the_subscription_key_alone(
    provisioning: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome], held: Credentials
) -> None:
    script.say(make_outcome(201))
    user = provisioning.create_api_user("pay.example.org")
    script.say_json({"apiKey": "f" * 32}, 201)
    key = provisioning.create_api_key(user.api_user)
    script.say_json({"providerCallbackHost": "pay.example.org", "targetEnvironment": "sandbox", "apiKey": None})
    found = provisioning.get_api_user(user.api_user)

    made, keyed, read = script.requests
    assert (made.method, made.path, json.loads(made.body)) == (
        "POST",
        "/v1_0/apiuser",
        {"providerCallbackHost": "pay.example.org"},
    )
    assert made.headers["x-reference-id"] == user.api_user
    assert (keyed.method, keyed.path, keyed.body) == ("POST", f"/v1_0/apiuser/{user.api_user}/apikey", "")
    assert keyed.headers["content-length"] == "0"
    assert (read.method, read.path) == ("GET", f"/v1_0/apiuser/{user.api_user}")
    for request in script.requests:
        assert request.headers["ocp-apim-subscription-key"] == held.subscription_key
        assert "authorization" not in request.headers
        assert "x-target-environment" not in request.headers
    assert key.api_key.get_secret_value() == "f" * 32
    assert "f" * 32 not in f"{key!r} {key}"
    assert (found.provider_callback_host, found.target_environment) == ("pay.example.org", "sandbox")
    assert found.api_user == user.api_user


def test_settings_mistakes_are_reported_without_their_values() -> None:
    with pytest.raises(SettingsError) as caught:
        DisbursementsClient(target_environment="sandbox", api_user="no-uuid", api_key="a secret ", subscription_key="k")
    with pytest.raises(SettingsError, match="transfer is no operation that is repeated"):
        DisbursementsClient(
            target_environment="sandbox", api_user=REFUNDED, api_key="a", subscription_key="k", retry={"transfer": {}}
        )
    with pytest.raises(SettingsError):
        SandboxProvisioning("key", base_url="https://proxy.momoapi.mtn.com")
    with pytest.raises(SettingsError):
        SandboxProvisioning("")

    assert "api_user" in str(caught.value)
    assert "secret " not in str(caught.value)
    assert "no-uuid" not in str(caught.value)


def test_client_takes_settings_or_fields_and_not_both(make_settings: Callable[..., MtnMomoSettings]) -> None:
    settings = make_settings()
    with DisbursementsClient(settings) as client:
        assert client.settings is settings
    with pytest.raises(SettingsError, match="not both"):
        DisbursementsClient(settings, api_key="x")
