"""The emulated gateway is honest: it answers what MTN's answers, in its shapes, and credits no payee twice."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.gateway import TOKEN_PATH, TRANSFER_PATH, Gateway, Switches
from payments_mtn_momo.emulator.ledger import amount_text
from payments_mtn_momo.emulator.payees import TRANSFER_PAYEES
from payments_mtn_momo.emulator.tokens import Credentials

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
FINE: dict[str, Any] = {
    "amount": "12.50",
    "currency": "EUR",
    "externalId": "po_abc",
    "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"},
    "payerMessage": "for you",
    "payeeNote": "from us",
}


class GatewayCaller:
    """A caller with credentials, a token and a clock."""

    def __init__(self, target: str = "sandbox", **switches: Any) -> None:
        self.held = Credentials.new()
        self.gateway = Gateway(self.held, targets=[target], switches=Switches(**switches))
        self.at = START
        self.headers = {
            "Ocp-Apim-Subscription-Key": self.held.subscription_key,
            "X-Target-Environment": target,
            "Authorization": f"Bearer {self.token().body and json.loads(self.token().body)['access_token']}",
        }

    def token(self, user: str = "", key: str = "", **changed: str) -> Answer:
        pair = base64.b64encode(f"{user or self.held.api_user}:{key or self.held.api_key}".encode()).decode()
        headers = {"Ocp-Apim-Subscription-Key": self.held.subscription_key, "Authorization": f"Basic {pair}"} | changed
        return self.gateway.handle("POST", TOKEN_PATH, headers, b"", self.at)

    def post(
        self, reference: str = "", *, body: Any = None, headers: Mapping[str, str] | None = None, **changed: Any
    ) -> Answer:
        raw = (
            body if isinstance(body, bytes) else json.dumps(body if body is not None else {**FINE, **changed}).encode()
        )
        sent = self.headers | {"X-Reference-Id": reference or str(uuid.uuid4())} | dict(headers or {})
        return self.gateway.handle("POST", TRANSFER_PATH, sent, raw, self.at)

    def pay(self, payee: str, reference: str) -> Answer:
        return self.post(reference, payee={"partyIdType": "MSISDN", "partyId": payee})

    def get(self, reference: str, **changed: str) -> Answer:
        return self.gateway.handle("GET", f"{TRANSFER_PATH}/{reference}", self.headers | changed, b"", self.at)

    def status(self, reference: str) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.get(reference).body)
        return fields

    def ledger(self) -> list[dict[str, Any]]:
        return self.gateway.ledger(self.at)


@pytest.fixture
def caller() -> GatewayCaller:
    return GatewayCaller()


@pytest.fixture
def reference() -> str:
    return str(uuid.uuid4())


def momo(answer: Answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/json;charset=utf-8"
    assert b": " not in answer.body.replace(b'": "', b"")
    return answer.status, json.loads(answer.body)["code"]


def test_token_has_the_form_of_the_sandbox_s(caller: GatewayCaller) -> None:
    answer = caller.token()
    fields = json.loads(answer.body)

    assert answer.status == 200
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert list(fields) == ["access_token", "token_type", "expires_in"]
    assert (fields["token_type"], fields["expires_in"]) == ("access_token", 3600)
    assert len(fields["access_token"].split(".")) == 3


def test_token_stays_valid_when_another_is_issued(caller: GatewayCaller, reference: str) -> None:
    first, second = (json.loads(caller.token().body)["access_token"] for _ in range(2))

    assert first != second
    for token in (first, second):
        assert caller.get(reference, Authorization=f"Bearer {token}").status == 404


@pytest.mark.parametrize(("user", "key"), [("", "wrong"), (str(uuid.UUID(int=0xC0DE, version=4)), ""), ("x", "y")])
def test_wrong_pair_is_login_failed(caller: GatewayCaller, user: str, key: str) -> None:
    answer = caller.token(user, key)

    assert (answer.status, answer.body) == (500, b'{"error":"login_failed"}')


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic !!!", "Basic w7g=", "Bearer x"])
def test_malformed_pair_is_login_failed(caller: GatewayCaller, authorization: str) -> None:
    assert caller.token(Authorization=authorization).status == 500


def test_token_expires_after_an_hour(caller: GatewayCaller, reference: str) -> None:
    caller.at += timedelta(seconds=3599)
    assert caller.get(reference).status == 404
    caller.at += timedelta(seconds=1)
    assert caller.get(reference).status == 401


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "x"])
def test_calls_need_a_token(caller: GatewayCaller, reference: str, authorization: str) -> None:
    for answer in (
        caller.get(reference, Authorization=authorization),
        caller.post(reference, headers={"Authorization": authorization}),
    ):
        assert answer.status == 401
        assert "subscription key" not in answer.body.decode()
    assert caller.ledger() == []


@pytest.mark.parametrize(("key", "says"), [("", "missing subscription key"), ("x", "invalid subscription key")])
def test_calls_need_a_subscription_key(caller: GatewayCaller, reference: str, key: str, says: str) -> None:
    wrong = {"Ocp-Apim-Subscription-Key": key}
    for answer in (caller.token(**wrong), caller.post(headers=wrong), caller.get(reference, **wrong)):
        fields = json.loads(answer.body)
        assert (answer.status, fields["statusCode"]) == (401, 401)
        assert says in fields["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/disbursement/token"),
        ("POST", "/disbursement/v2_0/transfer"),
        ("PUT", TRANSFER_PATH),
        ("GET", TRANSFER_PATH),
        ("POST", f"{TRANSFER_PATH}/x"),
        ("GET", "/"),
    ],
)
def test_unknown_route_is_the_gateway_s_404(caller: GatewayCaller, method: str, path: str) -> None:
    answer = caller.gateway.handle(method, path, caller.headers, b"{}", START)

    assert answer.status == 404
    assert json.loads(answer.body) == {"statusCode": 404, "message": "Resource not found"}


def test_accepted_transfer_is_an_empty_202(caller: GatewayCaller, reference: str) -> None:
    answer = caller.post(reference)

    assert (answer.status, answer.body, answer.headers["content-length"]) == (202, b"", "0")
    assert "content-type" not in answer.headers
    assert answer.headers["request-context"].startswith("appId=cid-v1:")
    assert answer.headers["date"] == "Mon, 02 Nov 2026 09:00:00 GMT"


def test_successful_status_is_written_as_recorded(caller: GatewayCaller, reference: str) -> None:
    """Key order, the amount without trailing zeros, the transaction id as a text of ten digits."""
    caller.post(reference)
    body = caller.get(reference).body.decode()

    assert re.fullmatch(
        r'\{"amount":"12\.5","currency":"EUR","financialTransactionId":"\d{10}","externalId":"po_abc",'
        r'"payee":\{"partyIdType":"MSISDN","partyId":"46733123499"\},"payerMessage":"for you","payeeNote":"from us",'
        r'"status":"SUCCESSFUL"\}',
        body,
    )


def test_reference_is_found_in_either_case(caller: GatewayCaller, reference: str) -> None:
    caller.post(reference.upper())

    assert caller.get(reference).status == 200
    assert momo(caller.post(reference)) == (409, "RESOURCE_ALREADY_EXIST")


@pytest.mark.parametrize(("payee", "fate"), sorted(TRANSFER_PAYEES.items()))
def test_transfer_test_payee_has_its_end(caller: GatewayCaller, reference: str, payee: str, fate: Any) -> None:
    assert caller.pay(payee, reference).status == 202
    caller.at += timedelta(days=1) - timedelta(seconds=1)
    caller.headers["Authorization"] = f"Bearer {json.loads(caller.token().body)['access_token']}"
    result = caller.status(reference)

    assert result["status"] == (fate.end or "PENDING")
    assert result.get("reason", "") == fate.reason
    assert ("financialTransactionId" in result) == (fate.end == "SUCCESSFUL")
    [entry] = caller.ledger()
    assert entry["credits"] == (1 if fate.end == "SUCCESSFUL" else 0)
    assert (entry["state"], entry["reason"]) == (result["status"], fate.reason or None)


def test_test_payee_table_is_the_documented_one() -> None:
    assert sorted(TRANSFER_PAYEES) == [str(46733123450 + n) for n in range(14)]
    assert TRANSFER_PAYEES["46733123455"].reason == "NOT_ENOUGH_FUNDS"
    assert TRANSFER_PAYEES["46733123457"].reason == "PAYEE_NOT_FOUND"


def test_delayed_payment_is_created_then_pending_then_paid(caller: GatewayCaller, reference: str) -> None:
    caller.pay("46733123454", reference)

    fields = {}
    for seconds in (0, 12.4, 12.6, 24.9, 25):
        caller.at = START + timedelta(seconds=seconds)
        fields[seconds] = (caller.status(reference)["status"], caller.ledger()[0]["credits"])
    assert fields == {
        0: ("CREATED", 0),
        12.4: ("CREATED", 0),
        12.6: ("PENDING", 0),
        24.9: ("PENDING", 0),
        25: ("SUCCESSFUL", 1),
    }


def test_reference_used_again_is_paid_once(caller: GatewayCaller, reference: str) -> None:
    answers = [caller.post(reference) for _ in range(3)]
    other = caller.post(reference, amount="99")

    assert [answer.status for answer in answers] == [202, 409, 409]
    assert momo(other) == (409, "RESOURCE_ALREADY_EXIST")
    [entry] = caller.ledger()
    assert (
        entry
        | {
            "reference": reference,
            "operation": "transfer",
            "payee": "46733123499",
            "amount": "12.5",
            "currency": "EUR",
            "external_id": "po_abc",
            "state": "SUCCESSFUL",
            "reason": None,
            "posts": 4,
            "credits": 1,
        }
        == entry
    )


def test_ledger_would_show_a_hole_in_the_duplicate_check(
    caller: GatewayCaller, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger counts money that left, it does not assume that the check works."""
    monkeypatch.setattr(caller.gateway.books, "find", lambda _: None)
    for _ in range(2):
        assert caller.post(reference).status == 202

    [entry] = caller.ledger()
    assert (entry["posts"], entry["credits"]) == (2, 2)


def test_reference_of_a_failed_payment_stays_used(caller: GatewayCaller, reference: str) -> None:
    caller.pay("46733123457", reference)

    assert caller.post(reference).status == 409


@pytest.mark.parametrize(
    "reference",
    ["", "x", str(uuid.UUID(int=7, version=1)), str(uuid.UUID(int=7)), uuid.UUID(int=7, version=4).hex],
)
def test_reference_must_be_a_version_4_uuid(caller: GatewayCaller, reference: str) -> None:
    answer = caller.post(headers={"X-Reference-Id": reference})

    assert (answer.status, answer.body) == (400, b"")
    assert caller.ledger() == []


def test_status_read_needs_a_uuid_of_any_version(caller: GatewayCaller) -> None:
    assert caller.get("x").status == 400
    assert momo(caller.get(str(uuid.uuid1()))) == (404, "RESOURCE_NOT_FOUND")


BAD_BODIES: list[Any] = [
    b"",
    b"{",
    b"[" * 100_000,
    [],
    {},
    FINE | {"amount": 12.5},
    FINE | {"amount": "12,5"},
    FINE | {"amount": "0"},
    FINE | {"amount": "-1"},
    FINE | {"amount": "1.001"},
    FINE | {"payee": None},
    FINE | {"payee": {"partyIdType": "MSISDN", "partyId": "4673312349x"}},
    FINE | {"payee": {"partyIdType": "FAX", "partyId": "46733123499"}},
    FINE | {"payerMessage": "d'été"},
    FINE | {"payeeNote": "it's"},
    FINE | {"payeeNote": None},
    FINE | {"payeeNote": "x" * 161},
    FINE | {"externalId": 7},
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_invalid_body_is_a_400_and_nothing_is_paid(caller: GatewayCaller, body: Any) -> None:
    assert caller.post(body=body).status == 400
    assert caller.ledger() == []


@pytest.mark.parametrize("payee", [{}, {"partyIdType": "", "partyId": ""}])
def test_payee_without_fields_is_a_500(caller: GatewayCaller, payee: dict[str, str]) -> None:
    assert momo(caller.post(body={"payee": payee})) == (500, "INTERNAL_PROCESSING_ERROR")


@pytest.mark.parametrize(
    ("target", "currency", "status"),
    [("sandbox", "UGX", 500), ("mtnuganda", "EUR", 500), ("sandbox", "EUR", 202), ("mtnuganda", "UGX", 202)],
)
def test_target_pays_in_its_own_currency(target: str, currency: str, status: int) -> None:
    answer = GatewayCaller(target).post(amount="25000", currency=currency)

    assert answer.status == status
    assert status == 202 or momo(answer) == (500, "INVALID_CURRENCY")


def test_shillings_with_decimals_are_refused() -> None:
    assert GatewayCaller("mtnuganda").post(amount="25000.5", currency="UGX").status == 400


@pytest.mark.parametrize("target", ["", "Sandbox", "mtnuganda"])
def test_request_for_another_target_is_forbidden(caller: GatewayCaller, reference: str, target: str) -> None:
    wrong = {"X-Target-Environment": target}

    assert momo(caller.post(headers=wrong)) == (500, "NOT_ALLOWED_TARGET_ENVIRONMENT")
    assert momo(caller.get(reference, **wrong)) == (500, "NOT_ALLOWED_TARGET_ENVIRONMENT")


def test_payment_is_hidden_from_another_api_user(caller: GatewayCaller, reference: str) -> None:
    caller.post(reference)
    other = Credentials.new()
    caller.gateway.door.admit(other)
    token = json.loads(caller.token(other.api_user, other.api_key).body)["access_token"]

    assert momo(caller.get(reference, Authorization=f"Bearer {token}")) == (404, "RESOURCE_NOT_FOUND")
    assert caller.get(reference).status == 200


def test_switches_cover_what_sources_disagree_about(reference: str) -> None:
    caller = GatewayCaller(reason_shape="object", login_refusal=401, bad_request="validation_error", delayed_s=0)
    caller.pay("46733123455", reference)

    fields = {"code": "NOT_ENOUGH_FUNDS", "message": "The payer does not have enough funds."}
    assert caller.status(reference)["reason"] == fields
    assert (caller.token(key="x").status, caller.token(key="x").body) == (401, b'{"error":"login failed"}')
    assert momo(caller.post(body={})) == (400, "VALIDATION_ERROR")
    caller.pay("46733123454", later := str(uuid.uuid4()))
    assert caller.status(later)["status"] == "SUCCESSFUL"


@pytest.mark.parametrize(
    ("sent", "echoed"), [("12.50", "12.5"), ("6.0", "6"), ("1000", "1000"), ("0.10", "0.1"), ("007.00", "7")]
)
def test_amounts_are_echoed_without_trailing_zeros(sent: str, echoed: str) -> None:
    assert amount_text(sent) == echoed
