"""A token that all processes share: what is asked of the journal, which keeps it encrypted, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

__all__ = ["AskToken", "KeepToken", "SharedToken", "TokenChange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskToken:
    """Ask for the token, or for leave to fetch one.

    Args:
        name: Whose.
        owner: Who asks.
        at: Now.
        until: Until when nobody else fetches one, if the leave is given.
        spent: ``mark`` of a token that was refused; empty for none.

    """

    name: str
    owner: str
    at: datetime
    until: datetime
    spent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepToken:
    """Keep what was fetched and give the leave back; nothing is kept of somebody whose leave was over.

    Args:
        name: Whose.
        owner: Who fetched it.
        encrypted: Unreadable without the account's secrets; empty when there is none.
        mark: Tells it from others, and tells nothing else.
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
    """What there is.

    Args:
        encrypted: The token; empty when there is none that is good.
        may_fetch: Whether the one who asked fetches it now; otherwise somebody else does.

    """

    encrypted: str = field(default="", repr=False)
    may_fetch: bool = False
