"""Decisions after a submission or a read: what the provider's outcome means for the payout. Pure.

What may have arrived is never called failed. Only a read, or a response proven to be one, ends an uncertainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from payments_core.domain.causes import DecidedBy, PausedBy
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub, scrub_code
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.rates import LONGEST_HOLD_S, PostEnd, ReadEnd
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine import decide_submission, rechecks, transitions
from payments_core.engine.provider_calls import CheckResult, SubmitResult
from payments_core.engine.transitions import Decision
from payments_core.http.messages import NoAnswer, NotSent
from payments_core.provider import (
    Account,
    AccountRefused,
    Deferred,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    ReportedDetails,
    Unknown,
)

__all__ = ["after_check", "after_submit", "differs", "is_to_be_resent", "post_end", "read_end"]

_TOO_MANY = 429
_OPEN_TO_PENDING = frozenset({ReasonCode.NEVER_APPEARED, ReasonCode.BINDING_GONE, ReasonCode.ON_STATEMENT})
# Anyone who knows a path may post to it: neither a failure nor a payment that differs outweighs the other.
_PAID_AND_FAILED = "One result callback showed a payment that differs, and another one calls it failed."
_ONLY_READ = "What sent it is retired and only checks: the provider does not show it, and it is not sent again."
_AGAIN = "The provider has not shown it for long enough: the same request is to be sent again."


def after_submit(row: PayoutRecord, account: Account, outcome: SubmitResult, at: datetime) -> Decision:
    """Decide what the outcome of a submission means. ``row.attempt.ambiguous`` is about earlier submissions only."""
    match outcome:
        case AccountRefused():
            return decide_submission.account_refused(row, account, outcome, at)
        case NotSent():
            return decide_submission.waiting(row, account, outcome.why, at)
        case NotAccepted(blocks_if_repeated=Reason() as reason) if row.reason and row.reason.code is reason.code:
            return decide_submission.account_refused(row, account, AccountRefused(reason, outcome.http_status), at)
        case NotAccepted():
            why = f"The provider did not take it: {outcome.code or outcome.http_status}."
            later = decide_submission.waiting(
                row, account, why, at, after_s=outcome.retry_after_s, reason=outcome.blocks_if_repeated
            )
            return replace(later, pause=_slower(row, account, outcome, at))
        case NoAnswer():
            return _unknown(row, account, {"why": scrub(outcome.why)}, at)
        case Unknown():
            return _unknown(
                transitions.with_references(row, outcome.references), account, transitions.evidence(outcome), at
            )
        case Duplicate() | Pending() | Final():
            return replace(
                _taken(transitions.with_references(row, outcome.references), account, outcome, at), lifts=True
            )


def _slower(row: PayoutRecord, account: Account, outcome: NotAccepted, at: datetime) -> Pause | None:
    """Pause the account for a while when the provider limits the rate; each probe doubles the wait."""
    wait_s = outcome.retry_after_s
    if wait_s is None:
        if outcome.http_status != _TOO_MANY:
            return None
        wait_s = account.settings.retry_schedule_s[0]  # no longer than this payment itself waits
    why = f"the provider asked us to wait: {scrub_code(outcome.code) or outcome.http_status}"
    return Pause(
        row.attempt.account, at, why, by=PausedBy.RATE, probe_at=at + timedelta(seconds=min(wait_s, LONGEST_HOLD_S))
    )


def post_end(account: Account, outcome: SubmitResult) -> PostEnd | None:
    """Return how a POST counts for the circuit; None when it was not sent, which says nothing about the provider."""
    if isinstance(outcome, NotSent):
        return None
    return PostEnd(isinstance(outcome, NoAnswer | Unknown), account.settings.circuit_after)


def read_end(outcome: CheckResult) -> ReadEnd | None:
    """Return what a read means for the rate limit; None when it says nothing about it."""
    if isinstance(outcome, Unknown) and outcome.http_status == _TOO_MANY:
        return ReadEnd(is_refused=True, after_s=outcome.retry_after_s)
    return None if isinstance(outcome, NotSent | NoAnswer | Unknown) else ReadEnd(is_refused=False)


def _taken(row: PayoutRecord, account: Account, outcome: Duplicate | Pending | Final, at: datetime) -> Decision:
    if isinstance(outcome, Duplicate):
        unverified = row.attempt.duplicate_unverified or not row.attempt.ambiguous
        after = transitions.maybe_arrived(row, next_at=at)
        after = replace(after, attempt=replace(after.attempt, duplicate_unverified=unverified))
        return Decision(after, Event(EventName.PAYOUT_DUPLICATE, at, transitions.evidence(outcome)))
    if isinstance(outcome, Pending):
        return _pending(row, account, outcome, at)
    if outcome.reason is not None and row.attempt.ambiguous:  # this one was refused, an earlier one may have been taken
        after, reason = transitions.maybe_arrived(row, next_at=at), transitions.clean_reason(outcome.reason)
        after = replace(after, attempt=replace(after.attempt, refused=True), reason=reason)
        return Decision(after, Event(EventName.PAYOUT_UNKNOWN, at, transitions.evidence(outcome)))
    return _final(row, outcome, DecidedBy.SUBMIT, at)


def after_check(
    row: PayoutRecord, account: Account, outcome: CheckResult, at: datetime, *, by: DecidedBy = DecidedBy.READ
) -> Decision:
    """Decide what a read means for a payout that is open or in review."""
    match outcome:
        case NotSent() | NoAnswer():
            return decide_submission.ask_later(row, account, outcome.why, at)
        case Unknown() | Deferred():
            return transitions.read_later(
                row, account, at, Event(EventName.PAYOUT_READ, at, transitions.evidence(outcome))
            )
        case NotFound():
            return _absent(row, account, outcome, at, by)
        case Final() | Pending():
            pass
    row = transitions.with_references(row, outcome.references)
    if row.attempt.duplicate_unverified:
        row = transitions.maybe_lost(row, at)
    succeeded = isinstance(outcome, Final) and outcome.succeeded
    # Someone else's payment may stand under our reference, and anyone may post to a path: then all of it must agree.
    if difference := differs(
        row, outcome.seen, whole=row.attempt.duplicate_unverified or (by is DecidedBy.RESULT_CALLBACK and succeeded)
    ):
        return transitions.review(row, ReasonCode.MISMATCH, difference, at, transitions.evidence(outcome))
    if isinstance(outcome, Pending):
        return _pending(row, account, outcome, at)
    differed = row.reason is not None and row.reason.code is ReasonCode.MISMATCH
    if differed and by is DecidedBy.RESULT_CALLBACK and not succeeded:
        return transitions.review(row, ReasonCode.MISMATCH, _PAID_AND_FAILED, at, transitions.evidence(outcome))
    decision = _final(row, outcome, by, at)
    if by is DecidedBy.RESULT_CALLBACK and decision.after.status is PayoutStatus.FAILED:
        return replace(decision, after=rechecks.begin(decision.after, account, at))
    return decision


def is_to_be_resent(row: PayoutRecord) -> bool:
    """Whether absence was established and the submission that follows from it is still to come."""
    never_appeared = row.reason is not None and row.reason.code is ReasonCode.NEVER_APPEARED
    return never_appeared and row.status is PayoutStatus.UNKNOWN


def differs(row: PayoutRecord, seen: ReportedDetails | None, *, whole: bool) -> str:
    """Name what the provider's view of the payment contradicts, or lacks when all is needed; empty when it agrees."""
    if seen is None and not whole:
        return ""
    seen, amount, payee = seen or ReportedDetails(), row.order.amount, row.order.payee
    pairs = {
        "amount": (amount.amount, seen.amount),
        "currency": (amount.currency, seen.currency),
        # Of a refund the provider shows the payer, not the collection whose payer it is.
        "payee": (None if payee.kind == "collection" else payee.value, seen.payee),
        "external_id": (row.attempt.references.get("external_id"), seen.external_id),
    }
    wrong = [
        name for name, (ours, theirs) in pairs.items() if theirs is not None and ours is not None and ours != theirs
    ]
    if wrong:
        return f"The provider shows another {' and '.join(wrong)} under our reference."
    lacking = [name for name, (ours, theirs) in pairs.items() if whole and ours is not None and theirs is None]
    return (
        f"The provider does not show the {' and '.join(lacking)}, so it cannot be told to be ours." if lacking else ""
    )


def _absent(row: PayoutRecord, account: Account, outcome: NotFound, at: datetime, by: DecidedBy) -> Decision:
    facts, event = account.facts, Event(EventName.PAYOUT_NOT_FOUND, at, transitions.evidence(outcome))
    count, since = row.schedule.not_found_count + 1, row.schedule.first_not_found_at or at
    seen_absent = replace(row, schedule=replace(row.schedule, not_found_count=count, first_not_found_at=since))
    if row.status is PayoutStatus.PENDING:
        text = f"The provider took it and does not show it ({count} times)."
        seen_absent = replace(seen_absent, reason=Reason(ReasonCode.NEVER_APPEARED, text=text))
    later = transitions.read_later(seen_absent, account, at, event)
    if row.status is not PayoutStatus.UNKNOWN:
        return later  # accepted once, or in review: keep asking, never send again
    long_enough = at - since >= timedelta(seconds=facts.visible_after_s)
    if count < transitions.LEAST_NOT_FOUND or not long_enough:
        return later
    if by is DecidedBy.RESULT_CALLBACK and row.schedule.is_callback_read:
        return later  # a callback came after this was asked: the read that it made due decides
    if row.attempt.duplicate_unverified and row.attempt.ambiguous:
        why = "The provider called our first send a duplicate and does not show the payment."
        return transitions.review(seen_absent, ReasonCode.DUPLICATE_OF_ANOTHER, why, at)
    if row.attempt.refused:
        return _refused_and_absent(seen_absent, account, at, later)
    if account.is_retired:
        return transitions.review(seen_absent, ReasonCode.BINDING_GONE, _ONLY_READ, at)
    # Whether a second send is still safe is decided once, in `decide_submission.begin`, at the moment of sending.
    reason = Reason(ReasonCode.NEVER_APPEARED, text=_AGAIN)
    resend = replace(seen_absent, schedule=replace(seen_absent.schedule, next_at=at), reason=reason)
    return Decision(resend, Event(EventName.PAYOUT_RESEND, at, {"not_found_count": count}), resend=True)


def _refused_and_absent(row: PayoutRecord, account: Account, at: datetime, later: Decision) -> Decision:
    conclusive_s = account.facts.not_found_conclusive_after_s
    if conclusive_s is None:
        why = "An earlier send may have arrived, a later one was refused, and the provider shows nothing."
        return transitions.review(row, ReasonCode.NEVER_APPEARED, why, at)
    sent_at, conclusive = row.attempt.sent_at, timedelta(seconds=conclusive_s)
    if sent_at is not None and at - sent_at >= conclusive and row.reason is not None:
        return transitions.fail(row, row.reason, DecidedBy.READ, at, {"not_found_count": row.schedule.not_found_count})
    return later


def _final(row: PayoutRecord, outcome: Final, by: DecidedBy, at: datetime) -> Decision:
    evidence = transitions.evidence(outcome)
    if row.attempt.duplicate_unverified:
        evidence["adopted"] = True
    if outcome.reason is not None:
        return transitions.fail(row, outcome.reason, by, at, evidence)
    if difference := differs(row, outcome.seen, whole=False):
        return transitions.review(transitions.arrived(row), ReasonCode.MISMATCH, difference, at, evidence)
    attempt = transitions.arrived_attempt(row)
    after = transitions.with_status(row, PayoutStatus.SUCCEEDED, None, next_at=None, attempt=attempt, decided_by=by)
    return Decision(after, Event(EventName.PAYOUT_SUCCEEDED, at, evidence))


def _pending(row: PayoutRecord, account: Account, outcome: Pending, at: datetime) -> Decision:
    if difference := differs(row, outcome.seen, whole=False):
        return transitions.review(
            transitions.arrived(row), ReasonCode.MISMATCH, difference, at, transitions.evidence(outcome)
        )
    if row.status is PayoutStatus.REVIEW and (row.reason is None or row.reason.code not in _OPEN_TO_PENDING):
        return transitions.read_later(row, account, at, Event(EventName.PAYOUT_READ, at, transitions.evidence(outcome)))
    name = EventName.PAYOUT_READ if row.status is PayoutStatus.PENDING else EventName.PAYOUT_PENDING
    if row.attempt.duplicate_unverified and row.status is not PayoutStatus.PENDING:
        name = EventName.PAYOUT_ADOPTED
    evidence = transitions.evidence(outcome)
    if (next_at := transitions.next_read_at(row, account, at)) is None:
        return transitions.no_final_answer(transitions.arrived(row), at, evidence)
    attempt = transitions.arrived_attempt(row)
    after = transitions.with_status(row, PayoutStatus.PENDING, None, next_at=next_at, attempt=attempt)
    return Decision(after, Event(name, at, evidence))


def _unknown(row: PayoutRecord, account: Account, evidence: Mapping[str, Any], at: datetime) -> Decision:
    after = transitions.maybe_arrived(row, next_at=None)
    return transitions.read_later(after, account, at, Event(EventName.PAYOUT_UNKNOWN, at, evidence))
