"""Maps M-Pesa's answers to outcomes. What no table lists is ``Unknown``, never a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from payments_core.domain.masking import scrub_code
from payments_core.domain.payout import Reason, ReasonCode
from payments_core.http.messages import HttpResponse, NoAnswer
from payments_core.http.parsing import gist, number, object_of, parse_object, text_of, wait_asked_s
from payments_core.provider import (
    AccountRefused,
    Callback,
    CheckOutcome,
    Credential,
    Deferred,
    Draft,
    Duplicate,
    Final,
    NotAccepted,
    ParsedCallback,
    Pending,
    ReportedDetails,
    SubmitOutcome,
    Unknown,
)
from payments_mpesa_daraja.codes import ERRORS, RESULTS, STATUSES, TOKEN_ERRORS

__all__ = [
    "CURRENCY",
    "Result",
    "is_token_refused",
    "parse_callback",
    "read_acknowledgement",
    "read_answer",
    "read_asked",
    "read_submitted",
    "read_token",
    "result_of",
]

CURRENCY = "KES"  # answers name none: M-Pesa in Kenya has no other
_DUPLICATE = "500.002.1001"  # also "Service is currently under maintenance": only the text distinguishes them
_LIFE_S, _LONGEST_LIFE_S, _MARGIN_S = 3599.0, 86_400.0, 60.0
_NUMBER = re.compile(r"\s*\+?(254[0-9]{9})\b")


# --- tokens ---


def read_token(response: HttpResponse) -> Credential | AccountRefused:
    """Map the answer of the token endpoint.

    Raises:
        NoAnswer: The answer is neither a token nor a refusal; a later request may succeed.

    """
    fields = parse_object(response.body)
    token, code = fields.get("access_token"), text_of(fields.get("errorCode"))
    if response.status == 200 and isinstance(token, str) and token and token.isascii() and token.isprintable():
        lifetime = number(fields.get("expires_in"))  # as text or as a number
        life_s = min(float(lifetime), _LONGEST_LIFE_S) if lifetime is not None and lifetime > 0 else _LIFE_S
        ends_at = response.at + timedelta(seconds=life_s - min(_MARGIN_S, life_s / 6))
        return Credential({"access_token": token}, expires_at=ends_at)
    if reason := TOKEN_ERRORS.get(code):
        return AccountRefused(Reason(reason, code, text_of(fields.get("errorMessage"))), http_status=response.status)
    raise NoAnswer(
        f"The token endpoint answered {response.status} with {scrub_code(code) or 'no token'}.", at=response.at
    )


def is_token_refused(response: HttpResponse) -> bool:
    """Whether an answer refuses the token: it expired, or a newer one replaced it."""
    return ERRORS.get(text_of(parse_object(response.body).get("errorCode"))) == "token"


# --- answers to requests ---


def read_submitted(response: HttpResponse, draft: Draft) -> SubmitOutcome:
    """Map the answer to a payment: accepted at most; the result comes by callback."""
    fields, details = _details(response)
    if response.status == 200 and text_of(fields.get("ResponseCode")) == "0" and not details["code"]:
        if text_of(fields.get("OriginatorConversationID")) not in {"", draft.references["originator"]}:
            return Unknown(**details)
        return Pending(**details, references=_learned(conversation=fields.get("ConversationID")))
    code = details["code"]
    if code == _DUPLICATE and "duplicate" in details["text"].lower():
        return Duplicate(**details)
    match ERRORS.get(code):
        case "busy":
            return NotAccepted(**details, retry_after_s=wait_asked_s(response))
        case "token":
            return NotAccepted(**details, blocks_if_repeated=Reason(ReasonCode.CREDENTIALS, code, details["text"]))
        case ReasonCode() as reason:
            return Final(**details, reason=Reason(reason, code, details["text"]))
        case _:
            return Unknown(**details)


def read_asked(response: HttpResponse) -> CheckOutcome:
    """Map the answer to a status query: accepted, or unknown."""
    is_accepted, details = read_acknowledgement(response)
    return Deferred(**details) if is_accepted else Unknown(**details, retry_after_s=wait_asked_s(response))


def read_acknowledgement(response: HttpResponse) -> tuple[bool, dict[str, Any]]:
    """Whether a query was accepted; with code, text and HTTP status of the answer."""
    fields, details = _details(response)
    return response.status == 200 and text_of(fields.get("ResponseCode")) == "0" and not details["code"], details


def _details(response: HttpResponse) -> tuple[Mapping[str, Any], dict[str, Any]]:
    fields = parse_object(response.body)
    text = text_of(fields.get("errorMessage")) or text_of(fields.get("ResponseDescription"))
    if not fields and response.body.lstrip()[:1] == b"<":
        text = gist(response.text[:4096])
    details = {"code": text_of(fields.get("errorCode")), "text": text, "http_status": response.status}
    return fields, details


# --- result callbacks ---


@dataclass(frozen=True, slots=True)
class Result:
    """A result that M-Pesa posts to a ResultURL.

    Args:
        code: Its ResultCode, number or text; empty when it has none.
        text: Its ResultDesc.
        originator: OriginatorConversationID: ours for a payment, M-Pesa's own for a query.
        conversation: M-Pesa's id of the same request.
        receipt: Its TransactionID.
        parameters: By name; a name can be repeated and can lack a value.

    """

    code: str
    text: str
    originator: str
    conversation: str
    receipt: str
    parameters: Mapping[str, tuple[str, ...]]

    def only(self, name: str) -> str:
        """Return the value of a parameter; empty when it has none, or values that differ."""
        found = {value for value in self.parameters.get(name, ()) if value}
        return found.pop() if len(found) == 1 else ""

    def first(self, *names: str) -> str:
        """Return the first value of the named parameters; empty when none has one."""
        return next((value for name in names for value in self.parameters.get(name, ()) if value), "")


def read_answer(draft: Draft, callback: Callback) -> CheckOutcome:
    """Map a result callback to the minted path of a payment or of a query about it."""
    result = result_of(callback)
    if result is None:
        return Unknown(text="no result")
    ours, learned = draft.references["originator"], draft.references.get("conversation", "")
    if result.originator == ours and (not learned or result.conversation == learned):
        return _of_payment(result, is_certain=bool(learned))
    return _of_question(result, ours)


def _of_payment(result: Result, *, is_certain: bool) -> CheckOutcome:
    """Map the result of a payment."""
    meaning = RESULTS.get(result.code, "unknown")
    if result.code == "SFC_IC0003" and not is_certain:  # in a query's result it may mean an unknown id
        meaning = "unknown"
    seen = ReportedDetails(
        amount=number(result.only("TransactionAmount")),
        currency=CURRENCY,
        payee=_payee(result.first("ReceiverPartyPublicName")),
    )
    references = _learned(provider_reference=result.first("TransactionReceipt") or result.receipt)
    return _outcome(meaning, result.code, result.text, seen, references)


def _of_question(result: Result, ours: str) -> CheckOutcome:
    """Map the result of a status query; a failed query is never a failed payment."""
    named = result.parameters.get("OriginatorConversationID", ()) + result.parameters.get(
        "Originator Conversation ID", ()
    )
    if result.code != "0":
        return Unknown(code=result.code, text=result.text)
    if ours not in named:
        return Unknown(code=result.code, text="a result about another payment")
    status = result.first("TransactionStatus")
    parties = result.parameters.get("CreditPartyName", ()) + result.parameters.get("DebitPartyName", ())
    charges = result.first("DebitPartyCharges").split("|")  # Fee For B2C Payment|KES|22.40
    seen = ReportedDetails(
        amount=number(result.only("Amount")),
        currency=CURRENCY,
        payee=next((found for party in parties if (found := _payee(party))), None),
        fee=number(charges[2]) if len(charges) == 3 and charges[1] == CURRENCY else None,
    )
    references = _learned(provider_reference=result.first("ReceiptNo"))
    text = result.first("TransactionReason")
    return _outcome(STATUSES.get(status, "unknown"), status, text, seen, references)


def _outcome(
    meaning: object, code: str, text: str, seen: ReportedDetails, references: Mapping[str, str]
) -> CheckOutcome:
    details: dict[str, Any] = {"code": code, "text": text}
    match meaning:
        case "paid":
            return Final(**details, seen=seen, references=references)
        case "pending":
            return Pending(**details, seen=seen)
        case ReasonCode() as reason:
            return Final(**details, reason=Reason(reason, code, text), seen=seen)
        case _:
            return Unknown(**details)


def parse_callback(callback: Callback) -> ParsedCallback | None:
    """Return the payment that a callback to the account's path names; None when it names none.

    A request that timed out in M-Pesa's queue comes back there as it was sent.
    """
    result = result_of(callback)
    if result is not None:
        return (
            ParsedCallback(references={"originator": result.originator}, status=result.code)
            if result.originator
            else None
        )
    fields = parse_object(callback.body)
    about = text_of(fields.get("OriginatorConversationID")) or text_of(fields.get("OriginalConversationID"))
    return ParsedCallback(references={"originator": about}, status="queue_timeout") if about else None


def result_of(callback: Callback) -> Result | None:
    """Return the result in a callback to a ResultURL; None when there is none."""
    result = object_of(parse_object(callback.body).get("Result"))
    if not result:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for name, value in _parameters(result.get("ResultParameters")):
        found[name] = (*found.get(name, ()), value)
    return Result(
        code=text_of(result.get("ResultCode")),
        text=text_of(result.get("ResultDesc")),
        originator=text_of(result.get("OriginatorConversationID")),
        conversation=text_of(result.get("ConversationID")),
        receipt=text_of(result.get("TransactionID")),
        parameters=found,
    )


def _parameters(value: object) -> Iterator[tuple[str, str]]:
    """Yield the names and values of one, several or no parameters."""
    rows = value.get("ResultParameter") if isinstance(value, dict) else None
    for row in rows if isinstance(rows, list) else [rows]:
        if isinstance(row, dict) and (name := text_of(row.get("Key"))):
            yield name, text_of(row.get("Value"))


def _payee(party: str) -> str | None:
    """Return the number of ``254708374149 - John Doe``; None where it is masked or has another form."""
    found = _NUMBER.match(party)
    return found[1] if found else None


def _learned(**references: object) -> dict[str, str]:
    return {name: found for name, value in references.items() if (found := text_of(value))}
