"""Batches: frozen rows, who approved them, and what became of each row."""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from payments_core.domain.batches import (
    TRANSITIONS,
    Batch,
    BatchChange,
    BatchEntry,
    BatchReply,
    BatchRow,
    BatchState,
    BatchWrite,
    BeginBatch,
    DropBatch,
    FreezeBatch,
    RowDigest,
    RowResult,
    WriteRows,
)
from payments_core.domain.budgets import batch_budget
from payments_core.domain.errors import JournalError
from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, PayoutStatus, ReasonCode
from payments_core.journal.sql.access import SqlAccess
from payments_core.journal.sql.columns import checked, from_us, to_us
from payments_core.journal.sql.statements import Statements, marks
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["BATCH_COLUMNS", "ROW_COLUMNS", "BatchesMixin", "apply", "read_batch", "read_batch_row"]


_ROWS_AT_ONCE = 100  # in one statement: a server answers it once
#: Of a batch, in the order in which ``read_batch`` reads them.
BATCH_COLUMNS = "id, name, state, COALESCE(content_hash, ''), row_count, totals"
#: Of the rows ``r``, in the order in which ``read_batch_row`` reads them.
ROW_COLUMNS = "r.batch, r.number, r.key, r.digest, r.payee_id, r.content"


class _Statements:
    """The statements, in one dialect."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        self._at, self._text = at, text
        self.begin = text(
            f"INSERT INTO {at}batches (id, name, state, row_count, totals, begun_at)"
            " VALUES (?, ?, 'WRITING', 0, '{}', ?)"
        )
        self.is_writing = text(f"SELECT 1 FROM {at}batches WHERE id = ? AND state = 'WRITING'")
        self.freeze = text(
            f"UPDATE {at}batches SET state = 'CREATED', content_hash = ?, row_count = ?, totals = ?"
            f" WHERE id = ? AND state = 'WRITING' AND"
            f" (SELECT COUNT(*) FROM {at}batch_rows r WHERE r.batch = {at}batches.id) = ?"
        )
        self.move = text(f"UPDATE {at}batches SET state = ? WHERE id = ? AND state = ?")
        self.open_budget = text(f"INSERT INTO {at}budgets (name, reserved, most, is_closed) VALUES (?, '0', ?, 0)")
        self.close_budget = text(f"UPDATE {at}budgets SET is_closed = ? WHERE name = ?")
        self.wake = text(
            f"UPDATE {at}payouts SET next_at = ? WHERE no IN (SELECT no FROM {at}payouts"
            f" WHERE batch = ? AND batch <> '' AND status = '{PayoutStatus.CREATED}' AND next_at > ?{sql.skip_locked})"
        )
        self.add_history = text(
            f"INSERT INTO {at}batch_history (batch, seq, at, event, actor, reason) VALUES (?, COALESCE((SELECT MAX(seq)"
            f" FROM {at}batch_history WHERE batch = ?), 0) + 1, ?, ?, ?, ?)"
        )
        self.drop_rows = text(f"DELETE FROM {at}batch_rows WHERE batch = ?")
        self.drop = text(f"DELETE FROM {at}batches WHERE id = ? AND state = 'WRITING'")
        self.by_id = text(f"SELECT {BATCH_COLUMNS} FROM {at}batches WHERE id = ?")
        live = f"content_hash = ? AND state <> '{BatchState.CANCELLED}'"
        self.by_hash = text(f"SELECT {BATCH_COLUMNS} FROM {at}batches WHERE {live}")
        self.by_name = text(f"SELECT {BATCH_COLUMNS} FROM {at}batches WHERE name = ? ORDER BY no")
        self.all = text(f"SELECT {BATCH_COLUMNS} FROM {at}batches ORDER BY no DESC LIMIT ?")
        self.history = text(f"SELECT seq, at, event, actor, reason FROM {at}batch_history WHERE batch = ? ORDER BY seq")
        reason = sql.reason_code.replace("reason", "p.reason")
        results = (
            f"SELECT {ROW_COLUMNS}, p.id, p.status, {reason}"
            f" FROM {at}batch_rows r LEFT JOIN {at}payouts p ON p.key = r.key WHERE r.batch = ? AND r.number > ?"
        )
        self.rows = text(f"{results} ORDER BY r.number LIMIT ?")
        self.unrecorded = text(f"{results} AND p.id IS NULL ORDER BY r.number LIMIT ?")
        self.digests = text(
            f"SELECT r.number, r.digest, p.amount, p.currency FROM {at}batch_rows r"
            f" LEFT JOIN {at}payouts p ON p.key = r.key WHERE r.batch = ? AND r.number > ? ORDER BY r.number LIMIT ?"
        )
        self.counts = text(
            f"SELECT p.status, {reason}, COUNT(*) FROM {at}batch_rows r LEFT JOIN {at}payouts p ON p.key = r.key"
            f" WHERE r.batch = ? GROUP BY 1, 2"
        )
        # The index of a batch alone: what stood under a row's key before the batch is not in it.
        self.own_counts = text(
            f"SELECT status, {sql.reason_code}, COUNT(*) FROM {at}payouts WHERE batch = ? AND batch <> '' GROUP BY 1, 2"
        )

    def add_rows(self, count: int) -> str:
        """Return the statement that adds so many rows, and returns the numbers of those whose key no other has."""
        row = f"({marks(6)})"
        return self._text(
            f"INSERT INTO {self._at}batch_rows (batch, number, key, digest, payee_id, content)"
            f" VALUES {', '.join([row] * count)} ON CONFLICT DO NOTHING RETURNING number"
        )

    def last_of_payee_ids(self, count: int) -> str:
        """Return the statement for the rows of payees' ids in the last approved batch that has each."""
        wanted = f"state IN ('{BatchState.APPROVED}', '{BatchState.PAUSED}')"
        last = (
            f"SELECT MAX(c.no) FROM {self._at}batch_rows o JOIN {self._at}batches c ON c.id = o.batch"
            f" WHERE o.payee_id = r.payee_id AND c.{wanted} AND o.batch <> ?"
        )
        return self._text(
            f"SELECT {ROW_COLUMNS} FROM {self._at}batch_rows r JOIN {self._at}batches b ON b.id = r.batch"
            f" WHERE r.payee_id IN ({marks(count)}) AND r.payee_id <> '' AND b.no = ({last})"
        )


_statements = functools.cache(_Statements)


def apply(session: DbTransaction, change: BatchWrite) -> BatchReply:
    """Write one change; see each for what it returns."""
    sql = _statements(session.sql)
    match change:
        case BeginBatch(batch, name, at):
            session.execute(sql.begin, (batch, name, to_us(at)))
            return None
        case WriteRows(batch, rows):
            return _add(session, batch, rows)
        case FreezeBatch():
            return _freeze(session, change)
        case DropBatch(batch):
            _drop(session, batch)
            return None
        case BatchChange():
            return _move(session, change)


def _add(session: DbTransaction, batch: str, rows: Sequence[BatchRow]) -> tuple[int, ...]:
    """Add rows; return the numbers of those whose key another row has."""
    sql = _statements(session.sql)
    if session.execute(sql.is_writing, (batch,)).fetchone() is None:
        raise _gone(batch)
    twice = list[int]()
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        values = ((batch, row.number, row.order.key, row.digest, row.payee_id, _content(row)) for row in some)
        added = session.execute(sql.add_rows(len(some)), tuple(chain.from_iterable(values))).fetchall()
        twice += sorted({row.number for row in some} - {number for (number,) in added})
    return tuple(twice)


def _gone(batch: str) -> JournalError:
    return JournalError(f"Batch {batch} is not being written any more.", hint="Create it again from its file.")


def _freeze(session: DbTransaction, change: FreezeBatch) -> Batch:
    sql, batch = _statements(session.sql), change.batch
    session.lock("batches")  # of two that write the same content, the second finds the first
    found = session.execute(sql.by_hash, (batch.content_hash,)).fetchone()
    if found is not None:
        _drop(session, batch.id)
        return _with_history(session, found)
    totals = json.dumps({total.currency: total.text for total in batch.totals})
    count = batch.row_count  # and as many have to be there: a draft of long ago may have been erased meanwhile
    if session.execute(sql.freeze, (batch.content_hash, count, totals, batch.id, count)).rowcount != 1:
        raise _gone(batch.id)
    _note(session, batch.id, change.at, EventName.BATCH_CREATED, change.actor, change.reason)
    return _with_history(session, session.execute(sql.by_id, (batch.id,)).fetchone())


def _move(session: DbTransaction, change: BatchChange) -> Batch | None:
    """Change the state of a batch; None, and nothing is written, where its state does not allow it."""
    sql = _statements(session.sql)
    session.lock("batches")
    found = session.execute(sql.by_id, (change.batch,)).fetchone()
    allowed, becomes = TRANSITIONS[change.event]
    if found is None or (state := read_batch(found).state) not in allowed:
        return None
    session.execute(sql.move, (str(becomes), change.batch, str(state)))
    _settle_budgets(session, read_batch(found), change)
    _note(session, change.batch, change.at, change.event, change.actor, change.reason)
    return _with_history(session, session.execute(sql.by_id, (change.batch,)).fetchone())


def _settle_budgets(session: DbTransaction, batch: Batch, change: BatchChange) -> None:
    """Open the approved totals of a batch, or close them: every submission reserves from one, so none passes this."""
    sql, now = _statements(session.sql), to_us(change.at)
    for total in batch.totals:
        name = batch_budget(batch.id, total.currency).name
        if change.event is EventName.BATCH_APPROVED:
            session.execute(sql.open_budget, (name, total.text))
        else:
            session.execute(sql.close_budget, (int(change.event is not EventName.BATCH_UNPAUSED), name))
    if change.event is EventName.BATCH_UNPAUSED:
        session.execute(sql.wake, (now, batch.id, now))


def _note(session: DbTransaction, batch: str, at: datetime, event: EventName, actor: str, reason: str) -> None:
    session.execute(_statements(session.sql).add_history, (batch, batch, to_us(at), str(event), actor, reason))


def _drop(session: DbTransaction, batch: str) -> None:
    sql = _statements(session.sql)
    if session.execute(sql.is_writing, (batch,)).fetchone() is not None:
        session.execute(sql.drop_rows, (batch,))
        session.execute(sql.drop, (batch,))


def _with_history(session: DbTransaction, found: Sequence[Any]) -> Batch:
    return read_batch(found, session.execute(_statements(session.sql).history, (found[0],)).fetchall())


def _content(row: BatchRow) -> str:
    order, payee = row.order, row.order.payee
    fields = {
        "account": row.account,
        "payee": [payee.kind, payee.value, dict(payee.details)],
        "amount": [order.amount.text, str(order.amount.currency)],
        "operation": str(order.operation),
        "note": order.note,
        "options": dict(order.options),
        "metadata": dict(order.metadata),
    }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


@checked
def read_batch_row(stored: Sequence[Any]) -> BatchRow | None:
    """Read a row from :data:`ROW_COLUMNS`; None where its payee was erased."""
    batch, number, key, _, payee_id, content = stored
    if not content:
        return None
    fields = json.loads(content)
    order = Order(
        key=key,
        payee=Payee(*fields["payee"]),
        amount=Money(*fields["amount"]),
        operation=Operation(fields["operation"]),
        note=fields["note"],
        options=fields["options"],
        metadata=fields["metadata"],
        batch=batch,
    )
    return BatchRow(number, order, fields["account"], payee_id)


def read_batch(stored: Sequence[Any], history: Iterable[Sequence[Any]] = ()) -> Batch:
    """Read a batch from :data:`BATCH_COLUMNS`, and its history."""
    return _read_batch((stored, history))


@checked
def _read_batch(stored: tuple[Sequence[Any], Iterable[Sequence[Any]]]) -> Batch:
    (batch, name, state, content_hash, row_count, totals), entries = stored
    amounts = tuple(Money(amount, currency) for currency, amount in sorted(json.loads(totals).items()))
    history = tuple(
        BatchEntry(seq, from_us(at), EventName(event), actor, reason) for seq, at, event, actor, reason in entries
    )
    return Batch(batch, name, BatchState(state), content_hash, row_count, amounts, history)


@checked
def _read_counts(stored: Iterable[Sequence[Any]]) -> dict[tuple[PayoutStatus | None, ReasonCode | None], int]:
    return {
        (status and PayoutStatus(status), (reason and ReasonCode(reason)) or None): int(count)
        for status, reason, count in stored
    }


class BatchesMixin(SqlAccess):
    """The batches' part of the journal's protocol, for both databases."""

    def write_batch(self, change: BatchWrite) -> BatchReply:
        """Write one change of a batch; see each change for what it returns."""
        return self.execute(change)  # type: ignore[no-any-return]

    def batch(self, batch: str) -> Batch | None:
        """Return a batch with its history."""
        found = self._fetch(self._batch_sql.by_id, (batch,))
        return self._batch_of(found[0]) if found else None

    def batches(self, *, name: str | None = None, limit: int = 100) -> tuple[Batch, ...]:
        """Return batches, newest first; with a name, all of it, oldest first."""
        sql = self._batch_sql
        found = self._fetch(sql.all, (limit,)) if name is None else self._fetch(sql.by_name, (name,))
        return tuple(map(self._batch_of, found))

    def batch_rows(self, batch: str, *, after: int = 0, limit: int, unrecorded: bool = False) -> tuple[RowResult, ...]:
        """Return rows of a batch from after a number, each beside its payout; or only those that have none."""
        statement = self._batch_sql.unrecorded if unrecorded else self._batch_sql.rows
        return tuple(map(_read_result, self._fetch(statement, (batch, after, limit))))

    def batch_digests(self, batch: str, *, after: int = 0, limit: int) -> tuple[RowDigest, ...]:
        """Return the digests of a batch's rows, from after a number; the rows are not read."""
        return tuple(map(_read_digest, self._fetch(self._batch_sql.digests, (batch, after, limit))))

    def batch_counts(
        self, batch: str, *, own: bool = False
    ) -> Mapping[tuple[PayoutStatus | None, ReasonCode | None], int]:
        """Return how many rows have a payout of each status and reason; None is a row without one.

        Args:
            batch: Its id.
            own: Count only payouts that this batch has made: that reads an index alone.

        """
        return _read_counts(self._fetch(self._batch_sql.own_counts if own else self._batch_sql.counts, (batch,)))

    def last_rows_of(self, payee_ids: Sequence[str], *, apart_from: str = "") -> Mapping[str, BatchRow]:
        """Return the row of each payee's id in the last approved batch that has it, another batch left out."""
        statement = self._batch_sql.last_of_payee_ids(len(payee_ids))
        found = map(read_batch_row, self._fetch(statement, (*payee_ids, apart_from))) if payee_ids else ()
        return {row.payee_id: row for row in found if row is not None}

    @property
    def _batch_sql(self) -> _Statements:
        return _statements(self._sql)

    def _batch_of(self, stored: Sequence[Any]) -> Batch:
        return read_batch(stored, self._fetch(self._batch_sql.history, (stored[0],)))


@checked
def _read_digest(stored: Sequence[Any]) -> RowDigest:
    number, digest, amount, currency = stored
    return RowDigest(number, digest, None if amount is None else Money(amount, currency))


@checked
def _read_result(stored: Sequence[Any]) -> RowResult:
    *row, payout, status, reason = stored
    read = read_batch_row(row)
    return RowResult(
        read,
        row[1],
        row[2],
        row[3],
        payout,
        PayoutStatus(status) if status else None,
        ReasonCode(reason) if reason else None,
    )
