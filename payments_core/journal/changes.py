"""What each entry writes, inside the writer's transaction; the last line of defence stands here as well."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping
from typing import Any, TypeAlias

from payments_core.entries import (
    Event,
    Held,
    JournalEntry,
    JournalReply,
    Move,
    Moved,
    Note,
    Noted,
    Open,
    Opened,
    PayoutRow,
    Stale,
)
from payments_core.errors import JournalError
from payments_core.journal import pauses
from payments_core.journal.pauses import LiftPause, SetPause
from payments_core.journal.rows import COLUMNS, read_row, to_us, write_json, write_reason, write_row
from payments_core.payout import PayoutStatus

__all__ = ["SELECT_PAYOUTS", "Change", "Reply", "apply"]

Change: TypeAlias = JournalEntry | SetPause | LiftPause
Reply: TypeAlias = JournalReply | bool

# Quoted: `references` is a word of SQL. Only names of PayoutRow's own fields are ever put into a statement.
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
SELECT_PAYOUTS = f"SELECT {_NAMES} FROM payouts"  # noqa: S608 - constants
_SELECT_WITH_SEQ = (
    f"SELECT (SELECT COALESCE(MAX(seq), 0) FROM history WHERE payout_id = payouts.id), {_NAMES}"  # noqa: S608
    " FROM payouts WHERE id = ?"
)

# The intent is covered by the fingerprint and never changes; a payout keeps its name for life.
_FIXED = (
    "id",
    "key",
    "fingerprint",
    "operation",
    "payee_kind",
    "payee_value",
    "payee_details",
    "amount",
    "currency",
    "note",
    "options",
    "created_at",
)
_MOVABLE = tuple(name for name in COLUMNS if name not in _FIXED)

_INSERT = (
    f"INSERT INTO payouts ({_NAMES}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - constants
    " ON CONFLICT (key) DO NOTHING"
)
_SETS = ", ".join(f'"{name}" = ?' for name in _MOVABLE)
_UPDATE = f"UPDATE payouts SET {_SETS} WHERE id = ? AND fence = ?"  # noqa: S608 - constants

_FINAL = tuple(str(status) for status in PayoutStatus if status.is_final)


def apply(connection: sqlite3.Connection, change: Change) -> Reply:
    """Write one change.

    Raises:
        JournalError: The change breaks a rule that holds whatever the caller believes.

    """
    match change:
        case Open():
            return _open(connection, change)
        case Move():
            return _move(connection, change)
        case Note():
            return _note(connection, change)
        case SetPause():
            pauses.replace(connection, change.pause)
            return True
        case LiftPause():
            return pauses.lift(connection, change.account, change.at)


def _open(connection: sqlite3.Connection, entry: Open) -> Opened:
    row = entry.row
    if row.status is PayoutStatus.SENDING:
        raise JournalError(f"Payout {row.id} cannot begin as SENDING: a pause could not hold it.")
    if connection.execute(_INSERT, write_row(row)).rowcount == 0:
        found = connection.execute(f"{SELECT_PAYOUTS} WHERE key = ?", (row.key,)).fetchone()
        return Opened(read_row(found), created=False)
    _add_history(connection, row, entry.event, 1, decided_by=row.decided_by)
    return Opened(row, created=True)


def _move(connection: sqlite3.Connection, entry: Move) -> Moved | Stale | Held:
    before, event = entry.before, entry.event
    stored, seq = _stored(connection, before.id)
    if stored["fence"] != before.fence:
        return Stale(read_row(stored.values()))
    after = dataclasses.replace(entry.after, fence=before.fence + 1, updated_at=event.at)
    values = dict(zip(COLUMNS, write_row(after), strict=True))
    _refuse_forbidden(stored, values)
    if after.status is PayoutStatus.SENDING and stored["status"] != PayoutStatus.SENDING:
        pause = pauses.pause_or_probe(connection, after.account, event.at)
        if pause is not None:
            return Held(pause)
    if entry.answers is not None and not _answer(connection, entry.answers, stored, event):
        return Stale(read_row(stored.values()))
    connection.execute(_UPDATE, (*(values[name] for name in _MOVABLE), before.id, before.fence))
    _add_history(connection, after, event, seq + 1, decided_by=after.decided_by)
    if entry.publish:
        _publish(connection, after, event, seq + 1)
    if entry.lifts:
        pauses.lift_block(connection, after.account, event.at)
    if entry.pause is not None:
        pauses.stop(connection, entry.pause)
    if entry.asks is not None:
        connection.execute(
            "INSERT INTO queries (token_hash, payout_id, attempt, asked_at) VALUES (?, ?, ?, ?)",
            (entry.asks.token_hash, after.id, after.attempt, to_us(entry.asks.asked_at)),
        )
    return Moved(after)


def _note(connection: sqlite3.Connection, entry: Note) -> Noted:
    stored, seq = _stored(connection, entry.payout_id)
    _add_history(connection, read_row(stored.values()), entry.event, seq + 1, decided_by="")
    if entry.due_at is not None:
        due_at = to_us(entry.due_at)
        connection.execute(
            "UPDATE payouts SET next_at = ? WHERE id = ? AND (next_at IS NULL OR next_at > ?)"  # noqa: S608 - constants
            f" AND status NOT IN ({', '.join('?' * len(_FINAL))})",
            (due_at, entry.payout_id, due_at, *_FINAL),
        )
    return Noted()


def _stored(connection: sqlite3.Connection, payout_id: str) -> tuple[Mapping[str, Any], int]:
    """Return a payout's columns and the number of its last history row."""
    found = connection.execute(_SELECT_WITH_SEQ, (payout_id,)).fetchone()
    if found is None:
        raise JournalError(f"The journal has no payout {payout_id}.")
    seq, *values = found
    return dict(zip(COLUMNS, values, strict=True)), seq


def _refuse_forbidden(stored: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse what must never be true, judged by what is stored and not by what the caller read; column by column."""
    payout, status, attempt = stored["id"], PayoutStatus(stored["status"]), stored["attempt"]
    changed = [name for name in _FIXED if stored[name] != after[name]]
    if changed:
        raise JournalError(f"Payout {payout} cannot change its {', '.join(changed)}.")
    if status.is_final and after["status"] != status:
        reversal = status is PayoutStatus.SUCCEEDED and after["status"] == PayoutStatus.REVERSED
        if not reversal:
            raise JournalError(f"Payout {payout} is {status} and cannot become {after['status']}.")
    if after["attempt"] < attempt:
        raise JournalError(f"Payout {payout} cannot go back to attempt {after['attempt']}.")
    if after["attempt"] > attempt:
        return
    if stored["ambiguous"] and not after["ambiguous"]:
        raise JournalError(f"Attempt {attempt} of payout {payout} was ambiguous and stays so.")
    if stored["first_sent_at"] is not None and after["first_sent_at"] != stored["first_sent_at"]:
        raise JournalError(f"Attempt {attempt} of payout {payout} was first sent at a moment that stays.")


def _answer(connection: sqlite3.Connection, token_hash: str, stored: Mapping[str, Any], event: Event) -> bool:
    answered = connection.execute(
        "UPDATE queries SET answered_at = ?"
        " WHERE token_hash = ? AND payout_id = ? AND attempt = ? AND answered_at IS NULL",
        (to_us(event.at), token_hash, stored["id"], stored["attempt"]),
    )
    return answered.rowcount > 0


def _add_history(connection: sqlite3.Connection, row: PayoutRow, event: Event, seq: int, *, decided_by: str) -> None:
    values: tuple[Any, ...] = (
        row.id,
        seq,
        to_us(event.at),
        event.name,
        str(row.status),
        row.attempt,
        row.tries,
        decided_by,
        write_json(event.evidence),
    )
    connection.execute(
        "INSERT INTO history (payout_id, seq, at, event, status, attempt, tries, decided_by, evidence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def _publish(connection: sqlite3.Connection, row: PayoutRow, event: Event, seq: int) -> None:
    connection.execute(
        "INSERT INTO outbox (event_id, payout_id, key, account, status, reason, attempt, seq, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            f"{row.id}.{seq}",
            row.id,
            row.key,
            row.account,
            str(row.status),
            None if row.reason is None else write_reason(row.reason),
            row.attempt,
            seq,
            to_us(event.at),
        ),
    )
