"""Killed, forked, out of space: what was acknowledged is there, and what was not can be sent again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flat_records import START

from payments_core.domain.errors import JournalError
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import CreatePayout, CreateResult
from payments_core.engine.journal_protocol import Journal
from payments_core.journal.sqlite.journal import SqliteJournal

OpenSqlite = Callable[..., SqliteJournal]
Row = Callable[..., PayoutRecord]
Ask = Callable[[str], list[tuple[Any, ...]]]

# What every subprocess begins with: the journal at argv[1], and payouts for it.
PRELUDE = """
import os, sys, threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from payments_core.engine.commands import ApplyTransition, CreatePayout
from payments_core.domain.money import Money
from payments_core.domain.records import AttemptRecord, Event, PayoutRecord
from payments_core.domain.errors import JournalClosed, JournalError
from payments_core.journal import open_journal
from payments_core.domain.payout import Order, Payee, PayoutStatus

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)

def open_here():
    return open_journal(sys.argv[1], namespace="test-namespace", root=Path(), clock=lambda: START, make=True)

def row(name):
    order = Order(name, Payee("msisdn", "46733123450"), Money(1, "EUR"))
    attempt = AttemptRecord(account="a", binding={}, references={}, request="{}", request_hash="0")
    return PayoutRecord(
        id="po_" + name, fingerprint="f", order=order, attempt=attempt, created_at=START, updated_at=START
    )

def accept(name):
    return journal.execute(CreatePayout(row(name), Event("payout.accepted", START))).row

journal = open_here()
"""


def finish(script: str, address: str) -> list[str]:
    command = [sys.executable, "-c", PRELUDE + script, address]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout.splitlines()


def check(path: Path) -> str:
    with closing(sqlite3.connect(path)) as other:
        return str(other.execute("PRAGMA quick_check").fetchone()[0])


# --- killed ---

# Forks writers from one process, so that twenty of them start in a moment; it has closed its own journal by then.
# An acknowledgement is one write of one line, after the entry's answer: "<key> <history rows>".
KILLING = """
import random, select, signal, time

journal.close()

def work(prefix, out):
    for number in range(10**9):
        before = accept(f"{prefix}/{number}")
        os.write(out, f"{before.order.key} 1\\n".encode())
        after = replace(before, status=PayoutStatus.FAILED)
        journal.execute(ApplyTransition(before, after, Event("payout.failed", START), publish=True))
        os.write(out, f"{before.order.key} 2\\n".encode())

dice = random.Random(7)
for generation in range(7):
    writers = {}
    for number in range(3):
        come, out = os.pipe()
        pid = os.fork()
        if pid == 0:
            journal = open_here()
            for lane in range(4):
                threading.Thread(target=work, args=(f"{generation}/{number}/{lane}", out)).start()
            threading.Event().wait()
        os.close(out)
        writers[pid] = come
    assert select.select(list(writers.values()), [], [], 30)[0]  # one writes, others may still be opening
    time.sleep(dice.uniform(0, 0.2))
    for pid in writers:
        os.kill(pid, signal.SIGKILL)
    for pid, come in writers.items():
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        with open(come) as lines:
            sys.stdout.writelines(line for line in lines if line.endswith("\\n"))
print("killed", 7 * 3)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_acknowledged_entries_survive_kill_9(
    address: str, store: str, path: Path, open_one: Callable[[], Journal], ask: Ask
) -> None:
    """Writers killed at any moment, three at a time on one journal: every yes they heard is in it, whole."""
    open_one().close()
    *acknowledged, killed = finish(KILLING, address)
    assert killed == "killed 21"
    assert len(acknowledged) > 20  # however slow the disk: one in each round
    journal = open_one()
    for line in acknowledged:
        key, steps = line.split()
        row = journal.by_key(key)
        assert row is not None, key
        assert row.version >= int(steps) - 1, key
    torn = ask("""
        SELECT id FROM payouts WHERE version + 1 <> (SELECT COUNT(*) FROM history WHERE payout_no = no)
        OR (status = 'FAILED') <> EXISTS (SELECT 1 FROM outbox WHERE payout_id = id AND event_id = id || '.2')
    """)
    assert torn == []
    if store == "sqlite":
        assert check(path) == "ok"


# --- interrupted ---

INTERRUPTING = """
import itertools, random, signal

def interrupt(*_):
    raise KeyboardInterrupt

def neighbour():
    for number in itertools.count():
        if ended.is_set():
            return
        told.add(accept(f"neighbour {number}").order.key)

dice, told, interrupts, ended = random.Random(7), set(), 0, threading.Event()
beside = threading.Thread(target=neighbour)
signal.signal(signal.SIGALRM, interrupt)
for number in range(400):
    if number == 200:
        beside.start()
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, dice.uniform(1e-5, 1e-3))
            told.add(accept(str(number)).order.key)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupts += 1
ended.set()
beside.join()
told.add(accept("last").order.key)
stored = {found.order.key for found in journal.rows()}
journal.close()
print(interrupts > 20, "last" in stored, told <= stored, any(key.startswith("n") for key in stored - told))
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer signal")
def test_interrupt_at_any_moment_leaves_nothing_half_done(address: str) -> None:
    """Ctrl-C wherever it strikes: nothing stays locked, what was acknowledged is there, the next caller is served."""
    assert finish(INTERRUPTING, address) == ["True True True False"]


# --- other processes ---


def test_rows_are_read_by_another_process_during_writes(journal: Journal, address: str, make_row: Row) -> None:
    """A list or a report in another terminal neither waits for the payments nor stops them, and sees whole rows."""
    script = """
print("ready", flush=True)
seen = 0
while seen < 200:
    seen = sum(1 for _ in journal.rows())
    assert all(len(journal.history(found.id)) == 1 for found in journal.rows())
print(seen)
"""
    command = [sys.executable, "-c", PRELUDE + script, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for number in range(200):
            journal.execute(CreatePayout(make_row(str(number)), Event("payout.accepted", START)))
        text, _ = reader.communicate(timeout=60)
    assert (text, reader.returncode) == ("200\n", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_journal_refuses_a_forked_process(address: str, open_one: Callable[[], Journal]) -> None:
    """A fork is told to make its own client, touches nothing, and ends without harm to its parent."""
    script = """
import contextlib
accept("before")
held = threading.Lock()
begun = threading.Event()
def hold():  # as if another thread were in the middle of a write when the process forks
    locks = (journal._writer, journal._reader) if hasattr(journal, "_writer") else (journal._threads,)
    with contextlib.ExitStack() as stack:
        for owner in locks:
            stack.enter_context(owner._lock)
        begun.set()
        held.acquire()
held.acquire()
holder = threading.Thread(target=hold, daemon=True)
holder.start()
begun.wait()
import warnings
warnings.simplefilter("ignore")  # newer Pythons warn of a fork with threads
child = os.fork()
if child == 0:
    entry = CreatePayout(row("child"), Event("e", START))
    for use in (lambda: journal.execute(entry), lambda: journal.submit(entry), lambda: journal.get("po_before"),
                lambda: journal.due(START, accounts=["a"], limit=1), lambda: next(journal.rows()),
                lambda: journal.lift_pause(None), lambda: journal.counts()):
        try:
            use()
        except JournalClosed as error:
            print(type(error).__name__, "Make a new client after the fork." in str(error), flush=True)
    journal.close()
    own = open_here()
    print(own.execute(CreatePayout(row("own"), Event("e", START))).created, flush=True)
    own.close()
    sys.exit(0)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
held.release()
holder.join()
accept("after")
print(sorted(found.order.key for found in journal.rows()))
journal.close()
"""
    text = finish(script, address)
    assert text == ["JournalClosed True"] * 7 + ["True", "child 0", "['after', 'before', 'own']"]
    assert [row.order.key for row in open_one().rows()] == ["before", "own", "after"]


# --- no space ---


def test_full_database_fails_the_group_and_heals(open_sqlite: OpenSqlite, path: Path, make_row: Row) -> None:
    """When SQLite has no page left, each of the group is told so, and once there is room all goes on."""
    journal = open_sqlite()
    writing = journal._writer._connection
    assert writing is not None
    pages = writing.execute("PRAGMA page_count").fetchone()[0]
    writing.execute(f"PRAGMA max_page_count = {pages}")
    entries = [
        CreatePayout(make_row(str(number), note="n" * 5_000), Event("payout.accepted", START)) for number in range(8)
    ]
    errors = [future.exception(10) for future in [journal.submit(entry) for entry in entries]]
    full = [error for error in errors if error is not None]
    assert full
    assert {type(error) for error in full} == {JournalError}
    assert all("payouts.db is full. Make room and try again" in str(error) for error in full)
    written = {row.id for row in journal.rows()}
    assert written == {f"po_{number}" for number, error in enumerate(errors) if error is None}
    for entry in entries:  # the file was opened anew: without the limit
        reply = journal.execute(entry)
        assert isinstance(reply, CreateResult)
        assert reply.created is (entry.row.id not in written)
    assert check(path) == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit")
def test_failed_commit_is_reported_and_the_journal_heals(open_sqlite: OpenSqlite, path: Path) -> None:
    """When the disk takes no more, nobody hears yes; when it does again, the same process goes on."""
    script = """
import resource
accept("first")
journal.get("none")  # an idle reader: the log cannot be folded into the file when the writer reopens it
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
wal = Path(sys.argv[1].removeprefix("sqlite:///") + "-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 30_000, hard))
told = ["first"]
refused = []
for number in range(10):
    try:
        accept(f"during {number}")
        told.append(f"during {number}")
    except JournalError as error:
        refused.append(str(error))
        assert type(error) is JournalError, error
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
told.append(accept("after").order.key)
assert [found.order.key for found in journal.rows()] == told, told
print(len(refused))
print(refused[-1])
journal.close()
"""
    refused, last = finish(script, f"sqlite:///{path}")
    assert int(refused) >= 3
    assert "payouts.db" in last
    assert "try again" in last
    assert check(path) == "ok"
    assert [row.order.key for row in open_sqlite().rows()][-1] == "after"


def test_damaged_file_is_not_written_again(open_sqlite: OpenSqlite, path: Path, make_row: Row) -> None:
    """After a failure the file is checked before it is trusted, and what fails its check stays closed."""
    journal = open_sqlite()
    for number in range(50):
        journal.execute(CreatePayout(make_row(str(number), note="n" * 2_000), Event("payout.accepted", START)))
    writing = journal._writer._connection
    assert writing is not None
    writing.execute("PRAGMA max_page_count = 1")
    entry = CreatePayout(make_row("next", note="n" * 20_000), Event("payout.accepted", START))
    with pytest.raises(JournalError, match="is full"):
        journal.execute(entry)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(30 * 4096)
        file.write(b"\xff" * 4096 * 5)
    for _ in range(2):
        with pytest.raises(JournalError, match=r"is damaged.*restore a backup"):
            journal.execute(entry)
