"""A journal as another program sees it, through a connection of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from payments_core.journal.sql.statements import POSTGRES_SCHEMA

if TYPE_CHECKING:
    import psycopg

__all__ = ["ask", "connect", "published"]


def ask(path: Path, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return what a statement finds in a file."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(statement, values).fetchall()


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection to a database that finds the journal's tables by their bare names."""
    import psycopg  # here, as the driver may not be installed

    return psycopg.connect(url, autocommit=True, options=f"-csearch_path={POSTGRES_SCHEMA}")


def published(path: Path) -> dict[str, list[tuple[int, str]]]:
    """Return the number and status of every event in the outbox, by payout, oldest first."""
    found: dict[str, list[tuple[int, str]]] = {}
    for payout, seq, status in ask(path, "SELECT payout_id, seq, status FROM outbox ORDER BY no"):
        found.setdefault(payout, []).append((seq, status))
    return found
