"""Which payouts a provider is still to be asked about, in groups: there may be very many."""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from payments_core.domain.listing import ToCheck
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.domain.records import PAID_ELSEWHERE
from payments_core.journal.sql.columns import checked, to_us
from payments_core.journal.sql.listing import Fetch, groups
from payments_core.journal.sql.statements import Statements

__all__ = ["find_to_check"]

_OPEN = tuple(status for status in PayoutStatus if not status.is_final)
_HOUR_US = 3_600_000_000
_SUBSETS = f"('{PayoutStatus.REVIEW}', '{PayoutStatus.FAILED}')"  # only some payouts in these are checked
_IS_UNSENT = "CASE WHEN {0}status = 'CREATED' AND {0}submissions = 0 THEN 1 ELSE 0 END"
_COLUMNS = f"account, operation, binding, status, CASE WHEN attempt > 1 THEN id END, {_IS_UNSENT.format('')}"


def find_to_check(sql: Statements, fetch: Fetch, at: datetime) -> tuple[ToCheck, ...]:
    """Return the open payouts, and the failed ones whose result the provider may still change.

    Payouts in REVIEW of which nothing was accepted are left out: they need no check. It is one statement, so that no
    payout is missed that changes its status meanwhile.
    """
    names, mixed = groups(sql, None, (*_OPEN, PayoutStatus.FAILED)), _mixed(sql)
    subsets = mixed.format(f"AND statuses.name IN {_SUBSETS} AND status IN {_SUBSETS}")
    found = fetch(sql.text(f"{names} {_alike(sql)} UNION ALL {subsets}"), (to_us(at),))
    if any(count == 0 for *_, count in found):
        found = fetch(sql.text(f"{names} {mixed.format('')}"), (to_us(at),))
    return _read(found)


def _alike(sql: Statements) -> str:
    """Return the query for each account and open status as one group; its count is 0 where the payouts differ.

    Nearly always they are alike. To compare each with one takes a third of the time that sorting them takes.
    """
    payouts = f"{sql.schema}payouts{sql.by_index('payouts_listed')}"
    first = sql.each_group.format(
        f"SELECT {sql.group_columns} FROM {payouts} WHERE account = accounts.name AND status = statuses.name"
        f" AND statuses.name NOT IN {_SUBSETS} ORDER BY created_at, no LIMIT 1"
    )
    of_group = f"FROM {payouts} WHERE account = one.account AND status = one.status"
    same = (
        "operation = one.operation AND binding = one.binding AND attempt = 1"
        f" AND {_IS_UNSENT.format('')} = {_IS_UNSENT.format('one.')}"
    )
    return (
        f"SELECT {_COLUMNS}, CASE WHEN (SELECT 1 {of_group} AND NOT ({same}) ORDER BY created_at, no LIMIT 1) = 1"
        f" THEN 0 ELSE (SELECT COUNT(*) {of_group}) END"
        f" FROM {sql.schema}payouts one{sql.by_number} WHERE no IN (SELECT p.no FROM {first})"
    )


def _mixed(sql: Statements) -> str:
    """Return the query that sorts payouts into groups; what is put into it is one more condition."""
    elsewhere = ", ".join(f"'{code}'" for code in sorted(PAID_ELSEWHERE))
    # As `PayoutRecord.view` decides it for a payout in REVIEW.
    may_have_been_sent = (
        "ambiguous = 1 OR contradictions <> '[]' OR first_sent_at IS NOT NULL OR rechecks_left > 0"
        f" OR (reason IS NOT NULL AND {sql.reason_code} IN ({elsewhere}))"
    )
    settles = f"reason IS NOT NULL AND updated_at + {sql.settling_h} * {_HOUR_US} > ?"
    return (
        f"SELECT {_COLUMNS}, COUNT(*) FROM accounts CROSS JOIN statuses"
        f" CROSS JOIN {sql.schema}payouts{sql.by_index('payouts_listed')}"
        " WHERE account = accounts.name AND status = statuses.name {}"
        f" AND (status <> '{PayoutStatus.REVIEW}' OR {may_have_been_sent})"
        f" AND (status <> '{PayoutStatus.FAILED}' OR ({settles})) GROUP BY 1, 2, 3, 4, 5, 6"
    )


@checked
def _read(stored: Iterable[tuple[Any, ...]]) -> tuple[ToCheck, ...]:
    return tuple(
        ToCheck(
            account, Operation(operation), json.loads(binding), PayoutStatus(status), payout_id, bool(unsent), count
        )
        for account, operation, binding, status, payout_id, unsent, count in stored
    )
