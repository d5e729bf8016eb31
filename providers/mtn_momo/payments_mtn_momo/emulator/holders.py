"""Accounts: whether a holder is active, what they are called, what the own account holds.

Sources: portal page Sandbox Use Cases and a client's session per number (active), recorded sandbox answers in MTN's
libraries (basic user info), three clients' sessions (the balance that flaps), a client's measurement in production (an
unknown wallet is not active, not a 404).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.replies import from_momo, json_answer
from payments_mtn_momo.emulator.requests import Request
from payments_mtn_momo.emulator.switches import BalanceOutcome
from payments_mtn_momo.emulator.world import World
from payments_mtn_momo.settings import UUID
from payments_mtn_momo.targets import TARGETS

__all__ = ["ACTIVE", "FLAPPING", "HolderHandler", "person"]

_OUTCOMES: tuple[tuple[int, str], ...] = (
    (404, "RESOURCE_NOT_FOUND"),
    (200, ""),  # not active
    (500, "NOT_ALLOWED"),
    (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
    (500, "INTERNAL_PROCESSING_ERROR"),
    (503, "SERVICE_UNAVAILABLE"),
)
_HOLDERS: Mapping[str, tuple[str, ...]] = {
    "msisdn": tuple(str(46733123450 + n) for n in range(6)),
    "email": (
        "notfound@email.com",
        "notactive@email.com",
        "notallowed@email.com",
        "notallowedtargetenvironment@email.com",
        "internalprocessingerror@email.com",
        "serviceunavailable@email.com",
    ),
    "party_code": (
        "5cecb5a7-8bd0-4f49-87b1-8eb9ecc7b7bc",
        "b0040b3c-b426-4a90-af6e-673e65861cd7",
        "4d5f500f-c385-4901-9be5-25b6d36ad220",
        "d2265f9b-0c22-496d-908f-79a65ad66266",
        "8f548a78-ceb8-4d12-a243-5640b91e91a4",
        "585c07a4-2c80-42f7-9e73-e586b36dee68",
    ),
}

# Kind and holder to HTTP status and code; any other is active.
ACTIVE: Mapping[tuple[str, str], tuple[int, str]] = {
    (kind, holder): outcome
    for kind, holders in _HOLDERS.items()
    for holder, outcome in zip(holders, _OUTCOMES, strict=True)
}

# The order is that of a recorded session; whether it rotates or is random is not known.
FLAPPING: tuple[str, ...] = get_args(BalanceOutcome)[:-1]
_BALANCES: Mapping[str, str] = {"zero": "0", "negative": "-25"}
# Kind to how it is written; ``active`` takes the first three, basic user info all but the third.
_WRITTEN: Mapping[str, re.Pattern[str]] = {
    "msisdn": re.compile(r"\+?[0-9]{5,15}"),
    "email": re.compile(r"[^@\s]+@[^@\s]+"),
    "party_code": UUID,
    "alias": re.compile(r".*\S.*"),
    "id": re.compile(r".*\S.*"),
}


def person(at: datetime) -> dict[str, object]:
    """Return the one person who lives in the sandbox, as scope ``profile`` shows them."""
    return {
        "sub": "0",
        "name": "Sand Box",
        "given_name": "Sand",
        "family_name": "Box",
        "birthdate": "1976-08-13",
        "locale": "sv_SE",
        "gender": "MALE",
        "updated_at": int(at.timestamp()),
    }


@dataclass(slots=True)
class HolderHandler:
    """Answers about accounts."""

    world: World
    _flapped: int = field(default=0, init=False)

    def active(self, request: Request, user: str) -> Answer:
        """Return whether an account holder may be paid."""
        kind, holder = request.part("account_type").lower(), request.part("account").lower()
        if kind not in _HOLDERS or not _WRITTEN[kind].fullmatch(holder):
            return self.world.bad_request(request.at)
        status, code = ACTIVE.get((kind, holder.removeprefix("+")), (200, "active"))
        if status == 404 and self.world.platform != "sandbox":
            status, code = 200, ""
        if status != 200:
            return from_momo(status, code, request.at)
        is_bare = self.world.switches.active_shape == "bare"
        return json_answer(200, bool(code) if is_bare else {"result": bool(code)}, request.at)

    def basic_user_info(self, request: Request, user: str) -> Answer:
        """Return a holder's name: the same for all, as in the sandbox."""
        kind, holder = request.part("account_type").lower(), request.part("account")
        if kind == "party_code" or kind not in _WRITTEN or not _WRITTEN[kind].fullmatch(holder):
            return self.world.bad_request(request.at)
        info = person(request.at)
        if self.world.switches.basic_user_info == "spec":
            info = {name: info[name] for name in ("given_name", "family_name", "birthdate", "locale", "gender")}
            info["status"] = "ACTIVE"
        return json_answer(200, info, request.at)

    def balance(self, request: Request, user: str) -> Answer:
        """Return what the own account holds."""
        currency, named = TARGETS[request.target].currency, request.part("currency")
        if named and not re.fullmatch(r"[A-Z]{3}", named):
            return self.world.bad_request(request.at)
        if named and named != currency:  # no source has it; the sentence for this code fits
            return from_momo(500, "INVALID_CURRENCY", request.at)
        outcome: str = self.world.switches.balance
        if outcome == "flapping":
            outcome = FLAPPING[self._flapped % len(FLAPPING)]
            self._flapped += 1
        if outcome == "account_not_found":  # no body of it was captured
            return from_momo(404, "RESOURCE_NOT_FOUND", request.at)
        if outcome == "success" or outcome in _BALANCES:
            available = _BALANCES.get(outcome, self.world.switches.available_balance)
            return json_answer(200, {"availableBalance": available, "currency": currency}, request.at)
        return from_momo(503 if outcome == "service_unavailable" else 500, outcome.upper(), request.at)
