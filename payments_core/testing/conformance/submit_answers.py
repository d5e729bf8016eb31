"""Promises of what the answer to a payment is taken for: the flow that submits it, answered by hand."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.provider import AccountRefused, Draft, Duplicate, Final, NotAccepted, Pending, SubmitOutcome, Unknown
from payments_core.testing.conformance.fixtures import Promises
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.malformed import BODIES, HTML, STATUSES, answered, mistyped, reworded
from payments_core.testing.conformance.profile import reply

__all__ = ["SubmitPromises", "pays"]


def pays(request: HttpRequest, draft: Draft) -> bool:
    """Say whether a request asks for the draft's payment, whether or not it is marked as one that moves money."""
    ours = draft.request
    return request.moves_money or (request.method, request.url, request.body) == (ours.method, ours.url, ours.body)


class SubmitPromises(Promises):
    """Nothing the answer to a payment says is taken for more than it says."""

    def submitted(self, desk: Harness, draft: Draft, answer: HttpResponse) -> SubmitOutcome:
        """Pay, answered by hand."""
        return answered(desk.provider().provider.submit(draft), answer)

    def _mean(self, desk: Harness, means: type) -> None:
        draft, wrong = desk.draft("answers"), []
        for name, said in self.answers.items():
            outcome = self.submitted(desk, draft, said.answer(draft))
            if said.means is means and not isinstance(outcome, means):
                wrong.append(f"{name}: {type(outcome).__name__} instead of {means.__name__}")

        assert not wrong, "; ".join(wrong)

    def test_a_payment_that_is_taken_is_pending(self, desk: Harness) -> None:
        """And no success before the provider says so."""
        self._mean(desk, Pending)

    def test_an_answer_that_is_final_is_taken_for_one(self, desk: Harness) -> None:
        """Whatever the provider decides at once: paid, or refused for good."""
        self._mean(desk, Final)

    def test_a_reference_that_was_used_before_is_a_duplicate(self, desk: Harness) -> None:
        """Neither a success nor a failure: what stands under it is read, and compared."""
        self._mean(desk, Duplicate)

    def test_what_is_not_taken_for_now_is_sent_later(self, desk: Harness) -> None:
        """Proven not to be taken, and no failure: too many requests, a token that has ended."""
        self._mean(desk, NotAccepted)

    def test_a_refusal_of_the_account_fails_no_payment(self, desk: Harness) -> None:
        """Credentials, permission, configuration: it says something about us, and the account pauses."""
        self._mean(desk, AccountRefused)

    def test_an_answer_that_proves_nothing_is_unknown(self, desk: Harness) -> None:
        """An error of the server may come after the money has moved."""
        self._mean(desk, Unknown)

    def test_a_wait_that_is_asked_for_is_kept(self, desk: Harness) -> None:
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
        assert AccountRefused in means, "show how an account is refused: credentials, permission, configuration"
        assert NotAccepted in means, "show how it is told to come back later"

    def test_a_payment_asks_for_money_once(self, desk: Harness) -> None:
        """However it is answered, and whether or not it is marked: one money request a flow, and the stored one."""
        draft, now = desk.draft("once"), datetime.now(UTC)
        answers: list[HttpResponse | Exception] = [said.answer(draft) for said in self.answers.values()]
        answers += [reply(500), reply(200, HTML), NoAnswer("broken off", at=now), NotSent("refused", at=now)]
        for answer in answers:
            asked: list[HttpRequest] = []
            with contextlib.suppress(NoAnswer, NotSent):
                answered(desk.provider().provider.submit(draft), answer, asked)
            paying = [request for request in asked if pays(request, draft)]
            assert paying == [draft.request], "a payment asks for money once, by the request it drafted"

    def test_a_lost_answer_is_never_an_end(self, desk: Harness) -> None:
        """Neither a failure nor a success nor "not taken"."""
        draft, now = desk.draft("lost"), datetime.now(UTC)
        try:
            outcome = answered(desk.provider().provider.submit(draft), NoAnswer("broken off", at=now))
        except NoAnswer:
            return
        assert isinstance(outcome, Unknown), f"a lost answer was taken for {outcome!r}"

    def test_what_was_not_sent_stays_so(self, desk: Harness) -> None:
        """It is sent later, and is no failure."""
        draft, now = desk.draft("not sent"), datetime.now(UTC)
        with pytest.raises(NotSent):
            answered(desk.provider().provider.submit(draft), NotSent("refused", at=now))

    @pytest.mark.parametrize("body", BODIES)
    def test_no_broken_answer_fails_a_payment(self, desk: Harness, body: str) -> None:
        """Whatever the HTTP status: without words of the provider nothing is known, not even that it was not taken."""
        draft, wrong = desk.draft("broken"), []
        for status in STATUSES:
            outcome = self.submitted(desk, draft, reply(status, BODIES[body]))
            if self._claims(outcome, status):
                wrong.append(f"{status} with {body} was taken for {outcome!r}")

        assert not wrong, "; ".join(wrong)

    def _claims(self, outcome: SubmitOutcome, status: int) -> bool:
        """Whether an outcome says more than an HTTP status can: an end, or at a 2xx or 5xx that nothing was taken."""
        if isinstance(outcome, Final):
            return status not in self.final_statuses
        return isinstance(outcome, NotAccepted | AccountRefused) and not 400 <= status < 500

    def test_an_answer_goes_by_its_words(self, desk: Harness) -> None:
        """An HTTP status is none: a failure inside a 2xx is not taken, and words nobody listed say nothing."""
        self.builds_on(
            desk,
            self.test_what_is_not_taken_for_now_is_sent_later,
            self.test_a_refusal_of_the_account_fails_no_payment,
            self.test_an_answer_that_proves_nothing_is_unknown,
        )
        draft, wrong = desk.draft("words"), []
        answers = {name: (said, said.answer(draft)) for name, said in self.answers.items()}
        taken = {answer.status for said, answer in answers.values() if said.means in {Pending, Final}}
        for name, (said, answer) in answers.items():
            if (new := reworded(answer)) is not None:
                outcome = self.submitted(desk, draft, new)
                if self._claims(outcome, new.status) or isinstance(outcome, Pending):
                    wrong.append(f"{name}, in words nobody listed: {outcome!r}")
            for status in taken & {200, 201, 202} if said.means is not Pending and answer.body else ():
                outcome = self.submitted(desk, draft, replace(answer, status=status))
                is_paid = isinstance(outcome, Final) and outcome.succeeded and said.means is not Final
                if is_paid or isinstance(outcome, Pending):
                    wrong.append(f"{name}, with HTTP {status}: {outcome!r}")

        assert not wrong, "; ".join(wrong)

    def test_an_answer_to_another_payment_is_not_ours(self, desk: Harness) -> None:
        """Where it names a payment, it says nothing of any other."""
        ours, another = desk.draft("ours"), desk.draft("another's")
        theirs = replace(ours, references=another.references)
        for name, said in self.answers.items():
            answer = said.answer(theirs)
            if answer.body == said.answer(ours).body:
                continue  # it names none
            outcome = self.submitted(desk, ours, answer)
            assert isinstance(outcome, Unknown | AccountRefused), f"{name}, of another payment: taken for {outcome!r}"

    @pytest.mark.parametrize("wrong", ["number", "list", "object", "null", "true"])
    def test_no_wrongly_typed_answer_breaks_or_fails_a_payment(self, desk: Harness, wrong: str) -> None:
        """Each field in turn holds something else than it should."""
        draft = desk.draft("types")
        for name, said in self.answers.items():
            if said.means in {Pending, Final, Duplicate}:
                for where, answer in mistyped(said.answer(draft), wrong):
                    outcome = self.submitted(desk, draft, answer)
                    failed = isinstance(outcome, Final) and not outcome.succeeded and said.means is not Final
                    assert not failed, f"{name} with {where} a {wrong}: {outcome!r}"
