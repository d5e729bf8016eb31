"""What a flow may not find out by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from payments_core.domain.records import Query
from payments_core.provider import Account

__all__ = ["StepContext", "query_of", "token_hash"]


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a flow may not find out by itself.

    Args:
        at: Now; aware, UTC.
        owner: Who is working: unique to this life of this process.
        new_token: Returns a fresh and unguessable token; called once for each question whose answer comes later, and
            for no other step.
        namespace: The installation's.
        accounts: All that are configured, by name: an attempt may have been paid from another one.

    """

    at: datetime
    owner: str
    new_token: Callable[[], str]
    namespace: str
    accounts: Mapping[str, Account] = field(default_factory=dict)


def token_hash(token: str) -> str:
    """Return what is stored of a path's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def query_of(token: str, at: datetime) -> Query:
    """Return the query whose answer comes to a path with this token."""
    return Query(token_hash(token), at)
