"""Whether a journal may be paid with: one that was moved, is a copy that was not finished, or is a backup, may not."""

from __future__ import annotations

from collections.abc import Mapping

from payments_core.errors import JournalError, JournalIsBackup, JournalSealed

__all__ = ["MOVING", "SEALED", "check_live", "exists", "moved_to", "refusal", "sealed"]

SEALED = "moved_to"  # in the journal that was moved: where to
MOVING = "moving_from"  # in the one it is moved to, as long as the other is not sealed
_SAYS = "this journal was moved to "


def check_live(meta: Mapping[str, str], where: str) -> None:
    """Refuse a journal that may not be paid with.

    Args:
        meta: What it remembers of itself.
        where: The journal, for messages.

    Raises:
        JournalSealed: It was moved, or the move to it was not finished.
        JournalIsBackup: It is a backup.

    """
    if (target := meta.get(SEALED)) is not None:
        raise sealed(where, target)
    if MOVING in meta:
        raise JournalSealed(
            f"{where} is a copy, and the move to it was not finished.",
            hint="Run the same `payouts journal move` again, with the configuration that names the old journal.",
        )
    if (at := meta.get("backup_at")) is not None:
        raise JournalIsBackup(
            f"{where} is a backup of {at} and may lack payments that were made after it.",
            hint=f"If it is to replace a journal that is lost: `payouts journal restored --gap-from {at}`.",
        )


def exists(where: str) -> JournalError:
    """Return the error of a journal that was to be made, and is there."""
    return JournalError(
        f"{where} is there already; nothing was changed.",
        hint="Go on with it, or name another place in [journal] url for another installation.",
    )


def sealed(where: str, target: str) -> JournalSealed:
    """Return the error of a journal that was moved."""
    return JournalSealed(
        f"{where} was moved to {target}; nothing is paid with it any more.",
        hint="Name the new journal in [journal] url, and start every process again.",
    )


def refusal(target: str) -> str:
    """Return what a sealed database says by itself to whoever writes."""
    return f"{_SAYS}{target}"


def moved_to(said: str) -> str | None:
    """Read where a journal was moved from what its database says; None when it says something else."""
    return said.removeprefix(_SAYS) if said.startswith(_SAYS) else None
