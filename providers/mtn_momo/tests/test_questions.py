"""Beside payments: balances, holders, names, consents. Only a clear answer is returned, else a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pytest

from payments_core.domain.errors import LookupFailed
from payments_core.domain.payout import Payee, ReasonCode
from payments_core.engine.flow import Command, Reply
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.provider import Balance, Consent, HolderStatus, LookupRefused, Person
from payments_mtn_momo import MtnMomoProvider, MtnMomoSettings
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.consent import CASES
from payments_mtn_momo.emulator.holders import ACTIVE, FLAPPING
from payments_mtn_momo.lookups import LookupsMixin
from payments_mtn_momo.targets import Platform

if TYPE_CHECKING:
    from providers.mtn_momo.tests.conftest import Asking

Ask = Callable[..., "Asking"]

GOOD = Payee.msisdn("+46733123499")


@pytest.fixture(params=get_args(Platform))
def anywhere(request: pytest.FixtureRequest) -> Iterator[MtnMomoEmulator]:
    target = "sandbox" if request.param == "sandbox" else "mtnuganda"
    with MtnMomoEmulator(target=target, platform=request.param, available_balance="35.83") as emulator:
        yield emulator


def refusal(call: Callable[[], object]) -> LookupFailed:
    with pytest.raises(LookupFailed) as caught:
        call()
    return caught.value


# --- on every platform ---------------------------------------------------------------------------------------------


def test_lookups_are_answered_on_every_platform(ask: Ask, anywhere: MtnMomoEmulator) -> None:
    client = ask(anywhere)
    currency = "EUR" if anywhere.platform == "sandbox" else "UGX"

    assert client.balances() == client.balances(currency=currency) == (Balance(Decimal("35.83"), currency),)
    assert client.account_holder(GOOD) is HolderStatus.ACTIVE
    person = client.name(GOOD)
    assert (person.full_name, person.given_name, person.family_name) == ("Sand Box", "Sand", "Box")
    assert person.details["birthdate"] == "1976-08-13"
    consent = client.ask_consent(GOOD, scopes=["all_info"])
    assert (consent.poll_every_s, consent.expires_in_s) == (5, 300)
    result = client.user_info(consent)
    assert result.full_name == "Sand Box"
    assert (result.details["occupation"], result.details["address"]["country"]) == ("Manager", "Sweden")
    assert "Box" not in f"{person!r}{result!r}"
    assert consent.request_id not in f"{consent!r}"
    assert anywhere.ledger() == []


def test_unknown_wallet_is_reported_as_the_platform_reports_it(ask: Ask, anywhere: MtnMomoEmulator) -> None:
    """The sandbox says 404 for it; in production a client measured that it is only not active."""
    found = ask(anywhere).account_holder(Payee.msisdn("+46733123450"))

    assert found is (HolderStatus.NOT_FOUND if anywhere.platform == "sandbox" else HolderStatus.NOT_ACTIVE)


# --- balances ------------------------------------------------------------------------------------------------------

BALANCES = {
    "zero": Decimal(0),
    "negative": Decimal(-25),
    "success": Decimal(1000),
    "account_not_found": ReasonCode.INVALID_REQUEST,
    "not_allowed": ReasonCode.NOT_PERMITTED,
    "not_allowed_target_environment": ReasonCode.MISCONFIGURED,
    "internal_processing_error": ReasonCode.PROVIDER_ERROR,
    "service_unavailable": ReasonCode.PROVIDER_UNAVAILABLE,
}


def test_flapping_balance_is_reported_or_refused_each_time(ask: Ask) -> None:
    """The sandbox gives one outcome after another: none of them is taken for another, and zero is a balance."""
    with MtnMomoEmulator(balance="flapping") as emulator:
        client = ask(emulator)
        seen: dict[str, object] = {}
        for outcome in FLAPPING:
            try:
                seen[outcome] = client.balances()[0].amount
            except LookupFailed as error:
                seen[outcome] = ReasonCode(error.reason)

    assert seen == BALANCES


def test_balance_in_another_currency_is_not_reported(ask: Ask, emulator: MtnMomoEmulator) -> None:
    client = ask(emulator)

    assert refusal(lambda: client.balances(currency="UGX")).reason == "misconfigured"
    nonsense = refusal(lambda: client.balances(currency="euro"))
    assert (nonsense.reason, "is not a currency" in nonsense.message) == ("invalid_request", True)


# --- account holders and names -------------------------------------------------------------------------------------

HOLDERS = {
    (404, "RESOURCE_NOT_FOUND"): HolderStatus.NOT_FOUND,
    (200, ""): HolderStatus.NOT_ACTIVE,
    (500, "NOT_ALLOWED"): ReasonCode.NOT_PERMITTED,
    (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"): ReasonCode.MISCONFIGURED,
    (500, "INTERNAL_PROCESSING_ERROR"): ReasonCode.PROVIDER_ERROR,
    (503, "SERVICE_UNAVAILABLE"): ReasonCode.PROVIDER_UNAVAILABLE,
}


def test_holders_of_the_portal_s_table_are_reported_as_it_says(ask: Ask, emulator: MtnMomoEmulator) -> None:
    """Numbers, e-mail addresses and party codes; an error says nothing about the payee."""
    client = ask(emulator)
    seen = {}
    for kind, holder in ACTIVE:
        try:
            seen[kind, holder] = client.account_holder(Payee(kind, holder))
        except LookupFailed as error:
            seen[kind, holder] = ReasonCode(error.reason)

    assert seen == {who: HOLDERS[outcome] for who, outcome in ACTIVE.items()}
    assert client.account_holder(Payee("email", "someone@example.org")) is HolderStatus.ACTIVE


def test_bare_true_is_a_holder_status(ask: Ask) -> None:
    with MtnMomoEmulator(active_shape="bare") as emulator:
        client = ask(emulator)

        assert client.account_holder(GOOD) is HolderStatus.ACTIVE
        assert client.account_holder(Payee.msisdn("+46733123451")) is HolderStatus.NOT_ACTIVE


def test_name_may_come_in_parts(ask: Ask) -> None:
    """The export's fields hold no whole name."""
    with MtnMomoEmulator(basic_user_info="spec") as emulator:
        person = ask(emulator).name(GOOD)

    assert (person.name, person.full_name, person.details["status"]) == ("", "Sand Box", "ACTIVE")


@pytest.mark.parametrize(
    "payee",
    [
        Payee("party_code", "no-uuid"),
        Payee.payer_of("a-collection"),
        Payee("alias", "x"),
        Payee("email", "x"),
        Payee("email", "a\x00@example.org"),
    ],
)
def test_lookup_of_an_unsupported_payee_is_not_sent(ask: Ask, emulator: MtnMomoEmulator, payee: Payee) -> None:
    client, before = ask(emulator), emulator.tokens_issued

    for call in (client.account_holder, client.name, lambda payee: client.ask_consent(payee, scopes=["profile"])):
        assert refusal(lambda call=call: call(payee)).reason == "invalid_request"  # type: ignore[misc]

    assert emulator.tokens_issued == before


# --- consents ------------------------------------------------------------------------------------------------------

# Scenario to reason, and when to ask again; ConsentExpiredRefreshToken shows only to those who refresh.
CONSENTS: Mapping[str, tuple[ReasonCode, float | None]] = {
    "AccountHolderNotFound": (ReasonCode.PAYEE_NOT_FOUND, None),
    "ConsentRejected": (ReasonCode.REJECTED, None),
    "ConsentPending": (ReasonCode.NO_FINAL_ANSWER, 5),
    "ConsentExpired": (ReasonCode.EXPIRED, None),
    "ConsentRevoked": (ReasonCode.NOT_PERMITTED, None),
    "ConsentDeletedScope": (ReasonCode.NOT_PERMITTED, None),
    "ConsentAlreadyUsed": (ReasonCode.INVALID_REQUEST, None),
    "FinancialNoFunds": (ReasonCode.INSUFFICIENT_FUNDS, None),
    "FinancialPayeeNotFound": (ReasonCode.PAYEE_NOT_FOUND, None),
    "FinancialConsentMismatch": (ReasonCode.NOT_PERMITTED, None),
    "FinancialPayerLimitReached": (ReasonCode.PAYER_LIMIT_REACHED, None),
    "FinancialPayeeNotAllowedToReceive": (ReasonCode.PAYEE_NOT_ALLOWED, None),
}


@pytest.mark.parametrize("errors", ["oauth", "momo"])
def test_consents_of_the_portal_s_table_end_as_it_says(ask: Ask, errors: str) -> None:
    """Whichever words MTN uses, a consent that waits is asked for again and one that is over is not."""
    with MtnMomoEmulator(consent_errors=errors) as emulator:
        client = ask(emulator)
        seen: dict[str, object] = {}
        for number, case in CASES.items():
            try:
                consent = client.ask_consent(Payee("msisdn", number), scopes=["profile"])
                seen[case.scenario] = client.user_info(consent)
            except LookupFailed as error:
                seen[case.scenario] = (ReasonCode(error.reason), error.retry_after_s)

    assert isinstance(seen.pop("ConsentExpiredRefreshToken"), Person)  # the consent itself is good
    assert seen == dict(CONSENTS)


def test_consent_is_waited_for_and_used_up(ask: Ask) -> None:
    with MtnMomoEmulator(consent_pending_s=60.0, consent_interval_s=7) as emulator:
        client = ask(emulator)
        consent = client.ask_consent(Payee("msisdn", "46733123452"), scopes=["profile", "all_info"])
        waiting = refusal(lambda: client.user_info(consent))
        emulator.advance(61)
        person = client.user_info(consent)
        again = refusal(lambda: client.user_info(consent))

    assert (waiting.reason, waiting.retry_after_s) == ("no_final_answer", 7)
    assert "authorization_pending: The account holder has not answered yet." in waiting.message
    assert person.details["employer_name"] == "Ericsson"
    assert (again.reason, again.retry_after_s) == ("invalid_request", None)


def test_consent_without_an_answer_expires(ask: Ask, emulator: MtnMomoEmulator) -> None:
    client = ask(emulator)
    consent = client.ask_consent(GOOD, scopes=["profile"])
    emulator.advance(301)

    assert refusal(lambda: client.user_info(consent)).reason == "expired"


def test_consent_scope_unknown_to_mtn_is_refused(ask: Ask, emulator: MtnMomoEmulator) -> None:
    client = ask(emulator)

    assert refusal(lambda: client.ask_consent(GOOD, scopes=["everything"])).reason == "provider_error"
    assert "profile and all_info" in refusal(lambda: client.ask_consent(GOOD, scopes=[])).message


def test_consent_with_an_invented_id_is_unknown(ask: Ask, emulator: MtnMomoEmulator) -> None:
    made_up = Consent(request_id="made-up & odd=", poll_every_s=5)

    found = refusal(lambda: ask(emulator).user_info(made_up))

    assert found.reason == "invalid_request"
    assert "made-up" not in str(found)


def test_platform_that_wants_the_pair_refuses_the_token(ask: Ask) -> None:
    """The export says Basic, MTN's libraries send Bearer: where only the pair counts, the reason is credentials."""
    with MtnMomoEmulator(bc_authorize_auth="basic") as emulator:
        client = ask(emulator)

        assert refusal(lambda: client.ask_consent(GOOD, scopes=["profile"])).reason == "credentials"


# --- refusals of us, and answers that say nothing ------------------------------------------------------------------


def questions(client: Asking) -> Mapping[str, Callable[[], object]]:
    return {
        "balances": lambda: client.balances(),
        "account_holder": lambda: client.account_holder(GOOD),
        "name": lambda: client.name(GOOD),
        "ask_consent": lambda: client.ask_consent(GOOD, scopes=["profile"]),
    }


@pytest.mark.parametrize(
    ("fault", "reason", "retry_after_s"),
    [
        ({"status_429": {"value": 7, "on": "any"}}, "provider_unavailable", 7),
        ({"status_503": {"on": "any"}}, "provider_unavailable", None),
        ({"status_500": {"on": "any"}}, "provider_error", None),
        ({"status_500": {"on": "any", "code": "NOT_ALLOWED"}}, "not_permitted", None),
        ({"waf_page": {"on": "any"}}, "not_permitted", None),
    ],
)
def test_lookup_without_an_answer_is_reported_with_its_reason(
    ask: Ask, emulator: MtnMomoEmulator, fault: dict[str, Any], reason: str, retry_after_s: float | None
) -> None:
    client = ask(emulator)
    client.balances()  # the token is had by now
    emulator.set_faults(fault)

    seen = {name: refusal(call) for name, call in questions(client).items()}

    assert {name: (error.reason, error.retry_after_s) for name, error in seen.items()} == dict.fromkeys(
        seen, (reason, retry_after_s)
    )


@pytest.mark.parametrize("fault", ["answer_lost_before_acceptance", "answer_lost_after_acceptance", "reset_mid_body"])
def test_lookup_with_a_lost_answer_fails(ask: Ask, emulator: MtnMomoEmulator, fault: str) -> None:
    client = ask(emulator)
    client.balances()
    emulator.set_faults({fault: {"on": "any"}})

    assert {refusal(call).reason for call in questions(client).values()} == {""}


def test_expired_token_is_renewed_for_reads(ask: Ask, emulator: MtnMomoEmulator) -> None:
    client = ask(emulator)
    before = client.balances()
    emulator.set_faults({"token_refused": {"next": 1}})

    assert client.balances() == before


def test_lookup_with_a_wrong_key_is_refused(ask: Ask, emulator: MtnMomoEmulator) -> None:
    client = ask(emulator)
    emulator.set_faults({"token_refused": {"on": "any"}})

    for call in questions(client).values():
        assert refusal(call).reason in {"credentials", ""}


# --- the flows alone: answers no emulator gives --------------------------------------------------------------------


def described(flow: Any, *answers: HttpResponse) -> Any:
    left = list(answers)
    return run_flow(flow, lambda _: left.pop(0))


def answer(at: datetime, body: object, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), at)


@pytest.fixture
def provider(make_settings: Callable[..., MtnMomoSettings]) -> MtnMomoProvider:
    return MtnMomoProvider(make_settings())


@pytest.mark.parametrize(
    "body", [{}, [], b"", b"<html>", {"availableBalance": "much", "currency": "EUR"}, {"availableBalance": "5"}]
)
def test_balance_without_amount_or_currency_is_not_reported(
    provider: MtnMomoProvider, at: datetime, body: object
) -> None:
    found = described(provider.balances(), answer(at, body))

    assert isinstance(found, LookupRefused)
    assert (found.reason.code, found.http_status) == (ReasonCode.UNRECOGNISED, 200)


def test_balance_may_be_a_number(provider: MtnMomoProvider, at: datetime) -> None:
    """An amount is exact however it is written; a currency that was asked for need not be repeated."""
    body = b'{"availableBalance":35.830000000000000001,"currency":"EUR"}'

    assert described(provider.balances(), answer(at, body)) == (Balance(Decimal("35.830000000000000001"), "EUR"),)
    assert described(provider.balances("EUR"), answer(at, {"availableBalance": 5})) == (Balance(Decimal(5), "EUR"),)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {}),
        (200, {"result": "perhaps"}),
        (200, {"result": None}),
        (200, b""),
        (202, {"result": True}),
        (404, b""),
        (404, {"statusCode": 404, "message": "Resource not found"}),
        (404, {"code": "SOMETHING_NEW"}),
        (500, {"code": "RESOURCE_NOT_FOUND"}),
    ],
)
def test_holder_status_is_never_guessed(provider: MtnMomoProvider, at: datetime, status: int, body: object) -> None:
    assert isinstance(described(provider.account_holder(GOOD), answer(at, body, status)), LookupRefused)


@pytest.mark.parametrize(("interval", "waits"), [(0, 5), (None, 5), (-3, 5), ("8", 8), ("soon", 5), (2.5, 2.5)])
def test_consent_is_never_polled_without_a_pause(
    provider: MtnMomoProvider, at: datetime, interval: object, waits: float
) -> None:
    body = {"auth_req_id": "a", "interval": interval, "expires_in": 0}

    found = described(provider.ask_consent(GOOD, ["profile"]), answer(at, body))

    assert isinstance(found, Consent)
    assert (found.request_id, found.poll_every_s, found.expires_in_s) == ("a", waits, None)


@pytest.mark.parametrize(
    ("status", "body", "code", "again_s"),
    [
        (400, {"error": "authorization_pending"}, ReasonCode.NO_FINAL_ANSWER, 3),
        (400, {"error": "slow_down"}, ReasonCode.NO_FINAL_ANSWER, 8),
        (503, b"", ReasonCode.PROVIDER_UNAVAILABLE, 3),
        (500, {"error": "login_failed"}, ReasonCode.CREDENTIALS, None),
        (401, {"error": "invalid_client"}, ReasonCode.CREDENTIALS, None),
        (400, {"error": "something_new"}, ReasonCode.INVALID_REQUEST, None),
        (500, {"error": "something_new"}, ReasonCode.UNRECOGNISED, None),
        (200, {"token_type": "Bearer"}, ReasonCode.UNRECOGNISED, None),
    ],
)
def test_consent_is_polled_again_only_for_a_passing_refusal(
    provider: MtnMomoProvider, at: datetime, status: int, body: object, code: ReasonCode, again_s: float | None
) -> None:
    found = described(provider.user_info(Consent(request_id="a", poll_every_s=3)), answer(at, body, status))

    assert isinstance(found, LookupRefused)
    assert (found.reason.code, found.retry_after_s) == (code, again_s)


def test_word_with_digits_is_no_reason_code(provider: MtnMomoProvider, at: datetime) -> None:
    """What a gateway repeats of a request, a key or a number, does not come back in a reason."""
    entries = [answer(at, {"code": text, "message": text}, 500) for text in ("a1b2" * 8, "+256700199887", "A secret")]

    found = [described(provider.balances(), one).reason for one in entries]

    assert [(reason.provider_code, reason.text) for reason in found] == [("", "")] * 3


@pytest.mark.parametrize("ended", [NotSent, NoAnswer])
def test_lookup_exchange_without_an_answer_is_raised(
    provider: MtnMomoProvider, at: datetime, ended: type[NotSent] | type[NoAnswer]
) -> None:
    def fail(_: Command) -> Reply:
        raise ended("no luck", at=at)

    consent = Consent(request_id="a", poll_every_s=5)
    for flow in (provider.balances(), provider.account_holder(GOOD), provider.name(GOOD), provider.user_info(consent)):
        with pytest.raises(ended):
            run_flow(flow, fail)


def test_one_time_request_is_sent_once_and_hides_its_secrets(provider: MtnMomoProvider, at: datetime) -> None:
    carried: list[HttpRequest] = []

    def gateway(command: Command) -> Reply:
        assert isinstance(command, HttpRequest)
        carried.append(command)
        return answer(at, {"auth_req_id": "the-consent", "access_token": "the-token", "sub": "0"})

    consent = run_flow(provider.ask_consent(GOOD, ["profile"]), gateway)
    assert isinstance(consent, Consent)
    run_flow(provider.user_info(consent), gateway)

    assert [(one.operation, one.repeatable, one.credential, one.moves_money) for one in carried] == [
        ("bc_authorize", False, True, False),
        ("oauth2_token", False, False, False),
        ("user_info", True, False, False),
    ]
    assert carried[0].body == "login_hint=ID%3A46733123499%2FMSISDN&scope=profile&access_type=online"
    assert carried[1].body == "grant_type=urn%3Aopenid%3Aparams%3Agrant-type%3Aciba&auth_req_id=the-consent"
    assert carried[2].headers["Authorization"] == "Bearer the-token"
    assert "the-" not in f"{carried!r} {consent!r}"


@pytest.mark.parametrize(
    "begin",
    [
        lambda questions: questions.account_holder(GOOD),
        lambda questions: questions.name(GOOD),
        lambda questions: questions.ask_consent(GOOD, ["profile"]),
    ],
    ids=["account_holder", "name", "ask_consent"],
)
def test_lookup_variables_show_no_number_while_it_waits(
    begin: Callable[[LookupsMixin], Any], make_settings: Callable[..., MtnMomoSettings]
) -> None:
    """An error tracker sends the variables of every frame: while an answer is waited for, none shows a payee."""
    flows: list[Any] = [begin(LookupsMixin(make_settings()))]
    next(flows[0])
    while (inner := flows[-1].gi_yieldfrom) is not None:
        flows.append(inner)
    assert len(flows) > 1
    assert "46733123499" not in repr([flow.gi_frame.f_locals for flow in flows])
