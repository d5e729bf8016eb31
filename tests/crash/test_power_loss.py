"""The power goes at any moment: what was acknowledged, and what has left, is in the bytes that had been flushed.

A library loaded before the others logs every write and flush of a real paying process. From the log, the files are
built as a power loss would leave them: what was flushed is there; of what was not, nothing, or any part, or half of a
write. Of a file whose folder was not flushed since it was made, nothing is left at all.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from wire_gateway import FakeProvider

PAYOUTS, EVERY = (90, 1) if os.environ.get("PAYMENTS_CRASH_PROOF") == "1" else (10, 3)
_COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
_HERE = Path(__file__).parent
_HEAD = struct.Struct("=ciqq")
_SENT = re.compile(rb"^POST /disbursement/\S+/transfer .*?x-reference-id: (\S+)", re.IGNORECASE | re.DOTALL)


class Record(NamedTuple):
    """What the process did: a kind of ``flush_log.c``, to a file of the folder."""

    kind: str
    name: str
    offset: int
    data: bytes


class Kept:
    """A file, as a power loss would leave it."""

    def __init__(self) -> None:
        self.flushed = bytearray()
        self.pending: list[Record] = []
        self.is_linked = False  # its folder was flushed since it was made

    def flush(self) -> None:
        for record in self.pending:
            apply(self.flushed, record)
        self.pending.clear()

    def left(self, dice: random.Random | None) -> bytes:
        """Return its bytes: nothing of what was not flushed, or whatever the dice say of it."""
        content = bytearray(self.flushed)
        if dice is not None:
            for record in self.pending:
                if (luck := dice.random()) < 0.3:
                    continue
                torn = len(record.data) // 2 if luck > 0.8 and record.kind == "W" else len(record.data)
                apply(content, record._replace(data=record.data[:torn]))
        return bytes(content)


def apply(content: bytearray, record: Record) -> None:
    if record.kind == "T":
        del content[record.offset :]
        content.extend(bytes(record.offset - len(content)))
        return
    end = record.offset + len(record.data)
    content.extend(bytes(max(0, end - len(content))))
    content[record.offset : end] = record.data


class Disk:
    """The folder, as a power loss would leave it."""

    def __init__(self) -> None:
        self.files: dict[str, Kept] = {}
        self.unlinked: dict[str, Kept] = {}  # until the folder is flushed

    def take(self, record: Record) -> None:
        name = record.name
        if record.kind == "U" and name in self.files:
            self.unlinked[name] = self.files.pop(name)
        elif record.kind == "L":  # the same bytes, under a name that the folder does not know yet
            linked, named = Kept(), self.files[Path(record.data.decode()).name]
            linked.flushed, linked.pending = named.flushed, named.pending
            self.files[name] = linked
        elif record.kind in {"W", "T"}:
            self.files.setdefault(name, Kept()).pending.append(record)
        elif record.kind == "S" and not name:
            self.unlinked.clear()
            for kept in self.files.values():
                kept.is_linked = True
        elif record.kind == "S":
            self.files.setdefault(name, Kept()).flush()

    def rebuild(self, folder: Path, dice: random.Random | None) -> None:
        """Write what is left into an empty folder."""
        for name, kept in {**self.unlinked, **self.files}.items():
            if kept.is_linked or (dice is not None and dice.random() < 0.5):
                (folder / name).write_bytes(kept.left(dice))


def read_log(log: Path, root: Path) -> list[Record]:
    raw, at, found = log.read_bytes(), 0, []
    while at < len(raw):
        kind, path_length, offset, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        path = raw[at : at + path_length].decode()
        data = raw[at + path_length : at + path_length + length]
        at += path_length + length
        name = path.removeprefix(str(root)).strip("/")
        if not name.endswith("-shm"):  # made anew by whoever opens the journal next
            found.append(Record(kind.decode(), name, offset, data))
    return found


class Promised:
    """What the world had been told when the power went."""

    def __init__(self) -> None:
        self.statuses: list[list[str]] = []  # key and status
        self.sent: list[str] = []  # references

    def take(self, record: Record) -> bool:
        """Note an acknowledgement or a payment that leaves; say whether it was one."""
        if record.name == "told":
            self.statuses.append(record.data.decode().split())
            return True
        sent = _SENT.match(record.data) if record.kind == "N" else None
        if sent:
            self.sent.append(sent[1].decode())
        return sent is not None

    def broken(self, journal: Path) -> list[str]:
        """Open a journal and return what it does not hold."""
        if not self.statuses and not self.sent:
            return []
        if not journal.exists():
            return ["there is no journal"]
        try:
            with closing(sqlite3.connect(journal)) as connection:
                (text,) = connection.execute("PRAGMA quick_check").fetchone()
                rows = connection.execute(
                    'SELECT key, "references", event, h.status FROM payouts p JOIN history h ON payout_no = no'
                )
                history = rows.fetchall()
        except sqlite3.Error as error:
            return [f"{type(error).__name__}: {error}"]
        known = {(key, status) for key, _, _, status in history}
        sending = " ".join(references for _, references, event, _ in history if event == "payout.sending")
        return [
            *([text] if text != "ok" else []),
            *(f"{key} was told to be {status}" for key, status in self.statuses if (key, least(status)) not in known),
            *(f"a payment left under {reference}" for reference in self.sent if reference not in sending),
        ]


def least(status: str) -> str:
    """Return the status that must be left of one that was reported: a read finds again that a request was accepted."""
    return "SENDING" if status == "PENDING" else status


def losses(records: list[Record], folder: Path, *, every: int) -> Iterator[list[str]]:
    """Let the power go around every flush and after every promise; tell what was lost."""
    disk, promised = Disk(), Promised()
    for number, record in enumerate(records):
        is_promise = promised.take(record)
        # Just before a flush as much as possible is at stake; just after a promise, it must be there.
        if is_promise or (record.kind == "S" and number % every == 0):
            for dice in (None, random.Random(number)):  # noqa: S311 - a seed for each moment
                with TemporaryDirectory(dir=folder) as scratch:
                    disk.rebuild(Path(scratch), dice)
                    yield promised.broken(Path(scratch, "payouts.db"))
        if record.kind != "N" and not is_promise:
            disk.take(record)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that logs, compiled here."""
    if sys.platform != "linux" or _COMPILER is None:
        pytest.skip("needs Linux and a C compiler: none of cc, gcc and clang was found")
    made = tmp_path_factory.mktemp("shim") / "flush_log.so"
    command = [_COMPILER, "-shared", "-fPIC", "-O1", "-o", str(made), str(_HERE / "flush_log.c"), "-ldl", "-lpthread"]
    subprocess.run(command, check=True, timeout=60)
    return made


def log_of(fake_provider: FakeProvider, shim: Path, count: int, *, flushes: str) -> list[Record]:
    """Pay in a process whose writes are logged."""
    root = fake_provider.config.parent
    log = root.parent / f"{root.name}.log"
    with fake_provider.side.served() as url:
        fake_provider.write(url)
        command = [
            sys.executable,
            str(_HERE / "pay_and_tell.py"),
            str(fake_provider.config),
            str(root / "told"),
            str(count),
            flushes,
        ]
        env = {**os.environ, "LD_PRELOAD": str(shim), "FLUSH_LOG": str(log), "FLUSH_ROOT": str(root)}
        subprocess.run(command, check=True, timeout=120, env=env)
    return read_log(log, root)


def test_power_loss_keeps_what_was_reported_or_sent(
    fake_provider: FakeProvider, shim: Path, folder: Path, measured: Callable[..., None]
) -> None:
    """At each flush and promise, what is left holds each payout and end that was reported, and each that was sent."""
    records = log_of(fake_provider, shim, PAYOUTS, flushes="always")
    assert fake_provider.side.unwritten == []
    found = list(losses(records, folder, every=EVERY))
    promised = Promised()
    for record in records:
        promised.take(record)
    measured(7, "power losses", len(found), payouts=PAYOUTS, flushes=sum(record.kind == "S" for record in records))
    assert [one for one in found if one] == []
    reported = [status for _, status in promised.statuses]
    assert (len(reported), reported.count("SUCCEEDED")) == (2 * PAYOUTS, PAYOUTS)
    assert {"PENDING", "UNKNOWN"} <= {*reported}
    assert {*promised.sent} == {*fake_provider.side.arrived}
    assert len(fake_provider.side.arrived) == PAYOUTS


def test_commit_that_is_not_flushed_is_found(fake_provider: FakeProvider, shim: Path, folder: Path) -> None:
    """With SQLite told to flush only now and then, both an acknowledgement and a payment that left are lost."""
    records = log_of(fake_provider, shim, 4, flushes="seldom")
    lost = " ".join(one for found in losses(records, folder, every=1) for one in found)
    assert "was told to be" in lost or "there is no journal" in lost
    assert "a payment left" in lost
