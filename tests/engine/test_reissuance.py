"""Paying again: only what failed, only when no earlier attempt can still pay, once for each attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flat_records import changed
from kit import (
    FAILED,
    LEASE_S,
    LIMIT,
    OURS,
    SETTLE_S,
    SETTLED,
    T0,
    Fake,
    MakeStage,
    account_of,
    after,
    failed,
    last,
    lost,
    reading,
    saying,
)

from payments_core.domain.errors import DecisionRefused
from payments_core.domain.events import EventName
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import OperatorDecision, reissue
from payments_core.engine.commands import AppendHistory, ApplyTransition
from payments_core.engine.flow import ReadAs
from payments_core.http.flow import run_flow
from payments_core.provider import Account, Deferred, Duplicate, Final, NotFound, Pending, Unknown

S = PayoutStatus
PAID = Final(seen=OURS)


def refused(stage: MakeStage, *parsed: Any, **facts: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which a payout was refused when it was sent."""
    fields = {"dedupe_settle_s": SETTLE_S, **facts}
    one = stage(Fake(submitting=saying(FAILED), checking=reading(*parsed)), **fields)
    row = one.advance(one.accept())
    assert (row.status, row.decided_by, row.attempt.ambiguous) == (S.FAILED, "submit", False)
    one.at = SETTLED
    return one, row


def test_reissue_pays_a_failed_payout_under_a_new_reference(stage: MakeStage) -> None:
    """Every earlier attempt is read, the new one is another request, and it travels the same road."""
    one, row = failed(stage)
    again = one.reissue(row)
    assert (again.status, again.schedule.next_at) == (S.CREATED, SETTLED)
    assert (again.attempt.number, again.attempt.submissions) == (2, 0)
    assert again.attempt.references["reference"] != row.attempt.references["reference"]
    assert again.attempt.request_hash != row.attempt.request_hash
    assert not again.view().may_have_been_sent
    again = one.advance(again)
    assert (again.status, again.attempt.number, again.attempt.submissions) == (S.PENDING, 2, 1)
    assert len({post.url for post in one.posts()}) == 2
    entries = ["created", "sending", "pending", "failed", "reissued", "sending", "pending"]
    assert one.events(row) == entries
    assert [entry.attempt for entry in one.journal.history(row.id)] == [1, 1, 1, 1, 2, 2, 2]


def test_third_attempt_checks_both_before_it(stage: MakeStage) -> None:
    one, row = failed(stage)
    row = one.advance(one.reissue(row))
    one.at += timedelta(seconds=5)
    row = one.advance(row)
    assert (row.status, row.attempt.number) == (S.FAILED, 2)
    one.at += timedelta(seconds=LEASE_S + SETTLE_S)
    before = len(one.reads())
    assert one.reissue(row).attempt.number == 3
    assert len(one.reads()) - before == 2
    assert len({read.url for read in one.reads()[before:]}) == 2


def test_absence_proves_an_unambiguous_refusal(stage: MakeStage) -> None:
    """A provider that refuses a payment keeps none: what it does not show was not taken."""
    one, row = refused(stage, NotFound())
    assert one.reissue(row).attempt.number == 2


def test_absence_proves_no_failure_with_a_settling_time(stage: MakeStage) -> None:
    """Whoever names a time in which a failure may turn has taken the payment, in the answer to its send too."""
    settling = Final(reason=replace(LIMIT, settling_h=1))
    one = stage(Fake(submitting=saying(settling), checking=reading(NotFound())), dedupe_settle_s=SETTLE_S)
    row = one.advance(one.accept())
    assert (row.status, row.decided_by, row.attempt.ambiguous) == (S.FAILED, "submit", False)
    one.at = after(2 * 3600)
    with pytest.raises(DecisionRefused, match="no proof"):
        one.reissue(row)


@pytest.mark.parametrize("ambiguous", [True, False])
@pytest.mark.parametrize("conclusive_s", [None, 500.0])
def test_absence_proves_no_failure_that_a_check_reported(
    stage: MakeStage, ambiguous: bool, conclusive_s: float | None
) -> None:
    """The provider has forgotten by now that it failed, and perhaps that it was paid in the end."""
    facts = {"dedupe_settle_s": SETTLE_S, "not_found_conclusive_after_s": conclusive_s}
    one = stage(Fake(checking=reading(NotFound())), **facts)
    fields = {"reason": LIMIT, "decided_by": "read", "ambiguous": ambiguous, "first_sent_at": T0, "next_at": None}
    row = one.put(S.FAILED, **fields)
    one.at = after(200 * 3600)
    with pytest.raises(DecisionRefused, match="no proof that it failed"):
        one.reissue(row)


def test_absence_and_a_persons_decision_together_prove_a_failure(stage: MakeStage) -> None:
    """A person's word and the provider's absence together are proof; the word alone is none."""
    fields = {"reason": LIMIT, "decided_by": "person", "ambiguous": True, "first_sent_at": T0, "next_at": None}
    one = stage(Fake(checking=reading(Unknown(), NotFound())), dedupe_settle_s=SETTLE_S)
    row = one.put(S.FAILED, **fields)
    one.at = SETTLED
    with pytest.raises(DecisionRefused, match="nothing clear"):
        one.reissue(row)
    assert one.reissue(row).attempt.number == 2


def test_reissue_checks_an_attempt_that_was_never_sent(stage: MakeStage) -> None:
    """A journal that was lost may have paid under this reference: who refuses by a guard looks all the same."""
    fields = {"reason": LIMIT, "decided_by": "guard", "next_at": None, "submissions": 0, "sent_at": None}
    one = stage(Fake(checking=reading(PAID)))
    row = one.put(S.FAILED, **fields)
    with pytest.raises(DecisionRefused, match="was paid after all"):
        one.reissue(row)
    other = stage(Fake(checking=reading(NotFound())))
    other.journal.close()
    other.journal = one.journal
    row = other.put(S.FAILED, id="po_y", key="k/2", **fields)
    assert other.reissue(row).attempt.number == 2


# --- when ----------------------------------------------------------------------------------------------------------


def test_reissue_waits_for_the_settling_time(stage: MakeStage) -> None:
    """Counted from the last moment at which a try can have left; nothing is asked before."""
    one, row = failed(stage)
    one.at = SETTLED - timedelta(seconds=1)
    before = len(one.reads())
    with pytest.raises(DecisionRefused) as caught:
        one.reissue(row)
    assert caught.value.message == f"It is too early to pay {row.label} again: the provider may still say otherwise."
    assert caught.value.hint == "Try again after 2026-03-02 09:18:10 UTC."
    assert (caught.value.again_at, len(one.reads())) == (SETTLED, before)


def test_reissue_waits_for_the_settling_time_of_the_reason(stage: MakeStage) -> None:
    """A reason for which the provider may still change its mind has to be over first."""
    one = stage(Fake(checking=reading(Final(reason=replace(LIMIT, settling_h=48)))), dedupe_settle_s=SETTLE_S)
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    one.at = SETTLED
    with pytest.raises(DecisionRefused) as caught:
        one.reissue(row)
    assert caught.value.again_at == after(5 + 48 * 3600)
    one.at = caught.value.again_at
    assert one.reissue(row).attempt.number == 2


def test_settling_time_is_a_week_unless_declared(stage: MakeStage) -> None:
    """An undeclared fact has its most cautious value."""
    one = stage(Fake(checking=reading(FAILED)))
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    one.at = after(6 * 86_400)
    with pytest.raises(DecisionRefused) as caught:
        one.reissue(row)
    assert caught.value.again_at == after(7 * 86_400 + LEASE_S)


# --- contradictions ------------------------------------------------------------------------------------------------


def test_reissue_after_a_late_success_is_refused_for_ever(stage: MakeStage) -> None:
    """The failure stands, and nothing is ever paid on top of what contradicts it."""
    one, row = failed(stage, PAID, FAILED)
    for _ in range(2):
        with pytest.raises(DecisionRefused) as caught:
            one.reissue(row)
        paid = "cannot be paid again: the provider says that an attempt of it was paid after all."
        assert caught.value.message == f"Payout {row.label} {paid}"
        assert caught.value.hint == "`payouts show` tells what it said; compare with the provider's own records."
    assert last(one, row) == ("contradicted", {"attempt": 1, "code": "", "http_status": None})
    assert one.events(row).count("contradicted") == 1
    after = one.journal.get(row.id)
    assert replace(after, contradictions=(), contradicted_at=None) == row


def test_late_success_before_the_send_stops_the_next_attempt(stage: MakeStage) -> None:
    """Between the decision and the first byte hours may pass: every earlier attempt is read once more."""
    one, row = failed(stage, FAILED, PAID)
    row = one.reissue(row)
    posts = len(one.posts())
    one.at += timedelta(hours=9)
    row = one.advance(row)
    assert (row.status, row.reason.code, row.attempt.number) == (S.REVIEW, ReasonCode.EARLIER_ATTEMPT_PAID, 2)
    assert row.view().may_have_been_sent
    assert one.events(row)[-2:] == ["contradicted", "review"]
    assert len(one.posts()) == posts


@pytest.mark.parametrize("parsed", [Pending(), Unknown(), NotFound()], ids=["pending", "unclear", "not_found"])
def test_next_attempt_waits_while_the_previous_one_is_unclear(stage: MakeStage, parsed: Any) -> None:
    """It is sent once the earlier one is again proven to have failed."""
    one, row = failed(stage, FAILED, parsed, FAILED)
    row = one.advance(one.reissue(row))
    assert (row.status, row.attempt.submissions) == (S.CREATED, 0)
    assert "attempt 1" in row.reason.text
    one.at = row.schedule.next_at
    assert one.advance(row).status is S.PENDING


def test_next_attempt_goes_to_review_when_the_previous_stays_unclear(stage: MakeStage) -> None:
    """The machine asks for as long as it polls any payout; then it stops in sight, unsent, and can be reopened."""
    one, row = failed(stage, FAILED, *[Pending()] * 400, settings={"poll_schedule_s": (5.0, 595.0)})
    row, began, posts = one.advance(one.reissue(row)), one.at, len(one.posts())
    while row.status is S.CREATED:
        one.at = row.schedule.next_at
        row = one.advance(row)
    assert (row.status, row.reason.code, row.attempt.submissions) == (S.REVIEW, ReasonCode.NO_FINAL_ANSWER, 0)
    assert "attempt 1" in row.reason.text
    assert timedelta(seconds=600) <= one.at - began <= timedelta(seconds=600 + 300)
    assert len(one.posts()) == posts
    one.account = account_of(Fake(checking=reading(NotFound(), Pending(), FAILED)))
    row = one.advance(one.reopen(row))
    assert (row.status, row.attempt.refusals) == (S.CREATED, 1)  # with all its patience
    one.at = row.schedule.next_at
    row = one.advance(row)
    assert (row.status, row.attempt.number, row.attempt.submissions, len(one.posts())) == (S.PENDING, 2, 1, posts + 1)


def test_resend_of_the_next_attempt_checks_the_previous_one(stage: MakeStage) -> None:
    """Its first try may never have arrived; then the earlier one's late success must not be paid twice."""
    entries = [FAILED, FAILED, NotFound(), NotFound(), NotFound(), PAID]
    one, row = failed(stage, *entries, settings={"poll_schedule_s": (5.0, *[100.0] * 10)})
    row = one.reissue(row)
    one.answers = [200, lost()]  # the look back, and the send
    row = one.advance(row)
    assert row.status is S.UNKNOWN
    posts = len(one.posts())
    for _ in range(3):
        one.at = max(row.schedule.next_at, one.at + timedelta(seconds=200))
        row = one.advance(row)
    assert (row.status, row.reason.code) == (S.REVIEW, ReasonCode.EARLIER_ATTEMPT_PAID)
    assert len(one.posts()) == posts


def test_early_check_asks_about_previous_attempts(stage: MakeStage) -> None:
    """A late success of an earlier attempt is found while the next one is under way, and written down once."""
    one, row = failed(stage, FAILED, FAILED, PAID, Pending())
    row = one.advance(one.reissue(row))
    row = one.advance(row, early=True)
    assert row.status is S.PENDING
    one.advance(row, early=True)
    assert one.events(row).count("contradicted") == 1


# --- identities ----------------------------------------------------------------------------------------------------


def moved(one: Any, *parsed: Any) -> None:
    """Let the account pay elsewhere from now on."""
    old = replace(account_of(Fake(checking=reading(*parsed)), dedupe_settle_s=SETTLE_S), is_retired=True)
    new = account_of(Fake(host="new.invalid"), dedupe_settle_s=SETTLE_S)
    result = (new.name, new.spec, new.settings, new.provider)
    one.account = Account(*result, retired=(old,))


def test_previous_attempt_is_checked_as_the_identity_that_sent_it(stage: MakeStage) -> None:
    """The new attempt is paid as what the account is now, the old one read as what it was then."""
    one, row = failed(stage)
    moved(one, FAILED)
    row = one.reissue(row)
    asked = [command for command in one.asked if isinstance(command, ReadAs)]
    assert [dict(command.binding) for command in asked] == [{"host": "fake.invalid"}]
    assert dict(row.attempt.binding) == {"host": "new.invalid"}
    assert one.advance(row).status is S.PENDING
    assert one.posts()[-1].url.startswith("http://new.invalid/")


# --- who, and at once ----------------------------------------------------------------------------------------------


def test_concurrent_reissues_begin_one_attempt(stage: MakeStage) -> None:
    """The second one finds the payout moved; one attempt is there, and one is sent."""
    one, row = failed(stage)
    one.reissue(row)
    with pytest.raises(DecisionRefused) as caught:
        one.reissue(row)
    assert caught.value.message == f"Payout {row.label} was moved by somebody else meanwhile; it is CREATED now."
    assert caught.value.hint == "Look at it again before you decide."
    assert len(one.journal.attempts(row.id)) == 1


def test_rebound_second_attempt_keeps_its_reference(stage: MakeStage) -> None:
    """Made ready anew under another identity, it is still the second attempt."""
    one, row = failed(stage)
    row = one.reissue(row)
    moved(one, FAILED)
    sent = one.advance(row)
    assert dict(sent.attempt.binding) == {"host": "new.invalid"}
    assert sent.attempt.references["reference"] == row.attempt.references["reference"]


def test_duplicate_of_a_second_attempt_is_adopted(stage: MakeStage) -> None:
    """A journal that was lost after a second attempt finds that one under its reference."""
    one, row = failed(stage, FAILED, FAILED, PAID)
    row = one.reissue(row)
    one.account.provider.submitting = saying(Duplicate())
    row = one.advance(row)
    assert (row.status, row.attempt.duplicate_unverified) == (S.UNKNOWN, True)
    assert one.advance(row).status is S.SUCCEEDED


# --- what the provider no longer shows ---------------------------------------------------------------------------


def attested(
    one: Any, row: PayoutRecord, evidence: str = "no such line in March", account: Account | None = None
) -> PayoutRecord:
    person = OperatorDecision("Ann", "top up done", evidence)
    return run_flow(reissue(account or one.account, row, person=person, moment=one.moment()), one.execute)


def test_absence_without_evidence_is_no_proof(stage: MakeStage) -> None:
    one, row = failed(stage, NotFound())
    for evidence in ("", " \u200b "):
        with pytest.raises(DecisionRefused, match="does not show attempt 1") as caught:
            attested(one, row, evidence)
        assert "--evidence" in caught.value.hint
    assert one.journal.get(row.id) == row


def test_evidence_makes_absence_a_proof_until_the_send(stage: MakeStage) -> None:
    """What a person has compared counts until this attempt has left, and stands in the history."""
    one, row = failed(stage, NotFound())
    row = attested(one, row)
    result = last(one, row)[1]
    assert (row.attempt.number, row.attempt.absence_attested) == (2, True)
    assert (result["actor"], result["evidence"], result["not_found"]) == ("Ann", "no such line in March", [1])
    one.at += timedelta(days=3)
    row = one.advance(row)
    assert (row.status, len(one.posts())) == (S.PENDING, 2)


@pytest.mark.parametrize("answer", [Unknown(http_status=401), Unknown(http_status=503), Pending(), lost(), Deferred()])
def test_evidence_replaces_no_answer(stage: MakeStage, answer: Any) -> None:
    """Silence, a refusal of us and a broken server are no absence."""
    one, row = failed(stage, answer)
    with pytest.raises(DecisionRefused, match="not proven to have failed") as caught:
        attested(one, row)
    assert "--evidence" not in caught.value.hint
    assert len(one.posts()) == 1


def test_evidence_replaces_no_settling_time_and_no_contradiction(stage: MakeStage) -> None:
    one, row = failed(stage, PAID, NotFound())
    one.at = SETTLED - timedelta(seconds=1)
    with pytest.raises(DecisionRefused, match="too early"):
        attested(one, row)
    one.at = SETTLED
    for _ in range(2):
        with pytest.raises(DecisionRefused, match="was paid after all"):
            attested(one, row)


def test_evidence_counts_only_for_its_own_attempt(stage: MakeStage) -> None:
    """The next one needs its own: what was compared then says nothing of the attempt since."""
    one, row = failed(stage, NotFound(), NotFound(), FAILED, NotFound())
    row = one.advance(attested(one, row))
    one.at += timedelta(seconds=5)
    row = one.advance(row)
    assert (row.status, row.attempt.number) == (S.FAILED, 2)
    one.at += timedelta(seconds=LEASE_S + SETTLE_S)
    with pytest.raises(DecisionRefused, match="does not show attempt 1"):
        one.reissue(row)
    assert attested(one, row).attempt.number == 3


def waiting_for_evidence(stage: MakeStage, *parsed: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which attempt 2 was begun, and the provider has ceased to show attempt 1 before it was sent."""
    one, row = failed(stage, FAILED, *parsed)
    row = one.advance(one.reissue(row))
    assert (row.status, row.attempt.number, len(one.posts())) == (S.CREATED, 2, 1)
    return one, row


def test_evidence_can_be_added_to_an_attempt_that_waits_for_it(stage: MakeStage) -> None:
    """Else it would wait for ever: it could be neither sent nor cancelled."""
    one, row = waiting_for_evidence(stage, NotFound())
    result = "The provider does not show attempt 1, which is no proof that it failed."
    with pytest.raises(DecisionRefused, match=f"cannot be cancelled. {result}") as refused_cancel:
        one.cancel(row)
    hint = "`payouts reissue --evidence TEXT` records the proof; cancel it after that."
    assert refused_cancel.value.hint == hint
    with pytest.raises(DecisionRefused, match="only what failed"):
        one.reissue(row)
    row = attested(one, row)
    name, result = last(one, row)
    assert (name, result["actor"], result["not_found"]) == ("attested", "Ann", [1])
    assert (row.attempt.number, row.attempt.absence_attested) == (2, True)
    assert (row.reason, row.schedule.next_at) == (None, one.at)
    assert attested(one, row) == row
    row = one.advance(row)
    assert (row.status, len(one.posts())) == (S.PENDING, 2)


def test_evidence_moves_a_waiting_attempt_to_no_other_account(stage: MakeStage) -> None:
    one, row = waiting_for_evidence(stage, NotFound())
    with pytest.raises(DecisionRefused) as refused_account:
        attested(one, row, account=account_of(name="other"))
    assert refused_account.value.message == (
        f"Attempt 2 of payout {row.label} waits to be paid from 'till'; evidence moves it to no other account."
    )
    assert refused_account.value.hint == "Leave the account out."


def test_evidence_does_not_replace_an_approval(stage: MakeStage) -> None:
    one, row = waiting_for_evidence(stage, NotFound())
    needed = Reason(ReasonCode.NEEDS_APPROVAL)
    waits = changed(row, reason=needed, next_at=None)
    row = one.execute(ApplyTransition(row, waits, Event("payout.needs_approval", one.at))).row
    row = attested(one, row)
    assert (row.attempt.absence_attested, row.reason, row.schedule.next_at) == (True, needed, None)


def test_evidence_for_an_attempt_that_changed_meanwhile_is_refused(stage: MakeStage) -> None:
    one, row = waiting_for_evidence(stage, NotFound())
    stopped = changed(row, status=S.CANCELLED, reason=None, decided_by="person", next_at=None)
    moved = one.execute(ApplyTransition(row, stopped, Event(EventName.PAYOUT_CANCELLED, one.at), publish=True)).row
    with pytest.raises(DecisionRefused, match="was moved by somebody else meanwhile; it is CANCELLED now") as caught:
        attested(one, row)
    assert caught.value.hint == "Look at it again before you decide."
    assert one.journal.get(row.id) == moved


def test_evidence_for_a_first_attempt_or_after_a_paid_one_is_refused(stage: MakeStage) -> None:
    one, row = waiting_for_evidence(stage, NotFound())
    one.journal.execute(AppendHistory(row.id, Event(EventName.PAYOUT_CONTRADICTED, one.at)))
    reads = len(one.reads())
    with pytest.raises(DecisionRefused, match=r"Payout … \(po_\w+\) cannot be paid again: .* was paid after all"):
        attested(one, row)
    with pytest.raises(DecisionRefused, match="is CREATED: only what failed can be paid again"):
        attested(one, one.accept(key="k/2"))
    assert len(one.reads()) == reads


def test_attempt_that_waits_is_cancelled_with_evidence(stage: MakeStage) -> None:
    one, row = waiting_for_evidence(stage, NotFound())
    assert one.cancel(attested(one, row)).status is S.CANCELLED


@pytest.mark.parametrize(
    ("answer", "why"), [(PAID, "was paid after all"), (Unknown(), "not proven"), (lost(), "not proven")]
)
def test_evidence_for_a_waiting_attempt_replaces_no_answer(stage: MakeStage, answer: Any, why: str) -> None:
    one, row = waiting_for_evidence(stage, NotFound(), answer)
    with pytest.raises(DecisionRefused, match=why):
        attested(one, row)
    assert not one.journal.get(row.id).attempt.absence_attested


def test_late_success_stops_an_attempt_begun_with_evidence(stage: MakeStage) -> None:
    one, row = failed(stage, NotFound(), PAID)
    row = one.advance(attested(one, row))
    assert (row.status, row.reason.code, len(one.posts())) == (S.REVIEW, ReasonCode.EARLIER_ATTEMPT_PAID, 1)
