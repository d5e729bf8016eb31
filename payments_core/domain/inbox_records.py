"""Records of the journal's inbox: callbacks as they arrived, and how they were handled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from payments_core.domain.records import Event, PayoutRecord

__all__ = [
    "MOST_PER_PATH",
    "Arrival",
    "Handled",
    "Handling",
    "InboxCount",
]

MOST_PER_PATH = 20  # callbacks that are kept of one minted path; those of an account's own path are not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A callback as it came; nothing of it is believed.

    Args:
        account: To whose path it came, or whose question it answers.
        query: ``token_hash`` of the question whose path it came to; empty for an account's path.
        method: HTTP method.
        at: When.
        encoded: Header fields and body, as :mod:`payments_core.client.inbox` writes them; gone once it is handled.
        no: Its number in the inbox; 0 before it is there.

    """

    account: str
    query: str
    method: str
    at: datetime
    encoded: str = field(repr=False)
    no: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """Close a callback, unless it is closed: what it was, and what is due because of it.

    Args:
        no: Its number.
        at: When.
        outcome: In a few words, for the operator.
        details: What may be kept of it, without personal data and secrets; replaces ``encoded``.
        payout_id: The payout it is about; None for nothing we know.
        proven: Whether it is proven to come from the provider; None where nothing proves it.
        event: For the payout's history if its next read becomes due sooner; None: no read is wanted.
        answer: JSON, the answer to the question about an account whose path it came to; kept if there is none yet.

    """

    no: int
    at: datetime
    outcome: str
    details: str
    payout_id: str | None = None
    proven: bool | None = None
    event: Event | None = None
    answer: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Handled:
    """What came of closing a callback.

    Args:
        row: The payout it is about.
        made_due: Whether a read is due sooner than it was.

    """

    row: PayoutRecord | None = None
    made_due: bool = False


@dataclass(frozen=True, slots=True)
class InboxCount:
    """How many callbacks of an account had an outcome.

    Args:
        account: The account's name.
        outcome: Empty for those that are not handled yet.
        count: How many.
        last_at: When the last of them came.

    """

    account: str
    outcome: str
    count: int
    last_at: datetime
