"""Every statement, written once for the two dialects: they differ in a few words, and in what has to be locked.

SQLite has one writer at a time, so nothing is ever locked there. Under PostgreSQL many write at once: what a decision
depends on is locked until its commit, in the order payout, collection, ambiguity, pauses, budgets (by name), permits,
and never the other way round.
"""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

from collections.abc import Iterable, Mapping

from payments_core.domain.payout import PayoutStatus
from payments_core.journal.sql.columns import ATTEMPT_COLUMNS, COLUMNS, HISTORY_COLUMNS

__all__ = [
    "FIXED",
    "MOVABLE",
    "PER_ATTEMPT",
    "PER_TRANSITION",
    "POSTGRES",
    "POSTGRES_SCHEMA",
    "SQLITE",
    "UNVERSIONED",
    "Statements",
    "marks",
    "quoted",
]

POSTGRES_SCHEMA = "payments_core"

# The order never changes; a payout keeps its id and key for life.
FIXED = (
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
    "metadata",
    "original_amount",
    "created_at",
    "batch",
)
# Written without a transition: the caller of one may have read the record before.
UNVERSIONED = ("contradictions", "contradicted_at")
MOVABLE = tuple(name for name in COLUMNS if name not in (*FIXED, *UNVERSIONED))
# What stays as it is until a further attempt, or until the payee is erased; and what each transition may change.
PER_ATTEMPT = ("account", "not_before", "expires_at", "binding", "request", "request_hash", "erased_at")
PER_TRANSITION = tuple(name for name in MOVABLE if name not in PER_ATTEMPT)

_PAUSE = "account, since, why, by, probe_at"


def quoted(names: Iterable[str]) -> str:
    """Return names of columns for a statement: some are words of SQL."""
    return ", ".join(f'"{name}"' for name in names)


def marks(count: int) -> str:
    """Return as many marks for values."""
    return ", ".join("?" * count)


# Only names of our records' own fields are ever put into a statement.
_NAMES = quoted(COLUMNS)
_ENDED = quoted(name for name in ATTEMPT_COLUMNS if name not in {"number", "account", "ended_at"})


class Statements:
    """The statements of one dialect.

    Args:
        mark: What stands for a value; here it is written ``?``.
        schema: Goes before the name of each table.
        greatest: The function that returns the larger of two values.
        folded: A text without capitals, as far as ASCII goes.
        bytewise: Lets a column be compared byte by byte, whatever the language of the database.
        includes: Whether a unique index may hold more columns.
        reason_code: The code in ``reason``, which its JSON begins with.
        settling_h: The hours in ``reason`` during which a failure is not settled.
        key_index: The name of the unique index of keys.
        by_index: Has a table read by the index of this name.
        by_number: Has a table read by its ``no``.
        not_by_index: A column for which no index is read; the column itself where the database knows which is best.
        each_group: Joins a query to each account and status; the rows that it finds are called ``p``.
        group_columns: What that query selects.
        same: The comparison for which one NULL is like another.
        locks: Whether others may write at the same time.

    """

    def __init__(
        self,
        *,
        mark: str,
        schema: str,
        greatest: str,
        folded: str,
        includes: bool,
        bytewise: str,
        reason_code: str,
        settling_h: str,
        key_index: str,
        by_index: str,
        by_number: str,
        not_by_index: str,
        each_group: str,
        group_columns: str,
        same: str,
        locks: bool,
    ) -> None:
        self._mark, self._table = mark, f"{schema}payouts"
        self._free_at = f"{greatest}(next_at, COALESCE(lease_until, next_at))"
        text, at = self.text, schema
        self.schema, self._folded, self.same = schema, folded, same
        self.includes, self.bytewise = includes, bytewise
        self.reason_code, self.settling_h = reason_code, settling_h
        self.key_index = key_index
        self.by_number, self._by_index, self._not_by_index = by_number, by_index, not_by_index
        self.each_group, self.group_columns = each_group, group_columns
        # An index has no room for a text of any length.
        self.payee_key = folded.format("substr(payee_value, 1, 200)")
        self.payee_key_of = folded.format("substr(CAST(? AS TEXT), 1, 200)")
        # Not FOR UPDATE: a table of the application that refers to payouts must not make transitions wait.
        lock, lock_pause = (" FOR NO KEY UPDATE", " FOR UPDATE") if locks else ("", "")
        self.skip_locked = f"{lock} SKIP LOCKED" if locks else ""
        advisory = text("SELECT pg_advisory_xact_lock{}(?)") if locks else ""
        self.lock_exclusive = advisory.format("")
        self.lock_shared = advisory.format("_shared")

        self.payouts = f"SELECT {_NAMES} FROM {at}payouts"
        self.by_id = text(f"{self.payouts} WHERE id = ?")
        self.by_key = text(f"{self.payouts} WHERE key = ?")
        self.by_name = text(f"{self.payouts} WHERE id = ? OR key = ?")
        self.by_query = text(
            f"SELECT q.asked_of, {_NAMES} FROM {at}payouts"
            f" JOIN (SELECT payout_id, attempt AS asked_of FROM {at}queries WHERE token_hash = ?) q ON q.payout_id = id"
        )
        self.add_provider_reference = text(
            f"INSERT INTO {at}by_provider_reference (value, payout_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
        )
        self.by_provider_reference = text(
            f"{self.payouts} WHERE id IN (SELECT payout_id FROM {at}by_provider_reference WHERE value = ?)"
        )
        self.undecided = text(
            f"SELECT no, {_NAMES} FROM {at}payouts WHERE no > ?"
            f" AND (status = '{PayoutStatus.REVIEW}' OR contradicted_at IS NOT NULL) ORDER BY no LIMIT ?"
        )
        self.contradicted = f"SELECT COUNT(*) FROM {at}payouts WHERE contradicted_at IS NOT NULL"
        of_payout = f"FROM {at}history WHERE payout_no = (SELECT no FROM {at}payouts WHERE id = ?)"
        self.history = text(f"SELECT {quoted(HISTORY_COLUMNS)} {of_payout} ORDER BY seq")
        self.pauses = f"SELECT {_PAUSE} FROM {at}pauses ORDER BY account"

        self.lock_payout = self.by_id + lock
        self.lock_row = text(f"SELECT 1 FROM {at}payouts WHERE id = ?{lock}") if locks else ""
        # Waits for another transaction that is writing the same key, and then writes nothing.
        self.insert = text(f"INSERT INTO {at}payouts ({_NAMES}) VALUES ({marks(len(COLUMNS))}) ON CONFLICT DO NOTHING")
        self.make_due = text(f"UPDATE {at}payouts SET next_at = ? WHERE id = ? AND (next_at IS NULL OR next_at > ?)")
        self.delay = text(f"UPDATE {at}payouts SET next_at = ? WHERE id = ?")
        self.contradict = text(f"UPDATE {at}payouts SET contradictions = ?, contradicted_at = ? WHERE id = ?")
        # The database folds both sides: Python folds more letters, and would then find less.
        same = f"{folded.format('payee_value')} = {folded.format('CAST(? AS TEXT)')}"
        of_payee = f"{self.payee_key} = {self.payee_key_of}"
        self.refunds = text(f"{self.payouts} WHERE operation = 'refund' AND {of_payee} AND {same}")
        self.has_event = text(f"SELECT 1 {of_payout} AND event = ? LIMIT 1")
        add = f"INSERT INTO {at}history (payout_no, seq, at, event, status, attempt, submissions, decided_by, evidence)"
        entry = f"SELECT no, {{}}, {marks(7)} FROM {at}payouts WHERE id = ?"
        numbered = entry.format("?")
        self.add_history = text(f"{add} {numbered}")
        self.add_two_to_history = text(f"{add} {numbered} UNION ALL {numbered}")
        # Once the payout is locked, in a statement after that: one that had to wait would count as before the wait.
        following = f"COALESCE((SELECT MAX(seq) FROM {at}history WHERE payout_no = no), 0) + 1"
        self.append_history = text(f"{add} {entry.format(following)}")
        self.publish = text(
            f"INSERT INTO {at}outbox"
            " (event_id, payout_id, key, account, status, reason, attempt, seq, at, contradiction)"
            # A restored journal counts a payout's events from an earlier one on: it may not use an id twice.
            " SELECT p.id || '.' || h.seq || COALESCE((SELECT '.r' || value"
            f" FROM {at}meta WHERE name = 'restorations'), ''),"
            " p.id, p.key, p.account, p.status, p.reason, p.attempt, h.seq, h.at, ?"
            f" FROM {at}payouts p JOIN {at}history h ON h.payout_no = p.no WHERE p.id = ? ORDER BY h.seq DESC LIMIT 1"
        )
        self.add_query = text(f"INSERT INTO {at}queries (token_hash, payout_id, attempt, asked_at) VALUES ({marks(4)})")
        about = "WHERE token_hash = ? AND payout_id = ? AND attempt = ?"
        self.answer = text(f"UPDATE {at}queries SET answered_at = ? {about} AND answered_at IS NULL")
        self.answer_end = text(f"UPDATE {at}queries SET answered_at = COALESCE(answered_at, ?) {about}")

        # An attempt that ended, from the columns of its payout: `updated_at` is when it ended.
        self.keep_attempt = text(
            f"INSERT INTO {at}attempts (payout_id, number, account, {_ENDED}, ended_at)"
            f" SELECT id, attempt, account, {_ENDED}, updated_at FROM {at}payouts WHERE id = ?"
        )
        self.attempts = text(f"SELECT {quoted(ATTEMPT_COLUMNS)} FROM {at}attempts WHERE payout_id = ? ORDER BY number")
        self.was_attempted = text(f"SELECT 1 FROM {at}attempts WHERE payout_id = ? AND request_hash = ?")
        self.was_in = text(f"SELECT 1 {of_payout} AND attempt = ? AND status = ? LIMIT 1")
        self.approve = text(
            f"INSERT INTO {at}approvals (payout_id, attempt, fingerprint, actor, reason, at) VALUES ({marks(6)})"
        )
        self.approval = text(f"SELECT actor, reason, at FROM {at}approvals WHERE payout_id = ? AND attempt = ?")
        self.is_approved = text(f"SELECT 1 FROM {at}approvals WHERE payout_id = ? AND attempt = ? AND fingerprint = ?")

        self.budgets = f"SELECT name, reserved, most, is_closed FROM {at}budgets"
        self.budget = text(f"{self.budgets} WHERE name = ?")
        self.lock_budget = self.budget + lock
        self.set_reserved = text(
            f"INSERT INTO {at}budgets (reserved, name, most, is_closed) VALUES (?, ?, NULL, 0)"
            " ON CONFLICT (name) DO UPDATE SET reserved = excluded.reserved"
        )

        self.put_pause = text(
            f"INSERT INTO {at}pauses (account, since, why, by, probe_at, probe_every) VALUES ({marks(6)})"
            " ON CONFLICT (account) DO UPDATE SET since = excluded.since, why = excluded.why, by = excluded.by,"
            " probe_at = excluded.probe_at, probe_every = excluded.probe_every"
        )
        self.pause_of = text(f"SELECT by, probe_at FROM {at}pauses WHERE account = ?{lock_pause}")
        self.renew_pause = text(f"UPDATE {at}pauses SET why = ?, probe_at = ? WHERE account = ?")
        self.pauses_holding = text(
            f"SELECT {_PAUSE}, probe_every FROM {at}pauses WHERE account IN (?, '') ORDER BY account{lock_pause}"
        )
        self.put_off_probe = text(f"UPDATE {at}pauses SET probe_at = ?, probe_every = ? WHERE account = ?")
        self.lift = text(f"DELETE FROM {at}pauses WHERE account = ? AND by <> 'restored'")
        # A submission from before the provider asked for fewer does not show that it accepts more now.
        self.lifted = text(
            f"SELECT by FROM {at}pauses WHERE account = ? AND by NOT IN ('person', 'restored')"
            " AND (by <> 'rate' OR since <= ?)"
        )
        self.lift_by = text(f"DELETE FROM {at}pauses WHERE account = ? AND by = ?")
        # A payout that another transaction is moving is left out: waiting for it could be a deadlock.
        self.wake = text(
            f"UPDATE {at}payouts SET next_at = {greatest}(?, COALESCE(not_before, 0)) WHERE no IN ("
            f"SELECT no FROM {at}payouts WHERE status = '{PayoutStatus.CREATED}' AND next_at > ?"
            f" AND (CAST(? AS TEXT) IS NULL OR account = ?){self.skip_locked})"
        )

    def may_send(self, references: str, account: str = "?") -> str:
        """Return the condition that nothing is stored which could stop a submission.

        The pauses are locked by a statement of its own before: one sees what was committed when it began.

        Args:
            references: The expressions, or the query, for the canonical references of the attempt.
            account: The expression for the account.

        """
        at = self.schema
        return (
            f"NOT EXISTS (SELECT 1 FROM {at}pauses WHERE account IN ({account}, ''))"
            f" AND NOT EXISTS (SELECT 1 FROM {at}meta WHERE name = 'restored')"
            f" AND NOT EXISTS (SELECT 1 FROM {at}statement_references WHERE reference IN ({references}))"
        )

    def endings(self, account: str) -> Mapping[str, str]:
        """Return the conditions that there is something of an account that a transition could end.

        A pause by the library (``lifts``), a count of ambiguous submissions (``post_end``), a penalty (``read_end``).

        Args:
            account: The expression for the account.

        """
        at = self.schema
        return {
            "lifts": f"EXISTS (SELECT 1 FROM {at}pauses"
            f" WHERE account = {account} AND by NOT IN ('person', 'restored'))",
            "post_end": f"EXISTS (SELECT 1 FROM {at}ambiguity WHERE account = {account})",
            "read_end": f"EXISTS (SELECT 1 FROM {at}permits"
            f" WHERE account = {account} AND queue = 'read' AND penalty > 0)",
        }

    def text(self, statement: str) -> str:
        """Return a statement with this dialect's marks."""
        return statement.replace("?", self._mark)

    def by_index(self, name: str) -> str:
        """Return what has a table read by an index; nothing where the database knows which is best."""
        return self._by_index.format(name)

    def not_by_index(self, column: str) -> str:
        """Return a column for which no index is read."""
        return self._not_by_index.format(column)

    def folded(self, column: str) -> str:
        """Return a column's text without capitals, as far as ASCII goes."""
        return self._folded.format(column)

    def paid_from(self, payout_id: str, number: str) -> str:
        """Return the expression for the account of an attempt, the current one included."""
        return (
            f"COALESCE((SELECT k.account FROM {self.schema}attempts k WHERE k.payout_id = {payout_id}"
            f" AND k.number = {number}), (SELECT w.account FROM {self.schema}payouts w WHERE w.id = {payout_id}))"
        )

    def due(self, condition: str) -> str:
        """Return the statement for the due payouts that meet a condition; two moments and a limit follow its values."""
        return self.text(
            f"{self.payouts} WHERE {condition} AND next_at <= ? AND (lease_until IS NULL OR lease_until <= ?)"
            " ORDER BY next_at, no LIMIT ?"
        )

    def first_due(self, condition: str) -> str:
        """Return the statement for ``next_at`` of the first payout that meets a condition, and for when it is free.

        It has no bound but its order: PostgreSQL reads the whole table for one that it has to compute.
        """
        return self.text(
            f"SELECT next_at, {self._free_at} FROM {self._table}"
            f" WHERE {condition} AND next_at IS NOT NULL ORDER BY next_at LIMIT 1"
        )

    def first_free(self, condition: str) -> str:
        """Return the statement for when the first payout is free that meets a condition and is due by a time."""
        return self.text(f"SELECT MIN({self._free_at}) FROM {self._table} WHERE {condition} AND next_at <= ?")


SQLITE = Statements(
    mark="?",
    schema="",
    greatest="MAX",
    folded="lower({})",
    bytewise="",
    includes=False,
    reason_code="substr(reason, 10, instr(substr(reason, 10), '\"') - 1)",
    settling_h="json_extract(reason, '$.settling_h')",
    key_index="sqlite_autoindex_payouts_2",  # the second UNIQUE of the table
    by_index=" INDEXED BY {}",
    by_number=" NOT INDEXED",
    not_by_index="+{}",
    each_group="accounts CROSS JOIN statuses CROSS JOIN payouts p NOT INDEXED WHERE p.no IN ({})",
    group_columns="no",
    same="IS",
    locks=False,
)
POSTGRES = Statements(
    mark="%s",
    schema=f"{POSTGRES_SCHEMA}.",
    greatest="GREATEST",
    folded='lower({} COLLATE "C")',
    bytewise=' COLLATE "C"',
    includes=True,
    reason_code="split_part(reason, '\"', 4)",
    settling_h="CAST(CAST(reason AS json) ->> 'settling_h' AS double precision)",
    key_index="payouts_key_key",
    by_index="",
    by_number="",
    not_by_index="{}",
    each_group="accounts CROSS JOIN statuses CROSS JOIN LATERAL ({}) p",
    group_columns="no, created_at",
    same="IS NOT DISTINCT FROM",
    locks=True,
)
