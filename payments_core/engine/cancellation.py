"""Cancelling a payout that was accepted by mistake: only while nothing of it can have arrived, and then for good."""

from __future__ import annotations

from dataclasses import replace

from payments_core.domain.causes import DecidedBy
from payments_core.domain.errors import DecisionRefused
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import decide_outcome
from payments_core.engine.commands import (
    ApplyTransition,
    CheckFirst,
    Contradicted,
    OnStatement,
    Stale,
    TransitionApplied,
)
from payments_core.engine.context import StepContext
from payments_core.engine.drafts import draft_of, is_bound
from payments_core.engine.flow import EngineFlow, apply_transition
from payments_core.engine.previous_attempts import AttemptState, check_previous_attempts
from payments_core.engine.provider_calls import query
from payments_core.engine.review import OperatorDecision
from payments_core.provider import Account, Capability, Final, NotFound, Pending

__all__ = ["cancel"]

_S = PayoutStatus
_UNTOUCHED = "Nothing was changed."


def cancel(
    account: Account, row: PayoutRecord, *, person: OperatorDecision, moment: StepContext
) -> EngineFlow[PayoutRecord]:
    """Cancel a payout of which nothing was submitted that may have arrived; it is never sent afterwards.

    The write is a compare-and-set, as the one before the first byte of a send is: of the two one is refused. Cancelling
    twice is cancelling once.

    Args:
        account: The payout's account, by which earlier attempts are read.
        row: The payout.
        person: Who cancels it, and why.
        moment: Now.

    Raises:
        DecisionRefused: It has ended, something of it may have arrived, or it was moved meanwhile.

    """
    if row.status is _S.CANCELLED:
        return row
    _check(account, row)
    if row.attempt.number > 1:  # an earlier one may yet turn out paid, and a cancelled payout says that no money moved
        standing, why = yield from check_previous_attempts(account, row, moment)
        if standing is AttemptState.PAID:
            raise _paid_before(row)
        if standing is AttemptState.ABSENT:
            raise _refused(row, why, "`payouts reissue --evidence TEXT` records the proof; cancel it after that.")
        if standing is AttemptState.OPEN:
            raise _refused(row, why, "Cancel it when every earlier attempt is proven to have failed.")
    if row.attempt.submissions and is_bound(account, row) and account.facts.status_by == "answer":
        yield from _read_first(account, row, moment)
    evidence = {"actor": scrub(person.actor, limit=100), "reason": scrub(person.reason)}
    schedule = replace(row.schedule, next_at=None)
    after = replace(row, status=_S.CANCELLED, reason=None, decided_by=DecidedBy.PERSON, schedule=schedule)
    reply = yield from apply_transition(
        ApplyTransition(row, after, Event(EventName.PAYOUT_CANCELLED, moment.at, evidence), publish=True)
    )
    match reply:
        case TransitionApplied():
            return reply.row
        case Stale() if reply.row.status is _S.CANCELLED:  # another person was quicker
            return reply.row
        case Contradicted():
            raise _paid_before(row)
        case CheckFirst():
            raise _refused(
                row,
                "The journal was restored, and it may have been sent in what is missing.",
                "`payouts pause` keeps it from being sent; cancel it when the restore is over.",
            )
        case OnStatement():
            raise _refused(
                row, "The provider's statement has a payment under its reference.", "`payouts wait` asks about it."
            )
        case _:
            raise _refused(row, "It was moved by a worker or another person meanwhile.", "Look at it and try again.")


def _read_first(account: Account, row: PayoutRecord, moment: StepContext) -> EngineFlow[None]:
    """Read a payout once whose submissions were all refused: a gateway may have refused what it had taken.

    Raises:
        DecisionRefused: The provider shows it, which is written as any read is; or it does not say that there is none.

    """
    outcome, at = yield from query(account.provider, draft_of(row), at=moment.at)
    match outcome:
        case NotFound():
            return
        case Final() | Pending():
            decision = decide_outcome.after_check(row, account, outcome, at)
            yield from apply_transition(ApplyTransition(row, decision.after, decision.event, publish=decision.publish))
            raise DecisionRefused(
                f"Payout {row.label} cannot be cancelled. Its provider shows it: it was checked, and what the provider "
                "says is recorded.",
                hint="`payouts show` tells what became of it.",
            )
        case _:
            raise _refused(row, "Its provider does not say whether it has it.", "Try again when the provider answers.")


def _is_unsent(row: PayoutRecord) -> bool:
    """Whether nothing of the current attempt can have arrived, as far as its row tells.

    One in REVIEW that adopts was looked for because a restored journal may have lost its send.
    """
    waits = row.status is _S.CREATED or (row.status is _S.REVIEW and not row.attempt.duplicate_unverified)
    return waits and not row.view().may_have_been_sent


def _check(account: Account, row: PayoutRecord) -> None:
    if _is_unsent(row):
        return
    if row.status.is_final:
        raise _refused(row, f"It is {row.status}.", "A final status stays. `payouts show` tells what became of it.")
    if row.status is _S.SENDING:
        raise _refused(row, "It is being sent.", "`payouts wait` tells what became of it.")
    if row.status is _S.REVIEW:
        hint = "Decide what became of it: `payouts review show` tells how."
    elif Capability.CANCELLATION in account.capabilities:
        hint = "`payouts cancel-at-provider` asks the provider to drop it; a check then shows what became of it."
    else:
        hint = "`payouts wait` asks what became of it; its provider cannot be asked to drop it."
    raise _refused(row, f"It is {row.status}, and may have arrived.", hint)


def _paid_before(row: PayoutRecord) -> DecisionRefused:
    return _refused(row, "The provider says that an earlier attempt was paid.", "`payouts show` tells what it said.")


def _refused(row: PayoutRecord, why: str, hint: str) -> DecisionRefused:
    return DecisionRefused(f"Payout {row.label} cannot be cancelled. {why} {_UNTOUCHED}", hint=hint)
