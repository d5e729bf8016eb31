"""A token that all processes share: the requests to the journal, which keeps it encrypted, and the response."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

__all__ = ["AskToken", "KeepToken", "SharedToken", "TokenChange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskToken:
    """Ask for the token, or for the lease to fetch one.

    Args:
        name: The name of the token.
        owner: The worker that asks.
        at: Now.
        until: The end of the lease, if it is granted.
        spent: ``mark`` of a token that was refused; empty for none.

    """

    name: str
    owner: str
    at: datetime
    until: datetime
    spent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepToken:
    """Store what was fetched and end the lease; nothing is stored for a worker whose lease was over.

    Args:
        name: The name of the token.
        owner: The worker that fetched it.
        encrypted: Unreadable without the account's secrets; empty when there is none.
        mark: Distinguishes it from other tokens.
        good_until: Of the token.

    """

    name: str
    owner: str
    encrypted: str = field(default="", repr=False)
    mark: str = ""
    good_until: datetime | None = None


TokenChange: TypeAlias = AskToken | KeepToken


@dataclass(frozen=True, slots=True)
class SharedToken:
    """The response.

    Args:
        encrypted: The token; empty when there is none that is good.
        may_fetch: Whether the caller fetches it now; otherwise another worker does.

    """

    encrypted: str = field(default="", repr=False)
    may_fetch: bool = False
