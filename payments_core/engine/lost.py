"""What a restored journal may have forgotten of one payout, read under the references it must have had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from payments_core.engine.calls import ask
from payments_core.engine.drafts import is_bound, make_draft, not_payable
from payments_core.engine.earlier import reading_as
from payments_core.engine.moment import Moment
from payments_core.errors import InvalidPayout
from payments_core.flow import Flow, recall
from payments_core.provider import Account, Draft, Final, NotFound, Pending
from payments_core.rows import PayoutRow

__all__ = ["FURTHER_ATTEMPTS", "Ahead", "look_ahead"]

# References are derived, so attempts nobody remembers can be read. More than these cannot have been begun one after the
# other in a gap unless none of them but the last ever reached the provider.
FURTHER_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the provider knows beside the attempt the journal tells of.

    Args:
        found: What it says of the first attempt that it knows; None when it knows none.
        why: Which, or why it could not be asked; empty when it knows none.

    """

    found: Final | Pending | None = None
    why: str = ""


def look_ahead(account: Account, row: PayoutRow, moment: Moment) -> Flow[Ahead]:
    """Read the attempts that may have followed this one in what a restored journal lacks, and this one as others.

    Any of them may have been paid from another account.

    Args:
        account: What pays now.
        row: The payout.
        moment: Now.

    """
    known = yield from recall(row.id)
    if known.gap is None or account.facts.status_by == "deferred":
        return Ahead()
    for identity, number, draft in _drafts(account, row, moment):
        if identity.facts.status_by == "deferred":
            if known.gap.reconciled_at is not None:
                continue
            return Ahead(None, f"Account {identity.name} tells only later what it paid: compare its statement.")
        reading = ask(identity.provider, draft, at=moment.at)
        binding = identity.provider.binding(row.operation)
        heard, _ = yield from (reading if identity is account else reading_as(identity, row, binding, reading))
        which = f"attempt {number}{_as_whom(identity, account)}"
        match heard:
            case NotFound():
                continue
            case Final() | Pending():
                return Ahead(heard, f"The provider knows {which}, which is not in the restored journal.")
            case _:
                return Ahead(None, f"The provider did not say whether it knows {which}.")
    return Ahead()


def _as_whom(identity: Account, account: Account) -> str:
    if identity is account:
        return ""
    return ", as the account paid before" if identity.name == account.name else f", paid from {identity.name}"


def _drafts(account: Account, row: PayoutRow, moment: Moment) -> Iterator[tuple[Account, int, Draft]]:
    for identity in (account, *account.retired, *_others(account, row, moment)):
        first = row.attempt + 1 if identity is account or is_bound(identity, row) else row.attempt
        for number in range(first, row.attempt + 1 + FURTHER_ATTEMPTS):
            try:
                draft = make_draft(identity, row.order, namespace=moment.namespace, payout_id=row.id, number=number)
            except InvalidPayout:  # what could not be paid so was not
                continue
            yield identity, number, draft


def _others(account: Account, row: PayoutRow, moment: Moment) -> Iterator[Account]:
    """Yield what other accounts pay or paid as from which it may have been paid."""
    for other in moment.accounts.values():
        if other.name != account.name and not not_payable(other, row, account):
            yield from (other, *other.retired)
