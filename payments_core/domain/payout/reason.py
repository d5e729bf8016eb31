"""Reasons: why a payout failed, waits or is in review."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from payments_core.domain.bounds import HOUR_S, LONGEST_S, check_number

__all__ = ["Reason", "ReasonCode"]


class ReasonCode(StrEnum):
    """Why a payout failed, waits or is in review: one neutral table for all providers."""

    # the provider refused or failed the payment
    PAYEE_NOT_FOUND = "payee_not_found"
    PAYEE_NOT_ALLOWED = "payee_not_allowed"
    PAYEE_LIMIT_REACHED = "payee_limit_reached"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    PAYER_LIMIT_REACHED = "payer_limit_reached"
    FUNDS_OR_LIMIT = "funds_or_limit"
    AMOUNT_NOT_ALLOWED = "amount_not_allowed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NOT_COMPLETED = "not_completed"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    PROVIDER_ERROR = "provider_error"
    INVALID_REQUEST = "invalid_request"
    UNRECOGNISED = "unrecognised"
    # something about us: the account is blocked, no payout fails
    CREDENTIALS = "credentials"
    NOT_PERMITTED = "not_permitted"
    MISCONFIGURED = "misconfigured"
    # ours
    REFUSED_BY_GUARD = "refused_by_guard"
    NOT_SENT_IN_TIME = "not_sent_in_time"
    MISMATCH = "mismatch"
    BINDING_GONE = "binding_gone"
    NEVER_APPEARED = "never_appeared"
    NO_FINAL_ANSWER = "no_final_answer"
    DUPLICATE_OF_ANOTHER = "duplicate_of_another"
    EARLIER_ATTEMPT_PAID = "earlier_attempt_paid"
    ON_STATEMENT = "on_statement"
    NEEDS_APPROVAL = "needs_approval"
    ABOVE_LARGEST_AMOUNT = "above_largest_amount"
    DAILY_LIMIT = "daily_limit"
    BATCH_STOPPED = "batch_stopped"

    @property
    def is_reissuable(self) -> bool:
        """Whether paying a payout that failed for it once more, as it is, can succeed."""
        return self in _REISSUABLE


# What may be different next time without a change of the payout: money, limits of the day, the provider itself.
_REISSUABLE = frozenset(
    {
        ReasonCode.PAYEE_LIMIT_REACHED,
        ReasonCode.INSUFFICIENT_FUNDS,
        ReasonCode.PAYER_LIMIT_REACHED,
        ReasonCode.FUNDS_OR_LIMIT,
        ReasonCode.EXPIRED,
        ReasonCode.NOT_COMPLETED,
        ReasonCode.PROVIDER_UNAVAILABLE,
        ReasonCode.PROVIDER_ERROR,
        ReasonCode.NOT_SENT_IN_TIME,
    }
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in neutral words, with the provider's own beside them.

    Args:
        code: The neutral code.
        provider_code: The provider's code, verbatim; empty when it gave none.
        text: The provider's or our sentence, scrubbed of numbers.
        settling_h: Hours during which a later read may still contradict it, at most a year of them; 0 for conclusive.

    Raises:
        InvalidArgument: No clock can wait as long.

    """

    code: ReasonCode
    provider_code: str = ""
    text: str = ""
    settling_h: float = 0.0

    def __post_init__(self) -> None:
        if self.settling_h:
            check_number("settling_h", self.settling_h, 0, LONGEST_S / HOUR_S)

    def __str__(self) -> str:
        """``payee_not_found (PAYEE_NOT_FOUND)``."""
        return f"{self.code} ({self.provider_code})" if self.provider_code else str(self.code)
