"""The sandbox's test payees: which number leads to which end.

Sources: portal page Sandbox Use Cases; the number lists in MTN's SDK tests; a client's live tests of September 2025.
Two rows are uncertain and therefore configurable or noted: ...453 was pending first and successful after 30 s in the
documents of 2018 and stayed PENDING for the 40 s a later measurement took; ...454 was measured for collections only
(CREATED, then SUCCESSFUL after about 25 s).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["AT_ONCE", "STUCK", "TRANSFER_PAYEES", "Fate"]


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a payment.

    Args:
        end: Its last status; None when it stays PENDING.
        reason: Why it failed.
        delayed: Whether it takes its time.

    """

    end: Literal["SUCCESSFUL", "FAILED"] | None = "SUCCESSFUL"
    reason: str = ""
    delayed: bool = False


AT_ONCE = Fate()  # any number that is not listed
STUCK = Fate(None)


def _failed(reason: str) -> Fate:
    return Fate("FAILED", reason)


TRANSFER_PAYEES: Mapping[str, Fate] = {
    "46733123450": _failed("INTERNAL_PROCESSING_ERROR"),
    "46733123451": _failed("APPROVAL_REJECTED"),
    "46733123452": _failed("EXPIRED"),
    "46733123453": STUCK,
    "46733123454": Fate(delayed=True),
    "46733123455": _failed("NOT_ENOUGH_FUNDS"),
    "46733123456": _failed("PAYER_LIMIT_REACHED"),
    "46733123457": _failed("PAYEE_NOT_FOUND"),
    "46733123458": _failed("NOT_ALLOWED"),
    "46733123459": _failed("NOT_ALLOWED_TARGET_ENVIRONMENT"),
    "46733123460": _failed("INVALID_CALLBACK_URL_HOST"),
    "46733123461": _failed("INVALID_CURRENCY"),
    "46733123462": _failed("INTERNAL_PROCESSING_ERROR"),
    "46733123463": _failed("SERVICE_UNAVAILABLE"),
}
