"""Making and opening the file, and what is said when it cannot be trusted."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from flat_records import START

from payments_core.domain.errors import (
    JournalClosed,
    JournalDamaged,
    JournalError,
    JournalLocked,
    JournalTooNew,
    NamespaceChanged,
    SettingsError,
)
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import CreatePayout, CreateResult
from payments_core.engine.journal_protocol import Journal
from payments_core.journal import init_journal, open_journal
from payments_core.journal.sql.tables import VERSION
from payments_core.journal.sqlite import connection
from payments_core.journal.sqlite.journal import SqliteJournal

OpenSqlite = Callable[..., SqliteJournal]
Row = Callable[..., PayoutRecord]


def pragma(path: Path, statement: str) -> Any:
    with closing(sqlite3.connect(path)) as other:
        row = other.execute(statement).fetchone()
        other.commit()
        return row and row[0]


# --- where ---


def test_relative_address_starts_at_the_root(tmp_path: Path) -> None:
    """The same configuration finds the same journal whatever the working directory is."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    for url in ("sqlite:///payouts.db", f"sqlite:///{elsewhere / 'other.db'}"):
        open_journal(url, namespace="n" * 8, root=root, clock=lambda: START, make=True).close()
    assert [file.name for file in root.iterdir()] == ["payouts.db"]
    assert [file.name for file in elsewhere.iterdir()] == ["other.db"]


@pytest.mark.parametrize("name", ["with space.db", "per%20cent.db", "what?mode=memory", "näme#1.db"])
def test_file_name_is_taken_as_it_is(open_sqlite: OpenSqlite, tmp_path: Path, name: str) -> None:
    """No character of a name changes how the file is opened."""
    open_sqlite(tmp_path / name)
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    "url", ["sqlite:///", "sqlite:///:memory:", "sqlite:////", "mysql://localhost/x", "payouts.db", "", "sqlite:///\0x"]
)
def test_address_that_names_no_file_is_refused(tmp_path: Path, url: str) -> None:
    """A journal that would not survive, or that we cannot open, is a wrong setting with a right example."""
    with pytest.raises(SettingsError, match=r"sqlite:///payouts\.db") as caught:
        open_journal(url, namespace="n" * 8, root=tmp_path, clock=lambda: START)
    assert repr(url) in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_package_import_loads_no_database_driver() -> None:
    """Who only asks for help pays for no database, and who has a file needs no driver."""
    code = "import sys, payments_core.journal; sys.exit(bool({'sqlite3', 'psycopg'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the file ---


def test_files_are_readable_only_by_their_owner(open_sqlite: OpenSqlite, path: Path, make_row: Row) -> None:
    """Payees are nobody else's business, in the file and in the files beside it."""
    old = os.umask(0)
    try:
        open_sqlite().execute(CreatePayout(make_row(), Event("e", START)))
    finally:
        os.umask(old)
    beside = sorted(path.parent.iterdir())
    assert [file.name for file in beside] == ["payouts.db", "payouts.db-shm", "payouts.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in beside} == {0o600}


def test_writer_connection_flushes_every_commit(open_sqlite: OpenSqlite, path: Path) -> None:
    """WAL and synchronous=FULL, on the connection that writes."""
    journal = open_sqlite()
    writing = journal._writer._connection
    assert writing is not None
    for statement, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)):
        assert writing.execute(f"PRAGMA {statement}").fetchone()[0] == value


def test_connection_that_does_not_flush_is_refused(
    open_sqlite: OpenSqlite, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting is believed only when it reads back."""
    monkeypatch.setattr(connection, "_DURABLE", "NORMAL")
    with pytest.raises(JournalError, match="does not flush"):
        open_sqlite()


@pytest.mark.skipif(sys.platform == "win32", reason="needs the locking of Unix")
def test_file_system_without_shared_memory_is_refused(open_sqlite: OpenSqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite cannot keep a write-ahead log, as on a network file system, no journal is kept."""
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda name, **rest: real(f"{name}&vfs=unix-dotfile", **rest))
    with pytest.raises(JournalError, match=r"cannot use a write-ahead log.*local disk"):
        open_sqlite()


def test_journal_is_unchanged_by_closing_it(open_sqlite: OpenSqlite, path: Path, make_row: Row) -> None:
    """What was written is there for the next process, and who made the file is written in it."""
    first = open_sqlite()
    first.execute(CreatePayout(make_row(), Event("e", START)))
    first.close()
    assert open_sqlite().get("po_one") == make_row()
    with closing(sqlite3.connect(path)) as other:
        meta = dict(other.execute("SELECT name, value FROM meta").fetchall())
    assert meta["namespace"] == "test-namespace"
    assert meta["created_at"] == START.isoformat()
    assert meta["version"]


@pytest.mark.parametrize("lost", ["removed", "moved", "replaced"])
def test_file_gone_from_its_place_takes_no_more_entries(
    open_sqlite: OpenSqlite, path: Path, make_row: Row, lost: str
) -> None:
    """A process that has it open is not told yes for what nobody would find: neither alone nor in a group.

    Only the same file serves again in its place: what a backup lacks is for the next process to hear.
    """
    journal, away = open_sqlite(), path.with_name("away.db")
    backup = open_sqlite(path.with_name("backup.db"))
    backup.close()
    journal.execute(CreatePayout(make_row(), Event("e", START)))
    for part in ("", "-wal", "-shm"):
        kept = Path(f"{path}{part}")
        kept.unlink() if lost == "removed" else kept.rename(f"{away}{part}")
    if lost == "replaced":
        shutil.copy(path.with_name("backup.db"), path)
    entry = CreatePayout(make_row(id="po_two", key="k/2"), Event("e", START))
    for _ in range(2):
        with pytest.raises(JournalError, match="removed or replaced") as refused:
            journal.execute(entry)
        assert "Stop this process" in refused.value.hint
        assert isinstance(journal.submit(entry).exception(timeout=10), JournalError)
    if lost == "moved":
        for part in ("", "-wal", "-shm"):
            if (kept := Path(f"{away}{part}")).exists():
                kept.rename(f"{path}{part}")
        assert cast("CreateResult", journal.execute(entry)).created
        assert journal.get("po_one") is not None
    elif lost == "replaced":
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT COUNT(*) FROM payouts").fetchone() == (0,)


def test_reader_closed_before_its_read_leaves_nothing_open(open_sqlite: OpenSqlite) -> None:
    """Between the look whether it is open and the read, another thread may close it."""
    journal = open_sqlite()
    look = journal._writer.check_open

    def close_then() -> None:
        look()
        journal.close()

    journal._writer.check_open = close_then  # type: ignore[method-assign]
    with pytest.raises(JournalClosed):
        journal.get("po_one")
    assert journal._reader._connection is None


# --- what cannot be opened ---


def test_missing_folder_is_named(open_sqlite: OpenSqlite, tmp_path: Path) -> None:
    """No folder is made where a typing error points."""
    with pytest.raises(JournalError, match=r"folder .*nowhere does not exist.*Make it"):
        open_sqlite(tmp_path / "nowhere" / "payouts.db")
    assert list(tmp_path.iterdir()) == []


def test_folder_is_not_a_journal(open_sqlite: OpenSqlite, tmp_path: Path) -> None:
    """A folder's name is said to be one."""
    with pytest.raises(JournalError, match=r"is not a file.*Correct \[journal\] url"):
        open_sqlite(tmp_path)


def test_file_of_another_kind_is_not_a_journal(open_sqlite: OpenSqlite, path: Path) -> None:
    """A file of something else is left as it is."""
    path.write_text("account,amount\n" * 100)
    with pytest.raises(JournalError, match="not a SQLite database"):
        open_sqlite()
    assert path.read_text().startswith("account,amount")


def test_database_of_another_program_is_not_a_journal(open_sqlite: OpenSqlite, path: Path) -> None:
    """No table of ours is put between another program's."""
    pragma(path, "CREATE TABLE theirs (x)")
    with pytest.raises(JournalError, match="another program"):
        open_sqlite()
    assert pragma(path, "SELECT group_concat(name) FROM sqlite_master") == "theirs"


@pytest.mark.usefixtures("journal")
def test_namespace_that_differs_is_refused(address: str) -> None:
    """Keys that would give other references never reach a provider."""
    with pytest.raises(NamespaceChanged, match=r"'test-namespace'.*'other-namespace'.*restore the old namespace"):
        open_journal(address, namespace="other-namespace", root=Path(), clock=lambda: START)


@pytest.mark.usefixtures("journal")
def test_newer_journal_is_left_alone(open_one: Callable[[], Journal], ask: Callable[[str], Any], store: str) -> None:
    """An old version does not write into what a newer one has made."""
    versions = {
        "sqlite": "PRAGMA user_version = 77",
        "postgres": "UPDATE meta SET value = '77' WHERE name = 'schema_version'",
    }
    ask(versions[store])
    with pytest.raises(JournalTooNew, match=r"journal version 77; this one knows \d+\)\. Upgrade payments-core"):
        open_one()


@pytest.mark.usefixtures("journal")
def test_older_journal_is_left_alone(
    open_one: Callable[[], Journal], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whole: advice to create another one, as where there is none, would lose what was paid."""
    monkeypatch.setattr(f"payments_core.journal.{store}.schema.VERSION", VERSION + 1)
    words = rf"older version .*version {VERSION}; .* Use the version that wrote it"
    with pytest.raises(JournalError, match=words) as error:
        open_one()
    assert "journal init" not in str(error.value)


def test_lock_of_another_program_is_reported(open_sqlite: OpenSqlite, path: Path, make_row: Row) -> None:
    """Who waits in vain learns which file, why, and what to do; afterwards all goes on."""
    journal = open_sqlite(busy_timeout_s=0.05)
    entry = CreatePayout(make_row(), Event("e", START))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalLocked, match=r"payouts\.db is locked by another program.*lsof"):
            journal.execute(entry)
        futures = [journal.submit(entry) for _ in range(5)]
        assert {type(future.exception(10)) for future in futures} == {JournalLocked}
        assert journal.get("po_one") is None  # reading goes on
    assert isinstance(journal.execute(entry), CreateResult)


def test_lock_of_another_program_is_reported_at_opening(open_sqlite: OpenSqlite, path: Path) -> None:
    """The same holds when the journal is opened."""
    init_journal(f"sqlite:///{path}", namespace="test-namespace", root=path.parent, at=START)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalLocked, match="locked by another program"):
            open_sqlite(busy_timeout_s=0.05)
    open_sqlite()


READ_ONLY = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from payments_core.domain.errors import JournalError
from payments_core.journal.sqlite.journal import SqliteJournal
if os.geteuid() == 0:  # root may write everything
    os.setgid(65534), os.setuid(65534)
try:
    SqliteJournal(Path(sys.argv[1]), namespace="test-namespace", clock=lambda: datetime.now(UTC), make=True)
except JournalError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "words"),
    [(0o755, 0o444, "is read-only. Give the paying user"), (0o555, None, "cannot be made: Permission denied.")],
)
def test_journal_that_may_not_be_written_is_reported(
    open_sqlite: OpenSqlite, folder_mode: int, file_mode: int | None, words: str
) -> None:
    """A missing right is found before the first payment, not at it."""
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    try:
        file = folder / "payouts.db"
        if file_mode is not None:
            open_sqlite(file).close()
            file.chmod(file_mode)
        folder.chmod(folder_mode)
        script = [sys.executable, "-c", READ_ONLY, str(file)]
        text = subprocess.run(script, capture_output=True, text=True, check=False)
        assert words in text.stdout, text
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_damaged_value_is_in_no_message(open_sqlite: OpenSqlite, path: Path, make_row: Row) -> None:
    """A damaged text is in no message and no traceback."""
    journal = open_sqlite()
    journal.execute(CreatePayout(make_row(), Event("e", START)))
    pragma(path, "UPDATE payouts SET note = CAST(X'5345435245542DFF' AS TEXT)")  # SECRET- and half of a character
    with pytest.raises(JournalDamaged) as caught:
        journal.get("po_one")
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert "SECRET" not in shown
