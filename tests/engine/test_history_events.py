"""What a flow tells: the history it leaves, the reasons it gives, and what the journal is asked to count."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flat_records import changed
from kit import OURS, T0, Fake, MakeStage, account_of, after, at_once, last, lost, order_of, reading, row_of

from payments_core import engine
from payments_core.domain.errors import DecisionRefused, OverRefund
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.domain.rates import PostEnd, ReadEnd
from payments_core.domain.records import Pause
from payments_core.engine import decide_outcome
from payments_core.engine.commands import ApplyTransition, LoadAttempts
from payments_core.engine.flow import EngineFlow, NeedsApproval, Postponed, Proceed
from payments_core.http.flow import exchange, run_flow
from payments_core.http.messages import HttpRequest, NoPermit
from payments_core.provider import Attempt, Draft, Final, NotAccepted, NotFound, Pending, SubmitOutcome, Unknown

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")
PAID = Final(code="DONE", http_status=200, seen=OURS)


# --- accepted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_refund", [True, False])
def test_accepted_payout_is_written_whole(stage: MakeStage, *, is_refund: bool) -> None:
    """Everything that a later process needs stands in the row: nothing of it is in anybody's memory."""
    seen: list[Attempt] = []

    class Drafting(Fake):
        def draft(self, order: Any, attempt: Attempt) -> Draft:
            seen.append(attempt)
            return super().draft(order, attempt)

    one = stage(Drafting())
    fields: dict[str, Any] = {"note": "rent", "options": {"a": "b"}, "not_before": after(60), "expires_at": after(90)}
    if is_refund:
        payer = Payee.payer_of("r-1")
        fields |= {"operation": Operation.REFUND, "payee": payer, "original_amount": Money("30", "EUR")}
    else:
        fields["payee"] = Payee("bank", "DE0012345678", {"bic": "X"})
    row = one.accept(**fields)
    assert row.order == order_of(**fields)
    assert HttpRequest.from_json(row.attempt.request).hash == row.attempt.request_hash
    assert (row.order.not_before, row.order.expires_at, row.schedule.next_at) == (after(60), after(90), after(60))
    assert (row.created_at, row.updated_at, row.attempt.account) == (T0, T0, "till")
    assert dict(row.attempt.binding) == {"host": "fake.invalid"}
    assert [attempt.payout_id for attempt in seen] == [row.id]
    assert last(one, row) == ("created", {"account": "till"})


def test_refund_over_the_collected_amount_says_what_counts(stage: MakeStage) -> None:
    """It says how much was collected, how much is under way, and what counts."""
    one = stage()
    of = {"operation": Operation.REFUND, "payee": Payee.payer_of("r-1"), "original_amount": Money("30", "EUR")}
    one.accept(**of)
    with pytest.raises(OverRefund) as caught:
        one.accept(key="k/2", **of)
    assert (caught.value.message, caught.value.hint) == (
        "25 EUR cannot be refunded: of 30 EUR collected, 25 EUR is refunded or under way.",
        "Only what was collected can be refunded; a refund that is not known yet counts until it is.",
    )
    with pytest.raises(OverRefund) as caught:
        one.accept(key="k/3", **{**of, "original_amount": Money("90", "EUR")})
    assert (caught.value.message, caught.value.hint) == (
        "An earlier refund of this collection says that 30 EUR was collected, this one 90 EUR.",
        "Find out how much was collected, and give the same original amount each time.",
    )


# --- leave ---------------------------------------------------------------------------------------------------------


def test_preflight_without_a_permit_uses_no_retry(stage: MakeStage) -> None:
    """A full second is nobody's fault: it is due when its turn is, no step of a schedule is spent."""
    one = stage(preflight=lambda _: Postponed("no turn", after(1), after_s=2.5, by_rate=True))
    row = one.advance(one.accept())
    assert (row.status, row.attempt.refusals, row.reason, row.schedule.next_at) == (S.CREATED, 0, None, after(3.5))
    assert row.attempt.guards_passed
    assert last(one, row) == ("waiting", {"why": "no turn", "again_in_s": 2.5})


def test_preflight_that_is_not_ready_waits_as_long_as_it_says(stage: MakeStage) -> None:
    one = stage(preflight=lambda _: Postponed("no credential", after(1), after_s=50.0))
    row = one.advance(one.accept())
    assert (row.status, row.attempt.refusals, row.schedule.next_at) == (S.CREATED, 1, after(51))
    assert row.reason == Reason(ReasonCode.PROVIDER_UNAVAILABLE, text="no credential")
    assert last(one, row) == ("waiting", {"why": "no credential", "again_in_s": 50.0})


def test_pause_is_recorded_once_with_its_reason(stage: MakeStage) -> None:
    """Held once, in the words of who paused; after that silently."""
    one = stage()
    one.journal.set_pause(Pause("till", T0, "audit"))
    row = one.advance(one.accept())
    assert last(one, row) == ("on_hold", {"why": "audit"})
    assert one.advance(row) == row
    assert one.events(row) == ["created", "on_hold"]


def test_pause_before_a_resend_is_recorded(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(NotFound())))
    row = one.put(S.UNKNOWN, not_found_count=2, first_not_found_at=T0, next_at=after(300))
    one.journal.set_pause(Pause("till", T0, "audit"))
    one.at = after(300)
    row = one.advance(row)
    assert row.status is S.UNKNOWN
    assert last(one, row) == ("waiting", {"why": "paused"})


def test_approval_missing_at_the_commit_is_recorded(stage: MakeStage) -> None:
    """The journal looks for it in C2 itself; what waits then says no more than that."""
    one = stage(preflight=lambda _: Proceed(T0, needs_approval=True))
    row = one.advance(one.accept())
    assert (row.status, row.reason) == (S.CREATED, Reason(ReasonCode.NEEDS_APPROVAL))
    assert last(one, row) == ("needs_approval", {"why": ""})
    assert one.posts() == []


# --- reads and sends -----------------------------------------------------------------------------------------------


def test_check_without_a_permit_is_postponed(stage: MakeStage) -> None:
    """Waited for in vain it stays due; a long wait puts it off; who asked early has lost nothing."""
    one = stage()
    row = one.put(S.PENDING, next_at=T0)
    one.answers.append(NoPermit("no turn", at=T0, after_s=0.0))
    assert one.advance(row) == row
    one.answers.append(NoPermit("no turn", at=T0, after_s=40.0))
    later = one.advance(row)
    assert later.schedule.next_at == after(40)
    assert last(one, row) == ("waiting", {"why": "no turn", "again_in_s": 40.0})
    one.answers.append(NoPermit("no turn", at=T0, after_s=40.0))
    assert one.advance(later, early=True) == later


def test_ended_payout_without_a_permit_stays_unchanged(stage: MakeStage) -> None:
    """Asked about after its end and not due: there is nothing to put off."""
    one = stage()
    row = one.put(S.SUCCEEDED, decided_by="read", next_at=None)
    one.answers.append(NoPermit("no turn", at=T0, after_s=40.0))
    assert one.advance(row, early=True) == row


def test_outcomes_are_counted_for_circuit_and_rate(stage: MakeStage) -> None:
    """The journal is told how each POST ended, for the circuit, and each read, for the rate."""
    one = stage(Fake(checking=reading(Unknown(http_status=429, retry_after_s=9.0), Pending())))
    one.answers.append(lost())
    row = one.advance(one.accept())
    for seconds in (5, 20):
        one.at = after(seconds)
        row = one.advance(row)
    moves = [command for command in one.asked if isinstance(command, ApplyTransition)]
    assert [move.post_end for move in moves if move.post_end] == [PostEnd(True, 20)]
    assert [move.read_end for move in moves if move.read_end] == [
        ReadEnd(is_refused=True, after_s=9.0),
        ReadEnd(is_refused=False),
    ]


def test_contradiction_is_recorded(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(PAID)))
    row = one.put(S.FAILED, reason=NO, decided_by="read", next_at=None)
    assert one.advance(row, early=True).status is S.FAILED
    assert last(one, row) == ("contradicted", {"attempt": 1, "code": "DONE", "http_status": 200})


def test_contradiction_code_is_masked_and_cut(stage: MakeStage) -> None:
    """What the provider writes where its code should be is told to the application as well."""
    one = stage(Fake(checking=reading(Final(seen=OURS, code=f"PAID to 254700000900, {'x' * 81}"))))
    row = one.put(S.FAILED, reason=NO, decided_by="read", next_at=None)
    one.advance(row, early=True)
    assert "254700000900" not in str(last(one, row))
    assert len(last(one, row)[1]["code"]) == 80


def test_missing_binding_is_recorded_with_the_old_one(stage: MakeStage) -> None:
    one = stage()
    row = one.put(S.PENDING, next_at=T0, binding={"host": "gone", "api_user": "u"})
    why = "Account till now pays elsewhere or as somebody else; it was tried under: api_user u, host gone."
    row = one.advance(row)
    assert row.reason == Reason(ReasonCode.BINDING_GONE, text=why)
    assert last(one, row) == ("review", {"why": why})


# --- answers that come later ---------------------------------------------------------------------------------------


def test_result_callback_that_breaks_the_provider_decides_nothing(stage: MakeStage) -> None:
    """The provider's code may break on it: the payout is asked about again."""

    class Broken(Fake):
        def read_answer(self, draft: Any, callback: Any) -> Any:
            raise KeyError("46733123450")

    one = stage(Broken(checking=reading(Unknown())), status_by="result_callback")
    row = one.advance(one.put(S.UNKNOWN, next_at=T0), token="path")
    row = one.deliver(row, "path")
    assert row.status is S.UNKNOWN
    assert last(one, row) == ("read", {"text": "provider bug: KeyError"})


def test_preflight_that_needs_an_approval_says_why(stage: MakeStage) -> None:
    one = stage(preflight=lambda _: NeedsApproval("More than 20 EUR.", after(4)))
    row = one.advance(one.accept(expires_at=after(99)))
    assert row.reason == Reason(ReasonCode.NEEDS_APPROVAL, text="More than 20 EUR.")
    assert row.schedule.next_at == after(99)
    assert one.journal.history(row.id)[-1].at == after(4)


# --- what is read, written and published ---------------------------------------------------------------------------


def test_check_without_a_request_happens_now(stage: MakeStage) -> None:
    """Its time is the caller's: for the row, for its schedule and for its history."""
    one = stage(Fake(checking=at_once(Pending())))
    row = one.put(S.PENDING, next_at=T0)
    one.at = after(10)
    row = one.advance(row)
    assert (row.schedule.read_at, row.schedule.next_at) == (after(10), after(20))
    assert one.journal.history(row.id)[-1].at == after(10)


def test_advance_does_nothing_before_the_payout_is_due(stage: MakeStage) -> None:
    """What is not due is left alone unless it is asked for; a first attempt has none before it to look at."""
    one = stage()
    row = one.put(S.PENDING, next_at=after(5))
    assert run_flow(engine.advance(one.account, row, one.moment()), one.execute) == row
    assert one.asked == []
    one.advance(row, early=True)
    assert not [command for command in one.asked if isinstance(command, LoadAttempts)]


def test_check_keeps_reported_references(stage: MakeStage) -> None:
    """Beside ours, which no answer overwrites."""
    one = stage(Fake(checking=reading(Pending(references={"receipt": "R", "reference": "theirs"}))))
    row = one.advance(one.put(S.PENDING, next_at=T0))
    assert dict(row.attempt.references) == {"reference": "r", "external_id": "x-1", "receipt": "R"}


def test_final_statuses_and_reviews_are_published(stage: MakeStage) -> None:
    """Each end, each way into REVIEW and each new reason there; a read in between is not."""
    theirs = replace(OURS, amount=Decimal(26), currency="USD", payee="46733123498", external_id="x-2")
    one = stage(Fake(checking=reading(Pending(), Final(seen=theirs), PAID)))
    row = one.put(S.REVIEW, reason=Reason(ReasonCode.NO_FINAL_ANSWER), next_at=T0)
    row = one.advance(row)
    row = one.advance(row, early=True)
    why = "The provider shows another amount and currency and payee and external_id under our reference."
    assert row.reason == Reason(ReasonCode.MISMATCH, text=why)
    row = one.advance(row, early=True)
    assert row.status is S.SUCCEEDED
    moves = [(command.event.name, command.publish) for command in one.asked if isinstance(command, ApplyTransition)]
    assert moves == [("payout.read", False), ("payout.review", True), ("payout.succeeded", True)]


def test_mismatch_names_the_fields_that_are_not_shown(stage: MakeStage) -> None:
    """Where all has to agree."""
    one = stage(Fake(checking=reading(Pending(seen=replace(OURS, amount=None, payee=None)))))
    row = one.advance(one.put(S.UNKNOWN, duplicate_unverified=True, next_at=T0))
    why = "The provider does not show the amount and payee, so it cannot be told to be ours."
    assert row.reason == Reason(ReasonCode.MISMATCH, text=why)


def test_refund_is_not_compared_by_payee(stage: MakeStage) -> None:
    """The provider shows who was paid back, the order names the collection."""
    one = stage(Fake(checking=reading(Final(seen=OURS))))
    of = {"operation": Operation.REFUND, "payee_kind": "collection", "original_amount": Decimal(30)}
    row = one.put(S.PENDING, payee_value="r-1", next_at=T0, **of)
    assert one.advance(row).status is S.SUCCEEDED


def test_poll_schedule_without_a_send_begins_at_the_last_change() -> None:
    row = changed(row_of(S.UNKNOWN), sent_at=None)
    assert decide_outcome.after_check(row, account_of(), lost(), after(1)).after.schedule.next_at == after(5)


def test_resend_without_an_approval_is_checked_instead(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(NotFound())), preflight=lambda _: Proceed(after(300), needs_approval=True))
    row = one.put(S.UNKNOWN, not_found_count=2, first_not_found_at=T0, next_at=after(300))
    one.at = after(300)
    row = one.advance(row)
    assert row.status is S.UNKNOWN
    assert last(one, row) == ("needs_approval", {"why": ""})


def test_status_query_carries_its_path(stage: MakeStage) -> None:
    """And who finds the row moved before it could be written down asks nobody, and sees what it is now."""
    seen: list[str] = []

    def check(draft: Draft) -> EngineFlow[Any]:
        seen.append(draft.answer_token)
        return Unknown()
        yield

    one = stage(Fake(checking=check), status_by="result_callback")
    row = one.put(S.UNKNOWN, next_at=T0)
    now = one.advance(row, token="path")
    assert one.advance(row, token="another") == now
    assert seen == ["path"]
    row = one.put(S.REVIEW, id="po_y", key="k/2", reason=Reason(ReasonCode.NO_FINAL_ANSWER), next_at=T0)
    one.advance(row)
    with pytest.raises(DecisionRefused, match="Payout … \\(po_y\\) was moved by somebody else meanwhile"):
        one.resolve(row, paid=True)


@pytest.mark.parametrize("wait_s", [math.inf, math.nan, -1.0, 1e308])
@pytest.mark.parametrize(
    "answer",
    [
        lambda wait_s: NotAccepted(retry_after_s=wait_s),
        lambda wait_s: Unknown(retry_after_s=wait_s),
        lambda wait_s: Final(reason=Reason(ReasonCode.REJECTED, settling_h=wait_s)),
    ],
    ids=["not accepted", "unknown", "settling"],
)
def test_wait_beyond_any_clock_is_a_provider_bug(
    stage: MakeStage, answer: Callable[[float], SubmitOutcome], wait_s: float
) -> None:
    """It is found when the answer is made, after the request: nothing is known then, and the payout is asked about."""

    def submitting(draft: Any) -> EngineFlow[SubmitOutcome]:
        yield from exchange(draft.request)
        return answer(wait_s)

    one = stage(Fake(submitting=submitting))
    row = one.advance(one.accept())
    assert row.status is S.UNKNOWN
    name, evidence = last(one, row)
    assert name == "unknown"
    assert "provider bug: InvalidArgument: " in evidence["why"]
