"""From the responses about a payment to the outcomes of ``payments_core``; which means what is in ``error_catalog``.

What is not listed is ``Unknown``, never a failure; reading never raises.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), COMM-n an article of the developer
community, MK the measurements published by another client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payments_core.domain.payout import Reason, ReasonCode
from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import reported_amount, reported_text, text_of
from payments_core.provider import (
    AccountRefused,
    CheckOutcome,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    ReportedDetails,
    SubmitOutcome,
    Unknown,
)
from payments_mtn_momo.api.error_catalog import Effect, meaning_of_reason, meaning_of_response
from payments_mtn_momo.api.parsing import Body, Shape, read_body, retry_after_s

__all__ = ["STATUSES", "read_reason", "read_status", "read_submit"]

STATUSES: Mapping[str, type[Final] | type[Pending] | type[Unknown]] = {
    "SUCCESSFUL": Final,  # SPEC
    "FAILED": Final,  # SPEC
    "PENDING": Pending,  # SPEC
    "CREATED": Pending,  # MK: seen before SUCCESSFUL, not documented
    "REJECTED": Unknown,  # named by old portal pages; the sandbox says FAILED instead
    "TIMEOUT": Unknown,  # as REJECTED
}


def read_submit(response: HttpResponse) -> SubmitOutcome:
    """Return what the response to a payment's POST means."""
    body = read_body(response)
    meaning = meaning_of_response(response.status, body)
    evidence = _evidence(response, body)
    reason = Reason(meaning.reason, body.code, body.text) if meaning.reason else None
    match meaning.effect:
        case Effect.ACCEPTED if body.shape in {Shape.EMPTY, Shape.OTHER}:  # around an error or a page: not known
            return Pending(**evidence)
        case Effect.DUPLICATE:
            return Duplicate(**evidence)
        case Effect.REFUSED:
            return Final(reason=reason, **evidence)
        case Effect.ACCOUNT_REFUSED if reason:
            return AccountRefused(reason, http_status=response.status)
        case Effect.TOKEN_REFUSED:
            refused = Reason(ReasonCode.CREDENTIALS, body.code, body.text or "The gateway refused a fresh token.")
            return NotAccepted(blocks_if_repeated=refused, **evidence)
        case Effect.RATE_LIMITED:
            return NotAccepted(retry_after_s=retry_after_s(response, body), **evidence)
        case _:
            return Unknown(**evidence)


def read_status(response: HttpResponse) -> CheckOutcome:
    """Return what the response to a payment's status GET means."""
    body = read_body(response)
    if body.says_not_found(response.status):
        return NotFound(**_evidence(response, body))  # SPEC; MK: also right after a 202
    if response.status != 200:  # SPEC: a failed payment is a 200; everything else says only that the read failed
        after_s = retry_after_s(response, body) if response.status == 429 else None
        return Unknown(retry_after_s=after_s, **_evidence(response, body))
    status = body.fields.get("status")
    outcome = STATUSES.get(status, Unknown) if isinstance(status, str) else Unknown
    reason = _failure(body.fields.get("reason")) if status == "FAILED" else None
    evidence: dict[str, Any] = {
        "code": reason.provider_code if reason else text_of(status),
        "text": reason.text if reason else body.text,
        "http_status": response.status,
        "references": _references(body.fields),
        "seen": _reported(body.fields),
    }
    return Final(reason=reason, **evidence) if outcome is Final else outcome(**evidence)


def read_reason(value: object) -> tuple[str, str]:
    """Return code and message of a failure's reason: a bare word (COMM-186, the sandbox) or an object (SPEC)."""
    fields = value if isinstance(value, dict) else {"code": value}
    return text_of(fields.get("code")), text_of(fields.get("message"))


def _failure(value: object) -> Reason:
    code, message = read_reason(value)
    meaning = meaning_of_reason(code)
    return Reason(meaning.reason or ReasonCode.UNRECOGNISED, code, message, meaning.settling_h)


def _evidence(response: HttpResponse, body: Body) -> dict[str, Any]:
    return {"code": body.code, "text": body.text, "http_status": response.status}


def _references(fields: Mapping[str, Any]) -> dict[str, str]:
    transaction_id = text_of(fields.get("financialTransactionId"))
    return {"provider_reference": transaction_id} if transaction_id else {}


def _reported(fields: Mapping[str, Any]) -> ReportedDetails:
    payee = fields.get("payee")
    address = reported_text(payee.get("partyId") if isinstance(payee, dict) else payee)
    return ReportedDetails(
        amount=reported_amount(fields.get("amount")),
        currency=reported_text(fields.get("currency")),
        payee=address and address.removeprefix("+"),
        external_id=reported_text(fields.get("externalId")),
    )
