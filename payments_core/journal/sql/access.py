"""What the parts of a journal need of the database that holds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, ClassVar

from payments_core.journal.sql.statements import Statements

__all__ = ["SqlAccess"]


class SqlAccess(ABC):
    """Reads rows, and writes changes in transactions."""

    _sql: ClassVar[Statements]

    @abstractmethod
    def _fetch(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return every row that a statement finds."""

    @abstractmethod
    def execute(self, entry: Any) -> Any:
        """Write one entry and return its reply when it is durable."""

    @abstractmethod
    def _queue(self, change: Any) -> Future[Any]:
        """Queue a change; cancelling the future before it is taken up writes nothing."""
