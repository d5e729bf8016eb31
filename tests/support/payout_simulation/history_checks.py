"""What the histories say when all has come to rest: what cannot be, and what became of every doubt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from payments_core.domain.events import EventName
from payments_core.domain.payout import HistoryEntry, Payout, PayoutStatus

__all__ = ["Doubts", "doubts_of", "faults_of"]

_S = PayoutStatus
_DOUBTS = {EventName.PAYOUT_UNKNOWN, EventName.PAYOUT_DUPLICATE, EventName.PAYOUT_LEASE_EXPIRED}
_BEGINS = {EventName.PAYOUT_REISSUED, EventName.PAYOUT_REOPENED}
_ABSENT = {EventName.PAYOUT_NOT_FOUND, EventName.PAYOUT_RESEND}
_BY_A_READ = {"read", "result_callback"}
_LONGEST = timedelta(hours=72)
_LEAST_NOT_FOUND = 3


@dataclass(slots=True)
class Doubts:
    """What became of the doubts about one payout.

    Args:
        found: What must not be: the rule, and what was seen.
        count: How many attempts were in doubt; what a person reopens counts anew.
        ended: How many of them ended, or stopped in REVIEW, in time.
        by_timer: How many failed without anybody having said so.
        longest_s: The longest, in seconds since the latest send.

    """

    found: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0
    ended: int = 0
    by_timer: int = 0
    longest_s: float = 0.0


def faults_of(payout: Payout) -> list[tuple[str, str]]:
    """Return what a history says that cannot be: the rule, and what was seen."""
    history, found = payout.history, []
    if [entry.seq for entry in history] != list(range(1, len(history) + 1)):
        found.append(("a history has a gap", str([entry.seq for entry in history])))
    if history[0].event != EventName.PAYOUT_CREATED or history[-1].status is not payout.status:
        found.append(("a history does not tell where it stands", f"{history[-1].status}, {payout.status}"))
    if (result := sum(entry.event == EventName.PAYOUT_CONTRADICTED for entry in history)) != len(payout.contradictions):
        found.append(("a contradiction was forgotten", f"{result} in the history, {len(payout.contradictions)} kept"))
    submissions = 0
    for before, after in pairwise(history):
        again = after.event == EventName.PAYOUT_REISSUED
        submissions = 0 if again else submissions + (after.event == EventName.PAYOUT_SENDING)
        if after.submissions != submissions:
            found.append(
                ("a try is not in the history", f"{after.event} counts {after.submissions} after {submissions}")
            )
        if after.attempt != before.attempt + again:
            found.append(("an attempt is not in the history", f"{after.event} of attempt {after.attempt}"))
        left = before.status.is_final and after.status is not before.status
        if left and not (again and before.status is _S.FAILED):
            found.append(("an end was left", f"{before.status} became {after.status}"))
    return found


def doubts_of(payout: Payout, visible_after_s: float) -> Doubts:
    """Follow each doubt: three absences before it is sent again, an end by a read or REVIEW, and that in 72 hours."""
    result = Doubts()
    for part in _parts(payout.history):
        _follow(result, part, timedelta(seconds=visible_after_s))
    return result


def _parts(history: tuple[HistoryEntry, ...]) -> Iterator[list[HistoryEntry]]:
    """Yield a history in parts: another attempt begins anew, and so does the schedule of what a person reopens."""
    part: list[HistoryEntry] = []
    for entry in history:
        if entry.event in _BEGINS and part:
            yield part
            part = []
        part.append(entry)
    yield part


def _follow(payload: Doubts, part: list[HistoryEntry], visible_after: timedelta) -> None:
    doubt, since = False, part[0].at
    not_found_count: list[datetime] = []
    for entry in part:
        if entry.event in _ABSENT:
            not_found_count.append(entry.at)
        elif entry.event == EventName.PAYOUT_SENDING:
            # What is established stays so: a clock that is set back dates what is heard later before it.
            waited = (
                max(not_found_count[_LEAST_NOT_FOUND - 1 :]) - not_found_count[0]
                if len(not_found_count) >= _LEAST_NOT_FOUND
                else None
            )
            if doubt and (waited is None or waited < visible_after):
                payload.found.append(("sent again too soon", f"after {len(not_found_count)} absences over {waited}"))
            not_found_count, since = [], entry.at
        if doubt and (entry.status.is_final or entry.status is _S.REVIEW):
            _ended(payload, entry, entry.at - since)
            return
        if entry.event in _DOUBTS or entry.status is _S.UNKNOWN:
            payload.count += not doubt
            doubt = True


def _ended(payload: Doubts, entry: HistoryEntry, took: timedelta) -> None:
    payload.longest_s = max(payload.longest_s, took.total_seconds())
    if took > _LONGEST:
        payload.found.append(("in doubt for too long", str(took)))
    else:
        payload.ended += 1
    if entry.status is _S.FAILED and entry.decided_by not in _BY_A_READ:
        payload.by_timer += 1
        payload.found.append(("doubt was not ended by a read", f"{entry.event} by {entry.decided_by}"))
