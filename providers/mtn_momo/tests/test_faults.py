"""Faults are set by name and form, strike where they are set, and are the same for the same seed."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments_core.testing.emulator.fault_injection import FaultInjector, Outcome
from payments_core.testing.emulator.faults import FAULTS, BadFaults, Faults
from payments_mtn_momo.emulator.gateway import TOKEN_PATH, TRANSFER_PATH, Gateway
from payments_mtn_momo.emulator.tokens import Credentials

NAMES = [
    "answer_lost_after_acceptance",
    "answer_lost_before_acceptance",
    "reset_mid_body",
    "slow_s",
    "status_429",
    "status_503",
    "status_500",
    "waf_page",
    "invisible_s",
    "stuck_pending",
    "token_slow_s",
    "token_refused",
    "writes_forbidden",
    "callback_lost",
    "callback_repeated",
    "callback_late_s",
    "callback_early",
    "callback_forged",
    "callback_for_another",
    "callback_malformed",
    "callback_contradicts",
    "outage_s",
]
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PAYEE = "46733123499"


class GatewayCaller:
    """A caller that pays through a gateway with faults."""

    def __init__(self, **faults: Any) -> None:
        self.held = Credentials.new()
        self.unruly = FaultInjector(Gateway(self.held))
        self.at = START
        self.token = ""
        self.login()
        self.unruly.set_faults(faults, START)

    def _headers(self, **more: str) -> dict[str, str]:
        known = {"Ocp-Apim-Subscription-Key": self.held.subscription_key, "X-Target-Environment": "sandbox"}
        return known | {"Authorization": f"Bearer {self.token}"} | more

    def login(self) -> Outcome:
        pair = base64.b64encode(f"{self.held.api_user}:{self.held.api_key}".encode()).decode()
        headers = self._headers(Authorization=f"Basic {pair}")
        outcome = self.unruly.exchange("POST", TOKEN_PATH, headers, b"", self.at)
        if outcome.answer is not None and outcome.answer.status == 200:
            self.token = json.loads(outcome.answer.body)["access_token"]
        return outcome

    def post(self, payee: str = PAYEE, reference: str = "") -> Outcome:
        body = {"amount": "5", "currency": "EUR", "payee": {"partyIdType": "MSISDN", "partyId": payee}}
        headers = self._headers(**{"X-Reference-Id": reference or str(uuid.uuid4())})
        return self.unruly.exchange("POST", TRANSFER_PATH, headers, json.dumps(body).encode(), self.at)

    def get(self, reference: str) -> Outcome:
        return self.unruly.exchange("GET", f"{TRANSFER_PATH}/{reference}", self._headers(), b"", self.at)

    @property
    def paid(self) -> int:
        return len(self.unruly.gateway.ledger(self.at))


def status(outcome: Outcome) -> int:
    assert outcome.answer is not None
    return outcome.answer.status


def test_fault_names_are_the_documented_ones() -> None:
    assert list(FAULTS) == NAMES


def test_answer_lost_after_acceptance_is_executed() -> None:
    caller = GatewayCaller(answer_lost_after_acceptance=True)
    outcome = caller.post()

    assert (outcome.arrives, caller.paid) == ("nothing", 1)


def test_answer_lost_before_acceptance_is_counted_and_not_executed() -> None:
    caller = GatewayCaller(answer_lost_before_acceptance={"next": 1})
    reference = str(uuid.uuid4())
    outcome = caller.post(reference=reference)

    assert (outcome.arrives, outcome.answer, caller.paid) == ("nothing", None, 0)
    assert status(caller.post(reference=reference)) == 202
    assert caller.unruly.gateway.ledger(START)[0]["posts"] == 2


def test_answer_cut_in_the_middle_is_executed() -> None:
    caller = GatewayCaller(reset_mid_body=True)

    assert (caller.post().arrives, caller.paid) == ("part", 1)


@pytest.mark.parametrize(
    ("faults", "expected", "paid"),
    [
        ({"status_429": True}, 429, 0),
        ({"status_503": True}, 503, 0),
        ({"status_500": True}, 500, 0),
        ({"status_503": {"accepted": True}}, 503, 1),
        ({"status_500": {"accepted": True}}, 500, 1),
        ({"waf_page": True}, 403, 0),
        ({"writes_forbidden": True}, 403, 0),
    ],
)
def test_refusal_pays_nothing_unless_configured_otherwise(faults: dict[str, Any], expected: int, paid: int) -> None:
    caller = GatewayCaller(**faults)

    assert status(caller.post()) == expected
    assert caller.paid == paid
    assert status(caller.get(str(uuid.uuid4()))) == 404  # reads are left alone


def test_status_429_says_when_to_come_back() -> None:
    outcome = GatewayCaller(status_429={"value": 1.5}).post()

    assert outcome.answer is not None
    assert outcome.answer.headers["retry-after"] == "2"
    assert b"Try again in 2 seconds." in outcome.answer.body


def test_status_500_has_the_configured_code() -> None:
    caller = GatewayCaller(status_500=[{"next": 1, "code": "NOT_ALLOWED"}, {"next": 1}])
    entries = [caller.post().answer for _ in range(2)]

    codes = [json.loads(answer.body)["code"] for answer in entries if answer is not None]
    assert codes == ["NOT_ALLOWED", "INTERNAL_PROCESSING_ERROR"]
    assert status(caller.post()) == 202


def test_firewall_answers_in_html() -> None:
    outcome = GatewayCaller(waf_page=True).post()

    assert outcome.answer is not None
    assert outcome.answer.headers["content-type"] == "text/html"
    assert b"Microsoft-Azure-Application-Gateway" in outcome.answer.body


def test_slow_answer_waits_after_the_work() -> None:
    caller = GatewayCaller(slow_s=5, token_slow_s=15)

    assert (caller.post().after_s, caller.paid) == (5.0, 1)
    assert caller.login().after_s == 15.0
    assert caller.get(str(uuid.uuid4())).after_s == 0.0


def test_invisible_payment_appears_later() -> None:
    caller = GatewayCaller(invisible_s=10)
    reference = str(uuid.uuid4())
    caller.post(reference=reference)

    caller.at = START + timedelta(seconds=9)
    assert status(caller.get(reference)) == 404
    assert status(caller.post(reference=reference)) == 409
    caller.at = START + timedelta(seconds=10)
    assert status(caller.get(reference)) == 200


def test_stuck_payment_stays_pending_and_is_not_credited() -> None:
    caller = GatewayCaller(stuck_pending={"next": 1})
    reference = str(uuid.uuid4())
    caller.post(reference=reference)
    caller.unruly.set_faults({}, START)

    caller.at += timedelta(seconds=3000)
    answer = caller.get(reference).answer
    assert answer is not None
    assert json.loads(answer.body)["status"] == "PENDING"
    assert caller.unruly.gateway.ledger(caller.at)[0]["credits"] == 0


def test_refused_token_stays_refused_until_a_new_one_is_fetched() -> None:
    caller = GatewayCaller(token_refused={"next": 1})

    assert [status(caller.post()), status(caller.post()), caller.paid] == [401, 401, 0]
    caller.login()
    assert status(caller.post()) == 202


def test_outage_resets_every_connection_for_its_time() -> None:
    caller = GatewayCaller(outage_s=20)

    caller.at = START + timedelta(seconds=19)
    assert [caller.login().arrives, caller.post().arrives, caller.get("x").arrives] == ["nothing"] * 3
    assert caller.paid == 0
    caller.at = START + timedelta(seconds=20)
    assert status(caller.post()) == 202


def test_fault_with_next_strikes_that_many_times() -> None:
    caller = GatewayCaller(status_503={"next": 3})

    assert [status(caller.post()) for _ in range(5)] == [503, 503, 503, 202, 202]


def test_fault_for_a_payee_strikes_no_other() -> None:
    caller = GatewayCaller(slow_s={"payee": f"+{PAYEE}", "value": 5}, status_503={"payee": "46733123498", "next": 1})

    assert caller.post().after_s == 5.0
    assert status(caller.post("46733123498")) == 503
    assert (status(caller.post("46733123498")), caller.post("46733123498").after_s) == (202, 0.0)


@pytest.mark.parametrize(
    ("on", "struck"), [("post", (503, 404, 200)), ("get", (202, 503, 200)), ("token", (202, 404, 503))]
)
def test_fault_strikes_the_requests_it_names(on: str, struck: tuple[int, int, int]) -> None:
    caller = GatewayCaller(status_503={"on": on})

    assert (status(caller.post()), status(caller.get(str(uuid.uuid4()))), status(caller.login())) == struck


def test_fault_for_a_payee_strikes_reads_of_its_payments() -> None:
    caller = GatewayCaller(status_503={"on": "get", "payee": PAYEE})
    ours, others = str(uuid.uuid4()), str(uuid.uuid4())
    caller.post(reference=ours)
    caller.post("46733123498", reference=others)

    assert (status(caller.get(ours)), status(caller.get(others))) == (503, 200)


def drawn(**faults: Any) -> list[str]:
    caller = GatewayCaller(**faults)
    return [caller.post().arrives for _ in range(200)]


def test_fault_probability_is_repeated_by_its_seed() -> None:
    first = drawn(seed=7, answer_lost_after_acceptance=0.2)

    assert 20 <= first.count("nothing") <= 60
    assert drawn(seed=7, answer_lost_after_acceptance=0.2) == first
    assert drawn(seed=8, answer_lost_after_acceptance=0.2) != first
    assert "nothing" not in drawn(answer_lost_after_acceptance=0)
    assert set(drawn(answer_lost_after_acceptance=1)) == {"nothing"}
    assert drawn(seed=7, answer_lost_after_acceptance={"p": 0.2}) == first


def test_fault_added_does_not_change_the_draws_of_another() -> None:
    alone = drawn(seed=7, answer_lost_after_acceptance=0.2)

    assert drawn(seed=7, answer_lost_after_acceptance=0.2, slow_s={"p": 0.5, "value": 1}) == alone


def test_fault_may_have_a_probability_and_a_value() -> None:
    caller = GatewayCaller(slow_s={"p": 0.3, "value": 5})
    waits = [caller.post().after_s for _ in range(200)]

    assert set(waits) == {0.0, 5.0}
    assert 30 <= waits.count(5.0) <= 90


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"anser_lost": 1}, "unknown faults: anser_lost; there are: answer_lost_after_acceptance, "),
    ({"status_503": 2}, "status_503: p must be a number from 0 to 1"),
    ({"status_503": -0.1}, "p must be"),
    ({"status_503": "often"}, "p must be"),
    ({"status_503": False}, "p must be"),
    ({"status_503": None}, "p must be"),
    ({"slow_s": -1}, "slow_s: value must be a number from 0 to 86400"),
    ({"slow_s": {"value": float("nan")}}, "value must be"),
    ({"status_503": {"next": 1.5}}, "next must be a whole number"),
    ({"status_503": {"next": -1}}, "next must be a whole number"),
    ({"status_503": {"code": "X"}}, "status_503 does not know code; it knows: accepted, next, on, p, payee"),
    ({"status_500": {"code": 7}}, "code must be text"),
    ({"status_500": {"accepted": 1}}, "accepted must be true or false"),
    ({"slow_s": {"on": "put"}}, "on must be one of post, get, token, any"),
    ({"slow_s": {"on": ["post"]}}, "on must be one of"),
    ({"outage_s": {"next": 1}}, "outage_s does not know next; it knows: value"),
    ({"slow_s": []}, "value must be"),
    ({"seed": "7"}, "seed must be a whole number"),
]


@pytest.mark.parametrize(("described", "says"), WRONG)
def test_invalid_fault_is_refused_with_what_is_right(described: dict[str, Any], says: str) -> None:
    caller = GatewayCaller(status_503=True)
    with pytest.raises(BadFaults) as caught:
        caller.unruly.set_faults(described, START)

    assert says in str(caught.value)
    assert status(caller.post()) == 503


@pytest.mark.parametrize("name", NAMES)
def test_fault_is_given_as_a_number_or_an_object(name: str) -> None:
    Faults.read({name: 1}, START)
    Faults.read({name: {}}, START)


def test_empty_faults_clear_all() -> None:
    caller = GatewayCaller(status_503=True, outage_s=100)
    caller.unruly.set_faults({}, START)

    assert status(caller.post()) == 202
