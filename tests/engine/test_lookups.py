"""Questions beside payments: an answer, or an error that says nothing moved; never a payment and never a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pytest
from kit import T0, Answer, Fake, FakeSettings, account_of, after, lost, row_of, unsent

from payments_core import engine
from payments_core.domain.errors import InvalidPayee, LookupFailed, NotSupported, ProviderBug, SettingsError
from payments_core.domain.payout import Payee, Reason, ReasonCode
from payments_core.engine import draft_of
from payments_core.engine.flow import Command, EngineFlow, Reply
from payments_core.http.flow import exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NotSent
from payments_core.provider import (
    Account,
    Balance,
    CancelAnswer,
    Capability,
    Consent,
    Finding,
    HolderStatus,
    LookupRefused,
    Operator,
    Person,
)

PAYEE = Payee.msisdn("46733123450")
CONSENT = Consent(request_id="c-1", poll_every_s=5)
BALANCE = (Balance(Decimal("-0.10"), "EUR"),)
READ = HttpRequest("GET", "http://fake.invalid/x", "balance", repeatable=True)
PAY = HttpRequest("POST", "http://fake.invalid/pay", "pay", moves_money=True)
ROW = row_of(request=PAY.to_json())
BUSY = Reason(ReasonCode.PROVIDER_UNAVAILABLE, "BUSY", "closed until 12:00, call 46733123450")


class Answering(Fake):
    """A provider that answers every question with one flow of the test's."""

    def __init__(self, start: Callable[[], EngineFlow[Any]]) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []
        self._start = start

    def _answer(self, *asked: Any) -> EngineFlow[Any]:
        self.asked.append(asked)
        return self._start()

    balances = account_holder = name = ask_consent = user_info = diagnose = operator = cancel = (
        refresh_provider_config
    ) = own = _answer


QUESTIONS: dict[str, tuple[Callable[[Account], EngineFlow[Any]], tuple[Any, ...], Any]] = {
    "balances": (lambda account: engine.balances(account, "EUR", T0), ("EUR",), BALANCE),
    "account_holder": (lambda account: engine.account_holder(account, PAYEE, T0), (PAYEE,), HolderStatus.NOT_ACTIVE),
    "name": (lambda account: engine.name(account, PAYEE, T0), (PAYEE,), Person(name="Ada")),
    "ask_consent": (lambda account: engine.ask_consent(account, PAYEE, ["x"], T0), (PAYEE, ["x"]), CONSENT),
    "operator": (lambda account: engine.operator(account, PAYEE, T0), (PAYEE,), Operator("MTN_UGA", "UGA")),
    "cancel": (lambda account: engine.cancel_at_provider(account, ROW, T0), (draft_of(ROW),), CancelAnswer.TAKEN),
    "user_info": (lambda account: engine.user_info(account, CONSENT, T0), (CONSENT,), Person(details={"age": 3})),
}
WHAT = {
    "balances": "its balance",
    "account_holder": "whether the payee is active",
    "name": "the payee's name",
    "ask_consent": "for a consent",
    "operator": "the payee's operator",
    "cancel": "to cancel a payment",
    "user_info": "what was consented to",
}
DOCTOR = "`payouts doctor` looks at the account."
OFFERED = {
    "balances": Capability.BALANCES,
    "account_holder": Capability.ACCOUNT_HOLDERS,
    "name": Capability.NAME_LOOKUP,
    "ask_consent": Capability.USER_INFO,
    "operator": Capability.OPERATOR_LOOKUP,
    "cancel": Capability.CANCELLATION,
    "user_info": Capability.USER_INFO,
}
EACH = pytest.mark.parametrize("name", QUESTIONS)


def saying(payload: object, *requests: Any) -> Callable[[], EngineFlow[Any]]:
    """Return a flow that asks for these requests and then says, or raises, something."""

    def flow() -> EngineFlow[Any]:
        for request in requests:
            yield from exchange(request)
        if isinstance(payload, Exception):
            raise payload
        return payload

    return flow


def scripted(*answers: Answer) -> tuple[Callable[[Command], Reply], list[Command]]:
    """Return what answers each command, with 200 in the end, and the commands that it was given."""
    left, sent = list(answers), list[Command]()

    def execute(command: Command) -> Reply:
        sent.append(command)
        answer = left.pop(0) if left else 200
        if isinstance(answer, BaseException):
            raise answer
        return HttpResponse(answer, {}, b"", after(1))

    return execute, sent


def asked(name: str, start: Callable[[], EngineFlow[Any]], *answers: Answer) -> tuple[Any, list[Command], Answering]:
    """Ask one question; return what was told, what was asked for, and the provider."""
    provider, (execute, sent) = Answering(start), scripted(*answers)
    try:
        result = run_flow(QUESTIONS[name][0](account_of(provider)), execute)
    except LookupFailed as error:
        result = error
    return result, sent, provider


@EACH
def test_lookup_returns_what_the_provider_reports(name: str) -> None:
    _, arguments, answer = QUESTIONS[name]

    result, sent, provider = asked(name, saying(answer, READ))

    assert result == answer
    assert sent == [READ]
    assert provider.asked == [arguments]


@EACH
def test_lookup_without_the_capability_asks_nothing(name: str) -> None:
    with pytest.raises(NotSupported) as refused:
        run_flow(QUESTIONS[name][0](account_of()), lambda _: cast("Reply", pytest.fail("something was sent")))

    assert refused.value.message == f"Account till cannot be asked for this: Fake has no {OFFERED[name]}."
    assert refused.value.hint == "`payouts providers --load` shows what each provider can do."


@pytest.mark.parametrize(
    "ask",
    [
        lambda account, payee: engine.account_holder(account, payee, T0),
        lambda account, payee: engine.name(account, payee, T0),
        lambda account, payee: engine.operator(account, payee, T0),
        lambda account, payee: engine.ask_consent(account, payee, ["x"], T0),
    ],
    ids=["account_holder", "name", "operator", "ask_consent"],
)
def test_lookup_of_a_number_in_another_form_is_refused(ask: Callable[..., EngineFlow[Any]]) -> None:
    """What a provider would read in it might be another number: the answer would be about a stranger."""
    flow = ask(account_of(Answering(saying(None, READ))), Payee("msisdn", "256772123456.0"))

    with pytest.raises(InvalidPayee, match="not in its one form"):
        run_flow(flow, lambda _: cast("Reply", pytest.fail("something was sent")))


@EACH
@pytest.mark.parametrize("ended", [lost(), unsent()], ids=["no answer", "not sent"])
def test_lookup_without_an_answer_is_an_error(name: str, ended: Answer) -> None:
    result, sent, _ = asked(name, saying(None, READ), ended)

    assert isinstance(result, LookupFailed)
    assert f"The provider of account till did not answer when asked {WHAT[name]}: " in result.message
    assert result.hint == f"No money was asked to move; asking again is safe. {DOCTOR}"
    assert (result.reason, result.retry_after_s, sent) == ("", None, [READ])


class Sandbox(FakeSettings):
    """The settings of an account where nothing can be asked."""

    @property
    def unsupported_capabilities(self) -> frozenset[Capability]:
        return frozenset(Capability) - NEEDED


NEEDED = frozenset(
    {Capability.CREDENTIALS, Capability.VALIDATION, Capability.RESULT_CALLBACKS, Capability.PROVIDER_CONFIG}
)


@EACH
def test_lookup_that_the_settings_remove_is_refused(name: str) -> None:
    """Nothing is asked, though the provider's class implements it; a diagnosis has nothing to say."""
    provider = Answering(saying(QUESTIONS[name][2], READ))
    account = replace(account_of(provider), settings=Sandbox())

    with pytest.raises(NotSupported, match=f"Fake has no {OFFERED[name]} for this account"):
        run_flow(QUESTIONS[name][0](account), pytest.fail)
    assert run_flow(engine.diagnose(account, T0), pytest.fail) == ()
    assert provider.asked == []


@pytest.mark.parametrize("needed", sorted(NEEDED))
def test_capability_that_payments_need_cannot_be_removed(needed: Capability) -> None:
    settings = type("Wrong", (FakeSettings,), {"unsupported_capabilities": property(lambda _: frozenset({needed}))})

    with pytest.raises(SettingsError, match=f"cannot do without {needed}"):
        replace(account_of(), settings=settings())


@EACH
@pytest.mark.parametrize(("retry_after_s", "again"), [(5.0, " Ask again in 5 s."), (None, "")])
def test_lookup_refusal_says_why_and_when_to_ask_again(name: str, retry_after_s: float | None, again: str) -> None:
    """With the provider's own words, scrubbed: they may hold a number."""
    result, _, _ = asked(name, saying(LookupRefused(reason=BUSY, http_status=503, retry_after_s=retry_after_s), READ))

    assert isinstance(result, LookupFailed)
    assert (result.reason, result.retry_after_s) == ("provider_unavailable", retry_after_s)
    told = "BUSY: closed until 12:00, call 46*******50"
    assert result.message == f"The provider of account till did not tell {WHAT[name]}: {told}."
    assert result.hint == f"No money was asked to move.{again}"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason(ReasonCode.PAYEE_NOT_FOUND, text="Not in row X..."), "payee_not_found: Not in row X."),
        (Reason(ReasonCode.PAYEE_NOT_FOUND, "X" * 100), f"{'X' * 79}…."),
    ],
)
def test_lookup_refusal_is_one_sentence(reason: Reason, told: str) -> None:
    result, _, _ = asked("name", saying(LookupRefused(reason=reason), READ))

    assert result.message == f"The provider of account till did not tell the payee's name: {told}"


@EACH
@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (ValueError(f"no {PAYEE.value}"), "ValueError"),
        (StopIteration(), "RuntimeError"),
        (None, "NoneType"),
        ("active", "str"),
        (5, "int"),
        ({}, "dict"),
        ([], "list"),
    ],
    ids=str,
)
def test_lookup_outcome_of_a_wrong_type_is_an_error(name: str, payload: object, kind: str) -> None:
    """Neither an exception of its own, nor a thing that cannot be an answer, reaches the caller as one."""
    parsed, _, _ = asked(name, saying(payload, READ))

    assert isinstance(parsed, LookupFailed)
    assert f"did not answer when asked {WHAT[name]}: provider bug: {kind}" in parsed.message
    assert PAYEE.value not in str(parsed)


@EACH
@pytest.mark.parametrize("before", [(), (READ,)], ids=["at once", "after a read"])
def test_lookup_never_pays(name: str, before: tuple[HttpRequest, ...]) -> None:
    """A provider that asks for money inside a question is refused, and nothing of it leaves."""
    result, sent, _ = asked(name, saying(QUESTIONS[name][2], *before, PAY))

    assert isinstance(result, LookupFailed)
    assert "provider bug: ProviderBug: The provider asked for a money request in a read" in result.message
    assert sent == list(before)


@EACH
def test_lookup_cannot_hide_a_refused_payment(name: str) -> None:
    """Also when the provider catches the refusal and tries another way."""

    def flow() -> EngineFlow[Any]:
        try:
            yield from exchange(PAY)
        except (ProviderBug, NotSent):
            yield from exchange(PAY)
        return QUESTIONS[name][2]

    result, sent, _ = asked(name, flow)

    assert isinstance(result, LookupFailed)
    assert sent == []


@EACH
def test_lookup_may_only_ask_for_http(name: str) -> None:
    """A provider cannot write the journal from there."""

    def flow() -> Iterator[Any]:
        yield "a journal entry"

    result, sent, _ = asked(name, cast("Any", flow))

    assert isinstance(result, LookupFailed)
    assert "it may only ask for HTTP" in result.message
    assert sent == []


# --- a question of one provider, and what a provider learns ---


def test_lookup_of_the_providers_own_follows_the_same_rules() -> None:
    """Whatever it answers is told; it never pays; without an answer nothing is guessed."""

    def own(payload: object, *requests: Any, answer: Answer = 200) -> Any:
        account = account_of(Answering(saying(payload, *requests)))
        return run_flow(engine.ask_own(account, lambda asked: cast("Any", asked).own("x"), T0), scripted(answer)[0])

    assert own({"any": "thing"}, READ) == {"any": "thing"}
    for wrong in (
        lambda: own(1, PAY),
        lambda: own(1, READ, answer=lost()),
        lambda: own(LookupRefused(reason=BUSY), READ),
    ):
        with pytest.raises(LookupFailed, match=r"did not (answer when asked|tell) a question of its own: "):
            wrong()


@pytest.mark.parametrize("ended", [lost(), unsent(), 500], ids=["no answer", "not sent", "an error"])
@pytest.mark.parametrize("then", [None, ValueError("no")], ids=["well", "raises"])
def test_provider_config_refresh_that_fails_raises_nothing(ended: Answer, then: object) -> None:
    provider = Answering(saying(then, READ))
    run_flow(engine.refresh_provider_config(account_of(provider), T0), scripted(ended)[0])
    assert provider.asked == [(T0,)]


def test_provider_config_refresh_never_pays() -> None:
    execute, sent = scripted()
    for account in (account_of(Answering(saying(None, PAY))), account_of()):
        run_flow(engine.refresh_provider_config(account, T0), execute)
    assert sent == []


# --- diagnosis ---


def diagnosed(start: Callable[[], EngineFlow[Any]], *answers: Answer) -> tuple[Finding, ...]:
    execute, sent = scripted(*answers)
    found = run_flow(engine.diagnose(account_of(Answering(start)), T0), execute)
    assert not any(command.moves_money for command in sent if isinstance(command, HttpRequest))
    return found


def test_diagnosis_reports_findings_in_their_order() -> None:
    findings = [Finding("ok", "gateway", "answers"), Finding("wrong", "till", "closed", "Open it.")]

    assert diagnosed(saying(findings, READ)) == tuple(findings)


def test_diagnosis_without_the_capability_is_empty() -> None:
    assert run_flow(engine.diagnose(account_of(), T0), lambda _: cast("Reply", pytest.fail("something was sent"))) == ()


@pytest.mark.parametrize(
    ("start", "answers", "says"),
    [
        (saying([], READ), (lost(),), "timed out"),
        (saying([], READ), (unsent(),), "refused"),
        (saying(ValueError("a defect")), (), "provider bug: ValueError: a defect"),
        (saying(None), (), "provider bug: NoneType is no answer"),
        (saying(["all is well"]), (), "provider bug: list is no answer"),
        (saying([], PAY), (), "money request in a read"),
    ],
    ids=["no answer", "not sent", "an exception", "nothing", "no findings", "a payment"],
)
def test_diagnosis_that_breaks_is_a_finding(
    start: Callable[[], EngineFlow[Any]], answers: tuple[Answer, ...], says: str
) -> None:
    """The doctor goes on with what else there is to look at."""
    (found,) = diagnosed(start, *answers)

    assert (found.level, found.what) == ("wrong", "diagnosis")
    assert says in found.says
    assert found.hint == "Try again; tell the provider plugin's authors if it stays."
