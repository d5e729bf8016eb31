"""The largest amount that an account pays: compared before a payout is written down, and again before it leaves."""

from __future__ import annotations

from payments_core.domain.errors import InvalidAmount
from payments_core.domain.payout import Order, PayoutStatus, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.provider import Account
from payments_core.settings.amount_limits import above_largest_amount

__all__ = ["check_amount", "too_large", "waits_and_fits"]


def check_amount(account: Account, order: Order) -> None:
    """Refuse an order of more than its account pays at once.

    Raises:
        InvalidAmount: It is more than ``largest_amount``, or that names no limit for its currency.

    """
    limits, amount = account.settings.largest_amount, order.amount
    if why := above_largest_amount(limits, amount.amount, amount.currency, account=account.name):
        raise InvalidAmount(why, hint="Correct the amount; where it is meant, change the setting first.")


def too_large(account: Account, row: PayoutRecord) -> str:
    """Return why a payout may not leave by the settings as they are now; empty when it may."""
    amount = row.order.amount
    return above_largest_amount(account.settings.largest_amount, amount.amount, amount.currency, account=account.name)


def waits_and_fits(account: Account, row: PayoutRecord) -> bool:
    """Whether a payout waits because it was too large, and is not by the settings as they are now."""
    stopped = row.reason is not None and row.reason.code is ReasonCode.ABOVE_LARGEST_AMOUNT
    return stopped and row.status is PayoutStatus.CREATED and not too_large(account, row)
