"""What MTN's responses and reasons mean: what each does to a payment, and what a person needs to know.

One row for each response the portal or a measurement knows: the effect on the payment whose POST it answers, the
neutral reason, what happened, whether money can have moved, and what to do. What no row lists is unknown, never a
failure.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), ERR its page Common Error Codes,
COMM-n an article of the developer community, MIG the public notes of a client that moved to the newer platform, MK,
LEP and LAR measurements and reports published by other clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Literal

from payments_core.domain.payout import ReasonCode
from payments_mtn_momo.api.parsing import Body, Shape

__all__ = [
    "ANSWERS",
    "REASONS",
    "UNLISTED",
    "UNLISTED_REASON",
    "Effect",
    "Meaning",
    "meaning_of_reason",
    "meaning_of_response",
]


class Effect(Enum):
    """What a response to a payment's POST does to the payment."""

    UNKNOWN = auto()  # money may have moved, or not
    ACCEPTED = auto()
    DUPLICATE = auto()  # an earlier request under this reference was accepted
    REFUSED = auto()  # for good; nothing was created
    ACCOUNT_REFUSED = auto()  # something of ours is wrong; every payment would end so
    TOKEN_REFUSED = auto()  # once more with a fresh token
    RATE_LIMITED = auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one response, or the reason of one failed payment, means."""

    what: str  #: What happened, one sentence.
    do: str  #: What to do, one sentence.
    #: Whether money can have moved, when it was the response to a payment; a read moves none.
    money: Literal["no", "perhaps"] = "no"
    do_after_read: str = ""  #: What to do instead when it was the response to a read of something else than a payment.
    effect: Effect = Effect.UNKNOWN  #: What it does to the payment whose POST it answers.
    reason: ReasonCode | None = None  #: The neutral code of what is wrong; None where nothing is proven wrong.
    settling_h: float = 0  #: The hours in which a failure with this reason may yet turn out otherwise.


_READ_FIRST = "Read the status by the same reference before anything else, and never pay again under a new one."
_LATER = "Send the same request again later, under the same reference."


def _invalid(what: str, do: str) -> Meaning:
    return Meaning(what, do, effect=Effect.REFUSED, reason=ReasonCode.INVALID_REQUEST)


def _ours(reason: ReasonCode, what: str, do: str) -> Meaning:
    return Meaning(what, do, effect=Effect.ACCOUNT_REFUSED, reason=reason)


def _token(what: str, do: str, do_after_read: str = "") -> Meaning:
    return Meaning(what, do, do_after_read=do_after_read, effect=Effect.TOKEN_REFUSED, reason=ReasonCode.CREDENTIALS)


def _unclear(what: str, do: str = _READ_FIRST) -> Meaning:
    return Meaning(what, do, "perhaps")


_DUPLICATE = Meaning(
    "The reference is already in use: an earlier request under it was accepted.",
    _READ_FIRST,
    "perhaps",
    effect=Effect.DUPLICATE,
)
_KEYS = "Call again, under the same reference; if a fresh token is refused too, check api_user and api_key."

# Looked up by (HTTP status, MoMo's code), then (status, "@shape"), then (status, "*"); nothing found is UNLISTED.
ANSWERS: Mapping[tuple[int, str], Meaning] = MappingProxyType(
    {
        (202, "*"): Meaning(  # SPEC: taken, not paid
            "MTN took the payment and has not paid it yet.", "Read its status.", "perhaps", effect=Effect.ACCEPTED
        ),
        (400, "VALIDATION_ERROR"): _invalid(  # COMM-338
            "MTN found a field wrong: its type, its length, too many decimals, or a currency it does not take.",
            "Correct the request; unchanged it will be refused again.",
        ),
        (400, f"@{Shape.TOKEN}"): _invalid(  # MIG: Invalid or missing X-Target-Environment header
            "The token endpoint refused the request: the target environment is missing or not one of this platform.",
            "Check target_environment and platform of the account.",
        ),
        (400, "RESOURCE_ALREADY_EXIST"): _DUPLICATE,  # SPEC: with 409; whatever the status, the reference is in use
        (400, "*"): _invalid(  # SPEC, ERR: bad body, header or reference; nothing is created
            "MTN refused the request's form and did not say where.",
            "Check that the reference is a version-4 UUID, that notes hold no apostrophe or accent and at most 128 "
            "characters, and that the payee is digits only.",
        ),
        (401, f"@{Shape.KEY_REFUSED}"): _ours(  # ERR
            ReasonCode.CREDENTIALS,
            "The gateway refused the subscription key.",
            "Use the primary or secondary key of the Disbursements product; another product's key is refused.",
        ),
        (401, f"@{Shape.TOKEN}"): _token(  # SPEC, MIG invalid_client
            "The gateway refused the API user and its key.",
            "Check api_user and api_key, and that they belong to this platform; write them raw, never URL-encoded.",
        ),
        (401, "*"): _token(  # ERR: token expired or invalid
            "The gateway refused the token; it has been dropped, and the next call fetches a fresh one.",
            _KEYS,
            "Call again; if a fresh token is refused too, check api_user and api_key.",
        ),
        (403, f"@{Shape.HTML}"): _ours(  # MIG
            ReasonCode.NOT_PERMITTED,
            "The firewall in front of the gateway refused the request.",
            "Check that no proxy or library changes the User-Agent, and ask MTN whether this server's address is "
            "allowed.",
        ),
        (403, "*"): _ours(  # ERR "FORBIDDEN IP"; MK: before the body is read
            ReasonCode.NOT_PERMITTED,
            "The gateway does not allow this call from this server's address, or not to this account.",
            "Ask MTN to allow the server's public address and the account to disburse; reads may work while payments "
            "do not.",
        ),
        (404, "RESOURCE_NOT_FOUND"): _unclear(  # ERR, MK, MIG
            "MTN knows nothing under this reference: never accepted, not visible yet, sent through the other platform, "
            "or of another API user.",
            "It is no failure: read again over at least five minutes, then send the same request under the same "
            "reference.",
        ),
        (404, f"@{Shape.GATEWAY}"): _ours(  # ERR
            ReasonCode.MISCONFIGURED,
            "The gateway has no such address.",
            "Check base_url; this call may not exist on this platform.",
        ),
        (409, "*"): _DUPLICATE,  # SPEC, MK: RESOURCE_ALREADY_EXIST
        (429, "*"): Meaning(  # COMM-93, COMM-271; no captured body
            "The gateway's limit of calls is reached.",
            f"Wait as long as it asks. {_LATER}",
            effect=Effect.RATE_LIMITED,
        ),
        (500, "NOT_ALLOWED"): _ours(  # ERR
            ReasonCode.NOT_PERMITTED,
            "The API user has no permission, or MTN has blocked the partner account.",
            "Ask MTN; repeating changes nothing.",
        ),
        (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"): _ours(  # ERR, MK: also another product's user
            ReasonCode.MISCONFIGURED,
            "This API user may not use this target environment.",
            "Check target_environment; in the sandbox, create the API user under the Disbursements subscription key.",
        ),
        (500, "INVALID_CALLBACK_URL_HOST"): _ours(  # ERR, MK: nothing is created
            ReasonCode.MISCONFIGURED,
            "The callback's host is not the one registered for the API user.",
            "Use the registered host name (a name, not an address), or leave the callback out and read the status.",
        ),
        (500, "INVALID_CURRENCY"): _ours(  # ERR
            ReasonCode.MISCONFIGURED,
            "The currency is not the account's.",
            "Pay in the currency of the target environment; the sandbox takes EUR.",
        ),
        (500, f"@{Shape.TOKEN}"): Meaning(  # LAR: login_failed, measured in the sandbox
            "The gateway could not log the API user in.", "Check api_user and api_key; a new key ends the old one."
        ),
        # From here on money may have moved.
        (500, "INTERNAL_PROCESSING_ERROR"): _unclear(  # ERR, COMM-186, LAR
            "MTN failed inside, for a reason it does not tell; often the float is too low."
        ),
        (500, "*"): _unclear("MTN failed inside and returned nothing that is documented."),
        (502, "*"): _unclear("The gateway had no good answer from the machine behind it."),
        (503, "*"): _unclear(  # ERR: SERVICE_UNAVAILABLE
            "MTN says the service is unavailable; the request may have passed before."
        ),
        (504, "*"): _unclear("The gateway waited too long for the machine behind it."),
    }
)

UNLISTED = _unclear("The gateway answered with something that is not documented.")


# --- reasons of a FAILED payment -------------------------------------------------------------------------------------

_NEW = "pay again under a new reference"


def _failed(reason: ReasonCode, what: str, do: str) -> Meaning:
    return Meaning(what, do, reason=reason)


def _contradicts(what: str) -> Meaning:
    """Return the meaning of a reason that contradicts FAILED: it settles for 72 hours, which is assumed."""
    do = "Wait three days and read again before paying again."
    return Meaning(what, do, "perhaps", reason=ReasonCode.NOT_COMPLETED, settling_h=72)


REASONS: Mapping[str, Meaning] = MappingProxyType(
    {
        # SPEC, ErrorReason.code
        "PAYEE_NOT_FOUND": _failed(
            ReasonCode.PAYEE_NOT_FOUND, "The payee's number has no MoMo wallet.", f"Correct the number, then {_NEW}."
        ),
        "PAYER_NOT_FOUND": _failed(
            ReasonCode.MISCONFIGURED,
            "MTN did not find the paying account.",
            "Ask MTN; the account itself is the payer.",
        ),  # the payer is the account itself
        "NOT_ALLOWED": _failed(
            ReasonCode.NOT_PERMITTED,
            "The partner account is blocked or has no permission.",
            "Ask MTN before paying again.",
        ),  # COMM-192: partner blocked or without permission
        "NOT_ALLOWED_TARGET_ENVIRONMENT": _failed(
            ReasonCode.MISCONFIGURED,
            "This API user may not use this target environment.",
            "Correct the account's settings before paying again.",
        ),
        "INVALID_CALLBACK_URL_HOST": _failed(
            ReasonCode.MISCONFIGURED,
            "The callback's host is not the registered one.",
            f"Correct the callback or leave it out, then {_NEW}.",
        ),
        "INVALID_CURRENCY": _failed(
            ReasonCode.MISCONFIGURED, "The currency is not the account's.", f"Correct the currency, then {_NEW}."
        ),
        "SERVICE_UNAVAILABLE": _failed(
            ReasonCode.PROVIDER_UNAVAILABLE, "The platform was unavailable; the payment failed.", f"Later, {_NEW}."
        ),
        "INTERNAL_PROCESSING_ERROR": _failed(
            ReasonCode.PROVIDER_ERROR,
            "MTN failed the payment without telling why; often the float is too low.",
            f"Check the float and the account's statement, then {_NEW}.",
        ),  # COMM-186: often a float too low
        "NOT_ENOUGH_FUNDS": _failed(
            ReasonCode.INSUFFICIENT_FUNDS,
            "The float is too low; MTN says the same when the payee's limit is exceeded.",
            f"Top up the float, then {_NEW}; with enough float, take it for the payee's limit.",
        ),  # COMM-192: also the receiver's limit
        "PAYER_LIMIT_REACHED": _failed(
            ReasonCode.PAYER_LIMIT_REACHED, "The account's own limit is reached.", f"Later, {_NEW}."
        ),
        "PAYEE_NOT_ALLOWED_TO_RECEIVE": _failed(
            ReasonCode.PAYEE_NOT_ALLOWED,
            "The payee's wallet is blocked or may not receive.",
            "Ask the payee for another number.",
        ),
        "PAYMENT_NOT_APPROVED": _failed(
            ReasonCode.REJECTED, "The payment was not approved.", f"Find out why before you {_NEW}."
        ),
        "RESOURCE_NOT_FOUND": _failed(
            ReasonCode.INVALID_REQUEST, "MTN did not find what the payment refers to.", "Correct what it refers to."
        ),
        "APPROVAL_REJECTED": _failed(
            ReasonCode.REJECTED, "The payment was rejected.", f"Find out why before you {_NEW}."
        ),
        "EXPIRED": _failed(
            ReasonCode.EXPIRED, "The payment expired before it was done.", f"If it is still wanted, {_NEW}."
        ),
        "TRANSACTION_CANCELED": _failed(
            ReasonCode.CANCELLED, "The payment was cancelled.", f"If it is still wanted, {_NEW}."
        ),
        "RESOURCE_ALREADY_EXIST": _failed(
            ReasonCode.DUPLICATE_OF_ANOTHER, "MTN took it for a payment it already had.", "Find the other one first."
        ),
        # COMM-192, COMM-338
        "COULD_NOT_PERFORM_TRANSACTION": _failed(
            ReasonCode.NOT_COMPLETED,
            "The payment was not completed in time.",
            f"Check the account's statement, then {_NEW}.",
        ),
        "SENDER_ACCOUNT_NOT_ACTIVE": _failed(ReasonCode.NOT_PERMITTED, "The paying account is not active.", "Ask MTN."),
        "PAYEE_LIMIT_REACHED": _failed(
            ReasonCode.PAYEE_LIMIT_REACHED,
            "The payee's limit is reached.",
            "Pay less, or later, under a new reference.",
        ),
        "TRANSACTION_NOT_FOUND": _failed(
            ReasonCode.INVALID_REQUEST,
            "MTN did not find the collection to refund.",
            "Check the refunded reference: the collection's own.",
        ),
        "VALIDATION_ERROR": _failed(
            ReasonCode.INVALID_REQUEST, "MTN found a field wrong.", f"Correct it, then {_NEW}."
        ),
        # production in several countries (LEP)
        "LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED": _failed(
            ReasonCode.FUNDS_OR_LIMIT,
            "One of three: the float is too low, the payee's limit is reached, or it is not allowed.",
            f"Check the float first, then the payee, then {_NEW}.",
        ),
        # named by one client, never confirmed; beside FAILED they contradict themselves
        "ONGOING": _contradicts("MTN says failed and ongoing at once."),
        "PAYER_DELAYED": _contradicts("MTN says failed and delayed at once."),
        "PAYEE_DELAYED": _contradicts("MTN says failed and delayed at once."),
        "TRANSFER_TYPE_UNKNOWN": _failed(
            ReasonCode.MISCONFIGURED, "MTN does not know the transfer type.", f"Correct the type, then {_NEW}."
        ),  # uncertain
    }
)

UNLISTED_REASON = _failed(
    ReasonCode.UNRECOGNISED,
    "MTN says the payment failed, with a reason that is not documented.",
    "Let a person look at the reason before paying again.",
)


def meaning_of_response(status: int, body: Body) -> Meaning:
    """Return what a response means: by MoMo's code, else by who wrote it, else by its status; ``UNLISTED`` for none.

    A 404 and a 500 without a code keep the cautious row: they prove nothing.
    """
    for key in (body.momo_code, f"@{body.shape}", "*"):
        if (meaning := ANSWERS.get((status, key))) is not None:
            return meaning
    return UNLISTED


def meaning_of_reason(code: str) -> Meaning:
    """Return what the reason of a FAILED payment means."""
    return REASONS.get(code, UNLISTED_REASON)
