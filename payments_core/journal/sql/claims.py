"""Claims: who works on which due payout, so that two workers do not do the same work.

A claim saves work and protects nothing: every transition compares the record's version, and only the lease that is
written before a submission keeps other processes from sending. A claim that is lost, late or wrong costs one read. A
claim that ends later than the longest claim of a worker was written by a clock that was ahead; it counts for nothing.
"""

# ruff: noqa: S608 - put together from constants of this house

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeAlias, cast

from payments_core.domain.bounds import DAY_S, HOUR_S
from payments_core.domain.records import PayoutRecord
from payments_core.journal.sql.columns import read_row, to_us
from payments_core.journal.sql.due import not_held
from payments_core.journal.sql.statements import DbTransaction, Statements

__all__ = ["Claim", "ClaimChange", "ClaimReply", "Claims", "Release", "Renew", "apply", "unclaimed"]

_AT_ONCE = 500
_LONGEST_US = int((DAY_S + HOUR_S) * 1_000_000)  # the longest `claim_s` there is, and an hour for clocks that differ
_HOLDS = f"{{}} - ? BETWEEN 1 AND {_LONGEST_US}"


@dataclass(frozen=True, slots=True)
class Claim:
    """Take due payouts that nobody holds."""

    at: datetime
    owner: str
    until: datetime
    accounts: tuple[str, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Hold payouts for longer that are still held by their owner."""

    owner: str
    payout_ids: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Release:
    """Let go of payouts."""

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
    """Return the condition for payouts that nobody holds; the moment is its value."""
    return f"id NOT IN (SELECT payout_id FROM {sql.schema}claims WHERE {_HOLDS.format('until')})"


def _claim(session: DbTransaction, change: Claim) -> tuple[PayoutRecord, ...]:
    sql, now, until = session.sql, to_us(change.at), to_us(change.until)
    condition, values = not_held(sql, change.accounts, change.at)

    def find(more: str, limit: int) -> list[PayoutRecord]:
        # What somebody is moving this instant is left to them.
        statement = sql.due(f"{condition} AND {unclaimed(sql)} AND {more}") + sql.skip_locked
        return list(map(read_row, session.execute(statement, (*values, now, now, now, limit)).fetchall()))

    # Strangers can make callbacks: what they ask for gets half of the places, and more where nothing else is due.
    called = find("callback_read_at = next_at", change.limit)
    half = change.limit // 2
    others = find("(callback_read_at IS NULL OR callback_read_at <> next_at)", change.limit - min(len(called), half))
    if change.limit % 2 and called[half:] and others[half:]:  # the odd place goes to whichever is due first
        others[half] = min(others[half], called[half], key=attrgetter("next_at"))
    rows = (*others, *called[: change.limit - len(others)])
    if not rows:
        return ()
    # Somebody may have claimed one after our statement began to look: theirs stands.
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
    return f"payout_id IN ({', '.join('?' * len(ids))})"


class Claims(ABC):
    """The claims of the journal's protocol, whichever database holds them."""

    @abstractmethod
    def _change(self, change: Any) -> Any:
        """Write a change and return what came of it when it is durable."""

    def claim(
        self, at: datetime, *, owner: str, until: datetime, accounts: Collection[str], limit: int
    ) -> tuple[PayoutRecord, ...]:
        """Take due payouts that nobody holds, and hold them until a moment; about half at most for callbacks."""
        return cast("tuple[PayoutRecord, ...]", self._change(Claim(at, owner, until, tuple(accounts), limit)))

    def renew(self, owner: str, payout_ids: Collection[str], until: datetime) -> frozenset[str]:
        """Hold payouts for longer; return those that are still the owner's."""
        return cast("frozenset[str]", self._change(Renew(owner, tuple(payout_ids), until)))

    def release(self, owner: str, payout_ids: Collection[str]) -> None:
        """Let go of payouts, so that others may claim them when they are due; another's are left alone."""
        self._change(Release(owner, tuple(payout_ids)))
