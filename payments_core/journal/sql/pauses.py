"""Pauses: what stops money requests, and the one payout that may probe whether a pause by the library is over.

The machine stops an account by itself for three reasons: the provider refuses the account (a block), it asks for fewer
requests (a rate), or the last payments were all ambiguous (a circuit). One stop of an account is in force at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payments_core.domain.causes import PausedBy
from payments_core.domain.records import Pause
from payments_core.journal.sql.columns import read_pause, to_us
from payments_core.journal.sql.transaction import DbTransaction

__all__ = [
    "LiftPause",
    "SetPause",
    "lift",
    "lift_by",
    "lift_ours",
    "lock",
    "pause_or_probe",
    "replace",
    "stop",
    "stop_if_free",
]

# Doubling ends here: an hour, and ten minutes where the provider may only have had a bad moment.
_LONGEST_PROBE_US = 3_600_000_000
_LONGEST_CIRCUIT_US = 600_000_000
_SHORTEST_PROBE_US = 1_000_000


@dataclass(frozen=True, slots=True)
class SetPause:
    """Write a pause in place of the one in force for its account."""

    pause: Pause


@dataclass(frozen=True, slots=True)
class LiftPause:
    """End the pause of an account, or the one for all; payouts that waited for it are due at once."""

    account: str | None
    at: datetime


def lock(session: DbTransaction, *, shared: bool = False) -> None:
    """Exclude submissions and pauses: a submission locks shared, so that one that commits later sees a pause."""
    session.lock("pauses", shared=shared)


def replace(session: DbTransaction, pause: Pause) -> None:
    """Write a pause in place of the one in force for its account."""
    lock(session)
    since, probe_at = to_us(pause.since), None if pause.probe_at is None else to_us(pause.probe_at)
    every = None if probe_at is None else (probe_at - since if probe_at > since else _SHORTEST_PROBE_US)
    session.execute(session.sql.put_pause, (pause.account or "", since, pause.why, pause.by, probe_at, every))


def stop(session: DbTransaction, pause: Pause) -> bool:
    """Write the pause that belongs to a transition; whether it began now.

    The machine never replaces a person's pause, and of its own only a block replaces another. One of the same kind that
    is in force keeps its beginning, and its probe moves only away: sixteen refusals of payments already on the wire are
    one block.
    """
    lock(session)
    found = session.execute(session.sql.pause_of, (pause.account or "",)).fetchone()
    if (
        found is None
        or pause.by == PausedBy.PERSON
        or (pause.by == PausedBy.ACCOUNT_REFUSED and found[0] not in {PausedBy.PERSON, PausedBy.ACCOUNT_REFUSED})
    ):
        replace(session, pause)
        return found is None or found[0] != pause.by
    if found[0] == pause.by:
        later = None if found[1] is None or pause.probe_at is None else max(found[1], to_us(pause.probe_at))
        session.execute(session.sql.renew_pause, (pause.why, later, pause.account or ""))
    return False


def stop_if_free(session: DbTransaction, pause: Pause) -> bool:
    """Write a pause unless one is in force for its account; whether it was written."""
    lock(session)
    if session.execute(session.sql.pause_of, (pause.account or "",)).fetchone() is not None:
        return False
    replace(session, pause)
    return True


def lift(session: DbTransaction, account: str | None, at: datetime) -> bool:
    """End the pause of an account, or the one for all; whether there was one."""
    ended = session.execute(session.sql.lift, (account or "",)).rowcount > 0
    if ended:
        _wake(session, account, at)
    return ended


def lift_ours(session: DbTransaction, account: str, at: datetime, *, sent_at: datetime | None) -> PausedBy | None:
    """End a pause by the library, as a payment got through; return its kind, or nothing. A person's pause stays.

    Args:
        session: The open transaction.
        account: The account's name.
        at: Now.
        sent_at: When that payment was sent.

    """
    found = session.execute(session.sql.lifted, (account, to_us(sent_at or at))).fetchone()
    return PausedBy(found[0]) if found is not None and lift_by(session, account, at, found[0]) else None


def lift_by(session: DbTransaction, account: str, at: datetime, by: str) -> bool:
    """End the pause of an account if it is of this kind; whether it was."""
    ended = session.execute(session.sql.lift_by, (account, by)).rowcount > 0
    if ended:
        _wake(session, account, at)
    return ended


def _wake(session: DbTransaction, account: str | None, at: datetime) -> None:
    """Make unsent payouts due, however long a block or a refusal had delayed them; never before ``not_before``."""
    now = to_us(at)
    session.execute(session.sql.wake, (now, now, account, account))


def pause_or_probe(session: DbTransaction, account: str, at: datetime) -> Pause | None:
    """Return the pause that forbids a submission, or None when it may leave.

    A submission that leaves although a pause by the library is in force is its probe: the next probe is delayed in the
    same transaction, by a wait that doubles up to a limit, so that only one leaves. The pauses are locked.
    """
    found: list[tuple[Any, ...]] = session.execute(session.sql.pauses_holding, (account,)).fetchall()
    now = to_us(at)
    for *stored, _ in found:
        pause = read_pause(tuple(stored))
        if pause.by == PausedBy.PERSON or pause.probe_at is None or at < pause.probe_at:
            return pause
    for name, _, _, by, _, every in found:
        longest = _LONGEST_CIRCUIT_US if by == PausedBy.CIRCUIT else _LONGEST_PROBE_US
        wait = min(2 * every, max(every, longest))
        session.execute(session.sql.put_off_probe, (now + wait, wait, name))
    return None
