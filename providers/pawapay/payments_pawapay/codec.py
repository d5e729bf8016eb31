"""Maps pawaPay's answers about payments to outcomes. HTTP 200 also carries refusals and "not found"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from payments_core.domain.payout import Reason, ReasonCode
from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import parse_json, parse_object, reported_amount, reported_text, text_of, wait_asked_s
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
from payments_pawapay.codes import AMBIGUOUS, BLOCKS, BUSY, FAILURES, REFUSALS, STATUSES

__all__ = ["OUR_ID", "account_refusal", "failure_in", "read_many", "read_status", "read_submitted"]

OUR_ID = "payoutsId"  # the name of our own id in a payment's metadata


def read_submitted(response: HttpResponse, reference: str) -> SubmitOutcome:
    """Map the answer to a payment to its outcome.

    Args:
        response: The answer.
        reference: Our ``payoutId``; an answer about another payment is ``Unknown``.

    """
    if response.status == 429:
        return NotAccepted(retry_after_s=wait_asked_s(response), http_status=429)
    return _submitted(parse_object(response.body), response, reference)


def read_many(response: HttpResponse, references: Sequence[str]) -> Sequence[SubmitOutcome]:
    """Map the answer to a bulk to one outcome for each payment; one that it does not name is unknown."""
    parsed = parse_json(response.body)
    if response.status != 200 or not isinstance(parsed, list):  # refused as a whole, or unreadable
        return [read_submitted(response, reference) for reference in references]
    named = [item for item in parsed if isinstance(item, dict)]

    def one(place: int, reference: str) -> SubmitOutcome:
        ours = [item for item in named if item.get("payoutId") == reference]
        # A refusal may lack its payoutId: then its position counts, where every payment has an answer.
        if not ours and len(named) == len(references) and named[place].get("payoutId") is None:
            ours = [named[place]]
        return _submitted(ours[0] if len(ours) == 1 else {}, response, reference)

    return [one(place, reference) for place, reference in enumerate(references)]


def read_status(response: HttpResponse, reference: str) -> CheckOutcome:
    """Map the answer to a check to its outcome."""
    fields = parse_object(response.body)
    if response.status != 200:
        code, text = failure_in(fields)
        return Unknown(code=code, text=text, http_status=response.status, retry_after_s=wait_asked_s(response))
    if fields.get("status") == "NOT_FOUND":
        return NotFound(code="NOT_FOUND", http_status=200)
    data = fields.get("data")
    if fields.get("status") != "FOUND" or not isinstance(data, dict) or data.get("payoutId") != reference:
        return Unknown(code=text_of(fields.get("status")), http_status=200)
    word = text_of(data.get("status"))
    code, text = failure_in(data)
    details: dict[str, Any] = {
        "code": code or word,
        "text": text,
        "http_status": 200,
        "seen": _reported(data),
        "references": _learned(data),
    }
    meaning = STATUSES.get(word)
    if meaning is None or (word == "FAILED" and code in AMBIGUOUS):
        return Unknown(**details)
    if word == "FAILED":
        return Final(reason=Reason(FAILURES.get(code, ReasonCode.UNRECOGNISED), code, text), **details)
    return meaning(**details)


def account_refusal(code: str, text: str, http_status: int) -> AccountRefused | None:
    """Return the refusal of the account; None when the code is not one."""
    if code not in BLOCKS or http_status not in {200, 400, 401, 403}:
        return None
    return AccountRefused(Reason(BLOCKS[code], code, text), http_status=http_status)


def failure_in(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the failure's code and text; empty where there is none."""
    failure = fields.get("failureReason")
    if not isinstance(failure, dict):
        return text_of(failure), ""
    return text_of(failure.get("failureCode")), text_of(failure.get("failureMessage"))


def _submitted(fields: Mapping[str, Any], response: HttpResponse, reference: str) -> SubmitOutcome:
    code, text = failure_in(fields)
    details: dict[str, Any] = {"code": code, "text": text, "http_status": response.status}
    if blocked := account_refusal(code, text, response.status):
        return blocked
    status, named = fields.get("status"), fields.get("payoutId")
    is_refused = status == "REJECTED" and response.status in {200, 400} and named in (None, reference)
    if is_refused and code in BUSY:
        return NotAccepted(**details)  # without a wait: one operator is down, the others are not
    if is_refused and code in REFUSALS:
        return Final(reason=Reason(REFUSALS[code], code, text), **details)
    if response.status == 200 and named == reference:
        if status == "ACCEPTED":
            return Pending(**details | {"code": "ACCEPTED"})
        if status == "DUPLICATE_IGNORED":
            return Duplicate(**details | {"code": "DUPLICATE_IGNORED"})
    return Unknown(**details | {"code": code or text_of(status)})


def _reported(data: Mapping[str, Any]) -> ReportedDetails:
    recipient = data.get("recipient")
    details = recipient.get("accountDetails") if isinstance(recipient, dict) else recipient
    metadata = data.get("metadata")
    return ReportedDetails(
        amount=reported_amount(data.get("amount")),
        currency=reported_text(data.get("currency")),
        payee=reported_text(details.get("phoneNumber") if isinstance(details, dict) else details),
        external_id=reported_text(metadata.get(OUR_ID)) if isinstance(metadata, dict) else None,
    )


def _learned(data: Mapping[str, Any]) -> Mapping[str, str]:
    given = text_of(data.get("providerTransactionId"))
    return {"provider_reference": given} if given else {}
