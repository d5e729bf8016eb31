"""Decisions before a submission: whether an attempt may be sent now, and what follows when it may not. Pure.

Nothing is sent again unless the provider itself would refuse the second submission.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from payments_core.domain.bounds import HOUR_S
from payments_core.domain.budgets import AboveBudget, batch_of
from payments_core.domain.causes import DecidedBy, PausedBy
from payments_core.domain.errors import InvalidPayout
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, Lease, Pause, PayoutRecord
from payments_core.engine import transitions
from payments_core.engine.budget_errors import batch_waits_because
from payments_core.engine.context import StepContext
from payments_core.engine.daily_limits import next_day_of, waits_because
from payments_core.engine.drafts import made_ready
from payments_core.engine.flow import CredentialRefused
from payments_core.engine.transitions import Decision
from payments_core.provider import (
    Account,
    AccountRefused,
)

__all__ = [
    "above_budget",
    "above_largest_amount",
    "absent_since",
    "account_refused",
    "ask_later",
    "begin",
    "binding_gone",
    "check_first",
    "expired",
    "is_leased",
    "lease_expired",
    "needs_approval",
    "on_hold",
    "on_statement",
    "put_off",
    "rebound_or_review",
    "refused_by_guard",
    "refused_since",
    "too_early",
    "waiting",
    "waiting_for_previous_attempt",
]


def begin(row: PayoutRecord, account: Account, *, owner: str, at: datetime) -> Decision:
    """Write SENDING before the first byte; refuse a second send that the provider might not recognise."""
    facts, attempt = account.facts, row.attempt
    if attempt.ambiguous:
        half_window = timedelta(seconds=facts.dedupe_window_s / 2)
        # A clock that stands before the first send tells nothing about how long ago that was.
        in_window = attempt.first_sent_at is not None and timedelta() <= at - attempt.first_sent_at < half_window
        if facts.resend != "safe" or not in_window or attempt.submissions >= transitions.MOST_SUBMISSIONS:
            return transitions.review(row, ReasonCode.NEVER_APPEARED, transitions.NOT_SAFE_AGAIN, at)
    until = at + timedelta(seconds=account.settings.lease_s)
    after = replace(
        row,
        status=PayoutStatus.SENDING,
        attempt=replace(
            attempt,
            submissions=attempt.submissions + 1,
            guards_passed=True,
            duplicate_unverified=attempt.duplicate_unverified and attempt.ambiguous,
            sent_at=at,
        ),
        schedule=replace(row.schedule, next_at=until, not_found_count=0, first_not_found_at=None),
        lease=Lease(owner=owner, until=until),
    )
    return Decision(after, Event(EventName.PAYOUT_SENDING, at, {"submission": after.attempt.submissions}))


def refused_since(account: Account, at: datetime) -> datetime | None:
    """Return since when a first send is recent enough for the provider to refuse a second one; None: it never is."""
    facts = account.facts
    return at - timedelta(seconds=facts.dedupe_window_s / 2) if facts.resend == "safe" else None


def absent_since(account: Account, at: datetime) -> datetime | None:
    """Return since when the provider must not have shown the payment; None where it cannot be asked at once."""
    facts = account.facts
    return at - timedelta(seconds=facts.visible_after_s) if facts.status_by == "answer" else None


def on_statement(row: PayoutRecord, account: Account, at: datetime) -> Decision:
    """A statement has a payment under the reference: the attempt is only read, or goes to REVIEW."""
    if account.facts.status_by == "answer" and row.schedule.not_found_count < transitions.LEAST_NOT_FOUND:
        return check_first(row, at)
    why = "The provider's statement has a payment under its reference, and the provider does not show it."
    return transitions.review(transitions.maybe_lost(row, at), ReasonCode.ON_STATEMENT, why, at)


def check_first(row: PayoutRecord, at: datetime) -> Decision:
    """A submission may be missing from the restored journal: ask the provider before sending."""
    unverified = row.attempt.duplicate_unverified or not row.attempt.ambiguous
    after = replace(
        row,
        status=PayoutStatus.UNKNOWN,
        reason=None,
        attempt=replace(row.attempt, duplicate_unverified=unverified),
        schedule=replace(row.schedule, next_at=at, reopened_at=at, not_found_count=0, first_not_found_at=None),
        lease=Lease(),
    )
    return Decision(after, Event(EventName.PAYOUT_CHECKED_FIRST, at))


def is_leased(row: PayoutRecord, account: Account, at: datetime) -> bool:
    """Whether another worker may still be sending the payout.

    A lease that ends later than any that is taken now was written by a clock far ahead: it holds nothing back.
    """
    if row.lease.until is None or row.lease.until <= at:
        return False
    return row.lease.until <= at + timedelta(seconds=account.settings.lease_s + HOUR_S)


def lease_expired(row: PayoutRecord, at: datetime) -> Decision:
    """Treat a send whose lease ran out as a send that may have arrived; a read that a callback made due stays so."""
    next_at = row.schedule.next_at if row.schedule.is_callback_read else at
    return Decision(transitions.maybe_arrived(row, next_at=next_at), Event(EventName.PAYOUT_LEASE_EXPIRED, at))


def expired(row: PayoutRecord, at: datetime) -> Decision | None:
    """Fail a payout that was to be sent by now and certainly was not; None when it may still be sent."""
    if row.attempt.ambiguous or row.order.expires_at is None or at < row.order.expires_at:
        return None
    reason = Reason(ReasonCode.NOT_SENT_IN_TIME, text="It was to be sent before expires_at and was not.")
    return transitions.fail(row, reason, DecidedBy.EXPIRY, at, {})


def too_early(row: PayoutRecord, at: datetime) -> Decision | None:
    """Put off what may not be sent yet, by the clock that C2 goes by; None when it may be sent."""
    if row.attempt.ambiguous or row.order.not_before is None or at >= row.order.not_before:
        return None
    after = replace(row, schedule=replace(row.schedule, next_at=row.order.not_before))
    return Decision(after, Event(EventName.PAYOUT_WAITING, at, {"why": "It may not be sent before not_before."}))


def ask_later(row: PayoutRecord, account: Account, why: str, at: datetime) -> Decision:
    """Nothing was found out: the provider is asked again at the schedule's next moment."""
    return transitions.read_later(row, account, at, Event(EventName.PAYOUT_READ, at, {"why": scrub(why)}))


def waiting(
    row: PayoutRecord,
    account: Account,
    why: str,
    at: datetime,
    *,
    after_s: float | None = None,
    reason: Reason | None = None,
) -> Decision:
    """Try later: nothing was sent this time."""
    if row.attempt.ambiguous:  # an earlier submission may have arrived: read, do not only wait
        return transitions.read_later(row, account, at, Event(EventName.PAYOUT_WAITING, at, {"why": scrub(why)}))
    steps = account.settings.retry_schedule_s
    wait_s = max(steps[min(row.attempt.refusals, len(steps) - 1)], after_s or 0.0)
    after = transitions.with_status(
        row,
        PayoutStatus.CREATED,
        transitions.clean_reason(reason or Reason(ReasonCode.PROVIDER_UNAVAILABLE, text=why)),
        next_at=at + timedelta(seconds=wait_s),
        attempt=replace(row.attempt, refusals=row.attempt.refusals + 1),
    )
    return Decision(after, Event(EventName.PAYOUT_WAITING, at, {"why": scrub(why), "again_in_s": wait_s}))


def waiting_for_previous_attempt(row: PayoutRecord, account: Account, why: str, at: datetime) -> Decision:
    """Check an earlier attempt again later; the payout goes to REVIEW after as long as a poll schedule lasts."""
    steps = account.settings.retry_schedule_s
    waited_s = sum(steps[: row.attempt.refusals]) + max(row.attempt.refusals - len(steps), 0) * steps[-1]
    if not row.attempt.ambiguous and waited_s >= sum(account.settings.poll_schedule_s):
        return transitions.review(row, ReasonCode.NO_FINAL_ANSWER, why, at)
    return waiting(row, account, why, at)


def put_off(row: PayoutRecord, why: str, at: datetime, *, after_s: float) -> Decision:
    """No permit was free: nothing was sent, nothing is wrong, and no step of a schedule is used up."""
    schedule, next_at = row.schedule, at + timedelta(seconds=after_s)
    callback_read_at = next_at if schedule.is_callback_read else schedule.callback_read_at
    after = replace(row, schedule=replace(schedule, next_at=next_at, callback_read_at=callback_read_at))
    return Decision(after, Event(EventName.PAYOUT_WAITING, at, {"why": scrub(why), "again_in_s": round(after_s, 3)}))


def on_hold(row: PayoutRecord, why: str, at: datetime) -> Decision:
    """A pause forbids the first send: it stays due, and leaves when the pause ends."""
    waits = replace(row, status=PayoutStatus.CREATED)  # after a read without a result it is as unsent as before
    return Decision(waits, Event(EventName.PAYOUT_ON_HOLD, at, {"why": scrub(why)}))


def needs_approval(row: PayoutRecord, account: Account, why: str, at: datetime) -> Decision:
    """Wait for an approval; only the expiry ends the wait."""
    if row.attempt.ambiguous:  # an earlier try may still be there: it is asked about, whatever may be sent now
        return transitions.read_later(row, account, at, Event(EventName.PAYOUT_NEEDS_APPROVAL, at, {"why": scrub(why)}))
    reason = transitions.clean_reason(Reason(ReasonCode.NEEDS_APPROVAL, text=why))
    after = transitions.with_status(row, PayoutStatus.CREATED, reason, next_at=row.order.expires_at)
    return Decision(after, Event(EventName.PAYOUT_NEEDS_APPROVAL, at, {"why": reason.text}))


def above_largest_amount(row: PayoutRecord, account: Account, why: str, at: datetime) -> Decision:
    """The limit was lowered after the payout was accepted: it waits until the limit is raised, or a person cancels it.

    The settings are looked at again as rarely as a payout is read at last, and at once when a caller asks for it. The
    words are ours: scrubbed, amounts in them would be masked as numbers.
    """
    event = Event(EventName.PAYOUT_ABOVE_LARGEST_AMOUNT, at, {"why": why})
    if row.attempt.ambiguous:  # an earlier try may still be there: it is asked about, whatever may be sent now
        return transitions.read_later(row, account, at, event)
    next_at = at + timedelta(seconds=account.settings.poll_schedule_s[-1])
    if row.order.expires_at is not None:
        next_at = min(next_at, row.order.expires_at)
    reason = Reason(ReasonCode.ABOVE_LARGEST_AMOUNT, text=why)
    return Decision(transitions.with_status(row, PayoutStatus.CREATED, reason, next_at=next_at), event)


def above_budget(row: PayoutRecord, account: Account, above: AboveBudget, at: datetime) -> Decision:
    """A budget has not that much left: it waits, for the next day or the batch; a change is noticed within an hour.

    The words are ours: scrubbed, amounts in them would be masked as numbers.
    """
    next_at = at + timedelta(seconds=HOUR_S)
    if batch := batch_of(above):
        reason = Reason(ReasonCode.BATCH_STOPPED, text=batch_waits_because(batch))
    else:
        reason = Reason(ReasonCode.DAILY_LIMIT, text=waits_because(account, row.order.amount.currency))
        next_at = min(next_day_of(account, at), next_at)
    if row.order.expires_at is not None:
        next_at = min(next_at, row.order.expires_at)
    after = transitions.with_status(row, PayoutStatus.CREATED, reason, next_at=next_at)
    return Decision(after, Event(EventName.PAYOUT_WAITING_FOR_LIMIT, at, {"why": reason.text}))


def refused_by_guard(row: PayoutRecord, reason: Reason, at: datetime) -> Decision:
    """A guard refused the payout before the first submission."""
    return transitions.fail(row, reason, DecidedBy.GUARD, at, {"why": scrub(reason.text)})


def account_refused(
    row: PayoutRecord, account: Account, why: AccountRefused | CredentialRefused, at: datetime
) -> Decision:
    """The provider refuses the account: pause it, fail no payout."""
    probe_at = at + timedelta(seconds=account.settings.probe_after_s)
    reason = transitions.clean_reason(why.reason)
    evidence = {"http_status": why.http_status, "code": reason.provider_code, "text": reason.text}
    if row.attempt.ambiguous:
        decision = transitions.read_later(row, account, at, Event(EventName.PAYOUT_ACCOUNT_REFUSED, at, evidence))
    else:
        after = transitions.with_status(row, PayoutStatus.CREATED, reason, next_at=probe_at)
        decision = Decision(after, Event(EventName.PAYOUT_ACCOUNT_REFUSED, at, evidence))
    words = f"{reason}: {reason.text}" if reason.text else str(reason)
    return replace(
        decision, pause=Pause(row.attempt.account, at, words, by=PausedBy.ACCOUNT_REFUSED, probe_at=probe_at)
    )


def _rebound(account: Account, row: PayoutRecord, moment: StepContext) -> Decision:
    """Make an unsent payout ready again, as its account now pays elsewhere; nothing of it has left."""
    after = made_ready(account, row, namespace=moment.namespace, number=row.attempt.number)
    return Decision(after, Event(EventName.PAYOUT_REBOUND, moment.at))


def rebound_or_review(account: Account, row: PayoutRecord, moment: StepContext) -> Decision:
    """Make an unsent payout ready again, as its account now pays elsewhere; REVIEW where that cannot carry it."""
    try:
        return _rebound(account, row, moment)
    except InvalidPayout as error:  # what the account pays now cannot carry it: one row must not stop all others
        return transitions.review(row, ReasonCode.BINDING_GONE, scrub(str(error)), moment.at)


def binding_gone(row: PayoutRecord, at: datetime) -> Decision:
    """Move a payout to REVIEW whose account can no longer act as what has sent it."""
    sent_as = ", ".join(f"{name} {value}" for name, value in sorted(row.attempt.binding.items()))
    why = f"Account {row.attempt.account} now pays elsewhere or as somebody else; it was tried under: {sent_as}."
    return transitions.review(row, ReasonCode.BINDING_GONE, why, at)
