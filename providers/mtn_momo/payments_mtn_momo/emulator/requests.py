"""A request as it came in, and which call of the API it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

__all__ = [
    "OPERATIONS",
    "TOKEN_PATH",
    "TRANSFER_PATH",
    "Call",
    "Request",
    "Speaks",
    "is_uuid",
    "is_version_4",
    "read_form",
]

TOKEN_PATH = "/disbursement/token/"  # noqa: S105 - the trailing slash belongs to it
TRANSFER_PATH = "/disbursement/v1_0/transfer"

Kind: TypeAlias = Literal["post", "get", "token", "other"]
Speaks: TypeAlias = Literal["basic", "bearer", "either", "consent", "nobody"]

_UUID = re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """Say whether a text is a UUID of any version."""
    return _UUID.fullmatch(text) is not None


def is_version_4(text: str) -> bool:
    """Say whether a text is a UUID of version 4."""
    found = _UUID.fullmatch(text)
    return found is not None and found[1] == "4" and found[2].lower() in "89ab"


@dataclass(frozen=True, slots=True)
class Call:
    """Which call of the API a request is.

    Args:
        operation: Its name.
        kind: What faults call it: a payment, a read of one, a token, or anything else.
        speaks: Who may make it.
        parts: What its address names.

    """

    operation: str
    kind: Kind
    speaks: Speaks
    parts: Mapping[str, str] = field(default_factory=dict)


_ROWS: tuple[tuple[str, str, str, Kind, Speaks], ...] = (
    ("token", "POST", TOKEN_PATH, "token", "basic"),
    ("oauth2_token", "POST", "/disbursement/oauth2/token/", "other", "basic"),
    ("bc_authorize", "POST", "/disbursement/v1_0/bc-authorize", "other", "either"),
    ("user_info", "GET", "/disbursement/oauth2/v1_0/userinfo", "other", "consent"),
    ("transfer", "POST", TRANSFER_PATH, "post", "bearer"),
    ("transfer_status", "GET", f"{TRANSFER_PATH}/{{reference}}", "get", "bearer"),
    ("deposit_v1", "POST", "/disbursement/v1_0/deposit", "post", "bearer"),
    ("deposit_v2", "POST", "/disbursement/v2_0/deposit", "post", "bearer"),
    ("deposit_status", "GET", "/disbursement/v1_0/deposit/{reference}", "get", "bearer"),
    ("refund_v1", "POST", "/disbursement/v1_0/refund", "post", "bearer"),
    ("refund_v2", "POST", "/disbursement/v2_0/refund", "post", "bearer"),
    ("refund_status", "GET", "/disbursement/v1_0/refund/{reference}", "get", "bearer"),
    ("balance", "GET", "/disbursement/v1_0/account/balance", "other", "bearer"),
    ("balance_in", "GET", "/disbursement/v1_0/account/balance/{currency}", "other", "bearer"),
    ("account_active", "GET", "/disbursement/v1_0/accountholder/{kind}/{holder}/active", "other", "bearer"),
    ("basic_user_info", "GET", "/disbursement/v1_0/accountholder/{kind}/{holder}/basicuserinfo", "other", "bearer"),
    (
        "delivery_notification",
        "POST",
        "/disbursement/v1_0/requesttopay/{reference}/deliverynotification",
        "other",
        "bearer",
    ),
    ("create_api_user", "POST", "/v1_0/apiuser", "other", "nobody"),
    ("create_api_key", "POST", "/v1_0/apiuser/{reference}/apikey", "other", "nobody"),
    ("get_api_user", "GET", "/v1_0/apiuser/{reference}", "other", "nobody"),
)
OPERATIONS = tuple(row[0] for row in _ROWS)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


_ROUTES = tuple(
    (method, _pattern(path), Call(operation, kind, speaks)) for operation, method, path, kind, speaks in _ROWS
)


def _call(method: str, path: str) -> Call | None:
    for known, pattern, call in _ROUTES:
        if known == method and (found := pattern.fullmatch(path)):
            parts = {name: unquote(value) for name, value in found.groupdict().items()}
            return Call(call.operation, call.kind, call.speaks, parts)
    return None


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in, and what a fault may have decided about it.

    Args:
        method: HTTP method.
        path: With its query, if any.
        headers: Lower-case names.
        body: Raw bytes.
        at: When.
        stuck: A payment taken from it stays PENDING.
        invisible_s: A payment taken from it is not found by reads for that long.

    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    stuck: bool = False
    invisible_s: float = 0.0
    call: Call | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "call", _call(self.method, self.path.partition("?")[0]))

    @property
    def kind(self) -> Kind:
        """What faults call it."""
        return self.call.kind if self.call else "other"

    @property
    def operation(self) -> str:
        """Which call it is; empty when it is none."""
        return self.call.operation if self.call else ""

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
    def authorization(self) -> str:
        """Its Authorization; empty when there is none."""
        return self.headers.get("authorization", "")

    @property
    def subscription_key(self) -> str:
        """Its subscription key, from the header or, as the export allows, from the query."""
        query = dict(parse_qsl(self.path.partition("?")[2]))
        return self.headers.get("ocp-apim-subscription-key") or query.get("subscription-key", "")

    def part(self, name: str) -> str:
        """Return what its address names; empty when it names none of that."""
        return self.call.parts.get(name, "") if self.call else ""


def read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form; None when the body is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=bool(request.body)))
    except ValueError:
        return None
