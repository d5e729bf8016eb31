"""Journals on real files, and payouts to write into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest

from payments_core.entries import Event, Move, Moved, Open, Opened, PayoutRow
from payments_core.journal.sqlite import SqliteJournal
from payments_core.payout import Operation

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
NAMESPACE = "test-namespace"


class OpenSqlite(Protocol):
    """Opens a journal; the fixture closes it."""

    def __call__(self, path: Path | None = None, **changes: Any) -> SqliteJournal:
        """Open the test's journal, or another file."""
        ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's journal is."""
    return tmp_path / "payouts.db"


@pytest.fixture
def open_sqlite(path: Path) -> Iterator[OpenSqlite]:
    """Open journals that are closed at the end."""
    usual, opened = path, list[SqliteJournal]()

    def make(path: Path | None = None, **changes: Any) -> SqliteJournal:
        settings: dict[str, Any] = {"namespace": NAMESPACE, "clock": lambda: START} | changes
        opened.append(SqliteJournal(path or usual, **settings))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_sqlite: OpenSqlite) -> SqliteJournal:
    """An empty journal."""
    return open_sqlite()


@pytest.fixture
def make_row() -> Callable[..., PayoutRow]:
    """Make a payout of a name."""

    def make(name: str = "one", **changes: Any) -> PayoutRow:
        values: dict[str, Any] = {
            "id": f"po_{name}",
            "key": f"salary/{name}",
            "fingerprint": "f" * 64,
            "account": "mtn-uganda",
            "operation": Operation.TRANSFER,
            "payee_kind": "msisdn",
            "payee_value": "46733123450",
            "amount": Decimal("12.50"),
            "currency": "EUR",
            "binding": {"host": "localhost"},
            "references": {"reference_id": f"ref-{name}"},
            "request": "{}",
            "request_hash": "0" * 64,
            "created_at": START,
            "updated_at": START,
            "next_at": START,
        }
        return PayoutRow(**values | changes)

    return make


@pytest.fixture
def add(journal: SqliteJournal, make_row: Callable[..., PayoutRow]) -> Callable[..., PayoutRow]:
    """Write a new payout and return its row."""

    def write(name: str = "one", **changes: Any) -> PayoutRow:
        reply = journal.perform(Open(make_row(name, **changes), Event("payout.accepted", START)))
        assert isinstance(reply, Opened)
        assert reply.created
        return reply.row

    return write


@pytest.fixture
def moved(journal: SqliteJournal) -> Callable[[Move], PayoutRow]:
    """Write a move that must succeed and return the row after it."""

    def write(entry: Move) -> PayoutRow:
        reply = journal.perform(entry)
        assert isinstance(reply, Moved), reply
        return reply.row

    return write
