"""Maps Template Pay's statuses and codes to outcomes: total tables.

What no table lists is ``Unknown``, never a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payments_core.domain.payout import Reason, ReasonCode
from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import parse_object, reported_amount, reported_text, text_of, wait_asked_s
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

__all__ = ["REASONS", "STATUSES", "read_status", "read_submitted"]

STATUSES: Mapping[str, type[Final] | type[Pending]] = {"accepted": Pending, "paid": Final, "failed": Final}

# Codes of a failed payment and of a refused one.
REASONS: Mapping[str, ReasonCode] = {
    "no_such_wallet": ReasonCode.PAYEE_NOT_FOUND,
    "wallet_full": ReasonCode.PAYEE_LIMIT_REACHED,
    "no_float": ReasonCode.INSUFFICIENT_FUNDS,
    "bad_request": ReasonCode.INVALID_REQUEST,
}

# Codes that refuse the account: its payments pause, and no payout fails.
BLOCKS: Mapping[str, ReasonCode] = {
    "bad_key": ReasonCode.CREDENTIALS,
    "not_allowed": ReasonCode.NOT_PERMITTED,
}


def read_submitted(response: HttpResponse, reference: str) -> SubmitOutcome:
    """Map the answer to a payment to its outcome; an answer about another payment is ``Unknown``."""
    fields = parse_object(response.body)
    code = text_of(fields.get("error"))
    details: dict[str, Any] = {"code": code, "text": text_of(fields.get("message")), "http_status": response.status}
    match response.status:
        case 201 if fields.get("status") == "accepted" and text_of(fields.get("id")) == reference:
            return Pending(**details)
        case 409 if code == "duplicate_id":
            return Duplicate(**details)
        case 422 if code in REASONS:
            return Final(reason=Reason(REASONS[code], code, details["text"]), **details)
        case 401 | 403 if code in BLOCKS:
            return AccountRefused(Reason(BLOCKS[code], code, details["text"]), http_status=response.status)
        case 429:
            return NotAccepted(retry_after_s=wait_asked_s(response), **details)
        case _:
            return Unknown(**details)


def read_status(response: HttpResponse, reference: str) -> CheckOutcome:
    """Map the answer to a check to its outcome; an answer about another payment is ``Unknown``."""
    fields = parse_object(response.body)
    if response.status == 404 and fields.get("error") == "no_such_payment":
        return NotFound(code="no_such_payment", http_status=404)
    if response.status != 200 or text_of(fields.get("id")) != reference:
        return Unknown(http_status=response.status, retry_after_s=wait_asked_s(response))
    word = text_of(fields.get("status"))
    code = text_of(fields.get("reason"))
    details: dict[str, Any] = {"code": code or word, "http_status": 200, "seen": _reported(fields)}
    if number := text_of(fields.get("number")):
        details["references"] = {"provider_reference": number}
    if word == "failed":
        return Final(reason=Reason(REASONS.get(code, ReasonCode.UNRECOGNISED), code), **details)
    meaning = STATUSES.get(word)
    return Unknown(**details) if meaning is None else meaning(**details)


def _reported(fields: Mapping[str, Any]) -> ReportedDetails:
    return ReportedDetails(
        amount=reported_amount(fields.get("amount")),
        currency=reported_text(fields.get("currency")),
        payee=reported_text(fields.get("to")),
    )
