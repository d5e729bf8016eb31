"""Exit codes: what a script may rely on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments_core.payout import PayoutStatus

__all__ = ["DONE", "ERROR", "FAILED", "INTERRUPTED", "NOT_KNOWN", "TERMINATED", "USAGE", "of", "worst"]

DONE = 0
ERROR = 1
USAGE = 2
FAILED = 3  # the payout failed, or a row of a file was refused: no money moved
NOT_KNOWN = 4  # not known yet: waiting to be sent, under way, unknown or in review
INTERRUPTED = 130
TERMINATED = 143


def of(status: PayoutStatus) -> int:
    """Return the exit code that tells of one payout."""
    if status == "SUCCEEDED":
        return DONE
    return FAILED if status.is_final else NOT_KNOWN


def worst(codes: Iterable[int]) -> int:
    """Return the exit code for several: an error counts most, then a failed or refused one, then an open one."""
    found = set(codes)
    return next((code for code in (ERROR, FAILED, NOT_KNOWN) if code in found), DONE)
