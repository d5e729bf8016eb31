"""What is told of later attempts and of what persons decide: the history, the reasons, and what is published."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flat_records import columns_of
from kit import NAMESPACE, OURS, T0, Fake, MakeStage, account_of, after, at_once, last, lost, order_of, reading, saying

from payments_core import engine
from payments_core.domain.errors import DecisionRefused, InvalidPayout, OverRefund
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import EndedAttempt, Event, PayoutRecord, Schedule
from payments_core.domain.references import derive
from payments_core.engine.commands import AppendHistory, ApplyTransition, CreateAttempt
from payments_core.engine.drafts import make_draft
from payments_core.engine.flow import EngineFlow, Proceed
from payments_core.engine.previous_attempts import AttemptState, check_attempt
from payments_core.http.flow import run_flow
from payments_core.provider import Attempt, Draft, Final, NotFound, Pending, Unknown

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")
PAID = Final(code="DONE", http_status=200, seen=OURS)


def refused(stage: MakeStage, *says: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which a payout was refused when it was sent, an hour ago, and the provider now says these."""
    provider = Fake(submitting=saying(Final(reason=NO)), checking=reading(*(says or (Final(reason=NO),))))
    one = stage(provider, dedupe_settle_s=100.0)
    row = one.advance(one.accept())
    one.at = after(3600)
    return one, row


# --- paid again ----------------------------------------------------------------------------------------------------


def test_reissued_attempt_inherits_nothing_of_the_previous_one(stage: MakeStage) -> None:
    """Doubt, counts and times of the failed attempt are its own; the history keeps them, and why it was paid again."""
    one = stage(Fake(checking=reading(Final(reason=NO))), dedupe_settle_s=100.0)
    row = one.put(
        S.FAILED,
        reason=NO,
        decided_by="read",
        submissions=3,
        refusals=2,
        ambiguous=True,
        duplicate_unverified=True,
        refused=True,
        first_sent_at=T0,
        sent_at=after(1),
        not_found_count=4,
        first_not_found_at=after(2),
        reopened_at=after(3),
        read_at=after(4),
        callback_read_at=after(4),
        expires_at=after(500),
        next_at=None,
    )
    one.at = after(500)
    again = one.reissue(row)
    fresh = {
        "status": S.CREATED,
        "attempt": 2,
        "reason": None,
        "decided_by": "",
        "submissions": 0,
        "refusals": 0,
        "ambiguous": False,
        "guards_passed": False,
        "duplicate_unverified": False,
        "refused": False,
        "first_sent_at": None,
        "sent_at": None,
        "not_found_count": 0,
        "first_not_found_at": None,
        "reopened_at": None,
        "expires_at": None,  # it has come, and was about the attempt that failed
        "next_at": one.at,
    }
    before, after_ = columns_of(row), columns_of(again)
    changed = {name for name in before if before[name] != after_[name]}
    assert {name: after_[name] for name in fresh} == fresh
    assert changed - fresh.keys() == {"references", "request", "request_hash", "version", "updated_at"}
    assert last(one, again) == (
        "reissued",
        {
            "actor": "Ann",
            "reason": "top up done",
            "because": "rejected (NO)",
            "references_before": {"reference": "r", "external_id": "x-1"},
        },
    )


def test_reissue_keeps_an_expiry_in_the_future(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(Final(reason=NO))), dedupe_settle_s=100.0)
    row = one.put(S.FAILED, reason=NO, decided_by="read", expires_at=after(501), next_at=None)
    one.at = after(500)
    assert one.reissue(row).order.expires_at == after(501)


def test_refund_reissue_over_the_collected_amount_is_refused(stage: MakeStage) -> None:
    """What was refunded meanwhile under another key counts."""
    one = stage(Fake(submitting=saying(Final(reason=NO)), checking=reading(Final(reason=NO))), dedupe_settle_s=100.0)
    of = {"operation": Operation.REFUND, "payee": Payee.payer_of("r-1"), "original_amount": Money("30", "EUR")}
    row = one.advance(one.accept(**of))
    assert row.status is S.FAILED
    one.accept(key="k/2", **of)
    one.at = after(1000)
    with pytest.raises(OverRefund, match=r"25 EUR cannot be refunded: of 30 EUR collected, 25 EUR is refunded"):
        one.reissue(row)


def test_refund_whose_failure_settles_keeps_its_share(stage: MakeStage) -> None:
    """Hours that have passed are no read: another key is refused, its own reads first and needs no second share."""
    settling = Final(reason=replace(NO, settling_h=72))
    one = stage(Fake(submitting=saying(settling), checking=reading(settling)), dedupe_settle_s=100.0)
    of = {"operation": Operation.REFUND, "payee": Payee.payer_of("r-1"), "original_amount": Money("30", "EUR")}
    row = one.advance(one.accept(**of))
    assert row.status is S.FAILED
    one.at = after(100 * 3600.0)
    with pytest.raises(OverRefund):
        one.accept(key="k/2", **of)
    assert one.reissue(row).attempt.number == 2


# --- looking back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "standing", "why"),
    [
        (Final(reason=NO), Final(reason=NO), "FAILED", ""),
        (Final(reason=NO), Pending(), "OPEN", "The provider says that attempt 2 is still under way."),
        (Pending(), Final(reason=NO), "OPEN", "The provider says that attempt 1 is still under way."),
        (Pending(), Unknown(), "OPEN", "The provider says that attempt 1 is still under way."),
        (Pending(), PAID, "PAID", "The provider says now that attempt 2 was paid."),
        (PAID, Pending(), "PAID", "The provider says now that attempt 1 was paid."),
    ],
)
def test_previous_attempts_are_all_checked(stage: MakeStage, first: Any, second: Any, standing: str, why: str) -> None:
    """One that was paid outweighs all; otherwise the first that is open is told."""
    provider = Fake(submitting=saying(Final(reason=NO)), checking=reading(Final(reason=NO)))
    one = stage(provider, dedupe_settle_s=100.0)
    row = one.advance(one.accept())
    for _ in range(2):
        one.at += timedelta(hours=1)
        row = one.reissue(row)
        row = one.advance(row) if row.attempt.number < 3 else row
    provider.checking = reading(first, second)
    found, result = run_flow(engine.check_previous_attempts(one.account, row, one.moment()), one.execute)
    assert (found.name, result) == (standing, why)


def test_previous_attempt_check_without_a_request_uses_the_callers_time(stage: MakeStage) -> None:
    """A provider may answer without asking anybody; the time is then the caller's."""
    one, row = refused(stage)
    row = one.reissue(row)
    one.account.provider.checking = at_once(Final(reason=replace(NO, settling_h=1)))
    for seconds, standing in ((3599, "OPEN"), (3600, "FAILED")):
        one.at = after(seconds)
        assert run_flow(engine.check_previous_attempts(one.account, row, one.moment()), one.execute)[0].name == standing


def test_retired_identity_that_does_not_answer_blocks_a_reissue(stage: MakeStage) -> None:
    """It is asked on the line of what it was paid as, and silence there is told like any other."""
    old = account_of(Fake(host="old.invalid", checking=reading(Final(reason=NO))))
    one = stage(Fake(), dedupe_settle_s=100.0)
    one.account = replace(one.account, retired=(replace(old, is_retired=True),))
    row = one.put(S.FAILED, reason=NO, decided_by="read", next_at=None, binding={"host": "old.invalid"})
    one.at = after(3600)
    one.answers.append(lost())
    with pytest.raises(DecisionRefused, match="could not be asked about attempt 1: timed out"):
        one.reissue(row)
    assert one.reissue(row).attempt.number == 2


def test_rebinding_refusal_is_masked(stage: MakeStage) -> None:
    """It says why in the provider's words, which may hold a number; the payout stops alone, and nothing leaves."""

    def refuse(_: Any) -> None:
        raise InvalidPayout("Nobody is 46733123450.")

    one = stage(Fake(host="new.invalid", drafts=refuse))
    row = one.advance(one.put(S.CREATED, binding={"host": "old.invalid"}))
    assert row.reason == Reason(ReasonCode.BINDING_GONE, text="Nobody is 46*******50.")
    assert (row.status, one.posts()) == (S.REVIEW, [])


def test_attempt_is_checked_as_it_was_drafted(stage: MakeStage) -> None:
    """With its references and its order, and a proven failure needs no words."""
    asked: list[Draft] = []

    def check(draft: Draft) -> EngineFlow[Any]:
        asked.append(draft)
        return Final(reason=NO) if len(asked) == 1 else NotFound()
        yield

    one = stage(Fake(checking=check))
    row = one.put(S.FAILED, reason=NO, decided_by="submit", next_at=None)
    one.at = after(3600)
    for _ in range(2):
        attempt = EndedAttempt.of(row)
        found = run_flow(check_attempt(one.account, row, attempt, one.moment()), one.execute)
        assert found == (AttemptState.FAILED, "")
    assert [(dict(draft.references), draft.order) for draft in asked] == [(dict(row.attempt.references), row.order)] * 2


def test_failure_without_a_reason_settles_at_once(stage: MakeStage) -> None:
    """As far as the reason goes; the last possible send still counts, and the history gives no reason."""
    one = stage(Fake(checking=reading(Final(reason=NO))), dedupe_settle_s=100.0)
    row = one.put(S.FAILED, reason=None, decided_by="read", next_at=None)
    one.at = after(190)
    again = one.reissue(row)
    assert (again.attempt.number, last(one, again)[1]["because"]) == (2, "")


# --- decided by a person -------------------------------------------------------------------------------------------


def stopped(stage: MakeStage, code: ReasonCode, **changes: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which a payout stopped, and the provider does not show it."""
    one = stage(Fake(checking=reading(NotFound(code="NONE", http_status=404))))
    fields = {"reason": Reason(code), "ambiguous": True, "first_sent_at": T0, "next_at": None, **changes}
    row = one.put(S.REVIEW, **fields)
    one.at = after(100_000)
    return one, row


@pytest.mark.parametrize(("paid", "word"), [(True, "paid"), (False, "not_paid")])
def test_resolution_is_recorded_with_person_evidence_and_answer(stage: MakeStage, paid: bool, word: str) -> None:
    """Who, why, on what evidence, and what the provider said when it was asked first; the application hears of it."""
    one, row = stopped(stage, ReasonCode.NEVER_APPEARED)
    row = one.resolve(row, paid=paid)
    person = {"actor": "Ann", "reason": "statement of 2 March", "evidence": "line 7"}
    provider = {"provider": "not_found", "provider_code": "NONE", "provider_http_status": 404}
    assert last(one, row) == ("resolved", {"decision": word, **person, **provider})
    text = "A person decided that it was not paid: statement of 2 March"
    assert row.reason == (None if paid else Reason(ReasonCode.NEVER_APPEARED, text=text))
    assert [command.publish for command in one.asked if isinstance(command, ApplyTransition)] == [True]


def test_resolved_payout_without_an_identity_is_not_due(stage: MakeStage) -> None:
    one, row = stopped(stage, ReasonCode.BINDING_GONE, binding={"host": "gone"}, next_at=T0)
    assert one.resolve(row, paid=True).schedule.next_at is None


def test_decision_is_recorded_beside_the_providers_final_answer(stage: MakeStage) -> None:
    one, row = stopped(stage, ReasonCode.NEVER_APPEARED)
    one.account = account_of(Fake(checking=reading(PAID)))
    row = one.reopen(row)
    person = {"decision": "reopen", "actor": "Ann", "reason": "asked"}
    assert last(one, row) == ("succeeded", {"code": "DONE", "http_status": 200, "person": person})


def test_reopened_payout_begins_anew(stage: MakeStage) -> None:
    """Its counts and its reason are about what was; made ready again it has the reference of its attempt."""
    seen: list[Attempt] = []

    class Drafting(Fake):
        def draft(self, order: Any, attempt: Attempt) -> Draft:
            seen.append(attempt)
            return super().draft(order, attempt)

    one, row = stopped(stage, ReasonCode.NEVER_APPEARED, not_found_count=3, first_not_found_at=T0)
    row = one.reopen(row)
    assert replace(row.schedule, reopened_at=None) == Schedule(next_at=one.at)
    assert row.reason is None
    one, row = stopped(
        stage,
        ReasonCode.BINDING_GONE,
        id="po_y",
        key="k/2",
        ambiguous=False,
        first_sent_at=None,
        attempt=2,
        not_found_count=3,
        first_not_found_at=T0,
        binding={"host": "old.invalid"},
    )
    one.account = account_of(Drafting())
    row = one.reopen(row)
    assert replace(row.schedule, reopened_at=None) == Schedule(next_at=one.at)
    assert row.reason is None
    assert seen == [Attempt(2, derive(NAMESPACE, "k/2", 2), "po_y")]


def test_previous_attempts_are_checked_at_the_present_time(stage: MakeStage) -> None:
    """By whoever sends the next one, and by whoever asks about the payout."""
    settling = Final(reason=replace(NO, settling_h=1))
    one, row = refused(stage)
    row = one.reissue(row)
    one.account = account_of(Fake(checking=at_once(settling)))
    one.at = after(3599)
    assert one.journal.get(row.id) == row
    one.at = after(3600)
    row = one.advance(row)
    assert (row.status, row.attempt.submissions) == (S.PENDING, 1)
    one.account = account_of(Fake(checking=at_once(settling, Pending())))
    assert one.advance(row, early=True).status is S.PENDING


@pytest.mark.parametrize(("when", "says"), [("before", Pending()), ("meanwhile", Final(reason=NO))])
def test_attempt_after_a_paid_one_goes_to_review(stage: MakeStage, when: str, says: Any) -> None:
    """Known before, whatever the provider says now, or found by C2 itself; nothing is sent."""
    one, row = refused(stage, Final(reason=NO), says)
    row = one.reissue(row)
    output = AppendHistory(row.id, Event("payout.contradicted", one.at, {"attempt": 1}))
    if when == "before":
        one.journal.execute(output)

    def preflight(_: Any) -> Proceed:
        one.journal.execute(output)
        return Proceed(one.at)

    one.preflight = preflight
    row = one.advance(row)
    why = "The provider says that an earlier attempt was paid; this one is not sent any more."
    assert (row.status, row.reason) == (S.REVIEW, Reason(ReasonCode.EARLIER_ATTEMPT_PAID, text=why))
    assert len(one.posts()) == 1


def test_reissue_is_refused_by_a_contradiction_before_its_commit(stage: MakeStage) -> None:
    """The journal looks once more when the next attempt is written."""
    one, row = refused(stage)
    found = AppendHistory(row.id, Event("payout.contradicted", one.at, {"attempt": 1}))
    one.meanwhile(CreateAttempt, lambda: one.journal.execute(found))
    with pytest.raises(DecisionRefused, match="cannot be paid again: the provider says that an attempt"):
        one.reissue(row)


@pytest.mark.parametrize("reason", [None, NO])
def test_review_reason_outside_the_table_decides_nothing(stage: MakeStage, reason: Any) -> None:
    one = stage()
    row = one.put(S.REVIEW, reason=reason, next_at=None)
    with pytest.raises(DecisionRefused, match="cannot be settled as paid now"):
        one.resolve(row, paid=True)


def test_new_review_reason_is_published_although_the_decision_is_refused(stage: MakeStage) -> None:
    """The payout stays in REVIEW for another reason than before: the application hears of it."""
    one, row = stopped(stage, ReasonCode.NEVER_APPEARED)
    one.account = account_of(Fake(checking=reading(Final(seen=replace(OURS, amount=Decimal(26))))))
    with pytest.raises(DecisionRefused):
        one.resolve(row, paid=False)
    assert [command.publish for command in one.asked if isinstance(command, ApplyTransition)] == [True]


def test_operation_that_the_provider_lacks_is_refused() -> None:
    """Before it is asked to make anything ready: it might take a deposit for a transfer."""
    account = account_of()
    some = replace(account, spec=replace(account.spec, operations=frozenset({Operation.TRANSFER, Operation.DEPOSIT})))
    refund = order_of(operation=Operation.REFUND, payee=Payee.payer_of("c-1"), original_amount=order_of().amount)

    with pytest.raises(InvalidPayout) as refused:
        make_draft(some, refund, namespace=NAMESPACE, payout_id="po_x")

    assert refused.value.message == f"The provider of account {account.name} has no refund."
    assert refused.value.field == "operation"
    assert refused.value.hint == "It has deposit, transfer."
    make_draft(account, refund, namespace=NAMESPACE, payout_id="po_x")
