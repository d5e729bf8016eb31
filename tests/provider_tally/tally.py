"""A made-up provider that is nothing like MoMo, as a plugin: it keeps the provider interface honest.

Its references are no UUIDs, and it issues a second one itself. It answers finally in the send, failures inside HTTP
200. It has no token. A duplicate is an HTTP 500. It tells what became of a payment only later, to a path named in the
question, and it counts cents. What it tells beside payments, it tells at once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from payments_core.domain.errors import InvalidAmount
from payments_core.domain.payout import Operation, Order, Payee, Reason, ReasonCode
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.plugins.hookspecs import hookimpl
from payments_core.provider import (
    Attempt,
    Balance,
    Callback,
    CheckOutcome,
    Consent,
    Deferred,
    Draft,
    Duplicate,
    Facts,
    Final,
    Finding,
    HolderStatus,
    LookupRefused,
    NotFound,
    Pending,
    Person,
    ProviderSpec,
    ReportedDetails,
    RetryPolicy,
    SubmitOutcome,
    Unknown,
)
from payments_core.settings import AccountSettings

CENT = Decimal("0.01")
REASONS = {17: ReasonCode.INSUFFICIENT_FUNDS, 21: ReasonCode.PAYEE_NOT_FOUND}


class TallySettings(AccountSettings):
    """One till."""

    provider: Literal["tally"] = "tally"
    currency: str = "KES"
    base_url: str = "http://tally.invalid"
    till: str = "7001"


class Tally:
    """Pays from one till."""

    def __init__(self, settings: TallySettings) -> None:
        self._settings = settings

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        if not order.amount.is_multiple_of(CENT):
            raise InvalidAmount("Tally counts whole cents.")
        txn = "T-" + base64.b32encode(attempt.seed)[:12].decode()
        fields = {"txn": txn, "till": self._settings.till, "to": order.payee.value, "currency": order.amount.currency}
        fields["operation"] = str(order.operation)
        cents = int(Fraction(order.amount.amount) * 100)  # exact in whatever decimal context
        return Draft({"txn": txn}, self._post("pay", fields | {"cents": cents}, moves_money=True), order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        answer = yield from exchange(draft.request)
        fields: dict[str, Any] = {"http_status": answer.status, "text": answer.text}
        body = answer.json()
        if answer.status == 500 and body == {"error": "DUPLICATE_TXN"}:
            return Duplicate(code="DUPLICATE_TXN", **fields)
        if answer.status != 200 or not isinstance(body, dict):
            return Unknown(**fields)
        verdict = _verdict(body, fields)
        return Unknown(**fields) if isinstance(verdict, NotFound) else verdict

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        question = {"txn": draft.references["txn"], "answer_to": f"/answers/{draft.answer_token}"}
        answer = yield from exchange(self._post("query", question))
        return Deferred(http_status=answer.status) if answer.status == 202 else Unknown(http_status=answer.status)

    def read_answer(self, draft: Draft, callback: Callback) -> CheckOutcome:
        try:
            body = json.loads(callback.body)
        except ValueError:
            return Unknown(text="no JSON")
        if not isinstance(body, dict) or body.get("txn") != draft.references["txn"]:
            return Unknown(text="an answer about something else")
        return _verdict(body, {})

    def binding(self, operation: Operation) -> Mapping[str, str]:
        settings = self._settings
        return {"provider": "tally", "host": settings.base_url, "till": settings.till, "operation": str(operation)}

    def balances(self, currency: str | None = None) -> HttpFlow[tuple[Balance, ...] | LookupRefused]:
        answer = yield from self._ask("balance")
        if answer.status != 200:
            return _lookup_refused(answer)
        held = json.loads(answer.body)
        return tuple(Balance(cents * CENT, code) for code, cents in held.items() if currency in {None, code})

    def account_holder(self, payee: Payee) -> HttpFlow[HolderStatus | LookupRefused]:
        answer = yield from self._ask("holder", to=payee.value)
        return HolderStatus(json.loads(answer.body)["is"]) if answer.status == 200 else _lookup_refused(answer)

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        answer = yield from self._ask("name", to=payee.value)
        return Person(name=json.loads(answer.body)["name"]) if answer.status == 200 else _lookup_refused(answer)

    def ask_consent(self, payee: Payee, scopes: Sequence[str]) -> HttpFlow[Consent | LookupRefused]:
        request = self._post("consent", {"to": payee.value, "scopes": list(scopes)})
        answer = yield from exchange(request)
        if answer.status != 200:
            return _lookup_refused(answer)
        return Consent(request_id=json.loads(answer.body)["id"], poll_every_s=5, expires_in_s=60)

    def user_info(self, consent: Consent) -> HttpFlow[Person | LookupRefused]:
        answer = yield from self._ask("person", id=consent.request_id)
        return Person(details=json.loads(answer.body)) if answer.status == 200 else _lookup_refused(answer)

    def diagnose(self) -> HttpFlow[Sequence[Finding]]:
        answer = yield from self._ask("till")
        if answer.status == 200:
            return [Finding("ok", "till", f"{self._settings.till} is open")]
        return [Finding("wrong", "till", f"{self._settings.till} is closed", "Open it in Tally's portal.")]

    def _ask(self, path: str, **fields: object) -> HttpFlow[HttpResponse]:
        request = replace(self._post(path, {"till": self._settings.till, **fields}), repeatable=True)
        return (yield from exchange(request))

    def _post(self, path: str, payload: Mapping[str, object], *, moves_money: bool = False) -> HttpRequest:
        return HttpRequest(
            "POST",
            f"{self._settings.base_url}/{path}",
            path,
            headers={"Content-Type": "application/json"},
            body=json.dumps(payload),
            moves_money=moves_money,
            credential=False,
        )


def _lookup_refused(answer: HttpResponse) -> LookupRefused:
    fields = json.loads(answer.body)
    reason = Reason(ReasonCode.PROVIDER_UNAVAILABLE, str(fields["error"]), "the till is busy")
    return LookupRefused(reason=reason, http_status=answer.status, retry_after_s=fields.get("again_s"))


def _verdict(body: Mapping[str, Any], payload: Mapping[str, Any]) -> Final | Pending | NotFound | Unknown:
    result = body.get("result")
    payload = {
        **payload,
        "code": str(result),
        "references": {"receipt": str(body["receipt"])} if "receipt" in body else {},
    }
    cents = body.get("cents")
    if isinstance(cents, int):
        payload["seen"] = ReportedDetails(amount=cents * CENT, currency=body.get("currency"), payee=body.get("to"))
    if result == 404:
        return NotFound(**payload)
    if result == 1:
        return Pending(**payload)
    if result == 0 or result in REASONS:
        return Final(reason=Reason(REASONS[result], str(result)) if result else None, **payload)
    return Unknown(**payload)


SPEC = ProviderSpec(
    name="tally",
    title="Tally",
    settings=TallySettings,
    build=Tally,
    operations=frozenset(Operation),
    facts=Facts(visible_after_s=60.0, status_by="result_callback", sources={"visible_after_s": "made up"}),
    retry={"query": RetryPolicy(attempts=1), "balance": RetryPolicy(attempts=2, first_wait_s=0.01, jitter_s=0)},
)


@hookimpl
def payments_providers() -> Sequence[ProviderSpec]:
    return [SPEC]
