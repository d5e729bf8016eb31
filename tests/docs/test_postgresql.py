"""The page about PostgreSQL: a role with the rights it lists can pay, and with less it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flat_records import new_record
from psycopg import conninfo

from payments_core import Money, Payee, PayoutClient
from payments_core.domain.causes import PausedBy
from payments_core.domain.deliveries import Consumer
from payments_core.domain.errors import JournalError
from payments_core.domain.inbox_records import Arrival, Handling
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.domain.rates import AcquirePermit, PostEnd, Priority, ReadEnd
from payments_core.domain.records import Event, Pause, Query
from payments_core.engine.commands import AppendHistory, ApplyTransition, CreatePayout, CreateResult
from payments_core.journal import backup_journal, open_audit, open_journal
from payments_mtn_momo.emulator import MtnMomoEmulator

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-on-postgresql.md"
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
EVENT = Event("payout.changed", START)
READ_ONLY = (
    "GRANT USAGE ON SCHEMA payments_core TO paying; GRANT SELECT ON ALL TABLES IN SCHEMA payments_core TO paying"
)


@pytest.fixture
def as_paying(postgres: Any, postgres_url: str) -> Iterator[Callable[[str], Any]]:
    """Make the page's role with the rights given; return its journal."""
    database = conninfo.conninfo_to_dict(postgres_url)["dbname"]
    postgres.execute("CREATE ROLE paying LOGIN PASSWORD 'paying'")
    opened = []

    def make(grants: str) -> Any:
        with psycopg.connect(postgres_url) as owner:
            owner.execute(grants)
        url = re.sub(r"//[^@]*@", "//paying:paying@", postgres_url)
        opened.append(open_journal(url, namespace="test-namespace", root=Path(), clock=lambda: START))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()
    with psycopg.connect(postgres.url_of(database)) as owner:
        owner.execute("DROP OWNED BY paying")
    postgres.execute("DROP ROLE paying")


def test_database_rights_on_the_page_are_enough_to_pay(as_paying: Callable[[str], Any]) -> None:
    """Everything a paying process writes can be written, and what happened cannot be edited."""
    [grants] = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    journal = as_paying(grants)
    refund = new_record("two", operation=Operation.REFUND, payee_kind="collection", original_amount=Decimal(20))
    assert isinstance(journal.execute(CreatePayout(refund, EVENT)), CreateResult)
    now = journal.execute(CreatePayout(new_record(account="a"), EVENT)).row
    block = Pause("a", START, "blocked", PausedBy.ACCOUNT_REFUSED, START)
    now = journal.execute(ApplyTransition(now, now, EVENT, pause=block, asks=Query("q", START))).row
    now = journal.execute(ApplyTransition(now, replace(now, status=PayoutStatus.SENDING), EVENT)).row
    now = journal.execute(
        ApplyTransition(now, replace(now, status=PayoutStatus.REVIEW), EVENT, publish=True, lifts=True)
    ).row
    journal.execute(ApplyTransition(now, now, EVENT, answers="q"))
    journal.execute(AppendHistory(now.id, EVENT, due_at=START))
    journal.set_pause(Pause(None, START, "stop"))
    assert journal.lift_pause(None)
    assert [one.id for one in journal.claim(START, owner="w", until=START, accounts=["a"], limit=1)] == [now.id]
    assert journal.claim(START, owner="w", until=START, accounts=["a"], limit=1)
    assert journal.renew("w", [now.id], START) == {now.id}
    journal.release("w", [now.id])
    assert len(journal.history(now.id)) == 6
    ask = AcquirePermit(account="a", priority=Priority.READ, per_s=9, within_s=10)
    assert journal.permit(ask).result().is_given
    assert journal.permit(ask).result().is_given
    now = journal.get(now.id)
    end = ReadEnd(is_refused=True, after_s=1)
    now = journal.execute(
        ApplyTransition(now, now, EVENT, post_end=PostEnd(is_ambiguous=True, circuit_after=9), read_end=end)
    ).row
    journal.execute(ApplyTransition(now, now, EVENT, post_end=PostEnd(is_ambiguous=False, circuit_after=9)))
    journal.receive(Arrival(account="a", query="", method="PUT", at=START, encoded="{}")).result()
    [arrival] = journal.unhandled(accounts=["a"], limit=9)
    handling = Handling(no=arrival.no, at=START, outcome="read due", details="{}", payout_id=now.id, event=EVENT)
    assert journal.handle(handling) is not None
    journal.callback_secret()
    consumer = Consumer("books")
    [event, *_] = journal.take_deliveries(consumer, at=START, until=START, after=0, limit=1)
    journal.put_off_delivery("books", event.event.id, next_at=START, result="503")
    assert journal.acknowledge("books", event.event.id, START)
    journal.prove_writable()
    journal.prove_writable()


def test_missing_database_right_is_reported_with_the_page(as_paying: Callable[[str], Any]) -> None:
    """The message leads to the page."""
    journal = as_paying(READ_ONLY)
    with pytest.raises(JournalError, match=r"permission denied.*run-on-postgresql"):
        journal.execute(CreatePayout(new_record(), EVENT))


def test_read_only_role_can_verify_and_back_up(
    as_paying: Callable[[str], Any], postgres_url: str, tmp_path: Path
) -> None:
    """A role that can only read verifies a journal and writes a backup of it."""
    as_paying(READ_ONLY)
    asked: dict[str, Any] = {"namespace": "test-namespace", "root": tmp_path}
    url = re.sub(r"//[^@]*@", "//paying:paying@", postgres_url)
    with closing(open_audit(url, **asked)) as audit:
        assert list(audit.flaws()) == []
    backup_journal(url, tmp_path / "b.db", **asked, clock=lambda: START)
    assert (tmp_path / "b.db").exists()


def test_page_example_commits_a_row_and_a_payout_together(
    tmp_path: Path, share_journal: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its example pays whom it recorded; when the application's part fails, there is no payout either."""
    [example] = re.findall(r"```py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with MtnMomoEmulator() as gateway:
        gateway.write_config(tmp_path / "payouts.toml")
        url = share_journal(tmp_path / "payouts.toml")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE bonuses (employee TEXT PRIMARY KEY)")
        with PayoutClient.from_config() as client:
            names: dict[str, Any] = {"psycopg": psycopg, "DATABASE": url, "client": client, "employee": "7"}
            names |= {"payee": Payee.msisdn("46733000001"), "amount": Money(5, "EUR")}
            exec(compile(example, "page", "exec"), names)  # noqa: S102 - our own page
            assert [payout.key for payout in client.payouts()] == ["bonus/7"]
            with psycopg.connect(url) as connection:
                connection.execute("INSERT INTO bonuses VALUES ('8')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                exec(compile(example, "page", "exec"), names | {"employee": "8"})  # noqa: S102 - our own page
            assert [payout.key for payout in client.payouts()] == ["bonus/7"]
        assert len(gateway.ledger()) == 1
