"""How MTN's words translate into ours and back: total tables, each row with its source.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), ERR its page Common Error Codes,
COMM-n an article of the developer community, MK and LEP measurements published by other clients.
What no table lists is ``Unknown``, never a failure; reading never raises.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from payments_core.domain.payout import Operation, Order, Reason, ReasonCode
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
from payments_mtn_momo.answers import Body, Shape, read_body, retry_after_s

__all__ = ["PARTY_KINDS", "REASONS", "STATUSES", "encode_payment", "read_status", "read_submitted", "reduce_note"]

_NOTE_LENGTH = 60  # production clients stay at 60-64; ERR says 160, COMM-338 says 128
_APOSTROPHES = "'`\u2018\u2019\u02bc"


# --- what is sent ------------------------------------------------------------------------------------------------


PARTY_KINDS: Mapping[str, str] = {"msisdn": "MSISDN", "email": "EMAIL", "party_code": "PARTY_CODE"}  # SPEC


def encode_payment(order: Order, *, external_id: str) -> str:
    """Return the body of a payment: JSON, the amount as plain decimal text; a refund names what it refunds."""
    note = reduce_note(order.note)
    body: dict[str, Any] = {
        "amount": order.amount.text,
        "currency": str(order.amount.currency),
        "externalId": external_id,
    }
    if order.operation is Operation.REFUND:
        body["referenceIdToRefund"] = order.payee.value.lower()
    else:
        body["payee"] = {"partyIdType": PARTY_KINDS[order.payee.kind], "partyId": order.payee.value}
    if "transfer_type" in order.options:
        body["transferType"] = order.options["transfer_type"]
    return json.dumps({**body, "payerMessage": note, "payeeNote": note}, separators=(",", ":"))


def reduce_note(note: str) -> str:
    """Return a note with nothing in it that the gateway answers with 400: apostrophes, accents, length (ERR, COMM-338).

    >>> reduce_note("Prime d'été, novembre")
    'Prime dete novembre'
    """
    folded = unicodedata.normalize("NFKD", note[:1000])
    folded = "".join(mark for mark in folded if not unicodedata.combining(mark) and mark not in _APOSTROPHES)
    words = re.sub(r"[^A-Za-z0-9 ._-]", " ", folded).split()
    return " ".join(words)[:_NOTE_LENGTH].strip() or "Payout"


# --- the answer to a POST of a payment -----------------------------------------------------------------------------

_Meaning = Callable[[HttpResponse, Body], SubmitOutcome]


def _carried(response: HttpResponse, body: Body) -> dict[str, Any]:
    return {"code": body.code, "text": body.text, "http_status": response.status}


def _pending(response: HttpResponse, body: Body) -> SubmitOutcome:
    if body.shape not in {Shape.EMPTY, Shape.OTHER}:  # a 202 around somebody's error or page: not known
        return _unknown(response, body)
    return Pending(**_carried(response, body))


def _duplicate(response: HttpResponse, body: Body) -> SubmitOutcome:
    return Duplicate(**_carried(response, body))


def _unknown(response: HttpResponse, body: Body) -> SubmitOutcome:
    return Unknown(**_carried(response, body))


def _wait(response: HttpResponse, body: Body) -> SubmitOutcome:
    return NotAccepted(retry_after_s=retry_after_s(response, body), **_carried(response, body))


def _token_refused(response: HttpResponse, body: Body) -> SubmitOutcome:
    reason = Reason(ReasonCode.CREDENTIALS, body.code, body.text or "The gateway refused a fresh token.")
    return NotAccepted(blocks_if_repeated=reason, **_carried(response, body))


def _refused(code: ReasonCode) -> _Meaning:
    return lambda response, body: Final(reason=Reason(code, body.code, body.text), **_carried(response, body))


def _blocked(code: ReasonCode) -> _Meaning:
    return lambda response, body: AccountRefused(Reason(code, body.code, body.text), http_status=response.status)


# Looked up by (HTTP status, MoMo's code), then (status, "@shape"), then (status, "*"); nothing found is Unknown.
POST_ANSWERS: Mapping[tuple[int, str], _Meaning] = {
    (202, "*"): _pending,  # SPEC: taken, not paid
    (400, "*"): _refused(ReasonCode.INVALID_REQUEST),  # SPEC, ERR: bad body, header or reference; nothing is created
    (400, "RESOURCE_ALREADY_EXIST"): _duplicate,  # SPEC: with 409; whatever the status, the reference is in use
    (401, f"@{Shape.KEY_REFUSED}"): _blocked(ReasonCode.CREDENTIALS),  # ERR: another product's key
    (401, "*"): _token_refused,  # ERR: token expired or invalid
    (403, "*"): _blocked(ReasonCode.NOT_PERMITTED),  # ERR "FORBIDDEN IP"; MK: said before the body is read; or the WAF
    (404, f"@{Shape.GATEWAY}"): _blocked(ReasonCode.MISCONFIGURED),  # ERR: wrong address
    (409, "*"): _duplicate,  # SPEC, MK: RESOURCE_ALREADY_EXIST
    (429, "*"): _wait,  # COMM-271; no captured body
    (500, "NOT_ALLOWED"): _blocked(ReasonCode.NOT_PERMITTED),  # ERR: no permission, or the partner is blocked
    (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"): _blocked(ReasonCode.MISCONFIGURED),  # ERR, MK: also another product's user
    (500, "INVALID_CALLBACK_URL_HOST"): _blocked(ReasonCode.MISCONFIGURED),  # ERR, MK: nothing is created
    (500, "INVALID_CURRENCY"): _blocked(ReasonCode.MISCONFIGURED),  # ERR
    # 500 INTERNAL_PROCESSING_ERROR, 503 SERVICE_UNAVAILABLE, 502, 504: money may have moved, so they are not here.
}


def read_submitted(response: HttpResponse) -> SubmitOutcome:
    """Say what the answer to a payment's POST means."""
    body = read_body(response)
    code = body.code if body.shape is Shape.MOMO else ""
    for key in (code, f"@{body.shape}", "*"):
        if meaning := POST_ANSWERS.get((response.status, key)):
            return meaning(response, body)
    return _unknown(response, body)


# --- the answer to a GET of its status -----------------------------------------------------------------------------

STATUSES: Mapping[str, type[Final] | type[Pending] | type[Unknown]] = {
    "SUCCESSFUL": Final,  # SPEC
    "FAILED": Final,  # SPEC
    "PENDING": Pending,  # SPEC
    "CREATED": Pending,  # MK: seen before SUCCESSFUL, not documented
    "REJECTED": Unknown,  # named by old portal pages; the sandbox says FAILED instead
    "TIMEOUT": Unknown,  # as REJECTED
}

# The neutral code, and the hours in which it may yet turn out otherwise.
REASONS: Mapping[str, tuple[ReasonCode, float]] = {
    # SPEC, ErrorReason.code
    "PAYEE_NOT_FOUND": (ReasonCode.PAYEE_NOT_FOUND, 0),
    "PAYER_NOT_FOUND": (ReasonCode.MISCONFIGURED, 0),  # the payer is the account itself
    "NOT_ALLOWED": (ReasonCode.NOT_PERMITTED, 0),  # COMM-192: partner blocked or without permission
    "NOT_ALLOWED_TARGET_ENVIRONMENT": (ReasonCode.MISCONFIGURED, 0),
    "INVALID_CALLBACK_URL_HOST": (ReasonCode.MISCONFIGURED, 0),
    "INVALID_CURRENCY": (ReasonCode.MISCONFIGURED, 0),
    "SERVICE_UNAVAILABLE": (ReasonCode.PROVIDER_UNAVAILABLE, 0),
    "INTERNAL_PROCESSING_ERROR": (ReasonCode.PROVIDER_ERROR, 0),  # COMM-186: often a float too low
    "NOT_ENOUGH_FUNDS": (ReasonCode.INSUFFICIENT_FUNDS, 0),  # COMM-192: also the receiver's limit
    "PAYER_LIMIT_REACHED": (ReasonCode.PAYER_LIMIT_REACHED, 0),
    "PAYEE_NOT_ALLOWED_TO_RECEIVE": (ReasonCode.PAYEE_NOT_ALLOWED, 0),
    "PAYMENT_NOT_APPROVED": (ReasonCode.REJECTED, 0),
    "RESOURCE_NOT_FOUND": (ReasonCode.INVALID_REQUEST, 0),
    "APPROVAL_REJECTED": (ReasonCode.REJECTED, 0),
    "EXPIRED": (ReasonCode.EXPIRED, 0),
    "TRANSACTION_CANCELED": (ReasonCode.CANCELLED, 0),
    "RESOURCE_ALREADY_EXIST": (ReasonCode.DUPLICATE_OF_ANOTHER, 0),
    # COMM-192, COMM-338
    "COULD_NOT_PERFORM_TRANSACTION": (ReasonCode.NOT_COMPLETED, 0),
    "SENDER_ACCOUNT_NOT_ACTIVE": (ReasonCode.NOT_PERMITTED, 0),
    "PAYEE_LIMIT_REACHED": (ReasonCode.PAYEE_LIMIT_REACHED, 0),
    "TRANSACTION_NOT_FOUND": (ReasonCode.INVALID_REQUEST, 0),
    "VALIDATION_ERROR": (ReasonCode.INVALID_REQUEST, 0),
    # production in several countries (LEP)
    "LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED": (ReasonCode.FUNDS_OR_LIMIT, 0),
    # named by one client, never confirmed; beside FAILED they contradict themselves, so they settle (72 h: assumed)
    "ONGOING": (ReasonCode.NOT_COMPLETED, 72),
    "PAYER_DELAYED": (ReasonCode.NOT_COMPLETED, 72),
    "PAYEE_DELAYED": (ReasonCode.NOT_COMPLETED, 72),
    "TRANSFER_TYPE_UNKNOWN": (ReasonCode.MISCONFIGURED, 0),  # uncertain
}


def read_status(response: HttpResponse) -> CheckOutcome:
    """Say what the answer to a payment's status GET means."""
    body = read_body(response)
    if response.status == 404 and body.shape is Shape.MOMO and body.code == "RESOURCE_NOT_FOUND":
        return NotFound(**_carried(response, body))  # SPEC; MK: also right after a 202
    if response.status != 200:  # SPEC: a failed payment is a 200; everything else says only that the read failed
        after_s = retry_after_s(response, body) if response.status == 429 else None
        return Unknown(retry_after_s=after_s, **_carried(response, body))
    word = body.fields.get("status")
    meaning = STATUSES.get(word, Unknown) if isinstance(word, str) else Unknown
    reason = _reason(body.fields.get("reason")) if word == "FAILED" else None
    told: dict[str, Any] = {
        "code": reason.provider_code if reason else text_of(word),
        "text": reason.text if reason else body.text,
        "http_status": response.status,
        "references": _references(body.fields),
        "seen": _seen(body.fields),
    }
    return Final(reason=reason, **told) if meaning is Final else meaning(**told)


def _reason(given: object) -> Reason:
    """Read a failure's reason: a bare word (COMM-186, the sandbox) or an object with code and message (SPEC)."""
    fields = given if isinstance(given, dict) else {"code": given}
    word = text_of(fields.get("code"))
    code, settling_h = REASONS.get(word, (ReasonCode.UNRECOGNISED, 0))
    return Reason(code, word, text_of(fields.get("message")), settling_h)


def _references(fields: Mapping[str, Any]) -> dict[str, str]:
    found = text_of(fields.get("financialTransactionId"))
    return {"financial_transaction_id": found} if found else {}


def _seen(fields: Mapping[str, Any]) -> ReportedDetails:
    payee = fields.get("payee")
    shown = reported_text(payee.get("partyId") if isinstance(payee, dict) else payee)
    return ReportedDetails(
        amount=reported_amount(fields.get("amount")),
        currency=reported_text(fields.get("currency")),
        payee=shown and shown.removeprefix("+"),
        external_id=reported_text(fields.get("externalId")),
    )
