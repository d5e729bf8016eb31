"""A payout by its id or key, and what a caller sees of it."""

from __future__ import annotations

from payments_core.domain.characters import find_unclear
from payments_core.domain.errors import UnknownPayout
from payments_core.domain.events import EventName
from payments_core.domain.masking import mask_key
from payments_core.domain.payout import Payout
from payments_core.domain.records import PayoutRecord
from payments_core.engine.journal_protocol import Journal
from payments_core.runtime import Runtime

__all__ = ["find_payout", "view"]


def find_payout(journal: Journal, payout: str) -> PayoutRecord:
    """Return a payout's row by its id or key.

    Raises:
        UnknownPayout: There is none; or an older journal has one with this id and another one with this key.

    """
    found = journal.find(payout)
    if len(found) > 1:
        named, keyed = found if found[0].id == payout else reversed(found)
        raise UnknownPayout(
            f"{payout} names two payouts: it is the id of one and the key of another.",
            hint=f"Name the first by its key {mask_key(named.order.key)!r}, or the second by its id {keyed.id}: "
            "`payouts list` shows both.",
        )
    if not found:
        unclear = find_unclear(payout)
        odd = f" It holds {unclear}." if unclear else ""
        raise UnknownPayout(
            f"The journal has no payout with the id or key {mask_key(payout)!r}.{odd}",
            hint="Check its spelling first: `payouts list` shows all. A key is recorded before it is sent: unless the "
            "journal was restored, nothing was sent under one that is not there.",
        )
    return found[0]


def view(runtime: Runtime, row: PayoutRecord) -> Payout:
    """Return what a caller sees, history included."""
    history = runtime.journal.history(row.id)
    if any(entry.event == EventName.PAYOUT_CONTRADICTED for entry in history):  # written beside what moved the row
        row = runtime.journal.get(row.id) or row
    return row.view(history)
