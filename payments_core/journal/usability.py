"""What both stores check and record when a journal is created or opened."""

from __future__ import annotations

from collections.abc import Mapping

from payments_core.domain.errors import JournalError, JournalIsBackup

__all__ = ["check_live", "exists", "library_version"]


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


def library_version() -> str:
    """Return the version of this library, which a new journal records."""
    from importlib import metadata  # here: slow to import, needed once in a journal's life

    try:
        return metadata.version("payments-core")
    except metadata.PackageNotFoundError:
        return "not installed"
