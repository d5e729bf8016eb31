"""A request as it came in, and which call of the API it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl

from payments_core.testing import emulator

__all__ = [
    "OPERATIONS",
    "TOKEN_PATH",
    "TRANSFER_PATH",
    "Request",
    "Speaks",
    "is_uuid",
    "is_version_4",
    "read_form",
]

TOKEN_PATH = "/disbursement/token/"  # noqa: S105 - the trailing slash belongs to it
TRANSFER_PATH = "/disbursement/v1_0/transfer"

Speaks: TypeAlias = Literal["basic", "bearer", "either", "consent", "nobody"]

_UUID = re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """Say whether a text is a UUID of any version."""
    return _UUID.fullmatch(text) is not None


def is_version_4(text: str) -> bool:
    """Say whether a text is a UUID of version 4."""
    found = _UUID.fullmatch(text)
    return found is not None and found[1] == "4" and found[2].lower() in "89ab"


_ROUTES = emulator.Routes(
    ("token", "POST", TOKEN_PATH, "token"),
    ("oauth2_token", "POST", "/disbursement/oauth2/token/", "other"),
    ("bc_authorize", "POST", "/disbursement/v1_0/bc-authorize", "other"),
    ("user_info", "GET", "/disbursement/oauth2/v1_0/userinfo", "other"),
    ("transfer", "POST", TRANSFER_PATH, "post"),
    ("transfer_status", "GET", f"{TRANSFER_PATH}/{{reference}}", "get"),
    ("deposit_v1", "POST", "/disbursement/v1_0/deposit", "post"),
    ("deposit_v2", "POST", "/disbursement/v2_0/deposit", "post"),
    ("deposit_status", "GET", "/disbursement/v1_0/deposit/{reference}", "get"),
    ("refund_v1", "POST", "/disbursement/v1_0/refund", "post"),
    ("refund_v2", "POST", "/disbursement/v2_0/refund", "post"),
    ("refund_status", "GET", "/disbursement/v1_0/refund/{reference}", "get"),
    ("balance", "GET", "/disbursement/v1_0/account/balance", "other"),
    ("balance_in", "GET", "/disbursement/v1_0/account/balance/{currency}", "other"),
    ("account_active", "GET", "/disbursement/v1_0/accountholder/{kind}/{holder}/active", "other"),
    ("basic_user_info", "GET", "/disbursement/v1_0/accountholder/{kind}/{holder}/basicuserinfo", "other"),
    ("delivery_notification", "POST", "/disbursement/v1_0/requesttopay/{reference}/deliverynotification", "other"),
    ("create_api_user", "POST", "/v1_0/apiuser", "other"),
    ("create_api_key", "POST", "/v1_0/apiuser/{reference}/apikey", "other"),
    ("get_api_user", "GET", "/v1_0/apiuser/{reference}", "other"),
)
OPERATIONS = _ROUTES.operations

# Who makes a call; all others are made with a token.
_SPEAKS: Mapping[str, Speaks] = {
    **dict.fromkeys(("token", "oauth2_token"), "basic"),
    "bc_authorize": "either",
    "user_info": "consent",
    **dict.fromkeys(("create_api_user", "create_api_key", "get_api_user"), "nobody"),
}


class Request(emulator.Request):
    """A request to MTN's gateway."""

    routes = _ROUTES

    @property
    def speaks(self) -> Speaks:
        """Who may make it."""
        return _SPEAKS.get(self.operation, "bearer") if self.call else "nobody"

    @property
    def reference(self) -> str:
        """The payment it is about, in small letters; empty when there is none."""
        if self.kind == "post":
            return self.headers.get("x-reference-id", "").lower()
        return self.part("reference").lower()

    @property
    def target(self) -> str:
        """The target environment it names; empty when it names none."""
        return self.headers.get("x-target-environment", "")

    @property
    def subscription_key(self) -> str:
        """Its subscription key, from the header or, as the export allows, from the query."""
        query = dict(parse_qsl(self.path.partition("?")[2]))
        return self.headers.get("ocp-apim-subscription-key") or query.get("subscription-key", "")


def read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form; None when the body is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=bool(request.body)))
    except ValueError:
        return None
