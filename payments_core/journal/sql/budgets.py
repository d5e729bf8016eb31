"""Budgets: amounts are reserved in the commit that begins a submission, and returned in the one that ends it unpaid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from payments_core.domain.budgets import AboveBudget, Budget, BudgetState, add, first_above, subtract
from payments_core.domain.records import PayoutRecord
from payments_core.journal.sql.columns import checked
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["lock", "read_states", "settle"]

_NONE: Mapping[str, BudgetState] = MappingProxyType({})


def lock(
    session: DbTransaction, before: PayoutRecord, after: PayoutRecord, budgets: Sequence[Budget]
) -> Mapping[str, BudgetState] | AboveBudget:
    """Return what a submission reserves from, locked until the commit, or the budget that it does not fit into.

    Args:
        session: The open transaction.
        before: The record as it is stored.
        after: The record wanted.
        budgets: What the submission reserves from.

    """
    if before.attempt.budgets or not after.attempt.budgets:
        return {}
    states = {}
    for budget in sorted(budgets, key=lambda one: one.name):
        if (state := _locked(session, budget.name)) is None and budget.most is not None:
            session.lock("budget", budget.name)  # another transaction may be about to reserve the first amount of it
            state = _locked(session, budget.name)
        if state is not None:
            states[budget.name] = state
    return first_above(budgets, after.order.amount.amount, states) or states


def settle(
    session: DbTransaction, before: PayoutRecord, after: PayoutRecord, locked: Mapping[str, BudgetState] = _NONE
) -> None:
    """Write what a transition reserves, or returns.

    Args:
        session: The open transaction.
        before: The record as it was stored.
        after: The record as it is now.
        locked: Budgets that this transaction has read by :func:`lock`; others are read.

    """
    had, has = before.attempt.budgets, after.attempt.budgets
    if had == has:
        return
    amount = after.order.amount.amount
    for name in sorted({*had} ^ {*has}):
        state = locked.get(name) or _locked(session, name)
        if name in has:
            reserved = add(Decimal(0) if state is None else state.reserved, amount)
        elif state is not None:
            reserved = subtract(state.reserved, amount)
        else:
            continue  # the result of a payout is always recorded; `verify` tells what is wrong with its budget
        session.execute(session.sql.set_reserved, (f"{reserved:f}", name))


def _locked(session: DbTransaction, name: str) -> BudgetState | None:
    found = session.execute(session.sql.lock_budget, (name,)).fetchone()
    return None if found is None else _read(found)[1]


def read_states(found: Iterable[Sequence[Any]]) -> Mapping[str, BudgetState]:
    """Read budgets by name, from the columns that the statement ``budgets`` selects."""
    return dict(map(_read, found))


@checked
def _read(stored: Sequence[Any]) -> tuple[str, BudgetState]:
    name, reserved, most, is_closed = stored
    return name, BudgetState(Decimal(reserved), None if most is None else Decimal(most), bool(is_closed))
