"""Decisions: a payout's row and what was just learned give the row that follows. Pure, and the heart of the house.

Three rules stand behind every line. What may have arrived is never called failed. Only a read (or an answer proven to
be one) ends an uncertainty. And nothing is sent again unless the provider itself would refuse the second one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from payments_core.domain.bounds import HOUR_S
from payments_core.domain.events import EventName
from payments_core.domain.masking import LEAST_DIGITS, scrub, scrub_code
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.rates import LONGEST_HOLD_S, PostEnd, ReadEnd
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine import rechecks
from payments_core.engine.flow import CredentialRefused
from payments_core.engine.provider_calls import CheckResult, SubmitResult
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

__all__ = [
    "MOST_TRIES",
    "Decision",
    "above_largest_amount",
    "absent_since",
    "account_refused",
    "after_check",
    "after_submit",
    "ask_later",
    "begin",
    "check_first",
    "differs",
    "evidence_of",
    "expired",
    "is_to_be_resent",
    "lease_expired",
    "maybe_arrived",
    "needs_approval",
    "on_hold",
    "on_statement",
    "post_end",
    "put_off",
    "read_end",
    "refused_by_guard",
    "refused_since",
    "review",
    "too_early",
    "waiting",
]

MOST_TRIES = 5
LEAST_NOT_FOUND = 3
_TOO_MANY = 429

_OPEN_TO_PENDING = frozenset({ReasonCode.NEVER_APPEARED, ReasonCode.BINDING_GONE, ReasonCode.ON_STATEMENT})


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows.

    Args:
        after: The row wanted.
        event: For the history.
        pause: Stop the account in the same commit.
        lifts: The account is not blocked any more.
        resend: The same request is to be sent again now.

    """

    after: PayoutRecord
    event: Event
    pause: Pause | None = None
    lifts: bool = False
    resend: bool = False

    @property
    def publish(self) -> bool:
        """Whether the application must hear of it: an end, or the way into REVIEW (not each read while there)."""
        return self.after.status.is_final or self.event.name == EventName.PAYOUT_REVIEW


def begin(row: PayoutRecord, account: Account, *, owner: str, at: datetime) -> Decision:
    """Write SENDING before the first byte; refuse a second send that the provider might not recognise."""
    facts = account.facts
    if row.ambiguous:
        half_window = timedelta(seconds=facts.dedupe_window_s / 2)
        # A clock that stands before the first send tells nothing about how long ago that was.
        in_window = row.first_sent_at is not None and timedelta() <= at - row.first_sent_at < half_window
        if facts.resend != "safe" or not in_window or row.submissions >= MOST_TRIES:
            return review(row, ReasonCode.NEVER_APPEARED, _WHY_NOT_AGAIN, at)
    until = at + timedelta(seconds=account.settings.lease_s)
    after = replace(
        row,
        status=PayoutStatus.SENDING,
        submissions=row.submissions + 1,
        guards_passed=True,
        duplicate_unverified=row.duplicate_unverified and row.ambiguous,
        sent_at=at,
        not_found_count=0,
        first_not_found_at=None,
        lease_owner=owner,
        lease_until=until,
        next_at=until,
    )
    return Decision(after, Event(EventName.PAYOUT_SENDING, at, {"submission": after.submissions}))


_WHY_NOT_AGAIN = "It may have arrived, the provider does not show it, and sending again is not proven safe any more."


def refused_since(account: Account, at: datetime) -> datetime | None:
    """Return since when a first send is recent enough for the provider to refuse a second one; None: it never is."""
    facts = account.facts
    return at - timedelta(seconds=facts.dedupe_window_s / 2) if facts.resend == "safe" else None


def absent_since(account: Account, at: datetime) -> datetime | None:
    """Return when absence must have begun to have lasted; None where nobody can be asked at once."""
    facts = account.facts
    return at - timedelta(seconds=facts.visible_after_s) if facts.status_by == "answer" else None


def on_statement(row: PayoutRecord, account: Account, at: datetime) -> Decision:
    """A statement has a payment under its reference: it is only read, and else a person decides."""
    if account.facts.status_by == "answer" and row.not_found_count < LEAST_NOT_FOUND:
        return check_first(row, at)
    why = "The provider's statement has a payment under its reference, and the provider does not show it."
    return review(_lost(row, at), ReasonCode.ON_STATEMENT, why, at)


def check_first(row: PayoutRecord, at: datetime) -> Decision:
    """A try of this attempt may be lost with what the journal lacks: the provider is asked before one is sent."""
    after = _released(
        row,
        status=PayoutStatus.UNKNOWN,
        duplicate_unverified=row.duplicate_unverified or not row.ambiguous,
        not_found_count=0,
        first_not_found_at=None,
        reopened_at=at,
        reason=None,
        next_at=at,
    )
    return Decision(after, Event(EventName.PAYOUT_CHECKED_FIRST, at))


def is_leased(row: PayoutRecord, account: Account, at: datetime) -> bool:
    """Whether whoever sends the payout may still be at it.

    A lease that ends later than any that is taken now was written by a clock far ahead: it holds nothing back.
    """
    if row.lease_until is None or row.lease_until <= at:
        return False
    return row.lease_until <= at + timedelta(seconds=account.settings.lease_s + HOUR_S)


def lease_expired(row: PayoutRecord, at: datetime) -> Decision:
    """Treat a send whose lease ran out as a send that may have arrived; a read that a callback made due stays so."""
    next_at = row.next_at if row.is_callback_read else at
    return Decision(maybe_arrived(row, next_at=next_at), Event(EventName.PAYOUT_LEASE_EXPIRED, at))


def expired(row: PayoutRecord, at: datetime) -> Decision | None:
    """Fail a payout that was to be sent by now and certainly was not; None when it may still be sent."""
    if row.ambiguous or row.expires_at is None or at < row.expires_at:
        return None
    reason = Reason(ReasonCode.NOT_SENT_IN_TIME, text="It was to be sent before expires_at and was not.")
    return _fail(row, reason, "expiry", at, {})


def too_early(row: PayoutRecord, at: datetime) -> Decision | None:
    """Put off what may not be sent yet, by the clock that C2 goes by; None when it may be sent."""
    if row.ambiguous or row.not_before is None or at >= row.not_before:
        return None
    after = replace(row, next_at=row.not_before)
    return Decision(after, Event(EventName.PAYOUT_WAITING, at, {"why": "It may not be sent before not_before."}))


def ask_later(row: PayoutRecord, account: Account, why: str, at: datetime) -> Decision:
    """Nothing was found out: the provider is asked again at the schedule's next moment."""
    return _read_later(row, account, at, Event(EventName.PAYOUT_READ, at, {"why": scrub(why)}))


def waiting(
    row: PayoutRecord,
    account: Account,
    why: str,
    at: datetime,
    *,
    after_s: float | None = None,
    reason: Reason | None = None,
) -> Decision:
    """Try later: nothing left this time."""
    if row.ambiguous:  # an earlier try may still be there: ask, do not only wait
        return _read_later(row, account, at, Event(EventName.PAYOUT_WAITING, at, {"why": scrub(why)}))
    steps = account.settings.retry_schedule_s
    wait_s = max(steps[min(row.refusals, len(steps) - 1)], after_s or 0.0)
    after = _released(
        row,
        status=PayoutStatus.CREATED,
        reason=_clean(reason or Reason(ReasonCode.PROVIDER_UNAVAILABLE, text=why)),
        refusals=row.refusals + 1,
        next_at=at + timedelta(seconds=wait_s),
    )
    return Decision(after, Event(EventName.PAYOUT_WAITING, at, {"why": scrub(why), "again_in_s": wait_s}))


def waiting_for_previous_attempt(row: PayoutRecord, account: Account, why: str, at: datetime) -> Decision:
    """Look again later at an earlier attempt; the machine stops when that has lasted as long as a poll schedule."""
    steps = account.settings.retry_schedule_s
    waited_s = sum(steps[: row.refusals]) + max(row.refusals - len(steps), 0) * steps[-1]
    if not row.ambiguous and waited_s >= sum(account.settings.poll_schedule_s):
        return review(row, ReasonCode.NO_FINAL_ANSWER, why, at)
    return waiting(row, account, why, at)


def put_off(row: PayoutRecord, why: str, at: datetime, *, after_s: float) -> Decision:
    """It is not its turn: nothing was tried, nothing is wrong, and no step of any schedule is used up."""
    next_at = at + timedelta(seconds=after_s)
    after = replace(row, next_at=next_at, callback_read_at=next_at if row.is_callback_read else row.callback_read_at)
    return Decision(after, Event(EventName.PAYOUT_WAITING, at, {"why": scrub(why), "again_in_s": round(after_s, 3)}))


def on_hold(row: PayoutRecord, why: str, at: datetime) -> Decision:
    """A pause forbids the first send: it stays due, and leaves when the pause ends."""
    waits = replace(row, status=PayoutStatus.CREATED)  # one that was sought in vain is as unsent as it was
    return Decision(waits, Event(EventName.PAYOUT_ON_HOLD, at, {"why": scrub(why)}))


def needs_approval(row: PayoutRecord, account: Account, why: str, at: datetime) -> Decision:
    """Nothing leaves before somebody has approved it; only its expiry is looked at meanwhile."""
    if row.ambiguous:  # an earlier try may still be there: it is asked about, whatever may be sent now
        return _read_later(row, account, at, Event(EventName.PAYOUT_NEEDS_APPROVAL, at, {"why": scrub(why)}))
    reason = _clean(Reason(ReasonCode.NEEDS_APPROVAL, text=why))
    after = _released(row, status=PayoutStatus.CREATED, reason=reason, next_at=row.expires_at)
    return Decision(after, Event(EventName.PAYOUT_NEEDS_APPROVAL, at, {"why": reason.text}))


def above_largest_amount(row: PayoutRecord, account: Account, why: str, at: datetime) -> Decision:
    """The limit was lowered after the payout was accepted: it waits until the limit is raised, or a person cancels it.

    The settings are looked at again as rarely as a payout is read at last, and at once when a caller asks for it. The
    words are ours: scrubbed, amounts in them would be masked as numbers.
    """
    event = Event(EventName.PAYOUT_ABOVE_LARGEST_AMOUNT, at, {"why": why})
    if row.ambiguous:  # an earlier try may still be there: it is asked about, whatever may be sent now
        return _read_later(row, account, at, event)
    next_at = at + timedelta(seconds=account.settings.poll_schedule_s[-1])
    if row.expires_at is not None:
        next_at = min(next_at, row.expires_at)
    reason = Reason(ReasonCode.ABOVE_LARGEST_AMOUNT, text=why)
    return Decision(_released(row, status=PayoutStatus.CREATED, reason=reason, next_at=next_at), event)


def refused_by_guard(row: PayoutRecord, reason: Reason, at: datetime) -> Decision:
    """A guard said no before the first send."""
    return _fail(row, reason, "guard", at, {"why": scrub(reason.text)})


def account_refused(
    row: PayoutRecord, account: Account, why: AccountRefused | CredentialRefused, at: datetime
) -> Decision:
    """The provider refuses us: stop the account, fail no payout."""
    probe_at = at + timedelta(seconds=account.settings.probe_after_s)
    reason = _clean(why.reason)
    evidence = {"http_status": why.http_status, "code": reason.provider_code, "text": reason.text}
    if row.ambiguous:
        decision = _read_later(row, account, at, Event(EventName.PAYOUT_ACCOUNT_REFUSED, at, evidence))
    else:
        after = _released(row, status=PayoutStatus.CREATED, reason=reason, next_at=probe_at)
        decision = Decision(after, Event(EventName.PAYOUT_ACCOUNT_REFUSED, at, evidence))
    words = f"{reason}: {reason.text}" if reason.text else str(reason)
    return replace(decision, pause=Pause(row.account, at, words, by="blocked", probe_at=probe_at))


def after_submit(row: PayoutRecord, account: Account, outcome: SubmitResult, at: datetime) -> Decision:
    """Decide what a send's end means. ``row.ambiguous`` tells of earlier tries only."""
    match outcome:
        case AccountRefused():
            return account_refused(row, account, outcome, at)
        case NotSent():
            return waiting(row, account, outcome.why, at)
        case NotAccepted(blocks_if_repeated=Reason() as reason) if row.reason and row.reason.code is reason.code:
            return account_refused(row, account, AccountRefused(reason, outcome.http_status), at)
        case NotAccepted():
            why = f"The provider did not take it: {outcome.code or outcome.http_status}."
            later = waiting(row, account, why, at, after_s=outcome.retry_after_s, reason=outcome.blocks_if_repeated)
            return replace(later, pause=_slower(row, account, outcome, at))
        case NoAnswer():
            return _unknown(row, account, {"why": scrub(outcome.why)}, at)
        case Unknown():
            return _unknown(_learned(row, outcome.references), account, _evidence(outcome), at)
        case Duplicate() | Pending() | Final():
            return replace(_taken(_learned(row, outcome.references), account, outcome, at), lifts=True)


def _slower(row: PayoutRecord, account: Account, outcome: NotAccepted, at: datetime) -> Pause | None:
    """Slow the whole account down when the provider says that it is asked too often; its probes double the wait."""
    wait_s = outcome.retry_after_s
    if wait_s is None:
        if outcome.http_status != _TOO_MANY:
            return None
        wait_s = account.settings.retry_schedule_s[0]  # no longer than this payment itself waits
    why = f"the provider asked us to wait: {scrub_code(outcome.code) or outcome.http_status}"
    return Pause(row.account, at, why, by="rate", probe_at=at + timedelta(seconds=min(wait_s, LONGEST_HOLD_S)))


def post_end(account: Account, outcome: SubmitResult) -> PostEnd | None:
    """Say what a POST's end counts for; None when it proved not sent, which tells nothing about the provider."""
    if isinstance(outcome, NotSent):
        return None
    return PostEnd(isinstance(outcome, NoAnswer | Unknown), account.settings.circuit_after)


def read_end(outcome: CheckResult) -> ReadEnd | None:
    """Say what a read's end means for the rate of reads; None when it tells nothing."""
    if isinstance(outcome, Unknown) and outcome.http_status == _TOO_MANY:
        return ReadEnd(is_refused=True, after_s=outcome.retry_after_s)
    return None if isinstance(outcome, NotSent | NoAnswer | Unknown) else ReadEnd(is_refused=False)


def _taken(row: PayoutRecord, account: Account, outcome: Duplicate | Pending | Final, at: datetime) -> Decision:
    if isinstance(outcome, Duplicate):
        after = replace(
            maybe_arrived(row, next_at=at), duplicate_unverified=row.duplicate_unverified or not row.ambiguous
        )
        return Decision(after, Event(EventName.PAYOUT_DUPLICATE, at, _evidence(outcome)))
    if isinstance(outcome, Pending):
        return _pending(row, account, outcome, at)
    if outcome.reason is not None and row.ambiguous:  # this try was refused, but an earlier one may have been taken
        after = replace(maybe_arrived(row, next_at=at), refused=True, reason=_clean(outcome.reason))
        return Decision(after, Event(EventName.PAYOUT_UNKNOWN, at, _evidence(outcome)))
    return _final(row, outcome, "submit", at)


def after_check(
    row: PayoutRecord, account: Account, outcome: CheckResult, at: datetime, *, by: str = "read"
) -> Decision:
    """Decide what a read means for a payout that is open or in review."""
    match outcome:
        case NotSent() | NoAnswer():
            return ask_later(row, account, outcome.why, at)
        case Unknown() | Deferred():
            return _read_later(row, account, at, Event(EventName.PAYOUT_READ, at, _evidence(outcome)))
        case NotFound():
            return _absent(row, account, outcome, at)
        case Final() | Pending():
            pass
    row = _learned(row, outcome.references)
    if row.duplicate_unverified:
        row = _lost(row, at)
    succeeded = isinstance(outcome, Final) and outcome.succeeded
    # Someone else's payment may stand under our reference, and anyone may post to a path: then all of it must agree.
    if difference := differs(
        row, outcome.seen, whole=row.duplicate_unverified or (by == "result_callback" and succeeded)
    ):
        return review(row, ReasonCode.MISMATCH, difference, at, _evidence(outcome))
    if isinstance(outcome, Pending):
        return _pending(row, account, outcome, at)
    differed = row.reason is not None and row.reason.code is ReasonCode.MISMATCH
    if differed and by == "result_callback" and not succeeded:
        return review(row, ReasonCode.MISMATCH, _PAID_AND_FAILED, at, _evidence(outcome))
    decision = _final(row, outcome, by, at)
    if by == "result_callback" and decision.after.status is PayoutStatus.FAILED:
        return replace(decision, after=rechecks.begin(decision.after, account, at))
    return decision


# Whoever knows a path may post to it: neither a failure nor a payment that differs is believed against the other.
_PAID_AND_FAILED = "One result callback showed a payment that differs, and another one calls it failed."


_ONLY_READ = "What sent it is retired and only reads: the provider does not show it, and it is not sent again."
_AGAIN = "The provider has not shown it for long enough: the same request is to be sent again."


def is_to_be_resent(row: PayoutRecord) -> bool:
    """Say whether absence was established and the send that follows from it is still to come."""
    return row.status is PayoutStatus.UNKNOWN and row.reason is not None and row.reason.text == _AGAIN


def review(
    row: PayoutRecord, code: ReasonCode, why: str, at: datetime, evidence: Mapping[str, Any] | None = None
) -> Decision:
    """Stop the machine for this payout; a read or a person goes on."""
    after = _released(row, status=PayoutStatus.REVIEW, reason=Reason(code, text=why), next_at=None)
    return Decision(after, Event(EventName.PAYOUT_REVIEW, at, {"why": why, **(evidence or {})}))


def differs(row: PayoutRecord, seen: ReportedDetails | None, *, whole: bool) -> str:
    """Name what the provider's view of the payment contradicts, or lacks when all is needed; empty when it agrees."""
    seen = seen or ReportedDetails()
    pairs = {
        "amount": (row.amount, seen.amount),
        "currency": (row.currency, seen.currency),
        # Of a refund the provider shows the payer, not the collection whose payer it is.
        "payee": (None if row.payee_kind == "collection" else row.payee_value, seen.payee),
        "external_id": (row.references.get("external_id"), seen.external_id),
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


def _absent(row: PayoutRecord, account: Account, outcome: NotFound, at: datetime) -> Decision:
    facts, event = account.facts, Event(EventName.PAYOUT_NOT_FOUND, at, _evidence(outcome))
    seen_absent = replace(row, not_found_count=row.not_found_count + 1, first_not_found_at=row.first_not_found_at or at)
    if row.status is PayoutStatus.PENDING:
        told = f"The provider took it and does not show it ({seen_absent.not_found_count} times)."
        seen_absent = replace(seen_absent, reason=Reason(ReasonCode.NEVER_APPEARED, text=told))
    later = _read_later(seen_absent, account, at, event)
    if row.status is not PayoutStatus.UNKNOWN or seen_absent.first_not_found_at is None:
        return later  # accepted once, or in review: keep asking, never send again
    long_enough = at - seen_absent.first_not_found_at >= timedelta(seconds=facts.visible_after_s)
    if seen_absent.not_found_count < LEAST_NOT_FOUND or not long_enough:
        return later
    if row.duplicate_unverified and row.ambiguous:
        why = "The provider called our first send a duplicate and does not show the payment."
        return review(seen_absent, ReasonCode.DUPLICATE_OF_ANOTHER, why, at)
    if row.refused:
        return _refused_and_absent(seen_absent, account, at, later)
    if account.is_retired:
        return review(seen_absent, ReasonCode.BINDING_GONE, _ONLY_READ, at)
    # Whether a second send is still safe is decided once, in `begin`, at the moment of sending.
    resend = replace(seen_absent, next_at=at, reason=Reason(ReasonCode.NEVER_APPEARED, text=_AGAIN))
    return Decision(
        resend, Event(EventName.PAYOUT_RESEND, at, {"not_found_count": seen_absent.not_found_count}), resend=True
    )


def _refused_and_absent(row: PayoutRecord, account: Account, at: datetime, later: Decision) -> Decision:
    conclusive_s = account.facts.not_found_conclusive_after_s
    if conclusive_s is None:
        why = "An earlier send may have arrived, a later one was refused, and the provider shows nothing."
        return review(row, ReasonCode.NEVER_APPEARED, why, at)
    if row.sent_at is not None and at - row.sent_at >= timedelta(seconds=conclusive_s) and row.reason is not None:
        return _fail(row, row.reason, "read", at, {"not_found_count": row.not_found_count})
    return later


def _final(row: PayoutRecord, outcome: Final, by: str, at: datetime) -> Decision:
    evidence = _evidence(outcome)
    if row.duplicate_unverified:
        evidence["adopted"] = True
    if outcome.reason is not None:
        return _fail(row, outcome.reason, by, at, evidence)
    if difference := differs(row, outcome.seen, whole=False):
        return review(_arrived(row), ReasonCode.MISMATCH, difference, at, evidence)
    after = _released(
        row,
        status=PayoutStatus.SUCCEEDED,
        first_sent_at=_first_sent_at(row),
        reason=None,
        decided_by=by,
        next_at=None,
    )
    return Decision(after, Event(EventName.PAYOUT_SUCCEEDED, at, evidence))


def _fail(row: PayoutRecord, reason: Reason, by: str, at: datetime, evidence: Mapping[str, Any]) -> Decision:
    reason = _clean(reason)
    after = _released(row, status=PayoutStatus.FAILED, reason=reason, decided_by=by, next_at=None)
    return Decision(after, Event(EventName.PAYOUT_FAILED, at, {"reason": str(reason), **evidence}))


def _pending(row: PayoutRecord, account: Account, outcome: Pending, at: datetime) -> Decision:
    if difference := differs(row, outcome.seen, whole=False):
        return review(_arrived(row), ReasonCode.MISMATCH, difference, at, _evidence(outcome))
    if row.status is PayoutStatus.REVIEW and (row.reason is None or row.reason.code not in _OPEN_TO_PENDING):
        return _read_later(row, account, at, Event(EventName.PAYOUT_READ, at, _evidence(outcome)))
    name = EventName.PAYOUT_READ if row.status is PayoutStatus.PENDING else EventName.PAYOUT_PENDING
    if row.duplicate_unverified and row.status is not PayoutStatus.PENDING:
        name = EventName.PAYOUT_ADOPTED
    pending = replace(row, status=PayoutStatus.PENDING, first_sent_at=_first_sent_at(row), reason=None)
    return _read_later(pending, account, at, Event(name, at, _evidence(outcome)))


def _unknown(row: PayoutRecord, account: Account, evidence: Mapping[str, Any], at: datetime) -> Decision:
    after = maybe_arrived(row, next_at=None)
    return _read_later(after, account, at, Event(EventName.PAYOUT_UNKNOWN, at, evidence))


def _read_later(row: PayoutRecord, account: Account, at: datetime, event: Event) -> Decision:
    """Ask again at the schedule's next moment, counted from the latest send; after the last one stop in REVIEW."""
    if row.status is PayoutStatus.REVIEW:
        return Decision(_released(row, next_at=None), event)  # a late answer made it due: it was looked at
    if row.status is PayoutStatus.SENDING:
        row = maybe_arrived(row, next_at=None)
    moment = max((begun for begun in (row.sent_at, row.reopened_at) if begun), default=row.updated_at)
    for wait_s in account.settings.poll_schedule_s:
        moment += timedelta(seconds=wait_s)
        if moment > at:
            return Decision(_released(row, next_at=moment), event)
    why = "The provider has given no final answer for as long as the schedule asks."
    if row.status is PayoutStatus.UNKNOWN and row.not_found_count:
        return review(row, ReasonCode.NEVER_APPEARED, _WHY_NOT_AGAIN, at, event.evidence)
    return review(row, ReasonCode.NO_FINAL_ANSWER, why, at, event.evidence)


def maybe_arrived(row: PayoutRecord, *, next_at: datetime | None) -> PayoutRecord:
    """Return the row of a payout of which a try may have arrived: unknown, and never again without that doubt."""
    return _released(
        row,
        status=PayoutStatus.UNKNOWN,
        ambiguous=True,
        first_sent_at=_first_sent_at(row),
        reason=None,
        next_at=next_at,
    )


def _lost(row: PayoutRecord, at: datetime) -> PayoutRecord:
    """Somebody has sent it, or may have, and the journal does not know when: at the latest now."""
    return replace(row, ambiguous=True, first_sent_at=_first_sent_at(row) or at)


def _arrived(row: PayoutRecord) -> PayoutRecord:
    return replace(row, first_sent_at=_first_sent_at(row))


def _first_sent_at(row: PayoutRecord) -> datetime | None:
    return row.first_sent_at or row.sent_at


def _released(row: PayoutRecord, **changes: Any) -> PayoutRecord:
    # One copy for all changes: a row has forty fields, and copying it is what a decision costs.
    return replace(row, lease_owner="", lease_until=None, **changes)


def _learned(row: PayoutRecord, references: Mapping[str, str]) -> PayoutRecord:
    # Ours are never overwritten by an answer: they are what the provider dedupes by. A reference is shown in full and
    # outlives the payee: one that holds the payee's own address is not stored.
    if row.payee_kind != "collection" and len(row.payee_value) >= LEAST_DIGITS:  # a shorter one stands in any number
        references = {name: value for name, value in references.items() if row.payee_value not in value}
    return replace(row, references={**references, **row.references})


def _clean(reason: Reason) -> Reason:
    return replace(reason, provider_code=scrub_code(reason.provider_code), text=scrub(reason.text))


def evidence_of(heard: CheckResult) -> dict[str, Any]:
    """Return what a read said, or why it said nothing, as the history keeps it."""
    return {"why": scrub(heard.why)} if isinstance(heard, NotSent | NoAnswer) else _evidence(heard)


def _evidence(outcome: Final | Pending | Duplicate | NotAccepted | Unknown | NotFound | Deferred) -> dict[str, Any]:
    told = {
        "http_status": outcome.http_status,
        "code": scrub_code(outcome.code),
        "text": scrub(outcome.text),
    }
    return {name: value for name, value in told.items() if value not in (None, "")}
