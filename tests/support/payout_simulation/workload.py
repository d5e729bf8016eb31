"""What the application wants paid, and what becomes of each payment once the provider has it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee
from payout_simulation.plan import Plan
from payout_simulation.seeded_random import stream
from payout_simulation.simulated_time import HOUR, MINUTE, SECOND, START

__all__ = ["APPROVE_ABOVE", "COLLECTED", "SETTLING_H", "Fate", "PlannedOrder", "fate_of", "planned_orders"]

APPROVE_ABOVE = Decimal(62)  # of 20 to 70
SETTLING_H = 1.5  # how long a provider that says "timed out" may still say otherwise

COLLECTED = Money("100.00", "EUR")  # by each collection
_REFUNDS_EACH = 4  # keys that want a share of one collection, more than it holds
_ALL_SENT_US = 2 * HOUR


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One key of the application.

    Args:
        at_us: When it is first sent, in microseconds since the start.
        account: From which account.
        order: What is to be paid.

    """

    at_us: int
    account: str
    order: Order

    @property
    def other_intent(self) -> PlannedOrder:
        """The same key by mistake with another amount."""
        return replace(self, order=replace(self.order, amount=Money("0.01", "EUR")))


@dataclass(frozen=True, slots=True)
class Fate:
    """What the provider makes of a payment it has taken.

    Args:
        chance: Decides about each exchange that concerns it.
        visible_us: After which time reads find it, in microseconds.
        settles_us: After which time it is over.
        succeeds: Whether the money arrives.
        reverses_us: After which further time the provider takes the money back; None for never.
        times_out: When it fails, the provider says so of a time-out, which is not conclusive yet.
        turns_us: After which further time what has failed pays all the same; None for never.
        soon_gone: Whether reads find it no longer than its reference is remembered.

    """

    chance: random.Random
    visible_us: int
    settles_us: int
    succeeds: bool
    reverses_us: int | None
    times_out: bool
    reverses_after_us: int | None
    soon_gone: bool

    @property
    def pays(self) -> bool:
        """Whether money arrives, sooner or later."""
        return self.succeeds or self.reverses_after_us is not None


def planned_orders(plan: Plan, accounts: Sequence[str]) -> list[PlannedOrder]:
    """Return what the application sends, each key from one of the accounts."""
    return [_planned_order(plan, number, accounts) for number in range(plan.payouts)]


def fate_of(plan: Plan, payout_id: str, number: int) -> Fate:
    """Return what becomes of a payout's payment.

    Args:
        plan: What is simulated.
        payout_id: Ours.
        number: 1 for the first reference of it that the provider sees.

    """
    return _fate(plan, stream(plan.seed, "fate", payout_id, number))


def _planned_order(plan: Plan, number: int, accounts: Sequence[str]) -> PlannedOrder:
    chance = stream(plan.seed, "wish", number)
    at_us = chance.randrange(max(1, min(_ALL_SENT_US, plan.payouts * MINUTE)))
    account, kind = accounts[chance.randrange(len(accounts))], chance.random()
    not_before = expires_at = None
    if plan.has("windows"):
        sent_at = START + timedelta(microseconds=at_us)
        if chance.random() < 0.08:
            not_before = sent_at + timedelta(seconds=chance.randrange(60, 3600))
        if chance.random() < 0.08:
            expires_at = (not_before or sent_at) + timedelta(seconds=chance.randrange(60, 7200))
    amount = Money(f"{chance.randrange(2000, 7000) / 100:.2f}", "EUR")
    key = f"key/{number:04}"
    if kind < 0.25 and plan.has("refunds"):
        # A collection was paid to one account: its refunds all leave from there.
        collection = chance.randrange(max(1, plan.payouts // (4 * _REFUNDS_EACH)))
        payee = Payee.payer_of(f"collection-{collection}")
        account, how = accounts[collection % len(accounts)], Operation.REFUND
    else:
        payee = Payee("wallet", f"wallet-{number:04}")
        how = Operation.DEPOSIT if kind > 0.85 else Operation.TRANSFER
    original = COLLECTED if how is Operation.REFUND else None
    order = Order(key, payee, amount, how, "", {}, not_before, expires_at, original)
    return PlannedOrder(at_us, account, order)


def _fate(plan: Plan, chance: random.Random) -> Fate:
    share = chance.random()
    if share < 0.1:
        settles_us = 0
    elif share < 0.55 or not plan.has("slow"):
        settles_us = chance.randrange(30 * SECOND)
    elif share < 0.82:
        settles_us = chance.randrange(10 * MINUTE)
    elif share < 0.96:
        settles_us = chance.randrange(3 * HOUR)
    elif share < 0.992:
        settles_us = chance.randrange(40 * HOUR)
    else:
        settles_us = chance.randrange(75 * HOUR, 120 * HOUR)
    share = chance.random()
    if share < 0.7:
        visible_us = 0
    elif share < 0.97:
        visible_us = chance.randrange(5 * MINUTE)
    else:
        visible_us = chance.randrange(HOUR)  # longer than the provider says
    succeeds = chance.random() < 0.8 or not plan.has("late-failures")
    reverses = succeeds and plan.has("reversals") and chance.random() < 0.1
    reverses_us = chance.randrange(HOUR) if reverses else None
    times_out = not succeeds and plan.has("turned-failures") and chance.random() < 0.3
    reverses_after_us = chance.randrange(MINUTE, HOUR) if times_out and chance.random() < 0.5 else None
    soon_gone = chance.random() < 0.15
    return Fate(chance, visible_us, settles_us, succeeds, reverses_us, times_out, reverses_after_us, soon_gone)
