"""What a restored journal may lack, and the one gate that follows: judged in the commit before the first byte.

While the gap is open, nothing is sent, and nothing is called failed but by a read or a person, before

- the provider was asked since the restore, and has not shown the payment for as long as it may take to show one; and
- the statements that it takes were compared: that of the account itself where its provider cannot be asked at once, or
  where the gap is too old for it to refuse a second payment; and that of each other account that could have paid it.

No further attempt begins. The gap ends when every account has a compared statement of its own and no payout is open. A
reference that a statement has and the journal lacks is kept for good: what would be sent under it is only read.
"""

from __future__ import annotations

import functools
import json
import secrets
import string
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payments_core.domain.causes import DecidedBy, PausedBy
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Gap, Pause, PayoutRecord
from payments_core.engine.commands import AccountPaused, ApplyTransition, CheckFirst, OnStatement
from payments_core.journal.sql import pauses
from payments_core.journal.sql.columns import checked, compared_references, from_us, to_us
from payments_core.journal.sql.statements import Statements
from payments_core.journal.sql.transaction import DbTransaction

__all__ = [
    "OperatorAction",
    "accounts",
    "begin",
    "compare",
    "current",
    "end",
    "find",
    "is_open",
    "is_presumed",
    "known",
    "refuse",
    "refuse_cancellation",
    "unsettled",
]

_LEAST_NOT_FOUND = 3
_MARK_LENGTH = 10
# Deciders whose FAILED holds whatever the journal lost; every other rests on what it still has.
_KNOW = frozenset({DecidedBy.READ, DecidedBy.RESULT_CALLBACK, DecidedBy.PERSON})


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """A person's decision about a restored journal.

    Args:
        at: Its time.
        actor: The person.
        reason: The person's reason.

    """

    at: datetime
    actor: str
    reason: str

    def fields(self, **more: int) -> dict[str, Any]:
        """Return what the journal stores of it."""
        return {"at": to_us(self.at), "actor": self.actor, "reason": self.reason, **more}


class _Statements:
    """The statements, in one dialect."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        self.get = f"SELECT value FROM {at}meta WHERE name = 'restored'"  # noqa: S608
        self._gate = f"SELECT ({self.get}), EXISTS (SELECT 1 FROM {at}statement_references WHERE reference IN ({{}}))"  # noqa: S608
        self._text = text
        self.put = text(
            f"INSERT INTO {at}meta (name, value) VALUES (?, ?)"  # noqa: S608
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        self.drop = f"DELETE FROM {at}meta WHERE name = 'restored'"  # noqa: S608
        self.unmark = f"DELETE FROM {at}meta WHERE name = 'backup_at'"  # noqa: S608
        # A pause that is in force stays.
        self.stop = text(
            f"INSERT INTO {at}pauses (account, since, why, by) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
        )
        self.pauses = f"SELECT account FROM {at}pauses WHERE by = '{PausedBy.RESTORED}'"  # noqa: S608
        self.keep = text(
            f"INSERT INTO {at}statement_references (reference, account, kept_at) VALUES (?, ?, ?)"  # noqa: S608
            " ON CONFLICT DO NOTHING"
        )
        self.references = f'SELECT "references" FROM {at}payouts UNION ALL SELECT "references" FROM {at}attempts'  # noqa: S608
        self.accounts = f"SELECT account FROM {at}payouts UNION SELECT account FROM {at}attempts"  # noqa: S608
        open_ = f"'{PayoutStatus.SENDING}', '{PayoutStatus.PENDING}', '{PayoutStatus.UNKNOWN}'"
        self.unsettled = text(
            f"SELECT COUNT(*) FROM {at}payouts WHERE COALESCE(sent_at, 0) < ? AND COALESCE(not_before, 0) <= ?"  # noqa: S608
            f" AND (status IN ({open_}) OR status = '{PayoutStatus.CREATED}'"
            " AND NOT (not_found_count >= ? AND COALESCE(first_not_found_at, 0) >= ?))"
        )
        self.in_review = f"SELECT COUNT(*) FROM {at}payouts WHERE status = '{PayoutStatus.REVIEW}'"  # noqa: S608

    def gate(self, references: int) -> str:
        """Return the statement for what is missing, and whether a statement has one of so many references."""
        return self._text(self._gate.format(", ".join("?" * references)))


_statements = functools.cache(_Statements)


def current(session: DbTransaction) -> Gap | None:
    """Return what the journal lacks; None when it is complete, as far as it knows."""
    return find(session.sql, lambda statement: session.execute(statement, ()).fetchall())


def find(sql: Statements, fetch: Callable[[str], Sequence[tuple[Any, ...]]]) -> Gap | None:
    """Return the same outside of a transaction."""
    found = fetch(_statements(sql).get)
    return _read(found[0][0]) if found else None


def is_open(session: DbTransaction) -> bool:
    """Whether the gap is open, and stays so until the commit. The pauses are locked."""
    pauses.lock(session, shared=True)
    return current(session) is not None


@checked
def _read(stored: str) -> Gap:
    fields = json.loads(stored)
    return Gap(from_us(fields["began"]), from_us(fields["at"]), frozenset(fields.get("compared", ())))


def is_presumed(stored: PayoutRecord, after: PayoutRecord) -> bool:
    """Whether a transition to FAILED is decided without a read: by a guard, an expiry, or the end of a submission."""
    is_end = after.status is PayoutStatus.FAILED and stored.status is not after.status
    return is_end and after.decided_by not in _KNOW


def refuse(
    session: DbTransaction, stored: PayoutRecord, entry: ApplyTransition
) -> CheckFirst | AccountPaused | OnStatement | None:
    """Return why a payout may not be sent, or not become FAILED; None when it may. The pauses are locked.

    The pause that is written here shows the stop to operators; the gap itself refuses.
    """
    after = entry.after
    gap, is_on_statement = _look(session, after)
    if is_on_statement:
        return OnStatement()
    if gap is None:
        return None
    was_sent_since = _was_sent_since(stored, gap)
    if after.status is PayoutStatus.FAILED and was_sent_since:
        return None
    if entry.absent_since is not None and not was_sent_since and not _is_absent(stored, gap, entry.absent_since):
        return CheckFirst()
    wanted = {*entry.other_payers}
    is_in_window = entry.refused_since is not None and gap.began_at >= entry.refused_since
    if entry.absent_since is None or not is_in_window:
        wanted.add(after.attempt.account)
    if not (wanted := wanted - gap.compared):
        return None
    why = f"the journal was restored, and the statement of {', '.join(sorted(wanted))} was not compared with it yet"
    pause = Pause(after.attempt.account, entry.event.at, why, PausedBy.RESTORED)
    session.execute(_statements(session.sql).stop, (pause.account, to_us(pause.since), pause.why, pause.by))
    return AccountPaused(pause)


def refuse_cancellation(
    session: DbTransaction, stored: PayoutRecord, after: PayoutRecord
) -> CheckFirst | OnStatement | None:
    """Return why a payout may not become CANCELLED: its submission, or a later attempt, may be in the gap."""
    gap, is_on_statement = _look(session, after)
    if is_on_statement:
        return OnStatement()
    return CheckFirst() if gap is not None and not _was_sent_since(stored, gap) else None


def _look(session: DbTransaction, after: PayoutRecord) -> tuple[Gap | None, bool]:
    """Return what the journal lacks, and whether a statement has a reference of this attempt."""
    references = list(compared_references(after.attempt.references)) or [""]
    gap, is_on_statement = session.execute(_statements(session.sql).gate(len(references)), references).fetchone()
    return None if gap is None else _read(gap), bool(is_on_statement)


def known(session: DbTransaction, references: Collection[str]) -> frozenset[str]:
    """Return the canonical references that an attempt of the journal has."""
    wanted, found = frozenset(references), set[str]()
    if wanted:
        cursor = session.execute(_statements(session.sql).references, ())
        while (row := cursor.fetchone()) is not None:
            found |= wanted & compared_references(json.loads(row[0]))
    return frozenset(found)


def _was_sent_since(stored: PayoutRecord, gap: Gap) -> bool:
    """Whether a submission followed the restore: it has passed the gate."""
    return stored.attempt.sent_at is not None and stored.attempt.sent_at >= gap.declared_at


def _is_absent(stored: PayoutRecord, gap: Gap, since: datetime) -> bool:
    """Whether the provider was read since the restore and did not show the payment, often and long enough."""
    absent_at = stored.schedule.first_not_found_at
    long_enough = absent_at is not None and gap.declared_at <= absent_at <= since
    return long_enough and stored.schedule.not_found_count >= _LEAST_NOT_FOUND


def begin(session: DbTransaction, began_at: datetime, act: OperatorAction) -> Gap:
    """Open a gap from a time on; an earlier gap that has not ended is a part of it.

    Statements that were compared before do not count any more.
    """
    statements = _statements(session.sql)
    pauses.lock(session)
    before = current(session)
    if before is not None:
        began_at = min(began_at, before.began_at)
    fields = json.dumps(act.fields(began=to_us(began_at)))
    session.execute(statements.put, ("restored", fields))
    session.execute(statements.unmark, ())
    # It goes into the ids of events, as consumers may have received the lost ones. It is random, as a count would be
    # restored with the journal; letters only, as digits may be masked as a number.
    mark = "".join(secrets.choice(string.ascii_lowercase) for _ in range(_MARK_LENGTH))
    session.execute(statements.put, ("restorations", mark))
    return _read(fields)


def compare(session: DbTransaction, account: str, references: Iterable[str], act: OperatorAction) -> Gap:
    """Record that a person has compared an account's statement, and store its references.

    There is a gap, and the pauses are locked. The pauses of the gap are lifted: a refusal writes them again.
    The references are canonical.
    """
    statements = _statements(session.sql)
    fields = json.loads(session.execute(statements.get, ()).fetchone()[0])
    fields["compared"] = {**fields.get("compared", {}), account: act.fields()}
    session.execute(statements.put, ("restored", json.dumps(fields)))
    for reference in references:
        session.execute(statements.keep, (reference, account, to_us(act.at)))
    _lift(session, act.at)
    return _read(json.dumps(fields))


def accounts(session: DbTransaction) -> frozenset[str]:
    """Return the names of the accounts that payouts of the journal are, or were, paid from."""
    return frozenset(name for (name,) in session.execute(_statements(session.sql).accounts, ()).fetchall())


def unsettled(session: DbTransaction, gap: Gap) -> tuple[int, int]:
    """Count the payouts that are open and whose fate in the gap is not known yet, and those in REVIEW."""
    statements, since = _statements(session.sql), to_us(gap.declared_at)
    (count,) = session.execute(statements.unsettled, (since, since, _LEAST_NOT_FOUND, since)).fetchone()
    (in_review,) = session.execute(statements.in_review, ()).fetchone()
    return int(count), int(in_review)


def end(session: DbTransaction, act: OperatorAction) -> None:
    """End the gap, as a person decided; its record stays. There is a gap, and the pauses are locked."""
    statements = _statements(session.sql)
    fields = json.loads(session.execute(statements.get, ()).fetchone()[0]) | {"over": act.fields()}
    session.execute(statements.put, (f"restored {act.at.isoformat()}", json.dumps(fields)))
    session.execute(statements.drop, ())
    _lift(session, act.at)


def _lift(session: DbTransaction, at: datetime) -> None:
    for (account,) in session.execute(_statements(session.sql).pauses, ()).fetchall():
        pauses.lift_by(session, account, at, PausedBy.RESTORED)
