"""Every answer that is documented for Disbursements, one row each: what the gateway says, and what must come of it.

Sources: SPEC is the portal's OpenAPI export of Disbursements, ERR its page Common Error Codes, COMM-n an article of the
developer community, SDK-JAVA and SDK-AND MTN's own libraries, NB its notebook; MK, LAR and MIG are measurements and
reports published by other clients. ASSUMED: not documented, and the cautious reading is held.

Classes of an answer to a payment: F, put something right and never repeat it unchanged; R, repeat it under the same
reference; A, money may have moved, so read first; D, the reference is in use, so read. T is no error: it was taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from payments_core.domain.payout import ReasonCode as R
from payments_mtn_momo.native import (
    ActionError,
    AlreadyUsedError,
    NotSentError,
    ReadError,
    ReadNotFound,
    ReadRefused,
    ReadUnanswered,
    RefusedError,
    UnknownOutcomeError,
)

SHAPES, SYNCHRONOUS = "errors: shapes", "errors: synchronous"


@dataclass(frozen=True)
class Says:
    """One answer, verbatim; ``done``: the request is carried out all the same."""

    status: int
    body: Any = ""
    done: bool = False

    @property
    def raw(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True, kw_only=True)
class Post:
    """An answer to a payment.

    Args:
        section: Where it is documented.
        name: In our words.
        source: Who documents it.
        kind: Its class.
        key: The row of ``error_catalog.ANSWERS`` that decides; None when none does.
        how: What the emulator is set to: faults, or an answer verbatim.
        native: What the native clients raise; None when it was taken.
        ends: How the payout stands after it: its status, or ``blocked`` (the account is paused).
        reason: The neutral reason, where there is one.
        sends: Payments that come in before it has its end.
        wait_s: The shortest wait before the same request is sent again.
        done: Whether the payment may have been made: False, True, or both are tried.

    """

    section: str = SYNCHRONOUS
    name: str
    source: str
    kind: Literal["F", "R", "A", "D", "T"]
    key: tuple[int, str] | None = None
    how: Mapping[str, Any] | Says
    native: type[ActionError] | None
    ends: str
    reason: R | None = None
    sends: int = 1
    wait_s: float = 0.0
    done: tuple[bool, ...] = (False,)

    def __str__(self) -> str:
        return f"{self.section}: {self.name}"


def momo(code: str, message: str = "in MoMo's words") -> dict[str, str]:
    return {"code": code, "message": message}


def gateway(status: object, message: str) -> dict[str, object]:
    return {"statusCode": status, "message": message}


def page(title: str) -> str:
    return f"<html><head><title>{title}</title></head><body>Microsoft-Azure-Application-Gateway/v2</body></html>"


KEY_INVALID = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)
KEY_MISSING = (
    "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an "
    "API."
)
KEY, ANY = "@key_refused", "*"
SLOW_DOWN = "Rate limit is exceeded. Try again in 7 seconds."


def _failed(name: str, source: str, body: Any, section: str = SYNCHRONOUS, who: str = ANY) -> Post:
    return Post(
        section=section, name=name, source=source, kind="F", key=(400, who), how=Says(400, body),
        native=RefusedError, ends="FAILED", reason=R.INVALID_REQUEST,
    )  # fmt: skip


def _blocked(
    name: str, source: str, key: tuple[int, str], how: Any, reason: R, section: str = SYNCHRONOUS, sends: int = 1
) -> Post:
    return Post(
        section=section, name=name, source=source, kind="F", key=key, how=how,
        native=RefusedError, ends="blocked", reason=reason, sends=sends,
    )  # fmt: skip


def _again(name: str, source: str, key: tuple[int, str], how: Any, reason: R, wait_s: float, **more: Any) -> Post:
    return Post(
        name=name, source=source, kind="R", key=key, how=how,
        native=RefusedError, ends="CREATED", reason=reason, wait_s=wait_s, **more,
    )  # fmt: skip


def _perhaps(name: str, source: str, how: Any, *done: bool, section: str = SYNCHRONOUS) -> Post:
    return Post(
        section=section, name=name, source=source, kind="A", how=how,
        native=UnknownOutcomeError, ends="UNKNOWN", done=done or (False, True),
    )  # fmt: skip


POSTS: tuple[Post, ...] = (
    Post(
        name="taken", source="SPEC", kind="T", key=(202, ANY), how={}, native=None, ends="PENDING", done=(True,),
    ),
    # --- who answers, and in which form ---
    _blocked("MoMo, code first", "SPEC", (500, "NOT_ALLOWED"), Says(500, momo("NOT_ALLOWED")), R.NOT_PERMITTED, SHAPES),
    _blocked(
        "MoMo, message first", "MK", (500, "NOT_ALLOWED"), Says(500, {"message": "no", "code": "NOT_ALLOWED"}),
        R.NOT_PERMITTED, SHAPES,
    ),
    _blocked("gateway, a number", "ERR", (401, KEY), Says(401, gateway(401, KEY_INVALID)), R.CREDENTIALS, SHAPES),
    _blocked("gateway, a text", "SDK-AND", (401, KEY), Says(401, gateway("401", KEY_INVALID)), R.CREDENTIALS, SHAPES),
    _blocked("gateway, no key", "ERR", (401, KEY), Says(401, gateway(401, KEY_MISSING)), R.CREDENTIALS, SHAPES),
    _failed("empty body", "SPEC", "", SHAPES),
    _failed("validation", "COMM-338", momo("VALIDATION_ERROR", "Decimals"), SHAPES, "VALIDATION_ERROR"),
    _failed("token endpoint's form", "ASSUMED", {"error": "invalid_request"}, SHAPES, "@token"),
    _failed("page of HTML", "ASSUMED", page("400 Bad Request"), SHAPES),
    _perhaps("gateway with a code of MoMo's", "ASSUMED", Says(500, gateway(500, "NOT_ALLOWED")), section=SHAPES),
    _perhaps("token endpoint's form, 500", "ASSUMED", Says(500, {"error": "NOT_ALLOWED"}), section=SHAPES),
    _perhaps("gateway's page, 504", "ERR", Says(504, page("504 Gateway Time-out")), section=SHAPES),
    # --- synchronous ---
    _failed("bad request", "ERR", ""),
    _failed("validation error", "COMM-338", momo("VALIDATION_ERROR"), who="VALIDATION_ERROR"),
    _blocked("wrong subscription key", "ERR", (401, KEY), Says(401, gateway(401, KEY_INVALID)), R.CREDENTIALS),
    _again("token refused", "ERR", (401, ANY), {"token_refused": {"next": 1, "on": "post"}}, R.CREDENTIALS, 1.5),
    _again("token refused in silence", "ERR", (401, ANY), Says(401), R.CREDENTIALS, 1.5),
    _blocked("a fresh token refused too", "ERR", (401, ANY), Says(401), R.CREDENTIALS, sends=2),
    _blocked("address not allowed", "ERR, MK", (403, ANY), {"writes_forbidden": True}, R.NOT_PERMITTED),
    _blocked("firewall", "MIG", (403, "@html"), {"waf_page": True}, R.NOT_PERMITTED),
    _perhaps("MoMo's 404 to a payment", "ASSUMED", Says(404, momo("RESOURCE_NOT_FOUND"))),
    _perhaps("404 that says nothing", "ASSUMED", Says(404)),
    _blocked(
        "wrong address", "ERR", (404, "@gateway"), Says(404, gateway(404, "Resource not found")), R.MISCONFIGURED
    ),
    Post(
        name="reference in use, by our own payment", source="SPEC, MK", kind="D", key=(409, ANY), how={},
        native=AlreadyUsedError, ends="SUCCEEDED", done=(True,),
    ),
    Post(
        name="reference in use, and nothing to be seen", source="SPEC, MK", kind="D", key=(409, ANY),
        how=Says(409, momo("RESOURCE_ALREADY_EXIST", "Duplicated reference id. Creation of resource failed.")),
        native=AlreadyUsedError, ends="UNKNOWN",
    ),
    Post(
        name="reference in use, told with 400", source="ASSUMED", kind="D", key=(400, "RESOURCE_ALREADY_EXIST"),
        how=Says(400, momo("RESOURCE_ALREADY_EXIST", "Duplicated reference id. Creation of resource failed.")),
        native=AlreadyUsedError, ends="UNKNOWN",
    ),
    _again("too many calls", "COMM-93", (429, ANY), {"status_429": {"value": 7}}, R.PROVIDER_UNAVAILABLE, 7),
    *(
        _again(f"too many calls, {name}", "ASSUMED", (429, ANY), says, R.PROVIDER_UNAVAILABLE, wait_s)
        for name, says, wait_s in (
            ("no header", Says(429, gateway(429, SLOW_DOWN)), 7.0),
            ("no body", Says(429), 1.5),
        )
    ),
    *(
        _blocked(f"500 {code}", source, (500, code), {"status_500": {"code": code}}, reason)
        for code, source, reason in (
            ("NOT_ALLOWED", "ERR", R.NOT_PERMITTED),
            ("NOT_ALLOWED_TARGET_ENVIRONMENT", "ERR, MK", R.MISCONFIGURED),
            ("INVALID_CALLBACK_URL_HOST", "ERR, MK", R.MISCONFIGURED),
            ("INVALID_CURRENCY", "ERR", R.MISCONFIGURED),
        )
    ),
    _perhaps("internal error", "ERR, COMM-186, LAR", {"status_500": {"code": "INTERNAL_PROCESSING_ERROR"}}),
    _perhaps("500 without a word", "SPEC", Says(500)),
    _perhaps("500 with another word", "SPEC", {"status_500": {"code": "SOMETHING_NEW"}}),
    _perhaps("unavailable", "ERR", {"status_503": {}}),
    _perhaps("a blocking word under another status", "ASSUMED", Says(503, momo("NOT_ALLOWED"))),
    _perhaps("502", "ERR", Says(502, page("502 Bad Gateway"))),
    _perhaps("504 without a body", "ERR", Says(504)),
    _perhaps("answer lost, request taken", "ERR", {"answer_lost_after_acceptance": {}}, True),
    _perhaps("answer lost, request not taken", "ERR", {"answer_lost_before_acceptance": {}}, False),
    _perhaps("answer cut off", "ERR", {"reset_mid_body": {}}, True),
    _perhaps("success of another kind", "ASSUMED", Says(200, {"status": "SUCCESSFUL"})),
    _perhaps("redirect", "ASSUMED", Says(302)),
    _perhaps("nothing anybody knows", "ASSUMED", Says(418, "{")),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Get:
    """An answer to the read of a payment's status; it never says anything about the payment.

    Args:
        name: In our words.
        source: Who documents it.
        kind: Its class; R is asked again at once.
        says: The answer; None hangs up.
        native: What the native clients raise.

    """

    name: str
    source: str
    kind: Literal["F", "R", "A"]
    says: Says | None
    native: type[ReadError]

    def __str__(self) -> str:
        return f"{SYNCHRONOUS}: {self.name}"


def _get(kind: Literal["F", "R", "A"], name: str, source: str, native: type[ReadError], *says: Any) -> Get:
    return Get(kind=kind, name=name, source=source, native=native, says=Says(*says) if says else None)


GETS: tuple[Get, ...] = (
    _get("F", "bad request", "SPEC, SDK-JAVA", ReadRefused, 400),
    _get("F", "validation error", "COMM-338", ReadRefused, 400, momo("VALIDATION_ERROR")),
    _get("F", "wrong subscription key", "ERR", ReadRefused, 401, gateway(401, KEY_INVALID)),
    _get("R", "token refused", "ERR", ReadRefused, 401, gateway(401, "Unauthorized.")),
    _get("F", "address not allowed", "ERR", ReadRefused, 403, gateway(403, "Forbidden")),
    _get("F", "firewall", "MIG", ReadRefused, 403, page("403 Forbidden")),
    _get("A", "not found", "ERR, MK, MIG", ReadNotFound, 404, momo("RESOURCE_NOT_FOUND")),
    _get("F", "wrong address", "ERR", ReadRefused, 404, gateway(404, "Resource not found")),
    _get("A", "404 that says nothing", "ASSUMED", ReadUnanswered, 404),
    _get("A", "conflict", "ASSUMED", ReadUnanswered, 409, momo("RESOURCE_ALREADY_EXIST")),
    _get("R", "too many calls", "COMM-93", ReadUnanswered, 429, gateway(429, SLOW_DOWN.replace("7", "1"))),
    _get("F", "no permission", "ERR", ReadRefused, 500, momo("NOT_ALLOWED")),
    _get("F", "wrong target", "ERR", ReadRefused, 500, momo("NOT_ALLOWED_TARGET_ENVIRONMENT")),
    _get("F", "wrong callback host", "ERR", ReadRefused, 500, momo("INVALID_CALLBACK_URL_HOST")),
    _get("F", "wrong currency", "ERR", ReadRefused, 500, momo("INVALID_CURRENCY")),
    _get("R", "internal error", "ERR", ReadUnanswered, 500, momo("INTERNAL_PROCESSING_ERROR")),
    _get("R", "500 without a word", "SPEC", ReadUnanswered, 500),
    _get("R", "unavailable", "ERR", ReadUnanswered, 503, momo("SERVICE_UNAVAILABLE")),
    _get("R", "502", "ERR", ReadUnanswered, 502, page("502 Bad Gateway")),
    _get("R", "504", "ERR", ReadUnanswered, 504, page("504 Gateway Time-out")),
    _get("R", "answer lost", "ERR", ReadUnanswered),
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """An answer to the call for a token; nothing is sent without one.

    Args:
        name: In our words.
        source: Who documents it.
        says: The answer.
        ours: The neutral reason, where something of ours is wrong and the account stops; None: ask again later.

    """

    name: str
    source: str
    says: Says
    ours: R | None

    def __str__(self) -> str:
        return f"{SHAPES}: token, {self.name}"

    @property
    def native(self) -> tuple[type[ActionError], type[ReadError]]:
        """What a native payment and a native read raise."""
        return (RefusedError, ReadRefused) if self.ours else (NotSentError, ReadUnanswered)


TOKENS: tuple[Token, ...] = tuple(
    Token(name=name, source=source, says=Says(*says), ours=ours)
    for name, source, ours, *says in (
        ("login failed, 500", "LAR, NB", R.CREDENTIALS, 500, {"error": "login_failed"}),
        ("login failed, 401", "SPEC, SDK-AND", R.CREDENTIALS, 401, {"error": "login failed"}),
        ("unknown pair", "MIG", R.CREDENTIALS, 401, {"error": "invalid_client"}),
        ("wrong subscription key", "ERR", R.CREDENTIALS, 401, gateway(401, KEY_INVALID)),
        ("no target", "MIG", R.MISCONFIGURED, 400, {"error": "Invalid or missing X-Target-Environment header"}),
        ("firewall", "MIG", R.NOT_PERMITTED, 403, page("403 Forbidden")),
        ("wrong address", "MK", R.MISCONFIGURED, 404, gateway(404, "Resource not found")),
        ("bad request", "ERR", None, 400),
        ("too many calls", "COMM-93", None, 429),
        ("failure inside", "MIG", None, 500, gateway(500, "Internal server error")),
        ("unavailable", "ERR", None, 503, momo("SERVICE_UNAVAILABLE")),
        ("504", "MIG", None, 504, page("504 Gateway Time-out")),
        ("no token in it", "ASSUMED", None, 200, "{}"),
    )
)
