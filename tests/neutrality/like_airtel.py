"""As Airtel's disbursements are: the end in the answer, failures inside 200, national numbers, one call for two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from payments_core.domain.payout import Order, Payee, Reason, ReasonCode
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.parsing import object_of, parse_object, text_of
from payments_core.provider import (
    Attempt,
    CheckOutcome,
    Draft,
    Duplicate,
    Final,
    HolderStatus,
    LookupRefused,
    Person,
    SubmitOutcome,
    Unknown,
)
from payments_core.testing.emulator import Answer, Routes
from payments_template.emulator.gateway import Gateway, Request
from payments_template.provider import TemplateProvider

COUNTRY = "999"
UNKNOWN_NUMBER = "700000001"  # as the gateway knows numbers: without the country code


class AirtelRequest(Request):
    """A request to the gateway."""

    routes = Routes(
        ("pay", "POST", "/payments", "post"),
        ("status", "GET", "/payments/{id}", "get"),
        ("user", "GET", "/users/{msisdn}", "other"),
    )


class AirtelGateway(Gateway):
    """Answers everything with 200."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.request = AirtelRequest

    def answer(self, request: Request) -> Answer:
        if request.operation == "user":
            fields = {
                "first_name": "Grace",
                "last_name": "Banda",
                "is_barred": request.part("msisdn") == UNKNOWN_NUMBER,
            }
            return Answer.json(200, {"data": fields, "status": {"success": True, "response_code": "DP02200000001"}})
        return super().answer(request)

    def _pay(self, request: Request) -> Answer:
        number = request.fields["to"]
        if len(number) != 9 or number == UNKNOWN_NUMBER:
            return _envelope("DP00900001012", "")
        taken = super()._pay(request)
        return _envelope("DP00900001001", "TS") if taken.status == 201 else _envelope("DP00900001011", "")


def _envelope(code: str, status: str) -> Answer:
    fields = {"code": "200" if status else "400", "success": bool(status), "response_code": code}
    return Answer.json(200, {"data": {"transaction": {"status": status}}, "status": fields})


class AirtelProvider(TemplateProvider):
    """Pays as Airtel does."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        fields = {**json.loads(draft.request.body or ""), "to": _national(order.payee)}
        return replace(draft, request=replace(draft.request, body=json.dumps(fields)))

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        answer = yield from exchange(draft.request)
        code = text_of(object_of(parse_object(answer.body).get("status")).get("response_code"))
        match code:
            case "DP00900001001":
                return Final(code=code, http_status=200)
            case "DP00900001011":
                return Duplicate(code=code, http_status=200)
            case "DP00900001012":
                return Final(code=code, http_status=200, reason=Reason(ReasonCode.PAYEE_NOT_FOUND, code))
        return Unknown(code=code, http_status=answer.status)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        found = yield from super().check(draft)
        if found.seen is None or not isinstance(found, Final):
            return found
        return replace(found, seen=replace(found.seen, payee=f"{COUNTRY}{found.seen.payee}"))  # as it was ordered

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        """Ask who it is."""
        result = yield from self._user(payee)
        return Person(given_name=text_of(result.get("first_name")), family_name=text_of(result.get("last_name")))

    def account_holder(self, payee: Payee) -> HttpFlow[HolderStatus | LookupRefused]:
        """Ask whether it can be paid: the same question."""
        result = yield from self._user(payee)
        return HolderStatus.NOT_ACTIVE if result.get("is_barred") else HolderStatus.ACTIVE

    def _user(self, payee: Payee) -> HttpFlow[Mapping[str, Any]]:
        answer = yield from exchange(self._request("GET", f"/users/{_national(payee)}", "user"))
        return object_of(parse_object(answer.body).get("data"))


def _national(payee: Payee) -> str:
    return payee.value.removeprefix(COUNTRY)
