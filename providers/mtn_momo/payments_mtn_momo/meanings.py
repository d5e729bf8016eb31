"""What MTN's refusals and reasons mean to a person: what happened, whether money can have moved, what to do.

What an answer *does* is decided in ``codec``; here are only the words, one row for each answer the portal or a
measurement knows. Both are looked up by the same keys, and a test holds them together.

Sources: ERR is the portal's page Common Error Codes, COMM-n an article of the developer community, MIG the public notes
of a client that moved to the newer platform, MK, LEP and LAR measurements and reports published by other clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from payments_mtn_momo.answers import Body, Shape

__all__ = ["ANSWERS", "REASONS", "UNLISTED", "UNLISTED_REASON", "Meaning", "markdown", "of_answer", "of_reason"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """One answer or reason, for people.

    Args:
        what: What happened, one sentence.
        do: What to do, one sentence.
        money: Whether money can have moved, when it was the answer to a payment; a read moves none.
        do_after_read: What to do instead when it was the answer to a read of something else than a payment.

    """

    what: str
    do: str
    money: Literal["no", "perhaps"] = "no"
    do_after_read: str = ""


_READ_FIRST = "Read the status by the same reference before anything else, and never pay again under a new one."
_LATER = "Send the same request again later, under the same reference."

_ANSWERS: dict[tuple[int, str], Meaning] = {
    (202, "*"): Meaning("MTN took the payment and has not paid it yet.", "Read its status.", "perhaps"),
    (400, "VALIDATION_ERROR"): Meaning(  # COMM-338
        "MTN found a field wrong: its type, its length, too many decimals, or a currency it does not take.",
        "Correct the request; unchanged it will be refused again.",
    ),
    (400, f"@{Shape.TOKEN}"): Meaning(  # MIG: Invalid or missing X-Target-Environment header
        "The token endpoint refused the request: the target environment is missing or not one of this platform.",
        "Check target_environment and platform of the account.",
    ),
    (400, "*"): Meaning(  # ERR
        "MTN refused the request's form and did not say where.",
        "Check that the reference is a version-4 UUID, that notes hold no apostrophe or accent and at most 128 "
        "characters, and that the payee is digits only.",
    ),
    (401, f"@{Shape.KEY_REFUSED}"): Meaning(  # ERR
        "The gateway refused the subscription key.",
        "Use the primary or secondary key of the Disbursements product; another product's key is refused.",
    ),
    (401, f"@{Shape.TOKEN}"): Meaning(  # SPEC, MIG invalid_client
        "The gateway refused the API user and its key.",
        "Check api_user and api_key, and that they belong to this platform; write them raw, never URL-encoded.",
    ),
    (401, "*"): Meaning(  # ERR
        "The gateway refused the token; it has been dropped, and the next call fetches a fresh one.",
        "Call again, under the same reference; if a fresh token is refused too, check api_user and api_key.",
        do_after_read="Call again; if a fresh token is refused too, check api_user and api_key.",
    ),
    (403, f"@{Shape.HTML}"): Meaning(  # MIG
        "The firewall in front of the gateway refused the request.",
        "Check that no proxy or library changes the User-Agent, and ask MTN whether this server's address is allowed.",
    ),
    (403, "*"): Meaning(  # ERR "FORBIDDEN IP", MK
        "The gateway does not allow this call from this server's address, or not to this account.",
        "Ask MTN to allow the server's public address and the account to disburse; reads may work while payments do "
        "not.",
    ),
    (404, "RESOURCE_NOT_FOUND"): Meaning(  # ERR, MK, MIG
        "MTN knows nothing under this reference: never accepted, not visible yet, sent through the other platform, or "
        "of another API user.",
        "It is no failure: read again over at least five minutes, then send the same request under the same reference.",
        "perhaps",
    ),
    (404, f"@{Shape.GATEWAY}"): Meaning(  # ERR
        "The gateway has no such address.", "Check base_url; this call may not exist on this platform."
    ),
    (409, "*"): Meaning(  # SPEC, MK
        "The reference is already in use: an earlier request under it was accepted.", _READ_FIRST, "perhaps"
    ),
    (429, "*"): Meaning(  # COMM-93, COMM-271
        "The gateway's limit of calls is reached.", f"Wait as long as it asks. {_LATER}"
    ),
    (500, "NOT_ALLOWED"): Meaning(  # ERR
        "The API user has no permission, or MTN has blocked the partner account.", "Ask MTN; repeating changes nothing."
    ),
    (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"): Meaning(  # ERR, MK
        "This API user may not use this target environment.",
        "Check target_environment; in the sandbox, create the API user under the Disbursements subscription key.",
    ),
    (500, "INVALID_CALLBACK_URL_HOST"): Meaning(  # ERR, MK
        "The callback's host is not the one registered for the API user.",
        "Use the registered host name (a name, not an address), or leave the callback out and read the status.",
    ),
    (500, "INVALID_CURRENCY"): Meaning(  # ERR
        "The currency is not the account's.", "Pay in the currency of the target environment; the sandbox takes EUR."
    ),
    (500, f"@{Shape.TOKEN}"): Meaning(  # LAR: login_failed, measured in the sandbox
        "The gateway could not log the API user in.", "Check api_user and api_key; a new key ends the old one."
    ),
    (500, "INTERNAL_PROCESSING_ERROR"): Meaning(  # ERR, COMM-186, LAR
        "MTN failed inside, for a reason it does not tell; often the float is too low.", _READ_FIRST, "perhaps"
    ),
    (500, "*"): Meaning("MTN failed inside and said nothing that is documented.", _READ_FIRST, "perhaps"),
    (502, "*"): Meaning("The gateway had no good answer from the machine behind it.", _READ_FIRST, "perhaps"),
    (503, "*"): Meaning(  # ERR: SERVICE_UNAVAILABLE
        "MTN says the service is unavailable; the request may have passed before.", _READ_FIRST, "perhaps"
    ),
    (504, "*"): Meaning("The gateway waited too long for the machine behind it.", _READ_FIRST, "perhaps"),
}

ANSWERS: Mapping[tuple[int, str], Meaning] = MappingProxyType(_ANSWERS)
UNLISTED = Meaning("The gateway answered with something that is not documented.", _READ_FIRST, "perhaps")

_NEW = "pay again under a new reference"

_REASONS: dict[str, Meaning] = {
    "PAYEE_NOT_FOUND": Meaning("The payee's number has no MoMo wallet.", f"Correct the number, then {_NEW}."),
    "PAYER_NOT_FOUND": Meaning("MTN did not find the paying account.", "Ask MTN; the account itself is the payer."),
    "NOT_ALLOWED": Meaning("The partner account is blocked or has no permission.", "Ask MTN before paying again."),
    "NOT_ALLOWED_TARGET_ENVIRONMENT": Meaning(
        "This API user may not use this target environment.", "Correct the account's settings before paying again."
    ),
    "INVALID_CALLBACK_URL_HOST": Meaning(
        "The callback's host is not the registered one.", f"Correct the callback or leave it out, then {_NEW}."
    ),
    "INVALID_CURRENCY": Meaning("The currency is not the account's.", f"Correct the currency, then {_NEW}."),
    "SERVICE_UNAVAILABLE": Meaning("The platform was unavailable; the payment failed.", f"Later, {_NEW}."),
    "INTERNAL_PROCESSING_ERROR": Meaning(  # COMM-186
        "MTN failed the payment without telling why; often the float is too low.",
        f"Check the float and the account's statement, then {_NEW}.",
    ),
    "NOT_ENOUGH_FUNDS": Meaning(  # COMM-192
        "The float is too low; MTN says the same when the payee's limit is exceeded.",
        f"Top up the float, then {_NEW}; with enough float, take it for the payee's limit.",
    ),
    "PAYER_LIMIT_REACHED": Meaning("The account's own limit is reached.", f"Later, {_NEW}."),
    "PAYEE_NOT_ALLOWED_TO_RECEIVE": Meaning(
        "The payee's wallet is blocked or may not receive.", "Ask the payee for another number."
    ),
    "PAYMENT_NOT_APPROVED": Meaning("The payment was not approved.", f"Find out why before you {_NEW}."),
    "RESOURCE_NOT_FOUND": Meaning("MTN did not find what the payment refers to.", "Correct what it refers to."),
    "APPROVAL_REJECTED": Meaning("The payment was rejected.", f"Find out why before you {_NEW}."),
    "EXPIRED": Meaning("The payment expired before it was done.", f"If it is still wanted, {_NEW}."),
    "TRANSACTION_CANCELED": Meaning("The payment was cancelled.", f"If it is still wanted, {_NEW}."),
    "RESOURCE_ALREADY_EXIST": Meaning("MTN took it for a payment it already had.", "Find the other one first."),
    "COULD_NOT_PERFORM_TRANSACTION": Meaning(
        "The payment was not completed in time.", f"Check the account's statement, then {_NEW}."
    ),
    "SENDER_ACCOUNT_NOT_ACTIVE": Meaning("The paying account is not active.", "Ask MTN."),
    "PAYEE_LIMIT_REACHED": Meaning("The payee's limit is reached.", "Pay less, or later, under a new reference."),
    "TRANSACTION_NOT_FOUND": Meaning(
        "MTN did not find the collection to refund.", "Check the refunded reference: the collection's own."
    ),
    "VALIDATION_ERROR": Meaning("MTN found a field wrong.", f"Correct it, then {_NEW}."),  # COMM-338
    "LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED": Meaning(  # LEP
        "One of three: the float is too low, the payee's limit is reached, or it is not allowed.",
        f"Check the float first, then the payee, then {_NEW}.",
    ),
    "ONGOING": Meaning(
        "MTN says failed and ongoing at once.", "Wait three days and read again before paying again.", "perhaps"
    ),
    "PAYER_DELAYED": Meaning(
        "MTN says failed and delayed at once.", "Wait three days and read again before paying again.", "perhaps"
    ),
    "PAYEE_DELAYED": Meaning(
        "MTN says failed and delayed at once.", "Wait three days and read again before paying again.", "perhaps"
    ),
    "TRANSFER_TYPE_UNKNOWN": Meaning("MTN does not know the transfer type.", f"Correct the type, then {_NEW}."),
}

REASONS: Mapping[str, Meaning] = MappingProxyType(_REASONS)
UNLISTED_REASON = Meaning(
    "MTN says the payment failed, with a reason that is not documented.",
    "Let a person look at the reason before paying again.",
)


def of_answer(status: int, body: Body) -> Meaning:
    """Return what an answer means: by MoMo's code, else by who wrote it, else by its status; ``UNLISTED`` for none.

    A 404 and a 500 without a word of their own keep the cautious row: they prove nothing.
    """
    code = body.code if body.shape is Shape.MOMO else ""
    found = (ANSWERS.get((status, key)) for key in (code, f"@{body.shape}", "*"))
    return next((meaning for meaning in found if meaning), UNLISTED)


def of_reason(code: str) -> Meaning:
    """Return what the reason of a FAILED payment means."""
    return REASONS.get(code, UNLISTED_REASON)


def markdown() -> str:
    """Return the reference page's two tables: answers, and reasons of failed payments."""
    answers = [(_key(key), *_words(row)) for key, row in ANSWERS.items()]
    reasons = [(f"`{code}`", *_words(row)) for code, row in REASONS.items()]
    return "\n".join(
        (
            *_table("Answer", [*answers, ("anything else", *_words(UNLISTED))]),
            "",
            *_table("Reason", [*reasons, ("anything else", *_words(UNLISTED_REASON))]),
            "",
        )
    )


def _words(row: Meaning) -> tuple[str, str, str]:
    return row.what, row.money, row.do


def _key(key: tuple[int, str]) -> str:
    status, who = key
    return str(status) if who == "*" else f"{status} {_WRITERS.get(who, f'`{who}`')}"


_WRITERS = {
    f"@{Shape.KEY_REFUSED}": "about the subscription key",
    f"@{Shape.TOKEN}": "from the token endpoint",
    f"@{Shape.HTML}": "as a page of HTML",
    f"@{Shape.GATEWAY}": "from the gateway",
}


def _table(head: str, rows: list[tuple[str, str, str, str]]) -> list[str]:
    lines = [(head, "What happened", "Can money have moved?", "What to do"), ("---",) * 4, *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
