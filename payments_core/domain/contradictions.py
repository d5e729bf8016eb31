"""Contradictions: a provider's statement against the end of a payout, kept also once a person has acknowledged it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

__all__ = ["Contradiction", "ProviderStatus"]


class ProviderStatus(StrEnum):
    """What the provider calls an attempt that had ended otherwise."""

    PAID = "paid"  # although it had failed, or was cancelled
    FAILED = "failed"  # although it had succeeded
    TAKEN_BACK = "taken_back"  # it had succeeded, and the money came back
    PAID_OTHERWISE = "paid_otherwise"  # it had succeeded, and another amount, payee or transaction is shown for it


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One statement of a provider against an end; the end stands, and the payout is never paid again.

    Args:
        at: When the provider said so; aware, UTC.
        account: The account whose provider said so.
        attempt: Which attempt it is about; not always the current one.
        provider_status: What the provider calls it now.
        code: The provider's own code, scrubbed; empty when it gave none.
        acknowledged_at: When a person took note of it; None while it waits for one.
        actor: The person who acknowledged it.
        reason: On what grounds, in their words.

    """

    at: datetime
    account: str
    attempt: int
    provider_status: ProviderStatus
    code: str = ""
    acknowledged_at: datetime | None = None
    actor: str = ""
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether no person has acknowledged it yet."""
        return self.acknowledged_at is None

    def acknowledged(self, at: datetime, actor: str, reason: str) -> Contradiction:
        """Return it as a person has acknowledged it."""
        return replace(self, acknowledged_at=at, actor=actor, reason=reason)

    def repeats(self, other: Contradiction) -> bool:
        """Whether the provider had said the same before, of the same attempt."""
        return (self.account, self.attempt, self.provider_status) == (
            other.account,
            other.attempt,
            other.provider_status,
        )
