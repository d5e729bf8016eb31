"""How ``wait`` and ``resume`` go on: when they look again, when they end, and what is left then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from payments_core.domain.errors import PayoutInterrupted
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.runtime import Runtime

__all__ = [
    "MOMENT",
    "STEPS_AT_ONCE",
    "ResumeResult",
    "is_due",
    "is_settled",
    "next_look",
    "only_interrupted",
    "resume_result",
    "sleep_s",
]


@dataclass(frozen=True, slots=True)
class ResumeResult:
    """What a ``resume`` left behind.

    Args:
        steps: How often a payout was advanced.
        open: Payouts that still have steps to come.
        held: Of these, the ones that a pause keeps from being sent.
        review: Payouts that wait for a read or a person.
        next_at: When the next one is due; None when nothing is.
        contradicted: Payouts whose end their provider contradicts, which no person has acknowledged.

    """

    steps: int
    open: int
    held: int
    review: int
    next_at: datetime | None
    contradicted: int = 0


STEPS_AT_ONCE = 3  # send, duplicate, read: more than that is the schedule's work
MOMENT = timedelta(seconds=0.25)
_LONGEST_SLEEP_S = 1.0
_NOT_FINAL = tuple(status for status in PayoutStatus if not status.is_final)
_WAITS_S = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0)  # a waiting caller asks sooner than the schedule, but never faster than this


def is_due(row: PayoutRecord, at: datetime) -> bool:
    """Whether a payout has a step that is due now."""
    return row.schedule.next_at is not None and row.schedule.next_at <= at and row.status is not PayoutStatus.SENDING


def is_settled(row: PayoutRecord) -> bool:
    """Whether waiting for a payout can end: it is final, or waits for a person."""
    return row.status.is_final or row.status is PayoutStatus.REVIEW


def next_look(row: PayoutRecord, step: int, now: datetime) -> tuple[datetime, bool]:
    """Return when a waiting caller looks again, and whether it may then ask the provider before it is due."""
    soon = now + timedelta(seconds=_WAITS_S[min(step, len(_WAITS_S) - 1)])
    if row.status in {PayoutStatus.PENDING, PayoutStatus.UNKNOWN}:
        return min(soon, max(row.schedule.next_at or soon, now)), True
    return soon, False


def sleep_s(due_at: datetime, now: datetime) -> float:
    """Return how long ``resume`` may sleep: a callback can make something due sooner."""
    return min(max((due_at - now).total_seconds(), 0.0), _LONGEST_SLEEP_S)


def only_interrupted(runtime: Runtime, trouble: Mapping[str, PayoutInterrupted]) -> bool:
    """Whether every open payout is one that was interrupted."""
    return bool(trouble) and _open(runtime.journal.counts(_NOT_FINAL)) <= len(trouble)


def resume_result(
    runtime: Runtime, steps: int, trouble: Mapping[str, PayoutInterrupted], next_at: datetime | None
) -> ResumeResult:
    """Count what is left.

    Raises:
        PayoutInterrupted: The first of those that could not be worked on.

    """
    for error in trouble.values():
        raise error
    journal = runtime.journal
    counts = journal.counts(_NOT_FINAL)
    paused = {pause.account for pause in journal.pauses()}
    unsent = journal.counts_by_account([PayoutStatus.CREATED]) if paused else {}
    held = sum(count for (account, _), count in unsent.items() if {None, account} & paused)
    review = counts.get(PayoutStatus.REVIEW, 0)
    return ResumeResult(steps, _open(counts), held, review, next_at, journal.contradicted())


def _open(counts: Mapping[PayoutStatus, int]) -> int:
    return sum(count for status, count in counts.items() if not status.is_final and status is not PayoutStatus.REVIEW)
