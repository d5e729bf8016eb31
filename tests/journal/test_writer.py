"""The writer: many callers, one connection, a commit for as many as are waiting, and nobody harms a neighbour."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from payments_core.domain.errors import JournalClosed, JournalError
from payments_core.journal import waiters
from payments_core.journal.sqlite.connection import connect, explain, verify
from payments_core.journal.sqlite.writer import LARGEST_GROUP, Writer

# An entry is what it does: these tests are about the writer, not about what is written.
Entry: TypeAlias = Callable[[sqlite3.Connection], object]


class Ledger:
    """A file with one table of names, and a writer for it."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as made:
            made.execute("CREATE TABLE names (name TEXT PRIMARY KEY)")
            made.execute(
                # Fails at COMMIT.
                "CREATE TABLE owned (name TEXT REFERENCES names (name) DEFERRABLE INITIALLY DEFERRED)"
            )
        self.path = path
        self.reopened = 0
        self.lost_safely: set[Entry] = set()
        connection = connect(path, busy_timeout_s=0.05)
        self.writer: Writer[Entry, object] = Writer(
            connection,
            apply=lambda connection, entry: entry(connection),
            reopen=self._reopen,
            explain=lambda error: explain(error, path),
            check=lambda: None,
            needs_flush=lambda entry: entry not in self.lost_safely,
        )

    def _reopen(self) -> sqlite3.Connection:
        self.reopened += 1
        connection = connect(self.path, busy_timeout_s=0.05)
        verify(connection, self.path)
        return connection

    @property
    def names(self) -> set[str]:
        """What is durable, as another program sees it."""
        with closing(sqlite3.connect(self.path)) as other:
            return {name for (name,) in other.execute("SELECT name FROM names")}

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While somebody writes: whatever is submitted meanwhile waits together."""
        begun, go_on = threading.Event(), threading.Event()

        def slow(connection: sqlite3.Connection) -> None:
            begun.set()
            assert go_on.wait(10)

        holder = threading.Thread(target=self.writer.execute, args=(slow,))
        holder.start()
        assert begun.wait(10)
        try:
            yield
        finally:
            go_on.set()
            holder.join()


def add(name: str) -> Entry:
    def write(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO names VALUES (?)", (name,))
        return name

    return write


def fail(error: BaseException, *, after: str = "") -> Entry:
    def write(connection: sqlite3.Connection) -> object:
        if after:
            add(after)(connection)
        raise error

    return write


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    made = Ledger(path)
    yield made
    made.writer.close()


def error_of(future: Future[object]) -> BaseException:
    error = future.exception(10)
    assert error is not None
    return error


# --- grouping ---


def test_lone_caller_commits_in_its_own_thread(ledger: Ledger) -> None:
    """Nobody waits for a thread when nobody else is writing."""
    assert ledger.writer.execute(lambda _: threading.get_ident()) == threading.get_ident()
    assert ledger.writer.execute(add("a")) == "a"
    assert ledger.names == {"a"}
    assert ledger.writer._thread is None
    assert ledger.writer.commits == 2


def test_entries_that_wait_together_are_committed_together(ledger: Ledger) -> None:
    """64 waiting entries cost one flush; the 65th begins the next group."""
    names = [str(number) for number in range(LARGEST_GROUP + 1)]
    with ledger.busy():
        futures = [ledger.writer.submit(add(name)) for name in names]
        before = ledger.writer.commits
    assert [future.result(10) for future in futures] == names
    assert ledger.writer.commits - before == 1 + 2  # the slow one, 64, 1
    assert ledger.names == set(names)


def test_callers_of_execute_are_committed_together(ledger: Ledger) -> None:
    """Whoever comes while somebody writes waits with the others, each in its own thread."""
    with ThreadPoolExecutor(20) as threads, ledger.busy():
        together = [threads.submit(ledger.writer.execute, add(str(number))) for number in range(20)]
        while len(ledger.writer._queue) < len(together):
            pass
        before = ledger.writer.commits
    assert ledger.writer.commits - before == 2
    assert len(ledger.names) == 20


def test_future_ends_only_when_its_entry_is_durable(ledger: Ledger) -> None:
    """Who hears yes finds the entry in the file, from any program."""
    found: list[bool] = []
    for number in range(20):
        future = ledger.writer.submit(add(str(number)))
        future.add_done_callback(lambda done: found.append(str(done.result()) in ledger.names))
        future.result(10)
    ledger.writer.close()
    assert found == [True] * 20


# --- neighbours ---


def test_bad_entry_among_64_harms_none_of_them(ledger: Ledger) -> None:
    """63 are durable; one hears what was wrong with it, and nothing of it is left."""
    with ledger.busy():
        futures = [
            ledger.writer.submit(fail(ValueError("bad"), after="bad") if number == 31 else add(str(number)))
            for number in range(64)
        ]
        before = ledger.writer.commits
    assert isinstance(error_of(futures.pop(31)), ValueError)
    assert len({future.result(10) for future in futures}) == 63
    assert ledger.names == {str(number) for number in range(64)} - {"31"}
    assert ledger.writer.commits - before == 2


def test_database_error_in_one_entry_is_its_own(ledger: Ledger) -> None:
    """A constraint broken by one is told to that one, as an error of the journal."""
    ledger.writer.execute(add("a"))
    with ledger.busy():
        good, bad, last = (ledger.writer.submit(add(name)) for name in "bac")
    assert isinstance(error_of(bad), JournalError)
    assert (good.result(10), last.result(10)) == ("b", "c")
    assert ledger.reopened == 0


def test_writer_survives_a_group_that_was_cancelled(ledger: Ledger) -> None:
    """A group of nobody costs no commit."""
    with ledger.busy():
        futures = [ledger.writer.submit(add(str(number))) for number in range(5)]
        assert all(future.cancel() for future in futures)
        before = ledger.writer.commits
    assert ledger.writer.submit(add("next")).result(10) == "next"
    assert ledger.names == {"next"}
    assert ledger.writer.commits - before == 2


def test_callers_that_cancel_at_random_get_what_was_written(ledger: Ledger) -> None:
    """Whatever the order of sending, cancelling and committing: written is what was not cancelled, once."""
    dice = random.Random(7)  # noqa: S311 - no secret
    entries: list[set[str]] = [set(), set()]

    def call(caller: int) -> None:
        for number in range(60):
            name = f"{caller}/{number}"
            if caller % 2:
                ledger.writer.execute(add(name))
                entries[0].add(name)
                continue
            future = ledger.writer.submit(add(name))
            gone = dice.random() < 0.5 and future.cancel()
            entries[1 if gone else 0].add(name)
            if not gone:
                assert future.result(10) == name

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(call, range(16)))
    assert len(entries[0]) + len(entries[1]) == 16 * 60
    assert entries[1], "nobody was cancelled in time: the test shows nothing"
    assert ledger.names == entries[0]


def test_cancelled_task_harms_no_other(ledger: Ledger) -> None:
    """On an event loop a task that is cancelled leaves its neighbours their entries, and writes none."""

    async def main() -> list[object]:
        with ledger.busy():
            tasks = [asyncio.create_task(ledger.writer.execute_async(add(str(number)))) for number in range(50)]
            await asyncio.sleep(0)
            for task in tasks[::10]:
                task.cancel()
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended = asyncio.run(main())
    assert sum(isinstance(end, asyncio.CancelledError) for end in ended) == 5
    assert len(ledger.names) == 45


def test_task_cancelled_after_its_commit_keeps_its_entry(ledger: Ledger) -> None:
    """Its entry may stand; its neighbours get their answers, and the writer goes on."""

    async def main() -> object:
        with ledger.busy():
            first, second = (asyncio.create_task(ledger.writer.execute_async(add(name))) for name in "ab")
            await asyncio.sleep(0)
        while "a" not in ledger.names:  # no turn of this loop yet: the answers wait
            pass
        first.cancel()
        return await asyncio.gather(first, second, return_exceptions=True)

    assert [type(end) for end in asyncio.run(main())] == [asyncio.CancelledError, str]  # type: ignore[attr-defined]
    assert ledger.names == {"a", "b"}
    assert ledger.writer.execute(add("next")) == "next"


def test_event_loop_is_woken_once_for_a_commit(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks of several event loops and callers without one share a commit, each with its own answer."""
    woken: list[asyncio.AbstractEventLoop] = []
    wake = asyncio.BaseEventLoop.call_soon_threadsafe

    def counting(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: object) -> object:
        if call.__module__ == waiters.__name__:
            woken.append(loop)
        return wake(loop, call, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon_threadsafe", counting)
    wanted = {f"{loop}/{number}" for loop in range(3) for number in range(10)}

    async def write(loop: int) -> list[object]:
        return await asyncio.gather(*(ledger.writer.execute_async(add(f"{loop}/{number}")) for number in range(10)))

    with ThreadPoolExecutor(3) as threads:
        with ledger.busy():
            loops = [threads.submit(asyncio.run, write(loop)) for loop in range(3)]
            while len(ledger.writer._queue) < len(wanted):
                pass
            future, before = ledger.writer.submit(add("future")), ledger.writer.commits
        assert {name for loop in loops for name in loop.result(10)} == wanted
    assert future.result(10) == "future"
    assert (len(woken), len(set(woken)), ledger.writer.commits - before) == (3, 3, 2)
    assert ledger.names == wanted | {"future"}


def test_closed_event_loop_does_not_end_the_writer(ledger: Ledger) -> None:
    """What was taken up is written although no task hears of it, and the next callers are served."""
    loop = asyncio.new_event_loop()
    with ledger.busy():
        task = loop.create_task(ledger.writer.execute_async(add("a")))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        future = ledger.writer.submit(add("b"))
    assert future.result(10) == "b"
    assert ledger.writer.execute(add("next")) == "next"
    assert ledger.names == {"a", "b", "next"}
    assert not task.done()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_task_gets_the_error_of_its_entry(ledger: Ledger) -> None:
    """Its own, of the commit, or that the writer is closed."""

    async def main() -> list[object]:
        entries = [add("a"), fail(ValueError("bad")), add("a")]
        ended = await asyncio.gather(*map(ledger.writer.execute_async, entries), return_exceptions=True)
        ledger.writer.close()
        return [*ended, *await asyncio.gather(ledger.writer.execute_async(add("b")), return_exceptions=True)]

    assert [type(end) for end in asyncio.run(main())] == [str, ValueError, JournalError, JournalClosed]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_exception_of_any_kind_does_not_end_the_writer(ledger: Ledger, kind: type[BaseException]) -> None:
    """Even what ends programs is told to its caller and to nobody else."""
    with ledger.busy():
        bad = ledger.writer.submit(fail(kind(), after="bad"))
        good = ledger.writer.submit(add("good"))
    assert isinstance(error_of(bad), kind)
    assert good.result(10) == "good"
    with pytest.raises(kind):
        ledger.writer.execute(fail(kind(), after="bad"))
    assert ledger.writer.execute(add("next")) == "next"
    assert ledger.names == {"good", "next"}


def test_callback_that_fails_does_not_end_the_writer(ledger: Ledger) -> None:
    """What a caller does with its answer is its own affair."""

    def preflight(_: Future[object]) -> None:
        raise SystemExit

    with ledger.busy():
        first = ledger.writer.submit(add("first"))
        first.add_done_callback(preflight)
        second = ledger.writer.submit(add("second"))
    assert (first.result(10), second.result(10)) == ("first", "second")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer signal")
def test_interrupted_caller_leaves_nothing_behind(ledger: Ledger) -> None:
    """Who gives up while waiting for its turn has written nothing."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with ledger.busy():
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                ledger.writer.execute(add("gone"))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ledger.writer.submit(add("next")).result(10) == "next"
    assert ledger.names == {"next"}


# --- failures of all ---


def orphan(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO owned VALUES ('nobody')")


def test_failed_commit_fails_every_member_and_the_next_goes_on(ledger: Ledger) -> None:
    """Nobody of the group is told yes; the file is opened and checked before anything else is written."""
    with ledger.busy():
        futures = [ledger.writer.submit(entry) for entry in (add("a"), orphan, fail(ValueError()), add("b"))]
    errors = [error_of(future) for future in futures]
    assert {type(error) for error in errors} == {JournalError}
    assert len(set(map(id, errors))) == 4, "an exception raised in four threads mixes up its tracebacks"
    assert ledger.names == set()
    assert ledger.reopened == 0
    assert ledger.writer.execute(add("c")) == "c"
    assert ledger.reopened == 1
    assert ledger.names == {"c"}


def test_failed_commit_of_a_lone_caller_is_reported_and_undone(ledger: Ledger) -> None:
    """The same in the caller's own thread."""
    with pytest.raises(JournalError, match="FOREIGN KEY"):
        ledger.writer.execute(orphan)
    assert ledger.writer.execute(add("c")) == "c"
    assert ledger.reopened == 1


def flushes(connection: sqlite3.Connection) -> bool:
    """Whether SQLite flushes what is committed now."""
    return connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_group_is_not_flushed_when_no_member_needs_it(ledger: Ledger) -> None:
    """One member that does is enough, and the next commit is flushed again."""
    asked = [lambda connection: flushes(connection) for _ in range(4)]
    ledger.lost_safely = {*asked[:3]}
    assert ledger.writer.execute(asked[0]) is False
    assert ledger.writer.execute(asked[3]) is True
    for group, expected in ((asked[1:3], False), (asked[1:], True)):
        with ledger.busy():
            futures = [ledger.writer.submit(entry) for entry in group]
        assert {future.result(10) for future in futures} == {expected}
    assert ledger.reopened == 0


def test_failed_commit_without_a_flush_is_reported_and_the_next_is_flushed(ledger: Ledger) -> None:
    """Whether the commit fails, or never begins because another program writes."""
    ledger.lost_safely = {orphan, flushes}
    with pytest.raises(JournalError, match="FOREIGN KEY"):
        ledger.writer.execute(orphan)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError):
            ledger.writer.execute(flushes)
    ledger.lost_safely.clear()
    assert ledger.writer.execute(flushes) is True


def test_lost_transaction_fails_every_member(ledger: Ledger) -> None:
    """Entries before and after the one that lost it are told no, and none of them is written."""

    def lose(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR ROLLBACK INTO names VALUES ('x'), ('x')")

    with ledger.busy():
        futures = [ledger.writer.submit(entry) for entry in (add("a"), lose, add("b"))]
    assert {type(error_of(future)) for future in futures} == {JournalError}
    assert ledger.names == set()
    assert ledger.writer.execute(add("c")) == "c"
    assert ledger.names == {"c"}


def test_file_that_cannot_be_trusted_is_not_written(ledger: Ledger) -> None:
    """A journal that has gone is an error at every use, never a new, empty one; back in its place it serves again."""
    with pytest.raises(JournalError):
        ledger.writer.execute(orphan)
    away = ledger.path.with_name("away.db")
    ledger.path.rename(away)
    for _ in range(2):
        with pytest.raises(JournalError, match="There is no journal"):
            ledger.writer.execute(add("a"))
        assert isinstance(error_of(ledger.writer.submit(add("a"))), JournalError)
    assert not ledger.path.exists()
    away.rename(ledger.path)
    assert ledger.writer.execute(add("b")) == "b"
    assert ledger.names == {"b"}


# --- closing ---


def test_closing_finishes_what_is_queued(ledger: Ledger) -> None:
    """Who was let in is served; who comes later is turned away."""
    with ledger.busy():
        futures = [ledger.writer.submit(add(str(number))) for number in range(100)]
        closing_thread = threading.Thread(target=ledger.writer.close)
        closing_thread.start()
        while not ledger.writer._closing:
            pass
        with pytest.raises(JournalClosed, match="is closed"):
            ledger.writer.submit(add("late"))
    closing_thread.join(10)
    assert all(future.done() for future in futures)
    assert len(ledger.names) == 100
    for use in (ledger.writer.execute, ledger.writer.submit):
        with pytest.raises(JournalClosed, match="Make a new client"):
            use(add("late"))
    ledger.writer.close()
    assert ledger.writer._connection is None


def test_closing_waits_for_the_caller_that_is_writing(ledger: Ledger) -> None:
    """No connection is closed under a commit, with and without the writer's thread."""
    with ledger.busy():
        closing_thread = threading.Thread(target=ledger.writer.close)
        closing_thread.start()
        while not ledger.writer._closing:
            pass
        assert closing_thread.is_alive()
        assert ledger.writer._connection is not None
    closing_thread.join(10)
    assert ledger.writer._connection is None


def test_closing_from_a_callback_does_not_wait_for_itself(ledger: Ledger) -> None:
    """Closing from the writer's own thread does not wait for itself."""
    with ledger.busy():
        first, second = ledger.writer.submit(add("a")), ledger.writer.submit(add("b"))
        first.add_done_callback(lambda _: ledger.writer.close())
    assert (first.result(10), second.result(10)) == ("a", "b")
    thread = ledger.writer._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    assert ledger.writer._connection is None


def test_writer_thread_keeps_no_program_alive(ledger: Ledger) -> None:
    """A program that forgets to close still ends."""
    ledger.writer.submit(add("a")).result(10)
    thread = ledger.writer._thread
    assert thread is not None
    assert thread.daemon
