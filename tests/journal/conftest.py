"""Journals on real files and a real server, and payouts to write into them."""

from __future__ import annotations

import contextlib
import select
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flat_records import START, new_record, next_attempt
from psycopg import conninfo

from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import ApplyTransition, CreateAttempt, CreatePayout, CreateResult, TransitionApplied
from payments_core.engine.journal_protocol import Journal
from payments_core.journal import open_journal
from payments_core.journal.postgres.journal import PostgresJournal
from payments_core.journal.sqlite.journal import SqliteJournal

NAMESPACE = "test-namespace"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's journal is."""
    return tmp_path / "payouts.db"


@pytest.fixture
def open_sqlite(path: Path) -> Iterator[Callable[..., SqliteJournal]]:
    """Open the test's journal, or another file; closed at the end."""
    usual, opened = path, list[SqliteJournal]()

    def make(path: Path | None = None, **changes: Any) -> SqliteJournal:
        settings: dict[str, Any] = {"namespace": NAMESPACE, "clock": lambda: START, "make": True} | changes
        opened.append(SqliteJournal(path or usual, **settings))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """Which database holds the test's journal: each test that asks for it runs on both."""
    name: str = request.param
    return name


@pytest.fixture
def address(store: str, path: Path, request: pytest.FixtureRequest) -> str:
    """Where the test's journal is, as the configuration would say it."""
    if store == "sqlite":
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def open_one(address: str) -> Iterator[Callable[[], Journal]]:
    """Open the test's journal, as another process would; closed at the end."""
    opened: list[Journal] = []

    def make() -> Journal:
        opened.append(open_journal(address, namespace=NAMESPACE, root=Path(), clock=lambda: START, make=True))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_one: Callable[[], Journal]) -> Journal:
    """An empty journal."""
    return open_one()


@pytest.fixture
def ask(store: str, address: str, path: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask the database itself, as another program; what the program writes is committed."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        if store == "sqlite":
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                return connection.execute(statement).fetchall()
        with psycopg.connect(address, autocommit=True, options="-csearch_path=payments_core") as other:
            found = other.execute(statement)
            return found.fetchall() if found.description else []

    return run


@pytest.fixture
def make_row() -> Callable[..., PayoutRecord]:
    """Make a payout of a name."""
    return new_record


@pytest.fixture
def add(journal: Journal) -> Callable[..., PayoutRecord]:
    """Write a new payout and return its row."""

    def write(name: str = "one", **changes: Any) -> PayoutRecord:
        reply = journal.execute(CreatePayout(new_record(name, **changes), Event("payout.accepted", START)))
        assert isinstance(reply, CreateResult)
        assert reply.created
        return reply.row

    return write


@pytest.fixture
def moved(journal: Journal) -> Callable[[ApplyTransition], PayoutRecord]:
    """Write a move that must succeed and return the row after it."""

    def write(entry: ApplyTransition) -> PayoutRecord:
        reply = journal.execute(entry)
        assert isinstance(reply, TransitionApplied), reply
        return reply.row

    return write


@pytest.fixture
def reissued(journal: Journal) -> Callable[..., PayoutRecord]:
    """Begin the next attempt of a failed payout and return its row."""

    def write(row: PayoutRecord, **changes: Any) -> PayoutRecord:
        event = Event("payout.reissued", START, {"actor": "Ann"})
        reply = journal.execute(CreateAttempt(row, next_attempt(row, **changes), event))
        assert isinstance(reply, TransitionApplied), reply
        return reply.row

    return write


@pytest.fixture
def open_shared(postgres_url: str) -> Iterator[Callable[..., PostgresJournal]]:
    """Open journals as so many processes would, closed at the end."""
    opened: list[PostgresJournal] = []

    def make(url: str | None = None, **changes: Any) -> PostgresJournal:
        settings: dict[str, Any] = {"namespace": NAMESPACE, "clock": lambda: START} | changes
        opened.append(PostgresJournal(url or postgres_url, **settings))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture
def shared(open_shared: Callable[..., PostgresJournal]) -> PostgresJournal:
    """A journal."""
    return open_shared()


class Gate:
    """Holds every transaction at its history row: it has decided, and has not committed."""

    def __init__(self, url: str) -> None:
        self._keeper = psycopg.connect(url, autocommit=True)
        self._keeper.execute("""
            CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NEW; END $$;
            CREATE TRIGGER gate BEFORE INSERT ON payments_core.history
            FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
        """)
        self._threads = ThreadPoolExecutor(8)

    def shut(self) -> None:
        """Let every transaction wait."""
        self._keeper.execute("SELECT pg_advisory_lock(4711)")

    def open(self) -> None:
        """Let them go on."""
        self._keeper.execute("SELECT pg_advisory_unlock(4711)")

    def start(self, work: Callable[[], Any]) -> Future[Any]:
        """Begin some work, and return when it waits for a lock."""
        before = self._waiting()
        future = self._threads.submit(work)
        while self._waiting() == before:
            assert not future.done(), future.result()
            time.sleep(0.005)
        return future

    def race(self, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
        """Hold the first at its commit until the second waits; return what became of both."""
        self.shut()
        begun = [self.start(first), self.start(second)]
        self.open()
        return begun[0].result(), begun[1].result()

    def _waiting(self) -> int:
        statement = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
        found = self._keeper.execute(statement).fetchone()
        assert found is not None
        return int(found[0])

    def close(self) -> None:
        """End."""
        self._keeper.close()
        self._threads.shutdown()


@pytest.fixture
def gate(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate before the end of every transaction; a batch waits there as long as one payout does."""
    monkeypatch.setattr("payments_core.journal.postgres.journal._BATCH_LOCK_TIMEOUT_S", 10.0)
    made = Gate(postgres_url)
    yield made
    made.close()


class Cut:
    """A line to the server that can be cut at the moment of a commit."""

    def __init__(self, url: str) -> None:
        result = conninfo.conninfo_to_dict(url)
        host, port = str(result.get("host") or "localhost"), int(result.get("port") or 5432)
        self._host, self._port = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        user, database = result.get("user"), result["dbname"]
        password = f":{result['password']}" if result.get("password") else ""
        at = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"postgresql://{user}{password}@{at}/{database}?sslmode=disable&gssencmode=disable"
        self.before_commit = self.after_commit = self.stays_shut = False
        self.at_cut: Callable[[], object] = int
        self.next_port = 0  # where the line leads after the next cut, if elsewhere
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.stays_shut:
                    near.close()
                    continue
                if self._host.startswith("/"):
                    far = socket.socket(socket.AF_UNIX)
                    far.connect(f"{self._host}/.s.PGSQL.{self._port}")
                else:
                    far = socket.create_connection((self._host, self._port))
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        is_committing = False
        with contextlib.suppress(OSError), near, far:
            while True:
                ready, _, _ = select.select([near, far], [], [])
                for side in ready:
                    data = side.recv(65536)
                    if not data:
                        return
                    if side is near and b"COMMIT\0" in data and (self.before_commit or self.after_commit):
                        self.cuts += 1
                        is_committing = self.after_commit
                        self.before_commit = self.after_commit = False
                        if not is_committing:
                            self._lead_on()
                            return
                    elif side is far and is_committing and b"COMMIT\0" in data:  # the answer, which nobody hears
                        self.at_cut()
                        self._lead_on()
                        return
                    (far if side is near else near).sendall(data)

    def _lead_on(self) -> None:
        self._port = self.next_port or self._port

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def make_cut() -> Iterator[Callable[[str], Cut]]:
    """Make lines to servers that can be cut."""
    made: list[Cut] = []

    def make(url: str) -> Cut:
        made.append(Cut(url))
        return made[-1]

    yield make
    for line in made:
        line.close()


@pytest.fixture
def cut(make_cut: Callable[[str], Cut], postgres_url: str) -> Cut:
    """A line to the test's database that can be cut."""
    return make_cut(postgres_url)
