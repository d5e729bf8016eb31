"""What decisions are made of: the record that follows, its event, and the rules that every transition keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from payments_core.domain.causes import DecidedBy
from payments_core.domain.events import EventName
from payments_core.domain.masking import LEAST_DIGITS, scrub, scrub_code
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import AttemptRecord, Event, Lease, Pause, PayoutRecord
from payments_core.engine.provider_calls import CheckResult
from payments_core.http.messages import NoAnswer, NotSent
from payments_core.provider import (
    Account,
    Deferred,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    Unknown,
)

__all__ = [
    "LEAST_NOT_FOUND",
    "MOST_SUBMISSIONS",
    "NOT_SAFE_AGAIN",
    "Decision",
    "arrived",
    "arrived_attempt",
    "clean_reason",
    "evidence",
    "evidence_of",
    "fail",
    "first_sent_at",
    "maybe_arrived",
    "maybe_lost",
    "next_read_at",
    "no_final_answer",
    "read_later",
    "review",
    "with_references",
    "with_status",
]

MOST_SUBMISSIONS = 5
LEAST_NOT_FOUND = 3
_NO_LEASE = Lease()
NOT_SAFE_AGAIN = "It may have arrived, the provider does not show it, and sending again is not proven safe any more."


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


def review(
    row: PayoutRecord, code: ReasonCode, why: str, at: datetime, evidence: Mapping[str, Any] | None = None
) -> Decision:
    """Move the payout to REVIEW: only a read or a person moves it again."""
    after = with_status(row, PayoutStatus.REVIEW, Reason(code, text=why), next_at=None)
    return Decision(after, Event(EventName.PAYOUT_REVIEW, at, {"why": why, **(evidence or {})}))


def fail(row: PayoutRecord, reason: Reason, by: DecidedBy, at: datetime, evidence: Mapping[str, Any]) -> Decision:
    """End the attempt as FAILED: no money moved, and none will under this attempt."""
    reason = clean_reason(reason)
    after = with_status(row, PayoutStatus.FAILED, reason, next_at=None, decided_by=by)
    return Decision(after, Event(EventName.PAYOUT_FAILED, at, {"reason": str(reason), **evidence}))


def read_later(row: PayoutRecord, account: Account, at: datetime, event: Event) -> Decision:
    """Read again at the schedule's next time, counted from the latest submission; after the last one, REVIEW."""
    if row.status is PayoutStatus.REVIEW:
        return Decision(with_status(row, row.status, row.reason, next_at=None), event)  # a late answer made it due
    if row.status is PayoutStatus.SENDING:
        row = maybe_arrived(row, next_at=None)
    if (next_at := next_read_at(row, account, at)) is not None:
        return Decision(with_status(row, row.status, row.reason, next_at=next_at), event)
    if row.status is PayoutStatus.UNKNOWN and row.schedule.not_found_count:
        return review(row, ReasonCode.NEVER_APPEARED, NOT_SAFE_AGAIN, at, event.evidence)
    return no_final_answer(row, at, event.evidence)


def next_read_at(row: PayoutRecord, account: Account, at: datetime) -> datetime | None:
    """Return the schedule's next time, counted from the latest submission; None after its last one."""
    moment = max(filter(None, (row.attempt.sent_at, row.schedule.reopened_at)), default=row.updated_at)
    for wait_s in account.settings.poll_schedule_s:
        moment += timedelta(seconds=wait_s)
        if moment > at:
            return moment
    return None


def no_final_answer(row: PayoutRecord, at: datetime, evidence: Mapping[str, Any]) -> Decision:
    """Move the payout to REVIEW as its schedule has ended."""
    why = "The provider has given no final answer for as long as the schedule asks."
    return review(row, ReasonCode.NO_FINAL_ANSWER, why, at, evidence)


def maybe_arrived(row: PayoutRecord, *, next_at: datetime | None) -> PayoutRecord:
    """Return the record of an attempt whose submission may have arrived: UNKNOWN, and ambiguous for ever."""
    attempt = replace(row.attempt, ambiguous=True, first_sent_at=first_sent_at(row))
    return with_status(row, PayoutStatus.UNKNOWN, None, next_at=next_at, attempt=attempt)


def maybe_lost(row: PayoutRecord, at: datetime) -> PayoutRecord:
    """Return the record of an attempt that may have been sent at a time the journal lost: at the latest now."""
    return replace(row, attempt=replace(row.attempt, ambiguous=True, first_sent_at=first_sent_at(row) or at))


def arrived(row: PayoutRecord) -> PayoutRecord:
    """Return the record of an attempt that the provider has."""
    return replace(row, attempt=arrived_attempt(row))


def arrived_attempt(row: PayoutRecord) -> AttemptRecord:
    """Return the attempt of a record as the provider has it."""
    attempt = row.attempt
    return attempt if attempt.first_sent_at else replace(attempt, first_sent_at=attempt.sent_at)


def first_sent_at(row: PayoutRecord) -> datetime | None:
    """Return when the first submission left that may have arrived."""
    return row.attempt.first_sent_at or row.attempt.sent_at


def with_status(
    row: PayoutRecord,
    status: PayoutStatus,
    reason: Reason | None,
    *,
    next_at: datetime | None,
    attempt: AttemptRecord | None = None,
    decided_by: str | None = None,
) -> PayoutRecord:
    """Return the record in a status, without its lease: made in one piece, as every payout comes here.

    Args:
        row: As it was.
        status: What it is in now.
        reason: Why, when there is something to explain.
        next_at: When it is due; None for never.
        attempt: What its attempt is now; None for as it was.
        decided_by: What decided a final state; None for as it was.

    """
    return replace(
        row,
        status=status,
        reason=reason,
        attempt=row.attempt if attempt is None else attempt,
        schedule=replace(row.schedule, next_at=next_at),
        lease=_NO_LEASE,
        decided_by=row.decided_by if decided_by is None else decided_by,
    )


def with_references(row: PayoutRecord, references: Mapping[str, str]) -> PayoutRecord:
    """Return the record with references that the provider gave; ours are never replaced."""
    if not references:
        return row
    # Ours are never overwritten by an answer: they are what the provider dedupes by. A reference is shown in full and
    # outlives the payee: one that holds the payee's own address is not stored.
    payee = row.order.payee
    if payee.kind != "collection" and len(payee.value) >= LEAST_DIGITS:  # a shorter one stands in any number
        references = {name: value for name, value in references.items() if payee.value not in value}
    return replace(row, attempt=replace(row.attempt, references={**references, **row.attempt.references}))


def clean_reason(reason: Reason) -> Reason:
    """Return a reason whose outside text is masked and cut."""
    return Reason(reason.code, scrub_code(reason.provider_code), scrub(reason.text), reason.settling_h)


def evidence_of(result: CheckResult) -> dict[str, Any]:
    """Return what a read reported, or why it failed, as the history keeps it."""
    return {"why": scrub(result.why)} if isinstance(result, NotSent | NoAnswer) else evidence(result)


def evidence(outcome: Final | Pending | Duplicate | NotAccepted | Unknown | NotFound | Deferred) -> dict[str, Any]:
    """Return what of an outcome goes into the history."""
    fields = {
        "http_status": outcome.http_status,
        "code": scrub_code(outcome.code),
        "text": scrub(outcome.text),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}
