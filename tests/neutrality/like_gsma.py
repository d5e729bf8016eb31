"""As the GSMA's API is: what became of a payment comes by PUT, its id in a header, and is answered with 204."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from payments_core.domain.payout import Order
from payments_core.http.messages import slot
from payments_core.http.parsing import parse_object
from payments_core.provider import Acknowledgement, Attempt, Callback, CheckOutcome, Draft, ParsedCallback, Unknown
from payments_core.testing.conformance import reply
from payments_core.testing.emulator import Answer, Fires
from payments_core.testing.emulator import callback_queue as book
from payments_template import codec
from payments_template.emulator.gateway import Gateway, Request
from payments_template.provider import TemplateProvider

_ID = "x-correlationid"


class GsmaGateway(Gateway):
    """Tells by PUT, to the address of the request."""

    def plan_callbacks(self, request: Request, answer: Answer, fires: Fires) -> Sequence[book.Callback]:
        found = super().plan_callbacks(request, answer, fires)
        for callback in found:
            fields = json.loads(callback.body)
            callback.method, callback.headers = "PUT", {**callback.headers, _ID: fields.pop("id")}
            callback.body = json.dumps(fields).encode()
        return found


class GsmaProvider(TemplateProvider):
    """Is answered where each request says."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        address = self._settings.callback_url.rpartition("/")[0]
        fields = {**json.loads(draft.request.body or ""), "callback_url": f"{address}/{slot('answer_token')}"}
        return replace(draft, request=replace(draft.request, body=json.dumps(fields)))

    def read_answer(self, draft: Draft, callback: Callback) -> CheckOutcome:
        """Say what came to the path that was minted for a submission."""
        if callback.method != "PUT" or callback.headers.get(_ID) != draft.references["reference"]:
            return Unknown(text="an answer about something else")
        reference = draft.references["reference"]
        found = codec.read_status(reply(200, {**parse_object(callback.body), "id": reference}), reference)
        return replace(found, seen=replace(found.seen, external_id=None)) if found.seen else found

    def parse(self, callback: Callback) -> ParsedCallback | None:
        return None

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        return Acknowledgement(status=204)
