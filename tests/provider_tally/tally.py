"""A made-up provider that is nothing like MoMo, as a plugin: it keeps the provider interface honest.

Its references are no UUIDs, and it issues a second one itself. It answers finally in the send, failures inside HTTP
200. It has no token. A duplicate is an HTTP 500. It tells what became of a payment only later, to a path named in the
question, and it counts cents.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from payments_core.errors import InvalidAmount
from payments_core.flow import Flow, exchange
from payments_core.hookspecs import hookimpl
from payments_core.payout import Operation, Order, Reason, ReasonCode
from payments_core.provider import (
    Attempt,
    Callback,
    Capability,
    Checked,
    Deferred,
    Draft,
    Duplicate,
    Facts,
    Final,
    NotFound,
    Pending,
    ProviderSpec,
    RetryPolicy,
    Seen,
    Submitted,
    Unknown,
)
from payments_core.settings import AccountSettings
from payments_core.wire import HttpRequest

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
        told = {"txn": txn, "till": self._settings.till, "to": order.payee.value, "currency": order.amount.currency}
        cents = int(order.amount.amount / CENT)
        return Draft({"txn": txn}, self._post("pay", told | {"cents": cents}, moves_money=True), order)

    def submit(self, draft: Draft) -> Flow[Submitted]:
        answer = yield from exchange(draft.request)
        told: dict[str, Any] = {"http_status": answer.status, "text": answer.text}
        body = answer.json()
        if answer.status == 500 and body == {"error": "DUPLICATE_TXN"}:
            return Duplicate(code="DUPLICATE_TXN", **told)
        if answer.status != 200 or not isinstance(body, dict):
            return Unknown(**told)
        verdict = _verdict(body, told)
        return Unknown(**told) if isinstance(verdict, NotFound) else verdict

    def check(self, draft: Draft) -> Flow[Checked]:
        question = {"txn": draft.references["txn"], "answer_to": f"/answers/{draft.answer_token}"}
        answer = yield from exchange(self._post("query", question))
        return Deferred(http_status=answer.status) if answer.status == 202 else Unknown(http_status=answer.status)

    def read_answer(self, draft: Draft, callback: Callback) -> Checked:
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

    def _post(self, path: str, told: Mapping[str, object], *, moves_money: bool = False) -> HttpRequest:
        return HttpRequest(
            "POST",
            f"{self._settings.base_url}/{path}",
            path,
            headers={"Content-Type": "application/json"},
            body=json.dumps(told),
            moves_money=moves_money,
            credential=False,
        )


def _verdict(body: Mapping[str, Any], told: Mapping[str, Any]) -> Final | Pending | NotFound | Unknown:
    result = body.get("result")
    told = {**told, "code": str(result), "references": {"receipt": str(body["receipt"])} if "receipt" in body else {}}
    cents = body.get("cents")
    if isinstance(cents, int):
        told["seen"] = Seen(amount=cents * CENT, currency=body.get("currency"), payee=body.get("to"))
    if result == 404:
        return NotFound(**told)
    if result == 1:
        return Pending(**told)
    if result == 0 or result in REASONS:
        return Final(reason=Reason(REASONS[result], str(result)) if result else None, **told)
    return Unknown(**told)


SPEC = ProviderSpec(
    name="tally",
    title="Tally",
    settings=TallySettings,
    build=Tally,
    operations=frozenset({Operation.TRANSFER}),
    capabilities=frozenset({Capability.DEFERRED_ANSWERS}),
    facts=Facts(visible_after_s=60.0, status_by="deferred", sources={"visible_after_s": "made up"}),
    retry={"query": RetryPolicy(attempts=1)},
)


@hookimpl
def payments_providers() -> Sequence[ProviderSpec]:
    return [SPEC]
