"""Injects faults into a gateway; pure, so the same faults work with and without sockets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from payments_core.testing.emulator.callback_queue import Callback
from payments_core.testing.emulator.faults import Faults, Rule
from payments_core.testing.emulator.gateway import Fires, Gateway
from payments_core.testing.emulator.requests import Request
from payments_core.testing.emulator.responses import Answer

__all__ = ["FaultInjector", "Outcome"]

G = TypeVar("G", bound=Gateway[Any])

# Checked in this order; the first that fires gives the answer.
_REFUSALS = ("writes_forbidden", "waf_page", "status_429", "status_503", "status_500")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one request."""

    answer: Answer | None  #: The gateway's answer; None when it did not receive the request.
    after_s: float = 0.0  #: Seconds until the answer is sent.
    #: The whole answer, a part followed by a reset, or a reset alone.
    arrives: Literal["whole", "part", "nothing"] = "whole"
    callbacks: Sequence[Callback] = ()  #: The planned callbacks.


class FaultInjector(Generic[G]):
    """Applies the faults in force to a gateway.

    Args:
        gateway: The gateway.

    """

    def __init__(self, gateway: G) -> None:
        self.gateway = gateway
        self.faults = Faults()

    def set_faults(self, described: Mapping[str, Any], at: datetime) -> None:
        """Replace the faults in force; raises ``BadFaults`` and keeps the old ones when the description is wrong."""
        self.faults = Faults.read(described, at, self.gateway.request.routes.operations)

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Outcome:
        """Carry out one request under the faults in force, and return its result."""
        planned = self.gateway.callbacks.planned
        known = len(planned)
        outcome = self._exchange(method, path, headers, body, at)
        return replace(outcome, callbacks=planned[known:])

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Outcome:
        if self.faults.outage_until and at < self.faults.outage_until:
            return Outcome(None, arrives="nothing")
        request = self.gateway.read(method, path, headers, body, at)
        payee = self.gateway.payee(request)

        def fires(name: str) -> Rule | None:
            return self.faults.fires(name, request.kind, payee, request.operation)

        if fires("answer_lost_before_acceptance"):
            return Outcome(None, arrives="nothing")
        answer = self._refusal(request, fires)
        if answer is None:
            if fires("token_refused"):
                self.gateway.revoke(request)
            hidden = fires("invisible_s")
            stuck = fires("stuck_pending") is not None
            marked = replace(request, stuck=stuck, invisible_s=hidden.value if hidden else 0.0)
            answer = self._carry_out(marked, fires)
        slow = fires("slow_s") or fires("token_slow_s")
        after_s = slow.value if slow else 0.0
        if answer.status < 300 and fires("answer_lost_after_acceptance"):
            return Outcome(answer, after_s, "nothing")
        return Outcome(answer, after_s, "part" if fires("reset_mid_body") else "whole")

    def _carry_out(self, request: Request, fires: Fires) -> Answer:
        """Let the gateway answer, and plan the callbacks that follow."""
        answer = self.gateway.answer(request)
        for callback in self.gateway.plan_callbacks(request, answer, fires):
            self.gateway.callbacks.add(callback)
        return answer

    def _refusal(self, request: Request, fires: Fires) -> Answer | None:
        for name in _REFUSALS:
            if rule := fires(name):
                if rule.accepted:
                    self._carry_out(request, fires)
                return self.gateway.refuse(name, rule, request)
        return None
