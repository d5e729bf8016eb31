"""The journal: the one memory of the house, opened by its address."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from payments_core.entries import Journal
from payments_core.errors import SettingsError

__all__ = ["open_journal"]

_SQLITE = "sqlite:///"


def open_journal(url: str, *, namespace: str, root: Path, clock: Callable[[], datetime]) -> Journal:
    """Open the journal at an address, making it when it is not there yet.

    Args:
        url: ``sqlite:///payouts.db`` (relative to ``root``) or ``sqlite:////var/lib/payouts.db`` (absolute).
        namespace: The installation's; must be the one the journal was made with.
        root: Where a relative path starts, usually the folder of payouts.toml.
        clock: Returns now; aware, UTC.

    Raises:
        SettingsError: The address names no file, or a kind of journal that does not exist.
        JournalLocked: Another program holds the file.
        JournalTooNew: A newer version of this library made it.
        NamespaceChanged: It belongs to another installation.
        JournalError: The file cannot be made, opened, read or trusted.

    """
    name = url.removeprefix(_SQLITE)
    if name == url:
        raise SettingsError(f"The journal's address {url!r} is not understood.", hint=_WRITE_URL)
    if name in {"", "/", ":memory:"}:
        raise SettingsError(f"The journal's address {url!r} names no file.", hint=_WRITE_URL)

    from payments_core.journal.sqlite import SqliteJournal  # here, so that importing the package loads no database

    return SqliteJournal(root / name, namespace=namespace, clock=clock)


_WRITE_URL = (
    "Write sqlite:///payouts.db (beside payouts.toml) or sqlite:////var/lib/payouts.db; a journal must survive."
)
