"""What each call is called in a sentence, and where its answers mean something else than a payment's do.

Sources: as in ``operations`` and ``meanings``; SDK-JAVA is MTN's Java library with its live tests.
"""

from __future__ import annotations

from collections.abc import Mapping

from payments_mtn_momo.answers import Shape
from payments_mtn_momo.meanings import Meaning
from payments_mtn_momo.native.errors import (
    AlreadyUsedError,
    MomoError,
    ReadNotFound,
    ReadRefused,
    ReadUnanswered,
    RefusedError,
)

__all__ = ["OWN", "SUBJECTS"]

# What a call is called in a sentence.
SUBJECTS: Mapping[str, str] = {
    "token": "The call for a token",
    "oauth2_token": "The call for a consent's token",
    "bc_authorize": "The request for consent",
    "user_info": "The read of the account holder's information",
    "transfer": "The transfer",
    "transfer_status": "The read of the transfer's status",
    "deposit_v1": "The deposit",
    "deposit_v2": "The deposit",
    "deposit_status": "The read of the deposit's status",
    "refund_v1": "The refund",
    "refund_v2": "The refund",
    "refund_status": "The read of the refund's status",
    "balance": "The read of the balance",
    "balance_in": "The read of the balance",
    "account_active": "The read of the account's state",
    "basic_user_info": "The read of the account holder's name",
    "delivery_notification": "The notification",
    "create_api_user": "The new API user",
    "create_api_key": "The new API key",
    "get_api_user": "The read of the API user",
}

_HOLDER = Meaning("MTN knows no such account holder.", "Check the number and its kind.")
_ASKED = Meaning(
    "MTN did not ask the account holder.", "Check the number, the scope (profile or all_info) and the access type."
)
_ENDED = Meaning("The token is not good for this, or the consent has ended.", "Refresh it, or ask for a new consent.")
_API_USER = Meaning("The sandbox knows no such API user.", "Create it first; a new one may take two seconds to appear.")
_BALANCE = Meaning(
    "MTN shows no balance for this account.",
    "It says nothing about any payment. The sandbox answers so at random: ask again; elsewhere check currency and "
    "target_environment.",
)
_FORM = Meaning("The token endpoint refused the form of the request.", "Check base_url and platform of the account.")
_CONSENT = Meaning(
    "MTN did not give a token for this consent.",
    "If the account holder has not answered yet, ask again after the interval; otherwise ask for a new consent.",
)

# Where a call's own answers mean something else than a payment's.
OWN: Mapping[tuple[str, int, str], tuple[type[MomoError], Meaning]] = {
    ("token", 400, "*"): (ReadUnanswered, _FORM),  # ERR: a body where none belongs
    ("balance", 404, "RESOURCE_NOT_FOUND"): (ReadNotFound, _BALANCE),
    ("balance_in", 404, "RESOURCE_NOT_FOUND"): (ReadNotFound, _BALANCE),
    ("account_active", 404, "RESOURCE_NOT_FOUND"): (ReadNotFound, _HOLDER),  # DOC-TEST 46733123450
    ("basic_user_info", 404, "RESOURCE_NOT_FOUND"): (ReadNotFound, _HOLDER),
    ("user_info", 404, "RESOURCE_NOT_FOUND"): (ReadNotFound, _HOLDER),
    ("bc_authorize", 404, "RESOURCE_NOT_FOUND"): (RefusedError, _HOLDER),
    ("bc_authorize", 500, "*"): (
        RefusedError,  # SDK-JAVA: an invalid scope is a 500
        Meaning("MTN refused the request for consent, or failed.", "Check the scope: profile or all_info."),
    ),
    ("bc_authorize", 400, f"@{Shape.TOKEN}"): (RefusedError, _ASKED),
    # Assumed, after OpenID: no source has the answers to a consent that has ended.
    ("user_info", 401, "*"): (ReadRefused, _ENDED),
    ("user_info", 401, f"@{Shape.TOKEN}"): (ReadRefused, _ENDED),
    ("user_info", 403, f"@{Shape.TOKEN}"): (
        ReadRefused,
        Meaning("The consent does not cover this.", "Ask for a new consent, with the scope you need."),
    ),
    ("get_api_user", 404, "RESOURCE_NOT_FOUND"): (ReadNotFound, _API_USER),  # SPEC-SBX
    ("create_api_key", 404, "RESOURCE_NOT_FOUND"): (RefusedError, _API_USER),  # SPEC-SBX
    ("create_api_user", 409, "*"): (
        AlreadyUsedError,
        Meaning("An API user with this id exists.", "Use it, or take another id."),
    ),
    # SPEC-COL
    ("delivery_notification", 404, "RESOURCE_NOT_FOUND"): (
        RefusedError,
        Meaning("MTN knows no such collection of yours.", "Give the reference of a successful collection."),
    ),
    ("delivery_notification", 409, "*"): (
        RefusedError,
        Meaning("The collection has not been completed successfully.", "Notify only after it has."),
    ),
    ("delivery_notification", 410, "*"): (
        RefusedError,
        Meaning("The time for a notification about this collection is over.", "Tell the payer another way."),
    ),
    ("delivery_notification", 429, "*"): (
        RefusedError,
        Meaning("The payer was notified already, or the gateway's limit is reached.", "Do not send it again."),
    ),
    ("oauth2_token", 400, f"@{Shape.TOKEN}"): (RefusedError, _CONSENT),
    ("oauth2_token", 401, f"@{Shape.TOKEN}"): (RefusedError, _CONSENT),
    ("oauth2_token", 404, "RESOURCE_NOT_FOUND"): (RefusedError, _CONSENT),
}
