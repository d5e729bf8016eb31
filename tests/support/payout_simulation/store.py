"""Where a simulation keeps its journal: a parameter, so that every store is put to the same test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import raw_access

from payments_core.engine.journal_protocol import Journal
from payments_core.journal import open_journal

__all__ = ["SqliteStore", "Store"]


class Store(Protocol):
    """One journal, empty at first, to which any number of processes may connect."""

    def open(self, namespace: str, clock: Callable[[], datetime]) -> Journal:
        """Return a connection of its own to the journal.

        Args:
            namespace: The installation's.
            clock: Returns now; aware, UTC.

        """
        ...

    def published(self) -> Mapping[str, list[tuple[int, str]]] | None:
        """Return number and status of the events that wait for the application, by payout; None if it cannot tell."""
        ...

    def close(self) -> None:
        """Throw the journal away."""
        ...


class SqliteStore:
    """A journal file in a folder of its own; in memory where the system has such a folder.

    Flushed as always: what a simulated death leaves behind is what the file holds.

    Args:
        folder: Where to make the folder; the system's memory, or its place for passing files, when not given.

    """

    def __init__(self, folder: Path | None = None) -> None:
        memory = Path("/dev/shm")  # noqa: S108 - removed with the folder
        where = folder or (memory if memory.is_dir() else None)
        self._folder = TemporaryDirectory(prefix="payments-simulation-", dir=where)
        self._path = Path(self._folder.name) / "journal.db"

    def open(self, namespace: str, clock: Callable[[], datetime]) -> Journal:
        """Return a connection of its own to the journal."""
        url, root = f"sqlite:///{self._path.name}", self._path.parent
        return open_journal(url, namespace=namespace, root=root, clock=clock, make=True)

    def published(self) -> Mapping[str, list[tuple[int, str]]]:
        """Return number and status of the events that wait for the application, by payout."""
        return raw_access.published(self._path)

    def close(self) -> None:
        """Throw the journal away."""
        self._folder.cleanup()
