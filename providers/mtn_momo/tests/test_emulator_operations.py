"""Every call once over a real socket, on each platform, and what the emulator tells about it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from payments_core.domain.errors import SettingsError
from payments_core.settings import load
from payments_mtn_momo.api.requests import CIBA
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.requests import OPERATIONS
from payments_mtn_momo.targets import TARGETS

PRODUCT = "/disbursement"


class GatewayCaller(httpx.Client):
    """A caller with the emulator's credentials."""

    def __init__(self, emulator: MtnMomoEmulator, order: dict[str, Any]) -> None:
        super().__init__(base_url=emulator.url, timeout=5, trust_env=False)
        self.emulator, self.order, self.held = emulator, order, emulator.credentials
        self.headers.update(
            {
                "Ocp-Apim-Subscription-Key": self.held.subscription_key,
                "X-Target-Environment": emulator.target,
            }
        )
        self.basic = httpx.BasicAuth(self.held.api_user, self.held.api_key)
        self.responses: dict[str, httpx.Response] = {}

    def login(self) -> None:
        self.responses["token"] = self.post(f"{PRODUCT}/token/", auth=self.basic)
        self.headers["Authorization"] = f"Bearer {self.responses['token'].json()['access_token']}"

    def pay(self, operation: str, version: str) -> None:
        reference = str(uuid.uuid4())
        body = dict(self.order)
        if operation == "refund":
            del body["payee"]
            body["referenceIdToRefund"] = self.emulator.add_collection(
                amount="100000", currency=body["currency"], payer="46733123498"
            )
        name = operation if operation == "transfer" else f"{operation}_{version[:2]}"
        headers = {"X-Reference-Id": reference, "X-Callback-Url": "http://localhost:1/cb"}
        self.responses[name] = self.post(f"{PRODUCT}/{version}/{operation}", json=body, headers=headers)
        self.responses[f"{operation}_status"] = self.get(f"{PRODUCT}/v1_0/{operation}/{reference}")

    def consent(self) -> None:
        form = {"login_hint": "ID:46733123499/MSISDN", "scope": "all_info", "access_type": "offline"}
        asked = self.post(f"{PRODUCT}/v1_0/bc-authorize", data=form)
        grant = {"grant_type": CIBA, "auth_req_id": asked.json()["auth_req_id"]}
        token = self.post(f"{PRODUCT}/oauth2/token/", data=grant, auth=self.basic)
        bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
        known = self.get(f"{PRODUCT}/oauth2/v1_0/userinfo", headers=bearer)
        self.responses |= {"bc_authorize": asked, "oauth2_token": token, "user_info": known}

    def look(self) -> None:
        holder = f"{PRODUCT}/v1_0/accountholder/msisdn/46733123499"
        collected = self.emulator.add_collection(amount="5", currency=self.order["currency"], payer="46733123498")
        self.responses |= {
            "balance": self.get(f"{PRODUCT}/v1_0/account/balance"),
            "balance_in": self.get(f"{PRODUCT}/v1_0/account/balance/{self.order['currency']}"),
            "account_active": self.get(f"{holder}/active"),
            "basic_user_info": self.get(f"{holder}/basicuserinfo"),
            "delivery_notification": self.post(
                f"{PRODUCT}/v1_0/requesttopay/{collected}/deliverynotification",
                headers={"notificationMessage": "thank you", "Language": "en"},
                json={"notificationMessage": "thank you"},
            ),
        }

    def provision(self) -> None:
        user = str(uuid.uuid4())
        wanted = {"providerCallbackHost": "payouts.example.org"}
        self.responses |= {
            "create_api_user": self.post("/v1_0/apiuser", headers={"X-Reference-Id": user}, json=wanted),
            "create_api_key": self.post(f"/v1_0/apiuser/{user}/apikey"),
            "get_api_user": self.get(f"/v1_0/apiuser/{user}"),
        }


PLATFORMS = [("sandbox", "sandbox"), ("mtnuganda", "legacy"), ("mtnuganda", "momo_africa")]
ANSWERS = {
    **dict.fromkeys(("transfer", "deposit_v1", "deposit_v2", "refund_v1", "refund_v2"), 202),
    **dict.fromkeys(("create_api_user", "create_api_key"), 201),
}


@pytest.mark.parametrize(("target", "platform"), PLATFORMS, ids=[platform for _, platform in PLATFORMS])
def test_calls_of_every_operation_work_over_a_socket(target: str, platform: str) -> None:
    order = {
        "amount": "500",
        "currency": TARGETS[target].currency,
        "externalId": "po_1",
        "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"},
    }
    with MtnMomoEmulator(target=target, platform=platform) as emulator, GatewayCaller(emulator, order) as caller:
        caller.login()
        for operation, version in (
            ("transfer", "v1_0"),
            ("deposit", "v1_0"),
            ("deposit", "v2_0"),
            ("refund", "v1_0"),
            ("refund", "v2_0"),
        ):
            caller.pay(operation, version)
        caller.consent()
        caller.look()
        caller.provision()
        ledger, payments = emulator.ledger(), caller.get("/__emulator/ledger").json()["entries"]

    wanted = {name: ANSWERS.get(name, 200) for name in OPERATIONS}
    if platform != "sandbox":
        wanted |= dict.fromkeys(("create_api_user", "create_api_key", "get_api_user"), 404)
    assert {name: answer.status_code for name, answer in caller.responses.items()} == wanted
    assert [row["operation"] for row in ledger] == ["transfer", "deposit", "deposit", "refund", "refund"]
    assert [row["credits"] for row in ledger] == [1] * 5
    assert [row["payee"] for row in ledger[3:]] == ["46733123498"] * 2
    assert [one["callback_url"] for one in payments] == ["http://localhost:1/cb"] * 5
    assert payments[4]["order"]["referenceIdToRefund"]
    assert emulator.credentials.api_key not in json.dumps(payments)


@pytest.fixture
def steer(emulator: MtnMomoEmulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{emulator.url}/__emulator", trust_env=False) as client:
        yield client


def test_collection_is_declared_over_http(steer: httpx.Client, emulator: MtnMomoEmulator) -> None:
    fields = {"amount": "12.50", "currency": "EUR", "payer": "+46733123498"}
    made = steer.post("/collections", json=fields)
    wrong = steer.post("/collections", json=fields | {"state": "LOST"})

    assert made.status_code == 201
    known = emulator.gateway.collections[made.json()["reference"]]
    assert (known.amount, known.payer["partyId"], known.api_user) == (
        "12.50",
        "46733123498",
        emulator.credentials.api_user,
    )
    assert (wrong.status_code, "PENDING" in wrong.json()["error"]) == (400, True)
    assert steer.post("/collections", content=b"[]").status_code == 400


def test_emulator_describes_its_platform_switches_and_calls(steer: httpx.Client) -> None:
    fields = steer.get("/").json()

    assert (fields["platform"], fields["targets"]) == ("sandbox", ["sandbox"])
    assert fields["operations"] == list(OPERATIONS)
    assert fields["switches"]["delayed_s"] == 2
    assert "other_products_keys" not in fields["switches"]


def test_subscription_key_may_be_in_the_address(emulator: MtnMomoEmulator) -> None:
    with GatewayCaller(emulator, {}) as caller:
        caller.login()
        key = caller.headers.pop("Ocp-Apim-Subscription-Key")
        path = f"{PRODUCT}/v1_0/account/balance"
        assert caller.get(path).status_code == 401
        assert caller.get(path, params={"subscription-key": key}).status_code == 200


def test_fault_may_strike_one_call(steer: httpx.Client, emulator: MtnMomoEmulator) -> None:
    steer.post("/faults", json={"status_503": {"on": "balance"}, "token_refused": {"on": "basic_user_info"}})
    with GatewayCaller(emulator, {}) as caller:
        caller.login()
        assert caller.get(f"{PRODUCT}/v1_0/account/balance").status_code == 503
        assert caller.get(f"{PRODUCT}/v1_0/account/balance/EUR").status_code == 200
        assert caller.get(f"{PRODUCT}/v1_0/accountholder/msisdn/46733123499/basicuserinfo").status_code == 401


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"platform": "moon"}, "no platform 'moon'"),
        ({"platform": "legacy"}, "sandbox is not served by the platform legacy"),
        ({"target": "mtnuganda", "platform": "sandbox"}, "mtnuganda is not served by the platform sandbox"),
        ({"reason_shape": "list"}, "reason_shape must be one of"),
    ],
)
def test_emulator_with_invalid_arguments_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=r"no platform|not served|must be") as caught:
        MtnMomoEmulator(**given)
    assert says in str(caught.value)


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "sandbox"])
def test_target_has_a_configuration(tmp_path: Path, target: str) -> None:
    emulator = MtnMomoEmulator(9400, target=target)
    [name] = emulator.write_config(tmp_path / "payouts.toml")

    account = load(tmp_path / "payouts.toml").accounts[name]
    assert name == target.replace("mtn", "mtn-")
    assert (account["target_environment"], account["base_url"]) == (target, "http://127.0.0.1:9400")
    assert "platform" not in account  # its own


def test_configuration_of_a_moved_target_has_its_platform(tmp_path: Path) -> None:
    path = tmp_path / "payouts.toml"
    emulator = MtnMomoEmulator(9400, target="mtnuganda", platform="momo_africa")
    emulator.write_config(path)

    account = load(path).accounts["mtn-uganda"]
    assert (account["platform"], account["api_user"]) == ("momo_africa", emulator.credentials.api_user)
    again = MtnMomoEmulator(9400, target="mtnuganda", platform="momo_africa")
    again.write_config(path)
    assert again.credentials == emulator.credentials
    with pytest.raises(SettingsError, match="another platform"):
        MtnMomoEmulator(9400, target="mtnuganda").write_config(path)


def test_reference_used_by_both_versions_at_once_is_paid_once(emulator: MtnMomoEmulator) -> None:
    """One reference on two addresses and three operations: one is taken."""
    order = {"amount": "5", "currency": "EUR", "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"}}
    refund = {"amount": "5", "currency": "EUR", "referenceIdToRefund": str(uuid.uuid4())}
    ways = [("v1_0/transfer", order), ("v1_0/deposit", order), ("v2_0/deposit", order), ("v2_0/refund", refund)]
    reference, together = str(uuid.uuid4()), threading.Barrier(len(ways))
    callers = [GatewayCaller(emulator, order) for _ in ways]
    callers[0].login()

    def pay(caller: GatewayCaller, way: tuple[str, dict[str, Any]]) -> int:
        headers = {"X-Reference-Id": reference, "Authorization": callers[0].headers["Authorization"]}
        together.wait(10)
        return caller.post(f"{PRODUCT}/{way[0]}", json=way[1], headers=headers).status_code

    with ThreadPoolExecutor(len(ways)) as pool:
        answers = list(pool.map(pay, callers, ways))
    for caller in callers:
        caller.close()

    assert sorted(answers) == [202, 409, 409, 409]
    [row] = [row for row in emulator.ledger() if row["reference"] == reference]
    assert (row["posts"], row["credits"]) == (4, 1)
