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


def find_to_check(sql: Statements, fetch: Fetch, at: datetime) -> tuple[ToCheck, ...]:
    """Return the open payouts, and the failed ones whose result the provider may still change.

    Payouts in REVIEW of which nothing was accepted are left out: they need no check.
    """
    elsewhere = ", ".join(f"'{code}'" for code in sorted(PAID_ELSEWHERE))
    # As `PayoutRecord.view` decides it for a payout in REVIEW.
    may_have_been_sent = (
        "ambiguous = 1 OR contradictions <> '[]' OR first_sent_at IS NOT NULL OR rechecks_left > 0"
        f" OR (reason IS NOT NULL AND {sql.reason_code} IN ({elsewhere}))"
    )
    settles = f"reason IS NOT NULL AND updated_at + {sql.settling_h} * {_HOUR_US} > ?"
    columns = (
        "account, operation, binding, status, CASE WHEN attempt > 1 THEN id END,"
        f" CASE WHEN status = '{PayoutStatus.CREATED}' AND submissions = 0 THEN 1 ELSE 0 END"
    )
    names = groups(sql, None, (*_OPEN, PayoutStatus.FAILED))
    found = fetch(
        sql.text(
            f"{names} SELECT {columns}, COUNT(*) FROM accounts CROSS JOIN statuses"
            f" CROSS JOIN {sql.schema}payouts{sql.by_index('payouts_listed')}"
            " WHERE account = accounts.name AND status = statuses.name"
            f" AND (status <> '{PayoutStatus.REVIEW}' OR {may_have_been_sent})"
            f" AND (status <> '{PayoutStatus.FAILED}' OR ({settles})) GROUP BY 1, 2, 3, 4, 5, 6"
        ),
        (to_us(at),),
    )
    return _read(found)


@checked
def _read(stored: Iterable[tuple[Any, ...]]) -> tuple[ToCheck, ...]:
    return tuple(
        ToCheck(
            account, Operation(operation), json.loads(binding), PayoutStatus(status), payout_id, bool(unsent), count
        )
        for account, operation, binding, status, payout_id, unsent, count in stored
    )
