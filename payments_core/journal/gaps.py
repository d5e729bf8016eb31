"""What a restored journal may lack: kept in it, and looked at in the commit before the first byte, as pauses are."""

from __future__ import annotations

import functools
import json
import secrets
import string
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payments_core.entries import Held, Move, Unsought
from payments_core.journal import pauses
from payments_core.journal.rows import checked, from_us, read_reason, to_us
from payments_core.journal.statements import Session, Statements
from payments_core.payout import PayoutStatus, ReasonCode
from payments_core.rows import Gap, Pause

__all__ = [
    "Act",
    "begin",
    "current",
    "end",
    "find",
    "is_unsought",
    "may_hide_a_send",
    "reconcile",
    "refuse",
    "unsettled",
]

_LEAST_ABSENCES = 3
# A person may only call it paid, so that no second attempt follows from what is decided.
_NEVER_PAID_AGAIN = frozenset({ReasonCode.MISMATCH, ReasonCode.EARLIER_ATTEMPT_PAID})
_LETTERS = 10
# Who may say that a payout has failed whatever the journal has forgotten: all others only know what it remembers.
_KNOW = frozenset({"read", "deferred", "person"})
_WHY = "the journal was restored, and nobody has compared the provider's statement with it yet"


@dataclass(frozen=True, slots=True)
class Act:
    """What a person says about a restored journal.

    Args:
        at: When.
        who: Who.
        why: In their words.

    """

    at: datetime
    who: str
    why: str

    def told(self, **more: int) -> dict[str, Any]:
        """For the journal."""
        return {"at": to_us(self.at), "who": self.who, "why": self.why, **more}


class _Text:
    """The statements, in one dialect."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        self.get = f"SELECT value FROM {at}meta WHERE name = 'restored'"  # noqa: S608
        self.put = text(
            f"INSERT INTO {at}meta (name, value) VALUES (?, ?)"  # noqa: S608
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        self.drop = f"DELETE FROM {at}meta WHERE name = 'restored'"  # noqa: S608
        self.unmark = f"DELETE FROM {at}meta WHERE name = 'backup_at'"  # noqa: S608
        # A lost second attempt may have paid what is told to have failed: each is looked at once.
        self.look_at_failed = text(
            f"UPDATE {at}payouts SET next_at = ? WHERE status = '{PayoutStatus.FAILED}'"  # noqa: S608
        )
        # Whatever stops the account already stays, and is not waited for.
        self.stop = text(
            f"INSERT INTO {at}pauses (account, since, why, by) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
        )
        self.pauses = f"SELECT account FROM {at}pauses WHERE by = '{pauses.RESTORED}'"  # noqa: S608
        # What was sought in vain is unsent again only when nothing later was found either.
        open_ = f"'{PayoutStatus.SENDING}', '{PayoutStatus.PENDING}', '{PayoutStatus.UNKNOWN}'"
        self.unsettled = text(
            f"SELECT COUNT(*) FROM {at}payouts WHERE COALESCE(sent_at, 0) < ? AND COALESCE(not_before, 0) <= ?"  # noqa: S608
            f" AND (status IN ({open_}) OR status = '{PayoutStatus.CREATED}'"
            " AND NOT (absences >= ? AND COALESCE(first_absence_at, 0) >= ?))"
        )
        self.in_review = text(
            f"SELECT reason FROM {at}payouts WHERE status = '{PayoutStatus.REVIEW}' AND COALESCE(sent_at, 0) < ?"  # noqa: S608
        )
        self.to_look_at = (
            f"SELECT account, COUNT(*) FROM {at}payouts WHERE status = '{PayoutStatus.FAILED}'"  # noqa: S608
            " AND next_at IS NOT NULL GROUP BY account"
        )


_text = functools.cache(_Text)


def current(session: Session) -> Gap | None:
    """Return what the journal lacks; None when it is complete, as far as it knows."""
    return find(session.sql, lambda statement: session.execute(statement, ()).fetchall())


def find(sql: Statements, fetch: Callable[[str], Sequence[tuple[Any, ...]]]) -> Gap | None:
    """Return the same outside of a transaction."""
    found = fetch(_text(sql).get)
    return _read(found[0][0]) if found else None


@checked
def _read(stored: str) -> Gap:
    told = json.loads(stored)
    compared = told.get("reconciled")
    return Gap(from_us(told["began"]), from_us(told["at"]), None if compared is None else from_us(compared["at"]))


def refuse(session: Session, stored: Mapping[str, Any], entry: Move) -> Unsought | Held | None:
    """Say why a payout may not be sent while something is missing; None when it may. The pauses are locked.

    The stop for all to see is written here: it is a sign, and what holds is the gap itself.
    """
    gap = current(session)
    if gap is None:
        return None
    if entry.seekable and not _is_sought(stored, gap):
        return Unsought()
    if gap.reconciled_at is not None or (entry.refused_since is not None and gap.began_at >= entry.refused_since):
        return None
    pause = Pause(entry.after.account, entry.event.at, _WHY, pauses.RESTORED)
    session.execute(_text(session.sql).stop, (pause.account, to_us(pause.since), pause.why, pause.by))
    return Held(pause)


def is_unsought(session: Session, stored: Mapping[str, Any], decided_by: str) -> bool:
    """Say whether a payout may not be called failed yet: something is missing, and nobody has asked the provider."""
    if decided_by in _KNOW or stored["status"] == PayoutStatus.FAILED:
        return False
    gap = current(session)
    return gap is not None and not _is_sought(stored, gap)


def may_hide_a_send(session: Session, stored: Mapping[str, Any]) -> bool:
    """Whether what is missing may hold a send of a payout, or a later attempt: only a try that followed proves not."""
    gap = current(session)
    return gap is not None and (stored["sent_at"] is None or stored["sent_at"] < to_us(gap.declared_at))


def _is_sought(stored: Mapping[str, Any], gap: Gap) -> bool:
    """Say whether the provider has shown nothing often enough since the journal was restored, or a try followed it."""
    since = to_us(gap.declared_at)
    if stored["sent_at"] is not None and stored["sent_at"] >= since:
        return True
    absent_at = stored["first_absence_at"]
    return absent_at is not None and absent_at >= since and stored["absences"] >= _LEAST_ABSENCES


def begin(session: Session, began_at: datetime, act: Act) -> Gap:
    """Write down that whatever came after a moment may be missing; an earlier gap that is not over is a part of it."""
    text = _text(session.sql)
    pauses.lock(session)
    before = current(session)
    if before is not None:
        began_at = min(began_at, before.began_at)
    told = act.told(began=to_us(began_at))
    session.execute(text.put, ("restored", json.dumps(told)))
    session.execute(text.unmark, ())
    # It goes into the ids of events: consumers may have seen those that were lost. It is drawn, as a count would be
    # restored with the journal; of letters only, as digits may be masked as a number.
    word = "".join(secrets.choice(string.ascii_lowercase) for _ in range(_LETTERS))
    session.execute(text.put, ("restorations", word))
    session.execute(text.look_at_failed, (to_us(act.at),))
    return _read(json.dumps(told))


def reconcile(session: Session, act: Act) -> bool:
    """Write down that a person has compared the statement; say whether there was a gap."""
    text = _text(session.sql)
    pauses.lock(session)
    found = session.execute(text.get, ()).fetchone()
    if found is None:
        return False
    told = json.loads(found[0]) | {"reconciled": act.told()}
    session.execute(text.put, ("restored", json.dumps(told)))
    _lift(session, act.at)
    return True


def unsettled(session: Session, gap: Gap, accounts: Collection[str]) -> int:
    """Count the payouts of which nobody knows yet whether they were paid in what is missing.

    Args:
        session: On the journal.
        gap: What it lacks.
        accounts: Those that are configured: nobody can look at what failed on another, and a statement tells of it.

    """
    text, since = _text(session.sql), to_us(gap.declared_at)
    (count,) = session.execute(text.unsettled, (since, since, _LEAST_ABSENCES, since)).fetchone()
    reasons = [read_reason(reason) for (reason,) in session.execute(text.in_review, (since,)).fetchall()]
    looks = session.execute(text.to_look_at, ()).fetchall()
    count += sum(reason.code not in _NEVER_PAID_AGAIN for reason in reasons)
    count += sum(many for account, many in looks if account in accounts or gap.reconciled_at is None)
    return int(count)


def end(session: Session, act: Act) -> None:
    """Write down that a person says it is over; what was said stays."""
    text = _text(session.sql)
    pauses.lock(session)
    found = session.execute(text.get, ()).fetchone()
    if found is None:
        return
    told = json.loads(found[0]) | {"over": act.told()}
    session.execute(text.put, (f"restored {act.at.isoformat()}", json.dumps(told)))
    session.execute(text.drop, ())
    _lift(session, act.at)


def _lift(session: Session, at: datetime) -> None:
    for (account,) in session.execute(_text(session.sql).pauses, ()).fetchall():
        pauses.lift_by(session, account, at, pauses.RESTORED)
