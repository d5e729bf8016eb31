"""The interface of a provider's gateway: its HTTP API as a state machine that reads no clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from payments_core.testing.emulator.callback_queue import Callback, CallbackBook
from payments_core.testing.emulator.faults import Rule
from payments_core.testing.emulator.requests import Request
from payments_core.testing.emulator.responses import Answer

__all__ = ["Fires", "Gateway"]

R = TypeVar("R", bound=Request)

# Returns the rule of a fault, by name, that applies to a request.
Fires: TypeAlias = Callable[[str], Rule | None]


class Gateway(ABC, Generic[R]):
    """An emulated gateway, without socket, thread or clock.

    Args:
        request: The class of its requests.
        callbacks: The book of its callbacks.

    """

    def __init__(self, request: type[R], callbacks: CallbackBook) -> None:
        self.request = request
        self.callbacks = callbacks
        #: How often a payment was asked for, carried out or not, by reference.
        self.posts: Counter[str] = Counter()

    def read(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> R:
        """Return the parsed request, and count its payments."""
        known = {name.lower(): value for name, value in headers.items()}
        request = self.request(method, path, known, body, at)
        if request.kind == "post":
            self.posts.update(request.references)
        return request

    @abstractmethod
    def answer(self, request: R) -> Answer:
        """Answer one request and record its effect."""

    @abstractmethod
    def refuse(self, fault: str, rule: Rule, request: R) -> Answer:
        """Return the answer of a fault that refuses, in the provider's own form.

        Args:
            fault: ``writes_forbidden``, ``waf_page``, ``status_429``, ``status_503`` or ``status_500``.
            rule: The rule, with its value and code.
            request: The refused request.

        """

    @abstractmethod
    def ledger(self, at: datetime) -> Sequence[Mapping[str, Any]]:
        """Return one row for each payment, by reference.

        Each row has at least ``reference``, ``payee``, ``amount``, ``posts`` and ``credits``.
        """

    def payee(self, request: R) -> str:
        """Return the payee of a request's payment; empty without a payment."""
        return ""

    def tokens_issued(self) -> int | None:
        """Return the number of issued tokens; None where tokens are not issued or not counted."""
        return None

    def revoke(self, request: R) -> None:
        """Revoke the token of a request."""

    def plan_callbacks(self, request: R, answer: Answer, fires: Fires) -> Sequence[Callback]:
        """Return the callbacks of a request that was just answered."""
        return ()
