"""Exit codes for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments_core.domain.payout import Payout

__all__ = ["DONE", "ERROR", "FAILED", "INTERRUPTED", "NOT_KNOWN", "TERMINATED", "USAGE", "of", "worst"]

DONE = 0
ERROR = 1
USAGE = 2
FAILED = 3  # the payout failed, or a refused row of a file was skipped: no money moved
NOT_KNOWN = 4  # not known yet: waiting to be sent, in progress, unknown, in review, or contradicted by its provider
INTERRUPTED = 130
TERMINATED = 143


def of(payout: Payout) -> int:
    """Return the exit code of one payout; a result that its provider contradicts counts as not known yet."""
    if not payout.is_final or payout.has_open_contradiction:
        return NOT_KNOWN
    return DONE if payout.status == "SUCCEEDED" else FAILED


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of several payouts: an error first, then a failed or refused one, then an open one."""
    found = set(codes)
    return next((code for code in (ERROR, FAILED, NOT_KNOWN) if code in found), DONE)
