"""One statement for many payouts: new ones, or ordinary transitions of payouts that are there.

A member of a batch does what the same change does alone, or nothing: the statement judges each by what is stored. Only
what it returns has been written, and only that gets history, references, events and queries. The members travel as one
JSON text, so that the statement is the same however many there are.
"""

# ruff: noqa: S608 - put together from constants of this library

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from payments_core.domain.budgets import Budget, add, first_above
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Query
from payments_core.engine.commands import ApplyTransition, CreatePayout, CreateResult, TransitionApplied
from payments_core.journal.sql import budgets, pauses, update_payout
from payments_core.journal.sql.columns import (
    COLUMNS,
    may_send_values,
    searchable_references,
    to_us,
    write_entry,
    write_reason,
    write_row,
    writer,
)
from payments_core.journal.sql.new_payouts import check_first_submission, first_submission
from payments_core.journal.sql.statements import PER_TRANSITION, POSTGRES, quoted
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.sql.write_transition import is_ordinary, may_end, numbered, submits

__all__ = ["Member", "member_of", "write_members"]

_AT = POSTGRES.schema
_HISTORY = ("seq", "at", "event", "status", "attempt", "submissions", "decided_by", "evidence")
_EVENT = ("key", "account", "status", "reason", "attempt", "at")
_per_transition, _compared = writer(PER_TRANSITION), functools.lru_cache(maxsize=8)(writer)
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Member:
    """A change that may share its statement with others of its kind.

    Args:
        payout_id: The payout.
        is_new: Whether it is a new payout, and not a transition.
        submits: Whether it begins a submission.
        fields: What the statement writes and compares, ready for JSON.
        reply: The reply to the change if it is written.
        budgets: What its amount must fit into.
        reserves: The names of those that it reserves its amount from.

    """

    payout_id: str
    is_new: bool
    submits: bool
    fields: Mapping[str, Any]
    reply: CreateResult | TransitionApplied
    budgets: tuple[Budget, ...] = ()
    reserves: tuple[str, ...] = ()

    @property
    def amount(self) -> Decimal:
        """The amount of the payout."""
        return self.reply.row.order.amount.amount


def member_of(change: object) -> Member | None:
    """Return a change as a member of a batch; None where it has to be written alone.

    Raises:
        JournalError: It breaks a rule that holds whatever is stored.

    """
    match change:
        case CreatePayout(row=row) if row.status is PayoutStatus.CREATED and row.order.original_amount is None:
            return _new_payout(change)
        case ApplyTransition():
            return _transition(change)
        case _:
            return None


def write_members(session: DbTransaction, members: Sequence[Member]) -> Callable[[], frozenset[str]]:
    """Write members of one kind, each of another payout.

    Args:
        session: The open transaction; in pipeline mode what it executes is answered later.
        members: The members, at least one.

    Returns:
        What returns the ids of the payouts that were written, once the answer is there.

    """
    ordered = sorted(members, key=lambda member: member.payout_id)  # the order in which every batch waits for others
    is_new = ordered[0].is_new
    if not is_new:  # by a statement of its own: the next one sees what this one has waited for
        session.execute(_LOCK, ([member.payout_id for member in ordered],))
    if any(member.submits for member in ordered):
        pauses.lock(session, shared=True)
    statement = _NEW_PAYOUTS if is_new else _transitions(update_payout.JUDGED)
    if names := sorted({budget.name for member in ordered for budget in member.budgets}):
        return _write_reserving(session, statement, ordered, names)
    cursor = session.execute(statement, (_encode([member.fields for member in ordered]),))
    return lambda: frozenset(payout_id for (payout_id,) in cursor.fetchall())


def _write_reserving(
    session: DbTransaction, statement: str, members: Sequence[Member], names: Sequence[str]
) -> Callable[[], frozenset[str]]:
    """Write the members that fit into their budgets, judged in their order; only what was written is reserved."""
    stored = budgets.read_states(session.execute(_LOCK_BUDGETS, (list(names),)).fetchall())
    states, fitting = dict(stored), []
    for member in members:
        # One that does not fit, or whose budget is not there yet, is written alone, or refused there.
        if not all(budget.name in states for budget in member.budgets):
            continue
        if first_above(member.budgets, member.amount, states) is None:
            fitting.append(member)
            for name in member.reserves:
                states[name] = replace(states[name], reserved=add(states[name].reserved, member.amount))
    if not fitting:
        return frozenset
    found = session.execute(statement, (_encode([member.fields for member in fitting]),)).fetchall()
    written = frozenset(payout_id for (payout_id,) in found)
    reserved = {name: state.reserved for name, state in stored.items()}
    for member in fitting:
        for name in member.reserves if member.payout_id in written else ():
            reserved[name] = add(reserved[name], member.amount)
    for name, amount in reserved.items():
        if amount != stored[name].reserved:
            session.execute(session.sql.set_reserved, (f"{amount:f}", name))
    return lambda: written


def _new_payout(entry: CreatePayout) -> Member:
    row, begins = entry.row, entry.begins
    history = [(1, *write_entry(row, entry.event, row.decided_by))]
    if begins is not None:
        check_first_submission(row, begins)
        row = first_submission(entry, begins)
        history.append((2, *write_entry(row, begins.event, "")))
    fields = {
        "after": _named(COLUMNS, write_row(row)),
        "gate": None if begins is None else may_send_values(row)[1:],
        "history": [_named(_HISTORY, entry) for entry in history],
        "refs": searchable_references(row),
        "query": None if begins is None else _query_fields(begins.asks),
    }
    reply = CreateResult(row, created=True)
    return Member(row.id, True, begins is not None, fields, reply, entry.budgets, row.attempt.budgets)


def _transition(entry: ApplyTransition) -> Member | None:
    before, judged = entry.before, update_payout.JUDGED
    after = numbered(entry, before)
    if not is_ordinary(entry, after) or not update_payout.is_within_attempt(before, after):
        return None
    published, ends = None, may_end(entry)
    if entry.publish:
        reason = None if after.reason is None else write_reason(after.reason)
        order, attempt = after.order, after.attempt
        about = (order.key, attempt.account, after.status, reason, attempt.number, to_us(entry.event.at))
        published = _named(_EVENT, about)
    fields = {
        "before": _named(judged, _compared(judged)(before)),
        "after": _named(PER_TRANSITION, _per_transition(after)),
        "gate": may_send_values(after)[1:] if submits(entry) else None,
        "history": _named(_HISTORY[1:], write_entry(after, entry.event, after.decided_by)),
        "refs": searchable_references(after) if after.attempt.references != before.attempt.references else (),
        "query": _query_fields(entry.asks),
        "published": published,
        **{name: name in ends for name in _ENDINGS},
    }
    reserves = () if before.attempt.budgets else after.attempt.budgets
    must_fit = entry.budgets if reserves else ()
    return Member(before.id, False, submits(entry), fields, TransitionApplied(after), must_fit, reserves)


def _query_fields(query: Query | None) -> Mapping[str, Any] | None:
    return None if query is None else {"token_hash": query.token_hash, "asked_at": to_us(query.asked_at)}


def _named(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


_LOCK_BUDGETS = f"{POSTGRES.budgets} WHERE name = ANY(%s) ORDER BY name FOR NO KEY UPDATE"
_LOCK = f"SELECT 1 FROM {_AT}payouts WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
_MAY_SEND = {
    record: f"""(gate IS NULL OR {POSTGRES.may_send("SELECT unnest(gate)", f'({record})."account"')})"""
    for record in ("before", "after")
}
_ENDINGS = POSTGRES.endings('(before)."account"')
_ENDS_NOTHING = " AND ".join(f"NOT ({name} AND {ending})" for name, ending in _ENDINGS.items())
# What belongs to a payout that was written, beside its history.
_BESIDE = f"""
referenced AS (
    INSERT INTO {_AT}by_provider_reference (value, payout_id)
    SELECT reference, id FROM written, unnest(refs) AS reference ON CONFLICT DO NOTHING
), asked AS (
    INSERT INTO {_AT}queries (token_hash, payout_id, attempt, asked_at)
    SELECT (query).token_hash, id, (after)."attempt", (query).asked_at FROM written
    WHERE (query).token_hash IS NOT NULL
)"""
_NEW_PAYOUTS = f"""
WITH member AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s) AS member(
        after {_AT}payouts, gate TEXT[], history {_AT}history[], refs TEXT[], query {_AT}queries)
), inserted AS (
    INSERT INTO {_AT}payouts ({quoted(COLUMNS)})
    SELECT {", ".join(f'(after)."{name}"' for name in COLUMNS)} FROM member WHERE {_MAY_SEND["after"]}
    ORDER BY (after)."id"
    ON CONFLICT DO NOTHING RETURNING id, no
), written AS (
    SELECT inserted.id, inserted.no, member.* FROM inserted JOIN member ON (member.after)."id" = inserted.id
), noted AS (
    INSERT INTO {_AT}history (payout_no, {quoted(_HISTORY)})
    SELECT written.no, {", ".join(f'entry."{name}"' for name in _HISTORY)} FROM written, unnest(history) AS entry
), {_BESIDE}
SELECT id FROM inserted
"""


@functools.lru_cache(maxsize=16)
def _transitions(judged: tuple[str, ...]) -> str:
    """Return the statement for transitions."""
    sets = ", ".join(f'"{name}" = (after)."{name}"' for name in PER_TRANSITION)
    same = " AND ".join(
        f'stored."{name}" {"=" if name == "id" else POSTGRES.same} (before)."{name}"' for name in judged
    )
    return f"""
WITH member AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s) AS member(
        before {_AT}payouts, after {_AT}payouts, gate TEXT[], history {_AT}history, refs TEXT[], query {_AT}queries,
        published {_AT}outbox, {", ".join(f"{name} BOOLEAN" for name in _ENDINGS)})
), updated AS (
    UPDATE {_AT}payouts AS stored SET {sets} FROM member WHERE {same} AND {_MAY_SEND["before"]}
    AND {_ENDS_NOTHING}
    RETURNING stored.id, stored.no, member.*
), written AS (
    SELECT updated.*, COALESCE((SELECT MAX(seq) FROM {_AT}history WHERE payout_no = updated.no), 0) + 1 AS seq
    FROM updated
), noted AS (
    INSERT INTO {_AT}history (payout_no, {quoted(_HISTORY)})
    SELECT no, seq, {", ".join(f'(history)."{name}"' for name in _HISTORY[1:])} FROM written
), announced AS (
    INSERT INTO {_AT}outbox (event_id, payout_id, seq, {quoted(_EVENT)})
    SELECT id || '.' || seq || COALESCE((SELECT '.r' || value FROM {_AT}meta WHERE name = 'restorations'), ''), id, seq,
        {", ".join(f'(published)."{name}"' for name in _EVENT)}
    FROM written WHERE (published)."key" IS NOT NULL
), {_BESIDE}
SELECT id FROM updated
"""
