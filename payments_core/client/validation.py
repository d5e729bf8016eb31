"""What ``send`` would say of orders: each order's findings, and what all of them come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from payments_core.domain.money import Currency, Money
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.provider import Balance

__all__ = ["PAID_RECENTLY", "AccountTotal", "CheckedOrder", "OrderFinding", "RepeatedPayee", "Validation"]

#: The note of an order whose payee another payout pays as much.
PAID_RECENTLY = (
    "Another payout of the last 7 days, under another key, pays this payee the same amount (see `payouts list --payee "
    "NUMBER`)."
)


@dataclass(frozen=True, slots=True)
class OrderFinding:
    """One thing for which ``send`` would refuse an order.

    Args:
        field: The argument of ``send`` that it is about; empty where it is about none, or several.
        value: What stands there; payees and keys masked, of options the names only.
        code: The error's code, as in the page reference/errors.
        reason: The error's message.
        hint: What to do; empty when the reason says it.

    """

    field: str
    value: str
    code: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """What ``send`` would say of one order. It holds the caller's key, and no complete payee.

    Args:
        number: Its place among the orders, from 1.
        key: The caller's.
        payee: Masked.
        amount: None where it cannot be read.
        operation: The kind of payment it would be; None where that is not known.
        account: The account that pays it; empty where none is known.
        findings: Why it would be refused, all of them: the first is the error that ``send`` raises.
        notes: What only the moment of sending decides: an approval, a time, an end that was recorded.
        same_key_as: The number of the earlier order with this key; without findings both are one payout.
        payout_id: Of what is recorded under its key already: this very order.
        status: The status of what is recorded.

    """

    number: int
    key: str = field(repr=False)
    payee: str
    amount: Money | None = None
    operation: Operation | None = None
    account: str = ""
    findings: tuple[OrderFinding, ...] = ()
    notes: tuple[str, ...] = ()
    same_key_as: int | None = None
    payout_id: str = ""
    status: PayoutStatus | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether ``send`` would accept it."""
        return not self.findings

    @property
    def is_new(self) -> bool:
        """Whether ``send`` would make a new payout of it: accepted, not recorded, and its key's first order."""
        return not self.findings and self.status is None and self.same_key_as is None

    @property
    def is_open(self) -> bool:
        """Whether ``send`` would go on with it: a new payout, or a recorded one that has not come to an end."""
        return self.is_new or (not self.findings and self.status is not None and not self.status.is_final)

    @property
    def is_paid(self) -> bool:
        """Whether it is paid already."""
        return self.status is PayoutStatus.SUCCEEDED


@dataclass(frozen=True, slots=True)
class AccountTotal:
    """What the new payouts from one account come to, in one currency.

    Args:
        account: Its name.
        currency: Of the payouts.
        count: How many.
        amount: Their sum, without fees.
        left_today: What is left today of the account's ``daily_limit``; None where it has none, or where none of the
            payouts is for today.
        balances: What the account holds in this currency; empty where that was not asked, or not answered.
        balance_note: Why there is no balance; empty where it was not asked.

    """

    account: str
    currency: Currency
    count: int
    amount: Decimal
    left_today: Decimal | None = None
    balances: tuple[Balance, ...] = ()
    balance_note: str = ""

    @property
    def is_covered(self) -> bool | None:
        """Whether the balance covers the sum; None where there is no balance, or several."""
        return self.balances[0].amount >= self.amount if len(self.balances) == 1 else None


@dataclass(frozen=True, slots=True)
class RepeatedPayee:
    """A payee of several accepted orders with different keys.

    Args:
        payee: Masked.
        numbers: Of the orders.

    """

    payee: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Validation:
    """What ``send`` would say of orders.

    Args:
        orders: One for each order, in their order.
        totals: Of the new payouts, by account and currency.
        repeated_payees: Payees that are paid more than once among these orders.
        notes: What holds for whole accounts, such as a pause.

    """

    orders: tuple[CheckedOrder, ...]
    totals: tuple[AccountTotal, ...] = ()
    repeated_payees: tuple[RepeatedPayee, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether ``send`` would accept every order."""
        return all(one.is_accepted for one in self.orders)

    @property
    def refused(self) -> tuple[CheckedOrder, ...]:
        """The orders that ``send`` would refuse."""
        return tuple(one for one in self.orders if one.findings)
