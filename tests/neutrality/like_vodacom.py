"""As Vodacom's M-Pesa is: short references, failures with 401, sessions that work only after a while, echoes."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from payments_core.domain.payout import Order, Reason, ReasonCode
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest
from payments_core.http.parsing import parse_object, text_of
from payments_core.provider import (
    AccountRefused,
    Acknowledgement,
    Attempt,
    Callback,
    Credential,
    Draft,
    Final,
    NotAccepted,
    SubmitOutcome,
)
from payments_core.testing.emulator import Answer, Fires, Routes
from payments_core.testing.emulator import callback_queue as book
from payments_template import codec
from payments_template.emulator.gateway import Gateway, Request, _error
from payments_template.provider import TemplateProvider

LONGEST = 20  # characters of a reference
REFUSED = "999700000001"  # whose payment fails, with 401
WARM_UP_S = 30.0


class VodacomRequest(Request):
    """A request to the gateway."""

    routes = Routes(
        ("session", "GET", "/session", "token"),
        ("pay", "POST", "/payments", "post"),
        ("status", "GET", "/payments/{id}", "get"),
    )


class VodacomGateway(Gateway):
    """Knows a session only after a while, and has 401 for more than that."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.request = VodacomRequest
        self.sessions: dict[str, datetime] = {}

    def answer(self, request: Request) -> Answer:
        if request.operation == "session":
            name = f"session-{len(self.sessions) + 1}"
            self.sessions[f"Bearer {name}"] = request.at + timedelta(seconds=WARM_UP_S)
            return Answer.json(200, {"output_SessionID": name})
        works_at = self.sessions.get(request.authorization)
        if works_at is None or request.at < works_at:
            return _error(401, "INS-989", "The session is not known.")
        return super().answer(replace(request, headers={**request.headers, "authorization": f"Bearer {self.api_key}"}))

    def _pay(self, request: Request) -> Answer:
        if len(request.reference) > LONGEST:
            return _error(422, "bad_request", "The reference is too long.")
        if request.fields["to"] == REFUSED:
            return _error(401, "INS-6", "Transaction failed.")
        return super()._pay(request)

    def plan_callbacks(self, request: Request, answer: Answer, fires: Fires) -> Sequence[book.Callback]:
        return ()


class VodacomProvider(TemplateProvider):
    """Pays as Vodacom's M-Pesa does."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        reference = base64.b32encode(attempt.seed[:10]).decode()
        details = {**json.loads(draft.request.body or ""), "id": reference}
        return Draft({"reference": reference}, replace(draft.request, body=json.dumps(details)), order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        answer = yield from exchange(draft.request)
        code = text_of(parse_object(answer.body).get("error"))
        if answer.status == 401 and code == "INS-6":
            return Final(code=code, http_status=401, reason=Reason(ReasonCode.NOT_COMPLETED, code))
        if answer.status == 401 and code == "INS-989":
            return NotAccepted(code=code, http_status=401, retry_after_s=WARM_UP_S)
        return codec.read_submitted(answer, draft.references["reference"])

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        answer = yield from exchange(
            HttpRequest("GET", f"{self._settings.base_url}/session", "session", repeatable=True, credential=False)
        )
        return Credential({"api_key": text_of(parse_object(answer.body).get("output_SessionID"))})

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Repeat what came, as the provider wants it."""
        ours = text_of(parse_object(callback.body).get("input_OriginalConversationID"))
        details = {"output_OriginalConversationID": ours, "output_ResponseCode": "0"}
        return Acknowledgement(headers={"content-type": "application/json"}, body=json.dumps(details).encode())
