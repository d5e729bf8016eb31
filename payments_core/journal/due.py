"""Which payouts are due, and when the next one will be: leases and pauses considered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from payments_core.entries import Pause
from payments_core.payout import PayoutStatus

__all__ = ["among", "earliest", "holds", "unsent_of"]

_END = "MAX(next_at, COALESCE(lease_until, next_at))"


def holds(pauses: Iterable[Pause], accounts: Collection[str]) -> Mapping[str, datetime | None]:
    """Return the paused ones of these accounts, each with the moment of its probe; None when only a person lifts it."""
    found: dict[str, datetime | None] = {}
    for pause in pauses:
        until = pause.probe_at if pause.by == "blocked" else None
        for account in accounts if pause.account is None else {pause.account}.intersection(accounts):
            earlier = found.get(account, until)
            found[account] = None if until is None or earlier is None else max(until, earlier)
    return found


def among(accounts: Collection[str], *, unsent_held: Collection[str]) -> tuple[str, Sequence[str]]:
    """Return the condition for payouts of these accounts without the unsent ones of those."""
    condition = f"account IN ({_marks(accounts)}) AND NOT (status = ? AND account IN ({_marks(unsent_held)}))"
    return condition, (*accounts, str(PayoutStatus.CREATED), *unsent_held)


def unsent_of(account: str) -> tuple[str, Sequence[str]]:
    """Return the condition for the unsent payouts of an account."""
    return "account = ? AND status = ?", (account, str(PayoutStatus.CREATED))


def earliest(condition: str) -> str:
    """Return the statement for the moment when the first payout that meets a condition is due; its values go in twice.

    The payout with the lowest ``next_at`` may be leased for longer than others wait, but nothing that becomes due
    after it has to be looked at.
    """
    return f"""
        SELECT MIN({_END}) FROM payouts WHERE {condition} AND next_at <= (
            SELECT {_END} FROM payouts WHERE {condition} AND next_at IS NOT NULL ORDER BY next_at LIMIT 1
        )
    """  # noqa: S608 - conditions of this module


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
