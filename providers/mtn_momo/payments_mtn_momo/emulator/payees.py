"""The sandbox's test payees and scenarios: what leads to which end.

Sources: portal page Sandbox Use Cases; the number lists in MTN's SDK tests; a client's live tests of September 2025.
Uncertain rows are switches: ...453 was pending first and successful after 30 s in the documents of 2018 and stayed
PENDING for the 40 s a later measurement took; ...454 was measured for collections only (CREATED, then SUCCESSFUL after
about 25 s); which field of a refund carries its scenario is in no source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["AT_ONCE", "DEPOSIT_PAYEES", "REFUND_SCENARIOS", "STUCK", "TRANSFER_PAYEES", "Fate", "failed"]


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a payment."""

    end: Literal["SUCCESSFUL", "FAILED"] | None = "SUCCESSFUL"  #: Its last status; None when it stays PENDING.
    reason: str = ""  #: Why it failed.
    pace: Literal["at once", "delayed", "ongoing"] = "at once"  #: Whether it ends at once, takes its time, or goes on.


AT_ONCE = Fate()  # any number that is not listed
DELAYED = Fate(pace="delayed")
ONGOING = Fate(None, pace="ongoing")
STUCK = Fate(None)


def failed(reason: str) -> Fate:
    """Return the fate of a payment that fails."""
    return Fate("FAILED", reason)


def _in_order(first: int, *reasons: str) -> Mapping[str, Fate]:
    return {str(number): failed(reason) for number, reason in enumerate(reasons, first)}


# The same sequence in all three tables.
_PLATFORM = (
    "NOT_ALLOWED",
    "NOT_ALLOWED_TARGET_ENVIRONMENT",
    "INVALID_CALLBACK_URL_HOST",
    "INVALID_CURRENCY",
    "INTERNAL_PROCESSING_ERROR",
    "SERVICE_UNAVAILABLE",
)
_ALIKE: Mapping[str, Fate] = {
    "46733123450": failed("INTERNAL_PROCESSING_ERROR"),
    "46733123451": failed("APPROVAL_REJECTED"),
    "46733123452": failed("EXPIRED"),
    "46733123453": ONGOING,
    "46733123454": DELAYED,
}

TRANSFER_PAYEES: Mapping[str, Fate] = {
    **_ALIKE,
    "46733123455": failed("NOT_ENOUGH_FUNDS"),
    "46733123456": failed("PAYER_LIMIT_REACHED"),
    "46733123457": failed("PAYEE_NOT_FOUND"),
    **_in_order(46733123458, *_PLATFORM),
}

DEPOSIT_PAYEES: Mapping[str, Fate] = {
    **_ALIKE,
    "46733123455": failed("PAYER_NOT_FOUND"),
    "46733123456": failed("PAYEE_NOT_ALLOWED_TO_RECEIVE"),
    **_in_order(46733123457, *_PLATFORM, "COULD_NOT_PERFORM_TRANSACTION"),
}

# The portal's "Failed", "Rejected" and "Expired" stand for the same codes as in the tables above.
REFUND_SCENARIOS: Mapping[str, Fate] = {
    "1": failed("TRANSACTION_NOT_FOUND"),
    "2": failed("INTERNAL_PROCESSING_ERROR"),
    "3": failed("APPROVAL_REJECTED"),
    "4": failed("EXPIRED"),
    "5": ONGOING,
    "6": DELAYED,
    **_in_order(7, *_PLATFORM, "COULD_NOT_PERFORM_TRANSACTION"),
}
