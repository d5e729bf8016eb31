"""A payout is accepted now and sent later: alone, or together with what the application writes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient, PayoutStatus
from payments_core.domain.errors import DailyLimitReached, InvalidPayout, JournalError, KeyReused, SettingsError
from payments_core.journal.postgres import journal
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]
ORDER: dict[str, Any] = {"key": "order/1", "payee": Payee.msisdn("46733000001"), "amount": Money(5, "EUR")}


@pytest.fixture
def database(gateway: MtnMomoEmulator, tmp_path: Path, share_journal: Callable[[Path], str]) -> str:
    """The journal's database, which also holds a table of the application's."""
    url = share_journal(tmp_path / "payouts.toml")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE orders (key TEXT PRIMARY KEY)")
    return url


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_accepted_payout_is_sent_later_and_once(gateway: MtnMomoEmulator, using: Run) -> None:
    """Nothing leaves when it is accepted; the same key, or `resume`, sends it."""
    accepted = using(lambda client: client.accept(**ORDER))
    assert (accepted.status, accepted.submissions) == (PayoutStatus.CREATED, 0)
    assert using(lambda client: client.accept(**ORDER)) == accepted
    with pytest.raises(KeyReused):
        using(lambda client: client.accept(**ORDER | {"amount": Money(6, "EUR")}))
    assert gateway.ledger() == []
    with PayoutClient.from_config() as client:
        assert client.send(**ORDER).id == accepted.id
        client.resume(timeout_s=60)
        assert client.get(accepted.id).status is PayoutStatus.SUCCEEDED
    assert [entry["credits"] for entry in gateway.ledger()] == [1]


@pytest.mark.usefixtures("gateway")
def test_accept_refuses_operation_that_does_not_exist(using: Run) -> None:
    """The same error as from `send`, which names what there is."""
    with pytest.raises(InvalidPayout, match="There is no operation 'gift'; there are transfer, deposit, refund"):
        using(lambda client: client.accept(**ORDER, operation="gift"))


def orders(database: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT key FROM orders").fetchall()


def test_order_and_payout_are_committed_together(database: str, gateway: MtnMomoEmulator) -> None:
    """Rolled back, there is no trace of either; committed, the payout is sent by whoever works."""
    rows: Any = dict_row  # as an application may have set it
    with PayoutClient.from_config() as client, psycopg.connect(database, row_factory=rows) as connection:
        for end in (connection.rollback, connection.commit):
            connection.execute("INSERT INTO orders VALUES (%s)", (ORDER["key"],))
            accepted = client.accept(**ORDER, connection=connection)
            assert accepted.status is PayoutStatus.CREATED
            assert client.accept(**ORDER, connection=connection) == accepted
            assert client.resume(timeout_s=0).open == 0
            end()
            assert [(payout.key,) for payout in client.payouts()] == orders(database)
        assert orders(database) == [(ORDER["key"],)]
        client.resume(timeout_s=60)
        assert client.get(ORDER["key"]).status is PayoutStatus.SUCCEEDED
    assert [entry["credits"] for entry in gateway.ledger()] == [1]


def test_order_and_payout_are_committed_together_on_an_event_loop(database: str) -> None:
    """The same with an asynchronous client and connection."""

    async def main() -> None:
        async with AsyncPayoutClient.from_config() as client:
            async with await psycopg.AsyncConnection.connect(database) as connection:
                await client.accept(**ORDER, connection=connection)
                await connection.rollback()
                assert [payout async for payout in client.payouts()] == []
                first = await client.accept(**ORDER, connection=connection)
                assert await client.accept(**ORDER, connection=connection) == first
                with pytest.raises(KeyReused):
                    await client.accept(**ORDER | {"amount": Money(6, "EUR")}, connection=connection)
            assert [payout.id async for payout in client.payouts()] == [first.id]
            with psycopg.connect(database) as wrong, pytest.raises(JournalError, match=r"no psycopg\.AsyncConnection"):
                await client.accept(**ORDER | {"key": "order/2"}, connection=wrong)

    asyncio.run(main())


@pytest.mark.usefixtures("gateway")
def test_sqlite_journal_takes_no_part_in_a_transaction(using: Run) -> None:
    """A promise that cannot be kept is refused in words, and nothing is written."""
    with pytest.raises(SettingsError, match=r"SQLite file.*nothing was written.*PostgreSQL"):
        using(lambda client: client.accept(**ORDER, connection=object()))
    assert using(lambda client: client.payouts()) == []


@pytest.mark.usefixtures("gateway")
def test_refund_is_not_accepted(using: Run) -> None:
    """It needs what was collected, and has a call of its own."""
    with pytest.raises(InvalidPayout):
        using(lambda client: client.accept(**ORDER, operation="refund"))


def test_key_held_by_another_transaction_is_not_waited_for_endlessly(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds, unless the application's own lock_timeout says otherwise; afterwards it is as it was."""
    with PayoutClient.from_config() as client, psycopg.connect(database) as one, psycopg.connect(database) as other:
        client.accept(**ORDER, connection=one)
        assert one.execute("SHOW lock_timeout").fetchone() == ("0",)
        other.execute("SET LOCAL lock_timeout = 200")
        with pytest.raises(JournalError, match="is locked"):
            client.accept(**ORDER, connection=other)
        other.rollback()
        monkeypatch.setattr(journal, "_LOCK_TIMEOUT", "200ms")
        with pytest.raises(JournalError, match="is locked"):
            client.accept(**ORDER, connection=other)


def test_full_day_refuses_a_payout_in_the_applications_transaction(database: str) -> None:
    """No budget is locked until the application commits, and the transaction can go on."""
    config = Path("payouts.toml")
    config.write_text(f'{config.read_text("utf-8")}\n[accounts.mtn-sandbox.daily_limit]\nEUR = "9"\n', "utf-8")
    with PayoutClient.from_config() as client, psycopg.connect(database) as connection:
        client.send(**ORDER)
        with pytest.raises(DailyLimitReached, match="of 9 EUR, 5 is used and 4 is left"):
            client.accept(**ORDER | {"key": "order/2"}, connection=connection)
        client.accept(**ORDER | {"key": "order/2", "amount": Money(4, "EUR")}, connection=connection)
        assert client.send(**ORDER | {"key": "order/3", "amount": Money(4, "EUR")}).submissions == 1
        connection.commit()
        assert client.get("order/2").status is PayoutStatus.CREATED


def test_connection_that_cannot_carry_a_payout_is_refused(database: str) -> None:
    """Before anything is written: one that answers later, or that cannot hold every name."""
    with PayoutClient.from_config() as client, psycopg.connect(database) as connection:
        with connection.pipeline(), pytest.raises(JournalError, match="pipeline mode"):
            client.accept(**ORDER, connection=connection)
        connection.rollback()
        connection.execute("SET client_encoding = 'LATIN1'")
        with pytest.raises(JournalError, match="client_encoding is not UTF8"):
            client.accept(**ORDER, connection=connection)


@pytest.mark.usefixtures("database")
def test_async_client_reads_a_database_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other payment of an event loop waits for the server's answer to a read."""
    threads: list[int] = []
    fetched = journal.PostgresJournal._fetch

    def fetch(reader: journal.PostgresJournal, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        threads.append(threading.get_ident())
        return fetched(reader, statement, values)

    monkeypatch.setattr(journal.PostgresJournal, "_fetch", fetch)

    async def pay() -> None:
        async with AsyncPayoutClient.from_config() as client:
            sent = await client.send(**ORDER)
            await client.send(**ORDER)
            await client.refresh(sent.id)
            await client.wait(sent.id, timeout_s=30)
            await client.resume(timeout_s=0)
            assert (await client.get(sent.key)).history

    asyncio.run(pay())
    assert threads
    assert threading.get_ident() not in threads
