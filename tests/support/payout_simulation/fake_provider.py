"""The provider of the simulation: references, tokens, final answers, duplicates, and words that mean nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from payments_core.domain.payout import Operation, Order, Reason, ReasonCode
from payments_core.domain.references import uuid4_shaped
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, fill, slot
from payments_core.provider import (
    Account,
    AccountRefused,
    Acknowledgement,
    Attempt,
    Callback,
    CheckOutcome,
    Credential,
    Deferred,
    Draft,
    Duplicate,
    Entropy,
    Facts,
    Final,
    NotAccepted,
    NotFound,
    ParsedCallback,
    Pending,
    ProviderSpec,
    ReportedDetails,
    RetryPolicy,
    SubmitOutcome,
    Unknown,
)
from payments_core.settings import AccountSettings
from payments_core.settings.types import Seconds
from payout_simulation.workload import SETTLING_H

__all__ = ["FakeProvider", "FakeProviderSettings", "LateFakeProvider", "account"]

_HOUR = 3600.0
# As by default, but after six hours with longer waits: the same 72 hours with fewer questions.
_POLLS_S = (5.0, 15.0, 60.0, *[300.0] * 5, *[1800.0] * 2, *[_HOUR] * 4, *[4 * _HOUR] * 16, _HOUR)

_CREDENTIALS = Reason(ReasonCode.CREDENTIALS, "BAD_TOKEN", "The token is not taken.")


class FakeProviderSettings(AccountSettings):
    """One account of the simulated provider."""

    provider: str = "till"
    currency: str = "EUR"
    host: str = "http://till.invalid"
    user: str = "user-1"
    poll_schedule_s: tuple[Seconds, ...] = _POLLS_S


class FakeProvider:
    """Speaks with the simulated gateway.

    Args:
        settings: Of the account.

    """

    def __init__(self, settings: FakeProviderSettings) -> None:
        self._binding = {"provider": "till", "host": settings.host, "user": settings.user}
        self._user = settings.user
        self._url = f"{settings.host}/{settings.user}"

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Make a payment ready."""
        reference = uuid4_shaped(attempt.seed)
        fields = {
            "user": self._user,
            "reference": reference,
            "external": attempt.payout_id,
            "to": order.payee.value,
            "amount": order.amount.text,
            "currency": str(order.amount.currency),
            "operation": str(order.operation),
        }
        if order.original_amount is not None:
            fields["collected"] = order.original_amount.text
        headers = {"authorization": f"Bearer {slot('token')}", "reference": reference}
        body = json.dumps(fields)
        request = HttpRequest("POST", f"{self._url}/payments", "pay", headers=headers, body=body, moves_money=True)
        return Draft({"reference": reference, "external_id": attempt.payout_id}, request, order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        """Send it."""
        answer = yield from exchange(draft.request)
        body, status = _described(answer.body), answer.status
        fields: dict[str, Any] = {"http_status": status, "code": str(body.get("error", ""))}
        match status, body.get("error"):
            case 409, "DUPLICATE":
                return Duplicate(**fields)
            case 400, str():
                return Final(reason=Reason(ReasonCode.REJECTED, fields["code"]), **fields)
            case (429, _) | (503, "NOT_TAKEN"):
                return NotAccepted(retry_after_s=_seconds(answer), **fields)
            case 401, "BAD_TOKEN":
                return NotAccepted(blocks_if_repeated=_CREDENTIALS, **fields)
            case 403, "CLOSED":
                return AccountRefused(Reason(ReasonCode.NOT_PERMITTED, "CLOSED"), status)
            case (200 | 202, _) if verdict := _verdict(body, fields):
                return verdict
            case _:
                return Unknown(**fields)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Ask what became of it."""
        answer = yield from exchange(self._question("GET", draft))
        body, status = _described(answer.body), answer.status
        fields: dict[str, Any] = {"http_status": status, "code": str(body.get("error", ""))}
        if status == 404 and body.get("error") == "NOT_FOUND":
            return NotFound(**fields)
        if status == 429:
            return Unknown(retry_after_s=_seconds(answer), **fields)
        verdict = _verdict(body, fields) if status == 200 else None
        return verdict or Unknown(**fields)

    def binding(self, operation: Operation) -> Mapping[str, str]:
        """Return where and as whom it is paid."""
        return {**self._binding, "operation": str(operation)}

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        """Fetch a token."""
        answer = yield from exchange(HttpRequest("POST", f"{self._url}/token", "token", credential=False))
        body = _described(answer.body)
        if answer.status == 200 and isinstance(token := body.get("token"), str):
            return Credential({"token": token}, answer.at + timedelta(seconds=float(body["lives_s"])))
        return AccountRefused(Reason(ReasonCode.CREDENTIALS, str(body.get("error", ""))), answer.status)

    def apply(self, request: HttpRequest, credential: Credential, *, at: object, entropy: Entropy) -> HttpRequest:
        """Put the token into a request."""
        return fill(request, credential.secrets)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Say whether the token is no longer good."""
        return response.status == 401

    def verify(self, callback: Callback) -> bool | None:
        """Say that nothing proves where it comes from."""
        return None

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Read what it is about."""
        body = _described(callback.body)
        references = {"reference": str(body.get("reference")), "external_id": str(body.get("external"))}
        return ParsedCallback(references=references, status=str(body.get("state", ""))) if body else None

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Return what it wants to hear."""
        return Acknowledgement()

    def _question(self, method: str, draft: Draft) -> HttpRequest:
        url = f"{self._url}/payments/{draft.references['reference']}"
        headers = {"authorization": f"Bearer {slot('token')}"}
        body = None if draft.answer_token is None else json.dumps({"answer_to": draft.answer_token})
        return HttpRequest(method, url, "status", headers=headers, body=body, repeatable=True)


class LateFakeProvider(FakeProvider):
    """One that answers questions later, to a path named in the question."""

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Ask what became of it; the answer comes by callback."""
        answer = yield from exchange(self._question("POST", draft))
        fields: dict[str, Any] = {"http_status": answer.status, "code": str(_described(answer.body).get("error", ""))}
        if answer.status == 429:
            return Unknown(retry_after_s=_seconds(answer), **fields)
        return Deferred(**fields) if answer.status == 202 else Unknown(**fields)

    def read_answer(self, draft: Draft, callback: Callback) -> CheckOutcome:
        """Say what an answer that came later means."""
        body = _described(callback.body)
        if body.get("error") == "NOT_FOUND":
            return NotFound(code="NOT_FOUND")
        return _verdict(body, {}) or Unknown(code=str(body.get("error", "")))


def _described(raw: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(answer: HttpResponse) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None


def _verdict(body: Mapping[str, Any], payload: Mapping[str, Any]) -> Final | Pending | None:
    """Read the states that are known; any other word says nothing."""
    seen = ReportedDetails(_amount(body.get("amount")), body.get("currency"), body.get("to"), body.get("external"))
    match body.get("state"):
        case "PENDING":
            return Pending(seen=seen, **payload)
        case "SUCCESSFUL":
            return Final(seen=seen, **payload)
        case "FAILED":
            why = str(body.get("why", ""))
            settling_h = SETTLING_H if why == "TIMED_OUT" else 0.0
            return Final(reason=Reason(ReasonCode.NOT_COMPLETED, why, settling_h=settling_h), seen=seen, **payload)
        case _:
            return None


def _amount(text: object) -> Decimal | None:
    try:
        return Decimal(str(text)) if text is not None else None
    except InvalidOperation:
        return None


def account(
    name: str,
    facts: Facts,
    *,
    number: int = 1,
    before: Sequence[int] = (),
    approve_above: Decimal | None = None,
    daily_limit: Decimal | None = None,
) -> Account:
    """Return an account of the simulated provider.

    Args:
        name: The account's.
        facts: What the engine may believe of it.
        number: Of the user that it pays as.
        before: Of the users that it paid as, and still reads as.
        approve_above: What needs somebody's leave.
        daily_limit: What it pays in a day.

    """
    late = facts.status_by == "result_callback"
    spec = ProviderSpec(
        name="till",
        title="FakeProvider",
        settings=FakeProviderSettings,
        build=LateFakeProvider if late else FakeProvider,
        operations=frozenset(Operation),
        facts=facts,
        retry={"status": RetryPolicy(attempts=1)},  # repeats inside one read would wait on the real clock
    )

    def paying_as(user: int) -> FakeProviderSettings:
        limits = {"approve_above": approve_above, "daily_limit": daily_limit}
        tables: dict[str, Any] = {setting: {"EUR": limit} for setting, limit in limits.items() if limit is not None}
        return FakeProviderSettings(host=f"http://{name}.invalid", user=f"user-{user}", **tables)

    retired = tuple(
        Account(name, spec, settings, spec.build(settings), is_retired=True) for settings in map(paying_as, before)
    )
    settings = paying_as(number)
    return Account(name, spec, settings, spec.build(settings), retired=retired)
