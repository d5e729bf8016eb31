"""What both stores check and record when a journal is created or opened."""

from __future__ import annotations

from collections.abc import Mapping

from payments_core.domain.errors import JournalError, JournalIsBackup, JournalTooNew

__all__ = ["check_known", "check_live", "exists", "library_version"]


def check_known(version: int, known: int, what: str) -> None:
    """Refuse a journal of another schema version than this library's.

    Args:
        version: The journal's.
        known: This library's.
        what: The journal, as the messages begin.

    Raises:
        JournalTooNew: A newer version of this library created it.
        JournalError: An older version created it.

    """
    versions = f"(journal version {version}; this one knows {known})"
    if version > known:
        raise JournalTooNew(
            f"{what} written by a newer version of payments-core {versions}.",
            hint="Upgrade payments-core here; nothing was read or written.",
        )
    if version < known:
        raise JournalError(
            f"{what} written by an older version of payments-core {versions}.",
            hint="Use the version that wrote it: this one cannot upgrade it. The journal is whole, keep it; nothing "
            "was read or written.",
        )


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
