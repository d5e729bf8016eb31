"""The journal: where every payout is stored; opened by its address."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from payments_core.domain.errors import SettingsError
from payments_core.engine.journal_protocol import Journal
from payments_core.logs import secret_exposed
from payments_core.settings import read_secret

if TYPE_CHECKING:
    from payments_core.journal.maintenance.snapshot import Snapshot
    from payments_core.journal.maintenance.stores import Store
    from payments_core.journal.maintenance.verify import Audit, DeriveReferences

__all__ = ["backup_journal", "init_journal", "open_audit", "open_journal", "store_of"]

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def open_journal(url: str, *, namespace: str, root: Path, clock: Callable[[], datetime], make: bool = False) -> Journal:
    """Open the journal at an address.

    Args:
        url: ``sqlite:///payouts.db`` (relative to ``root``), ``sqlite:////var/lib/payouts.db`` (absolute),
            ``postgresql://user@host/database``, or where such an address stands: ``env:NAME`` or ``file:PATH``.
        namespace: The installation's; must be the one the journal was made with.
        root: Where a relative path starts, usually the folder of payouts.toml.
        clock: Returns now; aware, UTC.
        make: Make a file that is not there: only where no real money moves, as a new journal does not know what was
            paid. Otherwise :func:`init_journal` makes it, once.

    Raises:
        SettingsError: The address names no file and no database, or a kind of journal that does not exist.
        JournalMissing: There is none.
        JournalDamaged: It was emptied, or fails a check.
        JournalLocked: Another program holds the file.
        JournalTooNew: A newer version of this library made it.
        NamespaceChanged: It belongs to another installation.
        JournalIsBackup: It is a backup.
        JournalError: It cannot be opened, read or trusted.

    """
    address = _address(url, root)
    if address.startswith(_POSTGRES):
        journal: Journal = _postgres().PostgresJournal(address, namespace=namespace, clock=clock)
        return journal
    path = _file(address, url, root)

    from payments_core.journal.sqlite.journal import (
        SqliteJournal,  # here, so that importing the package loads no database
    )

    return SqliteJournal(path, namespace=namespace, clock=clock, make=make)


def open_audit(url: str, *, namespace: str, root: Path, derive: DeriveReferences | None = None) -> Audit:
    """Open a journal, or a backup, for verification, as it stands now; nothing is written, and payments go on.

    Args:
        url: As for :func:`open_journal`.
        namespace: The installation's.
        root: Where a relative path starts.
        derive: Returns the references that an attempt must have, such as
            ``payments_core.engine.derived_references(accounts, namespace)``; they are compared with the stored ones.

    Raises:
        SettingsError: The address is not understood.
        NamespaceChanged: It belongs to another installation.
        JournalError: It cannot be read, or is no journal of this version.

    """
    from payments_core.journal.maintenance.verify import Audit

    return Audit(_snapshot(url, namespace, root), namespace=namespace, derive=derive)


def backup_journal(
    url: str,
    path: Path,
    *,
    namespace: str,
    root: Path,
    clock: Callable[[], datetime],
    on_progress: Callable[[int, int], object] = lambda _done, _of: None,
) -> datetime:
    """Write a backup of a journal into a new file, while payments go on; return the time it shows.

    It is flushed, only its owner may read it, and it is marked as a backup: :func:`open_journal` refuses it.

    Args:
        url: As for :func:`open_journal`.
        path: The file; nothing is overwritten.
        namespace: The installation's.
        root: Where a relative path of the journal starts.
        clock: Returns now; aware, UTC.
        on_progress: Called with how much of how much is done.

    Raises:
        SettingsError: The address is not understood.
        NamespaceChanged: It belongs to another installation.
        JournalError: The journal cannot be read, or the backup cannot be written; nothing is left behind.

    """
    from payments_core.journal.maintenance.backup import write_backup

    at = clock()  # before: what was acknowledged by then is in it, and rather a longer gap is read than a shorter one
    with contextlib.closing(_snapshot(url, namespace, root)) as snapshot:
        write_backup(snapshot, path, at=at, on_progress=on_progress)
    return at


def _snapshot(url: str, namespace: str, root: Path) -> Snapshot:
    from payments_core.journal.maintenance.snapshot import PostgresSnapshot, SqliteSnapshot

    address = _address(url, root)
    if not address.startswith(_POSTGRES):
        return SqliteSnapshot(_file(address, url, root), namespace=namespace)
    _postgres()
    from payments_core.journal.postgres.connection import Server

    return PostgresSnapshot(Server(address), namespace=namespace)


def store_of(url: str, *, namespace: str, root: Path, at: datetime) -> Store:
    """Return a journal's database for maintenance: also one that may not be paid with.

    Args:
        url: As for :func:`open_journal`.
        namespace: The installation's.
        root: Where a relative path starts.
        at: Now; aware.

    Raises:
        SettingsError: The address is not understood.

    """
    address = _address(url, root)
    if address.startswith(_POSTGRES):
        _postgres()
        from payments_core.journal.postgres.store import PostgresStore

        return PostgresStore(address, namespace=namespace, at=at)

    from payments_core.journal.maintenance.stores import SqliteStore

    return SqliteStore(_file(address, url, root), namespace=namespace, at=at)


def init_journal(url: str, *, namespace: str, root: Path, at: datetime) -> None:
    """Make the journal of a new installation: a file, or tables in a database.

    Args:
        url: As for :func:`open_journal`.
        namespace: The installation's.
        root: Where a relative path starts.
        at: Now; aware.

    Raises:
        SettingsError: The address is not understood.
        JournalError: There is one already, or it cannot be made.

    """
    store_of(url, namespace=namespace, root=root, at=at).create()


def _address(url: str, root: Path) -> str:
    try:
        secret = read_secret(url, root=root, on_exposed=secret_exposed)
    except SettingsError as error:
        raise type(error)(f"[journal] url: {error.message}", hint=error.hint) from None
    return url if secret is None else secret.get_secret_value()


def _file(address: str, url: str, root: Path) -> Path:
    name = address.removeprefix(_SQLITE)
    if name == address:
        raise SettingsError(f"The journal's address {_shown(url)} is not understood.", hint=_WRITE_URL)
    if name in {"", "/", ":memory:"} or "\0" in name:
        raise SettingsError(f"The journal's address {_shown(url)} names no file.", hint=_WRITE_URL)
    return root / name


def _shown(url: str) -> str:
    # What we do not understand may still hold a password: only an address of a form without one is repeated.
    return repr(url) if "@" not in url else f"{url.partition(':')[0]}:…"


def _postgres() -> ModuleType:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise SettingsError(
            "A journal under PostgreSQL needs the driver psycopg, which is not installed.",
            hint='Install the extra: pip install "payments-core[postgres]".',
        ) from None
    from payments_core.journal.postgres import journal

    return journal


_WRITE_URL = (
    "Write sqlite:///payouts.db (beside payouts.toml) or sqlite:////var/lib/payouts.db, or for a shared journal "
    "postgresql://user@host/database; a journal must survive."
)
