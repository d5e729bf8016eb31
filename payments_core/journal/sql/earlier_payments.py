"""What payees are paid since a moment: whoever pays them again should see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from payments_core.domain.listing import EarlierPayment
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus
from payments_core.journal.sql.columns import checked, from_us, to_us
from payments_core.journal.sql.listing import Fetch
from payments_core.journal.sql.statements import Statements

__all__ = ["find_payments_to"]


def find_payments_to(
    sql: Statements, fetch: Fetch, payees: Sequence[str], since: datetime
) -> Mapping[str, Sequence[EarlierPayment]]:
    """Return the payments to each of these payees since a moment, in their order; failed ones are left out."""
    if not payees:
        return {}
    wanted = ", ".join([sql.payee_key_of] * len(payees))
    statement = (
        f"SELECT payee_value, batch, key, amount, currency, created_at FROM {sql.schema}payouts"  # noqa: S608
        f" WHERE {sql.payee_key} IN ({wanted}) AND created_at >= ?"
        f" AND status NOT IN ('{PayoutStatus.FAILED}', '{PayoutStatus.CANCELLED}') ORDER BY created_at, no"
    )
    return _read(fetch(sql.text(statement), (*payees, to_us(since))))


@checked
def _read(stored: Iterable[tuple[Any, ...]]) -> Mapping[str, Sequence[EarlierPayment]]:
    found: dict[str, list[EarlierPayment]] = {}
    for payee, batch, key, amount, currency, at in stored:
        found.setdefault(payee, []).append(EarlierPayment(batch, key, Money(amount, currency), from_us(at)))
    return found
