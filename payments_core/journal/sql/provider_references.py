"""What providers call payouts by whose id they do not repeat: how a callback finds them."""

from __future__ import annotations

from payments_core.domain.characters import is_storable
from payments_core.domain.records import PayoutRecord
from payments_core.journal.sql.statements import DbTransaction

__all__ = ["know", "names"]


def names(row: PayoutRecord) -> tuple[str, ...]:
    """Return what a callback may call a payout by; nothing where one of its references begins with our own id."""
    values = tuple(filter(is_storable, dict.fromkeys(row.references.values())))
    return () if any(value.startswith(row.id) for value in values) else values


def know(session: DbTransaction, row: PayoutRecord) -> None:
    """Write down what a payout is called from now on, beside what it was called before."""
    for name in names(row):
        session.execute(session.sql.know_as, (name, row.id))
