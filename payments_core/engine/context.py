"""What a flow may not find out by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from payments_core.provider import Account

__all__ = ["StepContext"]


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a flow may not find out by itself.

    Args:
        at: Now; aware, UTC.
        owner: Who is working: unique to this life of this process.
        token: Fresh and unguessable, for a question whose answer comes later.
        namespace: The installation's.
        accounts: All that are configured, by name: an attempt may have been paid from another one.

    """

    at: datetime
    owner: str
    token: str
    namespace: str
    accounts: Mapping[str, Account] = field(default_factory=dict)
