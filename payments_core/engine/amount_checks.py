"""Limits of amounts: the most that an account pays at once, and what is left of a collection to refund."""

from __future__ import annotations

from payments_core.domain.errors import OverRefund
from payments_core.domain.payout import Order, PayoutStatus, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.engine.commands import OverRefunded
from payments_core.engine.daily_limits import daily_limit_changed
from payments_core.provider import Account
from payments_core.settings.amount_limits import above_largest_amount

__all__ = ["over_refund", "too_large", "waits_and_fits"]


def too_large(account: Account, row: PayoutRecord) -> str:
    """Return why a payout may not leave by the settings as they are now; empty when it may."""
    limits, amount = account.settings.largest_amount, row.order.amount
    if limits is None or amount.is_within(limits):
        return ""
    return above_largest_amount(limits, amount, account=account.name)


def waits_and_fits(account: Account, row: PayoutRecord) -> bool:
    """Whether a payout waits for a limit, and may be sent, or has another limit, by the settings as they are now."""
    if daily_limit_changed(account, row):
        return row.status is PayoutStatus.CREATED
    stopped = row.reason is not None and row.reason.code is ReasonCode.ABOVE_LARGEST_AMOUNT
    return stopped and row.status is PayoutStatus.CREATED and not too_large(account, row)


def over_refund(order: Order, refused: OverRefunded) -> OverRefund:
    """Return the error of a refund for which not enough is left."""
    if order.original_amount != refused.original_amount:
        return OverRefund(
            f"An earlier refund of this collection says that {refused.original_amount} was collected, this one "
            f"{order.original_amount}.",
            hint="Find out how much was collected, and give the same original amount each time.",
        )
    return OverRefund(
        f"{order.amount} cannot be refunded: of {order.original_amount} collected, {refused.refunded:f} "
        f"{order.amount.currency} is refunded or under way.",
        hint="Only what was collected can be refunded; a refund that is not known yet counts until it is.",
    )
