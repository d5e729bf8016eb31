"""What an emulator's gateway was asked, counted: how many calls there were, how many of them went wrong, each payment.

A call is one request that arrived. It is faulty when at least one fault struck it, or its answer did not come whole;
faults of callbacks are counted for themselves.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payments_core.testing.emulator import FaultInjector, Outcome, Request
from payments_core.testing.emulator.faults import Faults, Rule

_CALLBACKS = "callback_"


@dataclass(frozen=True, slots=True)
class Post:
    """A payment as it came over the wire: path with its query, headers with lower-case names, raw body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class _Noting(Faults):
    """Faults that note which of them struck."""

    def fires(self, name: str, kind: str, payee: str, operation: str = "") -> Rule | None:
        rule = super().fires(name, kind, payee, operation)
        if rule is not None:
            self.struck.append(name)
        return rule

    @property
    def struck(self) -> list[str]:
        found: list[str] = self.__dict__.setdefault("struck", [])
        return found


class Watched(FaultInjector[Any]):
    """A gateway behind its faults, and a book of what passed."""

    def __init__(self, gateway: Any) -> None:
        super().__init__(gateway)
        self.faults = _Noting()
        self.calls = self.faulty = 0
        self.operations: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.posts: list[Post] = []
        self.asked_at = time.monotonic()

    @classmethod
    def over(cls, emulator: Any) -> Watched:
        """Watch an emulator that was not started yet."""
        watched = cls(emulator.gateway)
        emulator._gateway = watched
        return watched

    @property
    def share(self) -> float:
        """How much of all calls went wrong."""
        return self.faulty / max(self.calls, 1)

    def set_faults(self, described: Mapping[str, Any], at: datetime) -> None:
        self.faults = _Noting.read(described, at, self.gateway.request.routes.operations)

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Outcome:
        faults = self.faults
        assert isinstance(faults, _Noting)
        faults.struck.clear()
        outcome = super().exchange(method, path, headers, body, at)
        self.asked_at = time.monotonic()
        request: Request = self.gateway.read(method, path, headers, body, at)
        if request.kind == "post":  # it was on the wire, whatever then became of it
            self.posts.append(Post(path, {name.lower(): value for name, value in headers.items()}, body))
        self.calls += 1
        self.operations[request.operation] += 1
        if outcome.answer is None and not faults.struck:
            faults.struck.append("outage_s")
        struck = {name for name in faults.struck if not name.startswith(_CALLBACKS)}
        self.faulty += bool(struck)
        self.troubles.update(faults.struck)
        return outcome
