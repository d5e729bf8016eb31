"""The journal's store fails under real workers and an accepting application: money stops, and then it goes on."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import conninfo

from payments_core import Money, Payee, PayoutClient, settings
from payments_core.domain.errors import JournalError
from payments_core.journal import init_journal

AS_ROOT = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk; tests/journal has what needs no root"
)


class Application:
    """Accepts payouts one after another, and each again until it has heard a yes."""

    def __init__(self, place: Any) -> None:
        self.accepted: list[str] = []
        self.errors: list[JournalError] = []
        self._place = place
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Application:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def has_accepted(self, more: int) -> None:
        """Wait until it has heard so many more."""
        have = len(self.accepted)
        self._place.wait_for(lambda: len(self.accepted) >= have + more)

    def has_seen_errors(self, more: int) -> None:
        have = len(self.errors)
        self._place.wait_for(lambda: len(self.errors) >= have + more)

    def _work(self) -> None:
        with PayoutClient.from_config(self._place.config) as client:
            number = 0
            while not self._ended.is_set():
                key, payee = f"app/{number:04}", Payee.msisdn(f"46733{number:06}")
                try:
                    client.accept(key=key, payee=payee, amount=Money(5, "EUR"), note="n" * 150)
                except JournalError as error:
                    self.errors.append(error)
                    time.sleep(0.05)
                else:
                    self.accepted.append(key)
                    number += 1
                    time.sleep(0.02)


def share(place: Any, url: str) -> None:
    """Let a place keep its journal at an address."""
    place.config.write_text(place.config.read_text("utf-8").replace("sqlite:///payouts.db", url), "utf-8")
    if url.startswith("postgres"):
        namespace = settings.load(place.config).namespace
        init_journal(url, namespace=namespace, root=place.folder, at=datetime.now(UTC))


def every_payment_is_recorded(place: Any) -> None:
    """What the gateway knows has a row, which was written before."""
    known = {row.attempt.references["reference"] for row in place.rows() if row.attempt.submissions}
    assert {entry["reference"] for entry in place.gateway.ledger()} <= known


def all_goes_on(place: Any, application: Application) -> None:
    """Everything accepted is paid, once."""
    place.wait_for(lambda: place.all_paid() and len(place.rows()) == len(application.accepted), 90)
    assert {row.order.key for row in place.rows()} == set(application.accepted)
    place.check(len(application.accepted))
    assert all(error.hint for error in application.errors)


def test_workers_survive_restarts_of_the_journals_server(make_place: Any, own_postgres: Any, rounds: int) -> None:
    """Stopped at once and by a crash: two workers wait for it, the application's yes holds, everybody is paid once."""
    place = make_place()
    share(place, own_postgres.create(empty=True))
    place.gateway.set_faults({"slow_s": {"value": 0.05}})
    workers = place.start_all(2)
    with Application(place) as application:
        try:
            for mode in ["fast", "immediate"] * min(rounds, 5):
                application.has_accepted(15)
                own_postgres.stop(mode)
                application.has_seen_errors(2)
                own_postgres.start()
        finally:
            own_postgres.start()
        application.has_accepted(5)
    all_goes_on(place, application)
    assert all(worker.events_named("worker.trouble") for worker in workers)
    assert [worker.stop()["cut"] for worker in workers] == [0, 0]


def test_workers_survive_a_read_only_database(make_place: Any, own_postgres: Any) -> None:
    """Nothing is sent that could not be written; who accepts is told what to do; afterwards all goes on."""
    place = make_place()
    url = own_postgres.create(empty=True)
    share(place, url)
    name = conninfo.conninfo_to_dict(url)["dbname"]
    drop = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    worker = place.start_all(1)[0]
    with Application(place) as application:
        application.has_accepted(5)
        own_postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        own_postgres.ask(drop)
        application.has_seen_errors(3)
        place.wait_for(lambda: any("is read-only" in one["why"] for one in worker.events_named("worker.trouble")))
        sent = len(place.gateway.ledger())
        time.sleep(0.5)
        assert len(place.gateway.ledger()) == sent
        own_postgres.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        own_postgres.ask(drop)
        application.has_accepted(5)
    assert any("read-only" in error.message for error in application.errors)
    all_goes_on(place, application)
    worker.stop()


class Disk:
    """A small disk of its own, mounted."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._filling = folder / "filling"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "payments-test", str(folder)], check=True
        )

    def fill(self) -> None:
        with self._filling.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 4096):
                pass

    def make_room(self) -> None:
        self._filling.unlink()

    def allow(self, how: str) -> None:
        """Mount it anew: ``ro`` or ``rw``."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def mount() -> Iterator[Callable[[Path, int], Disk]]:
    """Mount small disks."""
    with contextlib.ExitStack() as stack:

        def make(folder: Path, megabytes: int) -> Disk:
            disk = Disk(folder, megabytes)
            stack.callback(disk.close)
            return disk

        yield make


@AS_ROOT
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_workers_survive_a_full_disk(
    make_place: Any, mount: Callable[[Path, int], Disk], request: pytest.FixtureRequest, tmp_path: Path, store: str
) -> None:
    """Who accepts hears no yes, nothing unrecorded is sent, and with room again the same processes go on."""
    place = make_place()
    if store == "sqlite":
        disk = mount(tmp_path / "small", 2)
        share(place, f"sqlite:///{disk.folder}/payouts.db")
        dropped = None
    else:
        request.getfixturevalue("long_run")
        server = request.getfixturevalue("own_postgres")
        disk = mount(Path(server._data).parent / "small", 16)
        os.chown(disk.folder, *(int(text) for text in _ids(server._server.system_user)))
        server.execute(f"CREATE TABLESPACE small LOCATION '{disk.folder}'")
        server.execute("CREATE DATABASE small TABLESPACE small TEMPLATE template0 ENCODING 'UTF8'")
        share(place, server.url_of("small"))
        dropped = server
    try:
        place.gateway.set_faults({"slow_s": {"value": 0.05}})
        worker = place.start_all(1)[0]
        with Application(place) as application:
            application.has_accepted(5)
            disk.fill()
            application.has_seen_errors(3)
            every_payment_is_recorded(place)
            disk.make_room()
            application.has_accepted(5)
        assert any(" full" in error.message for error in application.errors), application.errors
        all_goes_on(place, application)
        worker.stop()
    finally:
        if dropped is not None:
            place.close()
            dropped.execute("DROP DATABASE small WITH (FORCE)")
            dropped.execute("DROP TABLESPACE small")


def _ids(user: str | None) -> tuple[str, str]:
    import pwd

    found = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
    return str(found.pw_uid), str(found.pw_gid)


@AS_ROOT
@pytest.mark.usefixtures("long_run")
def test_workers_survive_a_read_only_disk(make_place: Any, mount: Callable[[Path, int], Disk], tmp_path: Path) -> None:
    """Worker and application say so at once, and send nothing; once it may be written again all is paid."""
    place = make_place()
    disk = mount(tmp_path / "small", 2)
    share(place, f"sqlite:///{disk.folder}/payouts.db")
    place.accept(3)
    disk.allow("ro")
    worker = place.start("--once")
    worker.finish(1)
    assert "is read-only" in worker.events[-1]["error"]["message"]
    with pytest.raises(JournalError, match="is read-only"):
        place.accept(1, "more")
    assert place.gateway.ledger() == []
    disk.allow("rw")
    place.start()
    place.wait_for(place.all_paid)
    place.check(3)
