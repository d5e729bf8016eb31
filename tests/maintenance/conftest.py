"""A journal with payouts in every state, on both stores, made by a client against a gateway."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flat_records import changed
from psycopg import conninfo

from payments_core import Money, Payee, PayoutClient, PayoutStatus, ReasonCode
from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.records import Event
from payments_core.engine import derived_references, transitions
from payments_core.engine.commands import AppendHistory, ApplyTransition, CreateAttempt, TransitionApplied
from payments_core.engine.reissuance import _begun
from payments_core.journal import backup_journal, open_audit
from payments_core.journal.maintenance.verify import Flaw
from payments_core.runtime import utc_now
from payments_mtn_momo.emulator import MtnMomoEmulator

PAID, FAILS, PENDING = "46733123499", "46733123457", "46733123453"


class World:
    """One journal, and the configuration that pays into it."""

    def __init__(self, store: str, folder: Path, url: str, gateway: MtnMomoEmulator) -> None:
        self.store, self.folder, self.url, self.gateway = store, folder, url, gateway
        self.config = folder / "payouts.toml"
        self.namespace = NAMESPACE

    def client(self) -> PayoutClient:
        return PayoutClient.from_config(self.config)

    def pay(self, key: str, *, to: str = PAID, amount: int = 5, note: str = "", **more: Any) -> Any:
        with self.client() as client:
            return client.send(key=key, payee=Payee.msisdn(to), amount=Money(amount, "EUR"), note=note, **more)

    def refund(self, key: str, collection: str, amount: int) -> Any:
        with self.client() as client:
            eur = Money(amount, "EUR")
            return client.refund(key=key, collection=collection, amount=eur, original_amount=Money(10, "EUR"))

    def review(self, key: str) -> Any:
        """Put a payout that is under way into review, as a read that shows another amount does."""
        with self.client() as client:
            journal = client._runtime.journal
            row = journal.by_key(key)
            assert row is not None
            decision = transitions.review(
                row, ReasonCode.MISMATCH, "The provider shows another amount.", datetime.now(UTC)
            )
            reply = journal.execute(ApplyTransition(row, decision.after, decision.event, publish=True))
            assert isinstance(reply, TransitionApplied)
            return reply.row

    def contradict(self, key: str) -> None:
        """Let a read say otherwise than the end of a payout."""
        with self.client() as client:
            row = client._runtime.journal.by_key(key)
            assert row is not None
            at = datetime.now(UTC)
            output = Contradiction(at, row.attempt.account, row.attempt.number, ProviderStatus.FAILED)
            client._runtime.journal.execute(
                AppendHistory(row.id, Event("payout.contradicted", at), contradiction=output)
            )

    def back_up(self, path: Path, **more: Any) -> datetime:
        """Write a backup into a file; return the time it holds."""
        return backup_journal(self.url, path, namespace=self.namespace, root=self.folder, clock=utc_now, **more)

    def flaws(self) -> list[Flaw]:
        with self.client() as client:
            derive = derived_references(client._runtime.accounts, self.namespace)
        with closing(open_audit(self.url, namespace=self.namespace, root=self.folder, derive=derive)) as audit:
            return list(audit.flaws())

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        return self.plant([statement])

    def plant(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        """Write past every rule, trigger and constraint, as somebody with the database's own tools can."""
        found: list[tuple[Any, ...]] = []
        if self.store == "postgres":
            options = "-csearch_path=payments_core -csession_replication_role=replica"
            with psycopg.connect(self.url, autocommit=True, options=options) as server:
                for statement in statements:
                    done = server.execute(statement)
                    found = done.fetchall() if done.description else []
            return found
        with closing(sqlite3.connect(self.folder / "payouts.db", isolation_level=None)) as file:
            triggers = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                file.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                found = file.execute(statement).fetchall()
            for _, made in triggers:
                file.execute(made)
        return found


@pytest.fixture
def gateway() -> Iterator[MtnMomoEmulator]:
    """A gateway of each test's own: all journals have one namespace, and so the same keys the same references."""
    with MtnMomoEmulator() as emulator:
        yield emulator


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _configured(store: str, folder: Path, gateway: MtnMomoEmulator, url: str) -> World:
    path = folder / "payouts.toml"
    gateway.write_config(path)
    text = path.read_text("utf-8").replace('"sqlite:///payouts.db"', f'"{url}"')
    path.write_text(re.sub(r'(?m)^namespace = ".*"$', f'namespace = "{NAMESPACE}"', text), "utf-8")
    return World(store, folder, url, gateway)


NAMESPACE = "test-namespace"


@pytest.fixture
def world(store: str, tmp_path: Path, gateway: MtnMomoEmulator, request: pytest.FixtureRequest) -> World:
    """An empty journal on one of the stores."""
    url = "sqlite:///payouts.db" if store == "sqlite" else request.getfixturevalue("postgres_url")
    return _configured(store, tmp_path, gateway, url)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Callable[[str], World]]:
    """Make a journal with payouts in every state that it can hold at rest, once for each store."""
    made: dict[str, World] = {}
    gateways = contextlib.ExitStack()

    def make(store: str) -> World:
        if store not in made:
            gateway = gateways.enter_context(MtnMomoEmulator())
            url = "sqlite:///payouts.db" if store == "sqlite" else request.getfixturevalue("postgres").create()
            made[store] = _configured(store, tmp_path_factory.mktemp(store), gateway, url)
            _fill(made[store])
        return made[store]

    with gateways:
        yield make


@pytest.fixture
def full(store: str, build: Callable[[str], World], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A copy of it, to be spoiled."""
    made = build(store)
    if store == "sqlite":
        shutil.copy(made.folder / "payouts.db", tmp_path / "payouts.db")
        yield _configured(store, tmp_path, made.gateway, made.url)
        return
    server = request.getfixturevalue("postgres")
    name = f"payments_copy_{os.getpid()}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {conninfo.conninfo_to_dict(made.url)['dbname']}")
    url = server.url_of(name)
    yield _configured(store, tmp_path, made.gateway, url)
    server.drop(url)


def _fill(world: World) -> None:
    with world.client() as client:
        money = Money(5, "EUR")
        for number in range(22):
            client.send(key=f"paid/{number}", payee=Payee.msisdn(PAID), amount=money)
            assert client.refresh(f"paid/{number}").status is PayoutStatus.SUCCEEDED
        client.send(key="failed/0", payee=Payee.msisdn(FAILS), amount=money)
        assert client.refresh("failed/0").status is PayoutStatus.FAILED
        for key in ("pending/0", "pending/1", "review/0"):
            client.send(key=key, payee=Payee.msisdn(PENDING), amount=money)
        for number in range(2):
            client.accept(key=f"open/{number}", payee=Payee.msisdn(PAID), amount=money)
        client.approve("open/1", actor="Ann", reason="as agreed")
        client.accept(key="cancelled/0", payee=Payee.msisdn(PAID), amount=money)
        client.cancel("cancelled/0", actor="Ann", reason="the wrong month")
        eur, ten = Money(6, "EUR"), Money(10, "EUR")
        collection = world.gateway.add_collection(amount="10", currency="EUR", payer="46701740801")
        client.refund(key="refund/0", collection=collection, amount=eur, original_amount=ten)
        client.refund(key="refund/1", collection=collection, amount=Money(4, "EUR"), original_amount=ten)
    world.review("review/0")
    _again(world)


def _again(world: World) -> None:
    """Begin a second attempt of failed/0, with as little wait as the journal itself asks for."""
    with world.client() as client:
        runtime = client._runtime
        row = runtime.journal.by_key("failed/0")
        assert row is not None
        moment = runtime.moment()
        after = _begun(runtime.account(row.attempt.account), row, moment, absence_attested=False)
        event = Event("payout.reissued", moment.at, {"actor": "Ann"})
        reply = runtime.journal.execute(CreateAttempt(row, changed(after, next_at=moment.at), event))
        assert isinstance(reply, TransitionApplied)
        client.work_on(reply.row)
        assert client.refresh(row.id).status is PayoutStatus.FAILED
