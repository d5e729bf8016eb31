"""What the platforms and the sandbox's provisioning have of their own, and the switches of token and gate."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from payments_core.testing.emulator.fault_injection import FaultInjector
from payments_mtn_momo.api.operations import OPERATIONS as CALLS
from payments_mtn_momo.emulator.gateway import Gateway
from payments_mtn_momo.emulator.requests import OPERATIONS, Request
from payments_mtn_momo.emulator.switches import Switches
from payments_mtn_momo.emulator.tokens import Credentials

BODY = {"amount": "1", "currency": "UGX", "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"}}


@pytest.fixture
def moved(make_caller: Callable[..., Any]) -> Any:
    return make_caller("mtnuganda", "momo_africa")


def test_operations_are_all_emulated(caller: Any) -> None:
    """The two tables are written apart, from the same sources; here they meet."""
    assert tuple(CALLS) == OPERATIONS
    for name, row in CALLS.items():
        path = row.path.format_map(dict.fromkeys(("reference", "currency", "account_type", "account", "api_user"), "x"))
        assert Request(row.method, path, {}, b"", caller.at).operation == name


def test_new_platform_credentials_are_opaque() -> None:
    held = Credentials.new("momo_africa")

    assert held.api_user.endswith("=")
    assert base64.b64decode(held.api_user, validate=True)
    assert set("%+:=") <= set(held.api_key)
    assert held.api_key not in repr(held)


@pytest.mark.parametrize("target", [None, "", "sandbox", "mtnghana"])
def test_new_platform_token_call_needs_the_target(moved: Any, target: str | None) -> None:
    answer = moved.token(x_target_environment=target)

    assert (answer.status, answer.body) == (400, b'{"error":"Invalid or missing X-Target-Environment header"}')


@pytest.mark.parametrize(("name", "platform"), [("mtnuganda", "legacy"), ("sandbox", "sandbox")])
def test_token_call_elsewhere_needs_no_target(make_caller: Callable[..., Any], name: str, platform: str) -> None:
    assert make_caller(name, platform).token(x_target_environment=None).status == 200


def test_new_platform_wrong_pair_is_invalid_client(moved: Any) -> None:
    pair = base64.b64encode(b"x:y").decode()
    answer = moved.token(authorization=f"Basic {pair}")

    assert (answer.status, answer.body) == (401, b'{"error":"invalid_client"}')


def test_new_platform_url_encoded_pair_is_a_500(moved: Any, caller: Any) -> None:
    """And harmless elsewhere, where nothing in it would be encoded."""
    for who, expected in ((moved, 500), (caller, 200)):
        pair = f"{quote(who.held.api_user, safe='')}:{quote(who.held.api_key, safe='')}"
        answer = who.token(authorization=f"Basic {base64.b64encode(pair.encode()).decode()}")
        assert answer.status == expected
        assert expected == 200 or json.loads(answer.body)["message"] == "Internal server error"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/disbursement/token/"), ("GET", "/disbursement/x"), ("GET", "/")]
)
def test_new_platform_blocks_the_python_requests_agent(moved: Any, caller: Any, method: str, path: str) -> None:
    answer = moved.ask(method, path, user_agent="python-requests/2.32.3")

    assert answer.status == 403
    assert b"Microsoft-Azure-Application-Gateway" in answer.body
    assert caller.ask(method, path, user_agent="python-requests/2.32.3").status != 403


def test_bodies_and_answers_are_the_same_on_both_platforms(moved: Any, reference: str) -> None:
    assert moved.post("/v1_0/transfer", BODY, reference).status == 202
    assert json.loads(moved.get(f"/v1_0/transfer/{reference}").body)["status"] == "SUCCESSFUL"
    assert json.loads(moved.post("/v1_0/transfer", {}).body)["code"] == "VALIDATION_ERROR"


def test_payment_is_read_on_the_platform_that_accepted_it(
    make_caller: Callable[..., Any], moved: Any, reference: str
) -> None:
    old = make_caller("mtnuganda", "legacy")
    old.post("/v1_0/transfer", BODY, reference)

    assert old.get(f"/v1_0/transfer/{reference}").status == 200
    assert moved.get(f"/v1_0/transfer/{reference}").status == 404
    assert moved.post("/v1_0/transfer", BODY, reference).status == 202  # it cannot know


def test_token_delay_follows_the_platform(moved: Any) -> None:
    unruly = FaultInjector(Gateway(moved.held, targets=["mtnuganda"], platform="momo_africa"))
    unruly.set_faults({"token_slow_s": 15}, moved.at)
    headers = {
        "Authorization": moved.basic,
        "Ocp-Apim-Subscription-Key": moved.held.subscription_key,
        "X-Target-Environment": "mtnuganda",
    }

    assert unruly.exchange("POST", "/disbursement/token/", headers, b"", moved.at).after_s == 15
    assert unruly.exchange("GET", "/disbursement/x", headers, b"", moved.at).after_s == 0


# --- the gate ----------------------------------------------------------------------------------------------------


def test_double_slashes_are_a_400(caller: Any) -> None:
    assert caller.get("///v1_0/account/balance").status == 400


def test_post_without_a_length_may_be_refused(make_caller: Callable[..., Any]) -> None:
    caller = make_caller()
    caller.gateway.switches = Switches(length_required=True)

    assert caller.token().status == 411
    assert caller.token(content_length="0").status == 200


# --- provisioning ------------------------------------------------------------------------------------------------


def provisioned(caller: Any, host: str = "payouts.example.org", **changed: str) -> Credentials:
    reference = str(uuid.uuid4())
    named = {"authorization": None, "x_target_environment": None} | changed
    made = caller.post("/v1_0/apiuser", {"providerCallbackHost": host}, reference, **named)
    assert (made.status, made.body) == (201, b"")
    key = json.loads(caller.post(f"/v1_0/apiuser/{reference}/apikey", b"", **named).body)["apiKey"]
    return Credentials(reference, key, caller.held.subscription_key)


def test_provisioned_user_pays_and_is_called_back_at_its_host(caller: Any, reference: str) -> None:
    caller.login(provisioned(caller))
    body = BODY | {"currency": "EUR"}

    assert len(caller.held.api_key) == 32
    assert caller.post("/v1_0/transfer", body, x_callback_url="http://other.example.org/").status == 500
    taken = caller.post("/v1_0/transfer", body, reference, x_callback_url="http://payouts.example.org/cb")
    assert taken.status == 202
    assert caller.get(f"/v1_0/transfer/{reference}").status == 200


@pytest.mark.parametrize("host", ["payouts.example.org", "https://payouts.example.org/cb?x=1", " odd host "])
def test_provisioned_host_is_kept_as_given(caller: Any, host: str) -> None:
    user = provisioned(caller, host).api_user
    fields = json.loads(caller.ask("GET", f"/v1_0/apiuser/{user}").body)

    assert fields == {"providerCallbackHost": host, "targetEnvironment": "sandbox"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"providerCallbackHost=x", 403),
        (b"{", 403),
        (b"", 400),
        (b"{}", 400),
        (b"[]", 400),
        (b'{"providerCallbackHost":""}', 400),
        (b'{"providerCallbackHost":7}', 400),
    ],
)
def test_provisioning_with_an_invalid_body_is_refused(caller: Any, body: bytes, expected: int) -> None:
    """What is no JSON does not get past the firewall."""
    answer = caller.post("/v1_0/apiuser", body)

    assert answer.status == expected
    assert (b"<html>" in answer.body) is (expected == 403)


def test_provisioned_user_ids_are_uuids_and_used_once(caller: Any) -> None:
    user = provisioned(caller).api_user
    again = caller.post("/v1_0/apiuser", {"providerCallbackHost": "x"}, user)

    assert (again.status, json.loads(again.body)["code"]) == (409, "RESOURCE_ALREADY_EXIST")
    assert caller.post("/v1_0/apiuser", {"providerCallbackHost": "x"}, "x").status == 400
    assert caller.post("/v1_0/apiuser/x/apikey", b"").status == 400
    unknown = caller.post(f"/v1_0/apiuser/{uuid.uuid4()}/apikey", b"")
    assert (unknown.status, json.loads(unknown.body)["code"]) == (404, "RESOURCE_NOT_FOUND")
    assert caller.ask("GET", f"/v1_0/apiuser/{uuid.uuid4()}").status == 404
    assert caller.ask("GET", "/v1_0/apiuser/x").status == 400


def test_provisioning_needs_a_subscription_key_and_the_sandbox(caller: Any, make_caller: Callable[..., Any]) -> None:
    wanted = {"providerCallbackHost": "x"}

    assert caller.post("/v1_0/apiuser", wanted, ocp_apim_subscription_key=None).status == 401
    assert caller.post("/v1_0/apiuser", wanted, ocp_apim_subscription_key="x").status == 401
    assert make_caller("mtnuganda").post("/v1_0/apiuser", wanted).status == 404


def test_provisioned_key_replaces_the_earlier_one(make_caller: Callable[..., Any]) -> None:
    """What it does to tokens is a switch: one page says that they end."""
    for switch, expected in ((False, 200), (True, 401)):
        caller = make_caller(new_key_ends_tokens=switch)
        caller.login(provisioned(caller))
        caller.post(f"/v1_0/apiuser/{caller.held.api_user}/apikey", b"")
        assert caller.get("/v1_0/account/balance").status == expected
        assert caller.token().status == 500


def test_user_without_a_key_gets_no_token(caller: Any, reference: str) -> None:
    caller.post("/v1_0/apiuser", {"providerCallbackHost": "x"}, reference)
    pair = base64.b64encode(f"{reference}:".encode()).decode()

    assert caller.token(authorization=f"Basic {pair}").status == 500


def test_provisioned_user_may_appear_late(make_caller: Callable[..., Any], reference: str) -> None:
    caller = make_caller(user_appears_s=2)
    caller.post("/v1_0/apiuser", {"providerCallbackHost": "x"}, reference)
    assert caller.post(f"/v1_0/apiuser/{reference}/apikey", b"").status == 404
    caller.at += timedelta(seconds=2)
    assert caller.post(f"/v1_0/apiuser/{reference}/apikey", b"").status == 201
    fields = json.loads(caller.ask("GET", f"/v1_0/apiuser/{reference}").body)
    assert list(fields) == ["providerCallbackHost", "targetEnvironment"]


@pytest.mark.parametrize(("scoping", "expected"), [(True, 500), (False, 200)])
def test_user_of_another_product_gets_a_token_and_nothing_else(
    make_caller: Callable[..., Any], scoping: bool, expected: int
) -> None:
    other = uuid.uuid4().hex
    caller = make_caller(other_products_keys=(other,), product_scoping=scoping)
    caller.login(provisioned(caller, ocp_apim_subscription_key=other))
    answer = caller.get("/v1_0/account/balance")

    assert answer.status == expected
    assert expected == 200 or json.loads(answer.body)["code"] == "NOT_ALLOWED_TARGET_ENVIRONMENT"
    assert caller.get("/v1_0/account/balance", ocp_apim_subscription_key=other).status == 401


# --- switches ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("reason_shape", "object", "object"),
        ("login_refusal", "401", 401),
        ("delayed_s", "2", 2),
        ("delayed_s", "none", None),
        ("delayed_s", "0.5", 0.5),
        ("other_products_keys", "a", ("a",)),
        ("other_products_keys", "a, b", ("a", "b")),
        ("product_scoping", "false", False),
        ("available_balance", "35.83", "35.83"),
        ("reads_per_s", "60", 60),
    ],
)
def test_switch_is_read_from_text(name: str, text: str, value: Any) -> None:
    read = Switches.read({name: text})

    assert read == {name: value}
    assert getattr(Switches(**read), name) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("reason_shape", "list", "reason_shape must be one of string, object, not 'list'"),
        ("login_refusal", "404", "one of 500, 401"),
        ("delayed_s", "-1", "a number from 0 to 1000000000 or none"),
        ("product_scoping", "maybe", "true or false"),
        ("reads_per_s", "1.5", "a whole number"),
        ("reasons", "x", "unknown switches: reasons; there are: delayed_s, "),
    ],
)
def test_unknown_switch_is_refused_with_the_names(name: str, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"must be|unknown") as caught:
        Switches.read({name: text})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"reason_shape": "list"}, {"reads_per_s": True}, {"delayed_s": float("nan")}, {"login_refusal": "401"}]
)
def test_switch_given_in_code_is_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Switches(**wrong)
