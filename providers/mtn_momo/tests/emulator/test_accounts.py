"""Whether a holder is active, what they are called, what the own account holds, and a message to a payer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from payments_mtn_momo.emulator.collected import Collection
from payments_mtn_momo.emulator.holders import ACTIVE

ORDER = {
    "amount": "250",
    "currency": "EUR",
    "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"},
}
TABLE = [
    (404, "RESOURCE_NOT_FOUND"),
    (200, b'{"result":false}'),
    (500, "NOT_ALLOWED"),
    (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
    (500, "INTERNAL_PROCESSING_ERROR"),
    (503, "SERVICE_UNAVAILABLE"),
]


def test_holder_table_is_the_documented_one() -> None:
    """Six numbers, six addresses and six codes, in the same order."""
    by_kind = {
        kind: [holder for known, holder in ACTIVE if known == kind] for kind in ("msisdn", "email", "party_code")
    }
    assert by_kind["msisdn"] == [str(46733123450 + n) for n in range(6)]
    assert by_kind["email"][0] == "notfound@email.com"
    assert by_kind["party_code"][5] == "585c07a4-2c80-42f7-9e73-e586b36dee68"
    assert [len(holders) for holders in by_kind.values()] == [6, 6, 6]


@pytest.mark.parametrize("kind", ["msisdn", "email", "party_code", "MSISDN"])
@pytest.mark.parametrize("row", range(6))
def test_test_holder_answers_with_its_http_status(caller: Any, kind: str, row: int) -> None:
    holder = [known for of, known in ACTIVE if of == kind.lower()][row]
    answer = caller.get(f"/v1_0/accountholder/{kind}/{quote(holder, safe='')}/active")
    status, result = TABLE[row]

    assert answer.status == status
    assert answer.body == result if isinstance(result, bytes) else json.loads(answer.body)["code"] == result


@pytest.mark.parametrize(
    ("kind", "holder"),
    [
        ("msisdn", "46733123499"),
        ("email", "someone@example.org"),
        ("party_code", str(uuid.UUID(int=0xC0DE, version=4))),
    ],
)
def test_holder_not_in_the_table_is_active(caller: Any, kind: str, holder: str) -> None:
    assert caller.get(f"/v1_0/accountholder/{kind}/{quote(holder)}/active").body == b'{"result":true}'


@pytest.mark.parametrize(
    ("kind", "holder"),
    [("msisdn", "x"), ("email", "x"), ("party_code", "x"), ("fax", "46733123499"), ("msisdn", "%20")],
)
@pytest.mark.parametrize("what", ["active", "basicuserinfo"])
def test_address_without_a_holder_is_a_400(caller: Any, kind: str, holder: str, what: str) -> None:
    assert caller.get(f"/v1_0/accountholder/{kind}/{holder}/{what}").status == 400


def test_unknown_wallet_in_production_is_not_active(make_caller: Callable[..., Any]) -> None:
    answer = make_caller("mtnsouthafrica").get("/v1_0/accountholder/msisdn/46733123450/active")

    assert (answer.status, answer.body) == (200, b'{"result":false}')


def test_holder_status_may_be_a_bare_value(make_caller: Callable[..., Any]) -> None:
    caller = make_caller(active_shape="bare")

    assert caller.get("/v1_0/accountholder/msisdn/46733123499/active").body == b"true"
    assert caller.get("/v1_0/accountholder/msisdn/46733123451/active").body == b"false"


def test_basic_user_info_is_the_sandbox_user(make_caller: Callable[..., Any]) -> None:
    """The sandbox's body has fields the export does not know and lacks its status; the switch gives the export's."""
    path = "/v1_0/accountholder/msisdn/46733123499/basicuserinfo"
    fields = json.loads(make_caller().get(path).body)
    spec = json.loads(make_caller(basic_user_info="spec").get(path).body)

    assert list(fields) == [
        "sub",
        "name",
        "given_name",
        "family_name",
        "birthdate",
        "locale",
        "gender",
        "updated_at",
    ]
    assert (fields["sub"], fields["name"], fields["birthdate"]) == ("0", "Sand Box", "1976-08-13")
    assert list(spec) == ["given_name", "family_name", "birthdate", "locale", "gender", "status"]


@pytest.mark.parametrize(
    ("switches", "status", "payload"),
    [
        ({}, 200, "1000"),
        ({"available_balance": "35.83"}, 200, "35.83"),
        ({"balance": "zero"}, 200, "0"),
        ({"balance": "negative"}, 200, "-25"),
        ({"balance": "account_not_found"}, 404, "RESOURCE_NOT_FOUND"),
        ({"balance": "not_allowed"}, 500, "NOT_ALLOWED"),
        ({"balance": "not_allowed_target_environment"}, 500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
        ({"balance": "internal_processing_error"}, 500, "INTERNAL_PROCESSING_ERROR"),
        ({"balance": "service_unavailable"}, 503, "SERVICE_UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("path", ["/v1_0/account/balance", "/v1_0/account/balance/EUR"])
def test_balance_scenarios_answer_as_configured(
    make_caller: Callable[..., Any], switches: dict[str, Any], status: int, payload: str, path: str
) -> None:
    answer = make_caller(**switches).get(path)

    assert answer.status == status
    wanted = {"availableBalance": payload, "currency": "EUR"}
    assert json.loads(answer.body) == wanted if status == 200 else json.loads(answer.body)["code"] == payload


def test_flapping_balance_gives_every_scenario_in_turn(make_caller: Callable[..., Any]) -> None:
    caller = make_caller(balance="flapping")
    answers = [caller.get("/v1_0/account/balance") for _ in range(16)]

    assert [answer.status for answer in answers[:5]] == [500, 200, 500, 503, 200]
    assert {answer.status for answer in answers} == {200, 404, 500, 503}
    assert [answer.body for answer in answers[:8]] == [answer.body for answer in answers[8:]]


def test_balance_in_a_currency_is_only_of_the_account_s_own(make_caller: Callable[..., Any]) -> None:
    caller = make_caller("mtnuganda")

    assert json.loads(caller.get("/v1_0/account/balance/UGX").body)["currency"] == "UGX"
    assert json.loads(caller.get("/v1_0/account/balance/EUR").body)["code"] == "INVALID_CURRENCY"
    assert caller.get("/v1_0/account/balance/ugx").status == 400


def test_balance_is_not_changed_by_payments(caller: Any) -> None:
    caller.post("/v1_0/transfer", ORDER)

    assert json.loads(caller.get("/v1_0/account/balance").body)["availableBalance"] == "1000"


# --- delivery notifications --------------------------------------------------------------------------------------


def notify(caller: Any, reference: str, message: str | None = "thank you", **changed: str) -> Any:
    path = f"/v1_0/requesttopay/{reference}/deliverynotification"
    return caller.post(path, {"notificationMessage": "x"}, notificationmessage=message, **changed)


def test_notification_of_a_payer_is_sent_once(caller: Any) -> None:
    collected = caller.collect()

    assert (notify(caller, collected).status, notify(caller, collected).status) == (200, 429)


@pytest.mark.parametrize(
    ("message", "language", "expected"),
    [
        ("x" * 160, "en", 200),
        ("x" * 161, "en", 400),
        ("", "en", 400),
        (None, "en", 400),
        ("x", "eng", 200),
        ("x", "english", 400),
        ("x", "EN", 400),
    ],
)
def test_notification_message_is_a_header_of_at_most_160(
    caller: Any, message: str | None, language: str, expected: int
) -> None:
    """The body's message alone does not do."""
    assert notify(caller, caller.collect(), message, language=language).status == expected


@pytest.mark.parametrize("state", ["PENDING", "FAILED"])
def test_notification_needs_a_successful_collection(caller: Any, state: str) -> None:
    answer = notify(caller, caller.collect(state=state))

    assert (answer.status, json.loads(answer.body)["code"]) == (409, "NOT_SUCCESSFULLY_COMPLETED")


def test_notification_for_an_unknown_collection_is_404(caller: Any) -> None:
    assert notify(caller, "x").status == 400
    assert notify(caller, str(uuid.uuid4())).status == 404
    assert notify(caller, caller.collect(api_user=str(uuid.uuid4()))).status == 404


def test_notification_after_its_window_is_refused(caller: Any) -> None:
    early, late = caller.collect(), caller.collect()
    caller.at += timedelta(seconds=3599)
    caller.login(caller.held)
    assert notify(caller, early).status == 200
    caller.at += timedelta(seconds=1)
    assert notify(caller, late).status == 410


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"amount": "x"},
        {"amount": "1", "currency": "eur"},
        {"amount": "1", "currency": "EUR", "payer": {}},
        {"amount": "1", "currency": "EUR", "payer": "46733123499", "reference": "x"},
        {"amount": "1", "currency": "EUR", "payer": "46733123499", "state": "LOST"},
        {"amount": "1", "currency": "EUR", "payer": "46733123499", "x": 1},
    ],
)
def test_collection_with_invalid_fields_is_refused(caller: Any, payload: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Collection(**payload, at=caller.at)
