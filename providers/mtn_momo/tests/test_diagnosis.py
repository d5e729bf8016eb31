"""What is wrong with an account is said before money finds out, and finding out moves none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from payments_core.engine.flow import Command, Reply
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.provider import Finding
from payments_mtn_momo import MtnMomoProvider, MtnMomoSettings
from payments_mtn_momo.diagnosis import PROBE
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.holders import FLAPPING
from payments_mtn_momo.emulator.tokens import Credentials

if TYPE_CHECKING:
    from providers.mtn_momo.tests.conftest import Asking

Ask = Callable[..., "Asking"]
MakeSettings = Callable[..., MtnMomoSettings]
HOST = "pay.example.org"
CALLBACKS = f'callback_url = "http://{HOST}/momo"'


def found(client: Asking, emulator: MtnMomoEmulator) -> dict[str, Finding]:
    """Diagnose, and see that nothing was paid."""
    findings = {finding.what: finding for finding in client.diagnose()}
    assert emulator.ledger() == []
    assert emulator.ledger() == []
    return findings


def levels(findings: Mapping[str, Finding]) -> dict[str, str]:
    return {what: finding.level for what, finding in findings.items()}


@pytest.fixture(params=["legacy", "momo_africa"])
def live(request: pytest.FixtureRequest) -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator(target="mtnuganda", platform=request.param, callback_host=HOST) as emulator:
        yield emulator


# --- everything well -----------------------------------------------------------------------------------------------


def test_sandbox_account_without_faults_is_well(ask: Ask) -> None:
    with MtnMomoEmulator(callback_host=HOST) as emulator:
        findings = found(ask(emulator, CALLBACKS), emulator)

    assert levels(findings) == dict.fromkeys(
        ("platform", "target environment", "callback host", "permission to pay"), "ok"
    )
    assert (
        findings["target environment"].says == "sandbox knows the account, and its balance is in EUR, as it should be"
    )
    assert findings["callback host"].says == f"registered is {HOST}"


def test_live_account_without_faults_is_well(ask: Ask, live: MtnMomoEmulator) -> None:
    """What cannot be read there, the registered callback host, is said and not passed over."""
    plain, calling = found(ask(live), live), found(ask(live, CALLBACKS), live)

    assert levels(plain) == dict.fromkeys(("platform", "target environment", "permission to pay"), "ok")
    assert plain["platform"].says == f"{live.platform} at {live.url.removeprefix('http://')}"
    other = "momoapi.momo.africa" if live.platform == "legacy" else "proxy.momoapi.mtn.com"
    assert other in plain["platform"].hint
    assert calling["callback host"].level == "note"
    assert HOST in calling["callback host"].says
    assert "cannot be read" in calling["callback host"].says


# --- target environment and currency -------------------------------------------------------------------------------


def test_sandbox_balance_that_flaps_is_no_finding(ask: Ask) -> None:
    with MtnMomoEmulator(balance="flapping") as emulator:
        client = ask(emulator)
        seen = {outcome: found(client, emulator)["target environment"] for outcome in FLAPPING}

    assert levels(seen) == dict.fromkeys(FLAPPING, "note") | dict.fromkeys(("zero", "negative", "success"), "ok")
    elsewhere = seen["not_allowed_target_environment"]
    assert "as it likes" in elsewhere.hint
    assert "another product's subscription key" in elsewhere.hint
    assert "another product" not in seen["not_allowed"].hint


@pytest.mark.parametrize(
    ("outcome", "level", "says"),
    [
        ("not_allowed", "wrong", "no permission"),
        ("not_allowed_target_environment", "wrong", "may not use this target environment"),
        ("internal_processing_error", "note", "HTTP 500 INTERNAL_PROCESSING_ERROR"),
        ("service_unavailable", "note", "HTTP 503 SERVICE_UNAVAILABLE"),
        ("account_not_found", "note", "HTTP 404 RESOURCE_NOT_FOUND"),
    ],
)
def test_live_balance_that_is_refused_is_a_finding(ask: Ask, outcome: str, level: str, says: str) -> None:
    with MtnMomoEmulator(target="mtnuganda", balance=outcome) as emulator:
        finding = found(ask(emulator), emulator)["target environment"]

    assert (finding.level, says in finding.says) == (level, True)
    assert finding.hint


def test_user_of_another_product_is_found_by_the_write(ask: Ask) -> None:
    """The balance says it at random in the sandbox; a payment's refusal does not."""
    with MtnMomoEmulator(other_products_keys=("collections",)) as emulator:
        door = emulator._gateway.gateway.door
        user = emulator.credentials.api_user
        client = ask(emulator)
        door.users[user] = type(door.users[user])(key=emulator.credentials.api_key, belongs=False)
        findings = found(client, emulator)

    assert levels(findings)["target environment"] == "note"
    assert levels(findings)["permission to pay"] == "wrong"
    assert "Disbursements subscription key" in findings["permission to pay"].hint


def test_wallet_of_another_currency_is_a_finding(make_settings: MakeSettings, at: datetime) -> None:
    """Liberia has two: a payment in the other one would be refused."""
    liberia = make_settings(target_environment="mtnliberia")

    finding = flow(liberia, at, balance=(200, {"availableBalance": "5", "currency": "USD"}))["target environment"]

    assert (finding.level, finding.says) == ("wrong", "the balance is in USD, and the account pays in LRD")


# --- where MTN may call back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registered", "line", "level"),
    [
        ("elsewhere.example.org", CALLBACKS, "wrong"),
        ("elsewhere.example.org", f'callback_host = "{HOST}"', "note"),
        ("elsewhere.example.org", "", "ok"),
        (f"https://{HOST}", CALLBACKS, "wrong"),  # stored as it was given, and matched so
        ("PAY.example.org", CALLBACKS, "ok"),
        ("", CALLBACKS, "note"),
        ("", "", "ok"),
    ],
)
def test_callback_host_other_than_the_registered_one_is_a_finding(
    ask: Ask, registered: str, line: str, level: str
) -> None:
    with MtnMomoEmulator(callback_host=registered) as emulator:
        finding = found(ask(emulator, *[line] if line else []), emulator)["callback host"]

    assert finding.level == level
    assert level != "wrong" or "payouts mtn_momo provision" in finding.hint


@pytest.mark.parametrize("fault", ["status_503", "status_429", "answer_lost_before_acceptance"])
def test_registered_host_that_cannot_be_read_is_no_finding(ask: Ask, emulator: MtnMomoEmulator, fault: str) -> None:
    client = ask(emulator, CALLBACKS)
    emulator.set_faults({fault: {"on": "get_api_user"}})

    assert found(client, emulator)["callback host"].level == "note"


# --- the permission to pay -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["empty", "validation_error"])
def test_write_probe_read_by_the_gateway_proves_permission(ask: Ask, shape: str) -> None:
    with MtnMomoEmulator(bad_request=shape) as emulator:
        client = ask(emulator)
        assert found(client, emulator)["permission to pay"].level == "ok"
        assert found(client, emulator)["permission to pay"].level == "ok"


@pytest.mark.parametrize(
    ("fault", "level", "says"),
    [
        ({"writes_forbidden": True}, "wrong", "does not let this account pay from here (HTTP 403)"),
        ({"waf_page": True}, "wrong", "does not let this account pay from here (HTTP 403)"),
        ({"status_500": {"code": "NOT_ALLOWED"}}, "wrong", "HTTP 500 NOT_ALLOWED"),
        ({"status_500": {"code": "NOT_ALLOWED_TARGET_ENVIRONMENT"}}, "wrong", "may not use this target environment"),
        ({"status_500": True}, "note", "is not known (HTTP 500 INTERNAL_PROCESSING_ERROR)"),
        ({"status_503": True}, "note", "is not known (HTTP 503 SERVICE_UNAVAILABLE)"),
        ({"status_429": True}, "note", "is not known (HTTP 429)"),
        ({"answer_lost_before_acceptance": True}, "note", "could not be asked for"),
        ({"token_refused": {"on": "transfer"}}, "note", "is not known (HTTP 401)"),
    ],
)
def test_write_probe_that_is_refused_is_a_finding(
    ask: Ask, live: MtnMomoEmulator, fault: dict[str, Any], level: str, says: str
) -> None:
    client = ask(live)
    client.balances()
    live.set_faults(fault)

    findings = found(client, live)

    assert levels(findings)["target environment"] == "ok"  # reads work all the same
    assert levels(findings)["permission to pay"] == level
    assert says in findings["permission to pay"].says
    assert findings["permission to pay"].hint


def test_diagnosis_says_what_to_ask_mtn(ask: Ask, live: MtnMomoEmulator) -> None:
    live.set_faults({"writes_forbidden": True})

    hint = found(ask(live), live)["permission to pay"].hint

    assert "public address" in hint
    assert "authorise the account for payments" in hint


def test_wrong_key_is_a_finding_and_hides_no_other(ask: Ask, emulator: MtnMomoEmulator) -> None:
    client = ask(emulator)
    emulator._gateway.gateway.door.new_key(emulator.credentials.api_user, ends_tokens=True)
    try:
        findings = found(client, emulator)
    finally:
        emulator._gateway.gateway.door.admit(emulator.credentials)

    assert levels(findings) == {
        "platform": "ok",
        "target environment": "wrong",
        "callback host": "ok",
        "permission to pay": "note",
    }
    assert "no credential" in findings["target environment"].says


# --- the flow alone: answers no emulator gives ---------------------------------------------------------------------


def flow(settings: MtnMomoSettings, at: datetime, **fields: Any) -> dict[str, Finding]:
    """Diagnose with given answers, by call: ``(status, body)``, or what is raised."""
    answers: dict[str, Any] = {
        "balance": (200, {"availableBalance": "5", "currency": settings.currency}),
        "get_api_user": (200, {"providerCallbackHost": HOST}),
        "permission_probe": (400, b""),
    } | fields

    def gateway(command: Command) -> Reply:
        assert isinstance(command, HttpRequest)
        result = answers[command.operation]
        if isinstance(result, Exception):
            raise result
        status, body = result
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return HttpResponse(status, {}, raw, at)

    return {finding.what: finding for finding in run_flow(MtnMomoProvider(settings).diagnose(), gateway)}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_write_probe_that_is_accepted_is_an_alarming_finding(
    make_settings: MakeSettings, at: datetime, status: int
) -> None:
    """It must never happen; if it does, it must not look like a good sign."""
    finding = flow(make_settings(), at, permission_probe=(status, b""))["permission to pay"]

    assert finding.level == "wrong"
    assert finding.says.startswith("MTN TOOK A PAYMENT")
    assert "pay nothing from it" in finding.hint


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ((400, {"code": "VALIDATION_ERROR", "message": "x"}), "ok"),
        ((400, {"message": "x"}), "ok"),
        ((400, b"<html>"), "note"),  # not MoMo's: nothing behind the gateway has looked at it
        ((400, {"statusCode": 400, "message": "x"}), "note"),
        ((401, {"statusCode": 401, "message": "Access denied due to invalid subscription key."}), "wrong"),
        ((404, {"statusCode": 404, "message": "Resource not found"}), "wrong"),
        ((404, {"code": "RESOURCE_NOT_FOUND", "message": "x"}), "note"),
        ((409, {"code": "RESOURCE_ALREADY_EXIST", "message": "x"}), "note"),
        ((302, b""), "note"),
        ((504, b"<html>"), "note"),
    ],
)
def test_write_probe_permission_needs_momo_s_own_refusal(
    make_settings: MakeSettings, at: datetime, answer: tuple[int, Any], level: str
) -> None:
    assert flow(make_settings(), at, permission_probe=answer)["permission to pay"].level == level


@pytest.mark.parametrize("body", [b"", b"<html>", {"availableBalance": "5"}, {"currency": "EUR"}])
def test_unreadable_balance_proves_nothing(make_settings: MakeSettings, at: datetime, body: object) -> None:
    finding = flow(make_settings(target_environment="mtnghana"), at, balance=(200, body))["target environment"]

    assert finding.level == "note"


def test_failed_lookup_hides_no_other_finding(make_settings: MakeSettings, at: datetime) -> None:
    lost = {name: NoAnswer("reset", at=at) for name in ("balance", "get_api_user")}

    findings = flow(make_settings(), at, **lost)

    assert levels(findings) == {
        "platform": "ok",
        "target environment": "wrong",
        "callback host": "note",
        "permission to pay": "ok",
    }


def test_diagnosis_shows_no_secret_that_the_gateway_repeats(
    make_settings: MakeSettings, at: datetime, held: Credentials
) -> None:
    """A refused login's words reach us in why nothing was sent."""
    repeats = NotSent(f"no credential: credentials ({held.api_key} {held.subscription_key})", at=at)
    echo = {"code": held.api_key, "message": held.subscription_key}
    lost = flow(make_settings(), at, **dict.fromkeys(("balance", "get_api_user", "permission_probe"), repeats))
    refused = flow(make_settings(), at, **dict.fromkeys(("balance", "get_api_user", "permission_probe"), (500, echo)))

    shown = repr([lost, refused])
    assert held.api_key not in shown
    assert held.subscription_key not in shown


def test_write_probe_cannot_pay(make_settings: MakeSettings, at: datetime) -> None:
    """No payee, no amount, no reference: it is a payment's address and nothing else of one."""
    carried: list[HttpRequest] = []

    def gateway(command: Command) -> Reply:
        assert isinstance(command, HttpRequest)
        carried.append(command)
        return HttpResponse(400, {}, b"", at)

    run_flow(
        MtnMomoProvider(make_settings(target_environment="mtnuganda", callback_url=f"https://{HOST}/x")).diagnose(),
        gateway,
    )

    [probe] = [one for one in carried if one.method == "POST"]
    assert probe.url == "https://proxy.momoapi.mtn.com/disbursement/v1_0/transfer"
    assert (probe.body, probe.headers["X-Reference-Id"]) == ("{}", PROBE)
    assert re.fullmatch(r"[0-9a-fA-F-]{36}", PROBE) is None
    assert "X-Callback-Url" not in probe.headers
    assert (probe.moves_money, probe.repeatable, probe.credential) == (False, False, True)
    assert [one.moves_money for one in carried] == [False] * len(carried)
