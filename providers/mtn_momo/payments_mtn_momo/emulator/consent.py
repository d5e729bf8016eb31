"""An account holder's consent, and what it gives: a token, and who they are.

Sources: the OpenAPI export (fields), MTN's notebook of 2024 (the whole person of scope ``all_info``), MTN's Java
library (an invalid scope is a 500), portal page Sandbox Use Cases (the numbers). What the sandbox answers in these
cases is in no source: the answers here have OpenID's CIBA codes, or MoMo's shape, by switch.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from payments_core.testing.emulator import Answer
from payments_mtn_momo.api.requests import CIBA
from payments_mtn_momo.emulator.holders import person
from payments_mtn_momo.emulator.replies import from_momo, json_answer
from payments_mtn_momo.emulator.requests import Request
from payments_mtn_momo.emulator.tokens import TOKEN_LIFE_S, jwt
from payments_mtn_momo.emulator.world import World

__all__ = ["CASES", "CIBA", "Case", "ConsentHandler"]

_REFRESH_LIFE_S = 30 * 86_400
_CONSENT_LIFE_S = 300  # no real value was found
_PENDING = "46733123452"
_SCOPES = frozenset({"openid", "profile", "all_info"})


@dataclass(frozen=True, slots=True)
class Case:
    """What the consent of a test number runs into."""

    scenario: str  #: The portal's name.
    at: Literal["authorize", "token", "refresh", "user_info"]  #: Where it shows.
    error: str  #: OpenID's code.
    code: str  #: MoMo's code.
    status: int = 400  #: HTTP status of OpenID's form.


CASES: Mapping[str, Case] = {
    "46733123450": Case("AccountHolderNotFound", "authorize", "unknown_user_id", "RESOURCE_NOT_FOUND"),
    "46733123451": Case("ConsentRejected", "token", "access_denied", "APPROVAL_REJECTED"),
    "46733123452": Case("ConsentPending", "token", "authorization_pending", "ONGOING"),
    "46733123453": Case("ConsentExpired", "token", "expired_token", "EXPIRED"),
    "46733123454": Case("ConsentExpiredRefreshToken", "refresh", "invalid_grant", "EXPIRED"),
    "46733123455": Case("ConsentRevoked", "user_info", "invalid_token", "NOT_ALLOWED", 401),
    "46733123456": Case("ConsentDeletedScope", "user_info", "insufficient_scope", "NOT_ALLOWED", 403),
    "46733123457": Case("ConsentAlreadyUsed", "token", "invalid_grant", "RESOURCE_ALREADY_EXIST"),
    "46733123458": Case("FinancialNoFunds", "token", "access_denied", "NOT_ENOUGH_FUNDS"),
    "46733123459": Case("FinancialPayeeNotFound", "token", "access_denied", "PAYEE_NOT_FOUND"),
    "46733123460": Case("FinancialConsentMismatch", "token", "access_denied", "NOT_ALLOWED"),
    "46733123461": Case("FinancialPayerLimitReached", "token", "access_denied", "PAYER_LIMIT_REACHED"),
    "46733123462": Case("FinancialPayeeNotAllowedToReceive", "token", "access_denied", "PAYEE_NOT_ALLOWED_TO_RECEIVE"),
}


@dataclass(frozen=True, slots=True)
class _Consent:
    user: str
    number: str
    scope: str
    offline: bool
    asked_at: datetime
    used: bool = False


@dataclass(frozen=True, slots=True)
class _Grant:
    consent: _Consent
    until: datetime


@dataclass(frozen=True, slots=True)
class ConsentHandler:
    """Asks for consent, gives its tokens, and returns who consented."""

    world: World
    _asked: dict[str, _Consent] = field(default_factory=dict, init=False)
    _tokens: dict[str, _Grant] = field(default_factory=dict, init=False)
    _refresh: dict[str, _Grant] = field(default_factory=dict, init=False)

    def authorize(self, request: Request, user: str) -> Answer:
        """Ask an account holder."""
        form = request.form or {}
        hint = re.fullmatch(r"ID:\+?(\d{5,15})/MSISDN", form.get("login_hint", ""), re.ASCII)
        access, valid_in = form.get("access_type", "online"), form.get("consent_valid_in")
        is_valid = valid_in is None or (valid_in.isdigit() and access == "offline")
        if hint is None or access not in {"online", "offline"} or not is_valid:
            return self.world.bad_request(request.at)
        scopes = form.get("scope", "").split()
        if not scopes or not _SCOPES.issuperset(scopes):
            return from_momo(500, "INTERNAL_PROCESSING_ERROR", request.at)
        if refused := self.world.callback_refused(request, user):
            return refused
        if refused := self._case(hint[1], "authorize", request.at):
            return refused
        consent = _Consent(user, hint[1], " ".join(scopes), access == "offline", request.at)
        drawn = f"{user}:{hint[1]}:{len(self._asked)}:{request.at.isoformat()}"
        auth_req_id = str(uuid.uuid5(uuid.NAMESPACE_OID, drawn))
        self._asked[auth_req_id] = consent
        interval_s = self.world.switches.consent_interval_s
        fields = {"auth_req_id": auth_req_id, "interval": interval_s, "expires_in": _CONSENT_LIFE_S}
        return json_answer(200, fields, request.at)

    def token(self, request: Request, user: str) -> Answer:
        """Give a consent's token, or another for its refresh token."""
        form = request.form
        if form is None:
            return self.world.bad_request(request.at)
        match form.get("grant_type"):
            case grant if grant == CIBA:
                return self._first(request, user, form.get("auth_req_id", ""))
            case "refresh_token":
                return self._next(request, user, form.get("refresh_token", ""))
            case _:
                return self._error("unsupported_grant_type", "VALIDATION_ERROR", 400, request.at)

    def user_info(self, request: Request, _user: str) -> Answer:
        """Return who consented, to a holder of the consent's token."""
        scheme, _, token = request.authorization.partition(" ")
        grant = self._tokens.get(token)
        if scheme != "Bearer" or grant is None or request.at >= grant.until:
            return json_answer(401, {"error": "invalid_token"}, request.at)
        if refused := self._case(grant.consent.number, "user_info", request.at):
            return refused
        info = person(request.at)
        if "all_info" in grant.consent.scope.split():
            info.update(_MORE)
        return json_answer(200, info, request.at)

    def _first(self, request: Request, user: str, auth_req_id: str) -> Answer:
        consent = self._asked.get(auth_req_id)
        if consent is None or consent.user != user:
            return self._error("invalid_grant", "RESOURCE_NOT_FOUND", 400, request.at)
        waited_s = (request.at - consent.asked_at).total_seconds()
        answers_after_s = self.world.switches.consent_pending_s if consent.number == _PENDING else None
        waits = answers_after_s is None or waited_s < answers_after_s
        if waits and (refused := self._case(consent.number, "token", request.at)):
            return refused
        if waited_s >= _CONSENT_LIFE_S:
            return self._error("expired_token", "EXPIRED", 400, request.at)
        if consent.used:
            return self._error("invalid_grant", "RESOURCE_ALREADY_EXIST", 400, request.at)
        self._asked[auth_req_id] = replace(consent, used=True)
        return self._give(consent, request.at)

    def _next(self, request: Request, user: str, refresh_token: str) -> Answer:
        grant = self._refresh.get(refresh_token)
        if grant is None or grant.consent.user != user or request.at >= grant.until:
            return self._error("invalid_grant", "RESOURCE_NOT_FOUND", 400, request.at)
        if refused := self._case(grant.consent.number, "refresh", request.at):
            return refused
        del self._refresh[refresh_token]
        return self._give(grant.consent, request.at)

    def _give(self, consent: _Consent, at: datetime) -> Answer:
        until = at + timedelta(seconds=TOKEN_LIFE_S)
        token = jwt(consent.user, f"consent:{len(self._tokens)}", at, until)
        self._tokens[token] = _Grant(consent, until)
        fields: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE_S,
            "scope": consent.scope,
        }
        if consent.offline:
            refresh_token = str(uuid.uuid5(uuid.NAMESPACE_OID, token))
            self._refresh[refresh_token] = _Grant(consent, at + timedelta(seconds=_REFRESH_LIFE_S))
            fields |= {"refresh_token": refresh_token, "refresh_token_expired_in": _REFRESH_LIFE_S}
        return json_answer(200, fields, at, **{"cache-control": "no-store", "pragma": "no-cache"})

    def _case(self, number: str, where: str, at: datetime) -> Answer | None:
        case = CASES.get(number)
        if case is None or case.at != where:
            return None
        return self._error(case.error, case.code, case.status, at)

    def _error(self, error: str, code: str, status: int, at: datetime) -> Answer:
        if self.world.switches.consent_errors == "momo":
            return from_momo(404 if code == "RESOURCE_NOT_FOUND" else 500, code, at)
        # The code goes with it where OpenID's word alone would not tell which scenario it is.
        detail = {"error_description": code} if error == "access_denied" else {}
        return json_answer(status, {"error": error, **detail}, at)


_MORE: Mapping[str, Any] = {
    "status": "ACTIVE",
    "email": "email@domain.test",
    "email_verified": True,
    "phone_number": "46123456789",
    "phone_number_verified": True,
    "address": {
        "formatted": "Street 17, 123 45 Karlskrona, Blekinge, Sweden",
        "street_address": "Street 17",
        "postal_code": "123 45",
        "locality": "Karlskrona",
        "region": "Blekinge",
        "country": "Sweden",
    },
    "credit_score": 123,
    "active": True,
    "country_of_birth": "Sweden",
    "region_of_birth": "Blekinge",
    "city_of_birth": "Karlskrona",
    "occupation": "Manager",
    "employer_name": "Ericsson",
    "identification_type": "PASS",
    "identification_value": "S1234567",
}
