"""Approvals as the engine sees them: what waits, what an approval changes, and that it is asked for before guards."""

from __future__ import annotations

from typing import Any

import pytest
from kit import T0, Fake, MakeStage, after, reading, saying

from payments_core.domain.errors import DecisionRefused
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.domain.records import Approval, PayoutRecord
from payments_core.engine.flow import NeedsApproval, PreflightResult, Proceed, RunPreflight
from payments_core.provider import NotFound, Unknown

S = PayoutStatus


def waiting(stage: MakeStage, **order: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which payouts need an approval, with one that waits for it."""
    one = stage()

    def preflight(command: RunPreflight) -> PreflightResult:
        row = command.row
        approved = one.journal.approval(row.id, row.attempt.number)
        return Proceed(one.at, needs_approval=True) if approved else NeedsApproval("More than 20 EUR.", one.at)

    one.preflight = preflight
    return one, one.advance(one.accept(**order))


def test_payout_that_needs_an_approval_waits_and_is_not_due(stage: MakeStage) -> None:
    """Nothing is sent, the reason says why, and neither the machine nor the same key asks anew."""
    one, row = waiting(stage)
    assert row.reason is not None
    assert (row.status, row.reason.code, row.reason.text) == (S.CREATED, ReasonCode.NEEDS_APPROVAL, "More than 20 EUR.")
    assert (row.schedule.next_at, row.attempt.submissions, row.attempt.guards_passed) == (None, 0, False)
    assert one.advance(row) == row
    assert one.advance(one.accept()) == row
    assert one.events(row) == ["created", "needs_approval"]
    assert one.posts() == []


def test_approved_payout_is_sent(stage: MakeStage) -> None:
    one, row = waiting(stage)
    one.at = after(3600)
    row = one.approve(row)
    assert (row.status, row.reason, row.schedule.next_at) == (S.CREATED, None, after(3600))
    assert one.journal.history(row.id)[-1].evidence == {"actor": "Ben", "reason": "checked"}
    row = one.advance(row)
    assert row.status is S.PENDING
    assert len(one.posts()) == 1


def test_approval_before_not_before_keeps_the_time_of_sending(stage: MakeStage) -> None:
    """What is to leave tomorrow can be approved today, and its time stays as it was."""
    one = stage(preflight=lambda command: Proceed(after(100), needs_approval=True))
    row = one.approve(one.accept(not_before=after(100)))
    assert row.schedule.next_at == after(100)
    one.at = after(100)
    assert one.advance(row).status is S.PENDING


def test_ambiguous_payout_is_checked_although_it_needs_an_approval_now(stage: MakeStage) -> None:
    """A limit that came later does not make a lost answer "not sent": it stays unknown, and is read."""
    provider = Fake(submitting=saying(Unknown()), checking=reading(NotFound()))
    one = stage(provider, visible_after_s=300.0, dedupe_window_s=86_400.0)
    row = one.advance(one.accept())
    assert row.status is S.UNKNOWN
    one.preflight = lambda command: NeedsApproval("More than 20 EUR.", one.at)
    while "needs_approval" not in one.events(row):
        assert row.schedule.next_at is not None
        one.at = row.schedule.next_at
        row = one.advance(row)
    assert (row.status, row.attempt.ambiguous, len(one.posts())) == (S.UNKNOWN, True, 1)
    assert row.schedule.next_at is not None


def test_payout_that_waits_for_an_approval_expires(stage: MakeStage) -> None:
    """A salary that nobody approved in time does not leave late."""
    one, row = waiting(stage, expires_at=after(600))
    assert row.schedule.next_at == after(600)
    one.at = after(600)
    row = one.advance(row)
    assert (row.status, row.reason.code) == (S.FAILED, ReasonCode.NOT_SENT_IN_TIME)


def test_second_approval_changes_nothing(stage: MakeStage) -> None:
    one, row = waiting(stage)
    row = one.approve(row)
    assert one.approve(row, actor="Cid") == row
    assert one.journal.approval(row.id, 1) == Approval("Ben", "checked", T0)


@pytest.mark.parametrize("status", [status for status in S if status not in {S.CREATED, S.SENDING}])
def test_approval_is_refused_unless_the_payout_waits_to_be_sent(stage: MakeStage, status: S) -> None:
    one = stage()
    row = one.put(status)
    with pytest.raises(DecisionRefused) as refused:
        one.approve(row)
    assert refused.value.message == f"Payout {row.label} is {status}: only what waits to be sent can be approved."
    assert refused.value.hint == "`payouts show` tells what became of it."


def test_approval_of_a_payout_that_changed_meanwhile_is_refused(stage: MakeStage) -> None:
    one, row = waiting(stage, expires_at=after(600))
    one.at = after(600)
    one.advance(row)
    with pytest.raises(DecisionRefused, match="moved by somebody else"):
        one.approve(row)


def test_approver_name_is_cut(stage: MakeStage) -> None:
    """What stands beside the approval is a name, whatever was given."""
    one, row = waiting(stage)
    one.approve(row, actor="A" * 150)
    assert one.journal.approval(row.id, 1).actor == "A" * 99 + "…"
