"""A server that is switched to forget while it runs: what was acknowledged is durable all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flat_records import START, changed

from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine.commands import ApplyTransition, CreatePayout
from payments_core.journal import store_of
from payments_core.journal.maintenance import restore
from payments_core.journal.postgres.journal import PostgresJournal

NAMESPACE = "test-namespace"
EVENT = Event("payout.accepted", START)
Row = Callable[..., PayoutRecord]

WATCH = """
    CREATE TABLE public.noted (what text, synchronous_commit text);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.noted VALUES (TG_TABLE_NAME, current_setting('synchronous_commit')); RETURN NULL;
    END $$;
"""


@pytest.fixture
def url(own_postgres: Any) -> Iterator[str]:
    """A journal on a server whose settings may be changed."""
    made = own_postgres.create()
    yield made
    for setting in ("synchronous_commit", "wal_writer_delay"):
        own_postgres.execute(f"ALTER SYSTEM RESET {setting}")
    own_postgres.execute("SELECT pg_reload_conf()")
    own_postgres.drop(made)


@pytest.fixture
def journal(url: str) -> Iterator[PostgresJournal]:
    """It, opened while the server was as it must be."""
    with closing(PostgresJournal(url, namespace=NAMESPACE, clock=lambda: START)) as opened:
        yield opened


def switch(server: Any, url: str, setting: str, value: str) -> None:
    """Switch a running server, and wait until its sessions know."""
    server.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
    server.execute("SELECT pg_reload_conf()")
    for _ in range(200):
        with psycopg.connect(url) as other:
            if other.execute(f"SHOW {setting}").fetchone() == (value,):  # a new session: the others follow at once
                return
            other.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("the server did not take the setting")


@pytest.mark.parametrize(
    ("switched", "used"), [("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")]
)
def test_payout_writes_are_flushed_whatever_the_server_is_switched_to(
    own_postgres: Any, url: str, journal: PostgresJournal, make_row: Row, switched: str, used: str
) -> None:
    """Each transaction says so by itself, the application's with a payout in it too; a stricter setting is kept."""
    with psycopg.connect(url) as other:
        other.execute(WATCH)
        for table in ("payouts", "history", "pauses"):
            other.execute(
                f"CREATE TRIGGER noted AFTER INSERT OR UPDATE ON payments_core.{table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION public.note()"
            )
        at = datetime.now(UTC)
    journal.counts()
    switch(own_postgres, url, "synchronous_commit", switched)
    row = make_row()
    journal.execute(CreatePayout(row, EVENT))
    journal.execute(ApplyTransition(row, changed(row, submissions=1), EVENT))
    journal.set_pause(Pause("main", START, "a person's"))
    with psycopg.connect(url, options=f"-csynchronous_commit={switched}") as connection:
        journal.open_within(connection, CreatePayout(make_row("two"), EVENT))

    async def accept() -> None:
        async with await psycopg.AsyncConnection.connect(url, options=f"-csynchronous_commit={switched}") as there:
            await journal.open_within_async(there, CreatePayout(make_row("three"), EVENT))

    asyncio.run(accept())
    switch(own_postgres, url, "synchronous_commit", "on")  # a new connection would be refused
    store = store_of(url, namespace=NAMESPACE, root=Path(), at=at)
    connect = store._server.connect  # type: ignore[attr-defined]

    def connect_then_switch() -> Any:
        opened = connect()
        opened.execute(f"SET synchronous_commit = {switched}")  # as a pooler's other client may have left it
        return opened

    store._server.connect = connect_then_switch  # type: ignore[attr-defined]
    restore.begin_gap(store, START, restore.OperatorAction(at, "Ann", "a test"))
    with psycopg.connect(url) as other:
        noted = other.execute("SELECT what, synchronous_commit FROM public.noted").fetchall()
    assert {what for what, _ in noted} == {"payouts", "history", "pauses"}
    assert {setting for _, setting in noted} == {used}, noted


def test_crash_of_a_switched_server_loses_nothing(
    own_postgres: Any, url: str, journal: PostgresJournal, make_row: Row
) -> None:
    """Every payout that was acknowledged is there when the server comes back."""
    journal.counts()
    switch(own_postgres, url, "wal_writer_delay", "10s")  # what is not flushed at once stays in memory for long
    switch(own_postgres, url, "synchronous_commit", "off")
    acknowledged = []
    for number in range(30):
        journal.execute(CreatePayout(make_row(str(number)), EVENT))
        acknowledged.append(f"salary/{number}")
    with psycopg.connect(url, options="-csynchronous_commit=off") as connection:
        journal.open_within(connection, CreatePayout(make_row("accepted"), EVENT))
    own_postgres.stop("immediate")
    own_postgres.start()
    with psycopg.connect(url) as other:
        found = other.execute("SELECT key FROM payments_core.payouts ORDER BY no").fetchall()
    assert [key for (key,) in found] == [*acknowledged, "salary/accepted"]
