"""Conditions for due payouts: pauses considered."""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from payments_core.domain.causes import PausedBy
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Pause
from payments_core.journal.sql.columns import to_us
from payments_core.journal.sql.statements import Statements, marks

__all__ = ["not_paused", "of_accounts", "paused_accounts", "unsent_of"]


def paused_accounts(pauses: Iterable[Pause], accounts: Collection[str]) -> Mapping[str, datetime | None]:
    """Return the paused of these accounts, each with the time of its probe; None when only a person lifts the pause."""
    found: dict[str, datetime | None] = {}
    for pause in pauses:
        until = None if pause.by is PausedBy.PERSON else pause.probe_at
        for account in accounts if pause.account is None else {pause.account}.intersection(accounts):
            earlier = found.get(account, until)
            found[account] = None if until is None or earlier is None else max(until, earlier)
    return found


def not_paused(sql: Statements, accounts: Collection[str], at: datetime) -> tuple[str, Sequence[Any]]:
    """Return the condition for payouts of these accounts without the unsent ones that a pause stops at a time."""
    paused = f"SELECT account FROM {sql.schema}pauses WHERE by = 'person' OR probe_at IS NULL OR probe_at > ?"
    condition = f"{_one_of(sql, accounts)} AND NOT (status = ? AND (account IN ({paused}) OR '' IN ({paused})))"
    return condition, (*accounts, str(PayoutStatus.CREATED), to_us(at), to_us(at))


def of_accounts(
    sql: Statements, accounts: Collection[str], *, without_unsent_of: Collection[str]
) -> tuple[str, Sequence[str]]:
    """Return the condition for payouts of these accounts, some of them without their unsent payouts."""
    condition = f"{_one_of(sql, accounts)} AND NOT (status = ? AND {_one_of(sql, without_unsent_of)})"
    return condition, (*accounts, str(PayoutStatus.CREATED), *without_unsent_of)


def unsent_of(sql: Statements, account: str) -> tuple[str, Sequence[str]]:
    """Return the condition for the unsent payouts of an account."""
    return f"{_one_of(sql, [account])} AND status = ?", (account, str(PayoutStatus.CREATED))


def _one_of(sql: Statements, accounts: Collection[str]) -> str:
    """Return the condition for payouts of these accounts; no index is read for it: few payouts are due."""
    return f"{sql.not_by_index('account')} IN ({marks(len(accounts))})" if accounts else "1 = 0"
