"""Pages of payouts, by any filter, from indexes.

Every list is in the order of acceptance (``created_at``, ``no``), so that a position in one never changes. The index
`payouts_listed` has this order in each group of one account and one status: a page is merged from the groups. Other
filters have an index of their own. The index with the fewest payouts is read.
"""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from payments_core.domain.characters import is_storable
from payments_core.domain.listing import PayoutFilter, Position, RecordPage
from payments_core.domain.payout import PayoutStatus
from payments_core.journal.sql.columns import COLUMNS, checked, read_row, to_us
from payments_core.journal.sql.statements import Statements, marks, quoted

__all__ = ["Fetch", "accounts_of", "count_by_account", "find_page", "groups"]

Fetch = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_WINDOW = 500  # payouts that are looked at before the indexes are compared
_MOST = 200_000  # payouts of an index that are counted
_EVER = (-(1 << 62), 0, 1 << 62, 0)  # from and to, exclusive, as positions
_NAMES = quoted(COLUMNS)


class _Condition(NamedTuple):
    """A part of a statement, and its values."""

    text: str
    values: tuple[Any, ...] = ()


class _Source(NamedTuple):
    """An index that holds every payout of a list, and the condition that it finds them by."""

    name: str
    condition: _Condition


_NOTHING = _Condition("")
_GROUPS = _Source("payouts_listed", _Condition("account = accounts.name AND status = statuses.name"))


def find_page(sql: Statements, fetch: Fetch, wanted: PayoutFilter, after: Position | None, limit: int) -> RecordPage:
    """Return the next page of a list.

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
    found = _List(sql, fetch, wanted, after, limit + 1).rows()
    rows = [read_row(stored) for _, _, *stored in found[:limit]]
    return RecordPage(rows, Position(found[limit - 1][1], found[limit - 1][0]) if len(found) > limit else None)


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
        first, last = Position(*_EVER[:2]), Position(*_EVER[2:])
        if wanted.created_from is not None:
            first = Position(to_us(wanted.created_from), 0)
        if wanted.created_to is not None:
            last = Position(to_us(wanted.created_to), 0)
        if after is not None:
            first, last = (first, min(last, after)) if wanted.newest_first else (max(first, after), last)
        self._span = (*first, *last)
        down = " DESC" if wanted.newest_first else ""
        self._order = f"ORDER BY created_at{down}, no{down} LIMIT ?"
        self._conditions = self._conditions_of(wanted)

    def _conditions_of(self, wanted: PayoutFilter) -> Mapping[str, _Condition]:
        """Return the conditions beside the dates, by the index that finds them."""
        sql, found = self._sql, dict[str, _Condition]()
        if wanted.payee is not None:
            text = f"{sql.payee_key} = {sql.payee_key_of} AND payee_value = ?"
            found["payouts_by_payee"] = _Condition(text, (wanted.payee, wanted.payee))
        if prefix := wanted.key_prefix:
            end = _after_all(prefix)
            text, values = ("key >= ? AND key < ?", (prefix, end)) if end else ("key >= ?", (prefix,))
            found[sql.key_index] = _Condition(text, values)
        if wanted.batch:
            found["payouts_of_batch"] = _Condition("batch = ? AND batch <> ''", (wanted.batch,))
        if wanted.reason is not None:
            text = f"reason IS NOT NULL AND {sql.reason_code} = ?"
            found["payouts_by_reason"] = _Condition(text, (str(wanted.reason),))
        group = [] if wanted.account is None else [_Condition("account = ?", (wanted.account,))]
        if wanted.statuses:
            text = f"status IN ({marks(len(wanted.statuses))})"
            group.append(_Condition(text, tuple(map(str, wanted.statuses))))
        if group:
            text = " AND ".join(condition.text for condition in group)
            found[_GROUPS.name] = _Condition(text, tuple(value for one in group for value in one.values))
        return found

    def rows(self) -> list[tuple[Any, ...]]:
        """Return what is found: number, time of acceptance, and the columns of a record."""
        sources = [_Source(name, found) for name, found in self._conditions.items() if name != _GROUPS.name]
        if not sources:
            return self._found(_GROUPS)
        found = [] if self._wanted.payee is not None else self._found(_GROUPS, _WINDOW)
        if len(found) == self._limit:  # many are wanted
            return found
        if self._wanted.created_from or self._wanted.created_to or _GROUPS.name in self._conditions:
            sources.append(_GROUPS)
        if len(sources) == 1:
            return self._found(sources[0])
        best = self._smallest(sources)
        found = self._found(best, _WINDOW)
        return found if len(found) == self._limit else self._found(best)

    def _smallest(self, sources: Sequence[_Source]) -> _Source:
        """Return the index with the fewest payouts of the list."""
        best, count = sources[0], self._count(sources[0], _MOST)
        for source in sources[1:]:
            if (other := self._count(source, count)) < count:
                best, count = source, other
        return best

    def _count(self, source: _Source, most: int) -> int:
        """Return how many payouts an index has between the dates, as far as they are counted."""
        statement, values = self._select(source, "1", _NOTHING, "LIMIT ?")
        statement, values = f"SELECT COUNT(*) FROM ({statement}) found", (*values, most)
        if source is _GROUPS:
            before, group_values = self._groups()
            statement = f"{before} SELECT COALESCE(SUM(({statement})), 0) FROM accounts CROSS JOIN statuses"
            values = (*group_values, *values)
        return int(self._fetch(self._sql.text(statement), values)[0][0])

    def _found(self, source: _Source, window: int | None = None) -> list[tuple[Any, ...]]:
        """Return the payouts of an index that meet the other conditions; with a window, of its first payouts only."""
        rest = self._rest(source)
        within, outside, most = (rest, _NOTHING, self._limit) if window is None else (_NOTHING, rest, window)
        columns = self._sql.group_columns if source is _GROUPS else "no"
        statement, values = self._select(source, columns, within, self._order)
        before, values = "", (*values, most)
        if source is _GROUPS:
            before, group_values = self._groups()
            order = self._order.replace("created_at", "p.created_at").replace(" no", " p.no")
            statement = f"SELECT p.no FROM {self._sql.each_group.format(statement)} {order}"
            values = (*group_values, *values, most)
        wanted = f"SELECT no, created_at, {_NAMES} FROM {self._sql.schema}payouts{self._sql.by_number}"
        statement = f"{before} {wanted} WHERE no IN ({statement}){outside.text} {self._order}"
        return self._fetch(self._sql.text(statement), (*values, *outside.values, self._limit))

    def _select(self, source: _Source, columns: str, others: _Condition, end: str) -> tuple[str, tuple[Any, ...]]:
        """Return a query of an index between the dates, and its values."""
        table = f"{self._sql.schema}payouts{self._sql.by_index(source.name)}"
        span = "(created_at, no) > (?, ?) AND (created_at, no) < (?, ?)"
        statement = f"SELECT {columns} FROM {table} WHERE {source.condition.text} AND {span}{others.text} {end}"
        return statement, (*source.condition.values, *self._span, *others.values)

    def _rest(self, source: _Source) -> _Condition:
        """Return the conditions that an index does not find by."""
        others = [condition for name, condition in self._conditions.items() if name != source.name]
        text = "".join(f" AND {condition.text}" for condition in others)
        return _Condition(text, tuple(value for condition in others for value in condition.values))

    def _groups(self) -> tuple[str, tuple[Any, ...]]:
        account = self._wanted.account
        tables = groups(self._sql, account, self._wanted.statuses or tuple(PayoutStatus))
        return tables, () if account is None else (account,)


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


def _after_all(prefix: str) -> str:
    """Return the first text after all that begin with a prefix, in the order of code points; empty where none is."""
    rest = prefix.rstrip(chr(0x10FFFF))
    if not rest:
        return ""
    following = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if following == 0xD800 else following)  # in between are halves of characters
