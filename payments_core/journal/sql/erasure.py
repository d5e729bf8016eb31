"""Forgetting a payee: whatever may tell who it was is taken out of a payout that has come to an end.

What keeps the promises stays: key, fingerprint, references, hashes, amounts, states and times. In the payee's place
stands a hash under a key of the journal's own, by which the payouts of one forgotten payee are still the same payee's.
"""

# ruff: noqa: S608 - put together from constants of this house

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from payments_core.domain.events import EventName
from payments_core.domain.payout import ERASED, Payee, PayoutStatus, Reason
from payments_core.domain.records import ErasureResult, PayoutRecord
from payments_core.http.messages import HttpRequest
from payments_core.journal.sql.columns import (
    read_attempt,
    read_reason,
    read_row,
    to_us,
    write_contradictions,
    write_json,
    write_reason,
)
from payments_core.journal.sql.statements import DbTransaction, Statements

__all__ = ["Erase", "Erasing", "Trim", "apply"]

_SECRET = "payee_secret"  # noqa: S105 - its name
# What a history entry may go on saying; everything else may be words about a person.
_FACTS = frozenset(
    {
        "not_found_count",
        "not_found",
        "account",
        "account_before",
        "actor",
        "again_in_s",
        "answer",
        "attempt",
        "because",
        "claims",
        "code",
        "decision",
        "http_status",
        "paid_from",
        "person",
        "provider",
        "provider_code",
        "provider_http_status",
        "reason",
        "references_before",
        "submission",
    }
)


@dataclass(frozen=True, slots=True)
class Erase:
    """Take the payee out of payouts.

    Args:
        at: Now.
        payout_ids: Which.
        actor: Who wants it.
        reason: On what grounds.
        all_or_none: Change nothing unless each of them can be forgotten.
        dry_run: Change nothing at all.

    """

    at: datetime
    payout_ids: tuple[str, ...]
    actor: str
    reason: str
    all_or_none: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Trim:
    """Remove callbacks that were handled before a moment."""

    before: datetime
    limit: int


class _Statements:
    """The statements in one dialect."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        self.secret = text(f"SELECT value FROM {at}meta WHERE name = ?")
        self.keep_secret = text(f"INSERT INTO {at}meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
        self.of_payee = text(
            f"SELECT id FROM {at}payouts WHERE payee_kind = ? AND (payee_value = ? OR payee_value = ?) ORDER BY no"
        )
        self.ended_before = text(
            f"SELECT id, no FROM {at}payouts WHERE no > ? AND updated_at < ? AND erased_at IS NULL"
            f" AND status IN ({_FINAL}) ORDER BY no LIMIT ?"
        )
        self.erase = text(
            f"UPDATE {at}payouts SET payee_value = ?, payee_details = '{{}}', note = '', options = '{{}}', request = ?,"
            " reason = ?, contradictions = ?, version = version + 1, updated_at = ?, erased_at = ? WHERE id = ?"
        )
        self.evidence = text(f"SELECT seq, evidence FROM {at}history WHERE payout_id = ?")
        self.erase_evidence = text(f"UPDATE {at}history SET evidence = ? WHERE payout_id = ? AND seq = ?")
        self.erase_attempt = text(f"UPDATE {at}attempts SET request = ?, reason = ? WHERE payout_id = ? AND number = ?")
        self.erase_approvals = text(f"UPDATE {at}approvals SET why = '' WHERE payout_id = ?")
        self.events = text(f"SELECT no, reason FROM {at}outbox WHERE payout_id = ? AND reason IS NOT NULL")
        self.erase_event = text(f"UPDATE {at}outbox SET reason = ? WHERE no = ?")
        self.trim = text(
            f"DELETE FROM {at}inbox WHERE no IN (SELECT no FROM {at}inbox WHERE handled_at < ? ORDER BY no LIMIT ?)"
        )


_FINAL = ", ".join(f"'{status}'" for status in PayoutStatus if status.is_final)


@functools.cache
def _statements(sql: Statements) -> _Statements:
    return _Statements(sql)


def apply(session: DbTransaction, change: Erase | Trim) -> ErasureResult | int:
    """Write one change."""
    if isinstance(change, Trim):
        return session.execute(_statements(session.sql).trim, (to_us(change.before), change.limit)).rowcount
    found: dict[str, tuple[PayoutRecord, int]] = {}
    for payout in sorted(change.payout_ids):  # locked in one order by everybody
        stored = session.execute(session.sql.lock_payout, (payout,)).fetchone()
        if stored is not None:
            (seq,) = session.execute(session.sql.last_seq, (payout,)).fetchone()
            found[payout] = read_row(stored), seq
    kept = {payout: why for payout, (row, _) in found.items() if (why := _kept_for(row, change.at))}
    if kept and change.all_or_none:
        return ErasureResult((), kept)
    wanted = [one for payout, one in found.items() if payout not in kept and one[0].erased_at is None]
    if wanted and not change.dry_run:
        secret = _secret(session)
        for row, seq in wanted:
            _forget(session, row, seq, change, secret)
    return ErasureResult(tuple(row.id for row, _ in wanted), kept)


def _kept_for(row: PayoutRecord, at: datetime) -> str:
    """Say why a payout cannot be forgotten yet; empty when it can."""
    if not row.status.is_final:
        return f"It is {row.status}: its payee is needed until it has come to an end."
    if row.rechecks_left:
        return "A result callback told its failure, which is still being read again."
    settled_at = row.updated_at + timedelta(hours=row.reason.settling_h if row.reason else 0.0)
    if row.erased_at is None and at < settled_at:
        return f"Its end may still turn out to be another until {settled_at:%Y-%m-%d %H:%M} UTC."
    if row.contradicted_at is not None:
        return "A read contradicts its end: its payee is needed until a person has acknowledged that."
    return ""


def _forget(session: DbTransaction, row: PayoutRecord, seq: int, change: Erase, secret: bytes) -> None:
    sql, at = _statements(session.sql), to_us(change.at)
    payee = row.payee_value if row.payee_kind == "collection" else _hash(secret, row.payee_kind, row.payee_value)
    said = write_contradictions(replace(one, reason="") for one in row.contradictions)
    session.execute(sql.erase, (payee, _bare(row.request), _wordless(row.reason), said, at, at, row.id))
    for number, told in session.execute(sql.evidence, (row.id,)).fetchall():
        session.execute(sql.erase_evidence, (write_json(_facts(json.loads(told))), row.id, number))
    for ended in map(read_attempt, session.execute(session.sql.attempts, (row.id,)).fetchall()):
        told = (_bare(ended.request), _wordless(ended.reason), row.id, ended.number)
        session.execute(sql.erase_attempt, told)
    session.execute(sql.erase_approvals, (row.id,))
    for no, why in session.execute(sql.events, (row.id,)).fetchall():
        session.execute(sql.erase_event, (_wordless(read_reason(why)), no))
    told = write_json({"actor": change.actor, "reason": change.reason})
    entry = (row.id, seq + 1, at, EventName.PAYOUT_ERASED, str(row.status), row.attempt, row.submissions, "", told)
    session.execute(session.sql.add_history, entry)


def _wordless(reason: Reason | None) -> str | None:
    return None if reason is None else write_reason(replace(reason, text=""))


def _facts(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _facts(value) if name == "person" and isinstance(value, Mapping) else value
        for name, value in evidence.items()
        if name in _FACTS and not (name == "reason" and "actor" in evidence)  # a person's words, not a code
    }


def _bare(request: str) -> str:
    """Return a stored request without whom it pays; what reads a payment by its references needs no more."""
    told = HttpRequest.from_json(request)
    return HttpRequest(told.method, "", told.operation, moves_money=told.moves_money).to_json()


def _secret(session: DbTransaction) -> bytes:
    sql = _statements(session.sql)
    session.execute(sql.keep_secret, (_SECRET, secrets.token_hex(32)))
    return bytes.fromhex(session.execute(sql.secret, (_SECRET,)).fetchone()[0])


def _hash(secret: bytes, kind: str, value: str) -> str:
    digest = hmac.new(secret, f"{kind}/{value}".encode(), hashlib.sha256).hexdigest()
    return f"{ERASED}{digest[:32]}"


class Erasing(ABC):
    """The part of the journal's protocol that looks after what it holds of people."""

    _sql: ClassVar[Statements]

    @abstractmethod
    def _fetch(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def _change(self, change: Any) -> Any: ...

    def erase(
        self, payout_ids: Collection[str], *, at: datetime, actor: str, reason: str, all_or_none: bool, dry_run: bool
    ) -> ErasureResult:
        """Take the payee out of payouts that have come to an end."""
        told: ErasureResult = self._change(Erase(at, tuple(payout_ids), actor, reason, all_or_none, dry_run))
        return told

    def of_payee(self, payee: Payee) -> tuple[str, ...]:
        """Return the ids of a payee's payouts, the forgotten ones too."""
        found = self._fetch(_statements(self._sql).secret, (_SECRET,))
        hashed = _hash(bytes.fromhex(found[0][0]), payee.kind, payee.value) if found else payee.value
        return tuple(
            payout for (payout,) in self._fetch(_statements(self._sql).of_payee, (payee.kind, payee.value, hashed))
        )

    def ended_before(self, moment: datetime, *, after: int = 0, limit: int) -> tuple[tuple[str, int], ...]:
        """Return ids and numbers of unforgotten payouts that moved last before a moment, and have come to an end."""
        return tuple(self._fetch(_statements(self._sql).ended_before, (after, to_us(moment), limit)))

    def trim(self, before: datetime, *, limit: int) -> int:
        """Remove callbacks that were handled before a moment; return how many."""
        removed: int = self._change(Trim(before, limit))
        return removed
