"""The daily limit of an account: what all payouts of one day may come to, in the account's time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from payments_core.domain.budgets import AboveBudget, Budget
from payments_core.domain.errors import DailyLimitReached
from payments_core.domain.payout import Order, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.provider import Account
from payments_core.settings.time_zones import day_of, next_day_at

__all__ = ["daily_budget", "daily_limit_changed", "daily_limit_reached", "next_day_of", "waits_because"]


def daily_budget(account: Account, limits: Mapping[str, Decimal], currency: str, at: datetime) -> Budget:
    """Return the budget of an account's day in one currency; nothing fits where its limits do not name that."""
    day = day_of(at, account.settings.time_zone)
    return Budget(f"day/{account.name}/{currency}/{day}", limits.get(currency, Decimal(0)))


def next_day_of(account: Account, at: datetime) -> datetime:
    """Return when the account's next day begins, in UTC."""
    return next_day_at(at, account.settings.time_zone)


def daily_limit_reached(account: Account, order: Order, above: AboveBudget, at: datetime) -> DailyLimitReached:
    """Return the error of a new payout that does not fit into the account's day."""
    currency, left, next_at = (
        order.amount.currency,
        max(above.most - above.reserved, Decimal(0)),
        next_day_of(account, at),
    )
    zone = account.settings.time_zone
    return DailyLimitReached(
        f"{order.amount.amount:,f} {currency} is more than what is left today of the daily_limit of account "
        f"{account.name}: of {above.most:,f} {currency}, {above.reserved:,f} is used and {left:,f} is left.",
        hint=f"Send it when the next day begins, at {next_at:%Y-%m-%d %H:%M} UTC (time_zone {zone}); with that as "
        "not_before it is accepted now. Where it is meant for today, raise the setting.",
        account=account.name,
        limit=above.most,
        used=above.reserved,
        left=left,
        again_at=next_at,
    )


def waits_because(account: Account, currency: str) -> str:
    """Return why a payout waits that does not fit into the account's day; it says the same until a setting changes."""
    limit = (account.settings.daily_limit or {}).get(currency)
    if limit is None:
        return f"There is no daily_limit for {currency} in the settings of account {account.name}."
    return (
        f"With it, the payouts of the day would come to more than the daily_limit of account {account.name}: "
        f"{limit:,f} {currency}. The next day begins at midnight of the time_zone {account.settings.time_zone}."
    )


def daily_limit_changed(account: Account, row: PayoutRecord) -> bool:
    """Whether a payout waits for a daily limit that is another one by the settings as they are now."""
    if row.reason is None or row.reason.code is not ReasonCode.DAILY_LIMIT:
        return False
    return row.reason.text != waits_because(account, row.order.amount.currency)
