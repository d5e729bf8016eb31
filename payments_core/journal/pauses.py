"""Pauses: what stops money requests, and the one payout that may go and see whether a block is over."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payments_core.entries import Pause
from payments_core.journal.rows import read_pause, to_us
from payments_core.payout import PayoutStatus

__all__ = ["PAUSE_COLUMNS", "LiftPause", "SetPause", "lift", "lift_block", "pause_or_probe", "replace", "stop"]

PAUSE_COLUMNS = "account, since, why, by, probe_at"

_BLOCKED = "blocked"
_LONGEST_PROBE_US = 3_600_000_000  # an hour: doubling ends here
_SHORTEST_PROBE_US = 1_000_000


@dataclass(frozen=True, slots=True)
class SetPause:
    """Write a pause in place of the one in force for its account."""

    pause: Pause


@dataclass(frozen=True, slots=True)
class LiftPause:
    """End the pause of an account, or the one for all; what waited for it is due at once."""

    account: str | None
    at: datetime


def replace(connection: sqlite3.Connection, pause: Pause) -> None:
    """Write a pause in place of the one in force for its account."""
    since, probe_at = to_us(pause.since), None if pause.probe_at is None else to_us(pause.probe_at)
    every = None if probe_at is None else (probe_at - since if probe_at > since else _SHORTEST_PROBE_US)
    connection.execute(
        "INSERT OR REPLACE INTO pauses (account, since, why, by, probe_at, probe_every) VALUES (?, ?, ?, ?, ?, ?)",
        (pause.account or "", since, pause.why, pause.by, probe_at, every),
    )


def stop(connection: sqlite3.Connection, pause: Pause) -> None:
    """Write a pause that a move brings along.

    A person's is never replaced by a block. A block that is there keeps its beginning and its probe moves only away:
    sixteen refusals of payments already on the wire are one block.
    """
    found = connection.execute("SELECT by, probe_at FROM pauses WHERE account = ?", (pause.account or "",)).fetchone()
    if found is None or pause.by != _BLOCKED:
        replace(connection, pause)
    elif found[0] == _BLOCKED:
        later = None if found[1] is None or pause.probe_at is None else max(found[1], to_us(pause.probe_at))
        connection.execute(
            "UPDATE pauses SET why = ?, probe_at = ? WHERE account = ?", (pause.why, later, pause.account or "")
        )


def lift(connection: sqlite3.Connection, account: str | None, at: datetime) -> bool:
    """End the pause of an account, or the one for all; say whether there was one."""
    ended = connection.execute("DELETE FROM pauses WHERE account = ?", (account or "",)).rowcount > 0
    if ended:
        _wake(connection, account, at)
    return ended


def lift_block(connection: sqlite3.Connection, account: str, at: datetime) -> None:
    """End a block of an account; a person's pause stays."""
    if connection.execute("DELETE FROM pauses WHERE account = ? AND by = ?", (account, _BLOCKED)).rowcount:
        _wake(connection, account, at)


def _wake(connection: sqlite3.Connection, account: str | None, at: datetime) -> None:
    """Make unsent payouts due, however long a block or a refusal had put them off; never before ``not_before``."""
    now = to_us(at)
    connection.execute(
        "UPDATE payouts SET next_at = MAX(?, COALESCE(not_before, 0))"
        " WHERE status = ? AND next_at > ? AND (? IS NULL OR account = ?)",
        (now, str(PayoutStatus.CREATED), now, account, account),
    )


def pause_or_probe(connection: sqlite3.Connection, account: str, at: datetime) -> Pause | None:
    """Return the pause that forbids a send, or None when it may leave.

    A send that leaves although a block is in force is its probe: the next one is put off in the same transaction, by
    a wait that doubles up to an hour, so that only one leaves.
    """
    found: list[tuple[Any, ...]] = connection.execute(
        f"SELECT {PAUSE_COLUMNS}, probe_every FROM pauses WHERE account IN (?, '')",  # noqa: S608 - a constant
        (account,),
    ).fetchall()
    now = to_us(at)
    for *stored, _ in found:
        pause = read_pause(tuple(stored))
        if pause.by != _BLOCKED or pause.probe_at is None or at < pause.probe_at:
            return pause
    for name, *_, every in found:
        wait = min(2 * every, max(every, _LONGEST_PROBE_US))
        connection.execute(
            "UPDATE pauses SET probe_at = ?, probe_every = ? WHERE account = ?", (now + wait, wait, name)
        )
    return None
