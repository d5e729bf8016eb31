"""An account holder is asked, consents or not, and is then known by scope."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from payments_mtn_momo.api.requests import CIBA
from payments_mtn_momo.emulator.consent import CASES
from payments_mtn_momo.emulator.tokens import Credentials

PAIRS = {"either": (200, 200), "basic": (200, 401), "bearer": (401, 200)}


def ask(caller: Any, number: str = "46733123499", **changed: str) -> Any:
    form = {"login_hint": f"ID:{number}/MSISDN", "scope": "profile", "access_type": "online"}
    headers = {name: changed.pop(name) for name in ("authorization", "x_callback_url") if name in changed}
    return caller.form("/v1_0/bc-authorize", form | changed, **headers)


def exchange(caller: Any, **form: str) -> Any:
    return caller.form("/oauth2/token/", form, authorization=caller.basic)


def first(caller: Any, number: str = "46733123499", **changed: str) -> Any:
    auth_req_id = json.loads(ask(caller, number, **changed).body)["auth_req_id"]
    return exchange(caller, grant_type=CIBA, auth_req_id=auth_req_id)


def info(caller: Any, token: str) -> Any:
    return caller.get("/oauth2/v1_0/userinfo", authorization=f"Bearer {token}")


def test_consent_gives_a_token_and_a_name(caller: Any) -> None:
    asked = json.loads(ask(caller).body)
    token = json.loads(exchange(caller, grant_type=CIBA, auth_req_id=asked["auth_req_id"]).body)
    fields = json.loads(info(caller, token["access_token"]).body)

    assert list(asked) == ["auth_req_id", "interval", "expires_in"]
    assert list(token) == ["access_token", "token_type", "expires_in", "scope"]
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 3600, "profile")
    assert list(fields) == ["sub", "name", "given_name", "family_name", "birthdate", "locale", "gender", "updated_at"]


def test_user_info_is_complete_with_an_address_object(caller: Any) -> None:
    token = json.loads(first(caller, scope="profile all_info").body)["access_token"]
    fields = json.loads(info(caller, token).body)

    assert fields["address"]["locality"] == "Karlskrona"
    assert fields["credit_score"] == 123
    assert (fields["status"], fields["identification_type"]) == ("ACTIVE", "PASS")


def test_user_info_is_refused_to_the_token_of_the_api_user(caller: Any) -> None:
    assert caller.get("/oauth2/v1_0/userinfo").status == 401
    token = json.loads(first(caller).body)["access_token"]
    caller.at += timedelta(hours=1)
    assert info(caller, token).status == 401


def test_consent_token_pays_nothing(caller: Any) -> None:
    token = json.loads(first(caller).body)["access_token"]

    assert caller.get("/v1_0/account/balance", authorization=f"Bearer {token}").status == 401


@pytest.mark.parametrize("switch", PAIRS)
def test_consent_request_accepts_pair_and_token(make_caller: Callable[..., Any], switch: str) -> None:
    """The export says Basic, every client of MTN's sends Bearer."""
    caller = make_caller(bc_authorize_auth=switch)

    assert (ask(caller, authorization=caller.basic).status, ask(caller).status) == PAIRS[switch]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"login_hint": "46733123499"}, 400),
        ({"login_hint": "ID:46733123499"}, 400),
        ({"login_hint": "ID:x/MSISDN"}, 400),
        ({"access_type": "sometimes"}, 400),
        ({"consent_valid_in": "3600"}, 400),
        ({"consent_valid_in": "soon", "access_type": "offline"}, 400),
        ({"consent_valid_in": "3600", "access_type": "offline"}, 200),
        ({"scope": "everything"}, 500),
        ({"scope": ""}, 500),
        ({"scope": "profile everything"}, 500),
    ],
)
def test_consent_request_with_invalid_fields_is_refused(caller: Any, changed: dict[str, str], expected: int) -> None:
    """An invalid scope is a 500, as MTN's Java library met it."""
    assert ask(caller, **changed).status == expected


def test_consent_request_in_json_is_refused(caller: Any) -> None:
    for path in ("/v1_0/bc-authorize", "/oauth2/token/"):
        assert caller.post(path, {"scope": "profile"}, authorization=caller.basic).status == 400
    form = {"login_hint": "ID:46733123499/MSISDN", "scope": "profile"}
    assert caller.form("/v1_0/bc-authorize", form, content_type="application/json").status == 400
    assert caller.form("/v1_0/bc-authorize", form).status == 200


def test_consent_belongs_to_the_api_user_that_asked(caller: Any) -> None:
    auth_req_id = json.loads(ask(caller).body)["auth_req_id"]
    refresh_token = json.loads(first(caller, access_type="offline").body)["refresh_token"]
    other = Credentials.new()
    caller.gateway.door.admit(other)
    caller.login(other)

    assert exchange(caller, grant_type=CIBA, auth_req_id=auth_req_id).status == 400
    assert exchange(caller, grant_type="refresh_token", refresh_token=refresh_token).status == 400


def test_consent_request_is_called_back_at_the_registered_host(make_caller: Callable[..., Any]) -> None:
    caller = make_caller(callback_host="payouts.example.org")

    assert ask(caller, x_callback_url="http://other.example.org/").status == 500
    assert ask(caller, x_callback_url="").status == 400
    assert ask(caller, x_callback_url="http://payouts.example.org/").status == 200


def test_offline_consent_is_refreshed_and_uses_up_its_refresh_token(caller: Any) -> None:
    token = json.loads(first(caller, access_type="offline").body)
    again = exchange(caller, grant_type="refresh_token", refresh_token=token["refresh_token"])
    fields = json.loads(again.body)

    assert list(token)[-2:] == ["refresh_token", "refresh_token_expired_in"]
    assert fields["access_token"] != token["access_token"]
    assert fields["refresh_token"] != token["refresh_token"]
    assert info(caller, fields["access_token"]).status == 200
    assert exchange(caller, grant_type="refresh_token", refresh_token=token["refresh_token"]).status == 400


def test_consent_gives_one_token_only(caller: Any) -> None:
    auth_req_id = json.loads(ask(caller).body)["auth_req_id"]
    assert exchange(caller, grant_type=CIBA, auth_req_id=auth_req_id).status == 200
    assert exchange(caller, grant_type=CIBA, auth_req_id=auth_req_id).status == 400


def test_consent_request_expires(caller: Any) -> None:
    auth_req_id = json.loads(ask(caller).body)["auth_req_id"]
    caller.at += timedelta(seconds=300)
    answer = exchange(caller, grant_type=CIBA, auth_req_id=auth_req_id)

    assert (answer.status, json.loads(answer.body)["error"]) == (400, "expired_token")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "urn:openid:params:grant_type:ciba", "auth_req_id": "x"},
        {"grant_type": CIBA},
        {"grant_type": CIBA, "auth_req_id": "x"},
        {"grant_type": "refresh_token", "refresh_token": "x"},
    ],
)
def test_consent_token_is_refused_without_a_valid_request(caller: Any, form: dict[str, str]) -> None:
    assert exchange(caller, **form).status == 400


def test_consent_cases_are_the_documented_ones() -> None:
    assert list(CASES) == [str(46733123450 + n) for n in range(13)]
    assert [case.scenario for case in CASES.values()] == [
        "AccountHolderNotFound",
        "ConsentRejected",
        "ConsentPending",
        "ConsentExpired",
        "ConsentExpiredRefreshToken",
        "ConsentRevoked",
        "ConsentDeletedScope",
        "ConsentAlreadyUsed",
        "FinancialNoFunds",
        "FinancialPayeeNotFound",
        "FinancialConsentMismatch",
        "FinancialPayerLimitReached",
        "FinancialPayeeNotAllowedToReceive",
    ]


@pytest.mark.parametrize("errors", ["oauth", "momo"])
@pytest.mark.parametrize(("number", "case"), CASES.items())
def test_consent_case_is_refused_at_its_configured_step(
    make_caller: Callable[..., Any], number: str, case: Any, errors: str
) -> None:
    """Everything before that place goes well; there it is refused, in the shape that is switched on."""
    caller = make_caller(consent_errors=errors)
    answer, where = ask(caller, number, access_type="offline"), "authorize"
    if answer.status == 200:
        auth_req_id = json.loads(answer.body)["auth_req_id"]
        answer, where = exchange(caller, grant_type=CIBA, auth_req_id=auth_req_id), "token"
    if answer.status == 200:
        token = json.loads(answer.body)
        answer, where = info(caller, token["access_token"]), "user_info"
    if answer.status == 200:
        answer = exchange(caller, grant_type="refresh_token", refresh_token=token["refresh_token"])
        where = "refresh"

    fields = json.loads(answer.body)
    assert where == case.at
    if errors == "oauth":
        assert (answer.status, fields["error"]) == (case.status, case.error)
    else:
        assert answer.status in {404, 500}
        assert fields["code"] == case.code


def test_pending_consent_may_be_given_later(make_caller: Callable[..., Any]) -> None:
    caller = make_caller(consent_pending_s=20)
    auth_req_id = json.loads(ask(caller, "46733123452").body)["auth_req_id"]
    assert exchange(caller, grant_type=CIBA, auth_req_id=auth_req_id).status == 400
    caller.at += timedelta(seconds=20)
    assert exchange(caller, grant_type=CIBA, auth_req_id=auth_req_id).status == 200
