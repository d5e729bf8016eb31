"""Providers that each break one promise: the template's, with one small change. Collected by ``test_broken`` alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import socket
import sys
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field, SecretStr

sys.path.insert(0, str(Path(__file__).parents[2] / "providers" / "_template"))

from payments_core.domain.errors import InvalidPayout
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, Reason, ReasonCode
from payments_core.domain.references import uuid4_shaped
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, slot
from payments_core.http.parsing import number, text_of
from payments_core.provider import (
    AccountRefused,
    Acknowledgement,
    Attempt,
    Balance,
    Callback,
    CheckOutcome,
    Credential,
    Deferred,
    Draft,
    Duplicate,
    Entropy,
    Facts,
    Final,
    LookupRefused,
    NotAccepted,
    NotFound,
    ParsedCallback,
    Pending,
    Person,
    SubmitOutcome,
    Unknown,
)
from payments_core.testing.conformance import callbacks, payments
from payments_core.testing.conformance.harness import Harness, Kind
from payments_core.testing.emulator import Answer, Fires
from payments_core.testing.emulator.callback_queue import Callback as SentCallback
from payments_core.testing.emulator.server import Emulator
from payments_template import codec
from payments_template.conformance import TemplateConformance
from payments_template.emulator import TemplateEmulator
from payments_template.emulator.gateway import Gateway, Request, Switches
from payments_template.provider import TemplateProvider
from payments_template.settings import TemplateSettings
from payments_template.spec import SPEC

# What is broken here may be sent again: with the template's own facts less could go wrong.
_FACTS: dict[str, Any] = {
    "resend": "safe",
    "dedupe_window_s": 86_400.0,
    "visible_after_s": 60.0,
    "dedupe_settle_s": 600.0,
}
SAFE = Facts(**_FACTS, sources=dict.fromkeys(_FACTS, "the template's emulator"))
FAILED = Reason(ReasonCode.UNRECOGNISED, "broken")
IS_HEAVY = os.environ.get("PAYMENTS_BROKEN_HEAVY") == "1"
KINDS = ["sync", "async"] if IS_HEAVY else ["async"]
TROUBLES = [*payments.TROUBLES] if IS_HEAVY else ["accepted, answer lost", "lost before acceptance", "503", "429"]
WAYS = [*callbacks.WAYS] if IS_HEAVY else ["forged", "repeated"]


def described(response: HttpResponse) -> Mapping[str, Any]:
    """Return what an answer says."""
    from payments_core.http.parsing import parse_json

    found = parse_json(response.body)
    return found if isinstance(found, dict) else {}


class Broken(TemplateProvider):
    """The template's provider, until somebody breaks it.

    Args:
        settings: The account.

    """

    settings: ClassVar[type[TemplateSettings]] = TemplateSettings
    emulated: ClassVar[type[TemplateEmulator]] = TemplateEmulator

    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        """Say what the answer to a payment is taken for."""
        return outcome

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        """Say what the answer to a question is taken for."""
        return outcome

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        answers: list[HttpResponse] = []
        outcome = yield from _kept(super().submit(draft), answers)
        return self.submitted(outcome, answers[-1])

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        answers: list[HttpResponse] = []
        outcome = yield from _kept(super().check(draft), answers)
        return self.checked(outcome, answers[-1], draft)


def _kept(flow: HttpFlow[Any], answers: list[HttpResponse]) -> HttpFlow[Any]:
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

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        try:
            return (yield from super().submit(draft))
        except NoAnswer:
            return (yield from super().submit(draft))


class TakesALostAnswerForAFailure(Broken):
    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        try:
            return (yield from super().submit(draft))
        except NoAnswer:
            return Final(reason=FAILED)


class TakesAnUnknownStatusForAFailure(Broken):
    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        is_ours = described(answer).get("id") == draft.references["reference"]
        is_word = answer.status == 200 and isinstance(described(answer).get("status"), str)
        return Final(reason=FAILED) if isinstance(outcome, Unknown) and is_ours and is_word else outcome


class TakesNotFoundForAFailure(Broken):
    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        return Final(reason=FAILED, http_status=404) if isinstance(outcome, NotFound) else outcome


class TakesBrokenAnswersForFailures(Broken):
    """A 4xx is a failure, whatever stands in it."""

    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return Final(reason=FAILED) if 400 <= answer.status < 500 and not described(answer) else outcome


class TakesABrokenGatewayForARefusal(Broken):
    """A page of the proxy proves that nothing was taken."""

    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return NotAccepted() if answer.status == 503 and not described(answer) else outcome


class GoesByTheHttpStatus(Broken):
    """Takes a failure that comes with a 2xx for a payment that was taken."""

    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return Pending() if answer.status == 201 and "error" in described(answer) else outcome


class SendsItAgainUnmarked(Broken):
    """Pays again where the server was busy, by a request that nobody takes for money."""

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        answer = yield from exchange(draft.request)
        if answer.status == 503:
            answer = yield from exchange(replace(draft.request, moves_money=False))
        return codec.read_submitted(answer, draft.references["reference"])


class AltersItsRequest(Broken):
    """Asks for another request than the one it drafted, which the engine never sends: its payments have no end."""

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        altered = replace(draft.request, headers={**draft.request.headers, "X-Sent": "1"})
        return (yield from super().submit(replace(draft, request=altered)))


class TakesAnothersReceipt(Broken):
    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return codec.read_submitted(answer, text_of(described(answer).get("id")))


class TakesAnothersEndForOurs(Broken):
    """Believes an answer about any payment."""

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        return codec.read_status(answer, text_of(described(answer).get("id")))


class TakesAnothersFailureForOurs(Broken):
    """Compares the ids of successes alone."""

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        any_ones = codec.read_status(answer, text_of(described(answer).get("id")))
        return any_ones if isinstance(any_ones, Final) and not any_ones.succeeded else outcome


class FillsInTheCurrency(Broken):
    """Tells the currency that was asked for as the one that was paid."""

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        if not isinstance(outcome, Final) or outcome.seen is None:
            return outcome
        return replace(outcome, seen=replace(outcome.seen, currency=str(draft.order.amount.currency)))


class TakesARefusedQuestionForAFailure(Broken):
    """Whatever error comes: a 401, a 404 of another kind, a 500."""

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        is_error = answer.status >= 400 and "error" in described(answer) and not isinstance(outcome, NotFound)
        return Final(reason=FAILED) if is_error else outcome


class TakesAnErrorOfTheServerForNotFound(Broken):
    """From which it follows that it may be sent again."""

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        return NotFound() if answer.status >= 500 and "error" in described(answer) else outcome


class TakesALostReadForNotFound(Broken):
    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        try:
            return (yield from super().check(draft))
        except NoAnswer:
            return NotFound()


class AsksByPayingAgain(Broken):
    """A duplicate would tell that it is there."""

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        yield from exchange(replace(draft.request, moves_money=False))
        return (yield from super().check(draft))


class GoesByPartOfAWord(Broken):
    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        is_ours = described(answer).get("id") == draft.references["reference"]
        is_failed = answer.status == 200 and text_of(described(answer).get("status")).startswith("failed")
        return Final(reason=FAILED, seen=outcome.seen) if is_ours and is_failed else outcome


class TellsAmountsAsFloats(Broken):
    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        if not isinstance(outcome, Final) or outcome.seen is None or outcome.seen.amount is None:
            return outcome
        inexact: Any = float(outcome.seen.amount)
        return replace(outcome, seen=replace(outcome.seen, amount=inexact))


class TakesPendingForASuccess(Broken):
    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        return Final(seen=outcome.seen) if isinstance(outcome, Pending) else outcome


class TakesTakenForPaid(Broken):
    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return Final() if isinstance(outcome, Pending) else outcome


class TakesADuplicateForASuccess(Broken):
    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return Final() if isinstance(outcome, Duplicate) else outcome


class TakesTooManyForAFailure(Broken):
    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return Final(reason=FAILED) if isinstance(outcome, NotAccepted) else outcome


class TakesABusyServerForARefusal(Broken):
    """A 503 may come after the money has moved: to send it again is safe only where that is proven."""

    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return NotAccepted() if answer.status == 503 and "error" in described(answer) else outcome


class TakesARefusalOfUsForAFailure(Broken):
    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return Final(reason=FAILED) if isinstance(outcome, AccountRefused) else outcome


class ForgetsTheWait(Broken):
    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        return replace(outcome, retry_after_s=None) if isinstance(outcome, NotAccepted) else outcome


class DropsFailuresOfANewKind(Broken):
    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        if isinstance(outcome, Final) and outcome.reason and outcome.reason.provider_code == "GEHEIMRAT_7":
            return Unknown()
        return outcome


class VouchesForItself(Broken):
    """Tells what was asked for as what was paid."""

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        if not isinstance(outcome, Final) or outcome.seen is None:
            return outcome
        amount, payee = draft.order.amount, draft.order.payee
        return replace(outcome, seen=replace(outcome.seen, amount=amount.amount, payee=payee.value))


class SeesNothing(Broken):
    """Tells nothing of what was paid, so that nobody can compare it."""

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        return replace(outcome, seen=None)


class LeaksTheKeyInAnError(Broken):
    def validate(self, order: Order) -> Iterator[InvalidPayout]:
        for finding in super().validate(order):
            key = self._settings.api_key.get_secret_value()
            yield InvalidPayout(f"{finding} It was asked with {key}.", hint="Ask otherwise.")


class LeaksTheKeyIntoTheHistory(Broken):
    """In the words it keeps of an answer, where no scrubbing takes it for a number."""

    def submitted(self, outcome: SubmitOutcome, answer: HttpResponse) -> SubmitOutcome:
        if isinstance(outcome, Unknown):
            key = b64encode(self._settings.api_key.get_secret_value().encode()).decode()
            return replace(outcome, text=f"asked with {key}")
        return outcome


class LeaksTheKeyIntoTheLog(Broken):
    def apply(self, request: HttpRequest, credential: Credential, **more: Any) -> HttpRequest:
        filled = super().apply(request, credential, **more)
        logging.getLogger("payments_template").debug("sends %s", ", ".join(filled.headers.values()))
        return filled


class StoresASecret(Broken):
    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        key = {"X-Key": self._settings.api_key.get_secret_value()}
        return replace(draft, request=replace(draft.request, headers={**draft.request.headers, **key}))


class Rounds(Broken):
    """Pays what is left when the pennies are cut off."""

    def validate(self, order: Order) -> Iterator[InvalidPayout]:
        return super().validate(replace(order, amount=Money(round(order.amount.amount, 2), order.amount.currency)))


class PaysToAnything(Broken):
    def validate(self, order: Order) -> Iterator[InvalidPayout]:
        return super().validate(replace(order, payee=Payee.msisdn("+46733123499")))


class DrawsItsReferences(Broken):
    """A new one for each draft."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return super().draft(order, replace(attempt, seed=uuid.uuid4().bytes * 2))


class RepeatsReferences(Broken):
    """Pays an attempt under the references of the one before it."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return super().draft(order, replace(attempt, seed=attempt.payout_id.encode().ljust(32)[-32:]))


def changed(draft: Draft, references: Mapping[str, str] | None = None, **fields: object) -> Draft:
    """Return a draft with other references or fields of its body."""
    body = json.dumps({**json.loads(draft.request.body or ""), **fields})
    return replace(
        draft, references={**draft.references, **(references or {})}, request=replace(draft.request, body=body)
    )


def renamed(draft: Draft, *parts: object, **references: str) -> Draft:
    """Return a draft with a reference made of something else than the seed."""
    reference = uuid4_shaped(hashlib.sha256(repr(parts).encode()).digest())
    return changed(draft, {"reference": reference, **references}, id=reference)


class HashesInADraft(Broken):
    """Python hashes text otherwise in each process."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return changed(super().draft(order, attempt), check=hash(order.key))


class DatesItsDrafts(Broken):
    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return changed(super().draft(order, attempt), date=str(datetime.now(UTC).date()))


class TakesKeysForOne(Broken):
    """Whatever their case."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return renamed(super().draft(order, attempt), attempt.number, order.key.lower())


class ForgetsTheInstallation(Broken):
    """Two installations have one reference for one key."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return renamed(super().draft(order, attempt), attempt.number, order.key)


class SharesAReferenceAmongAttempts(Broken):
    """The one that the provider goes by; another one follows the attempt."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return renamed(super().draft(order, attempt), attempt.payout_id, trace=attempt.seed.hex())


class NamesTheNoteInAReference(Broken):
    """With a lost journal, the same key with another note would be paid again."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return renamed(super().draft(order, attempt), attempt.seed, order.note)


class BindsToNoHost(Broken):
    def binding(self, operation: Operation) -> Mapping[str, str]:
        return {"provider": "template", "merchant": self._settings.merchant, "operation": str(operation)}


class DrawsWhenItIsSent(Broken):
    """Each time it leaves, it is another request."""

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        filled = super().apply(request, credential, at=at, entropy=entropy)
        body = {**json.loads(filled.body or "{}"), "nonce": entropy(16).hex()}
        return replace(filled, body=json.dumps(body)) if request.moves_money else filled


class CountsInCents(Broken):
    """Where the provider counts whole units; it reads its own amounts back."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return changed(super().draft(order, attempt), amount=str(int(order.amount.amount * 100)))

    def checked(self, outcome: CheckOutcome, answer: HttpResponse, draft: Draft) -> CheckOutcome:
        amount = draft.order.amount.amount
        is_ours = number(described(answer).get("amount")) == amount * 100 and outcome.seen is not None
        return replace(outcome, seen=replace(outcome.seen, amount=amount)) if is_ours else outcome


class CutsAmounts(Broken):
    """To whole units."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return changed(super().draft(order, attempt), amount=str(int(order.amount.amount)))


class PastesTheNote(Broken):
    """Into JSON, where a quote ends it."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        body = changed(draft, note="@").request.body or ""
        return replace(draft, request=replace(draft.request, body=body.replace("@", order.note)))


class BelievesCallbacks(Broken):
    def verify(self, callback: Callback) -> bool | None:
        return True


class StumblesOverCallbacks(Broken):
    def parse(self, callback: Callback) -> ParsedCallback | None:
        callback.body.decode()
        return super().parse(callback)


class CallsEverythingForged(Broken):
    """Nothing proves a callback, so that it is taken for a lie."""

    def verify(self, callback: Callback) -> bool | None:
        return False


class NamesNoPayment(Broken):
    """Finds in a callback what nobody calls a payment by."""

    def parse(self, callback: Callback) -> ParsedCallback | None:
        callbacks = super().parse(callback)
        return None if callbacks is None else replace(callbacks, references={"reference": "something else"})


class TellsStrangers(Broken):
    """Answers what it understands otherwise than what it does not."""

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        return Acknowledgement(status=200 if self.parse(callback) else 202)


class SigningGateway(Gateway):
    """Signs what it posts; the stranger of a forged callback has no key."""

    def plan_callbacks(self, request: Request, answer: Answer, fires: Fires) -> Sequence[SentCallback]:
        planned = super().plan_callbacks(request, answer, fires)
        for callback in planned:
            if "callback_forged" not in callback.faults:
                signature = hmac.new(self.api_key.encode(), callback.body, "sha256").hexdigest()
                callback.headers = {**callback.headers, "x-signature": signature}
        return planned


class SigningEmulator(TemplateEmulator):
    """The template's, with callbacks that are signed."""

    def __init__(self) -> None:
        self.switches = Switches()
        Emulator.__init__(self, SigningGateway(secrets.token_hex(16), self.switches))


class Signed:
    """Callbacks carry a signature, which this checks."""

    emulated = SigningEmulator

    def verify(self, callback: Callback) -> bool | None:
        return self.is_signed(callback, callback.body)

    def is_signed(self, callback: Callback, body: bytes) -> bool:
        """Say whether the signature is that of a body."""
        key = self._settings.api_key.get_secret_value().encode()  # type: ignore[attr-defined]
        return hmac.compare_digest(callback.headers.get("x-signature", ""), hmac.new(key, body, "sha256").hexdigest())


class BreaksNothingSigned(Signed, Broken):
    """Keeps every promise, and checks signatures."""


class BelievesAnySignature(Signed, Broken):
    """One is there, so it will be right."""

    def verify(self, callback: Callback) -> bool | None:
        return len(callback.headers.get("x-signature", "")) == 64


class ForgivesAMissingSignature(Signed, Broken):
    """Takes what is not signed for a hint, though all are signed."""

    def verify(self, callback: Callback) -> bool | None:
        return super().verify(callback) if "x-signature" in callback.headers else None


class LogsNumbersOfAtHome(Broken):
    """Without the country code."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        logging.getLogger("payments_template").info("pays 0%s", order.payee.value[3:])
        return super().draft(order, attempt)


class PrintsNumbers(Broken):
    def draft(self, order: Order, attempt: Attempt) -> Draft:
        sys.stdout.write(f"pays {order.payee.value}\n")
        return super().draft(order, attempt)


class LogsItsToken(Broken):
    """It was fetched, and stands in no settings."""

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        yield from ()
        token = "session-4f8b1c02d7"
        logging.getLogger("payments_template").debug("obtained %s", token)
        return Credential({"api_key": self._settings.api_key.get_secret_value(), "session": token})


class SettingsWithAPin(TemplateSettings):
    """Someone's PIN pays."""

    pin: SecretStr = Field(SecretStr("4711"), description="The PIN.")


class HasAPin:
    settings = SettingsWithAPin

    @property
    def pin(self) -> str:
        found: str = self._settings.pin.get_secret_value()  # type: ignore[attr-defined]
        return found


class HoldsTheDigitsOfThePin(HasAPin, Broken):
    """By chance, in a number of its own: breaks nothing."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return changed(super().draft(order, attempt), terminal="20264711082")


class LogsThePin(HasAPin, Broken):
    def apply(self, request: HttpRequest, credential: Credential, **more: Any) -> HttpRequest:
        logging.getLogger("payments_template").debug("pays with %s", self.pin)
        return super().apply(request, credential, **more)


class StoresThePin(HasAPin, Broken):
    def draft(self, order: Order, attempt: Attempt) -> Draft:
        return changed(super().draft(order, attempt), pin=self.pin)


class SleepsInAFlow(Broken):
    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        time.sleep(0.001)
        return (yield from super().submit(draft))


class ConnectsInAFlow(Broken):
    """Asks by itself, on the event loop."""

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        socket.getaddrinfo("127.0.0.1", 80)
        return (yield from super().check(draft))


class TellsLater:
    """What is held is told later; the template's emulator has no such call."""

    path = f"/balance/{slot('answer_token')}"

    def query_balances(self) -> HttpFlow[Deferred | LookupRefused]:
        answer = yield from exchange(HttpRequest("POST", f"{self._settings.base_url}{self.path}", "balance"))  # type: ignore[attr-defined]
        return Deferred() if answer.status == 202 else LookupRefused(reason=FAILED)

    def read_balances(self, callback: Callback) -> tuple[Balance, ...] | LookupRefused | None:
        return None


class AsksForABalanceWithoutAPath(TellsLater, Broken):
    path = "/balance"


class TakesAnythingForABalance(TellsLater, Broken):
    """Where no figure stands, nothing is held."""

    def read_balances(self, callback: Callback) -> tuple[Balance, ...] | LookupRefused | None:
        return (Balance(Decimal(0), "EUR"),)


class TellsNoBalance(TellsLater, Broken):
    """Can be asked, and never gets one."""


class KnowsNames:
    """Can be asked for a name; the template's emulator has no such call."""

    moves_money = False

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        url = f"{self._settings.base_url}/names"  # type: ignore[attr-defined]
        yield from exchange(HttpRequest("GET", url, "name", moves_money=self.moves_money))
        return LookupRefused(reason=FAILED)


class AnswersNoQuestion(KnowsNames, Broken):
    """Can be asked, and never knows."""


class PaysToAsk(KnowsNames, Broken):
    moves_money = True


class StumblesOverAStranger(KnowsNames, Broken):
    """Raises where it has no answer."""

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        if payee.kind != "msisdn":
            raise InvalidPayout("no such wallet")
        return (yield from super().name(payee))


class MakesUpAName(KnowsNames, Broken):
    """Takes any answer for one."""

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        yield from super().name(payee)
        return Person(name="Somebody")


class OneKind(TemplateConformance):
    """The template's sheet; with one kind of client and some of the ways to go wrong, unless all are asked for."""

    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_a_fault_pays_at_most_once_and_fails_nothing(self, harness: Harness, trouble: str) -> None:
        super().test_a_fault_pays_at_most_once_and_fails_nothing(harness, trouble)

    @pytest.mark.parametrize("way", WAYS)
    def test_callbacks_do_not_change_the_final_status(self, harness: Harness, way: str) -> None:
        super().test_callbacks_do_not_change_the_final_status(harness, way)

    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        found: Kind = request.param
        return found


if not IS_HEAVY:
    OneKind.skipped = {"test_both_clients_decide_alike": "one kind of client plays"}

for broken in Broken.__subclasses__():
    spec = replace(SPEC, build=broken, settings=broken.settings, facts=SAFE)
    profile = {"spec": spec, "emulator": staticmethod(broken.emulated)}
    globals()[f"Test{broken.__name__}"] = type(f"Test{broken.__name__}", (OneKind,), profile)
