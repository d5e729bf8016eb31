"""Errors that come after a payout was recorded."""

from __future__ import annotations

from payments_core.domain.errors import JournalClosed, JournalLocked, PaymentsError, PayoutInterrupted
from payments_core.domain.masking import scrub
from payments_core.domain.records import PayoutRecord

__all__ = ["interrupted", "of_one_payout"]


def interrupted(error: Exception, row: PayoutRecord, *, money_asked: bool) -> PayoutInterrupted:
    """Wrap an error that came after the payout was recorded."""
    may_have_been_sent = money_asked or row.view().may_have_been_sent
    message = str(error) if isinstance(error, PaymentsError) else f"{type(error).__name__}: {scrub(str(error))}"
    return PayoutInterrupted(message, payout_id=row.id, key=row.order.key, may_have_been_sent=may_have_been_sent)


def of_one_payout(error: PayoutInterrupted) -> PayoutInterrupted:
    """Return an error that concerns one payout; one of the journal concerns all, and goes up."""
    if isinstance(error.__cause__, JournalClosed | JournalLocked):
        raise error
    return error
