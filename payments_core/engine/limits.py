"""The largest amount that an account pays: compared before a payout is written down, and again before it leaves."""

from __future__ import annotations

from payments_core.errors import InvalidAmount
from payments_core.limits import excess
from payments_core.payout import Order, PayoutStatus, ReasonCode
from payments_core.provider import Account
from payments_core.rows import PayoutRow

__all__ = ["check_amount", "too_large", "waits_and_fits"]

_SETTING = "largest_amount"


def check_amount(account: Account, order: Order) -> None:
    """Refuse an order of more than its account pays at once.

    Raises:
        InvalidAmount: It is more than ``largest_amount``, or that names no limit for its currency.

    """
    limits = account.settings.largest_amount
    if limits is None:
        return
    money = order.amount
    if why := excess(limits, money.amount, money.currency, setting=_SETTING, account=account.name):
        raise InvalidAmount(why, hint="Correct the amount; where it is meant, change the setting first.")


def too_large(account: Account, row: PayoutRow) -> str:
    """Return why a payout may not leave by the settings as they are now; empty when it may."""
    limits = account.settings.largest_amount
    return "" if limits is None else excess(limits, row.amount, row.currency, setting=_SETTING, account=account.name)


def waits_and_fits(account: Account, row: PayoutRow) -> bool:
    """Whether a payout waits because it was too large, and is not by the settings as they are now."""
    stopped = row.reason is not None and row.reason.code is ReasonCode.ABOVE_LARGEST_AMOUNT
    return stopped and row.status is PayoutStatus.CREATED and not too_large(account, row)
