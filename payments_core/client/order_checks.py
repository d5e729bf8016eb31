"""Checks orders with the functions by which ``send`` reads, looks up, routes and checks them; nothing is recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Context, Decimal

from payments_core.client.account_choice import (
    apply_choice,
    choose,
    choose_at_once,
    difference_note,
    existing_payout,
    parse_operation,
)
from payments_core.client.payout_order import PayoutOrder
from payments_core.client.validation import (
    PAID_RECENTLY,
    AccountTotal,
    CheckedOrder,
    OrderFinding,
    RepeatedPayee,
    Validation,
)
from payments_core.domain.budgets import Budget, BudgetState, first_above
from payments_core.domain.errors import InvalidArgument, JournalError, KeyReused, PaymentsError
from payments_core.domain.listing import RECENT, EarlierPayment
from payments_core.domain.masking import mask_key
from payments_core.domain.money import Currency
from payments_core.domain.payout import Operation, Order, PayoutStatus
from payments_core.domain.payout.metadata import encode_metadata
from payments_core.domain.records import Pause, PayoutRecord
from payments_core.domain.references import check_key, payout_id
from payments_core.engine import daily_limit_reached, differences, new_payout, refusals
from payments_core.engine.commands import CreatePayout
from payments_core.provider import Account
from payments_core.routing import Choice
from payments_core.runtime import Runtime, session_rules

__all__ = ["PlacedOrder", "ValidationBuilder", "place_all"]

_EXACT = Context(prec=60)  # an application may have changed its own
_ENDED_UNPAID = {PayoutStatus.FAILED, PayoutStatus.CANCELLED, PayoutStatus.REVERSED}


@dataclass(slots=True)
class PlacedOrder:
    """One order on its way through the checks."""

    given: PayoutOrder
    order: Order | None = None
    problems: list[PaymentsError] = field(default_factory=list)
    recorded: PayoutRecord | None = None
    earlier: Sequence[EarlierPayment] = ()
    choice: Choice | None = None
    account: Account | None = None
    new: CreatePayout | None = None

    @property
    def by_default(self) -> bool:
        """Whether the caller named no operation."""
        return self.given.operation is None

    @property
    def waits(self) -> bool:
        """Whether a provider is to be asked before its account can be chosen."""
        return self.order is not None and not self.problems and self.recorded is None and self.choice is None

    def apply_choice(self, runtime: Runtime) -> Account | None:
        """Take the account that was chosen, and the operation that it pays by default; raises as ``send`` does."""
        if self.order is None or self.choice is None:
            return None
        self.account, self.order = apply_choice(runtime, self.order, self.choice, by_default=self.by_default)
        return self.account

    def check_new(self, runtime: Runtime) -> None:
        """Check it as the new payout that ``send`` would record; raises what ``send`` raises."""
        if self.order is None or self.account is None:
            return
        self.problems.extend(refusals(self.account, self.order))
        if not self.problems:
            identity = payout_id(runtime.namespace, self.order.key)
            self.new = new_payout(self.account, self.order, runtime.moment(), identity)

    def check_budgets(self, states: Mapping[str, BudgetState]) -> None:
        """Refuse it where it does not fit into what its account has left today, as the commit of ``send`` does."""
        if self.new is None or self.account is None:
            return
        row, budgets = self.new.row, self.new.budgets
        if above := first_above(budgets, row.order.amount.amount, states):
            self.problems.append(daily_limit_reached(self.account, row.order, above, self.new.event.at))


def place_all(runtime: Runtime, orders: Iterable[PayoutOrder]) -> list[PlacedOrder]:
    """Read orders, look up their keys and what their payees are paid these days, and choose accounts.

    An account that depends on a provider's answer is not chosen yet.

    Raises:
        InvalidArgument: One is no ``PayoutOrder``.
        JournalError: The journal cannot be read.

    """
    placed = [_place(runtime, given) for given in orders]
    new = [(one, one.order.payee.value) for one in placed if one.order is not None and one.recorded is None]
    paid = runtime.journal.payments_to(list({payee: None for _, payee in new}), runtime.clock() - RECENT)
    for one, payee in new:
        one.earlier = paid.get(payee, ())
    return placed


def _place(runtime: Runtime, given: PayoutOrder) -> PlacedOrder:
    if not isinstance(given, PayoutOrder):
        raise InvalidArgument(
            f"An order cannot be of type {type(given).__name__}.", hint="Make it: PayoutOrder(key=…, payee=…, …)."
        )
    found = PlacedOrder(given)
    read = given.read()
    if not isinstance(read, dict):
        found.problems += read
    try:
        if not isinstance(read, dict):
            check_key(given.key)  # the rest cannot be checked
            return found
        order = found.order = Order(
            key=read["key"],
            payee=read["payee"],
            amount=read["amount"],
            operation=parse_operation(read["operation"]),
            note=read["note"],
            options=dict(read["options"] or {}),
            not_before=read["not_before"],
            expires_at=read["expires_at"],
            metadata=dict(read["metadata"] or {}),
        )
        found.recorded = existing_payout(runtime, order, given.account, by_default=found.by_default)
        if found.recorded is None:
            found.choice = choose_at_once(choose(runtime, order, given.account, by_default=found.by_default))
    except JournalError:  # it concerns all orders
        raise
    except PaymentsError as problem:
        found.problems.append(problem)
    return found


@dataclass(frozen=True, slots=True)
class _FirstOfKey:
    """What is kept of the first accepted order of a key; one that is recorded is compared by the journal's record."""

    number: int
    fingerprint: str
    texts: int
    operation: Operation
    account: str
    is_recorded: bool


class ValidationBuilder:
    """Collects what is found. Kept for each order: its :class:`CheckedOrder`, its key and its payee; never the order.

    Args:
        runtime: Whose clock and settings hold.

    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._orders: list[CheckedOrder] = []
        self._keys: dict[str, _FirstOfKey] = {}
        self._payees: dict[tuple[str, str], list[int]] = {}
        self._sums: dict[tuple[str, Currency], tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
        self._today: dict[tuple[str, Currency], tuple[Decimal, Budget]] = {}
        self._states: dict[str, BudgetState] = {}

    def knows(self, placed: PlacedOrder) -> bool:
        """Whether an accepted order has the key of this one."""
        return placed.given.key in self._keys

    def missing_budgets(self, placed: PlacedOrder) -> tuple[str, ...]:
        """Return the names of the budgets that an order is held against and that are not known yet."""
        return tuple(one.name for one in placed.new.budgets if one.name not in self._states) if placed.new else ()

    def learn_budgets(self, names: Iterable[str], states: Mapping[str, BudgetState]) -> None:
        """Take what the journal holds of these budgets."""
        self._states.update({name: states.get(name, BudgetState()) for name in names})

    def add(self, placed: PlacedOrder) -> None:
        """Add an order that was checked, and whose budgets are known."""
        placed.check_budgets(self._states)
        number, given, order, recorded = len(self._orders) + 1, placed.given, placed.order, placed.recorded
        first = self._keys.get(given.key)
        if first is not None and order is not None and not first.is_recorded:
            placed.problems = [] if _is_same(first, placed) else [_key_reused(given.key, first.number)]
        is_accepted = order is not None and not placed.problems
        account = placed.account.name if placed.account else ""
        if is_accepted and (recorded or first):
            account = recorded.attempt.account if recorded else first.account if first else ""
        operation = recorded.order.operation if recorded else order.operation if order else None
        checked = CheckedOrder(
            number,
            given.key,
            order.payee.masked if order else given.masked_payee,
            amount=order.amount if order else None,
            operation=operation,
            account=account,
            findings=tuple(_finding(problem, given) for problem in placed.problems),
            notes=self._notes(placed, first) if is_accepted else (),
            same_key_as=first.number if first else None,
            payout_id=recorded.id if recorded else "",
            status=recorded.status if recorded else None,
        )
        self._orders.append(checked)
        if order is None or not is_accepted or first is not None:
            return
        paid = replace(order, operation=operation) if operation else order  # as it is, or would be, recorded
        self._keys[given.key] = _FirstOfKey(
            number, paid.fingerprint, _texts(paid), paid.operation, account, bool(recorded)
        )
        self._payees.setdefault((order.payee.kind, order.payee.value), []).append(number)
        if checked.is_new:
            place = account, order.amount.currency
            count, total = self._sums[place]
            self._sums[place] = count + 1, _EXACT.add(total, order.amount.amount)
            for budget in placed.new.budgets if placed.new else ():
                today, _ = self._today.get(place, (Decimal(0), budget))
                self._today[place] = _EXACT.add(today, order.amount.amount), budget

    def totals(self) -> list[AccountTotal]:
        """Return what the new payouts come to, by account and currency."""
        return [AccountTotal(*place, *found, self._left_today(place)) for place, found in sorted(self._sums.items())]

    def _left_today(self, place: tuple[str, Currency]) -> Decimal | None:
        if place not in self._today:
            return None
        _, budget = self._today[place]
        state = self._states[budget.name]
        return max(_EXACT.subtract(budget.most or state.most or Decimal(0), state.reserved), Decimal(0))

    def result(self, totals: Sequence[AccountTotal], pauses: Sequence[Pause]) -> Validation:
        """Return all that was found.

        Args:
            totals: Those of :meth:`totals`, with balances where they were asked for.
            pauses: Those in force.

        """
        repeated = [
            RepeatedPayee(self._orders[numbers[0] - 1].payee, tuple(numbers))
            for numbers in self._payees.values()
            if len(numbers) > 1
        ]
        paying = {one.account for one in totals}
        notes = [_pause_note(pause) for pause in pauses if paying and pause.account in {None, *paying}]
        notes += [
            f"Account {one.account} holds less than the new payouts come to: {one.balances[0].amount:,f} of "
            f"{one.amount:,f} {one.currency}."
            for one in totals
            if one.is_covered is False
        ]
        notes += [
            f"Today's new payouts from account {one.account} come to {today:,f} {one.currency}, and of its daily_limit "
            f"{one.left_today:,f} is left: what is above it is refused, or waits for the next day."
            for one in totals
            if one.left_today is not None and (today := self._today[one.account, one.currency][0]) > one.left_today
        ]
        if paying and self._runtime.plugins.has_guards:
            notes.append("A plugin's guard decides about each payout when it is sent, and may refuse it.")
        return Validation(tuple(self._orders), tuple(totals), tuple(repeated), tuple(notes))

    def _notes(self, placed: PlacedOrder, first: _FirstOfKey | None) -> tuple[str, ...]:
        order, recorded, account = placed.order, placed.recorded, placed.account
        notes: list[str] = []
        if recorded is not None and order is not None and (names := differences(recorded, order)):
            notes.append(difference_note(names))
        if first is not None:
            if recorded is None and order is not None and first.texts != _texts(order):
                notes.append(f"Its note or metadata differs from that of order {first.number}, which is kept.")
            return tuple(notes)
        if recorded is not None:
            if recorded.status in _ENDED_UNPAID:
                ended = f"The recorded payout ended {recorded.status}: sending the key again pays nothing."
                notes.append(f"{ended} `payouts show KEY` says what to do.")
            return tuple(notes)
        if order is None or account is None:
            return ()
        if any(paid.key != order.key and paid.amount == order.amount for paid in placed.earlier):
            notes.append(PAID_RECENTLY)
        now = self._runtime.clock()
        if order.expires_at is not None and order.expires_at <= max(now, order.not_before or now):
            notes.append(f"It would end FAILED unsent: expires_at is {_when(order.expires_at)}.")
        elif order.not_before is not None and order.not_before > now:
            notes.append(f"It waits until not_before: {_when(order.not_before)}.")
        limits = account.settings.approve_above
        if limits is not None and not order.amount.is_within(limits):
            notes.append(f"It waits for an approval: {session_rules.above_limit(account, limits, order.amount)}")
        return tuple(notes)


def _is_same(first: _FirstOfKey, placed: PlacedOrder) -> bool:
    """Whether an order is the earlier one of its key once more, as ``send`` would find when that one is recorded."""
    order = placed.order
    if order is None or placed.given.account not in {None, first.account}:
        return False
    again = replace(order, operation=first.operation) if placed.by_default else order
    return again.fingerprint == first.fingerprint


def _texts(order: Order) -> int:
    """Return a hash of what is kept as it was recorded first."""
    return hash((order.note, encode_metadata(order.metadata)))


def _key_reused(key: str, number: int) -> KeyReused:
    return KeyReused(
        f"The key {mask_key(key)!r} stands for another order among these, number {number}.",
        hint="One key is one payment: give this order another key, or leave it out.",
    )


def _finding(problem: PaymentsError, given: PayoutOrder) -> OrderFinding:
    return OrderFinding(problem.field, given.shown(problem.field), problem.code, problem.message, problem.hint)


def _pause_note(pause: Pause) -> str:
    whose = "every account" if pause.account is None else f"account {pause.account}"
    return f"Payments from {whose} are paused since {_when(pause.since)}: what is accepted waits. {pause.why}".strip()


def _when(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
