"""Which account an attempt was paid from: kept with it, and never changed but by another attempt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flat_records import START, changed

from payments_core.domain.errors import JournalError
from payments_core.domain.inbox_records import Arrival, Handling
from payments_core.domain.payout import Operation, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord, Query
from payments_core.engine.commands import ApplyTransition, TransitionApplied
from payments_core.engine.journal_protocol import Journal

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")
FAILED: dict[str, Any] = {"status": S.FAILED, "reason": NO, "decided_by": "read", "next_at": None}
Add = Callable[..., PayoutRecord]
Ask = Callable[[str], list[tuple[Any, ...]]]


def fail(journal: Journal, row: PayoutRecord) -> PayoutRecord:
    reply = journal.execute(ApplyTransition(row, changed(row, **FAILED), Event("payout.failed", START), publish=True))
    assert isinstance(reply, TransitionApplied), reply
    return reply.row


def test_account_is_kept_with_each_attempt(journal: Journal, add: Add, reissued: Add) -> None:
    """The row tells of the current one; what is due is asked for by that account."""
    row = fail(journal, add())
    row = reissued(row, account="mtn-ghana")
    assert journal.get(row.id).attempt.account == "mtn-ghana"  # type: ignore[union-attr]
    assert [kept.account for kept in journal.attempts(row.id)] == ["mtn-uganda"]
    assert journal.due(START, accounts=["mtn-uganda"], limit=5) == ()
    assert journal.due(START, accounts=["mtn-ghana"], limit=5) == (row,)
    row = reissued(fail(journal, row), account="mtn-benin")
    assert [kept.account for kept in journal.attempts(row.id)] == ["mtn-uganda", "mtn-ghana"]


def test_outbox_event_names_the_account_that_paid(journal: Journal, add: Add, ask: Ask, reissued: Add) -> None:
    row = reissued(fail(journal, add()), account="mtn-ghana")
    fail(journal, row)
    published = [(1, "mtn-uganda"), (2, "mtn-ghana"), (2, "mtn-ghana")]  # failed, reissued, failed
    assert ask("SELECT attempt, account FROM outbox ORDER BY no") == published


@pytest.mark.parametrize("status", [status for status in S if status is not S.SENDING])
def test_account_of_an_attempt_never_changes(journal: Journal, add: Add, status: S) -> None:
    """Whatever the payout's state: the same attempt stays where it is."""
    row = add(status=status, reason=NO, decided_by="read")
    with pytest.raises(JournalError, match="is paid from mtn-uganda alone"):
        journal.execute(ApplyTransition(row, changed(row, account="mtn-ghana"), Event("payout.rebound", START)))
    assert journal.get(row.id) == row


def test_refund_is_paid_from_the_account_that_collected(journal: Journal, add: Add, reissued: Add) -> None:
    """Whoever asks, and from the same account it may be paid again."""
    fields = {"operation": Operation.REFUND, "payee_kind": "collection", "payee_value": "c-1"}
    row = add(**FAILED, **fields, original_amount=Decimal(100))
    with pytest.raises(JournalError, match="is a refund and is paid from mtn-uganda"):
        reissued(row, account="mtn-ghana")
    assert journal.get(row.id) == row
    assert reissued(row).attempt.account == "mtn-uganda"


def test_query_belongs_to_the_account_it_was_sent_from(journal: Journal, add: Add, reissued: Add) -> None:
    """What comes to its path later is read, and its secrets taken out, by the provider that was asked."""
    row = add()
    asked = ApplyTransition(row, row, Event("payout.queried", START), asks=Query("hash-1", START))
    reply = journal.execute(asked)
    assert isinstance(reply, TransitionApplied)
    assert journal.asked("hash-1") == "mtn-uganda"
    row = reissued(fail(journal, reply.row), account="mtn-ghana")
    assert journal.asked("hash-1") == "mtn-uganda"
    assert journal.by_query("hash-1") == (row, 1)
    reply = journal.execute(ApplyTransition(row, row, Event("payout.queried", START), asks=Query("hash-2", START)))
    assert journal.asked("hash-2") == "mtn-ghana"


def called(journal: Journal, row: PayoutRecord, at: datetime) -> Any:
    """Let a callback be handled that is about a payout."""
    journal.receive(Arrival(account="mtn-uganda", query="", method="POST", at=at, encoded="{}")).result()
    number = journal.unhandled(accounts=["mtn-uganda"], limit=1)[0].no
    event = Event("callback.matched", at)
    return journal.handle(
        Handling(no=number, at=at, outcome="read due", details="{}", payout_id=row.id, proven=None, event=event)
    )


def test_callback_makes_a_check_due_before_an_unapproved_attempt(journal: Journal, add: Add, reissued: Add) -> None:
    """At most every five seconds; nothing else that waits to be sent is touched, so nothing is ever sent sooner."""
    needs: dict[str, Any] = {"reason": Reason(ReasonCode.NEEDS_APPROVAL), "next_at": None}
    at, later = START + timedelta(minutes=1), {"next_at": START + timedelta(hours=1)}
    untouched = [add("first", **needs), reissued(fail(journal, add("backoff")), account="mtn-ghana", **later)]
    for row in untouched:
        assert not called(journal, row, at).made_due
        assert journal.get(row.id) == row
    row = reissued(fail(journal, add()), account="mtn-ghana")
    reply = journal.execute(ApplyTransition(row, changed(row, **needs), Event("payout.needs_approval", at)))
    assert isinstance(reply, TransitionApplied)
    assert called(journal, reply.row, at + timedelta(seconds=1)).made_due
    made_due = journal.get(row.id)
    assert made_due is not None
    assert (made_due.schedule.next_at, made_due.schedule.callback_read_at) == (at + timedelta(seconds=5), None)
    assert not called(journal, row, at + timedelta(seconds=2)).made_due
