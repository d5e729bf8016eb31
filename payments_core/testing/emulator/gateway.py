"""What a provider's emulator supplies: its wire, as a state machine over the clock it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from payments_core.testing.emulator.callback_queue import Callback, CallbackBook
from payments_core.testing.emulator.faults import Rule
from payments_core.testing.emulator.requests import Request
from payments_core.testing.emulator.responses import Answer

__all__ = ["Fires", "Gateway"]

R = TypeVar("R", bound=Request)

# Says whether a fault strikes a request, by the fault's name.
Fires: TypeAlias = Callable[[str], Rule | None]


class Gateway(ABC, Generic[R]):
    """A gateway as its emulator plays it. No socket, no thread, no clock of its own.

    Args:
        request: What it reads requests as.
        callbacks: Where its callbacks are kept.

    """

    def __init__(self, request: type[R], callbacks: CallbackBook) -> None:
        self.request = request
        self.callbacks = callbacks

    def read(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> R:
        """Return a request as the gateway understands it."""
        known = {name.lower(): value for name, value in headers.items()}
        return self.request(method, path, known, body, at)

    @abstractmethod
    def answer(self, request: R) -> Answer:
        """Answer one request and remember what it did."""

    @abstractmethod
    def refuse(self, fault: str, rule: Rule, request: R) -> Answer:
        """Return the answer of a fault that refuses, in the provider's own form.

        Args:
            fault: ``writes_forbidden``, ``waf_page``, ``status_429``, ``status_503`` or ``status_500``.
            rule: With its figure and code.
            request: What is refused.

        """

    @abstractmethod
    def ledger(self, at: datetime) -> Sequence[Mapping[str, Any]]:
        """Return what was paid, a row a reference.

        Each has at least ``reference``, ``payee``, ``amount``, ``posts`` and ``credits``.
        """

    def payee(self, request: R) -> str:
        """Return who the payment of a request goes to; empty when it is about none."""
        return ""

    def note_unanswered(self, request: R) -> None:
        """Count a payment that was read and not carried out."""

    def tokens_issued(self) -> int | None:
        """Return how many tokens it has issued; None where it issues none, or does not count."""
        return None

    def revoke(self, request: R) -> None:
        """End the token that a request carries."""

    def delay_s(self, request: R) -> float:
        """Return how long an answer takes without any fault."""
        return 0.0

    def plan_callbacks(self, request: R, answer: Answer, fires: Fires) -> Sequence[Callback]:
        """Return the callbacks that follow from a request that was just answered."""
        return ()
