"""Moving a journal between the two stores: everything arrives, and there are never two that pay."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from payments_core import Money, Payee, PayoutStatus
from payments_core.arrivals import Arrival, Handling
from payments_core.cli.app import run
from payments_core.entries import AskAccount
from payments_core.errors import JournalError, JournalSealed
from payments_core.journal import keeping, open_journal, store_of
from payments_core.journal.moving import TABLES
from payments_core.journal.sqlite import SqliteJournal
from payments_core.rows import Query

S = PayoutStatus
STEPS = ("copied payouts", "seal", "sealed", "live")


@pytest.fixture
def target(place: Any, request: pytest.FixtureRequest) -> str:
    """Where the other kind of journal is to be."""
    if place.kind == "sqlite":
        url: str = request.getfixturevalue("new_database")()
        return url
    return "sqlite:///moved.db"


def fill(place: Any) -> None:
    """Pay, fail, pay again, leave one open, pause."""
    with place.client() as client:
        [account] = client.accounts()
        place.refused = {"again"}
        place.send(client, "again", "46733000001")
        place.refused = set()
        place.send(client, "paid", "46733000002")
        place.send(client, "ongoing", "46733123453")
        client.pay_again("again", who="Ann", why="Zoë said so: 100 %")
        assert {client.wait(key, timeout_s=10).status for key in ("again", "paid")} == {S.SUCCEEDED}
        client.accept(key="later", payee=Payee.msisdn("46733000003"), amount=Money(5, "EUR"))
        client.pause(account=account, why="it's moving")
        journal, query, at = client._office.journal, "a" * 64, datetime.now(UTC)
        journal.perform(AskAccount(account, Query(query, at)))
        journal.receive(Arrival(account=account, query=query, method="POST", at=at, sealed="{}")).result()
        [came] = journal.unhandled(accounts=[account], limit=1)
        journal.handle(Handling(no=came.no, at=at, outcome="answered", told="{}", answer='{"balances":[]}'))


def dump(place: Any, url: str) -> dict[str, list[Any]]:
    store = place.store(url)
    with store.writing() as session:
        return {
            table: session.execute(
                f"SELECT {', '.join(f'{chr(34)}{name}{chr(34)}' for name in sorted(store.columns(session, table)))}"  # noqa: S608
                f" FROM {store.sql.schema}{table}",
                (),
            ).fetchall()
            for table in TABLES
        }


def test_everything_arrives_and_the_old_journal_is_sealed(place: Any, target: str) -> None:
    """There and back again: the same rows in every table, and the one that was left says where the journal went."""
    fill(place)
    source = place.url
    before = dump(place, source)
    moved = keeping.move(place.store(), place.store(target))
    assert moved.rows == {table: len(rows) for table, rows in before.items()}
    after = dump(place, target)
    assert {table: sorted(map(repr, rows)) for table, rows in after.items()} == {
        table: sorted(map(repr, rows)) for table, rows in before.items()
    }
    with pytest.raises(JournalSealed, match=r"was moved to .*(moved\.db|PostgreSQL database)"):
        place.client()
    assert keeping.move(place.store(), place.store(target)).to == moved.to  # once more does no harm
    place.point(target)
    with place.client() as client:
        client.unpause(account=client.accounts()[0])
        assert place.send(client, "paid", "46733000002").status is S.SUCCEEDED
        place.send(client, "later", "46733000003")
        place.send(client, "new", "46733000004")
        assert {client.wait(key, timeout_s=10).status for key in ("later", "new")} == {S.SUCCEEDED}
    assert place.credits() == {f"4673300000{number}": 1 for number in (1, 2, 3, 4)}
    back = "sqlite:///back.db" if place.kind == "sqlite" else None
    if back is not None:
        keeping.move(place.store(), place.store(back))
        place.point(back)
        with place.client() as client:
            assert client.get("new").status is S.SUCCEEDED


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_no_two_journals(place: Any, target: str, step: str) -> None:
    """The process dies before a step: at most one journal opens, and the same command finishes the move."""
    with place.client() as client:
        place.send(client, "paid", "46733000001")
    script = textwrap.dedent(f"""
        import os
        from datetime import UTC, datetime
        from pathlib import Path
        from payments_core.journal import keeping, store_of
        told = dict(namespace={place.namespace!r}, root=Path({str(place.folder)!r}), at=datetime.now(UTC))
        keeping.move(
            store_of({place.url!r}, **told), store_of({target!r}, **told),
            at_step=lambda step: os._exit(9) if step == {step!r} else None,
        )
    """)
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 9, done.stderr
    live = [url for url in (place.url, target) if opens(place, url)]
    assert live == ([place.url] if step != "live" else [])
    keeping.move(place.store(), place.store(target))
    assert [url for url in (place.url, target) if opens(place, url)] == [target]


def opens(place: Any, url: str) -> bool:
    if url.startswith("sqlite:") and not (place.folder / url.removeprefix("sqlite:///")).exists():
        return False
    try:
        journal = open_journal(url, namespace=place.namespace, root=place.folder, clock=lambda: place.gateway.now)
    except JournalSealed:
        return False
    except JournalError as error:
        assert "holds no journal" in error.message  # noqa: PT017
        return False
    journal.close()
    return True


WORKING = """
import sys, time
from payments_core import Money, Payee, PayoutClient
from payments_core.errors import JournalSealed, PayoutInterrupted
with PayoutClient.from_config("payouts.toml") as client:
    for number in range(400):
        try:
            client.accept(key=f"k/{number}", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"))
        except JournalSealed as error:
            print(number, error.code, flush=True)
            break
        print(number, flush=True)
        time.sleep(0.02)
    row = client.get("k/0")
    try:
        client.send(key="k/0", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"))
    except PayoutInterrupted as error:
        print("send", error.may_have_been_sent, flush=True)
"""


def test_a_process_that_has_it_open_goes_on_no_more(place: Any, target: str) -> None:
    """Whoever had the source open is refused by the source itself, from the moment of the seal."""
    with place.client():
        pass
    with subprocess.Popen(
        [sys.executable, "-P", "-c", WORKING], cwd=place.folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(10):
            process.stdout.readline()
        moved = keeping.move(place.store(), place.store(target))
        told = process.stdout.read().splitlines()
        assert process.wait(30) == 0
    assert told[-1] == "send False"
    number, code = told[-2].split()
    assert code == "journal_sealed"
    assert moved.rows["payouts"] == int(number)  # all that was acknowledged, and nothing after it
    assert place.gateway.ledger() == []


def test_a_worker_that_has_it_open_ends_and_pays_nobody(place: Any, target: str) -> None:
    """It takes nothing more, and its last word is where the journal went."""
    with place.config.open("a", encoding="utf-8") as file:
        file.write("\n[worker]\npoll_s = 0.2\nclaim_s = 5\ngrace_s = 5\n")
    with place.client() as client:
        place.send(client, "paid", "46733000001")
        client.wait("paid", timeout_s=10)
        soon = datetime.now(UTC) + timedelta(seconds=4)
        client.accept(key="later", payee=Payee.msisdn("46733000002"), amount=Money(5, "EUR"), not_before=soon)
    command = [sys.executable, "-P", "-m", "payments_core", "worker", "--log-json", "--log-level", "INFO"]
    with subprocess.Popen(command, cwd=place.folder, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        while "worker.started" not in worker.stderr.readline():
            pass
        keeping.move(place.store(), place.store(target))
        told = worker.stderr.read()
        assert worker.wait(20) == 1, told
    assert "was moved to" in told
    assert place.credits() == {"46733000001": 1}


def test_a_payment_on_its_way_is_waited_for(place: Any, target: str) -> None:
    """Nothing is moved under a send; once its lease is over, the copy knows that it may have arrived."""
    place.change(timeout_s=0.4, lease_s=1.0)
    place.gateway.set_faults({"slow_s": {"value": 1, "on": "post"}})
    client = place.client()
    client.accept(key="k", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"))
    script = "from payments_core import *; PayoutClient.from_config('payouts.toml').resume(timeout_s=0)"
    with subprocess.Popen([sys.executable, "-P", "-c", script], cwd=place.folder) as process:
        until = time.monotonic() + 10
        while client.get("k").status is not S.SENDING:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
    with pytest.raises(JournalError, match="on its way"):
        keeping.move(place.store(), place.store(target))
    time.sleep(1.1)
    keeping.move(place.store(), place.store(target))
    client.close()


def test_a_target_that_is_not_empty_is_left_alone(place: Any, target: str) -> None:
    """Nobody's journal is overwritten, not even an empty one of ours."""
    with place.client() as client:
        place.send(client, "paid", "46733000001")
    if place.kind == "sqlite":
        run(["journal", "init", "--config", str(other_config(place, target))])
    else:
        other = place.folder / "moved.db"
        SqliteJournal(other, namespace=place.namespace, clock=lambda: place.gateway.now, make=True).close()
    with pytest.raises(JournalError, match="is not empty; nothing was moved"):
        keeping.move(place.store(), place.store(target))
    with pytest.raises(JournalError, match="already"):
        keeping.move(place.store(), place.store(place.url))
    with place.client() as client:
        assert client.get("paid")


def other_config(place: Any, url: str) -> Path:
    path = place.folder / "other.toml"
    text = place.config.read_text("utf-8").replace(place.url, url)
    path.write_text(text, "utf-8")
    return path


def test_the_command_moves(place: Any, target: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """It says where to, without a password, and what to do next."""
    monkeypatch.setenv("NEW_JOURNAL", target)
    with place.client() as client:
        place.send(client, "paid", "46733000001")
    capsys.readouterr()
    assert run(["journal", "move", "--to", "env:NEW_JOURNAL"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Moved 1 payouts to ")
    assert "is sealed" in told
    assert run(["list"]) == 1
    assert "was moved to" in capsys.readouterr().err


@pytest.fixture
def sorted_database(start_postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database on a server that sorts as people do: the tests' one knows no language, so one is made."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server may be another user's
        made = Path(folder, "en_US.UTF-8")
        subprocess.run(["localedef", "-i", "en_US", "-f", "UTF-8", str(made)], check=True)
        monkeypatch.setenv("LOCPATH", folder)
        monkeypatch.setenv("LC_ALL", made.name)
        yield start_postgres().create(empty=True)


@pytest.mark.skipif(not Path("/usr/share/i18n/locales/en_US").exists(), reason="needs glibc's locales to make one")
def test_a_copy_is_exact_in_whatever_order_a_server_sorts(tmp_path: Path, sorted_database: str) -> None:
    """There and back: every text by which rows are ordered stands both in capitals and in small letters."""
    with psycopg.connect(sorted_database) as server:
        assert server.execute("SELECT 'a1b2' < 'AG_2023x'").fetchone() == (True,)
    told: Any = {"namespace": "test-namespace", "root": tmp_path, "at": datetime.now(UTC)}
    here, there, back = (store_of(url, **told) for url in ("sqlite:///here.db", sorted_database, "sqlite:///back.db"))
    here.create({})
    with here.writing() as session:
        for name in ("AG_2023x", "a1b2"):
            for table in TABLES:
                plant(here, session, table, name)
    assert keeping.move(here, there).rows == keeping.move(there, back).rows == dict.fromkeys(TABLES, 2)


def plant(store: Any, session: Any, table: str, name: str) -> None:
    """Write one row that says the same name wherever a text may stand."""
    kinds = session.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
    number = {"AG_2023x": 1, "a1b2": 2}[name]
    values = [name if kind == "TEXT" else number for _, kind in kinds]
    names = ", ".join(f'"{column}"' for column, _ in kinds)
    session.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608


def test_two_servers_on_one_machine_are_told_apart() -> None:
    """A port makes another place of it, unless it is the one that everybody means."""
    told: Any = {"namespace": "n", "root": Path(), "at": datetime.now(UTC)}
    default, plain, other = (
        store_of(f"postgresql:///payouts?host=/nowhere{port}", **told) for port in ("&port=5432", "", "&port=5433")
    )
    with pytest.raises(JournalError, match="is in PostgreSQL database payouts on /nowhere already"):
        keeping.move(default, plain)
    with pytest.raises(JournalError, match="cannot be reached"):
        keeping.move(default, other)
    assert other.name == "PostgreSQL database payouts on /nowhere (port 5433)"


def test_every_table_is_moved(place: Any) -> None:
    """A table that is added to the journal is moved, or is named among those that are not."""
    with place.client():
        pass
    store = place.store()
    with store.writing() as session:
        assert set(store.tables(session)) == {*TABLES, "claims", "meta"}
