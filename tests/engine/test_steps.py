"""The engine's flows over a real journal: what is written when, what is asked of whom, and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flat_records import changed
from kit import OURS, T0, Fake, MakeStage, after, last, lost, plain_submit, read_request, reading, saying, unsent

from payments_core.domain.errors import InvalidPayee, InvalidPayout, KeyReused, ProviderBug
from payments_core.domain.events import EventName
from payments_core.domain.payout import Operation, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine import token_hash
from payments_core.engine.commands import AppendHistory, ApplyTransition, LoadAttempts
from payments_core.engine.flow import (
    CredentialRefused,
    EngineFlow,
    Postponed,
    PreflightResult,
    Proceed,
    RefusedByGuard,
    RunPreflight,
)
from payments_core.http.flow import exchange
from payments_core.http.messages import HttpRequest, NoPermit
from payments_core.provider import (
    AccountRefused,
    CheckOutcome,
    Deferred,
    Draft,
    Duplicate,
    Final,
    NotFound,
    Pending,
    ReportedDetails,
    Unknown,
)

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")
PAID = Final(seen=OURS)


def kinds(stage: Any) -> list[str]:
    """Name what was asked for, in order."""
    entries = []
    for command in stage.asked:
        if isinstance(command, HttpRequest):
            entries.append("money" if command.moves_money else "read")
        elif isinstance(command, RunPreflight):
            entries.append("preflight")
        elif not isinstance(command, LoadAttempts):
            entries.append(command.event.name.removeprefix("payout."))
    return entries


# --- C1 ------------------------------------------------------------------------------------------------------------


def test_payout_travels_in_order(stage: MakeStage) -> None:
    """C1, leave, C2, the money request, C3, and later a read and C5: each durable before the next.

    A first attempt has nothing behind it: the journal is not even asked.
    """
    one = stage(Fake(checking=reading(PAID)))
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    assert row.status is S.SUCCEEDED
    assert kinds(one) == ["created", "preflight", "sending", "money", "pending", "read", "succeeded"]
    assert one.events(row) == ["created", "sending", "pending", "succeeded"]
    assert not any(isinstance(command, LoadAttempts) for command in one.asked)


def test_same_key_returns_the_same_row(stage: MakeStage) -> None:
    """Accepting a key twice writes nothing the second time."""
    one = stage()
    first = one.accept()
    assert one.accept() == first
    assert one.events(first) == ["created"]


@pytest.mark.parametrize("changes", [{"options": {"a": "b"}}, {"operation": "deposit"}])
def test_key_with_another_order_is_refused(stage: MakeStage, changes: dict[str, Any]) -> None:
    """A key stands for one intent; another one changes nothing."""
    one = stage()
    first = one.accept()
    with pytest.raises(KeyReused):
        one.accept(**changes)
    assert one.journal.get(first.id) == first


def test_submissions_all_send_the_stored_request(stage: MakeStage) -> None:
    """Every try of an attempt is the stored request, byte for byte, also when the provider would draft another now."""
    one = stage(Fake(submitting=saying(Unknown()), checking=reading(NotFound())))
    row = one.accept()
    for seconds in (0, 5, 20, 80, 380, 400, 1000):
        one.at = after(seconds)
        row = one.advance(row)
    assert len(one.posts()) >= 2
    assert len({(post.url, post.body) for post in one.posts()}) == 1
    assert row.attempt.request_hash == replace(one.posts()[0], timeout_s=30.0, send_before=None).hash


@pytest.mark.parametrize("marks", [{}, {"moves_money": True, "repeatable": True}])
def test_draft_that_hides_that_it_moves_money_is_refused(stage: MakeStage, marks: dict[str, bool]) -> None:
    """A draft that does not say it moves money, or calls that repeatable, is refused before anything is written."""
    one = stage(Fake(marks=marks))
    with pytest.raises(ProviderBug) as caught:
        one.accept()
    assert caught.value.message == "A provider's draft must move money and must not be repeatable."
    assert list(one.journal.rows()) == []


# --- before C2 -----------------------------------------------------------------------------------------------------


def test_guard_refusal_fails_the_payout_and_sends_nothing(stage: MakeStage) -> None:
    """A guard's no is FAILED, decided by the guard, with nothing sent."""
    one = stage(preflight=lambda asked: RefusedByGuard(Reason(ReasonCode.REFUSED_BY_GUARD, text="too much"), T0))
    row = one.advance(one.accept())
    assert (row.status, row.decided_by, row.attempt.submissions) == (S.FAILED, "guard", 0)
    assert one.posts() == []


def test_guard_that_fails_makes_the_payout_wait(stage: MakeStage) -> None:
    """Fails closed: not sent, not failed, and asked again later."""
    one = stage(preflight=lambda asked: Postponed("a guard failed: ValueError", T0, by_guard=True))
    row = one.advance(one.accept())
    assert not row.attempt.guards_passed
    assert (row.status, row.schedule.next_at, row.attempt.submissions) == (S.CREATED, after(2), 0)
    one.preflight, one.at = None, after(2)
    assert one.advance(row).status is S.PENDING
    assert len(one.posts()) == 1


def test_guards_are_not_asked_again_for_a_resend(stage: MakeStage) -> None:
    """Once an attempt was sent it counts as cleared: a second try of it asks no guard again."""
    one = stage(Fake(submitting=saying(Unknown()), checking=reading(NotFound())))
    row = one.accept()
    for seconds in (0, 5, 20, 80, 380):
        one.at = after(seconds)
        row = one.advance(row)
    asked = [command.row.attempt.guards_passed for command in one.asked if isinstance(command, RunPreflight)]
    assert asked == [False, True]


def test_credential_refusal_in_preflight_pauses_the_account(stage: MakeStage) -> None:
    """Credentials that are refused pause the account and fail nothing; others are held back, and say so once."""
    one = stage(preflight=lambda asked: CredentialRefused(NO, 401, after(7)))
    row = one.advance(one.accept())
    assert (row.status, row.schedule.next_at, row.attempt.submissions) == (S.CREATED, after(307), 0)
    (pause,) = one.journal.pauses()
    assert (pause.account, pause.by, pause.since, pause.probe_at) == ("till", "account_refused", after(7), after(307))
    one.preflight = None
    other = one.accept(key="k/2")
    held = one.advance(other)
    assert (held.status, held.attempt.submissions, held.schedule.next_at) == (S.CREATED, 0, other.schedule.next_at)
    assert one.advance(held) == held
    assert one.posts() == []
    assert one.events(other) == ["created", "on_hold"]


def test_probe_that_is_taken_lifts_the_pause(stage: MakeStage) -> None:
    """After the wait one payment may go; being taken lifts the block for all."""
    one = stage(preflight=lambda asked: CredentialRefused(NO, 401, T0))
    row = one.advance(one.accept())
    one.preflight, one.at = None, after(300)
    assert one.advance(row).status is S.PENDING
    assert one.journal.pauses() == ()


def test_pause_by_a_person_is_read_by_the_commit(stage: MakeStage) -> None:
    """A pause set after leave was given still holds: nothing leaves, and it stays due."""
    one = stage()
    row = one.accept()

    def preflight(_: RunPreflight) -> PreflightResult:
        one.journal.set_pause(Pause(None, T0, "stop"))
        return Proceed(one.at)

    one.preflight = preflight
    held = one.advance(row)
    assert (held.status, held.attempt.submissions, held.schedule.next_at) == (S.CREATED, 0, row.schedule.next_at)
    assert one.posts() == []


def test_account_refusal_does_not_replace_a_persons_pause(stage: MakeStage) -> None:
    """A refusal heard during a person's pause does not turn it into a block that a probe could pass."""
    one = stage(Fake(submitting=saying(AccountRefused(NO, 403))))
    row = one.accept()
    one.answers = [403]
    one.meanwhile(HttpRequest, lambda: one.journal.set_pause(Pause("till", T0, "stop")))
    row = one.advance(row)
    (pause,) = one.journal.pauses()
    assert pause.by == "person"
    one.at = after(100_000)
    assert one.advance(row).status is S.CREATED
    assert len(one.posts()) == 1


def test_not_before_and_expires_at_are_kept(stage: MakeStage) -> None:
    """Nothing leaves earlier than not_before or later than expires_at."""
    one = stage()
    row = one.accept(not_before=after(100), expires_at=after(200))
    one.at = after(99)
    assert one.advance(row) == row
    late = one.accept(key="k/2", expires_at=after(200))
    one.at = after(100)
    assert one.advance(row).status is S.PENDING
    one.at = after(200)
    failed = one.advance(late)
    assert (failed.status, failed.decided_by) == (S.FAILED, "expiry")
    assert len(one.posts()) == 1


def test_expires_at_is_compared_again_after_preflight(stage: MakeStage) -> None:
    """Leave may take long: what has expired meanwhile is not sent."""
    one = stage()
    row = one.accept(expires_at=after(10))

    def slow(_: RunPreflight) -> PreflightResult:
        one.at = after(11)
        return Proceed(one.at)

    one.preflight = slow
    assert one.advance(row).status is S.FAILED
    assert one.posts() == []


def test_not_before_is_compared_again_after_preflight(stage: MakeStage) -> None:
    """A clock that is set back while leave is asked sends nothing early."""
    one = stage()
    row = one.accept(not_before=after(10))
    one.at = after(10)

    def set_back(_: RunPreflight) -> PreflightResult:
        one.at = after(5)
        return Proceed(one.at)

    one.preflight = set_back
    waits = one.advance(row)
    assert (waits.status, waits.schedule.next_at, waits.attempt.submissions) == (S.CREATED, after(10), 0)
    assert one.posts() == []


def test_send_before_is_within_half_the_lease(stage: MakeStage) -> None:
    """The money request carries its time-out and a last moment that lies within half the lease."""
    one = stage(settings={"lease_s": 100, "timeout_s": 20})
    row = one.advance(one.accept())
    (post,) = one.posts()
    assert post.timeout_s == 20
    assert post.send_before == after(50)
    sending = next(
        entry for entry in one.asked if isinstance(entry, ApplyTransition) and entry.after.status is S.SENDING
    )
    assert sending.after.lease.until == after(100)
    assert row.lease.until is None


# --- binding -------------------------------------------------------------------------------------------------------


def test_unsent_payout_follows_the_identity_of_its_account(stage: MakeStage) -> None:
    """What was never sent is made ready again for where the account pays now; its key and order stay."""
    provider = Fake()
    one = stage(provider)
    row = one.accept()
    provider.host = "new.invalid"
    moved = one.advance(row)
    assert moved.status is S.PENDING
    assert moved.attempt.binding == {"host": "new.invalid"}
    assert "new.invalid" in one.posts()[0].url
    assert one.events(moved) == ["created", "rebound", "sending", "pending"]


@pytest.mark.parametrize("submitted", [lost(), unsent()])
def test_submitted_payout_never_leaves_its_binding(stage: MakeStage, submitted: BaseException) -> None:
    """After a try the payout is neither sent nor read elsewhere: REVIEW, binding_gone, nothing asked."""
    provider = Fake()
    one = stage(provider)
    one.answers = [submitted]
    row = one.advance(one.accept())
    provider.host, one.at = "new.invalid", after(100)
    before = len(one.posts())
    row = one.advance(row)
    assert (row.status, row.reason.code) == (S.REVIEW, ReasonCode.BINDING_GONE)
    assert (len(one.posts()), one.reads()) == (before, [])
    assert one.advance(row, early=True) == row
    provider.host, provider.checking = "fake.invalid", reading(PAID)
    assert one.advance(row, early=True).status is S.SUCCEEDED


# --- leases, fences, two workers -----------------------------------------------------------------------------------


def sending(stage: Any, **changes: Any) -> Any:
    """Return a row whose worker died between C2 and C3."""
    row = stage.accept(**changes)
    flow_stopped = RuntimeError("killed")
    stage.answers = [flow_stopped]
    with pytest.raises(RuntimeError):
        stage.advance(row)
    return stage.journal.get(row.id)


def test_live_lease_is_left_alone(stage: MakeStage) -> None:
    """While somebody sends, others ask nothing and write nothing."""
    one = stage()
    row = sending(one)
    count = len(one.asked)
    for seconds in (0, 45, 89.999):
        one.at = after(seconds)
        assert one.advance(row, owner="other", early=True) == row
    assert len(one.asked) == count


def test_expired_lease_is_checked_and_not_sent(stage: MakeStage) -> None:
    """A send whose worker died is doubt: it is read, and not sent again."""
    one = stage(Fake(checking=reading(PAID)))
    row = sending(one)
    one.at = after(90)
    row = one.advance(row, owner="other")
    assert (row.status, row.attempt.ambiguous) == (S.SUCCEEDED, True)
    assert len(one.posts()) == 1
    assert one.events(row) == ["created", "sending", "lease_expired", "succeeded"]


def test_second_worker_with_the_same_row_sends_nothing(stage: MakeStage) -> None:
    """Two workers with the same row in hand: the second one's C2 is stale and nothing of it leaves."""
    one = stage()
    row = one.accept()
    first = one.advance(row, owner="a")
    second = one.advance(row, owner="b")
    assert first == second
    assert len(one.posts()) == 1
    assert first.attempt.submissions == 1


def answered_late(one: Any) -> PayoutRecord:
    """Send a payout, and let another go on when the lease is over and the answer has not come; then it comes."""
    row = one.accept()

    def overtake() -> None:
        one.at = after(91)
        one.before = one.advance(one.journal.get(row.id), owner="b")

    one.meanwhile(HttpRequest, overtake)
    late: PayoutRecord = one.advance(row, owner="a")
    assert one.events(row)[-1] == "late_result"
    return late


def looked_at(one: Any) -> None:
    """Let somebody work on what is due until nothing is."""
    for _ in range(5):
        for due in one.journal.due(one.at, accounts=["till"], limit=10):
            one.advance(due, owner="b")
    assert one.journal.next_due(accounts=["till"]) is None


def test_late_result_only_makes_a_check_due(stage: MakeStage) -> None:
    """When the lease was over and another went on, their state stands; the late answer is noted and the row is due."""
    one = stage(Fake(submitting=saying(Final(code="DONE", reason=NO)), checking=reading(Unknown())))
    late = answered_late(one)
    assert last(one, late) == ("late_result", {"answer": "payout.failed", "reason": "rejected (NO)", "code": "DONE"})
    stored = one.journal.get(late.id)
    assert late.status is S.UNKNOWN
    assert stored.status is S.UNKNOWN
    assert stored.schedule.next_at == after(91)
    assert stored.attempt.ambiguous


def test_late_result_in_review_causes_one_check(stage: MakeStage) -> None:
    """REVIEW made due by a late answer is read once; a read that tells nothing does not leave it due for ever."""
    one = stage(Fake(checking=reading(Final(seen=replace(OURS, payee="46733123498")), NotFound())))
    row = answered_late(one)
    assert one.before.status is S.REVIEW
    looked_at(one)
    assert len(one.reads()) == 2
    assert one.journal.get(row.id).status is S.REVIEW


def test_late_result_that_contradicts_a_final_status_is_recorded(stage: MakeStage) -> None:
    """The end stands; the read that the answer makes due tells, once, that it is contradicted."""
    one = stage(Fake(submitting=saying(PAID), checking=reading(Final(reason=Reason(ReasonCode.REJECTED)), PAID)))
    row = answered_late(one)
    assert one.before.status is S.FAILED
    looked_at(one)
    assert one.events(row)[-3:] == ["late_result", "contradicted", "read"]
    assert len(one.reads()) == 2
    assert one.journal.get(row.id).status is S.FAILED


# --- reads and sending again ---------------------------------------------------------------------------------------


def doubted(stage: Any, **changes: Any) -> Any:
    stage.answers = [lost()]
    return stage.advance(stage.accept(**changes))


def test_absence_that_lasts_resends_the_request_in_the_same_step(stage: MakeStage) -> None:
    """Three absences over the visible time: C4', leave, C2 and the money request follow at once."""
    one = stage(Fake(checking=reading(NotFound())))
    row = doubted(one)
    for seconds in (5, 20, 380):
        one.at = after(seconds)
        row = one.advance(row)
    assert (row.status, row.attempt.submissions) == (S.PENDING, 2)
    assert kinds(one)[-5:] == ["resend", "preflight", "sending", "money", "pending"]
    assert (row.attempt.first_sent_at, row.attempt.ambiguous) == (T0, True)


@pytest.mark.parametrize("facts", [{"resend": "unsafe"}, {"dedupe_window_s": 0.0}, {"dedupe_window_s": 700.0}])
def test_absence_is_review_where_a_resend_is_not_safe(stage: MakeStage, facts: dict[str, Any]) -> None:
    """The same absence leads to REVIEW, with one request on the wire."""
    one = stage(Fake(checking=reading(NotFound())), **facts)
    row = doubted(one)
    for seconds in (5, 20, 380):
        one.at = after(seconds)
        row = one.advance(row)
    assert (row.status, row.reason.code) == (S.REVIEW, ReasonCode.NEVER_APPEARED)
    assert len(one.posts()) == 1


def test_absence_for_ever_ends_in_review_after_five_submissions(stage: MakeStage) -> None:
    """A provider that never shows anything is sent to five times at most, and the end is REVIEW."""
    one = stage(Fake(submitting=saying(Unknown()), checking=reading(NotFound())))
    row = one.accept()
    while row.schedule.next_at is not None:
        one.at = max(one.at, row.schedule.next_at)
        row = one.advance(row)
    assert (row.status, row.attempt.submissions, len(one.posts())) == (S.REVIEW, 5, 5)


def test_pause_holds_a_resend_back_and_checks_go_on(stage: MakeStage) -> None:
    """Doubt is read during a pause; sending again waits for its end."""
    one = stage(Fake(checking=reading(NotFound())))
    row = doubted(one)
    one.journal.set_pause(Pause(None, T0, "stop"))
    for seconds in (5, 20, 380, 680):
        one.at = after(seconds)
        row = one.advance(row)
    assert (row.status, row.attempt.submissions, len(one.posts())) == (S.UNKNOWN, 1, 1)
    assert row.schedule.next_at > one.at
    one.journal.lift_pause(None)
    one.at = row.schedule.next_at
    assert one.advance(row).attempt.submissions == 2


@pytest.mark.parametrize(("seen", "status"), [(OURS, S.SUCCEEDED), (replace(OURS, external_id=None), S.REVIEW)])
def test_duplicate_is_checked_at_once_and_adopted_when_it_agrees(
    stage: MakeStage, seen: ReportedDetails, status: S
) -> None:
    """A duplicate is neither success nor failure: it is due now, and only a full match is ours."""
    one = stage(Fake(submitting=saying(Duplicate()), checking=reading(Final(seen=seen))))
    row = one.advance(one.accept())
    assert (row.status, row.schedule.next_at, row.attempt.duplicate_unverified) == (S.UNKNOWN, T0, True)
    assert one.advance(row).status is status


def test_check_that_contradicts_an_attempt_reissued_meanwhile_is_kept(stage: MakeStage) -> None:
    """Another worker was told a failure and has written it; what this one is told keeps it from being paid again."""
    one = stage(Fake(), dedupe_settle_s=0.0)
    row = one.advance(one.accept())
    one.at = after(5)

    def slowly(draft: Draft) -> EngineFlow[CheckOutcome]:
        yield from exchange(read_request(draft))
        one.account.provider.checking = reading(Final(reason=NO), Final(reason=NO), Final(reason=NO))
        failed = one.advance(one.journal.get(row.id), owner="other")
        one.at = after(100)
        assert one.reissue(failed).status is S.CREATED
        return PAID

    one.account.provider.checking = slowly
    after_it = one.advance(row)
    assert after_it == one.journal.get(row.id)
    [text] = after_it.contradictions
    assert (text.account, text.attempt, text.provider_status) == ("till", 1, "paid")
    assert one.advance(after_it).reason.code is ReasonCode.EARLIER_ATTEMPT_PAID


def test_final_payout_is_left_alone(stage: MakeStage) -> None:
    """Nothing is asked for a payout that has ended."""
    one = stage(Fake(submitting=saying(PAID)))
    row = one.advance(one.accept())
    count = len(one.asked)
    one.at = after(10**6)
    assert one.advance(row) == row
    assert len(one.asked) == count


# --- deferred answers ----------------------------------------------------------------------------------------------


def deferring(stage: MakeStage, **facts: Any) -> tuple[Any, Any, Fake]:
    """Return a stage, a doubted row whose question is on its way under the token "path", and its provider."""
    provider = Fake(checking=reading(Deferred()))
    one = stage(provider, status_by="result_callback", **facts)
    row = doubted(one)
    one.at = after(5)
    return one, one.advance(row, token="path"), provider


def test_status_query_is_recorded_before_it_is_sent(stage: MakeStage) -> None:
    """The path's token is durable, as a hash, before the question can be answered."""
    one, row, _ = deferring(stage)
    assert kinds(one)[-3:] == ["queried", "read", "read"]
    asked = next(entry for entry in one.asked if isinstance(entry, ApplyTransition) and entry.asks)
    assert "path" not in str(asked)
    assert row.status is S.UNKNOWN


@pytest.mark.parametrize("nothing", [Pending(seen=OURS), Unknown(), NotFound()])
def test_result_path_stays_open_until_a_final_result(stage: MakeStage, nothing: Any) -> None:
    """What tells none does not use it up, and an end counts whatever came before."""
    one, row, provider = deferring(stage)
    provider.answer = nothing
    row = one.deliver(one.deliver(row, "path"), "path")
    assert row.schedule.not_found_count == isinstance(nothing, NotFound)
    provider.answer = PAID
    assert one.deliver(row, "path").status is S.SUCCEEDED


def test_due_check_in_review_survives_an_empty_result_callback(stage: MakeStage) -> None:
    """A callback has asked for a read; somebody who posts nothing to an old path does not take that away."""
    one, row, provider = deferring(stage)
    provider.answer = replace(PAID, seen=replace(OURS, amount=Decimal(26)))
    row = one.deliver(row, "path")
    one.journal.execute(AppendHistory(row.id, Event(EventName.PAYOUT_LATE_RESULT, after(6)), due_at=after(7)))
    provider.answer = Unknown()
    assert one.deliver(one.journal.get(row.id), "path").schedule.next_at == after(7)


@pytest.mark.parametrize("until", [None, 5])
def test_result_callback_after_the_lease_is_read(stage: MakeStage, until: float | None) -> None:
    """Nobody is sending any more from the lease's last moment on: the answer is one about what may have arrived."""
    one, row, provider = deferring(stage)
    sending = changed(row, status=S.SENDING, lease_owner="another", lease_until=until and after(until))
    provider.answer = Pending(seen=OURS)
    assert one.deliver(sending, "path").status is S.PENDING


def test_result_callback_does_not_postpone_a_check_due_since(stage: MakeStage) -> None:
    """A callback that came after the question is not answered by it."""
    one, row, provider = deferring(stage)
    one.journal.execute(AppendHistory(row.id, Event(EventName.PAYOUT_LATE_RESULT, after(6)), due_at=after(7)))
    row = one.journal.get(row.id)
    provider.answer = Pending(seen=OURS)
    after_it = one.deliver(row, "path")
    assert (after_it.status, after_it.schedule.next_at) == (S.PENDING, after(7))


def test_result_callback_may_make_a_payout_due_sooner(stage: MakeStage) -> None:
    """Absence for long enough is acted on now; what is due at an end is nothing."""
    one, row, provider = deferring(stage)
    row = changed(row, not_found_count=2, first_not_found_at=after(-300))
    provider.answer = NotFound()
    one.deliver(row, "path")
    moved = [command for command in one.asked if isinstance(command, ApplyTransition)][-1]
    assert (moved.after.schedule.next_at, moved.event.name) == (after(5), "payout.resend")
    provider.answer = PAID
    one.deliver(changed(row, next_at=after(1)), "path")
    assert [command for command in one.asked if isinstance(command, ApplyTransition)][-1].after.schedule.next_at is None


def test_result_callback_on_a_guessed_path_changes_nothing(stage: MakeStage) -> None:
    """A guessed token moves no row."""
    one, row, provider = deferring(stage)
    provider.answer = PAID
    assert one.deliver(row, "guessed") == row
    assert one.journal.get(row.id) == row


def test_result_callbacks_of_absence_lead_to_a_resend(stage: MakeStage) -> None:
    """Absence told to a path leads to the same second send as absence told at once, by the next step."""
    one, row, provider = deferring(stage)
    provider.answer = NotFound()
    row = one.deliver(row, "path")
    for number, seconds in enumerate((20, 380)):
        one.at = after(seconds)
        row = one.advance(row, token=f"path-{number}")
        row = one.deliver(row, f"path-{number}")
    assert (row.status, row.attempt.submissions, row.schedule.next_at) == (S.UNKNOWN, 1, after(380))
    row = one.advance(row)
    assert (row.status, row.attempt.submissions) == (S.PENDING, 2)


def test_callback_causes_a_check_before_a_resend(stage: MakeStage) -> None:
    """It was not there, three times; a callback has come since, so it may be there now."""
    one, row, provider = deferring(stage)
    row = changed(row, not_found_count=2, first_not_found_at=after(-300))
    provider.answer = NotFound()
    row = one.deliver(row, "path")
    asked = one.advance(changed(row, callback_read_at=row.schedule.next_at), token="path-2")
    assert (asked.status, len(one.posts()), len(one.reads())) == (S.UNKNOWN, 1, 2)
    assert not asked.schedule.is_callback_read
    one.at = after(6)
    row = one.advance(one.deliver(asked, "path-2"))
    assert (row.status, len(one.posts())) == (S.PENDING, 2)


def test_result_callbacks_of_absence_are_review_where_a_resend_is_unsafe(stage: MakeStage) -> None:
    """Where a second send is not safe, lasting absence is REVIEW at once, not a question after every answer."""
    one, row, provider = deferring(stage, resend="unsafe")
    provider.answer = NotFound()
    row = one.deliver(row, "path")
    for number in range(20):
        if row.schedule.next_at is None:
            break
        one.at = max(one.at, row.schedule.next_at)
        row = one.advance(row, token=f"path-{number}")
        if row.status is S.UNKNOWN:
            row = one.deliver(row, f"path-{number}")
    assert row.status is S.REVIEW
    assert len(one.posts()) == 1
    assert len(one.reads()) <= 4


def noting(given: list[str | None]) -> Callable[[Any], Any]:
    """Return a flow that notes which path it was given."""

    def submit(draft: Any) -> Any:
        given.append(draft.answer_token)
        return (yield from plain_submit(draft))

    return submit


def test_submission_has_a_result_path_of_its_own(stage: MakeStage) -> None:
    """Durable as a hash before the payment leaves, put into the request only then, and believed once."""
    given: list[str | None] = []
    provider = Fake(submitting=noting(given))
    one = stage(provider, result_by="submission")
    row = one.advance(one.accept(), token="path")
    assert given == ["path"]
    begun = next(entry for entry in one.asked if isinstance(entry, ApplyTransition) and entry.asks)
    provider.answer = PAID
    paid = one.deliver(row, "path")

    assert begun.after.status is S.SENDING
    assert begun.asks is not None
    assert begun.asks.token_hash == token_hash("path")
    assert (row.status, paid.status, paid.decided_by) == (S.PENDING, S.SUCCEEDED, "result_callback")
    assert "path" not in paid.attempt.request
    assert not one.reads()


def test_provider_without_result_callbacks_is_given_no_path(stage: MakeStage) -> None:
    """Nor is one kept that nobody was told."""
    given: list[str | None] = []
    one = stage(Fake(submitting=noting(given)))
    one.advance(one.accept(), token="path")
    assert given == [None]
    assert [entry.asks for entry in one.asked if isinstance(entry, ApplyTransition)] == [None, None]


# --- texts that not every journal can hold ---------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"note": "\0"}, {"options": {"o": "a\0"}}], ids=["note", "option"])
def test_nul_is_refused_before_anything_is_recorded(stage: MakeStage, changes: dict[str, Any]) -> None:
    one = stage()
    with pytest.raises(InvalidPayout) as refused:
        one.accept(**changes)
    assert refused.value.message == "A note, payee or option holds NUL, which not every journal can hold."
    assert refused.value.hint == "Leave it out; nothing was recorded and nothing was sent."
    assert one.asked == []


@pytest.mark.parametrize(
    "key", ["cafe\u0301", "k\u3164", "k ", "po_" + "a" * 24], ids=["NFD", "invisible", "a space", "an id"]
)
def test_key_that_looks_like_another_is_refused(stage: MakeStage, key: str) -> None:
    one = stage()
    with pytest.raises(InvalidPayout, match="The key h"):
        one.accept(key=key)
    assert one.asked == []


def test_number_in_another_form_is_refused(stage: MakeStage) -> None:
    one = stage()
    with pytest.raises(InvalidPayee, match="not in its one form"):
        one.accept(payee=Payee("msisdn", "256772123456.0"))
    assert one.asked == []


def test_payout_recorded_with_a_text_refused_now_goes_on(stage: MakeStage) -> None:
    """A file took it before it was refused: it is not left where it stands."""
    one = stage(Fake(checking=reading(PAID)))
    row = one.put(S.PENDING, note="\0", key="cafe\u0301 \u3164", next_at=T0)
    assert one.advance(row).status is S.SUCCEEDED


# --- what else a step keeps to --------------------------------------------------------------------------------------


def test_final_status_is_published_once_although_its_check_waits(stage: MakeStage) -> None:
    """The application hears of an end once, however long a later look at it has to wait."""
    one = stage(Fake(checking=reading(Final())))
    row = one.put(S.SUCCEEDED, next_at=T0)
    one.answers = [NoPermit("no permit", at=T0, after_s=7.0)]
    row = one.advance(row)
    moves = [command for command in one.asked if isinstance(command, ApplyTransition)]
    assert (row.status, row.schedule.next_at) == (S.SUCCEEDED, after(7))
    assert [move.publish for move in moves] == [False]


def test_lease_from_a_clock_far_ahead_is_expired(stage: MakeStage) -> None:
    """A process was killed under a clock that was hours ahead: what it was sending is read at once, not then."""
    one = stage(Fake(checking=reading(Final(seen=OURS))))
    row = sending(one)
    assert row.lease.until is not None
    one.at = row.lease.until - timedelta(seconds=one.account.settings.lease_s + 3600)
    assert one.advance(row, early=True) == row
    one.at -= timedelta(seconds=1)
    row = one.advance(row, early=True)
    assert (row.status, len(one.posts())) == (S.SUCCEEDED, 1)


def test_reference_that_holds_the_payees_number_is_not_kept(stage: MakeStage) -> None:
    """It would be shown in full, and outlive the erasure of the payee."""
    fields = {"receipt": "R-46733123499", "other": "R-1"}
    one = stage(Fake(checking=reading(Final(seen=OURS, references=fields))))
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    assert row.status is S.SUCCEEDED
    assert ("receipt" in row.attempt.references, row.attempt.references["other"]) == (False, "R-1")


@pytest.mark.parametrize(("address", "is_kept"), [("123456", True), ("1234567", False)])
def test_reference_with_an_address_is_dropped_from_seven_digits(
    stage: MakeStage, address: str, *, is_kept: bool
) -> None:
    """It may stand in any number; seven digits are what the masking takes for an address too."""
    seen = replace(OURS, payee=address)
    one = stage(Fake(checking=reading(Final(seen=seen, references={"receipt": f"9{address}9"}))))
    row = one.put(S.UNKNOWN, payee_value=address, next_at=T0)
    assert ("receipt" in one.advance(row).attempt.references) is is_kept


def test_references_of_a_collection_are_all_kept(stage: MakeStage) -> None:
    """What is refunded is nobody's number, however long its reference is."""
    one = stage(Fake(checking=reading(Final(references={"receipt": "R-1234567"}))))
    collected = {"operation": Operation.REFUND, "payee_kind": "collection", "payee_value": "1234567"}
    row = one.put(S.UNKNOWN, next_at=T0, original_amount=Decimal(25), **collected)
    assert one.advance(row).attempt.references["receipt"] == "R-1234567"


def test_check_is_believed_after_a_payment_that_differed(stage: MakeStage) -> None:
    """Nobody can forge it, as a result callback can be."""
    other = replace(OURS, amount=Decimal(26))
    one = stage(Fake(checking=reading(Final(seen=other), Final(reason=NO))))
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    assert (row.status, row.reason.code) == (S.REVIEW, ReasonCode.MISMATCH)
    assert one.advance(row, early=True).status is S.FAILED


@pytest.mark.parametrize(
    "unreadable",
    [{"amount": Decimal("NaN")}, {"payee": "?"}, {"currency": "?"}, {"external_id": "?"}],
    ids=lambda shown: next(iter(shown)),
)
def test_unreadable_field_does_not_agree(stage: MakeStage, unreadable: dict[str, Any]) -> None:
    one = stage(Fake(checking=reading(Final(seen=replace(OURS, **unreadable)))))
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    assert (row.status, row.reason.code) == (S.REVIEW, ReasonCode.MISMATCH)
