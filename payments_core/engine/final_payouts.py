"""A payout that has ended: read once more when a person wants it, acknowledged where its provider contradicts it."""

from __future__ import annotations

from payments_core.domain.errors import DecisionRefused
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import transitions
from payments_core.engine.commands import AcknowledgeContradictions, AppendHistory
from payments_core.engine.context import StepContext
from payments_core.engine.contradict import contradict
from payments_core.engine.drafts import is_bound
from payments_core.engine.flow import EngineFlow, append_history
from payments_core.engine.previous_attempts import check_previous_attempts
from payments_core.engine.provider_calls import CheckResult
from payments_core.engine.review import OperatorDecision
from payments_core.engine.status_queries import query_status
from payments_core.http.messages import NoAnswer, NotSent
from payments_core.provider import Account, Deferred, Final, NotFound, Pending, Unknown

__all__ = ["acknowledge", "check"]


def check(account: Account, row: PayoutRecord, moment: StepContext) -> EngineFlow[PayoutRecord]:
    """Read a payout that has ended once more, with its earlier attempts, and write down what the provider says.

    The end stands. Where the provider answers only later, the question is asked, and the answer comes by callback.

    Args:
        account: The identity that has sent it, or what the account pays as where that is gone.
        row: The payout.
        moment: Now.

    Raises:
        DecisionRefused: It has not ended.

    """
    if not row.status.is_final:
        raise DecisionRefused(
            f"Payout {row.label} is {row.status} and has not ended: only an ended payout is checked.",
            hint="`payouts wait` asks what became of an open one, `payouts review show` tells about one in review.",
        )
    at, evidence = moment.at, {"provider": "gone"}
    if row.attempt.number > 1:
        yield from check_previous_attempts(account, row, moment)
    if is_bound(account, row):
        row, result = yield from query_status(account, row, moment)
        if result is None:  # another process has moved it meanwhile
            return row
        outcome, at = result
        evidence = {"provider": _word(outcome), **transitions.evidence_of(outcome)}
        row = yield from contradict(
            row, row.status, outcome, at, account=row.attempt.account, attempt=row.attempt.number
        )
    noted = yield from append_history(AppendHistory(row.id, Event(EventName.PAYOUT_CHECKED, at, evidence)))
    return noted.row or row


def acknowledge(row: PayoutRecord, person: OperatorDecision, moment: StepContext) -> EngineFlow[PayoutRecord]:
    """Write down that a person has taken note of what contradicts a payout's ends. Twice is once.

    Args:
        row: The payout.
        person: Who, and on what grounds.
        moment: Now.

    Raises:
        DecisionRefused: Its provider has never contradicted it.

    """
    event = Event(EventName.PAYOUT_ACKNOWLEDGED, moment.at, person.as_evidence)
    entry = AcknowledgeContradictions(row.id, event, scrub(person.actor, limit=100), scrub(person.reason))
    noted = yield from append_history(entry)
    row = noted.row or row
    if not row.contradictions:
        raise DecisionRefused(
            f"Nothing contradicts payout {row.label}: there is nothing to acknowledge.",
            hint="`payouts review list` shows what waits for a person.",
        )
    return row


def _word(outcome: CheckResult) -> str:
    match outcome:
        case Final():
            return "paid" if outcome.succeeded else "failed"
        case Unknown(taken_back=True):
            return "taken_back"
        case Pending():
            return "pending"
        case NotFound():
            return "not_found"
        case Deferred():
            return "later"
        case NotSent() | NoAnswer():
            return "silent"
        case _:
            return "unclear"
