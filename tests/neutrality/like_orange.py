"""As Orange's payments are: in Cameroon they give the id before the money call; in Senegal they sign callbacks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from payments_core.domain.payout import Order
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import NoAnswer, fill, slot
from payments_core.http.parsing import parse_object, text_of
from payments_core.provider import Attempt, Callback, CheckOutcome, Draft, ParsedCallback, SubmitOutcome, Unknown
from payments_core.testing.emulator import Answer, Fires, Routes
from payments_core.testing.emulator import callback_queue as book
from payments_template import codec
from payments_template.emulator.gateway import Gateway, Request, _error
from payments_template.provider import TemplateProvider


class CameroonRequest(Request):
    """A request to the gateway."""

    routes = Routes(
        ("init", "POST", "/cashin/init", "other"),
        ("pay", "POST", "/payments", "post"),
        ("status", "GET", "/payments/{id}", "get"),
    )


class CameroonGateway(Gateway):
    """Pays only under an id that it has given."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.request = CameroonRequest
        self.given: list[str] = []

    def answer(self, request: Request) -> Answer:
        if request.operation == "init":
            self.given.append(f"MP{len(self.given) + 1:08}")
            return Answer.json(200, {"payToken": self.given[-1]})
        if request.operation == "pay" and request.reference not in self.given:
            return _error(422, "bad_request", "It begins with init.")
        return super().answer(request)


class CameroonProvider(TemplateProvider):
    """Asks for an id, then pays under it."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        details = {**json.loads(draft.request.body or ""), "id": slot("pay_token"), "order": attempt.payout_id}
        return Draft({"order": attempt.payout_id}, replace(draft.request, body=json.dumps(details)), order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        given = {"pay_token": draft.references.get("pay_token", "")}  # of an earlier submission: it is the same payment
        if not given["pay_token"]:
            answer = yield from exchange(self._request("POST", "/cashin/init", "init"))
            given = {"pay_token": text_of(parse_object(answer.body).get("payToken"))}
        try:
            answer = yield from exchange(fill(draft.request, given))
        except NoAnswer as lost:
            return Unknown(text=lost.why, references=given)
        named = text_of(parse_object(answer.body).get("id"))  # what was filled in is taken out of the answer: not ours
        return replace(codec.read_submitted(answer, named), references=given)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        if "pay_token" not in draft.references:
            yield from ()
            return Unknown(text="its id is not known")
        named = replace(draft, references={"reference": draft.references["pay_token"]})
        found = yield from super().check(named)
        return replace(found, seen=replace(found.seen, external_id=None)) if found.seen else found


class SenegalGateway(Gateway):
    """Signs its callbacks, and the time with them."""

    def plan_callbacks(self, request: Request, answer: Answer, fires: Fires) -> Sequence[book.Callback]:
        found = [*super().plan_callbacks(request, answer, fires)]
        found += [later for one in found for later in one.then]
        for callback in found:
            key = "a forger's" if "callback_forged" in callback.faults else self.api_key
            callback.body = json.dumps({**json.loads(callback.body), "ours": request.fields["ours"]}).encode()
            stamp = f"{callback.due_at.timestamp():.0f}"
            proof = _proof(key, stamp, callback.body)
            callback.headers = {**callback.headers, "x-sonatel-signature": f"t={stamp},v1={proof}"}
        return [one for one in found if not any(one in other.then for other in found)]


def _proof(key: str, stamp: str, body: bytes) -> str:
    return hmac.new(key.encode(), f"{stamp},".encode() + body, hashlib.sha256).hexdigest()


class SenegalProvider(TemplateProvider):
    """Believes a callback to be the provider's where its signature is right and new."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        details = {**json.loads(draft.request.body or ""), "ours": attempt.payout_id}
        references = {**draft.references, "ours": attempt.payout_id}
        return replace(draft, references=references, request=replace(draft.request, body=json.dumps(details)))

    def verify(self, callback: Callback) -> bool | None:
        parts = dict(part.partition("=")[::2] for part in callback.headers.get("x-sonatel-signature", "").split(","))
        stamp = parts.get("t", "")
        key = self._settings.api_key.get_secret_value()
        is_new = stamp.isdecimal() and abs(callback.at.timestamp() - int(stamp)) <= 300
        return is_new and hmac.compare_digest(parts.get("v1", ""), _proof(key, stamp, callback.body))

    def parse(self, callback: Callback) -> ParsedCallback | None:
        ours = text_of(parse_object(callback.body).get("ours"))
        return ParsedCallback(references={"ours": ours}) if ours else None
