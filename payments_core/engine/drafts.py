"""What was made ready to be sent: made, found again, and under which identity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from payments_core.domain.budgets import Budget, batch_budget
from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayout, PaymentsError, ProviderBug
from payments_core.domain.masking import scrub
from payments_core.domain.payout import Operation, Order
from payments_core.domain.records import AttemptRecord, EndedAttempt, PayoutRecord
from payments_core.domain.references import derive
from payments_core.engine.daily_limits import daily_budget
from payments_core.http.messages import HttpRequest, stored_hash
from payments_core.provider import Account, Attempt, Capability, Draft, findings_of
from payments_core.settings.amount_limits import above_largest_amount

__all__ = [
    "attempt_of",
    "budgets_of",
    "check_amount",
    "derived_references",
    "draft_new",
    "draft_of",
    "findings",
    "is_bound",
    "made_ready",
    "make_draft",
    "new_attempt",
    "not_payable",
    "other_payers",
    "refusals",
]


def draft_of(row: PayoutRecord) -> Draft:
    """Return the stored draft, as the provider made it."""
    return Draft(row.attempt.references, HttpRequest.from_json(row.attempt.request), row.order)


def attempt_of(row: PayoutRecord, attempt: EndedAttempt) -> Draft:
    """Return the draft of an attempt that ended."""
    return Draft(attempt.references, HttpRequest.from_json(attempt.request), row.order)


def is_bound(account: Account, row: PayoutRecord) -> bool:
    """Say whether a payout has the binding that this identity gives now."""
    return dict(account.provider.binding(row.order.operation)) == dict(row.attempt.binding)


def not_payable(other: Account, row: PayoutRecord, account: Account) -> str:
    """Say why a payout of one account may never be paid from another, whatever its draft; empty when it may."""
    if row.order.operation is Operation.REFUND:
        return "a refund goes back from the account on which its money was collected"
    if row.order.operation not in other.spec.operations:
        return f"{other.spec.title} has no {row.order.operation}"
    if other.settings.is_test_mode != account.settings.is_test_mode:
        return "one of them moves real money, and the other one does not"
    return ""


def other_payers(account: Account, row: PayoutRecord, accounts: Mapping[str, Account]) -> tuple[str, ...]:
    """Return the names of the other accounts from which a payout could have been paid."""
    return tuple(
        name
        for name, other in accounts.items()
        if name != account.name
        and not not_payable(other, row, account)
        and (other.settings.currencies is None or row.order.amount.currency in other.settings.currencies)
    )


def findings(account: Account, order: Order) -> Sequence[InvalidPayout]:
    """Return all that is wrong with an order for an account, in a stable order; nothing when it can be paid.

    Raises:
        ProviderBug: The provider's ``validate`` returns something else.

    """
    spec, operation = account.spec, order.operation
    if operation not in spec.operations:
        return [
            InvalidPayout(
                f"The provider of account {account.name} has no {operation}.",
                hint=f"It has {', '.join(sorted(spec.operations))}.",
                field="operation",
            )
        ]
    found: list[InvalidPayout] = []
    known = sorted(spec.options.get(operation, ()))
    unknown = sorted(name for name in order.options if not any(fnmatchcase(name, one) for one in known))
    if unknown:  # dropped in silence, it would be missed in the payment
        hint = f"A {operation} takes {', '.join(known) or 'no options'}."
        why = f"{spec.title} has no option {scrub(', '.join(unknown))}."
        found.append(InvalidPayout(why, hint=hint, field="options"))
    if Capability.VALIDATION in account.capabilities:
        validator: Any = account.provider
        given: Any = validator.validate(_as_sent(order))
        given = list(given) if isinstance(given, Iterable) else [given]
        if not all(isinstance(one, InvalidPayout) for one in given):
            raise ProviderBug("A provider's validate must return findings: a sequence of InvalidPayout.")
        found += given
    return found


def check_amount(account: Account, order: Order) -> None:
    """Refuse an order of more than its account pays at once, or in a whole day.

    Raises:
        InvalidAmount: It is more than ``largest_amount`` or ``daily_limit``, or one names no limit for its currency.

    """
    amount, settings = order.amount, account.settings
    for setting, limits in (("largest_amount", settings.largest_amount), ("daily_limit", settings.daily_limit)):
        if limits is not None and not amount.is_within(limits):
            why = above_largest_amount(limits, amount, account=account.name, setting=setting)
            raise InvalidAmount(why, hint="Correct the amount; where it is meant, change the setting first.")


def budgets_of(account: Account, order: Order, at: datetime) -> tuple[Budget, ...]:
    """Return what a submission reserves its amount from, if it begins at this moment."""
    limits, currency = account.settings.daily_limit, order.amount.currency
    budgets = () if limits is None else (daily_budget(account, limits, currency, at),)
    return (batch_budget(order.batch, currency), *budgets) if order.batch else budgets


def make_draft(account: Account, order: Order, *, namespace: str, payout_id: str, number: int = 1) -> Draft:
    """Make one attempt of a payment ready.

    Args:
        account: Who pays.
        order: What.
        namespace: The installation's.
        payout_id: Ours.
        number: Of the attempt: the only thing in which two drafts of one key differ.

    Raises:
        InvalidPayout: The first of the ``findings``.
        ProviderBug: Its findings are none, or the draft's request could be sent twice, or as no payment.

    """
    for finding in findings(account, order):
        raise finding
    return _draft(account, order, namespace=namespace, payout_id=payout_id, number=number)


def draft_new(account: Account, order: Order, *, namespace: str, payout_id: str) -> Draft:
    """Make the first attempt of a new payout ready; raises as ``make_draft``, the first of the ``refusals``."""
    for refusal in refusals(account, order):
        raise refusal
    return _draft(account, order, namespace=namespace, payout_id=payout_id, number=1)


def refusals(account: Account, order: Order) -> Iterator[InvalidPayout]:
    """Yield all for which an account accepts no new payout: ``send`` raises the first, ``validate`` tells all.

    Raises:
        ProviderBug: The provider's ``validate`` returns something else.

    """
    yield from findings_of(order.check_new)
    has_limit = True
    for finding in findings(account, order):
        has_limit = has_limit and not isinstance(finding, InvalidCurrency)  # a wrong currency has none
        yield finding
    if has_limit:
        yield from findings_of(lambda: check_amount(account, order))


def _draft(account: Account, order: Order, *, namespace: str, payout_id: str, number: int) -> Draft:
    seed = derive(namespace, order.key, number)
    draft = account.provider.draft(_as_sent(order), Attempt(number, seed, payout_id))
    # Unmarked, its lost answer would count as "not sent"; repeatable, the line would send it twice.
    if not draft.request.moves_money or draft.request.repeatable:
        raise ProviderBug("A provider's draft must move money and must not be repeatable.")
    return draft


def _as_sent(order: Order) -> Order:
    """Return an order as its provider sees it: metadata stays with the caller."""
    return replace(order, metadata={}) if order.metadata else order


def derived_references(
    accounts: Mapping[str, Account], namespace: str
) -> Callable[[PayoutRecord, str, Mapping[str, str], int], Mapping[str, str]]:
    """Return the function with which a journal is verified: it derives the references of an attempt again.

    Args:
        accounts: The configured accounts, by name.
        namespace: The installation's.

    """

    def derive(row: PayoutRecord, account: str, binding: Mapping[str, str], number: int) -> Mapping[str, str]:
        identity = accounts[account].identity(row.order.operation, binding) if account in accounts else None
        if identity is None:
            return {}
        try:
            return make_draft(identity, row.order, namespace=namespace, payout_id=row.id, number=number).references
        except PaymentsError:
            return {}  # the account accepts fewer orders than it did

    return derive


def new_attempt(account: Account, order: Order, draft: Draft, *, number: int = 1) -> AttemptRecord:
    """Return an attempt of which nothing was sent, as this account pays now."""
    request = draft.request.to_json()
    return AttemptRecord(
        number=number,
        account=account.name,
        binding=dict(account.provider.binding(order.operation)),
        references=dict(draft.references),
        request=request,
        request_hash=stored_hash(request),
    )


def made_ready(account: Account, row: PayoutRecord, *, namespace: str, number: int) -> PayoutRecord:
    """Return a row with an attempt made ready as this account pays now; raises as ``make_draft``."""
    draft = make_draft(account, row.order, namespace=namespace, payout_id=row.id, number=number)
    new = new_attempt(account, row.order, draft)
    return replace(
        row,
        attempt=replace(
            row.attempt,
            binding=new.binding,
            references=new.references,
            request=new.request,
            request_hash=new.request_hash,
        ),
    )
