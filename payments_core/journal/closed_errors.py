"""The errors of a journal that is closed, or belongs to another process."""

from __future__ import annotations

import os

from payments_core.domain.errors import JournalClosed

__all__ = ["check_process", "closed"]


def check_process(pid: int) -> None:
    """Refuse use in a forked process.

    Args:
        pid: The process that opened the journal.

    Raises:
        JournalClosed: This is another one.

    """
    if os.getpid() != pid:
        raise JournalClosed(
            f"This journal was opened by process {pid} and cannot be used in its fork {os.getpid()}.",
            hint="Make a new client after the fork.",
        )


def closed() -> JournalClosed:
    """Return the error of a journal that was closed."""
    return JournalClosed("The journal is closed.", hint="Make a new client.")
