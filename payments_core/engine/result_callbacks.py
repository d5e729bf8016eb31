"""Result callbacks: what comes to a path minted for a submission, or for a query about one.

The first clear answer counts as a read. A path stays open after an answer that tells no end, and after the end: what
comes later is compared with what is recorded, and never moves it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from payments_core.domain.causes import DecidedBy
from payments_core.domain.errors import ProviderBug
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import EndedAttempt, PayoutRecord
from payments_core.engine import decide_outcome, decide_submission
from payments_core.engine.commands import ApplyTransition, Stale, TransitionApplied
from payments_core.engine.contradict import contradict
from payments_core.engine.drafts import attempt_of, draft_of, is_bound
from payments_core.engine.flow import EngineFlow, apply_transition
from payments_core.provider import Account, Callback, CheckOutcome, Draft, Final, NotFound, ResultCallbacks, Unknown

__all__ = ["Answered", "Effect", "answer"]


class Effect(StrEnum):
    """What came of an answer; the value is the outcome that the inbox keeps."""

    ANSWERED = "answered"  # it counted as a read
    OPEN = "tells no end"  # empty, malformed, about something else, or not final: the path stays open
    REPEATED = "repeated"  # what it tells is recorded already
    CONTRADICTED = "contradicted"  # it tells another end than the recorded one, which stands


class Answered(NamedTuple):
    """What came of an answer.

    Args:
        row: The payout as it is now.
        effect: None when nothing was written: another process has moved the payout, or is sending it.

    """

    row: PayoutRecord
    effect: Effect | None


def answer(
    account: Account, row: PayoutRecord, callback: Callback, *, query: str, ended: EndedAttempt | None = None
) -> EngineFlow[Answered]:
    """Take in what came to a minted path: the first clear answer counts as a read.

    Args:
        account: The identity that submitted the attempt.
        row: The payout the query was about.
        callback: What arrived.
        query: ``token_hash`` of the query.
        ended: The attempt it was about, if that is not the current one.

    Raises:
        ProviderBug: The account takes no result callbacks, or the attempt was submitted as another identity.

    """
    if ended is not None:
        outcome = _read(account, attempt_of(row, ended), callback)
        return (yield from _after_an_end(account, row, outcome, callback.at, ended=ended))
    if not is_bound(account, row):
        raise _takes_none(account)
    if row.status is PayoutStatus.SENDING and decide_submission.is_leased(row, account, callback.at):
        return Answered(row, None)  # only the sender may move it
    outcome = _read(account, draft_of(row), callback)
    if row.status.is_final:
        return (yield from _after_an_end(account, row, outcome, callback.at))
    decision = decide_outcome.after_check(row, account, outcome, callback.at, by=DecidedBy.RESULT_CALLBACK)
    after = decision.after
    if isinstance(outcome, Final) and (after.status, after.reason) == (row.status, row.reason):
        return Answered(row, Effect.REPEATED)  # what does not agree has stopped it before
    next_at = row.schedule.next_at
    if next_at is not None and not after.status.is_final:  # it answers an older question: what is due stays due
        due_at = after.schedule.next_at or (next_at if row.status is PayoutStatus.REVIEW else None)
        after = replace(after, schedule=replace(after.schedule, next_at=due_at and min(next_at, due_at)))
    counts = after.status.is_final or isinstance(outcome, NotFound)
    entry = ApplyTransition(row, after, decision.event, publish=decision.publish, answers=query if counts else None)
    reply = yield from apply_transition(entry)
    if isinstance(reply, TransitionApplied):
        return Answered(reply.row, Effect.ANSWERED if isinstance(outcome, Final | NotFound) else Effect.OPEN)
    if isinstance(reply, Stale) and (reply.row.version, reply.row.schedule) == (row.version, row.schedule):
        return Answered(row, Effect.REPEATED)  # unchanged: this path has reported the absence before
    return Answered(reply.row if isinstance(reply, Stale) else row, None)


def _after_an_end(
    account: Account, row: PayoutRecord, outcome: CheckOutcome, at: datetime, *, ended: EndedAttempt | None = None
) -> EngineFlow[Answered]:
    """Compare an answer with the end that is recorded: of the payout, or of an earlier attempt, which failed."""
    status, attempt = (row.status, row.attempt.number) if ended is None else (PayoutStatus.FAILED, ended.number)
    after = yield from contradict(row, status, outcome, at, account=account.name, attempt=attempt)
    if after.contradictions != row.contradictions:
        return Answered(after, Effect.CONTRADICTED)
    is_final = isinstance(outcome, Final) or (isinstance(outcome, Unknown) and outcome.taken_back)
    return Answered(after, Effect.REPEATED if is_final else Effect.OPEN)


def _read(account: Account, draft: Draft, callback: Callback) -> CheckOutcome:
    provider = account.provider
    if not isinstance(provider, ResultCallbacks):
        raise _takes_none(account)
    try:
        return provider.read_answer(draft, callback)
    except Exception as bug:  # noqa: BLE001 an unreadable callback has no result
        return Unknown(text=f"provider bug: {type(bug).__name__}")


def _takes_none(account: Account) -> ProviderBug:
    return ProviderBug(f"Account {account.name} takes no answers that come later.")
