"""Rechecks: a failure by result callback is read again a few times, since anyone who knows the path can forge it.

They are a veto and no more. A read that says "paid" contradicts the failure; no clear answer leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from payments_core.domain.records import PayoutRecord
from payments_core.provider import Account, Final

__all__ = ["MOST", "after_read", "begin", "end_at"]

MOST = 3


def begin(failed: PayoutRecord, account: Account, at: datetime) -> PayoutRecord:
    """Return the row of a failure that is to be read again, after the first waits of the poll schedule."""
    waits = _waits(account)
    return _with_rechecks(failed, len(waits), at + waits[0])


def after_read(row: PayoutRecord, account: Account, outcome: object, at: datetime) -> PayoutRecord:
    """Return the row of a payout at its end, or in review, after a read; due again only while rechecks are left.

    Args:
        row: As it was read; due, or read early because somebody asked for it.
        account: Its account.
        outcome: What the read gave.
        at: When.

    """
    if not row.schedule.rechecks_left or isinstance(outcome, Final):  # that was a clear answer
        return _with_rechecks(row, 0, None)
    if row.schedule.next_at is not None and row.schedule.next_at > at:
        return row
    # Anyone who knows the account's path can cause a read; that must not use the rechecks up.
    left = row.schedule.rechecks_left - (not row.schedule.is_callback_read)
    return _with_rechecks(row, left, at + _waits(account, left)[0] if left else None)


def end_at(row: PayoutRecord, account: Account) -> datetime | None:
    """Return when the last recheck of a failure is due; None when nothing is to be read again."""
    schedule = row.schedule
    if not schedule.rechecks_left or schedule.next_at is None:
        return None
    return schedule.next_at + sum(_waits(account, schedule.rechecks_left)[1:], timedelta())


def _with_rechecks(row: PayoutRecord, left: int, next_at: datetime | None) -> PayoutRecord:
    return replace(row, schedule=replace(row.schedule, rechecks_left=left, next_at=next_at))


def _waits(account: Account, left: int = MOST) -> Sequence[timedelta]:
    """Return the waits before each of the rechecks that are left."""
    waits = account.settings.poll_schedule_s[:MOST]
    return [timedelta(seconds=wait_s) for wait_s in waits[-left:]]
