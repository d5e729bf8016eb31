"""The kinds of payment, and the statuses of a payout."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Operation", "PayoutStatus"]


class PayoutStatus(StrEnum):
    """Where a payout stands. ``UNKNOWN``: the machine is finding out. ``REVIEW``: it has stopped; read or decide."""

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
    """What kind of payment it is; all kinds travel the same road."""

    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    REFUND = "refund"
