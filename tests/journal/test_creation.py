"""A new journal, and a file that only looks like one: what was paid is never forgotten without a word."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any, cast

import pytest
from flat_records import START

from payments_core.domain.errors import JournalDamaged, JournalError, JournalMissing
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import CreatePayout
from payments_core.journal import init_journal, open_audit, open_journal, store_of
from payments_core.journal.sqlite.creation import create_file
from payments_core.journal.sqlite.journal import SqliteJournal

NAMESPACE = "test-namespace"


def described(path: Path) -> dict[str, Any]:
    return {"url": f"sqlite:///{path}", "namespace": NAMESPACE, "root": path.parent}


def init(path: Path) -> None:
    init_journal(**described(path), at=START)


def beside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


# How each part of the library comes to a journal.
WAYS: dict[str, Callable[[Path], object]] = {
    "to pay": lambda path: open_journal(**described(path), clock=lambda: START),
    "to rehearse": lambda path: open_journal(**described(path), clock=lambda: START, make=True),
    "to look at": lambda path: open_audit(**described(path)),
    "to look after": lambda path: store_of(**described(path), at=START).writing().__enter__(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [0, 1, 511])
def test_emptied_journal_is_never_taken_for_a_new_one(path: Path, way: str, size: int) -> None:
    """Nothing is made in it and nothing beside it touched: its log may still hold what was paid."""
    path.write_bytes(b"\0" * size)
    log = Path(f"{path}-wal")
    log.write_bytes(b"the last payments")
    with pytest.raises(JournalDamaged, match=r"is empty.*restore a backup.*payouts journal init"):
        WAYS[way](path)
    with pytest.raises(JournalDamaged):
        init(path)
    assert (path.read_bytes(), log.read_bytes()) == (b"\0" * size, b"the last payments")


@pytest.mark.parametrize("way", WAYS)
def test_database_without_tables_is_not_a_new_journal(path: Path, way: str) -> None:
    """It may be longer than nothing: a database that another program has emptied."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("VACUUM")
    assert path.stat().st_size >= 512
    with pytest.raises(JournalDamaged, match="is empty"):
        WAYS[way](path)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "to rehearse"])
def test_missing_journal_is_created_only_when_asked_for(path: Path, way: str) -> None:
    """Whoever opens it learns how to go on, after a loss and in a new installation."""
    with pytest.raises(JournalMissing, match=r"no journal.*restore a backup.*payouts journal init"):
        WAYS[way](path)
    assert beside(path) == []


@pytest.mark.parametrize("end", ["-wal", "-journal"])
@pytest.mark.parametrize("way", WAYS)
def test_log_without_its_file_is_a_lost_journal(path: Path, way: str, end: str) -> None:
    """Where a log was left, a file was there; SQLite would throw the log away, or play it into the new file."""
    Path(f"{path}{end}").write_bytes(b"the last payments")
    with pytest.raises(JournalMissing, match=r"its log .* is there.*Put the file back"):
        WAYS[way](path)
    with pytest.raises(JournalMissing):
        init(path)
    assert beside(path) == [f"payouts.db{end}"]


def test_journal_is_created_once(path: Path, make_row: Callable[..., PayoutRecord]) -> None:
    """It can be paid with at once; made a second time it is left as it is."""
    init(path)
    assert beside(path) == ["payouts.db"]
    with closing(SqliteJournal(path, namespace=NAMESPACE, clock=lambda: START)) as journal:
        journal.execute(CreatePayout(make_row(), Event("e", START)))
    with pytest.raises(JournalError, match="is there already; nothing was changed"):
        init(path)
    with closing(SqliteJournal(path, namespace=NAMESPACE, clock=lambda: START, make=True)) as journal:
        assert journal.get("po_one") == make_row()


def test_new_journal_is_complete_before_it_has_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushed, closed, linked, and then the folder flushed; over what another process just made nothing is put."""
    done: list[str] = []
    real_fsync, real_link = os.fsync, os.link

    def fsync(number: int) -> None:
        done.append(f"flush {Path(f'/proc/self/fd/{number}').readlink().name[:12]}")
        real_fsync(number)

    def link(source: Path, target: Path) -> None:
        assert [name for name in beside(path) if name.endswith(("-wal", "-journal"))] == []
        with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as other:
            assert other.execute("SELECT value FROM meta WHERE name = 'namespace'").fetchone() == (NAMESPACE,)
        done.append(f"name {target.name}")
        real_link(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    init(path)
    assert done == ["flush .payouts.db.", "name payouts.db", f"flush {path.parent.name[:12]}"]

    def too_late(source: Path, target: Path) -> None:
        target.write_bytes(b"of another process")
        real_link(source, target)

    other = path.with_name("other.db")
    monkeypatch.setattr(os, "link", too_late)
    assert create_file(other, namespace=NAMESPACE, at=START) is False
    assert other.read_bytes() == b"of another process"
    assert beside(path) == ["other.db", "payouts.db"]


START_TOGETHER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from payments_core.journal import open_journal
sys.stdin.readline()
now = lambda: datetime.now(UTC)
journal = open_journal(sys.argv[1], namespace="test-namespace", root=Path(), clock=now, make=True)
print(journal.counts())
journal.prove_writable()
journal.close()
"""


def test_processes_that_start_together_create_one_journal(path: Path) -> None:
    """Each goes on with the file that one of them has made, and nothing else is left in the folder."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    words = [sys.executable, "-c", START_TOGETHER, f"sqlite:///{path}"]
    processes = [subprocess.Popen(words, text=True, **pipes) for _ in range(4)]
    for process in processes:
        cast("IO[str]", process.stdin).write("go\n")
        cast("IO[str]", process.stdin).flush()
    ended = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    assert ended == [("{}\n", "", 0)] * 4
    assert beside(path) == ["payouts.db"]
