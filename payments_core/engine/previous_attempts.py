"""Previous attempts of a payout: read again before anything more is sent, since each of them may turn out paid."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum, auto
from typing import TypeVar

from payments_core.domain.causes import DecidedBy
from payments_core.domain.errors import ProviderBug
from payments_core.domain.masking import scrub
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import EndedAttempt, PayoutRecord
from payments_core.engine.context import StepContext
from payments_core.engine.contradict import contradict
from payments_core.engine.drafts import attempt_of
from payments_core.engine.flow import EngineFlow, ReadAs, load_attempts, read_as
from payments_core.engine.provider_calls import query
from payments_core.http.messages import HttpRequest, NoAnswer, NotSent
from payments_core.provider import Account, Deferred, Final, NotFound, Pending

__all__ = ["PAID_BEFORE", "AttemptState", "check_attempt", "check_previous_attempts", "payer_of", "reading_as"]

T = TypeVar("T")

PAID_BEFORE = "The provider says that an earlier attempt was paid; this one is not sent any more."

# Who decided that an attempt failed before any submission was taken, as long as none was ambiguous.
_NEVER_TAKEN = frozenset({"submit", "guard", "expiry"})


class AttemptState(Enum):
    """What an earlier attempt turns out to be."""

    FAILED = auto()  # proven, now
    ABSENT = auto()  # the provider does not show it: it may only have forgotten it, unless a person has compared
    OPEN = auto()  # it may still be paid, or cannot be read now
    PAID = auto()


def check_previous_attempts(
    account: Account, row: PayoutRecord, moment: StepContext
) -> EngineFlow[tuple[AttemptState, str]]:
    """Read every earlier attempt of a payout; a success is written down as what contradicts its end, once.

    Args:
        account: The row's account, as what pays now.
        row: The payout.
        moment: Now.

    Returns:
        ``FAILED`` when every one is proven to have failed; ``PAID`` when any of them was paid; ``ABSENT`` when all that
        is missing is a person's evidence of what the provider does not show any more; else ``OPEN``. And why.

    """
    known = yield from load_attempts(row.id)
    worst, why = (AttemptState.PAID, PAID_BEFORE) if known.contradicted else (AttemptState.FAILED, "")
    for attempt in known.attempts:
        state, problem = yield from check_attempt(account, row, attempt, moment)
        if state is AttemptState.ABSENT and row.attempt.absence_attested:
            state = AttemptState.FAILED
        if state.value > worst.value:
            worst, why = state, problem
    return worst, why


def payer_of(account: Account, attempt: EndedAttempt, moment: StepContext) -> Account | None:
    """Return the account that an attempt was paid from; None when it is not configured any more."""
    return account if attempt.account == account.name else moment.accounts.get(attempt.account)


def check_attempt(
    account: Account, row: PayoutRecord, attempt: EndedAttempt, moment: StepContext
) -> EngineFlow[tuple[AttemptState, str]]:
    """Read one attempt that ended as what it was sent; raises nothing and moves nothing.

    Args:
        account: What pays now.
        row: The payout.
        attempt: The attempt, of this account or of another.
        moment: Now.

    """
    at, called = moment.at, f"attempt {attempt.number}"
    payer = payer_of(account, attempt, moment)
    if payer is None:
        return (
            AttemptState.OPEN,
            f"Nobody can read {called}: its account {attempt.account!r} is not in the configuration.",
        )
    identity = payer.identity(row.order.operation, attempt.binding)
    if identity is None:
        return AttemptState.OPEN, f"Nobody can read {called}: what it was paid as is not in the configuration."
    reading = query(identity.provider, attempt_of(row, attempt), at=at)
    result, at = yield from (reading if identity is account else reading_as(identity, row, attempt.binding, reading))
    match result:
        case Final() if result.succeeded:
            failed = PayoutStatus.FAILED
            yield from contradict(row, failed, result, at, account=payer.name, attempt=attempt.number)
            return AttemptState.PAID, f"The provider says now that {called} was paid."
        case Final() if result.reason is not None:
            until = attempt.ended_at + timedelta(hours=result.reason.settling_h)
            if at < until:
                return AttemptState.OPEN, f"The provider may still say otherwise of {called}."
            return AttemptState.FAILED, ""
        case NotFound():
            proven = _absence_is_proof(attempt)
            problem = f"The provider does not show {called}, which is no proof that it failed."
            return (AttemptState.FAILED, "") if proven else (AttemptState.ABSENT, problem)
        case Pending():
            return AttemptState.OPEN, f"The provider says that {called} is still under way."
        case NotSent() | NoAnswer():
            return AttemptState.OPEN, f"The provider could not be asked about {called}: {scrub(result.why)}."
        case Deferred():
            return AttemptState.OPEN, f"The provider answers about {called} only later."
        case _:
            return AttemptState.OPEN, f"The provider's answer about {called} says nothing clear."


def _absence_is_proof(attempt: EndedAttempt) -> bool:
    """Say whether "not found" proves that an attempt moved nothing.

    It does where no try was ever taken, and where a person has compared it with the provider's own records and decided
    so. Of any other the provider may have shown more than this before, and only have forgotten it since, however
    conclusive its word is about what is new.
    """
    # A failure that is not settled speaks of a payment that was taken.
    settles = attempt.reason is not None and attempt.reason.settling_h > 0
    never_taken = not attempt.ambiguous and attempt.decided_by in _NEVER_TAKEN and not settles
    return never_taken or attempt.decided_by == DecidedBy.PERSON


def reading_as(
    identity: Account, row: PayoutRecord, binding: Mapping[str, str], reading: EngineFlow[T]
) -> EngineFlow[T]:
    """Let another identity, of this account or of another, carry out a read."""
    try:
        command = next(reading)
        while True:
            if not isinstance(command, HttpRequest):  # `ask` lets nothing else through
                raise ProviderBug(f"A read asked for {type(command).__name__}.")
            try:
                reply = yield from read_as(ReadAs(identity.name, row.order.operation, binding, command))
            except (NotSent, NoAnswer) as ended:
                command = reading.throw(ended)
            else:
                command = reading.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        reading.close()
