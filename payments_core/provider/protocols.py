"""What a provider implements: four methods, and one small protocol for each thing it may do beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from payments_core.flow import Blocked, Flow
from payments_core.payout import Operation, Order
from payments_core.provider.outcomes import Checked, Submitted
from payments_core.wire import HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a draft's references are derived from.

    Args:
        number: 1 for the first reference of a key.
        seed: 32 bytes derived from namespace, key and number; shape them as the provider wants.
        payout_id: Our id, safe to show a provider (letters, digits, one underscore).

    """

    number: int
    seed: bytes
    payout_id: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A payment made ready: pure data, stored before any network call, no secret in it.

    Args:
        references: By name; ours now, the provider's as they are learned.
        request: The money request, secrets as slots.
        order: What it pays.
        answer_token: For a ``check`` whose answer comes later: the single-use token minted for this query.

    """

    references: Mapping[str, str]
    request: HttpRequest
    order: Order
    answer_token: str | None = field(default=None, repr=False)


class PayoutProvider(Protocol):
    """What every provider implements."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Make the payment ready: pure, equal for equal arguments.

        Raises:
            InvalidPayout: The order cannot be paid on this route; nothing is recorded or sent.

        """
        ...

    def submit(self, draft: Draft) -> Flow[Submitted]:
        """Send the draft's request, once, and say what the answer means."""
        ...

    def check(self, draft: Draft) -> Flow[Checked]:
        """Ask what became of the payment; moves no money."""
        ...

    def binding(self, operation: Operation) -> Mapping[str, str]:
        """Return where and as whom it pays: host, environment, API user, version. No secret; frozen in each payout."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """What ``authenticate`` obtained; opaque to the core.

    Args:
        secrets: Values for the slots of requests.
        expires_at: When it ends; None for never.

    """

    secrets: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None


@runtime_checkable
class Authenticates(Protocol):
    """For providers whose requests carry a credential; the core caches it and lets one flow at a time fetch it."""

    def authenticate(self) -> Flow[Credential | Blocked]:
        """Obtain a credential; ``Blocked`` when the provider refuses ours."""
        ...

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: bytes) -> HttpRequest:
        """Return the request with its slots filled and, where the provider wants it, signed."""
        ...

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Say whether this answer means that the credential is no longer good."""
        ...


@runtime_checkable
class Validates(Protocol):
    """For providers with rules of their own about amounts, payees and options."""

    def validate(self, order: Order) -> None:
        """Raise ``InvalidPayout`` when the order cannot be paid on this account."""
        ...


@dataclass(frozen=True, slots=True)
class Callback:
    """Something that arrived from outside.

    Args:
        method: HTTP method.
        headers: Lower-case names.
        body: Raw bytes.
        at: When.

    """

    method: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime


@runtime_checkable
class AnswersLater(Protocol):
    """For providers whose answer to ``check`` comes to a path minted for the question (``Deferred``)."""

    def read_answer(self, draft: Draft, callback: Callback) -> Checked:
        """Say what the answer means: pure."""
        ...


class Emulator(Protocol):
    """A stateful stand-in for a provider's server, on a loopback socket; also a context manager.

    Made with ``port`` (0 for any free one) and, by keyword, whatever else the provider's own class knows.
    """

    url: str

    def start(self) -> None:
        """Serve from a background thread; returns when the socket listens."""
        ...

    def stop(self) -> None:
        """Stop serving."""
        ...

    def write_config(self, path: Path, *, target: str = "") -> Sequence[str]:
        """Write a payouts.toml that pays through this server, secrets in files of mode 0600; return its accounts."""
        ...

    def ledger(self) -> Sequence[Mapping[str, Any]]:
        """Return what the server has done, a row a payment."""
        ...

    def set_faults(self, faults: Mapping[str, Any]) -> None:
        """Replace the faults in force."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the server's clock."""
        ...
