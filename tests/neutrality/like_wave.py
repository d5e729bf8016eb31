"""As Wave's payouts are: two ids of ours and one of theirs, the end in the first answer, replays, a match of names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from payments_core.domain.payout import Order, Payee, Reason, ReasonCode
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import number, object_of, parse_object, text_of
from payments_core.provider import (
    Attempt,
    CheckOutcome,
    Draft,
    Final,
    NotFound,
    ReportedDetails,
    SubmitOutcome,
    Unknown,
)
from payments_core.testing.emulator import Answer, Routes
from payments_template.emulator.gateway import Gateway, Request, _error
from payments_template.provider import TemplateProvider


class WaveRequest(Request):
    """A request to the gateway."""

    routes = Routes(
        ("pay", "POST", "/v1/payout", "post"),
        ("status", "GET", "/v1/payout/{id}", "get"),
        ("search", "GET", "/v1/payouts/search", "get"),
        ("verify", "POST", "/v1/verify_recipient", "other"),
    )

    @property
    def reference(self) -> str:
        """The payment it is about."""
        return self.headers.get("idempotency-key", "")


class WaveGateway(Gateway):
    """Answers a payment with its end, and the same key with the same answer."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.request = WaveRequest
        self.paid: dict[str, dict[str, str]] = {}  # by idempotency key

    def answer(self, request: Request) -> Answer:
        match request.operation:
            case "pay":
                return self._taken(request)
            case "status":
                return next(
                    (Answer.json(200, one) for one in self.paid.values() if one["id"] == request.part("id")), _gone()
                )
            case "search":
                [wanted] = parse_qs(urlsplit(request.path).query)["client_reference"]
                return Answer.json(
                    200, {"result": [one for one in self.paid.values() if one["client_reference"] == wanted]}
                )
            case _:
                is_same = request.fields["name"] == "Awa Diop"
                return Answer.json(200, {"within_limits": True, "name_match": "MATCH" if is_same else "NO_MATCH"})

    def _taken(self, request: Request) -> Answer:
        key, result = request.reference, dict(request.fields)
        known = self.paid.get(key)
        if known and any(known[name] != value for name, value in result.items()):
            return _error(409, "idempotency-mismatch", "Another body.")
        if not known:
            self.paid[key] = {**result, "id": f"pt-{len(self.paid) + 1}", "status": "succeeded", "fee": "1"}
        return Answer.json(200, self.paid[key])

    def ledger(self, at: datetime) -> Sequence[Mapping[str, Any]]:
        return [
            {"reference": key, "payee": one["mobile"], "amount": one["receive_amount"], "posts": self.posts[key]}
            | {"credits": int(one["status"] == "succeeded")}
            for key, one in self.paid.items()
        ]


def _gone() -> Answer:
    return _error(404, "not-found", "There is no such payout.")


class WaveProvider(TemplateProvider):
    """Pays as Wave does."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        references = {"idempotency_key": attempt.seed[:16].hex(), "client_reference": attempt.payout_id}
        details = {
            "currency": str(order.amount.currency),
            "receive_amount": order.amount.text,
            "mobile": f"+{order.payee.value}",
            "client_reference": references["client_reference"],
        }
        asked = self._request("POST", "/v1/payout", "pay")
        headers = {**asked.headers, "Idempotency-Key": references["idempotency_key"]}
        return Draft(references, replace(asked, headers=headers, body=json.dumps(details), moves_money=True), order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        answer = yield from exchange(draft.request)
        outcome = _read(parse_object(answer.body), answer)
        return outcome if isinstance(outcome, Final) else Unknown(http_status=answer.status)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Ask by their id; by our reference, which may find none or several, where theirs is not known."""
        if theirs := draft.references.get("transfer_id"):
            answer = yield from exchange(self._request("GET", f"/v1/payout/{theirs}", "status"))
            return _read(parse_object(answer.body), answer)
        wanted = draft.references["client_reference"]
        answer = yield from exchange(self._request("GET", f"/v1/payouts/search?client_reference={wanted}", "status"))
        found = parse_object(answer.body).get("result")
        if found == [] and answer.status == 200:
            return NotFound(http_status=200)
        return _read(object_of(found[0]) if isinstance(found, list) and len(found) == 1 else {}, answer)

    def match(self, payee: Payee, name: str) -> HttpFlow[bool]:
        """Ask whether a wallet has this name; the provider never returns the name."""
        asked = self._request("POST", "/v1/verify_recipient", "verify")
        details = {"mobile": f"+{payee.value}", "name": name}
        answer = yield from exchange(replace(asked, body=json.dumps(details)))
        return parse_object(answer.body).get("name_match") == "MATCH"


def _read(fields: Mapping[str, Any], answer: HttpResponse) -> Final | Unknown:
    word = text_of(fields.get("status"))
    if answer.status != 200 or word not in {"succeeded", "failed", "reversed"}:
        return Unknown(code=word, http_status=answer.status)
    seen = ReportedDetails(
        amount=number(fields.get("receive_amount")),
        currency=text_of(fields.get("currency")),
        payee=text_of(fields.get("mobile")).removeprefix("+"),
        fee=number(fields.get("fee")),
    )
    reason = None if word == "succeeded" else Reason(ReasonCode.NOT_COMPLETED, word)
    references = {"transfer_id": text_of(fields.get("id"))}
    return Final(reason=reason, code=word, http_status=200, seen=seen, references=references)
