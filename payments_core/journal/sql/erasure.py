"""Erasure: whatever may identify the payee is removed from a payout that has come to an end.

What the promises need stays: key, fingerprint, references, hashes, amounts, states and times. A hash under a key of the
journal replaces the payee, so that the payouts of one erased payee can still be found together.
"""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from payments_core.domain.events import EventName
from payments_core.domain.payout import ERASED, Payee, PayoutStatus, Reason
from payments_core.domain.records import ErasureResult, Event, PayoutRecord
from payments_core.http.messages import HttpRequest
from payments_core.journal.sql import history
from payments_core.journal.sql.access import SqlAccess
from payments_core.journal.sql.columns import (
    read_attempt,
    read_reason,
    read_row,
    to_us,
    write_contradictions,
    write_json,
    write_reason,
)
from payments_core.journal.sql.statements import Statements
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["Erase", "EraseRows", "ErasureMixin", "Trim", "apply"]

_SECRET = "payee_secret"  # noqa: S105 - its name
# What may stay in the evidence of a history entry; everything else may describe a person.
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
    """Erase the payees of payouts.

    Args:
        at: Now.
        payout_ids: The payouts.
        actor: The person who decides it.
        reason: The person's reason.
        all_or_none: Change nothing unless each of them can be erased.
        dry_run: Change nothing at all.

    """

    at: datetime
    payout_ids: tuple[str, ...]
    actor: str
    reason: str
    all_or_none: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class EraseRows:
    """Erase rows that are never paid: of batches that were cancelled, and of those whose creation was interrupted.

    A row whose payout still has its payee is erased with that payout.

    Args:
        before: The batch was cancelled, or its creation began, before this moment.
        limit: The most rows of cancelled batches, and the most of interrupted ones.
        dry_run: Count them, all of them, and change nothing.

    """

    before: datetime
    limit: int
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
        same = f"{sql.payee_key} = {sql.payee_key_of} AND payee_value = ?"
        self.of_payee = text(f"SELECT id FROM {at}payouts WHERE payee_kind = ? AND ({same} OR {same}) ORDER BY no")
        self.ended_before = text(
            f"SELECT id, no FROM {at}payouts WHERE no > ? AND updated_at < ? AND erased_at IS NULL"
            f" AND status IN ({_FINAL}) ORDER BY no LIMIT ?"
        )
        self.erase_payout = text(
            f"UPDATE {at}payouts SET payee_value = ?, payee_details = '{{}}', note = '', options = '{{}}',"
            " metadata = '', request = ?, reason = ?, contradictions = ?, version = version + 1, updated_at = ?,"
            " erased_at = ? WHERE id = ?"
        )
        of_payout = f"payout_no = (SELECT no FROM {at}payouts WHERE id = ?)"
        self.evidence = text(f"SELECT seq, evidence FROM {at}history WHERE {of_payout}")
        self.erase_evidence = text(f"UPDATE {at}history SET evidence = ? WHERE {of_payout} AND seq = ?")
        self.erase_attempt = text(f"UPDATE {at}attempts SET request = ?, reason = ? WHERE payout_id = ? AND number = ?")
        self.erase_batch_rows = text(f"UPDATE {at}batch_rows SET content = '', payee_id = '' WHERE key = ?")
        self.erase_approvals = text(f"UPDATE {at}approvals SET reason = '' WHERE payout_id = ?")
        self.events = text(f"SELECT no, reason FROM {at}outbox WHERE payout_id = ? AND reason IS NOT NULL")
        self.erase_event = text(f"UPDATE {at}outbox SET reason = ? WHERE no = ?")
        cancelled = (
            f"FROM {at}batches b JOIN {at}batch_rows r ON r.batch = b.id WHERE b.state = 'CANCELLED'"
            f" AND (SELECT MAX(h.at) FROM {at}batch_history h WHERE h.batch = b.id) < ? AND r.content <> ''"
            f" AND NOT EXISTS (SELECT 1 FROM {at}payouts p WHERE p.key = r.key AND p.erased_at IS NULL)"
        )
        draft = (
            f"FROM {at}batches b JOIN {at}batch_rows r ON r.batch = b.id WHERE b.state = 'WRITING' AND b.begun_at < ?"
        )
        self.count_rows = tuple(text(f"SELECT COUNT(*) {which}") for which in (cancelled, draft))
        self.erase_cancelled = text(
            f"UPDATE {at}batch_rows SET content = '', payee_id = ''"
            f" WHERE (batch, number) IN (SELECT r.batch, r.number {cancelled} LIMIT ?)"
        )
        self.drop_draft_rows = text(
            f"DELETE FROM {at}batch_rows WHERE (batch, number) IN (SELECT r.batch, r.number {draft} LIMIT ?)"
        )
        self.drop_drafts = text(
            f"DELETE FROM {at}batches WHERE state = 'WRITING' AND begun_at < ?"
            f" AND NOT EXISTS (SELECT 1 FROM {at}batch_rows r WHERE r.batch = {at}batches.id)"
        )
        self.trim = text(
            f"DELETE FROM {at}inbox WHERE no IN (SELECT no FROM {at}inbox WHERE handled_at < ? ORDER BY no LIMIT ?)"
        )


_FINAL = ", ".join(f"'{status}'" for status in PayoutStatus if status.is_final)


@functools.cache
def _statements(sql: Statements) -> _Statements:
    return _Statements(sql)


def apply(session: DbTransaction, change: Erase | EraseRows | Trim) -> ErasureResult | int:
    """Write one change."""
    if isinstance(change, Trim):
        return session.execute(_statements(session.sql).trim, (to_us(change.before), change.limit)).rowcount
    if isinstance(change, EraseRows):
        return _erase_rows(session, change)
    found: dict[str, PayoutRecord] = {}
    for payout in sorted(change.payout_ids):  # every transaction locks them in this order
        stored = session.execute(session.sql.lock_payout, (payout,)).fetchone()
        if stored is not None:
            found[payout] = read_row(stored)
    kept = {payout: reason for payout, row in found.items() if (reason := _reason_to_keep(row, change.at))}
    if kept and change.all_or_none:
        return ErasureResult((), kept)
    wanted = [row for payout, row in found.items() if payout not in kept and row.erased_at is None]
    if wanted and not change.dry_run:
        secret = _secret(session)
        for row in wanted:
            _erase(session, row, change, secret)
    return ErasureResult(tuple(row.id for row in wanted), kept)


def _erase_rows(session: DbTransaction, change: EraseRows) -> int:
    sql, before = _statements(session.sql), to_us(change.before)
    if change.dry_run:
        return sum(int(session.execute(count, (before,)).fetchone()[0]) for count in sql.count_rows)
    erased = session.execute(sql.erase_cancelled, (before, change.limit)).rowcount
    erased += session.execute(sql.drop_draft_rows, (before, change.limit)).rowcount
    session.execute(sql.drop_drafts, (before,))
    return erased


def _reason_to_keep(row: PayoutRecord, at: datetime) -> str:
    """Return why a payout cannot be erased yet; empty when it can."""
    if not row.status.is_final:
        return f"It is {row.status}: its payee is needed until it has come to an end."
    if row.schedule.rechecks_left:
        return "A result callback told its failure, which is still being checked again."
    settled_at = row.updated_at + timedelta(hours=row.reason.settling_h if row.reason else 0.0)
    if row.erased_at is None and at < settled_at:
        return f"Its end may still turn out to be another until {settled_at:%Y-%m-%d %H:%M} UTC."
    if row.contradicted_at is not None:
        return "A check contradicts its end: its payee is needed until a person has acknowledged that."
    return ""


def _erase(session: DbTransaction, row: PayoutRecord, change: Erase, secret: bytes) -> None:
    sql, at = _statements(session.sql), to_us(change.at)
    payee = row.order.payee
    address = payee.value if payee.kind == "collection" else _hash(secret, payee.kind, payee.value)
    contradictions = write_contradictions([replace(one, reason="") for one in row.contradictions])
    session.execute(
        sql.erase_payout,
        (address, _without_payee(row.attempt.request), _without_text(row.reason), contradictions, at, at, row.id),
    )
    for number, evidence in session.execute(sql.evidence, (row.id,)).fetchall():
        session.execute(sql.erase_evidence, (write_json(_facts(json.loads(evidence))), row.id, number))
    for ended in map(read_attempt, session.execute(session.sql.attempts, (row.id,)).fetchall()):
        values = (_without_payee(ended.request), _without_text(ended.reason), row.id, ended.number)
        session.execute(sql.erase_attempt, values)
    session.execute(sql.erase_approvals, (row.id,))
    session.execute(sql.erase_batch_rows, (row.order.key,))
    for no, reason in session.execute(sql.events, (row.id,)).fetchall():
        session.execute(sql.erase_event, (_without_text(read_reason(reason)), no))
    event = Event(EventName.PAYOUT_ERASED, change.at, {"actor": change.actor, "reason": change.reason})
    history.append(session, row, event)


def _without_text(reason: Reason | None) -> str | None:
    return None if reason is None else write_reason(replace(reason, text=""))


def _facts(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _facts(value) if name == "person" and isinstance(value, Mapping) else value
        for name, value in evidence.items()
        if name in _FACTS and not (name == "reason" and "actor" in evidence)  # a person's words, not a code
    }


def _without_payee(request: str) -> str:
    """Return a stored request without its payee; a read by reference needs no more."""
    full = HttpRequest.from_json(request)
    return HttpRequest(full.method, "", full.operation, moves_money=full.moves_money).to_json()


def _secret(session: DbTransaction) -> bytes:
    sql = _statements(session.sql)
    session.execute(sql.keep_secret, (_SECRET, secrets.token_hex(32)))
    return bytes.fromhex(session.execute(sql.secret, (_SECRET,)).fetchone()[0])


def _hash(secret: bytes, kind: str, value: str) -> str:
    digest = hmac.new(secret, f"{kind}/{value}".encode(), hashlib.sha256).hexdigest()
    return f"{ERASED}{digest[:32]}"


class ErasureMixin(SqlAccess):
    """The part of the journal's protocol that erases personal data, for both databases."""

    def erase(
        self, payout_ids: Collection[str], *, at: datetime, actor: str, reason: str, all_or_none: bool, dry_run: bool
    ) -> ErasureResult:
        """Erase the payees of payouts that have come to an end."""
        result: ErasureResult = self.execute(Erase(at, tuple(payout_ids), actor, reason, all_or_none, dry_run))
        return result

    def erase_rows(self, before: datetime, *, limit: int, dry_run: bool) -> int:
        """Erase rows of batches that were cancelled, or never finished, before a moment; return how many."""
        erased: int = self.execute(EraseRows(before, limit, dry_run))
        return erased

    def of_payee(self, payee: Payee) -> tuple[str, ...]:
        """Return the ids of a payee's payouts, the erased ones too."""
        found = self._fetch(_statements(self._sql).secret, (_SECRET,))
        hashed = _hash(bytes.fromhex(found[0][0]), payee.kind, payee.value) if found else payee.value
        values = (payee.kind, payee.value, payee.value, hashed, hashed)
        return tuple(payout for (payout,) in self._fetch(_statements(self._sql).of_payee, values))

    def ended_before(self, moment: datetime, *, after: int = 0, limit: int) -> tuple[tuple[str, int], ...]:
        """Return ids and numbers of ended payouts that are not erased, and moved last before a time."""
        return tuple(self._fetch(_statements(self._sql).ended_before, (after, to_us(moment), limit)))

    def trim(self, before: datetime, *, limit: int) -> int:
        """Remove callbacks that were handled before a moment; return how many."""
        removed: int = self.execute(Trim(before, limit))
        return removed
