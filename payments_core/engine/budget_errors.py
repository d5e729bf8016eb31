"""Payouts that do not fit into a budget: how a new one is refused, and why a recorded one waits."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from payments_core.domain.budgets import AboveBudget, batch_of
from payments_core.domain.errors import BatchBudgetReached, InvalidPayout
from payments_core.domain.payout import Order
from payments_core.engine.daily_limits import daily_limit_reached
from payments_core.provider import Account

__all__ = ["batch_waits_because", "budget_reached"]


def budget_reached(account: Account, order: Order, above: AboveBudget, at: datetime) -> InvalidPayout:
    """Return the error of a new payout that does not fit into a budget."""
    if not (batch := batch_of(above)):
        return daily_limit_reached(account, order, above, at)
    left = max(above.most - above.reserved, Decimal(0))
    return BatchBudgetReached(
        f"Batch {batch} does not pay {order.amount.amount:,f} {order.amount.currency} now: {left:,f} is left of its "
        "approved total, and a batch that is paused, cancelled or not approved pays nothing.",
        hint=f"Look at it: `payouts batch show {batch}`.",
    )


def batch_waits_because(batch: str) -> str:
    """Return why a payout of a batch waits; it says the same until that is over."""
    return f"Batch {batch} is paused or cancelled, or nothing is left of its approved total."
