"""What providers call payouts by whose id they do not repeat: how a callback finds them."""

from __future__ import annotations

import re

from payments_core.journal.statements import Session
from payments_core.rows import PayoutRow

__all__ = ["is_name", "know", "names"]

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def is_name(value: str) -> bool:
    """Say whether every store can hold a name: PostgreSQL has no NUL in a text, and none has half a character."""
    return not _UNWRITABLE.search(value)


def names(row: PayoutRow) -> tuple[str, ...]:
    """Return what a callback may call a payout by; nothing where one of its references begins with our own id."""
    values = tuple(filter(is_name, dict.fromkeys(row.references.values())))
    return () if any(value.startswith(row.id) for value in values) else values


def know(session: Session, row: PayoutRow) -> None:
    """Write down what a payout is called from now on, beside what it was called before."""
    for name in names(row):
        session.execute(session.sql.know_as, (name, row.id))
