"""The kinds of payment, and the statuses of a payout."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Operation", "PayoutStatus"]


class PayoutStatus(StrEnum):
    """The status of a payout. ``UNKNOWN``: checks go on. ``REVIEW``: only a check or a person decides."""

    CREATED = "CREATED"
    SENDING = "SENDING"
    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"
    REVIEW = "REVIEW"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REVERSED = "REVERSED"

    @property
    def is_final(self) -> bool:
        """True when nothing but a reversal can follow."""
        return self in _FINAL


_FINAL = frozenset({PayoutStatus.SUCCEEDED, PayoutStatus.FAILED, PayoutStatus.CANCELLED, PayoutStatus.REVERSED})


class Operation(StrEnum):
    """The kind of payment; all kinds are processed in the same way."""

    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    REFUND = "refund"
