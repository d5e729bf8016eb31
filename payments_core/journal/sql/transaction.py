"""An open transaction of either database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from payments_core.journal.sql.statements import Statements

__all__ = ["Cursor", "DbTransaction", "lock_number"]


class Cursor(Protocol):
    """What a statement leaves; both drivers' cursors have this shape."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        ...


class DbTransaction(NamedTuple):
    """An open transaction.

    Args:
        execute: Of the driver's connection.
        sql: The statements it understands.

    """

    execute: Callable[[str, Sequence[Any]], Cursor]
    sql: Statements

    def lock(self, *what: str, shared: bool = False) -> None:
        """Keep other transactions from the same decision until the commit; nothing where one writes at a time.

        Args:
            what: What is decided about.
            shared: Let others do so too that take the lock shared.

        """
        statement = self.sql.lock_shared if shared else self.sql.lock_exclusive
        if statement:
            self.execute(statement, (lock_number(*what),))


def lock_number(*what: str) -> int:
    """Return the 64 bits under which PostgreSQL knows a lock; a clash with another name costs a wait and no more."""
    name = "/".join(("payments_core", *what))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
