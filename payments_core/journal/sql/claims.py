"""Claims: which worker works on which due payout, so that two workers do not do the same work.

A claim saves work and protects nothing: every transition compares the record's version, and only the lease that is
written before a submission keeps other processes from sending. A claim that is lost, late or wrong costs one read. A
claim that ends later than the longest claim of a worker was written by a clock that was ahead, and does not count.
"""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TypeAlias, cast

from payments_core.domain.bounds import DAY_S, HOUR_S
from payments_core.domain.records import PayoutRecord
from payments_core.journal.sql.access import SqlAccess
from payments_core.journal.sql.columns import read_row, to_us
from payments_core.journal.sql.due import not_paused
from payments_core.journal.sql.statements import Statements, marks
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["Claim", "ClaimChange", "ClaimReply", "ClaimsMixin", "Release", "Renew", "apply", "unclaimed"]

_AT_ONCE = 500
_LONGEST_US = int((DAY_S + HOUR_S) * 1_000_000)  # the longest `claim_s` there is, and an hour for clocks that differ
_HOLDS = f"{{}} - ? BETWEEN 1 AND {_LONGEST_US}"


@dataclass(frozen=True, slots=True)
class Claim:
    """Take due payouts without a claim."""

    at: datetime
    owner: str
    until: datetime
    accounts: tuple[str, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Extend the claims that are still their owner's."""

    owner: str
    payout_ids: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Release:
    """End claims."""

    owner: str
    payout_ids: tuple[str, ...]


ClaimChange: TypeAlias = Claim | Renew | Release
ClaimReply: TypeAlias = tuple[PayoutRecord, ...] | frozenset[str]


def apply(session: DbTransaction, change: ClaimChange) -> ClaimReply:
    """Write one change of claims."""
    match change:
        case Claim():
            return _claim(session, change)
        case Renew():
            return _renew(session, change)
        case Release():
            return _release(session, change)


def unclaimed(sql: Statements) -> str:
    """Return the condition for payouts without a claim; the time is its value."""
    return f"id NOT IN (SELECT payout_id FROM {sql.schema}claims WHERE {_HOLDS.format('until')})"


def _claim(session: DbTransaction, change: Claim) -> tuple[PayoutRecord, ...]:
    sql, now, until = session.sql, to_us(change.at), to_us(change.until)
    condition, values = not_paused(sql, change.accounts, change.at)

    def find(more: str, limit: int) -> list[PayoutRecord]:
        # A payout that another transaction is moving is left out.
        statement = sql.due(f"{condition} AND {unclaimed(sql)} AND {more}") + sql.skip_locked
        return list(map(read_row, session.execute(statement, (*values, now, now, now, limit)).fetchall()))

    # Anyone can send callbacks: the reads that they ask for get half of the places, and more where nothing else is due.
    called = find("callback_read_at = next_at", change.limit)
    half = change.limit // 2
    others = find("(callback_read_at IS NULL OR callback_read_at <> next_at)", change.limit - min(len(called), half))
    if change.limit % 2 and called[half:] and others[half:]:  # the odd place goes to whichever is due first
        others[half] = min(others[half], called[half], key=attrgetter("schedule.next_at"))
    rows = (*others, *called[: change.limit - len(others)])
    if not rows:
        return ()
    # Another worker may have claimed one since the statement began: that claim stands.
    taken = session.execute(
        sql.text(
            f"INSERT INTO {sql.schema}claims (payout_id, owner, until) VALUES {', '.join(['(?, ?, ?)'] * len(rows))}"
            " ON CONFLICT (payout_id) DO UPDATE SET owner = excluded.owner, until = excluded.until"
            f" WHERE NOT ({_HOLDS.format('claims.until')})"
        ),
        (*(value for row in rows for value in (row.id, change.owner, until)), now),
    ).rowcount
    if taken == len(rows):
        return rows
    ours = _held(session, change.owner, [row.id for row in rows])
    return tuple(row for row in rows if row.id in ours)


def _renew(session: DbTransaction, change: Renew) -> frozenset[str]:
    sql, until = session.sql, to_us(change.until)
    ours: set[str] = set()
    for ids, among_ids in _chunks(change.payout_ids):
        statement = sql.text(f"UPDATE {sql.schema}claims SET until = ? WHERE owner = ? AND {among_ids}")
        session.execute(statement, (until, change.owner, *ids))
        ours |= _held(session, change.owner, ids)
    return frozenset(ours)


def _release(session: DbTransaction, change: Release) -> frozenset[str]:
    sql = session.sql
    for ids, among_ids in _chunks(change.payout_ids):
        session.execute(
            sql.text(f"DELETE FROM {sql.schema}claims WHERE owner = ? AND {among_ids}"), (change.owner, *ids)
        )
    return frozenset()


def _held(session: DbTransaction, owner: str, ids: Sequence[str]) -> set[str]:
    sql = session.sql
    statement = sql.text(f"SELECT payout_id FROM {sql.schema}claims WHERE owner = ? AND {_one_of(ids)}")
    return {payout_id for (payout_id,) in session.execute(statement, (owner, *ids)).fetchall()}


def _chunks(payout_ids: Sequence[str]) -> Iterator[tuple[Sequence[str], str]]:
    for first in range(0, len(payout_ids), _AT_ONCE):
        ids = payout_ids[first : first + _AT_ONCE]
        yield ids, _one_of(ids)


def _one_of(ids: Sequence[str]) -> str:
    return f"payout_id IN ({marks(len(ids))})"


class ClaimsMixin(SqlAccess):
    """The claims' part of the journal's protocol, for both databases."""

    def claim(
        self, at: datetime, *, owner: str, until: datetime, accounts: Collection[str], limit: int
    ) -> tuple[PayoutRecord, ...]:
        """Claim due payouts until a time; about half of them at most for callbacks."""
        return cast("tuple[PayoutRecord, ...]", self.execute(Claim(at, owner, until, tuple(accounts), limit)))

    def renew(self, owner: str, payout_ids: Collection[str], until: datetime) -> frozenset[str]:
        """Extend claims; return the payouts whose claim is still the owner's."""
        return cast("frozenset[str]", self.execute(Renew(owner, tuple(payout_ids), until)))

    def release(self, owner: str, payout_ids: Collection[str]) -> None:
        """End the owner's claims, so that other workers may claim the payouts when they are due."""
        self.execute(Release(owner, tuple(payout_ids)))
