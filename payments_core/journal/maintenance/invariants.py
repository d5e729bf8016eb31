"""What is true of every payout that this library has written, one rule to a function: pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from payments_core.domain.budgets import holds_nothing
from payments_core.domain.deliveries import PayoutEvent
from payments_core.domain.events import EventName
from payments_core.domain.payout import HistoryEntry, Operation, PayoutStatus
from payments_core.domain.records import EndedAttempt, PayoutRecord
from payments_core.domain.references import payout_id

__all__ = ["Stored", "broken"]

_S = PayoutStatus

# What may follow in a history, within an attempt. A final state is left by a reversal only.
_FOLLOWS: Mapping[PayoutStatus, frozenset[PayoutStatus]] = {
    _S.CREATED: frozenset({_S.CREATED, _S.SENDING, _S.REVIEW, _S.FAILED, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.SENDING, _S.CREATED, _S.PENDING, _S.UNKNOWN, _S.REVIEW, _S.SUCCEEDED, _S.FAILED}),
    _S.PENDING: frozenset({_S.PENDING, _S.REVIEW, _S.SUCCEEDED, _S.FAILED}),
    _S.UNKNOWN: frozenset({_S.UNKNOWN, _S.SENDING, _S.PENDING, _S.REVIEW, _S.SUCCEEDED, _S.FAILED}),
    _S.REVIEW: frozenset({_S.REVIEW, _S.CREATED, _S.UNKNOWN, _S.PENDING, _S.SUCCEEDED, _S.FAILED, _S.CANCELLED}),
    _S.SUCCEEDED: frozenset({_S.SUCCEEDED, _S.REVERSED}),
    _S.FAILED: frozenset({_S.FAILED}),
    _S.CANCELLED: frozenset({_S.CANCELLED}),
    _S.REVERSED: frozenset({_S.REVERSED}),
}
# Entries that were added without a move of the row: all others have counted its version up by one.
_NOTES = frozenset(
    {
        EventName.PAYOUT_LATE_RESULT,
        EventName.PAYOUT_CONTRADICTED,
        EventName.PAYOUT_ACKNOWLEDGED,
        EventName.PAYOUT_CHECKED,
        EventName.CALLBACK_MATCHED,
    }
)
# Entries that have an event for the application, beside those of a final state.
_PUBLISHED = frozenset({EventName.PAYOUT_REVIEW, EventName.PAYOUT_CONTRADICTED, EventName.PAYOUT_REISSUED})


# What stands after payout and number in the id of an event, once the journal was restored: a word that was drawn then,
# or, of an older version, a count.
_EVENT_ID = re.compile(r"(\.r([a-z]+|\d+))?")
# Of a restored journal: an unsent payout is asked about, and as unsent as before when nothing is found.
_CHECKED_FIRST = "payout.checked_first"


class Stored(NamedTuple):
    """A payout with everything that hangs on it.

    Args:
        row: The payout.
        history: By number.
        attempts: By number.
        events: By number.
        approvals: Attempt and fingerprint of each.

    """

    row: PayoutRecord
    history: Sequence[HistoryEntry]
    attempts: Sequence[EndedAttempt]
    events: Sequence[PayoutEvent]
    approvals: Sequence[tuple[int, str]]

    def paid_from(self, attempt: int) -> str:
        """Return the account of an attempt, the current one included."""
        return next((one.account for one in self.attempts if one.number == attempt), self.row.attempt.account)


Broken: TypeAlias = Iterator[tuple[str, str]]


def broken(stored: Stored, namespace: str) -> Broken:
    """Yield each rule that a payout breaks, with what was seen.

    Args:
        stored: The payout.
        namespace: The installation's.

    """
    yield from _identity(stored, namespace)
    yield from _requests(stored)
    yield from _chain(stored)
    yield from _last_entry(stored)
    yield from _attempts(stored)
    yield from _outbox(stored)
    yield from _contradictions(stored)
    yield from _standing(stored)


def _identity(stored: Stored, namespace: str) -> Broken:
    row, order = stored.row, stored.row.order  # which refuses an impossible order
    if (derived := payout_id(namespace, row.order.key)) != row.id:
        yield "identity", f"its key gives the id {derived}"
    if row.erased_at is None and order.fingerprint != row.fingerprint:
        yield "fingerprint", "payee, amount, operation or options are not those that were accepted"
    for attempt, fingerprint in stored.approvals:
        if attempt > row.attempt.number or fingerprint != row.fingerprint:
            yield "approval", f"attempt {attempt} was approved as another payment"


def _requests(stored: Stored) -> Broken:
    """Compare the requests with their hashes; of an erased payout only the hashes are left."""
    row = stored.row
    if row.erased_at is not None:
        if row.status not in _FINALS:
            yield "erased", f"its payee was erased although it is {row.status}"
        if row.order.note or row.order.metadata or row.order.options:
            yield "erased", "its payee was erased, and note, metadata or options are left"
        return
    for number, request, wanted in [
        *((one.number, one.request, one.request_hash) for one in stored.attempts),
        (row.attempt.number, row.attempt.request, row.attempt.request_hash),
    ]:
        if hashlib.sha256(request.encode()).hexdigest() != wanted:
            yield "request", f"the stored request of attempt {number} is not the one that its hash was made of"


_FINALS = frozenset(status for status in PayoutStatus if status.is_final)


def _chain(stored: Stored) -> Broken:
    history = stored.history
    if [entry.seq for entry in history] != list(range(1, len(history) + 1)):
        yield (
            "history",
            f"its entries are numbered {', '.join(str(entry.seq) for entry in history[:20]) or 'not at all'}",
        )
    if not history:
        return
    first = history[0]
    if (first.status, first.attempt, first.submissions) != (_S.CREATED, 1, 0):
        yield "history", f"it begins as {first.status}, attempt {first.attempt}, {first.submissions} submissions"
    is_checked_first = False
    for before, after in pairwise(history):
        is_checked_first = after.event == _CHECKED_FIRST or (
            is_checked_first and after.event != EventName.PAYOUT_SENDING
        )
        yield from _step(before, after, is_checked_first=is_checked_first)


def _step(before: HistoryEntry, after: HistoryEntry, *, is_checked_first: bool) -> Broken:
    begins = after.event == EventName.PAYOUT_REISSUED
    if begins:
        is_next = (after.attempt, after.submissions, after.status) == (before.attempt + 1, 0, _S.CREATED)
        if before.status != _S.FAILED or not is_next:
            yield "history", f"entry {after.seq} begins an attempt that is not the next of one that failed"
        return
    asked = is_checked_first and {before.status, after.status} == {_S.CREATED, _S.UNKNOWN}
    if not asked and after.status not in _FOLLOWS[before.status]:
        yield "history", f"entry {after.seq} makes it {after.status} after {before.status}"
    sent = after.event == EventName.PAYOUT_SENDING
    if (after.attempt, after.submissions) != (before.attempt, before.submissions + sent):
        yield "history", f"entry {after.seq} counts attempt {after.attempt} and submission {after.submissions} wrongly"


def _last_entry(stored: Stored) -> Broken:
    row, history = stored.row, stored.history
    if not history:
        return
    last = history[-1]
    for what, ours, theirs in (
        ("status", row.status, last.status),
        ("attempt", row.attempt.number, last.attempt),
        ("number of submissions", row.attempt.submissions, last.submissions),
    ):
        if ours != theirs:
            yield "last entry", f"its {what} is {ours}, and {theirs} in the last entry of its history"
    moves = [entry for entry in history[1:] if entry.event not in _NOTES]
    if row.version != len(moves):
        yield "version", f"its version is {row.version}, and it was moved {len(moves)} times"
    if row.updated_at != (moves[-1] if moves else history[0]).at:
        yield "last entry", "it was moved at another moment than the last move in its history"


def _attempts(stored: Stored) -> Broken:
    row, ended = stored.row, stored.attempts
    numbers = [one.number for one in ended]
    if numbers != list(range(1, row.attempt.number)):
        kept = ", ".join(map(str, numbers)) or "none"
        yield "attempts", f"it is at attempt {row.attempt.number}, and of those before {kept} are kept"
    accounts = {stored.paid_from(number) for number in (*numbers, row.attempt.number)}
    if row.order.operation is Operation.REFUND and len(accounts) > 1:
        yield "attempts", f"it is a refund, and was paid from {' and '.join(sorted(accounts))}"
    hashes = [*(one.request_hash for one in ended), row.attempt.request_hash]
    if len(set(hashes)) != len(hashes):
        yield "attempts", "two of its attempts are the same request"
    counted = {entry.attempt: entry.submissions for entry in stored.history}
    for one in ended:
        if one.submissions != counted.get(one.number, one.submissions):
            yield (
                "attempts",
                f"attempt {one.number} had {one.submissions} submissions, and {counted[one.number]} in the history",
            )
        if one.ambiguous and one.first_sent_at is None:
            yield "doubt", f"attempt {one.number} may have arrived, and it is not known since when"


def _outbox(stored: Stored) -> Broken:
    row, entries = stored.row, {entry.seq: entry for entry in stored.history}
    published = {event.seq for event in stored.events}
    before = ""
    for entry in stored.history:
        ended = entry.status in _FINALS and entry.status != before
        before = entry.status
        if (ended or entry.event in _PUBLISHED) and entry.seq not in published:
            yield "outbox", f"entry {entry.seq} ({entry.status}) has no event"
    for event in stored.events:
        entry_of = entries.get(event.seq)
        if entry_of is None:
            yield "outbox", f"event {event.id} belongs to no entry of its history"
        elif not _EVENT_ID.fullmatch(event.id.removeprefix(f"{row.id}.{event.seq}")) or (
            (event.key, event.account, event.status, event.attempt, event.at)
            != (row.order.key, stored.paid_from(entry_of.attempt), entry_of.status, entry_of.attempt, entry_of.at)
        ):
            yield "outbox", f"event {event.id} differs from entry {event.seq}"


def _contradictions(stored: Stored) -> Broken:
    """Hold what is kept of contradictions against the history, and against when the payout says it waits."""
    kept = stored.row.contradictions
    for what, event, moments in (
        ("contradicted", EventName.PAYOUT_CONTRADICTED, [one.at for one in kept]),
        ("acknowledged", EventName.PAYOUT_ACKNOWLEDGED, {one.acknowledged_at for one in kept if one.acknowledged_at}),
    ):
        theirs = sorted(entry.at for entry in stored.history if entry.event == event)
        if sorted(moments) != theirs:
            yield "contradiction", f"{len(moments)} times it was {what}, and {len(theirs)} times in its history"
    if stored.row.contradicted_at != min((one.at for one in kept if one.is_open), default=None):
        yield "contradiction", f"it waits for a person since {stored.row.contradicted_at or 'never'}"


def _standing(stored: Stored) -> Broken:
    """Check its lease, when it is due, and what is in doubt."""
    row = stored.row
    if row.status is _S.SENDING:
        if (
            row.lease.until is None
            or row.attempt.sent_at is None
            or row.lease.until <= row.attempt.sent_at
            or not row.lease.owner
        ):
            yield "lease", "it is SENDING without a lease"
    elif row.lease.until is not None or row.lease.owner:
        yield "lease", f"it is {row.status}, and {row.lease.owner or 'a process'} still holds its lease"
    if row.status in {_S.SENDING, _S.PENDING, _S.UNKNOWN} and row.schedule.next_at is None:
        yield "stranded", f"it is {row.status}, and nothing will ever look at it again"
    if row.schedule.rechecks_left and (row.status is not _S.FAILED or row.schedule.next_at is None):
        yield (
            "stranded",
            f"it is {row.status}, is to be checked again {row.schedule.rechecks_left} times, and never will be",
        )
    if row.attempt.ambiguous and row.attempt.first_sent_at is None:  # the submissions of what is adopted may be lost
        yield "doubt", "it may have arrived, and it is not known since when"
    if row.status is _S.UNKNOWN and not (row.attempt.ambiguous or row.attempt.duplicate_unverified):
        yield "doubt", "it is UNKNOWN, and nothing of it may have arrived"
    if row.attempt.ambiguous and row.status is _S.CREATED:
        yield "doubt", "it may have arrived, and waits to be sent"
    if bool(row.attempt.submissions) != (row.attempt.sent_at is not None):
        yield "doubt", f"it had {row.attempt.submissions} submissions, and was sent {row.attempt.sent_at or 'never'}"
    if row.status is _S.CANCELLED and (row.attempt.ambiguous or row.attempt.first_sent_at is not None):
        yield "doubt", "it is CANCELLED, and may have arrived"
    if row.attempt.budgets and holds_nothing(row):
        yield "budget", f"it is {row.status}, and holds an amount of {', '.join(row.attempt.budgets)}"
    if row.status in _FINALS and not row.decided_by:
        yield "end", f"it is {row.status}, and it is not known who decided so"
    if row.status in {_S.FAILED, _S.REVIEW} and row.reason is None:
        yield "end", f"it is {row.status}, and it is not known why"
