"""Promises of checks: the outcome of every answer, with the flow driven by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from payments_core.domain.money import Money
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.provider import (
    Callback,
    CheckOutcome,
    Draft,
    Final,
    NotFound,
    Pending,
    ReportedDetails,
    ResultCallbacks,
    Unknown,
)
from payments_core.testing.conformance.fixtures import Promises
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.malformed import BODIES, HTML, STATUSES, UNLISTED, answered, mistyped
from payments_core.testing.conformance.profile import reply
from payments_core.testing.conformance.submit_answers import pays

__all__ = ["CheckPromises"]


class CheckPromises(Promises):
    """A check claims no more than its answer proves."""

    def checked(self, shared_harness: Harness, draft: Draft, answer: HttpResponse | Callback) -> CheckOutcome:
        """Run a check with a given answer."""
        provider = shared_harness.provider().provider
        if isinstance(answer, Callback):
            assert isinstance(provider, ResultCallbacks)
            return provider.read_answer(draft, answer)
        return answered(provider.check(draft), answer)

    def test_every_status_is_mapped(self, shared_harness: Harness) -> None:
        """Every status of the profile maps to its outcome: pending, succeeded, failed or unknown."""
        draft = shared_harness.draft("statuses")
        ends = {"pending": Pending, "succeeded": Final, "failed": Final, "unknown": Unknown}
        for word, end in self.statuses.items():
            outcome = self.checked(shared_harness, draft, self.status(draft, word))
            assert isinstance(outcome, ends[end]), f"{word} was taken for {outcome!r}"
            if isinstance(outcome, Final):
                assert outcome.succeeded == (end == "succeeded"), f"{word} was taken for {outcome!r}"
        assert set(self.statuses.values()) >= {"pending", "succeeded", "failed"}, (
            "list a status for each of pending, succeeded and failed"
        )

    def test_an_unlisted_status_is_not_final(self, shared_harness: Harness) -> None:
        """A new status is pending or unknown, also one that contains a known status."""
        draft = shared_harness.draft("new word")
        longer = [new for word in self.statuses for new in (f"{word}_{UNLISTED}", f"NOT_{word}")]
        for word in (UNLISTED, "", "succeeded ", "0x00", *longer):
            if word not in self.statuses:
                outcome = self.checked(shared_harness, draft, self.status(draft, word))
                assert isinstance(outcome, Pending | Unknown), f"{word!r} was taken for {outcome!r}"

    @pytest.mark.parametrize("reason", [None, UNLISTED, "", 7, {"code": UNLISTED, "message": "so"}, []])
    def test_a_failure_needs_no_listed_reason(self, shared_harness: Harness, reason: object) -> None:
        """A failed payment is final whether its reason is a code, a text, an object or missing."""
        draft = shared_harness.draft("reasons")
        for word in (word for word, end in self.statuses.items() if end == "failed"):
            outcome = self.checked(shared_harness, draft, self.status(draft, word, reason))
            assert isinstance(outcome, Final), f"{word} with {reason!r} was taken for {outcome!r}"
            assert outcome.reason is not None
            assert outcome.reason.code

    def test_not_found_is_an_outcome_of_its_own(self, shared_harness: Harness) -> None:
        """A payment that is not found may still appear: the outcome is NotFound, never a failure."""
        draft = shared_harness.draft("not found")

        outcome = self.checked(shared_harness, draft, self.not_found(draft))
        assert isinstance(outcome, NotFound), f"it was taken for {outcome!r}"

    def test_a_refused_check_is_unknown(self, shared_harness: Harness) -> None:
        """A 401, 404, 500 or an error of the provider refuses the check; the payment may have been made."""
        draft, wrong = shared_harness.draft("refused question"), []
        for name, answer in self._refusals(draft):
            outcome = self.checked(shared_harness, draft, answer)
            if not isinstance(outcome, Unknown):
                wrong.append(f"{name}: {outcome!r}")

        assert not wrong, f"a refused check was taken for a result: {'; '.join(wrong)}"

    def _refusals(self, draft: Draft) -> Iterator[tuple[str, HttpResponse | Callback]]:
        """Yield answers that refuse a check: those to a payment, and statuses, each with a refusing HTTP status."""
        for name, write in self.refused_questions.items():
            yield name, write(draft)
        absent = self.not_found(draft)
        not_there = (absent.status, absent.body) if isinstance(absent, HttpResponse) else (0, b"")
        answers = {name: expected.answer(draft) for name, expected in self.answers.items()}
        statuses = {word: self.status(draft, word) for word in self.statuses}
        answers |= {
            f"the status {word}": answer for word, answer in statuses.items() if isinstance(answer, HttpResponse)
        }
        for name, answer in answers.items():
            for status in sorted({*REFUSED, answer.status} - {*range(400)}):
                if not_there not in {(status, b""), (status, answer.body)}:  # the provider's own "not found"
                    yield f"{name}, with HTTP {status}", replace(answer, status=status)

    def test_a_lost_check_is_unknown(self, shared_harness: Harness) -> None:
        """A check without an answer, sent or not, is neither NotFound nor final."""
        draft, now = shared_harness.draft("lost read"), datetime.now(UTC)
        for lost in NoAnswer("broken off", at=now), NotSent("refused", at=now):
            try:
                outcome = answered(shared_harness.provider().provider.check(draft), lost)
            except (NoAnswer, NotSent):
                continue
            assert isinstance(outcome, Unknown), f"{type(lost).__name__} was taken for {outcome!r}"

    def test_a_check_moves_no_money(self, shared_harness: Harness) -> None:
        """With any answer: a check never sends the payment's request, marked as money or not."""
        draft, now = shared_harness.draft("question"), datetime.now(UTC)
        answers: list[HttpResponse | Callback | Exception] = [
            expected.answer(draft) for expected in self.answers.values()
        ]
        answers += [self.status(draft, word) for word in self.statuses]
        answers += [self.not_found(draft), reply(200, HTML), NoAnswer("broken off", at=now)]
        for answer in answers:
            asked: list[HttpRequest] = []
            if not isinstance(answer, Callback):
                with contextlib.suppress(NoAnswer):
                    answered(shared_harness.provider().provider.check(draft), answer, asked)
            assert not [request for request in asked if pays(request, draft)], "a check sent a money request"

    @pytest.mark.parametrize("body", BODIES)
    def test_a_malformed_check_ends_no_payment(self, shared_harness: Harness, body: str) -> None:
        """A malformed answer is unknown: neither final nor NotFound."""
        draft = shared_harness.draft("broken read")
        for status in STATUSES:
            answer = reply(status, BODIES[body])
            if self.spec.facts.status_by == "result_callback":
                outcome = self.checked(shared_harness, draft, Callback("POST", {}, answer.body, answer.at))
            else:
                outcome = self.checked(shared_harness, draft, answer)
            absent = self.not_found(draft)
            is_word = isinstance(absent, HttpResponse) and (absent.status, absent.body) == (status, BODIES[body])
            claims = isinstance(outcome, Final) or (isinstance(outcome, NotFound) and not is_word)
            assert not claims, f"{status} with {body} was taken for {outcome!r}"

    @pytest.mark.parametrize("wrong", ["number", "list", "object", "null", "true"])
    def test_a_mistyped_check_invents_no_failure(self, shared_harness: Harness, wrong: str) -> None:
        """Each field in turn has a wrong type; nothing raises, and no failure is invented."""
        draft = shared_harness.draft("read types")
        for word, end in self.statuses.items():
            for where, answer in mistyped(self.status(draft, word), wrong):
                outcome = self.checked(shared_harness, draft, answer)
                invented = isinstance(outcome, Final) and not outcome.succeeded and end != "failed"
                assert not invented, f"{word} with {where} a {wrong}: {outcome!r}"

    def test_a_success_reports_amount_currency_and_payee(self, shared_harness: Harness) -> None:
        """A success reports the amount or the payee, and the currency if the answer has it, to be compared."""
        draft = shared_harness.draft("seen")
        for word in (word for word, end in self.statuses.items() if end == "succeeded"):
            outcome = self.checked(shared_harness, draft, self.status(draft, word))
            assert isinstance(outcome, Final)
            seen = outcome.seen
            assert seen is not None, f"set reported details ({NOTHING_TO_COMPARE})"
            assert seen.amount in {None, self.amount.amount}
            assert isinstance(seen.amount, Decimal | None), "an amount is a Decimal: a float has lost digits"
            assert seen.currency in {None, str(self.amount.currency)}
            assert seen.payee in {None, self.payee.value}
            assert seen.amount is not None or seen.payee is not None, f"report amount or payee ({NOTHING_TO_COMPARE})"

    def test_a_check_of_another_payment_reports_the_difference(self, shared_harness: Harness) -> None:
        """Reference, amount, currency and payee come from the answer, never from our own order."""
        self.builds_on(shared_harness, self.test_a_success_reports_amount_currency_and_payee)
        ours, double = shared_harness.draft("ours"), Money(str(self.amount.amount * 2), self.amount.currency)
        order = ours.order
        others = {
            "id": replace(ours, references=shared_harness.draft("another's").references),
            "amount": replace(ours, order=replace(order, amount=double)),
            "currency": replace(ours, order=replace(order, amount=Money(self.amount.amount, "XTS"))),
            "payee": replace(ours, order=replace(order, payee=self.other_payee)),
        }
        for word in self.statuses:
            for what, theirs in others.items():
                answer = self.status(theirs, word)
                if answer.body == self.status(ours, word).body:
                    continue  # the answer does not contain it
                outcome = self.checked(shared_harness, ours, answer)
                is_ours = isinstance(outcome, Final | Pending) and not _is_of_another(outcome.seen, ours)
                assert not is_ours, f"{word} of a payment with another {what} was taken for ours: {outcome!r}"


REFUSED = (401, 403, 404, 500, 503)
NOTHING_TO_COMPARE = "seen=ReportedDetails(…); if the API's answers have neither amount nor payee, say so in skipped"


def _is_of_another(seen: ReportedDetails | None, draft: Draft) -> bool:
    """Whether reported details differ from the order, as the engine compares them."""
    order, seen = draft.order, seen or ReportedDetails()
    pairs = (
        (seen.amount, order.amount.amount),
        (seen.currency, order.amount.currency),
        (seen.payee, order.payee.value),
        (seen.external_id, draft.references.get("external_id")),
    )
    return any(theirs is not None and ours is not None and theirs != ours for theirs, ours in pairs)
