"""Backups: taken while others pay, whole, and never mistaken for the journal."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from payments_core.domain.errors import JournalError
from payments_core.journal import backup_journal, open_audit
from payments_core.journal.maintenance import backup
from payments_core.journal.maintenance.snapshot import SqliteSnapshot
from payments_core.runtime import utc_now

PAYER = Path(__file__).with_name("steady_payer.py")


def slowly(_done: int, _of: int) -> None:
    time.sleep(0.01)


class Payer:
    """A process that pays all the time, and what it says it has paid."""

    def __init__(self, world: Any) -> None:
        command = [sys.executable, "-P", str(PAYER), str(world.config)]
        self.process = subprocess.Popen(command, cwd=world.folder, stdout=subprocess.PIPE, text=True)
        self.paid: list[str] = []
        self.changed = threading.Condition()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.changed:
                self.paid.append(line.strip())
                self.changed.notify_all()

    def wait(self, count: int) -> set[str]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.paid) >= count, timeout=60), "the payer does not pay"
            return set(self.paid)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.listener.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def payer(world: Any) -> Iterator[Payer]:
    payer = Payer(world)
    yield payer
    payer.close()


def keys(path: Path, namespace: str) -> set[str]:
    with closing(SqliteSnapshot(path, namespace=namespace)) as snapshot:
        return {key for (key,) in snapshot.stream("SELECT key FROM payouts")}


def test_backup_holds_whatever_was_acknowledged_before_it(
    world: Any, payer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process pays all the time; each of two backups is whole, and holds every payout it had been told of.

    A file is copied a page at a time, so that payments come in between, and the rows of a shared journal ten at a time.
    """
    monkeypatch.setattr(backup, "_PAGES", 1)
    monkeypatch.setattr(backup, "_ROWS", 10)
    for number in range(2):
        path = world.folder / f"backup-{number}.db"
        acknowledged = payer.wait(10 * (number + 1))
        begun = datetime.now(UTC)
        at = world.back_up(path, on_progress=slowly)
        assert len(payer.paid) > len(acknowledged), "others paid meanwhile"
        assert begun <= at <= datetime.now(UTC)
        assert acknowledged <= keys(path, world.namespace)
        with closing(open_audit(f"sqlite:///{path}", namespace=world.namespace, root=world.folder)) as audit:
            assert audit.meta["backup_at"] == at.isoformat()
            assert [str(one) for one in audit.flaws()] == []
    assert payer.process.poll() is None, "it went on paying"
    assert payer.wait(len(payer.paid) + 3)


def test_backup_is_one_file_that_only_its_owner_reads(world: Any) -> None:
    """Nothing lies beside it, and it is complete where nothing can be written."""
    world.pay("one")
    folder = world.folder / "backups"
    folder.mkdir()
    world.back_up(folder / "b.db")
    assert [path.name for path in folder.iterdir()] == ["b.db"]
    assert stat.S_IMODE((folder / "b.db").stat().st_mode) == 0o600
    assert keys(folder / "b.db", world.namespace) == {"one"}
    assert [path.name for path in folder.iterdir()] == ["b.db"]


def test_backup_has_every_table(full: Any) -> None:
    """Row for row, as far as the journal has any; of what it says of itself everything but how it counts versions."""
    full.plant(["INSERT INTO outbox_reads SELECT 'c', event_id, at FROM outbox"])
    path = full.folder / "b.db"
    full.back_up(path)
    with closing(SqliteSnapshot(path, namespace=full.namespace)) as snapshot:
        tables = [name for (name,) in snapshot.ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert len(tables) > 10
        for table in set(tables) - {"meta", "sqlite_sequence"}:
            columns = ", ".join(
                f'"{name}"' for (name,) in snapshot.ask("SELECT name FROM pragma_table_info(?)", [table])
            )
            statement = f"SELECT {columns} FROM {table}"  # noqa: S608 - names of our tables
            ours, theirs = snapshot.ask(statement), full.ask(statement)
            assert sorted(map(repr, ours)) == sorted(map(repr, theirs)), table
        meta = dict(full.ask("SELECT name, value FROM meta"))
        for name in ("schema_version", "server"):
            meta.pop(name, None)
        assert {name: value for name, value in snapshot.meta().items() if name != "backup_at"} == meta


def test_backup_of_a_backup_has_the_time_of_the_first(world: Any) -> None:
    """What is lacking does not become less by copying."""
    world.pay("one")
    first, second = world.folder / "1.db", world.folder / "2.db"
    at = world.back_up(first)
    backup_journal("sqlite:///1.db", second, namespace=world.namespace, root=world.folder, clock=utc_now)
    with closing(SqliteSnapshot(second, namespace=world.namespace)) as snapshot:
        assert snapshot.meta()["backup_at"] == at.isoformat()


def test_backup_overwrites_nothing_and_leaves_nothing_behind(world: Any) -> None:
    """A file that is there stays as it is; what cannot be finished is not there afterwards."""
    world.pay("one")
    there = world.folder / "there.db"
    there.write_text("somebody's", "utf-8")
    with pytest.raises(JournalError, match="already"):
        world.back_up(there)
    assert there.read_text("utf-8") == "somebody's"
    with pytest.raises(JournalError, match="cannot be written: No such file"):
        world.back_up(world.folder / "nowhere" / "b.db")

    def stop(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    before = sorted(path.name for path in world.folder.iterdir())
    with pytest.raises(KeyboardInterrupt):
        world.back_up(world.folder / "b.db", on_progress=stop)
    assert sorted(path.name for path in world.folder.iterdir()) == before


@pytest.mark.parametrize("store", ["sqlite"])
def test_backup_is_flushed_before_it_has_its_name(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """File first, then the name, then the folder: after a power cut it is whole or not there."""
    world.pay("one")
    done: list[str] = []
    flush, link = os.fsync, os.link

    def note_flush(number: int) -> None:
        done.append(f"flush {Path(f'/proc/self/fd/{number}').readlink().name}")
        flush(number)

    def note_link(source: Any, target: Any) -> None:
        done.append(f"name {Path(target).name}")
        link(source, target)

    monkeypatch.setattr(os, "fsync", note_flush)
    monkeypatch.setattr(os, "link", note_link)
    path = world.folder / "b.db"
    world.back_up(path)
    assert done == ["flush .b.db.partial", "name b.db", f"flush {world.folder.name}"]
