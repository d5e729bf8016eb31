"""References by which a callback finds a payout whose id its provider does not repeat."""

from __future__ import annotations

from payments_core.domain.characters import UNSTORABLE
from payments_core.domain.records import PayoutRecord
from payments_core.journal.sql.statements import DbTransaction

__all__ = ["add_references", "searchable_references"]


def searchable_references(row: PayoutRecord) -> tuple[str, ...]:
    """Return the references of a payout that a callback may hold; none where one of them begins with our own id."""
    values = [value for value in dict.fromkeys(row.attempt.references.values()) if not UNSTORABLE.search(value)]
    return () if [value for value in values if value.startswith(row.id)] else tuple(values)


def add_references(session: DbTransaction, row: PayoutRecord) -> None:
    """Write the references of a payout; earlier ones stay."""
    for reference in searchable_references(row):
        session.execute(session.sql.add_provider_reference, (reference, row.id))
