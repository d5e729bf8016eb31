"""Whether a journal may be paid with: a backup may not."""

from __future__ import annotations

from collections.abc import Mapping

from payments_core.domain.errors import JournalError, JournalIsBackup

__all__ = ["check_live", "exists"]


def check_live(meta: Mapping[str, str], where: str) -> None:
    """Refuse a journal that may not be paid with.

    Args:
        meta: What it remembers of itself.
        where: The journal, for messages.

    Raises:
        JournalIsBackup: It is a backup.

    """
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
