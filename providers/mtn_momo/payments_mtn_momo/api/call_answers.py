"""Where the responses to one call mean something else than the same responses to a payment do.

Sources: as in ``operations`` and ``error_catalog``; SDK-JAVA is MTN's Java library with its live tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from payments_mtn_momo.api.error_catalog import ANSWERS, Meaning
from payments_mtn_momo.api.parsing import Body, Shape

__all__ = ["CALL_ANSWERS", "Ending", "meaning_for_call"]

# How the call ended: something was wrong with the request, nothing was found, it says nothing, or the id is in use.
Ending: TypeAlias = Literal["refused", "not_found", "unanswered", "already_used"]

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

# Looked up by (operation, HTTP status, key), with the keys of ``error_catalog.ANSWERS``.
CALL_ANSWERS: Mapping[tuple[str, int, str], tuple[Ending, Meaning]] = {
    ("token", 400, "*"): ("unanswered", _FORM),  # ERR: a body where none belongs
    ("balance", 404, "RESOURCE_NOT_FOUND"): ("not_found", _BALANCE),
    ("balance_in", 404, "RESOURCE_NOT_FOUND"): ("not_found", _BALANCE),
    ("account_active", 404, "RESOURCE_NOT_FOUND"): ("not_found", _HOLDER),  # DOC-TEST 46733123450
    ("basic_user_info", 404, "RESOURCE_NOT_FOUND"): ("not_found", _HOLDER),
    ("user_info", 404, "RESOURCE_NOT_FOUND"): ("not_found", _HOLDER),
    ("bc_authorize", 404, "RESOURCE_NOT_FOUND"): ("refused", _HOLDER),
    ("bc_authorize", 500, "*"): (
        "refused",  # SDK-JAVA: an invalid scope is a 500
        Meaning("MTN refused the request for consent, or failed.", "Check the scope: profile or all_info."),
    ),
    ("bc_authorize", 400, f"@{Shape.TOKEN}"): ("refused", _ASKED),
    # Assumed, after OpenID: no source has the answers to a consent that has ended.
    ("user_info", 401, "*"): ("refused", _ENDED),
    ("user_info", 401, f"@{Shape.TOKEN}"): ("refused", _ENDED),
    ("user_info", 403, f"@{Shape.TOKEN}"): (
        "refused",
        Meaning("The consent does not cover this.", "Ask for a new consent, with the scope you need."),
    ),
    ("get_api_user", 404, "RESOURCE_NOT_FOUND"): ("not_found", _API_USER),  # SPEC-SBX
    ("create_api_key", 404, "RESOURCE_NOT_FOUND"): ("refused", _API_USER),  # SPEC-SBX
    ("create_api_user", 409, "*"): (
        "already_used",
        Meaning("An API user with this id exists.", "Use it, or take another id."),
    ),
    # SPEC-COL
    ("delivery_notification", 404, "RESOURCE_NOT_FOUND"): (
        "refused",
        Meaning("MTN knows no such collection of yours.", "Give the reference of a successful collection."),
    ),
    ("delivery_notification", 409, "*"): (
        "refused",
        Meaning("The collection has not been completed successfully.", "Notify only after it has."),
    ),
    ("delivery_notification", 410, "*"): (
        "refused",
        Meaning("The time for a notification about this collection is over.", "Tell the payer another way."),
    ),
    ("delivery_notification", 429, "*"): (
        "refused",
        Meaning("The payer was notified already, or the gateway's limit is reached.", "Do not send it again."),
    ),
    ("oauth2_token", 400, f"@{Shape.TOKEN}"): ("refused", _CONSENT),
    ("oauth2_token", 401, f"@{Shape.TOKEN}"): ("refused", _CONSENT),
    ("oauth2_token", 404, "RESOURCE_NOT_FOUND"): ("refused", _CONSENT),
}


def meaning_for_call(operation: str, status: int, body: Body) -> tuple[Ending, Meaning] | None:
    """Return what a response means to this call alone; None when a closer row means the same everywhere."""
    for key in (body.momo_code, f"@{body.shape}", "*"):
        if row := CALL_ANSWERS.get((operation, status, key)):
            return row
        if (status, key) in ANSWERS:
            return None
    return None
