"""The one statement that changes a payout's record, judged by what is stored.

It does not write what stays as it is during an attempt, the request above all, as the version that is judged proves
it unchanged.
"""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

import functools
from operator import attrgetter

from payments_core.domain.records import PayoutRecord
from payments_core.journal.sql.columns import PATHS, writer
from payments_core.journal.sql.statements import FIXED, MOVABLE, PER_ATTEMPT, PER_TRANSITION, Statements, marks
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["JUDGED", "fixed_changes", "is_within_attempt", "update_if_unchanged", "update_locked"]

_LOCKED = ("id", "version")
#: What a transition is judged by, as its caller has read it: the statement compares all of it with what is stored.
JUDGED = (
    *_LOCKED,
    "status",
    "attempt",
    "account",
    "references",
    "ambiguous",
    "first_sent_at",
    "next_at",
    "contradictions",
    "budgets",
)

_fixed, _per_attempt = (attrgetter(*(PATHS[name] for name in names)) for names in (FIXED, PER_ATTEMPT))
_values = functools.lru_cache(maxsize=8)(writer)


def update_if_unchanged(
    session: DbTransaction,
    before: PayoutRecord,
    after: PayoutRecord,
    *,
    gate: tuple[str, ...] = (),
    ends: tuple[str, ...] = (),
) -> bool:
    """Write a record in place of another; False, and nothing is written, where that is not what is stored.

    Args:
        session: The open transaction.
        before: The record as it was read.
        after: The record wanted.
        gate: Of a submission: write nothing either where a pause, a gap or a statement could stop what these values
            name. The pauses are locked.
        ends: Write nothing either where there is something of the account that the transition would end: which of
            ``Statements.endings``.

    """
    return _update(session, before, after, JUDGED, gate, ends)


def update_locked(session: DbTransaction, stored: PayoutRecord, after: PayoutRecord) -> None:
    """Write a record in place of the stored one, which is locked."""
    _update(session, stored, after, _LOCKED)


def fixed_changes(before: PayoutRecord, after: PayoutRecord) -> list[str]:
    """Return the columns that never change, and do."""
    was, becomes = _fixed(before), _fixed(after)
    return [] if was == becomes else [name for name, old, new in zip(FIXED, was, becomes, strict=True) if old != new]


def is_within_attempt(before: PayoutRecord, after: PayoutRecord) -> bool:
    """Whether the same request stands in both records, with all else that stays as it is during an attempt."""
    return _per_attempt(before) == _per_attempt(after)


def _update(
    session: DbTransaction,
    before: PayoutRecord,
    after: PayoutRecord,
    judged: tuple[str, ...],
    gate: tuple[str, ...] = (),
    ends: tuple[str, ...] = (),
) -> bool:
    written = PER_TRANSITION if is_within_attempt(before, after) else MOVABLE
    values = (*_values(written)(after), *_values(judged)(before), *gate, *(after.attempt.account for _ in ends))
    return session.execute(_text(session.sql, written, judged, len(gate), ends), values).rowcount > 0


@functools.lru_cache(maxsize=64)
def _text(sql: Statements, written: tuple[str, ...], judged: tuple[str, ...], gate: int, ends: tuple[str, ...]) -> str:
    sets = ", ".join(f'"{name}" = ?' for name in written)
    # The id by =, for its index; NULL is like NULL in the others.
    conditions = [f'"{name}" {"=" if name == "id" else sql.same} ?' for name in judged]
    conditions += [sql.may_send(marks(gate - 1))] if gate else []
    conditions += [f"NOT {sql.endings('?')[name]}" for name in ends]
    return sql.text(f"UPDATE {sql.schema}payouts SET {sets} WHERE {' AND '.join(conditions)}")
