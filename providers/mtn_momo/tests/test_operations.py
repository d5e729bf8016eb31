"""The table of calls is total, and requests, retry policies and the reference page are made from it alone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from payments_core.domain.errors import ProviderBug
from payments_core.http.messages import fill, slots_in
from payments_mtn_momo import MtnMomoSettings
from payments_mtn_momo.api import error_catalog
from payments_mtn_momo.api.error_catalog import Effect
from payments_mtn_momo.api.operations import OPERATIONS, retry_policies
from payments_mtn_momo.api.requests import build, own_secrets
from payments_mtn_momo.spec import SPEC

MakeSettings = Callable[..., MtnMomoSettings]

# The portal's exports, and for the last of the product MTN's client libraries of 2023.
PRODUCT = {
    "CreateAccessToken": "POST /disbursement/token/",
    "CreateOauth2Token": "POST /disbursement/oauth2/token/",
    "bc-authorize": "POST /disbursement/v1_0/bc-authorize",
    "GetUserInfoWithConsent": "GET /disbursement/oauth2/v1_0/userinfo",
    "Transfer": "POST /disbursement/v1_0/transfer",
    "GetTransferStatus": "GET /disbursement/v1_0/transfer/r",
    "Deposit-V1": "POST /disbursement/v1_0/deposit",
    "Deposit-V2": "POST /disbursement/v2_0/deposit",
    "GetDepositStatus": "GET /disbursement/v1_0/deposit/r",
    "Refund-V1": "POST /disbursement/v1_0/refund",
    "Refund-V2": "POST /disbursement/v2_0/refund",
    "GetRefundStatus": "GET /disbursement/v1_0/refund/r",
    "GetAccountBalance": "GET /disbursement/v1_0/account/balance",
    "GetAccountBalanceInSpecificCurrency": "GET /disbursement/v1_0/account/balance/EUR",
    "ValidateAccountHolderStatus": "GET /disbursement/v1_0/accountholder/msisdn/46/active",
    "GetBasicUserinfo": "GET /disbursement/v1_0/accountholder/msisdn/46/basicuserinfo",
    "RequestToPayDeliveryNotification": "POST /disbursement/v1_0/requesttopay/r/deliverynotification",
}
SANDBOX = {
    "post-v1_0-apiuser": "POST /v1_0/apiuser",
    "post-v1_0-apiuser-apikey": "POST /v1_0/apiuser/u/apikey",
    "get-v1_0-apiuser": "GET /v1_0/apiuser/u",
}
PARTS = {"reference": "r", "currency": "EUR", "account_type": "msisdn", "account": "46", "api_user": "u"}


def test_operations_table_has_all_twenty_documented_calls(make_settings: MakeSettings) -> None:
    """Each call's method and address are the documented ones, made through the one builder."""
    settings = make_settings()
    requests = {row.operation_id: build(settings, row.name, path=PARTS) for row in OPERATIONS.values()}
    fields = {name: f"{made.method} {made.url.removeprefix(settings.base_url)}" for name, made in requests.items()}

    assert fields == PRODUCT | SANDBOX
    assert len(PRODUCT) == 17
    assert all(row.why and row.source and row.subject for row in OPERATIONS.values())


def test_retry_policies_exist_for_reads_and_not_for_payments() -> None:
    """What moves money or does something is never repeated by a transport; reads and the token call are."""
    repeated = {row.name for row in OPERATIONS.values() if row.repeatable}
    paying = {row.name for row in OPERATIONS.values() if row.moves_money}

    assert paying == {"transfer", "deposit_v1", "deposit_v2", "refund_v1", "refund_v2"}
    assert repeated == {row.name for row in OPERATIONS.values() if row.method == "GET"} | {"token"}
    assert set(retry_policies()) == repeated == {row.name for row in OPERATIONS.values() if row.retry}
    assert dict(SPEC.retry) == retry_policies()
    assert all(row.success == {202} for row in OPERATIONS.values() if row.moves_money)


def test_requests_name_key_and_target(make_settings: MakeSettings) -> None:
    """The target header stands on the token too, as the newer platform asks; no secret is in a built request."""
    for row in OPERATIONS.values():
        request = build(make_settings(), row.name, path=PARTS)
        expected = {"basic": {"basic"}, "bearer": {"access_token"}, "oauth2": {"oauth2_token"}, "none": set()}[row.auth]

        assert slots_in(request) == {"subscription_key"} | expected
        assert request.headers.get("X-Target-Environment") == (None if row.auth == "none" else "sandbox")
        assert request.credential is (row.auth == "bearer")
        assert (request.repeatable, request.moves_money) == (row.repeatable, row.moves_money)
        assert request.operation == row.name


def test_request_has_the_given_values(make_settings: MakeSettings) -> None:
    request = build(
        make_settings(),
        "bc_authorize",
        reference="r",
        callback_url="https://pay.example.org/x",
        headers={"Language": "en"},
        form={"login_hint": "ID:46/MSISDN", "scope": "profile all_info"},
        auth="basic",
    )

    assert request.headers == {
        "Authorization": "Basic {{slot:basic}}",
        "Ocp-Apim-Subscription-Key": "{{slot:subscription_key}}",
        "X-Target-Environment": "sandbox",
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Reference-Id": "r",
        "X-Callback-Url": "https://pay.example.org/x",
        "Language": "en",
    }
    assert request.body == "login_hint=ID%3A46%2FMSISDN&scope=profile%20all_info"
    assert not request.credential


def test_path_values_cannot_change_the_address(make_settings: MakeSettings) -> None:
    settings = make_settings()

    escaped = build(settings, "account_active", path={"account_type": "email", "account": "a/../b?c#d@e.org"})
    for bad in ({"reference": ""}, {"reference": ".."}, {}, {"other": "x"}):
        with pytest.raises(ProviderBug):
            build(settings, "transfer_status", path=bad)
    with pytest.raises(ProviderBug, match="no operation 'withdraw'"):
        build(settings, "withdraw")

    assert escaped.url.endswith("/accountholder/email/a%2F..%2Fb%3Fc%23d%40e.org/active")


def test_filled_secrets_are_sent_and_not_shown(make_settings: MakeSettings) -> None:
    settings = make_settings(api_key="an=opaque+key/with~punctuation=")
    request = fill(build(settings, "token"), own_secrets(settings))

    assert "opaque" not in repr(request) + repr(dict(request.headers))
    assert settings.subscription_key.get_secret_value() not in repr(dict(request.headers))
    assert not slots_in(request)


def test_answers_and_reasons_have_sentences_that_agree_with_their_effect() -> None:
    """Each row has its sentences, and they agree with its effect about whether money can have moved."""
    rows = error_catalog.ANSWERS
    ambiguous = {Effect.UNKNOWN, Effect.ACCEPTED, Effect.DUPLICATE}
    assert {key for key, row in rows.items() if row.money == "perhaps" and row.effect not in ambiguous} == set()
    assert {key for key, row in rows.items() if row.money == "no" and row.effect in ambiguous} == {(500, "@token")}
    assert all(row.reason for row in error_catalog.REASONS.values())
    assert all((row.money == "perhaps") == bool(row.settling_h) for row in error_catalog.REASONS.values())
    for row in (*rows.values(), *error_catalog.REASONS.values(), error_catalog.UNLISTED, error_catalog.UNLISTED_REASON):
        assert row.what.endswith(".")
        assert row.do.endswith(".")


def test_table_rows_are_plain_data() -> None:
    assert json.dumps({name: sorted(row.success) for name, row in OPERATIONS.items()})
    with pytest.raises(TypeError):
        OPERATIONS["transfer"] = OPERATIONS["balance"]  # type: ignore[index]
