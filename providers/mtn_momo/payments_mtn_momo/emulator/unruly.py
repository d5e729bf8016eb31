"""A gateway that misbehaves as it is told: still pure, so the same faults work on sockets and without."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from payments_mtn_momo.emulator.faults import Faults, Rule
from payments_mtn_momo.emulator.gateway import Gateway, Request
from payments_mtn_momo.emulator.replies import Answer, firewall_page, from_gateway, from_momo

__all__ = ["Outcome", "UnrulyGateway"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one request.

    Args:
        answer: What the gateway would answer; None when it never saw the request.
        after_s: How long the caller waits for it.
        arrives: All of it, a part of it followed by a reset, or nothing but a reset.

    """

    answer: Answer | None
    after_s: float = 0.0
    arrives: Literal["whole", "part", "nothing"] = "whole"


def _too_many(rule: Rule, at: datetime) -> Answer:
    wait = f"{rule.value:g}" if rule.value == int(rule.value) else f"{int(rule.value) + 1}"
    message = f"Rate limit is exceeded. Try again in {wait} seconds."
    return from_gateway(429, message, at, **{"retry-after": wait})


# Asked in this order; the first that fires is the answer.
_REFUSALS: Mapping[str, Callable[[Rule, datetime], Answer]] = {
    "writes_forbidden": lambda _, at: from_gateway(403, "Forbidden", at),
    "waf_page": lambda _, at: firewall_page(403, "403 Forbidden", at),
    "status_429": _too_many,
    "status_503": lambda _, at: from_momo(503, "SERVICE_UNAVAILABLE", at),
    "status_500": lambda rule, at: from_momo(500, rule.code, at),
}


class UnrulyGateway:
    """A gateway behind the faults that are in force.

    Args:
        gateway: The one that does the work.

    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.faults = Faults()

    def set_faults(self, described: Mapping[str, Any], at: datetime) -> None:
        """Replace the faults in force; raises ``BadFaults`` and keeps the old ones when the description is wrong."""
        self.faults = Faults.read(described, at)

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Outcome:
        """Say what becomes of one request, and let it do what it does."""
        if self.faults.outage_until and at < self.faults.outage_until:
            return Outcome(None, arrives="nothing")
        known = {name.lower(): value for name, value in headers.items()}
        request = Request(method, path, known, body, at)
        payee = self._payee(request)

        def fires(name: str) -> Rule | None:
            return self.faults.fires(name, request.kind, payee, request.operation)

        if fires("answer_lost_before_acceptance"):
            self._note(request)
            return Outcome(None, arrives="nothing")
        answer = self._refusal(request, fires)
        if answer is None:
            if request.call and request.call.speaks in {"bearer", "either"} and fires("token_refused"):
                self.gateway.door.revoke(known.get("authorization", ""))
            hidden = fires("invisible_s")
            stuck = fires("stuck_pending") is not None
            answer = self.gateway.answer(replace(request, stuck=stuck, invisible_s=hidden.value if hidden else 0.0))
        slow = fires("slow_s") or fires("token_slow_s")
        after_s = slow.value if slow else 0.0
        if request.kind == "token":
            after_s = max(after_s, self.gateway.switches.token_delay_s)
        if answer.status < 300 and fires("answer_lost_after_acceptance"):
            return Outcome(answer, after_s, "nothing")
        return Outcome(answer, after_s, "part" if fires("reset_mid_body") else "whole")

    def _refusal(self, request: Request, fires: Callable[[str], Rule | None]) -> Answer | None:
        for name, write in _REFUSALS.items():
            if rule := fires(name):
                if rule.accepted:
                    self.gateway.answer(request)
                else:
                    self._note(request)
                return write(rule, request.at)
        return None

    def _note(self, request: Request) -> None:
        if request.kind == "post":
            self.gateway.books.note_post(request.reference)

    def _payee(self, request: Request) -> str:
        if request.kind == "get":
            return self.gateway.payee_of(request.reference)
        try:
            return str(json.loads(request.body)["payee"]["partyId"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return ""
