"""Further attempts, their approvals and what stands in their way: kept where a payout is moved."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flat_records import START, changed, next_attempt

from payments_core.domain.errors import JournalError
from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Approval, EndedAttempt, Event, Pause, PayoutRecord
from payments_core.engine.commands import (
    AccountPaused,
    AppendHistory,
    ApplyTransition,
    Contradicted,
    CreateAttempt,
    LoadAttempts,
    LoadedAttempts,
    NotApproved,
    OverRefunded,
    Stale,
    TransitionApplied,
)
from payments_core.engine.journal_protocol import Journal

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")
Add = Callable[..., PayoutRecord]
Moving = Callable[[ApplyTransition], PayoutRecord]
Ask = Callable[[str], list[tuple[Any, ...]]]


def event(name: str = "payout.reissued", seconds: float = 0) -> Event:
    return Event(name, START + timedelta(seconds=seconds), {"actor": "Ann"})


@pytest.fixture
def failed(add: Add) -> Add:
    """Write a payout that failed after two submissions, of which one was ambiguous."""

    def make(name: str = "one", **changes: Any) -> PayoutRecord:
        fields = {
            "status": S.FAILED,
            "reason": NO,
            "decided_by": "read",
            "submissions": 2,
            "refusals": 1,
            "ambiguous": True,
            "guards_passed": True,
            "first_sent_at": START,
            "sent_at": START,
            "next_at": None,
            "request": '{"a":1}',
        }
        return add(name, **(fields | changes))

    return make


def test_attempt_that_ended_is_kept_when_the_next_begins(
    journal: Journal, failed: Add, ask: Ask, reissued: Add
) -> None:
    """A new attempt begins with nothing of the one before, which stays readable for good."""
    row = failed()
    kept = EndedAttempt.of(row)
    after = reissued(row)

    assert (after.status, after.attempt.number, after.version) == (S.CREATED, 2, row.version + 1)
    assert journal.get(row.id) == after
    assert journal.attempts(row.id) == (kept,)
    last = journal.history(row.id)[-1]
    assert (last.event, last.status, last.attempt, last.evidence) == ("payout.reissued", S.CREATED, 2, {"actor": "Ann"})
    assert ask("SELECT status, attempt, account FROM outbox") == [("CREATED", 2, after.attempt.account)]
    assert journal.due(START, accounts=[row.attempt.account], limit=5) == (after,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attempt": 1}, "cannot begin attempt 1"),
        ({"attempt": 3}, "cannot begin attempt 3"),
        ({"submissions": 2}, "cannot begin with the submissions"),
        ({"ambiguous": True, "first_sent_at": START}, "cannot begin with the first_sent_at, ambiguous"),
        ({"guards_passed": True}, "cannot begin with the guards_passed"),
        ({"status": S.SENDING}, "cannot begin with the status"),
        ({"amount": Decimal(99)}, "cannot change its amount"),
        ({"request_hash": "0" * 64}, "has the request of an earlier one"),
    ],
)
def test_attempt_that_breaks_a_rule_is_refused(
    journal: Journal, failed: Add, changes: dict[str, Any], words: str
) -> None:
    """Numbers follow each other, nothing of the attempt before is left, the intent stays, and no request comes back."""
    row = failed()
    with pytest.raises(JournalError, match=words):
        journal.execute(CreateAttempt(row, next_attempt(row, **changes), event()))
    assert journal.get(row.id) == row
    assert journal.attempts(row.id) == ()


def test_request_of_any_earlier_attempt_is_refused(journal: Journal, failed: Add, moved: Moving, reissued: Add) -> None:
    row = reissued(failed())
    row = moved(ApplyTransition(row, replace(row, status=S.FAILED), event("payout.failed")))
    with pytest.raises(JournalError, match="has the request of an earlier one"):
        journal.execute(CreateAttempt(row, next_attempt(row, request_hash="0" * 64), event()))
    assert [kept.number for kept in journal.attempts(reissued(row).id)] == [1, 2]


@pytest.mark.parametrize("status", [status for status in S if status not in {S.FAILED, S.SENDING}])
def test_attempt_begins_only_after_a_failure(journal: Journal, failed: Add, status: PayoutStatus) -> None:
    row = failed(status=status)
    with pytest.raises(JournalError, match="only what failed"):
        journal.execute(CreateAttempt(row, next_attempt(row), event()))


def test_attempt_begins_once_when_several_callers_ask(
    journal: Journal, failed: Add, open_one: Callable[[], Journal]
) -> None:
    """However many ask at once, one attempt begins, and the others hear of it."""
    row = failed()
    journals = [journal, *(open_one() for _ in range(3))]
    entry = CreateAttempt(row, next_attempt(row), event())
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda one: one.execute(entry), journals))

    assert sorted(type(reply).__name__ for reply in replies) == ["Stale", "Stale", "Stale", "TransitionApplied"]
    after = journal.get(row.id)
    assert all(reply.row == after for reply in replies if isinstance(reply, TransitionApplied | Stale))
    assert len(journal.attempts(row.id)) == 1


def test_attempt_is_refused_after_a_contradiction(journal: Journal, failed: Add) -> None:
    row = failed()
    journal.execute(AppendHistory(row.id, Event(EventName.PAYOUT_CONTRADICTED, START)))
    assert journal.execute(CreateAttempt(row, next_attempt(row), event())) == Contradicted()
    assert journal.get(row.id) == row


def test_contradiction_stops_the_next_attempt_before_its_first_byte(
    journal: Journal, failed: Add, reissued: Add
) -> None:
    """A read that finds an earlier attempt paid stops every later send, whoever is just about to make it."""
    row = reissued(failed())
    journal.execute(AppendHistory(row.id, Event(EventName.PAYOUT_CONTRADICTED, START)))
    sending = ApplyTransition(row, changed(row, status=S.SENDING, submissions=1), event("payout.sending"))
    assert journal.execute(sending) == Contradicted()
    assert journal.get(row.id) == row


def test_contradiction_does_not_stop_a_first_attempt(journal: Journal, add: Add, moved: Moving) -> None:
    """A first attempt has none before it."""
    row = add()
    journal.execute(AppendHistory(row.id, Event(EventName.PAYOUT_CONTRADICTED, START)))
    moved(ApplyTransition(row, changed(row, status=S.SENDING, submissions=1), event("payout.sending")))


def test_refund_ceiling_is_checked_for_each_attempt(journal: Journal, failed: Add, add: Add, reissued: Add) -> None:
    """What a failed refund gave free may be refunded by now; its own share does not count against it."""
    fields: dict[str, Any] = {"operation": Operation.REFUND, "payee_kind": "collection", "payee_value": "c-1"}
    fields["original_amount"] = Decimal(10)
    settling = Reason(ReasonCode.NOT_COMPLETED, settling_h=1)
    two = failed("two", amount=Decimal(5), **fields)
    one = failed("one", amount=Decimal(6), reason=settling, **fields)
    other = CreateAttempt(two, next_attempt(two), event())
    assert journal.execute(other) == OverRefunded(Decimal(6), Money("10", "EUR"))
    reissued(one)
    assert journal.execute(other) == OverRefunded(Decimal(6), Money("10", "EUR"))


def test_loaded_attempts_have_approval_and_contradiction(
    journal: Journal, failed: Add, moved: Moving, reissued: Add
) -> None:
    row = failed()
    kept = EndedAttempt.of(row)
    assert journal.execute(LoadAttempts(row.id)) == LoadedAttempts()
    row = reissued(row)
    approval = Approval("Ben", "checked", START)
    row = moved(ApplyTransition(row, row, event("payout.approved"), approves=approval))
    assert journal.execute(LoadAttempts(row.id)) == LoadedAttempts(attempts=(kept,), approval=approval)
    row = moved(ApplyTransition(row, changed(row, status=S.SENDING, submissions=1), event("payout.sending")))
    row = moved(ApplyTransition(row, replace(row, status=S.PENDING), event("payout.pending")))
    journal.execute(AppendHistory(row.id, Event(EventName.PAYOUT_CONTRADICTED, START)))
    recalled = journal.execute(LoadAttempts(row.id))
    assert recalled == LoadedAttempts(attempts=(kept,), contradicted=True, was_taken=True, approval=approval)
    with pytest.raises(JournalError, match="no payout po_none"):
        journal.execute(LoadAttempts("po_none"))


# --- approvals ---


def sending(row: PayoutRecord) -> ApplyTransition:
    after = changed(row, status=S.SENDING, submissions=row.attempt.submissions + 1)
    return ApplyTransition(row, after, event("payout.sending"), needs_approval=True)


def test_payout_that_needs_an_approval_is_not_sent_without_one(journal: Journal, add: Add, moved: Moving) -> None:
    """The commit before the first byte looks for it, whatever was believed before."""
    row = add()
    assert journal.execute(sending(row)) == NotApproved()
    assert journal.get(row.id) == row
    row = moved(ApplyTransition(row, row, event("payout.approved"), approves=Approval("Ben", "checked", START)))
    assert journal.approval(row.id, 1) == Approval("Ben", "checked", START)
    moved(sending(row))


def test_approval_holds_for_one_attempt(journal: Journal, failed: Add, add: Add, moved: Moving, reissued: Add) -> None:
    """Who approved an attempt that failed has not approved the next one."""
    row = add()
    row = moved(ApplyTransition(row, row, event("payout.approved"), approves=Approval("Ben", "checked", START)))
    row = moved(ApplyTransition(row, replace(row, status=S.FAILED), event("payout.failed")))
    row = reissued(row)
    assert journal.approval(row.id, 2) is None
    assert journal.execute(sending(row)) == NotApproved()


def test_approval_holds_for_one_fingerprint(journal: Journal, add: Add, moved: Moving, ask: Ask) -> None:
    """Under another fingerprint it is none."""
    row = add()
    row = moved(ApplyTransition(row, row, event("payout.approved"), approves=Approval("Ben", "checked", START)))
    ask("UPDATE approvals SET fingerprint = 'another'")
    assert journal.execute(sending(row)) == NotApproved()


def test_approval_is_refused_unless_the_payout_waits_to_be_sent(journal: Journal, failed: Add) -> None:
    row = failed()
    with pytest.raises(JournalError, match="only what waits to be sent"):
        journal.execute(ApplyTransition(row, row, event(), approves=Approval("Ben", "checked", START)))


def test_approval_lifts_no_pause(journal: Journal, add: Add, moved: Moving) -> None:
    row = add()
    row = moved(ApplyTransition(row, row, event("payout.approved"), approves=Approval("Ben", "checked", START)))
    journal.set_pause(Pause(None, START, "stop"))
    assert isinstance(journal.execute(sending(row)), AccountPaused)
