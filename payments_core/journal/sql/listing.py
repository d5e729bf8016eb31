"""Pages of payouts, by any filter, from indexes.

Every list is in the order of acceptance (``created_at``, ``no``), so that a position in one never changes. The indexes
of payees, batches and reasons have this order; `payouts_listed` has it in each group of one account and status, from
which a page is merged. A page looks at a bounded number of entries of one index and ends there, whatever it has found:
of the indexes that apply, it reads the one in which so many entries lead farthest. The index of keys has another
order: it is read where few keys have the prefix, all of them at once.
"""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from payments_core.domain.characters import is_storable
from payments_core.domain.listing import PayoutFilter, Position, RecordPage
from payments_core.domain.payout import PayoutStatus
from payments_core.journal.sql.columns import COLUMNS, checked, read_row, to_us
from payments_core.journal.sql.statements import Statements, marks, quoted

__all__ = ["Fetch", "accounts_of", "count_by_account", "find_page", "groups"]

Fetch = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

LOOK = 1000  # entries of an index that a page looks at; of groups, in each status of all accounts together
SIDE_BY_SIDE = 5  # times as many entries where all payouts are looked at: they lie in the order of acceptance
KEYS = 50_000  # the most keys of a prefix that are read at once
_EVER = Position(-(1 << 62), 0), Position(1 << 62, 0)  # exclusive
_NAMES = quoted(COLUMNS)


class _Condition(NamedTuple):
    """A part of a statement, and its values."""

    text: str
    values: tuple[Any, ...]


class _Source(NamedTuple):
    """A condition of a list, and the index that finds by it; no name for none."""

    name: str
    condition: _Condition


_GROUPS = _Source("payouts_listed", _Condition("account = accounts.name AND status = statuses.name", ()))


def find_page(sql: Statements, fetch: Fetch, wanted: PayoutFilter, after: Position | None, limit: int) -> RecordPage:
    """Return the next page of a list: as many payouts as are wanted, or fewer of a bounded number of entries.

    Args:
        sql: The dialect.
        fetch: Returns the rows of a statement.
        wanted: Which payouts.
        after: The last position of the page before; None for the first page.
        limit: The most payouts of the page.

    """
    texts = (wanted.key_prefix, wanted.batch, wanted.account or "", wanted.payee or "")
    if not all(map(is_storable, texts)):
        return RecordPage((), None)
    return _List(sql, fetch, wanted, after, limit).page()


class _List:
    """One list, from a position on.

    Args:
        sql: The dialect.
        fetch: Returns the rows of a statement.
        wanted: Which payouts.
        after: The last position that is not wanted.
        limit: The most payouts.

    """

    def __init__(self, sql: Statements, fetch: Fetch, wanted: PayoutFilter, after: Position | None, limit: int) -> None:
        self._sql, self._fetch, self._wanted, self._limit = sql, fetch, wanted, limit
        first, last = _EVER
        if wanted.created_from is not None:
            first = Position(to_us(wanted.created_from), 0)
        if wanted.created_to is not None:
            last = Position(to_us(wanted.created_to), 0)
        if after is not None:
            first, last = (first, min(last, after)) if wanted.newest_first else (max(first, after), last)
        self._first, self._last = first, last
        down = " DESC" if wanted.newest_first else ""
        self._order = f"ORDER BY created_at{down}, no{down}"
        prefix = wanted.key_prefix
        self._keys = _Source(sql.key_index, _begins_with("key", prefix)) if prefix else None
        self._conditions = list(self._conditions_of(wanted))

    def _conditions_of(self, wanted: PayoutFilter) -> Iterator[_Source]:
        """Yield the conditions beside the dates."""
        sql = self._sql
        if wanted.payee is not None:
            text = f"{sql.payee_key} = {sql.payee_key_of}"
            yield _Source("payouts_by_payee", _Condition(text, (wanted.payee,)))
            yield _Source("", _Condition("payee_value = ?", (wanted.payee,)))
        if wanted.batch:
            yield _Source("payouts_of_batch", _Condition("batch = ? AND batch <> ''", (wanted.batch,)))
        if wanted.reason is not None:
            text = f"reason IS NOT NULL AND {sql.reason_code} = ?"
            yield _Source("payouts_by_reason", _Condition(text, (str(wanted.reason),)))
        if wanted.key_prefix:  # not as their index has them: PostgreSQL would read all that have the prefix
            yield _Source("", _begins_with("(key || '')", wanted.key_prefix))
        if wanted.account is not None:
            yield _Source("", _Condition("account = ?", (wanted.account,)))
        if wanted.statuses:
            yield _Source(
                "", _Condition(f"status IN ({marks(len(wanted.statuses))})", tuple(map(str, wanted.statuses)))
            )

    def page(self) -> RecordPage:
        """Return the payouts among the entries that a page looks at."""
        source, end = self._choose()
        filters = [one.condition for one in self._conditions if one != source]
        entries, values = self._entries(source, filters, end=end, limit=self._limit + 1)
        found = self._fetch(
            self._sql.text(
                f"SELECT no, created_at, {_NAMES} FROM {self._sql.schema}payouts{self._sql.by_number}"
                f" WHERE no IN (SELECT no FROM ({entries}) entries) {self._order}"
            ),
            values,
        )
        rows = [read_row(stored) for _, _, *stored in found[: self._limit]]
        if len(found) > self._limit:
            no, created_us, *_ = found[self._limit - 1]
            end = Position(created_us, no)
        return RecordPage(rows, end)

    def _choose(self) -> tuple[_Source, Position | None]:
        """Return the index to read, and the last position to look at; None for the end of the list."""
        ends = list[tuple[Position, _Source]]()
        for source in (*(one for one in self._conditions if one.name), _GROUPS):
            end = self._end(source)
            if end is None:
                return source, None
            ends.append((end, source))
        if self._keys is not None and self._has_few(self._keys):
            return self._keys, None
        end, source = min(ends) if self._wanted.newest_first else max(ends)
        return source, end

    def _end(self, source: _Source) -> Position | None:
        """Return the last position of an index to look at; None when all the rest is looked at."""
        look, wanted = LOOK, self._wanted
        if source is _GROUPS and wanted.account is None:
            look = (look if wanted.statuses else look * SIDE_BY_SIDE) // (len(accounts_of(self._sql, self._fetch)) or 1)
        entries, values = self._entries(source, (), limit=1, offset=max(look, self._limit))
        found = self._fetch(self._sql.text(entries), values)
        return Position(*found[0]) if found else None

    def _has_few(self, keys: _Source) -> bool:
        """Whether so few keys have the prefix that they are read at once."""
        table = f"{self._sql.schema}payouts{self._sql.by_index(keys.name)}"
        statement = f"SELECT 1 FROM {table} WHERE {keys.condition.text} LIMIT 1 OFFSET {KEYS}"
        return not self._fetch(self._sql.text(statement), keys.condition.values)

    def _entries(
        self,
        source: _Source,
        filters: Sequence[_Condition],
        *,
        end: Position | None = None,
        limit: int,
        offset: int = 0,
    ) -> tuple[str, tuple[Any, ...]]:
        """Return a query for positions of an index up to an end, in order, and its values.

        Of groups, the offset is one in each.
        """
        first, last = self._first, self._last
        if end is not None and self._wanted.newest_first:
            first = Position(end.created_us, end.no - 1)
        elif end is not None:
            last = Position(end.created_us, end.no + 1)
        columns = self._sql.group_columns if source is _GROUPS else "created_at, no"
        others = "".join(f" AND {one.text}" for one in filters)
        statement = (
            f"SELECT {columns} FROM {self._sql.schema}payouts{self._sql.by_index(source.name)}"
            f" WHERE {source.condition.text} AND (created_at, no) > (?, ?) AND (created_at, no) < (?, ?){others}"
            f" {self._order} LIMIT {limit} OFFSET {offset}"
        )
        values = (*source.condition.values, *first, *last, *(value for one in filters for value in one.values))
        if source is _GROUPS:
            account = self._wanted.account
            tables = groups(self._sql, account, self._wanted.statuses or tuple(PayoutStatus))
            each = self._sql.each_group.format(statement)
            statement = f"{tables} SELECT created_at, no FROM {each} {self._order} LIMIT {limit}"
            values = values if account is None else (account, *values)
        return statement, values


def count_by_account(
    sql: Statements, fetch: Fetch, statuses: Iterable[PayoutStatus]
) -> dict[tuple[str, PayoutStatus], int]:
    """Return how many payouts each account has in each of these statuses; zero is left out."""
    count = f"SELECT COUNT(*) FROM {sql.schema}payouts WHERE account = accounts.name AND status = statuses.name"
    names = groups(sql, None, statuses)
    found = fetch(f"{names} SELECT accounts.name, statuses.name, ({count}) FROM accounts CROSS JOIN statuses", ())
    return _read_counts(found)


@checked
def _read_counts(stored: Iterable[tuple[Any, ...]]) -> dict[tuple[str, PayoutStatus], int]:
    return {(account, PayoutStatus(status)): int(many) for account, status, many in stored if many}


def accounts_of(sql: Statements, fetch: Fetch) -> frozenset[str]:
    """Return the names of the accounts that have payouts."""
    found = fetch(f"{groups(sql, None, ())} SELECT name FROM accounts", ())
    return frozenset(name for (name,) in found if name is not None)


def groups(sql: Statements, account: str | None, statuses: Iterable[PayoutStatus]) -> str:
    """Return the tables of accounts and statuses; the names of accounts are stepped through, a few reads each."""
    names = "SELECT CAST(? AS TEXT)"
    if account is None:
        table = f"{sql.schema}payouts"
        following = f"SELECT MIN(account) FROM {table} WHERE account > accounts.name"
        names = f"SELECT MIN(account) FROM {table} UNION ALL SELECT ({following}) FROM accounts WHERE name IS NOT NULL"
    tables = f"WITH RECURSIVE accounts (name) AS ({names})"
    values = ", ".join(f"('{status}')" for status in dict.fromkeys(statuses))
    return f"{tables}, statuses (name) AS (VALUES {values})" if values else tables


def _begins_with(column: str, prefix: str) -> _Condition:
    """Return the condition that a text begins with a prefix, in the order of code points."""
    end = _after_all(prefix)
    return (
        _Condition(f"{column} >= ? AND {column} < ?", (prefix, end)) if end else _Condition(f"{column} >= ?", (prefix,))
    )


def _after_all(prefix: str) -> str:
    """Return the first text after all that begin with a prefix, in the order of code points; empty where none is."""
    rest = prefix.rstrip(chr(0x10FFFF))
    if not rest:
        return ""
    following = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if following == 0xD800 else following)  # in between are halves of characters
