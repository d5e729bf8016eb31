"""Promises of submissions: the outcome of every answer, with the flow driven by hand."""

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

OUTCOMES: dict[str, tuple[set[type], str]] = {
    "Pending": ({Pending, Final}, "the answer that accepts a payment"),
    "Duplicate": ({Duplicate}, "the answer to a used reference"),
    "AccountRefused": ({AccountRefused}, "the answer that refuses the account: credentials, permission, configuration"),
    "NotAccepted": ({NotAccepted}, "the answer that refuses for now, such as 429"),
}
BY_STATUS = "If the API documents that a status refuses a payment for good without a code, list it in final_statuses"


def pays(request: HttpRequest, draft: Draft) -> bool:
    """Whether a request makes the draft's payment, marked as money or not."""
    ours = draft.request
    return request.moves_money or (request.method, request.url, request.body) == (ours.method, ours.url, ours.body)


class SubmitPromises(Promises):
    """A submission claims no more than its answer proves."""

    def submitted(self, shared_harness: Harness, draft: Draft, answer: HttpResponse) -> SubmitOutcome:
        """Run a submission with a given answer."""
        return answered(shared_harness.provider().provider.submit(draft), answer)

    def _mean(self, shared_harness: Harness, means: type) -> None:
        draft, wrong = shared_harness.draft("answers"), []
        for name, expected in self.answers.items():
            outcome = self.submitted(shared_harness, draft, expected.answer(draft))
            if expected.means is means and not isinstance(outcome, means):
                wrong.append(f"{name}: {type(outcome).__name__} instead of {means.__name__}")

        assert not wrong, "; ".join(wrong)

    def test_an_accepted_payment_is_pending(self, shared_harness: Harness) -> None:
        """Acceptance is pending, never a success."""
        self._mean(shared_harness, Pending)

    def test_a_final_answer_is_final(self, shared_harness: Harness) -> None:
        """A payment that the provider decides at once is final: paid, or refused for good."""
        self._mean(shared_harness, Final)

    def test_a_used_reference_is_a_duplicate(self, shared_harness: Harness) -> None:
        """A used reference is neither a success nor a failure: the existing payment is checked and compared."""
        self._mean(shared_harness, Duplicate)

    def test_a_temporary_refusal_is_not_accepted(self, shared_harness: Harness) -> None:
        """Proven unaccepted, and no failure: too many requests, an expired token."""
        self._mean(shared_harness, NotAccepted)

    def test_a_refusal_of_the_account_fails_no_payment(self, shared_harness: Harness) -> None:
        """Credentials, permission, configuration: the account pauses, and no payment fails."""
        self._mean(shared_harness, AccountRefused)

    def test_an_inconclusive_answer_is_unknown(self, shared_harness: Harness) -> None:
        """A server error may come after the money has moved."""
        self._mean(shared_harness, Unknown)

    def test_retry_after_is_read(self, shared_harness: Harness) -> None:
        """NotAccepted carries the seconds of Retry-After, and None without the header."""
        self.builds_on(shared_harness, self.test_a_temporary_refusal_is_not_accepted)
        draft = shared_harness.draft("wait")
        for name, expected in self.answers.items():
            if expected.means is NotAccepted and "retry-after" in (answer := expected.answer(draft)).headers:
                bare = {field: value for field, value in answer.headers.items() if field != "retry-after"}
                for headers, wait_s in ({**bare, "retry-after": "17"}, 17.0), (bare, None):
                    outcome = self.submitted(shared_harness, draft, replace(answer, headers=headers))
                    assert isinstance(outcome, NotAccepted), f"{name}: {outcome!r}"
                    assert outcome.retry_after_s == wait_s, f"{name} with {headers}: waits {outcome.retry_after_s}"

    @pytest.mark.parametrize("outcome", OUTCOMES)
    def test_the_answers_cover_every_outcome(self, outcome: str) -> None:
        """The profile has an accepted payment, a duplicate, a refused account and a temporary refusal."""
        means, answer = OUTCOMES[outcome]
        assert any(expected.means in means for expected in self.answers.values()), (
            f"list {answer} in answers; if the API has none, say so in skipped, "
            f'under "test_the_answers_cover_every_outcome[{outcome}]"'
        )

    def test_a_submit_sends_one_money_request(self, shared_harness: Harness) -> None:
        """With any answer: one money request in a flow, and it is the stored one."""
        draft, now = shared_harness.draft("once"), datetime.now(UTC)
        answers: list[HttpResponse | Exception] = [expected.answer(draft) for expected in self.answers.values()]
        answers += [reply(500), reply(200, HTML), NoAnswer("broken off", at=now), NotSent("refused", at=now)]
        for answer in answers:
            asked: list[HttpRequest] = []
            with contextlib.suppress(NoAnswer, NotSent):
                answered(shared_harness.provider().provider.submit(draft), answer, asked)
            paying = [request for request in asked if pays(request, draft)]
            assert paying == [draft.request], "submit must send the drafted request once, and no other money request"

    def test_a_lost_answer_is_unknown(self, shared_harness: Harness) -> None:
        """It is neither a failure, nor a success, nor NotAccepted."""
        draft, now = shared_harness.draft("lost"), datetime.now(UTC)
        try:
            outcome = answered(shared_harness.provider().provider.submit(draft), NoAnswer("broken off", at=now))
        except NoAnswer:
            return
        assert isinstance(outcome, Unknown), f"a lost answer was taken for {outcome!r}"

    def test_an_unsent_payment_stays_unsent(self, shared_harness: Harness) -> None:
        """NotSent leaves the flow unchanged, so that the engine sends the payment later."""
        draft, now = shared_harness.draft("not sent"), datetime.now(UTC)
        with pytest.raises(NotSent):
            answered(shared_harness.provider().provider.submit(draft), NotSent("refused", at=now))

    @pytest.mark.parametrize("body", BODIES)
    def test_a_malformed_answer_is_unknown(self, shared_harness: Harness, body: str) -> None:
        """With any HTTP status: a body that is not the provider's proves nothing, not even a refusal."""
        draft, wrong = shared_harness.draft("broken"), []
        for status in STATUSES:
            outcome = self.submitted(shared_harness, draft, reply(status, BODIES[body]))
            if self._claims(outcome, status):
                wrong.append(f"{status} with {body} was taken for {outcome!r}")

        assert not wrong, f"{'; '.join(wrong)}. {BY_STATUS}"

    def _claims(self, outcome: SubmitOutcome, status: int) -> bool:
        """Whether an outcome claims more than an HTTP status proves: a final one, or a refusal at 2xx or 5xx."""
        if isinstance(outcome, Final):
            return status not in self.final_statuses
        return isinstance(outcome, NotAccepted | AccountRefused) and not 400 <= status < 500

    def test_an_outcome_follows_from_the_body(self, shared_harness: Harness) -> None:
        """The HTTP status alone decides nothing: a refusal inside a 2xx is not accepted, unlisted codes are unknown."""
        self.builds_on(
            shared_harness,
            self.test_a_temporary_refusal_is_not_accepted,
            self.test_a_refusal_of_the_account_fails_no_payment,
            self.test_an_inconclusive_answer_is_unknown,
        )
        draft, wrong = shared_harness.draft("words"), []
        answers = {name: (expected, expected.answer(draft)) for name, expected in self.answers.items()}
        taken = {answer.status for expected, answer in answers.values() if expected.means in {Pending, Final}}
        for name, (expected, answer) in answers.items():
            if (new := reworded(answer)) is not None:
                outcome = self.submitted(shared_harness, draft, new)
                if self._claims(outcome, new.status) or isinstance(outcome, Pending):
                    wrong.append(f"{name}, with unlisted texts: {outcome!r}")
            for status in taken & {200, 201, 202} if expected.means is not Pending and answer.body else ():
                outcome = self.submitted(shared_harness, draft, replace(answer, status=status))
                is_paid = isinstance(outcome, Final) and outcome.succeeded and expected.means is not Final
                if is_paid or isinstance(outcome, Pending):
                    wrong.append(f"{name}, with HTTP {status}: {outcome!r}")

        assert not wrong, f"{'; '.join(wrong)}. {BY_STATUS}"

    def test_an_answer_to_another_payment_is_not_ours(self, shared_harness: Harness) -> None:
        """An answer that names another payment is unknown."""
        ours, another = shared_harness.draft("ours"), shared_harness.draft("another's")
        theirs = replace(ours, references=another.references)
        for name, expected in self.answers.items():
            answer = expected.answer(theirs)
            if answer.body == expected.answer(ours).body:
                continue  # the answer has no reference
            outcome = self.submitted(shared_harness, ours, answer)
            assert isinstance(outcome, Unknown | AccountRefused), f"{name}, of another payment: taken for {outcome!r}"

    @pytest.mark.parametrize("wrong", ["number", "list", "object", "null", "true"])
    def test_a_mistyped_answer_fails_no_payment(self, shared_harness: Harness, wrong: str) -> None:
        """Each field in turn has a wrong type; no failure is invented."""
        draft = shared_harness.draft("types")
        for name, expected in self.answers.items():
            if expected.means in {Pending, Final, Duplicate}:
                for where, answer in mistyped(expected.answer(draft), wrong):
                    outcome = self.submitted(shared_harness, draft, answer)
                    failed = isinstance(outcome, Final) and not outcome.succeeded and expected.means is not Final
                    assert not failed, f"{name} with {where} a {wrong}: {outcome!r}"
