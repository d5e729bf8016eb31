"""Providers that each break one promise: the template's, with one small change. Collected by ``test_broken`` alone."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
import uuid
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "providers" / "_template"))

from payments_core.errors import InvalidPayout
from payments_core.flow import Blocked, Flow, exchange
from payments_core.payout import Order, Payee, Reason, ReasonCode
from payments_core.provider import (
    Acknowledgement,
    Attempt,
    Balance,
    Callback,
    Capability,
    Checked,
    Credential,
    Deferred,
    Draft,
    Duplicate,
    Final,
    Heard,
    NotAccepted,
    NotFound,
    NotTold,
    Pending,
    Person,
    Submitted,
    Unknown,
)
from payments_core.testing.conformance import heard, payments
from payments_core.testing.conformance.scene import Kind, Scene
from payments_core.wire import HttpRequest, HttpResponse, NoAnswer, slot
from payments_template.conformance import TemplateConformance
from payments_template.provider import TemplateProvider
from payments_template.spec import SPEC

FAILED = Reason(ReasonCode.UNRECOGNISED, "broken")
IS_HEAVY = os.environ.get("PAYMENTS_BROKEN_HEAVY") == "1"
KINDS = ["sync", "async"] if IS_HEAVY else ["async"]
TROUBLES = [*payments.TROUBLES] if IS_HEAVY else ["accepted, answer lost", "lost before acceptance", "503", "429"]
WAYS = [*heard.WAYS] if IS_HEAVY else ["forged", "repeated"]


def told(response: HttpResponse) -> Mapping[str, Any]:
    """Return what an answer says."""
    from payments_core.answers import parse_json

    found = parse_json(response.body)
    return found if isinstance(found, dict) else {}


class Broken(TemplateProvider):
    """The template's provider, until somebody breaks it.

    Args:
        settings: The account.

    """

    capabilities = SPEC.capabilities

    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        """Say what the answer to a payment is taken for."""
        return outcome

    def checked(self, outcome: Checked, answer: HttpResponse, draft: Draft) -> Checked:
        """Say what the answer to a question is taken for."""
        return outcome

    def submit(self, draft: Draft) -> Flow[Submitted]:
        answers: list[HttpResponse] = []
        outcome = yield from _kept(super().submit(draft), answers)
        return self.submitted(outcome, answers[-1])

    def check(self, draft: Draft) -> Flow[Checked]:
        answers: list[HttpResponse] = []
        outcome = yield from _kept(super().check(draft), answers)
        return self.checked(outcome, answers[-1], draft)


def _kept(flow: Flow[Any], answers: list[HttpResponse]) -> Flow[Any]:
    """Drive a flow and keep what it was answered."""
    try:
        command = next(flow)
        while True:
            try:
                reply = yield command
            except Exception as error:  # noqa: BLE001 - handed on
                command = flow.throw(error)
            else:
                assert isinstance(reply, HttpResponse)
                answers.append(reply)
                command = flow.send(reply)
    except StopIteration as end:
        return end.value


class BreaksNothing(Broken):
    """Keeps every promise: what is built around the others breaks none by itself."""


class RepeatsThePost(Broken):
    """Asks for the money a second time when no answer came."""

    def submit(self, draft: Draft) -> Flow[Submitted]:
        try:
            return (yield from super().submit(draft))
        except NoAnswer:
            return (yield from super().submit(draft))


class TakesALostAnswerForAFailure(Broken):
    def submit(self, draft: Draft) -> Flow[Submitted]:
        try:
            return (yield from super().submit(draft))
        except NoAnswer:
            return Final(reason=FAILED)


class TakesAnUnknownStatusForAFailure(Broken):
    def checked(self, outcome: Checked, answer: HttpResponse, draft: Draft) -> Checked:
        is_word = isinstance(told(answer).get("status"), str)
        return Final(reason=FAILED) if isinstance(outcome, Unknown) and answer.status == 200 and is_word else outcome


class TakesNotFoundForAFailure(Broken):
    def checked(self, outcome: Checked, answer: HttpResponse, draft: Draft) -> Checked:
        return Final(reason=FAILED, http_status=404) if isinstance(outcome, NotFound) else outcome


class TakesBrokenAnswersForFailures(Broken):
    """A 4xx is a failure, whatever stands in it."""

    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        return Final(reason=FAILED) if 400 <= answer.status < 500 and not told(answer) else outcome


class TakesPendingForASuccess(Broken):
    def checked(self, outcome: Checked, answer: HttpResponse, draft: Draft) -> Checked:
        return Final(seen=outcome.seen) if isinstance(outcome, Pending) else outcome


class TakesTakenForPaid(Broken):
    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        return Final() if isinstance(outcome, Pending) else outcome


class TakesADuplicateForASuccess(Broken):
    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        return Final() if isinstance(outcome, Duplicate) else outcome


class TakesTooManyForAFailure(Broken):
    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        return Final(reason=FAILED) if isinstance(outcome, NotAccepted) else outcome


class TakesABusyServerForARefusal(Broken):
    """A 503 may come after the money has moved: to send it again is safe only where that is proven."""

    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        return NotAccepted() if answer.status == 503 and told(answer) else outcome


class TakesARefusalOfUsForAFailure(Broken):
    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        return Final(reason=FAILED) if isinstance(outcome, Blocked) else outcome


class ForgetsTheWait(Broken):
    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        return replace(outcome, retry_after_s=None) if isinstance(outcome, NotAccepted) else outcome


class DropsFailuresOfANewKind(Broken):
    def checked(self, outcome: Checked, answer: HttpResponse, draft: Draft) -> Checked:
        if isinstance(outcome, Final) and outcome.reason and outcome.reason.provider_code == "GEHEIMRAT_7":
            return Unknown()
        return outcome


class VouchesForItself(Broken):
    """Tells what was asked for as what was paid."""

    def checked(self, outcome: Checked, answer: HttpResponse, draft: Draft) -> Checked:
        if not isinstance(outcome, Final) or outcome.seen is None:
            return outcome
        amount, payee = draft.order.amount, draft.order.payee
        return replace(outcome, seen=replace(outcome.seen, amount=amount.amount, payee=payee.value))


class SeesNothing(Broken):
    """Tells nothing of what was paid, so that nobody can compare it."""

    def checked(self, outcome: Checked, answer: HttpResponse, draft: Draft) -> Checked:
        return replace(outcome, seen=None)


class LeaksTheKeyInAnError(Broken):
    def validate(self, order: Order) -> None:
        try:
            super().validate(order)
        except InvalidPayout as error:
            key = self._settings.api_key.get_secret_value()
            raise InvalidPayout(f"{error} It was asked with {key}.", hint="Ask otherwise.") from error


class LeaksTheKeyIntoTheHistory(Broken):
    """In the words it keeps of an answer, where no scrubbing takes it for a number."""

    def submitted(self, outcome: Submitted, answer: HttpResponse) -> Submitted:
        if isinstance(outcome, Unknown):
            key = b64encode(self._settings.api_key.get_secret_value().encode()).decode()
            return replace(outcome, text=f"asked with {key}")
        return outcome


class LeaksTheKeyIntoTheLog(Broken):
    def apply(self, request: HttpRequest, credential: Credential, **more: Any) -> HttpRequest:
        filled = super().apply(request, credential, **more)
        logging.getLogger("payments_template").debug("sends %s", dict(filled.headers))
        return filled


class StoresASecret(Broken):
    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        key = {"X-Key": self._settings.api_key.get_secret_value()}
        return replace(draft, request=replace(draft.request, headers={**draft.request.headers, **key}))


class Rounds(Broken):
    """Pays what is left when the pennies are cut off."""

    def validate(self, order: Order) -> None:
        super().validate(replace(order, amount=replace(order.amount, amount=round(order.amount.amount, 2))))


class PaysToAnything(Broken):
    def validate(self, order: Order) -> None:
        super().validate(replace(order, payee=Payee(kind="msisdn", value=order.payee.value)))


class DrawsItsReferences(Broken):
    """A new one for each draft."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return super().draft(order, replace(attempt, seed=uuid.uuid4().bytes * 2))


class RepeatsReferences(Broken):
    """Pays an attempt under the references of the one before it."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return super().draft(order, replace(attempt, seed=attempt.payout_id.encode().ljust(32)[-32:]))


class BelievesCallbacks(Broken):
    def verify(self, callback: Callback) -> bool | None:
        return True


class StumblesOverCallbacks(Broken):
    def parse(self, callback: Callback) -> Heard | None:
        callback.body.decode()
        return super().parse(callback)


class CallsEverythingForged(Broken):
    """Nothing proves a callback, so that it is taken for a lie."""

    def verify(self, callback: Callback) -> bool | None:
        return False


class NamesNoPayment(Broken):
    """Finds in a callback what nobody calls a payment by."""

    def parse(self, callback: Callback) -> Heard | None:
        heard = super().parse(callback)
        return None if heard is None else replace(heard, references={"reference": "something else"})


class TellsStrangers(Broken):
    """Answers what it understands otherwise than what it does not."""

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        return Acknowledgement(status=200 if self.parse(callback) else 202)


class SleepsInAFlow(Broken):
    def submit(self, draft: Draft) -> Flow[Submitted]:
        time.sleep(0.001)
        return (yield from super().submit(draft))


class ConnectsInAFlow(Broken):
    """Asks by itself, on the event loop."""

    def check(self, draft: Draft) -> Flow[Checked]:
        socket.getaddrinfo("127.0.0.1", 80)
        return (yield from super().check(draft))


class DeclaresWhatItLacks(Broken):
    capabilities = SPEC.capabilities | {Capability.BALANCES}


class TellsLater:
    """What is held is told later; the template's emulator has no such call."""

    capabilities = SPEC.capabilities | {Capability.BALANCES_LATER}
    path = f"/balance/{slot('answer_token')}"

    def ask_balances(self) -> Flow[Deferred | NotTold]:
        answer = yield from exchange(HttpRequest("POST", f"{self._settings.base_url}{self.path}", "balance"))  # type: ignore[attr-defined]
        return Deferred() if answer.status == 202 else NotTold(reason=FAILED)

    def read_balances(self, callback: Callback) -> tuple[Balance, ...] | NotTold | None:
        return None


class AsksForABalanceWithoutAPath(TellsLater, Broken):
    path = "/balance"


class TakesAnythingForABalance(TellsLater, Broken):
    """Where no figure stands, nothing is held."""

    def read_balances(self, callback: Callback) -> tuple[Balance, ...] | NotTold | None:
        return (Balance(Decimal(0), "EUR"),)


class TellsNoBalance(TellsLater, Broken):
    """Declares it, and never gets one."""


class KnowsNames:
    """Can be asked for a name; the template's emulator has no such call."""

    capabilities = SPEC.capabilities | {Capability.NAME_LOOKUP}
    moves_money = False

    def name(self, payee: Payee) -> Flow[Person | NotTold]:
        url = f"{self._settings.base_url}/names"  # type: ignore[attr-defined]
        yield from exchange(HttpRequest("GET", url, "name", moves_money=self.moves_money))
        return NotTold(reason=FAILED)


class AnswersNoQuestion(KnowsNames, Broken):
    """Declares it, and never knows."""


class PaysToAsk(KnowsNames, Broken):
    moves_money = True


class StumblesOverAStranger(KnowsNames, Broken):
    """Raises where it has no answer."""

    def name(self, payee: Payee) -> Flow[Person | NotTold]:
        if payee.kind != "msisdn":
            raise InvalidPayout("no such wallet")
        return (yield from super().name(payee))


class MakesUpAName(KnowsNames, Broken):
    """Takes any answer for one."""

    def name(self, payee: Payee) -> Flow[Person | NotTold]:
        yield from super().name(payee)
        return Person(name="Somebody")


class OneKind(TemplateConformance):
    """The template's sheet; with one kind of client and some of the ways to go wrong, unless all are asked for."""

    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_trouble_pays_nobody_twice_and_fails_nothing(self, scene: Scene, trouble: str) -> None:
        super().test_trouble_pays_nobody_twice_and_fails_nothing(scene, trouble)

    @pytest.mark.parametrize("way", WAYS)
    def test_callbacks_never_change_the_truth(self, scene: Scene, way: str) -> None:
        super().test_callbacks_never_change_the_truth(scene, way)

    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        found: Kind = request.param
        return found


if not IS_HEAVY:
    OneKind.skipped = {"test_both_clients_decide_alike": "one kind of client plays"}

for broken in Broken.__subclasses__():
    spec = replace(SPEC, build=broken, capabilities=broken.capabilities)
    globals()[f"Test{broken.__name__}"] = type(f"Test{broken.__name__}", (OneKind,), {"spec": spec})
