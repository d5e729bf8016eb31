"""A provider's mistakes: once its money request was asked for, none of them may look like "not sent" or "failed"."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kit import T0, Answer, Fake, account_of, lost, order_of, plain_check, plain_submit, read_request, unsent

from payments_core.domain.payout import Reason, ReasonCode
from payments_core.domain.records import Event
from payments_core.engine.commands import AppendHistory
from payments_core.engine.flow import Command, EngineFlow, Reply
from payments_core.engine.provider_calls import query, send_once
from payments_core.http.flow import HttpFlow, exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, slot
from payments_core.provider import (
    AccountRefused,
    Attempt,
    Deferred,
    Draft,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    Unknown,
)

NO = Reason(ReasonCode.REJECTED)
DRAFT = account_of().provider.draft(order_of(), Attempt(1, b"s" * 32, "po_x"))
READ = read_request(DRAFT)
Submit = Callable[[Draft], Any]


def played(submit: Submit, *answers: Answer, draft: Draft = DRAFT) -> tuple[Any, list[HttpRequest]]:
    """Run one ``submit`` against scripted answers; return how it ended and what left."""
    left, sent = list(answers), list[HttpRequest]()

    def execute(command: Command) -> Reply:
        assert isinstance(command, HttpRequest), "only HTTP requests may come out of a provider's flow"
        sent.append(command)
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return HttpResponse(answer, {}, b"", T0 + timedelta(seconds=len(sent)))

    provider = Fake(submitting=submit)
    flow = send_once(provider, draft, timeout_s=30, send_before=T0 + timedelta(seconds=45), at=T0)
    outcome, at = run_flow(flow, execute)
    assert getattr(outcome, "at", at) == at
    return outcome, sent


def received(check: Submit, *answers: Answer) -> tuple[Any, list[HttpRequest]]:
    left, sent = list(answers), list[HttpRequest]()

    def execute(command: Command) -> Reply:
        assert isinstance(command, HttpRequest)
        assert not command.moves_money, "a read may not move money"
        sent.append(command)
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return HttpResponse(answer, {}, b"", T0)

    return run_flow(query(Fake(checking=check), DRAFT, at=T0), execute)[0], sent


def then(*steps: Any, says: Any) -> Submit:
    """Return a flow that asks for the steps in turn and then says something, or raises it."""

    def flow(draft: Draft) -> EngineFlow[Any]:
        for step in steps:  # noqa: UP028 - a tuple takes no replies
            yield step
        if isinstance(says, Exception):
            raise says
        return says

    return flow


def swallowing(says: Any) -> Submit:
    """Return a flow that hides how its money request ended."""

    def flow(draft: Draft) -> EngineFlow[Any]:
        with suppress(NotSent, NoAnswer):
            yield from exchange(draft.request)
        return says

    return flow


MONEY = DRAFT.request


def test_stored_request_is_sent_once_with_its_times() -> None:
    """What leaves is the stored request, with the time-out and the last moment for sending put on it."""
    outcome, sent = played(then(MONEY, says=Pending()), 202)
    assert outcome == Pending()
    assert sent == [replace(MONEY, timeout_s=30, send_before=T0 + timedelta(seconds=45))]


@pytest.mark.parametrize(
    "outcome", [Final(), Final(reason=NO), Pending(), Duplicate(), NotAccepted(), AccountRefused(NO), Unknown()]
)
def test_submit_outcome_with_an_answer_is_believed(outcome: Any) -> None:
    """With an answer to the money request every outcome is what the provider says."""
    assert played(then(MONEY, says=outcome), 200)[0] == outcome


def test_endless_flow_is_ended() -> None:
    """A provider that asks for ever holds no worker: after 100 requests nothing is known, and nothing is lost."""

    def for_ever(draft: Draft) -> EngineFlow[Any]:
        yield MONEY
        while True:
            yield READ

    outcome, sent = played(for_ever, *[202] * 101)
    assert (type(outcome), len(sent)) == (NoAnswer, 100)
    assert outcome.why == "provider bug: ProviderBug: A provider's flow asked for more than 100 requests."


def test_not_sent_of_the_money_request_is_believed() -> None:
    """The money request's own NotSent is the only thing that means "not sent" after it was asked for."""
    assert isinstance(played(then(MONEY, says=Pending()), unsent())[0], NotSent)


# name, submit, answers
NEVER_HARMLESS: list[tuple[str, Submit, tuple[Answer, ...]]] = [
    ("answer lost", then(MONEY, says=Pending()), (lost(),)),
    ("second money request", then(MONEY, MONEY, says=Pending()), (202,)),
    ("second money request, altered", then(MONEY, replace(MONEY, body="{2}"), says=Pending()), (202,)),
    ("exception after it", then(MONEY, says=KeyError("x")), (202,)),
    ("NotSent of a later exchange", then(MONEY, READ, says=Pending()), (202, unsent())),
    ("NoAnswer of a later exchange", then(MONEY, READ, says=Pending()), (202, lost())),
    ("NotSent made up", then(MONEY, says=unsent()), (202,)),
    ("NotSent returned", lambda draft: _returns(MONEY, unsent()), (202,)),
    ("journal entry after it", then(MONEY, AppendHistory("po_x", Event("x", T0)), says=Pending()), (202,)),
    ("nonsense after it", then(MONEY, "nonsense", says=Pending()), (202,)),
    ("nothing returned", then(MONEY, says=None), (202,)),
    ("an answer of a read", then(MONEY, says=NotFound()), (202,)),
    ("text returned", then(MONEY, says="paid"), (202,)),
    ("lost, said not accepted", swallowing(NotAccepted()), (lost(),)),
    ("lost, said blocked", swallowing(AccountRefused(NO)), (lost(),)),
    ("lost, said failed", swallowing(Final(reason=NO)), (lost(),)),
    ("will not end", lambda draft: _clings(), (202,)),
]


def _returns(request: HttpRequest, outcome: Any) -> EngineFlow[Any]:
    yield request
    return outcome


def _returned(outcome: Any) -> EngineFlow[Any]:
    return outcome
    yield


def _clings() -> EngineFlow[Any]:
    try:
        yield MONEY
        yield MONEY
    finally:
        yield MONEY


@pytest.mark.parametrize(("submit", "answers"), [row[1:] for row in NEVER_HARMLESS], ids=[r[0] for r in NEVER_HARMLESS])
def test_mistake_after_the_money_request_is_ambiguous(submit: Submit, answers: tuple[Answer, ...]) -> None:
    """Whatever a provider does wrong once its money request was asked for leaves the payout unknown, sent once."""
    outcome, sent = played(submit, *answers)
    assert isinstance(outcome, NoAnswer | Unknown), outcome
    assert sum(request.moves_money for request in sent) == 1


BUG = "provider bug: ProviderBug: The provider asked for"


@pytest.mark.parametrize(
    ("submit", "answers", "kind", "why"),
    [
        (then(MONEY, MONEY, says=Pending()), (200,), NoAnswer, f"{BUG} a second money request in one flow."),
        (
            then(replace(MONEY, body="{}{}"), says=Pending()),
            (),
            NotSent,
            f"{BUG} another money request than the one it drafted.",
        ),
        (then(MONEY, says="paid"), (200,), NoAnswer, "provider bug: str is no outcome"),
        (then(says=Pending()), (), NotSent, "the provider did not ask for its money request"),
        (lambda _: _returned(unsent()), (), NotSent, "refused"),
        (lambda _: _returns(MONEY, unsent()), (200,), NoAnswer, "refused"),
        (swallowing(Final(reason=NO)), (lost(),), NoAnswer, "the answer to the money request was lost"),
    ],
    ids=["twice", "another", "no outcome", "none", "not sent", "said not sent", "lost"],
)
def test_mistake_is_named(submit: Submit, answers: tuple[Answer, ...], kind: type, why: str) -> None:
    """What went wrong stands in the history in these words; a money request that was asked for may have left."""
    outcome, _ = played(submit, *answers)
    assert (type(outcome), outcome.why) == (kind, why)


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (then(READ, says="paid"), "str is no answer"),
        (then("a journal entry", says=None), "ProviderBug: A provider's flow asked for str; it may only ask for HTTP."),
    ],
)
def test_broken_check_is_named(check: Submit, why: str) -> None:
    assert received(check, 200)[0].why == f"provider bug: {why}"


def test_abandoned_flow_is_closed_at_once() -> None:
    """What a provider holds in it is given back at once, and not whenever somebody looks for garbage."""
    ended: list[str] = []

    def flow(draft: Draft) -> EngineFlow[Any]:
        try:
            yield draft.request
            yield draft.request
        finally:
            ended.append("here")

    kept = flow(DRAFT)
    played(lambda _: kept, 202)
    assert ended == ["here"]


def _raises(draft: Draft) -> Any:
    raise KeyError(draft.references["reference"])


HARMLESS: list[tuple[str, Submit]] = [
    ("exception", then(says=KeyError("x"))),
    ("exception before it is a flow", _raises),
    ("no flow", lambda draft: None),
    ("no flow but text", lambda draft: "paid"),
    ("altered money request", then(replace(MONEY, body="{2}"), says=Pending())),
    ("money request elsewhere", then(replace(MONEY, url="http://other.invalid/pay"), says=Pending())),
    ("longer time-out", then(replace(MONEY, timeout_s=600.0), says=Pending())),
    ("repeatable money request", then(replace(MONEY, repeatable=True), says=Pending())),
    ("journal entry", then(AppendHistory("po_x", Event("x", T0)), says=Pending())),
    ("success without asking", then(says=Final())),
    ("failure without asking", then(says=Final(reason=NO))),
    ("pending without asking", then(says=Pending())),
    ("nothing", then(says=None)),
]


@pytest.mark.parametrize("submit", [row[1] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_mistake_before_the_money_request_is_not_sent(submit: Submit) -> None:
    """Nothing left, so nothing can have arrived: the payout may be sent later, and is neither paid nor failed."""
    outcome, sent = played(submit)
    assert isinstance(outcome, NotSent)
    assert sent == []


def test_refusal_before_the_money_request_is_believed() -> None:
    """A preparation that says "not accepted" or "blocked" is believed without any money request."""
    for outcome in (NotAccepted(), AccountRefused(NO)):
        assert played(then(READ, says=outcome), 429)[0] == outcome


def test_outcome_is_dated_by_its_last_exchange() -> None:
    """The moment of the last exchange comes with the outcome."""
    flow = send_once(Fake(submitting=then(MONEY, READ, says=Pending())), DRAFT, timeout_s=30, send_before=T0, at=T0)
    moments = iter((T0 + timedelta(seconds=3), T0 + timedelta(seconds=5)))
    _, at = run_flow(flow, lambda _: HttpResponse(200, {}, b"", next(moments)))
    assert at == T0 + timedelta(seconds=5)


READS_THAT_BREAK: list[tuple[str, Submit, tuple[Answer, ...]]] = [
    ("money request", then(MONEY, says=Final()), ()),
    ("altered money request", then(replace(MONEY, url="http://other.invalid/"), says=Final()), ()),
    ("journal entry", then(AppendHistory("po_x", Event("x", T0)), says=Final()), ()),
    ("exception", then(READ, says=ZeroDivisionError()), (200,)),
    ("exception before it is a flow", _raises, ()),
    ("no flow", lambda draft: None, ()),
    ("nothing", then(READ, says=None), (200,)),
    ("an end of a send", then(READ, says=Duplicate()), (200,)),
    ("no answer", plain_check, (lost(),)),
]


@pytest.mark.parametrize(
    ("check", "answers"), [row[1:] for row in READS_THAT_BREAK], ids=[r[0] for r in READS_THAT_BREAK]
)
def test_broken_check_decides_nothing(check: Submit, answers: tuple[Answer, ...]) -> None:
    """However a read breaks, it moves no money and decides nothing."""
    assert isinstance(received(check, *answers)[0], NoAnswer)


@pytest.mark.parametrize("outcome", [Final(), Final(reason=NO), Pending(), NotFound(), Unknown(), Deferred()])
def test_check_outcome_with_an_answer_is_believed(outcome: Any) -> None:
    """A read that ends as it should is what the provider says."""
    assert received(then(READ, says=outcome), 200)[0] == outcome


def test_provider_exception_is_masked() -> None:
    """What a provider's exception says is scrubbed before it is kept."""
    outcome, _ = played(then(MONEY, says=ValueError("payee 256772123456 with Bearer abc.def.ghi")), 202)
    assert "256772123456" not in outcome.why
    assert "abc.def.ghi" not in outcome.why


@pytest.mark.parametrize(("token", "body"), [("t-1", "to t-1"), (None, f"to {slot('answer_token')}")])
def test_result_path_is_filled_in_only_where_there_is_one(token: str | None, body: str) -> None:
    """Into the payment as it leaves, and not into what is stored; a slot that nobody fills stays one."""
    stored = replace(MONEY, body=f"to {slot('answer_token')}")
    _, sent = played(plain_submit, 202, draft=replace(DRAFT, request=stored, answer_token=token))
    assert [request.body for request in sent] == [body]


def test_check_that_is_answered_at_once_keeps_its_slots() -> None:
    read = replace(READ, url=f"http://fake.invalid/{slot('answer_token')}")
    assert received(then(read, says=Pending()), 200) == (Pending(), [read])


SLOTTED = replace(DRAFT, request=replace(DRAFT.request, body='{"id":"{{slot:given}}","pin":"{{slot:pin}}"}'))


@pytest.mark.parametrize(
    ("changed", "is_sent"),
    [
        ({"body": '{"id":"MP-0001","pin":"{{slot:pin}}"}'}, True),
        ({"body": '{"id":"MP-0001","pin":"1234"}'}, True),
        ({"body": '{"id":"MP-0001","pin":"{{slot:pin}}","amount":"9"}'}, False),
        ({"body": '{"id":"1","to":"2","pin":"{{slot:pin}}"}'}, False),
        ({"body": '{"id":"","pin":"{{slot:pin}}"}'}, False),
        ({"body": None}, False),
        ({"body": '{"id":"MP-0001","pin":"{{slot:pin}}"}', "url": "https://elsewhere.example"}, False),
        ({"body": '{"id":"MP-0001","pin":"{{slot:pin}}"}', "method": "PUT"}, False),
        ({"body": '{"id":"MP-0001","pin":"{{slot:pin}}"}', "headers": {"x": "y"}}, False),
    ],
)
def test_provider_may_change_only_slots(changed: dict[str, Any], is_sent: bool) -> None:
    """An id that is given first has its place in the payment; nothing else of what was stored is changed."""

    def submit(draft: Draft) -> EngineFlow[Any]:
        yield from exchange(replace(draft.request, **changed))
        return Pending()

    outcome, sent = played(submit, 200, draft=SLOTTED)
    assert isinstance(outcome, Pending if is_sent else NotSent)
    assert len(sent) == is_sent


def test_flow_receives_the_response_to_its_request() -> None:
    def by_status(draft: Draft) -> HttpFlow[Any]:
        response = yield from exchange(draft.request)
        return Pending(http_status=response.status)

    assert played(by_status, 202)[0] == Pending(http_status=202)
