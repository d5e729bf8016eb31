"""Promises of what a provider's words are taken for: its flows, answered by hand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from payments_core.flow import Flow
from payments_core.money import Money
from payments_core.provider import (
    AnswersLater,
    Blocked,
    Callback,
    Checked,
    Draft,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    Submitted,
    Unknown,
)
from payments_core.testing.conformance.fixtures import Promises
from payments_core.testing.conformance.scene import Scene
from payments_core.testing.conformance.sheet import reply
from payments_core.wire import HttpRequest, HttpResponse, NoAnswer, NotSent

__all__ = ["WordPromises"]

T = TypeVar("T")

NEVER_HEARD_OF = "GEHEIMRAT_7"
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<h1>502 Bad Gateway</h1></body></html>"
BODIES = {
    "nothing": b"",
    "a page of HTML": HTML,
    "half a body": b'{"status": "SUCC',
    "a number": b"7",
    "a word": b'"SUCCESSFUL"',
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "no UTF-8": b"\xff\xfe\x00{",
    "a huge body": b'{"padding": "' + b"x" * 2_000_000 + b'"}',
    "very deep": b"[" * 100_000,
}
STATUSES = (200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 422, 500, 502, 503, 504)


def answered(flow: Flow[T], answer: HttpResponse | Exception, asked: list[HttpRequest] | None = None) -> T:
    """Drive a provider's flow with one answer, as often as it asks, and return its result.

    Args:
        flow: The provider's.
        answer: What everything it asks for is answered with.
        asked: Where its requests are noted.

    """
    asked = [] if asked is None else asked
    try:
        command = next(flow)
        while True:
            assert isinstance(command, HttpRequest), f"a provider's flow may only ask for HTTP, not {command!r}"
            asked.append(command)
            assert len(asked) < 20, "the flow does not end"
            command = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


class WordPromises(Promises):
    """Nothing a provider says is taken for more than it says."""

    # --- paying ---

    def submitted(self, desk: Scene, draft: Draft, answer: HttpResponse) -> Submitted:
        """Pay, answered by hand."""
        return answered(desk.provider().provider.submit(draft), answer)

    def _mean(self, desk: Scene, means: type) -> None:
        draft, wrong = desk.draft("answers"), []
        for name, said in self.answers.items():
            outcome = self.submitted(desk, draft, said.answer(draft))
            if said.means is means and not isinstance(outcome, means):
                wrong.append(f"{name}: {type(outcome).__name__} instead of {means.__name__}")

        assert not wrong, "; ".join(wrong)

    def test_a_payment_that_is_taken_is_pending(self, desk: Scene) -> None:
        """And no success before the provider says so."""
        self._mean(desk, Pending)

    def test_an_answer_that_is_final_is_taken_for_one(self, desk: Scene) -> None:
        """Whatever the provider decides at once: paid, or refused for good."""
        self._mean(desk, Final)

    def test_a_reference_that_was_used_before_is_a_duplicate(self, desk: Scene) -> None:
        """Neither a success nor a failure: what stands under it is read, and compared."""
        self._mean(desk, Duplicate)

    def test_what_is_not_taken_for_now_is_sent_later(self, desk: Scene) -> None:
        """Proven not to be taken, and no failure: too many requests, a token that has ended."""
        self._mean(desk, NotAccepted)

    def test_a_refusal_of_the_account_fails_no_payment(self, desk: Scene) -> None:
        """Credentials, permission, configuration: it says something about us, and the account pauses."""
        self._mean(desk, Blocked)

    def test_an_answer_that_proves_nothing_is_unknown(self, desk: Scene) -> None:
        """An error of the server may come after the money has moved."""
        self._mean(desk, Unknown)

    def test_a_wait_that_is_asked_for_is_kept(self, desk: Scene) -> None:
        """Retry-After is read where it is given, and missed nowhere."""
        self.builds_on(desk, self.test_what_is_not_taken_for_now_is_sent_later)
        draft = desk.draft("wait")
        for name, said in self.answers.items():
            if said.means is NotAccepted and "retry-after" in (answer := said.answer(draft)).headers:
                bare = {field: value for field, value in answer.headers.items() if field != "retry-after"}
                for headers, wait_s in ({**bare, "retry-after": "17"}, 17.0), (bare, None):
                    outcome = self.submitted(desk, draft, replace(answer, headers=headers))
                    assert isinstance(outcome, NotAccepted), f"{name}: {outcome!r}"
                    assert outcome.retry_after_s == wait_s, f"{name} with {headers}: waits {outcome.retry_after_s}"

    def test_the_answers_tell_of_everything_that_matters(self) -> None:
        """Taken, our duplicate, a trouble of our own, and one that is refused or not taken."""
        means = {said.means for said in self.answers.values()}

        assert means & {Pending, Final}, "show how a payment is taken"
        assert Duplicate in means, "show how a reference that was used before is answered"
        assert Blocked in means, "show how an account is refused: credentials, permission, configuration"
        assert NotAccepted in means, "show how it is told to come back later"

    def test_a_payment_asks_for_money_once(self, desk: Scene) -> None:
        """However it is answered: one money request a flow, and it is the stored one."""
        draft, now = desk.draft("once"), datetime.now(UTC)
        answers: list[HttpResponse | Exception] = [said.answer(draft) for said in self.answers.values()]
        answers += [reply(500), reply(200, HTML), NoAnswer("broken off", at=now), NotSent("refused", at=now)]
        for answer in answers:
            asked: list[HttpRequest] = []
            with contextlib.suppress(NoAnswer, NotSent):
                answered(desk.provider().provider.submit(draft), answer, asked)
            paying = [request for request in asked if request.moves_money]
            assert paying == [draft.request]

    def test_a_lost_answer_is_never_an_end(self, desk: Scene) -> None:
        """Neither a failure nor a success nor "not taken"."""
        draft, now = desk.draft("lost"), datetime.now(UTC)
        try:
            outcome = answered(desk.provider().provider.submit(draft), NoAnswer("broken off", at=now))
        except NoAnswer:
            return
        assert isinstance(outcome, Unknown), f"a lost answer was taken for {outcome!r}"

    def test_what_was_not_sent_stays_so(self, desk: Scene) -> None:
        """It is sent later, and is no failure."""
        draft, now = desk.draft("not sent"), datetime.now(UTC)
        with pytest.raises(NotSent):
            answered(desk.provider().provider.submit(draft), NotSent("refused", at=now))

    @pytest.mark.parametrize("body", BODIES)
    def test_no_broken_answer_fails_a_payment(self, desk: Scene, body: str) -> None:
        """Whatever the HTTP status: without words of the provider nothing is known."""
        draft, wrong = desk.draft("broken"), []
        for status in STATUSES:
            outcome = self.submitted(desk, draft, reply(status, BODIES[body]))
            if isinstance(outcome, Final) and status not in self.final_statuses:
                wrong.append(f"{status} with {body} was taken for {outcome!r}")

        assert not wrong, "; ".join(wrong)

    @pytest.mark.parametrize("wrong", ["number", "list", "object", "null", "true"])
    def test_no_wrongly_typed_answer_breaks_or_fails_a_payment(self, desk: Scene, wrong: str) -> None:
        """Each field in turn holds something else than it should."""
        draft = desk.draft("types")
        for name, said in self.answers.items():
            if said.means in {Pending, Final, Duplicate}:
                for where, answer in mistyped(said.answer(draft), wrong):
                    outcome = self.submitted(desk, draft, answer)
                    failed = isinstance(outcome, Final) and not outcome.succeeded and said.means is not Final
                    assert not failed, f"{name} with {where} a {wrong}: {outcome!r}"

    # --- asking ---

    def checked(self, desk: Scene, draft: Draft, told: HttpResponse | Callback) -> Checked:
        """Ask what became of a payment, answered by hand."""
        provider = desk.provider().provider
        if isinstance(told, Callback):
            assert isinstance(provider, AnswersLater)
            return provider.read_answer(draft, told)
        asked: list[HttpRequest] = []
        outcome = answered(provider.check(draft), told, asked)
        assert not [request for request in asked if request.moves_money], "asking moves no money"
        return outcome

    def test_every_status_means_what_it_should(self, desk: Scene) -> None:
        """What has not ended is pending, and each end is its own."""
        draft = desk.draft("statuses")
        ends = {"pending": Pending, "succeeded": Final, "failed": Final, "unknown": Unknown}
        for word, end in self.statuses.items():
            outcome = self.checked(desk, draft, self.status(draft, word))
            assert isinstance(outcome, ends[end]), f"{word} was taken for {outcome!r}"
            if isinstance(outcome, Final):
                assert outcome.succeeded == (end == "succeeded"), f"{word} was taken for {outcome!r}"
        assert set(self.statuses.values()) >= {"pending", "succeeded", "failed"}, "name a word for each end"

    def test_a_status_it_never_heard_of_is_no_end(self, desk: Scene) -> None:
        """Neither a failure nor a success: providers get new words."""
        draft = desk.draft("new word")
        for word in (NEVER_HEARD_OF, "", "succeeded ", "0x00"):
            if word not in self.statuses:
                outcome = self.checked(desk, draft, self.status(draft, word))
                assert isinstance(outcome, Pending | Unknown), f"{word!r} was taken for {outcome!r}"

    @pytest.mark.parametrize("reason", [None, NEVER_HEARD_OF, "", 7, {"code": NEVER_HEARD_OF, "message": "so"}, []])
    def test_a_failure_is_one_whatever_its_reason(self, desk: Scene, reason: object) -> None:
        """Reasons come as code, as text, as an object, or not at all."""
        draft = desk.draft("reasons")
        for word in (word for word, end in self.statuses.items() if end == "failed"):
            outcome = self.checked(desk, draft, self.status(draft, word, reason))
            assert isinstance(outcome, Final), f"{word} with {reason!r} was taken for {outcome!r}"
            assert outcome.reason is not None
            assert outcome.reason.code

    def test_not_found_is_a_word_of_its_own(self, desk: Scene) -> None:
        """A payment that is not seen may appear yet: never a failure."""
        draft = desk.draft("not found")

        outcome = self.checked(desk, draft, self.not_found(draft))
        assert isinstance(outcome, NotFound), f"it was taken for {outcome!r}"

    @pytest.mark.parametrize("body", BODIES)
    def test_no_broken_answer_ends_a_payment(self, desk: Scene, body: str) -> None:
        """A read that makes no sense says nothing."""
        draft = desk.draft("broken read")
        for status in STATUSES:
            told = reply(status, BODIES[body])
            if self.spec.facts.status_by == "deferred":
                outcome = self.checked(desk, draft, Callback("POST", {}, told.body, told.at))
            else:
                outcome = self.checked(desk, draft, told)
            assert not isinstance(outcome, Final), f"{status} with {body} was taken for {outcome!r}"

    @pytest.mark.parametrize("wrong", ["number", "list", "object", "null", "true"])
    def test_no_wrongly_typed_answer_breaks_a_read(self, desk: Scene, wrong: str) -> None:
        """Each field in turn holds something else than it should; nothing raises, and no failure is invented."""
        draft = desk.draft("read types")
        for word, end in self.statuses.items():
            for where, told in mistyped(self.status(draft, word), wrong):
                outcome = self.checked(desk, draft, told)
                invented = isinstance(outcome, Final) and not outcome.succeeded and end != "failed"
                assert not invented, f"{word} with {where} a {wrong}: {outcome!r}"

    def test_what_is_seen_is_told(self, desk: Scene) -> None:
        """A success tells amount, currency and payee as far as the answer does, so that they can be compared."""
        draft = desk.draft("seen")
        for word in (word for word, end in self.statuses.items() if end == "succeeded"):
            outcome = self.checked(desk, draft, self.status(draft, word))
            assert isinstance(outcome, Final)
            seen = outcome.seen
            assert seen is not None, "tell what was paid, to whom: the engine compares it"
            assert seen.amount in {None, self.amount.amount}
            assert seen.currency in {None, str(self.amount.currency)}
            assert seen.payee in {None, self.payee.value}
            assert seen.amount is not None or seen.payee is not None

    def test_an_answer_about_another_payment_is_told_as_such(self, desk: Scene) -> None:
        """What it says of amount and payee is read from the answer, never filled in from what we asked for."""
        ours = desk.draft("ours")
        double = Money(str(self.amount.amount * 2), self.amount.currency)
        others = replace(desk.draft("another's", payee=self.other_payee, amount=double), references=ours.references)
        for word in (word for word, end in self.statuses.items() if end == "succeeded"):
            outcome = self.checked(desk, ours, self.status(others, word))
            if isinstance(outcome, Final):
                seen = outcome.seen
                assert seen is None or (seen.amount, seen.payee) not in _silent(self.amount.amount, self.payee.value)


def _silent(amount: Decimal, payee: str) -> set[tuple[Decimal | None, str | None]]:
    """Return what would be told of a payment of ours."""
    return {(amount, payee), (amount, None), (None, payee)}


_WRONG: dict[str, object] = {"number": 7, "list": [1], "object": {"a": 1}, "null": None, "true": True}


def mistyped(told: Any, wrong: str) -> Iterator[tuple[str, Any]]:
    """Yield an answer with one field after another, at any depth, replaced."""
    try:
        whole = json.loads(told.body)
    except ValueError:
        return
    for path in _paths(whole):
        body = json.dumps(_put(whole, path, _WRONG[wrong])).encode()
        if isinstance(told, Callback):
            yield "/".join(map(str, path)), Callback(told.method, told.headers, body, told.at)
        else:
            yield "/".join(map(str, path)), HttpResponse(told.status, told.headers, body, told.at)


def _paths(value: object, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inside:
        yield (*before, name)
        yield from _paths(part, (*before, name))


def _put(value: Any, path: tuple[Any, ...], new: object) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _put(value[path[0]], path[1:], new)
    return copy
