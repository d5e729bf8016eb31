"""Budgets: amounts that submissions reserve from, and what each one has left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal

from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import PayoutRecord

__all__ = [
    "AboveBudget",
    "Budget",
    "BudgetState",
    "add",
    "batch_budget",
    "batch_of",
    "first_above",
    "holds_nothing",
    "reserving",
    "subtract",
]

_EXACT = Context(prec=60)  # an application may have changed its own
_BATCH = "batch/"
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget that a submission reserves its amount from.

    Args:
        name: Such as ``day/uganda-main/UGX/2026-11-30``.
        most: The most that may be reserved from it; None where the journal holds that.

    """

    name: str
    most: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget as the journal holds it.

    Args:
        reserved: The sum of the amounts that payouts hold of it.
        most: The most that may be reserved; None where the submission brings that.
        is_closed: Nothing more is reserved from it.

    """

    reserved: Decimal = _ZERO
    most: Decimal | None = None
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class AboveBudget:
    """A budget has not that much left; nothing was written.

    Args:
        name: The budget's.
        most: The most that may be reserved from it.
        reserved: What is.

    """

    name: str
    most: Decimal
    reserved: Decimal


def batch_budget(batch: str, currency: str) -> Budget:
    """Return the budget that the approved total of a batch in one currency is; the journal holds how much that is."""
    return Budget(f"{_BATCH}{batch}/{currency}")


def batch_of(above: AboveBudget) -> str:
    """Return the id of the batch whose budget has not that much left; empty of another budget."""
    return above.name.removeprefix(_BATCH).partition("/")[0] if above.name.startswith(_BATCH) else ""


def first_above(budgets: Sequence[Budget], amount: Decimal, states: Mapping[str, BudgetState]) -> AboveBudget | None:
    """Return the first budget that an amount does not fit into; None when it fits into all.

    Args:
        budgets: What would be reserved from.
        amount: How much.
        states: The stored ones, by name; one without a limit of its own need not be there.

    """
    for budget in budgets:
        state = states.get(budget.name, BudgetState())
        most = state.most if budget.most is None else budget.most
        if most is None or state.is_closed or add(state.reserved, amount) > most:
            return AboveBudget(budget.name, most or _ZERO, state.reserved)
    return None


def add(reserved: Decimal, amount: Decimal) -> Decimal:
    """Return what is reserved with an amount more."""
    return _EXACT.add(reserved, amount)


def subtract(reserved: Decimal, amount: Decimal) -> Decimal:
    """Return what is reserved without an amount; never less than nothing: the result of a payout is always recorded."""
    return max(_EXACT.subtract(reserved, amount), _ZERO)


def holds_nothing(row: PayoutRecord) -> bool:
    """Whether an attempt as it stands has no right to a reservation: it is unsent, or failed for certain."""
    if row.status is PayoutStatus.FAILED:
        return not row.schedule.rechecks_left and not (row.reason is not None and row.reason.settling_h)
    return row.status in {PayoutStatus.CREATED, PayoutStatus.CANCELLED}


def reserving(before: PayoutRecord, after: PayoutRecord, budgets: Sequence[Budget]) -> PayoutRecord:
    """Return the record wanted with the budgets that its attempt holds an amount of.

    The first submission of what may not have arrived reserves; a failure that is conclusive, a cancellation and what is
    proven not sent return it; anything else keeps it.

    Args:
        before: The record as it is.
        after: The record wanted.
        budgets: What a submission reserves from.

    """
    names = before.attempt.budgets
    if holds_nothing(after):
        names = ()
    elif budgets and not names and not before.attempt.ambiguous and after.status is PayoutStatus.SENDING:
        names = tuple(sorted(budget.name for budget in budgets))
    return after if names == after.attempt.budgets else replace(after, attempt=replace(after.attempt, budgets=names))
