"""What a restored journal may have forgotten of one payout, read under the references it must have had."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from payments_core.engine.calls import Heard, ask
from payments_core.engine.drafts import make_draft, not_payable
from payments_core.engine.earlier import reading_as
from payments_core.engine.moment import Moment
from payments_core.errors import InvalidPayout
from payments_core.flow import Flow, recall
from payments_core.provider import Account, Deferred, Draft, Final, NotFound, Pending, Unknown
from payments_core.rows import EndedAttempt, PayoutRow

__all__ = ["FURTHER_ATTEMPTS", "Ahead", "look_ahead"]

# References are derived, so attempts nobody remembers can be read. More than these cannot have been begun one after the
# other in a gap unless none of them but the last ever reached the provider.
FURTHER_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the provider knows beside the attempt the journal tells of.

    Args:
        found: What it says of an attempt that it knows; None when it knows none.
        why: Which, or why it could not be asked; empty when it knows none.
        account: The account it was found under.
        attempt: Its number.
        is_compared: The answer is not understood, but a person has compared the statements since.

    """

    found: Final | Pending | None = None
    why: str = ""
    is_compared: bool = False
    account: str = ""
    attempt: int = 0


def look_ahead(account: Account, row: PayoutRow, moment: Moment) -> Flow[Ahead]:
    """Read the attempts that may have followed this one in what a restored journal lacks, and this one as others.

    Any of them may have been paid from another account, and so may this one and those before it. All are read until one
    is found that was paid; of an identity that is silent nothing more is asked. Of those that failed an earlier one
    does not count: a person has decided about it, and has this one made.

    Args:
        account: What serves the payout.
        row: The payout.
        moment: Now.

    Returns:
        One that was paid, else the first that is under way, else who was silent, else whose answer is not understood,
        else the first that failed.

    """
    known = yield from recall(row.id)
    if known.gap is None or account.facts.status_by == "deferred":
        return Ahead()
    is_compared = known.gap.reconciled_at is not None
    told = [(attempt.number, dict(attempt.binding)) for attempt in (*known.attempts, EndedAttempt.of(row))]
    under_way = silent = unclear = failed = Ahead()
    for identity in _identities(account, row, moment):
        for number, draft in _drafts(identity, row, moment, told):
            which = f"attempt {number}{_as_whom(identity, account)}"
            knows = f"The provider knows {which}, which is not in the restored journal."
            says_nothing = f"The provider did not say whether it knows {which}."
            match (yield from _heard(identity, account, row, draft, moment)):
                case NotFound():
                    continue
                case Final() as heard if heard.succeeded:
                    return Ahead(heard, knows, account=identity.name, attempt=number)
                case Final() as heard:
                    failed = failed if failed.why or number < row.attempt else Ahead(heard, knows)
                case Pending() as heard:
                    under_way = under_way if under_way.why else Ahead(heard, knows)
                case Unknown(http_status=200):  # an answer, if not to this
                    unclear = unclear if unclear.why else Ahead(None, says_nothing, is_compared)
                case Deferred() if is_compared:
                    break
                case Deferred():
                    later = f"Account {identity.name} tells only later what it paid: compare its statement."
                    silent = silent if silent.why else Ahead(None, later)
                    break
                case _:
                    silent = silent if silent.why else Ahead(None, says_nothing)
                    break
    return next((ahead for ahead in (under_way, silent, unclear, failed) if ahead.why), Ahead())


def _heard(identity: Account, account: Account, row: PayoutRow, draft: Draft, moment: Moment) -> Flow[Heard]:
    if identity.facts.status_by == "deferred":  # nobody waits for it
        return Deferred()
    reading = ask(identity.provider, draft, at=moment.at)
    binding = identity.provider.binding(row.operation)
    heard, _ = yield from (reading if identity is account else reading_as(identity, row, binding, reading))
    return heard


def _as_whom(identity: Account, account: Account) -> str:
    if identity is account:
        return ""
    if identity.name != account.name:
        return f", from account {identity.name}"
    return ", as the account paid before" if identity.is_retired else ", as the account pays now"


def _identities(account: Account, row: PayoutRow, moment: Moment) -> Iterator[Account]:
    """Yield what it may have been paid as: what serves it, what its account pays or paid as, and other accounts."""
    yield account
    own = moment.accounts.get(account.name, account)
    yield from (identity for identity in (own, *own.retired) if identity is not account)
    for other in moment.accounts.values():
        if other.name != account.name and not not_payable(other, row, account):
            yield from (other, *other.retired)


def _drafts(
    identity: Account, row: PayoutRow, moment: Moment, told: Collection[tuple[int, Mapping[str, str]]]
) -> Iterator[tuple[int, Draft]]:
    """Yield the attempts that the journal does not tell of, as this identity would have made them."""
    binding = dict(identity.provider.binding(row.operation))
    for number in range(1, row.attempt + 1 + FURTHER_ATTEMPTS):
        if (number, binding) in told:
            continue
        try:
            draft = make_draft(identity, row.order, namespace=moment.namespace, payout_id=row.id, number=number)
        except InvalidPayout:  # what could not be paid so was not
            continue
        yield number, draft
