"""The errors of a journal that is closed, or was opened by another process."""

from __future__ import annotations

import os

from payments_core.domain.errors import JournalClosed

__all__ = ["closed", "forked"]


def forked(pid: int) -> JournalClosed:
    """Return the error of a journal in a process forked from the one that opened it.

    Args:
        pid: The process that opened the journal.

    """
    return JournalClosed(
        f"This journal was opened by process {pid} and cannot be used in its fork {os.getpid()}.",
        hint="Make a new client after the fork.",
    )


def closed() -> JournalClosed:
    """Return the error of a journal that was closed."""
    return JournalClosed("The journal is closed.", hint="Make a new client.")
