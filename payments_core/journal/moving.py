"""Moving a journal to another database, so that at no moment two of them can pay.

The order is: a complete copy that says it is not finished; the seal of the source; the copy becomes the journal. Before
the seal the source is the journal, after it the copy is the only one that can become it, and the same command goes on
wherever the one before was interrupted.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from payments_core.errors import JournalError, JournalSealed
from payments_core.journal.rows import from_us, to_us
from payments_core.journal.standing import MOVING, SEALED, check_live
from payments_core.journal.statements import Session
from payments_core.journal.stores import Store

__all__ = ["Moved", "move"]

# Each table with the order of its rows; whoever is referred to comes first.
TABLES: Mapping[str, str] = {
    "payouts": "no",
    "history": "payout_id, seq",
    "attempts": "payout_id, number",
    "approvals": "payout_id, attempt",
    "outbox": "no",
    "outbox_reads": "consumer, event_id",
    "deliveries": "consumer, event_id",
    "pauses": "account",
    "queries": "token_hash",
    "account_queries": "token_hash",
    "permits": "account, lane",
    "ambiguity": "account",
    "inbox": "no",
    "known_as": "value, payout_id",
    "statement_references": "reference",
}
# Claims end by themselves; what a database says of itself is said by the other one anew.
_LEFT = frozenset({"claims", "meta"})
_OWN = frozenset({"migrations", "version", "server", MOVING, SEALED, "move", "came_by"})
_NUMBERED = ("payouts", "outbox", "inbox")
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved.

    Args:
        to: Where to, for people.
        rows: How many rows of each table.

    """

    to: str
    rows: Mapping[str, int]


def move(source: Store, target: Store, *, at_step: Callable[[str], object] = str) -> Moved:
    """Move a journal; may be repeated until it returns.

    Args:
        source: Where the journal is.
        target: An empty database.
        at_step: Told what comes next.

    Raises:
        JournalSealed: It was moved elsewhere before.
        JournalError: The target is not empty, a payment is under way, or the copy is not exact.

    """
    if source.name == target.name:
        raise JournalError(f"The journal is in {source.name} already.", hint="Name a new file or an empty database.")
    with source.writing(alone=True) as session:
        meta = source.meta(session)
        done = meta.get(SEALED)
        if done is None:
            check_live(meta, f"The journal {source.name}")
            _check_still(source, session)
            number = secrets.token_hex(8)
            rows = _copy(source, session, target, number, at_step)
            at_step("seal")
            source.remember(session, "move", number)
            source.remember(session, SEALED, target.name)
            source.seal(session, target.name)
            at_step("sealed")
        else:
            number, rows = meta["move"], {}
    at_step("live")
    return _make_live(source, target, number, rows, done)


def _check_still(source: Store, session: Session) -> None:
    [(until,)] = session.execute(
        f"SELECT MAX(lease_until) FROM {source.sql.schema}payouts WHERE status = 'SENDING'",  # noqa: S608
        (),
    ).fetchall()
    if until is not None and until > to_us(source.at):
        raise JournalError(
            "A payment is on its way; the journal was not moved.",
            hint=f"Stop the workers, wait until {from_us(until):%H:%M:%S} UTC at the latest, and run it again.",
        )


def _copy(
    source: Store, session: Session, target: Store, number: str, at_step: Callable[[str], object]
) -> Mapping[str, int]:
    """Write every row into the target, compare, and leave it marked as not finished."""
    if not target.is_empty():
        with target.writing() as there:
            if MOVING not in target.meta(there):
                raise JournalError(
                    f"{target.name} is not empty; nothing was moved.", hint="Name a new file or an empty database."
                )
        at_step("clear")
        target.clear()
    at_step("copy")
    if unknown := set(source.tables(session)) - TABLES.keys() - _LEFT:
        raise JournalError(f"The journal holds tables that nobody knows: {', '.join(sorted(unknown))}.")
    rows = {}
    target.create({MOVING: number})  # durable before the first row: what is found half made is no journal
    with target.writing() as there:
        for name, value in source.meta(session).items():
            if name not in _OWN:
                target.remember(there, name, value)
        for table, order in TABLES.items():
            columns = source.columns(session, table)
            _fill(source, session, target, there, table, columns)
            told, found = (_digest(*side, table, columns, order) for side in ((source, session), (target, there)))
            if told != found:
                raise JournalError(f"The copy of {table} is not exact ({told[0]} rows here, {found[0]} there).")
            rows[table] = told[0]
            at_step(f"copied {table}")
    return rows


def _fill(source: Store, session: Session, target: Store, there: Session, table: str, columns: list[str]) -> None:
    names = _names(columns)
    numbers = " OVERRIDING SYSTEM VALUE" if target.sql.schema and table in _NUMBERED else ""
    into = f"INSERT INTO {target.sql.schema}{table} ({names}){numbers} VALUES "  # noqa: S608
    marks = f"({', '.join('?' * len(columns))})"
    batch: list[Any] = []
    for row in source.stream(session, f"SELECT {names} FROM {source.sql.schema}{table}"):  # noqa: S608
        batch += row
        if len(batch) >= _AT_ONCE * len(columns):
            _insert(target, there, into, marks, batch, len(columns))
            batch = []
    if batch:
        _insert(target, there, into, marks, batch, len(columns))
    if numbers:
        sequence = f"pg_get_serial_sequence('{target.sql.schema}{table}', 'no')"
        there.execute(
            f"SELECT setval({sequence}, MAX(no)) FROM {target.sql.schema}{table} HAVING MAX(no) IS NOT NULL",  # noqa: S608
            (),
        )


def _insert(target: Store, there: Session, into: str, marks: str, batch: list[Any], width: int) -> None:
    there.execute(target.sql.text(into + ", ".join([marks] * (len(batch) // width))), batch)


def _digest(store: Store, session: Session, table: str, columns: list[str], order: str) -> tuple[int, str]:
    """Count a table's rows and hash them, in an order that does not depend on the database's language."""
    told, count = hashlib.sha256(), 0
    collate = ' COLLATE "C"' if store.sql.schema else ""
    by = ", ".join(name if name in _NUMBERS else f"{name}{collate}" for name in order.split(", "))
    statement = f"SELECT {_names(columns)} FROM {store.sql.schema}{table} ORDER BY {by}"  # noqa: S608
    for row in store.stream(session, statement):
        told.update(repr(row).encode())
        count += 1
    return count, told.hexdigest()


# Every other column that rows are ordered by is a text; a number that is not named here is refused by the server.
_NUMBERS = frozenset({"no", "seq", "number", "attempt"})


def _names(columns: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _make_live(source: Store, target: Store, number: str, rows: Mapping[str, int], done: str | None) -> Moved:
    """Take the mark off the copy; of a move that was interrupted, only of its own copy."""
    with target.writing() as there:
        meta = target.meta(there)
        if meta.get("came_by") != number:
            if meta.get(MOVING) != number:
                raise JournalSealed(
                    f"The journal {source.name} was moved to {done}; it is not this copy.",
                    hint="Name where it was moved to.",
                )
            target.remember(there, MOVING, None)
            target.remember(there, "came_by", number)
            target.settle(there)
    return Moved(target.name, rows)
