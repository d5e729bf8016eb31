"""What a restored journal may have forgotten: the provider is asked before anything is sent or called failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from flat_records import changed
from kit import NAMESPACE, OURS, STORE, T0, Fake, MakeStage, account_of, after, last, reading, row_of, saying

from payments_core.domain.errors import DecisionRefused
from payments_core.domain.payout import Operation, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.engine import OperatorDecision, make_draft, reissue
from payments_core.engine.commands import CreateAttempt, GapOpen
from payments_core.engine.drafts import not_payable, other_payers
from payments_core.engine.flow import EngineFlow, Proceed, RefusedByGuard
from payments_core.http.flow import exchange, run_flow
from payments_core.http.messages import HttpRequest
from payments_core.journal import store_of
from payments_core.journal.maintenance import restore
from payments_core.provider import Draft, Final, NotFound, Pending, Unknown

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")
PAID = Final(code="DONE", http_status=200, seen=OURS)


def restored(one: Any, *, gap_from: datetime = T0) -> None:
    """Say of a stage's journal that it is a backup, now."""
    restore.begin_gap(store(one), gap_from, restore.OperatorAction(one.at, "Ann", "the disk broke"))


def store(one: Any) -> Any:
    return store_of(STORE, namespace=NAMESPACE, root=one.folder, at=one.at)


def compare(one: Any, *references: str, account: str = "till") -> None:
    """Say that an account's statement was compared, and what it has."""
    act = restore.OperatorAction(one.at, "Ben", "compared")
    restore.compare_statement(store(one), act, account=account, configured=("till", "other"), references=references)


def end(one: Any) -> None:
    restore.end_gap(store(one), restore.OperatorAction(one.at, "Ann", "settled"), ["till"])


def knowing(text: Mapping[int, Any], asked: list[int] | None = None) -> Callable[..., Any]:
    """Return a check that answers by the number of the attempt that is asked about; unlisted ones are not found."""
    account = account_of()
    order = row_of().order
    drafts = [make_draft(account, order, namespace=NAMESPACE, payout_id="po_x", number=n) for n in range(1, 20)]
    numbers = {draft.references["reference"]: n for n, draft in enumerate(drafts, 1)}

    def check(draft: Draft) -> EngineFlow[Any]:
        number = numbers[draft.references["reference"]]
        if asked is not None:
            asked.append(number)
        yield from exchange(HttpRequest("GET", draft.request.url, "status", repeatable=True))
        return text.get(number, NotFound(http_status=404))

    return check


def absent(one: Any, row: PayoutRecord) -> PayoutRecord:
    """Let the provider be asked as often and as long as absence needs."""
    for seconds in (10, 110, 310):
        one.at = after(seconds)
        row = one.advance(row, early=True)
    return row


# --- sought before it is sent --------------------------------------------------------------------------------------


def test_restored_payout_is_checked_before_the_first_byte(stage: MakeStage) -> None:
    """A try of it may be lost: nothing is sent before the provider has not shown it for long enough."""
    one = stage(Fake(checking=knowing({})))
    row = one.accept()
    restored(one)
    row = one.advance(row)
    assert (row.status, row.attempt.submissions, row.schedule.next_at, len(one.posts())) == (S.UNKNOWN, 0, T0, 0)
    assert last(one, row) == ("checked_first", {})
    row = absent(one, row)
    assert (row.status, row.attempt.submissions, len(one.posts())) == (S.PENDING, 1, 1)
    assert not row.attempt.duplicate_unverified
    assert one.events(row) == ["created", "checked_first", "not_found", "not_found", "resend", "sending", "pending"]


@pytest.mark.parametrize(
    ("says", "status", "event"), [(PAID, S.SUCCEEDED, "succeeded"), (Pending(seen=OURS), S.PENDING, "adopted")]
)
def test_payment_from_before_the_restore_is_adopted(stage: MakeStage, says: Any, status: S, event: str) -> None:
    """It was sent before the restore, at the latest now, and is never sent again."""
    one = stage(Fake(checking=knowing({1: says})))
    row = one.accept()
    one.at = after(7)
    restored(one)
    row = one.advance(one.advance(row))
    assert (row.status, row.attempt.submissions) == (status, 0)
    assert (row.attempt.ambiguous, row.attempt.first_sent_at) == (True, after(7))
    assert one.events(row)[-1] == event
    assert len(one.posts()) == 0


@pytest.mark.parametrize("how", ["expiry", "later expiry", "guard"])
def test_restored_payout_does_not_fail_before_it_is_checked(stage: MakeStage, how: str) -> None:
    """Neither what is not sent in time nor what a guard refuses; afterwards it is, in the words it had."""
    provider = Fake(checking=knowing({}))
    one = stage(provider)
    row = one.accept(expires_at=None if how == "guard" else after(5))
    restored(one)
    if how == "guard":
        one.preflight = lambda _: RefusedByGuard(NO, max(one.at, after(6)))
    elif how == "expiry":
        one.at = after(6)
    else:
        one.preflight = lambda _: Proceed(after(6))
    row = one.advance(row)
    assert (row.status, row.attempt.guards_passed) == (S.UNKNOWN, how == "later expiry")
    assert (row.schedule.next_at, row.schedule.reopened_at) == (after(6), after(6))
    assert last(one, row) == ("checked_first", {})
    row = absent(one, row)
    assert (row.status, row.decided_by) == (S.FAILED, "guard" if how == "guard" else "expiry")
    assert len(one.posts()) == 0


def test_expiry_of_a_payout_that_changed_meanwhile_does_nothing(stage: MakeStage) -> None:
    """Somebody else moved it first: their row stands."""
    one = stage()
    old = one.accept(expires_at=after(5))
    newer = one.advance(old)
    one.at = after(6)
    assert one.advance(old) == newer
    assert newer.status is S.PENDING


def test_refusal_of_a_send_from_before_the_restore_decides_nothing(stage: MakeStage) -> None:
    """The journal is restored while a send is under way: its answer is written down, and the provider is asked."""
    one = stage(Fake(submitting=saying(Final(reason=NO, code="NO")), checking=knowing({})))
    row = one.accept()

    def restore_it() -> None:
        one.at = after(1)
        restored(one)

    one.meanwhile(HttpRequest, restore_it)
    row = one.advance(row)
    assert (row.status, one.events(row)) == (S.SENDING, ["created", "sending", "late_result"])
    assert last(one, row)[1]["answer"] == "payout.failed"


def test_long_gap_holds_a_payout_until_its_statement_is_compared(stage: MakeStage) -> None:
    """Sought in vain it is as unsent as it was, and says once that it is held; the account's statement ends that."""
    one = stage(Fake(checking=knowing({})), dedupe_window_s=100.0)
    row = one.accept()
    restored(one, gap_from=after(-51))
    row = absent(one, one.advance(row))
    assert (row.status, row.attempt.submissions, row.attempt.duplicate_unverified) == (S.CREATED, 0, True)
    why = "the journal was restored, and the statement of till was not compared with it yet"
    assert last(one, row) == ("on_hold", {"why": why})
    count = len(one.events(row))
    assert one.advance(row) == row
    assert len(one.events(row)) == count
    compare(one, account="other")
    assert one.advance(row) == row
    assert len(one.posts()) == 0
    compare(one)
    assert one.advance(row).status is S.PENDING


@pytest.mark.parametrize("how", ["expiry", "guard"])
def test_long_gap_holds_a_failure_until_its_statement_is_compared(stage: MakeStage, how: str) -> None:
    """What a provider has forgotten may have been paid: a guard's no and an expiry wait for the statement as well."""
    one = stage(Fake(checking=knowing({})), dedupe_window_s=100.0)
    row = one.accept(expires_at=after(5) if how == "expiry" else None)
    restored(one, gap_from=after(-51))
    one.at = after(6)
    if how == "guard":
        one.preflight = lambda _: RefusedByGuard(NO, one.at)
    row = absent(one, one.advance(row))
    assert row.status is S.CREATED
    assert last(one, row)[0] == "on_hold"
    count = len(one.events(row))
    assert one.advance(row) == row
    assert len(one.events(row)) == count
    compare(one)
    row = one.advance(row)
    assert (row.status, row.decided_by) == (S.FAILED, how)


def test_gap_inside_the_dedupe_window_needs_no_statement(stage: MakeStage) -> None:
    """The provider itself would refuse a second one; where that is not proven, nobody sends."""
    one = stage(Fake(checking=knowing({})), dedupe_window_s=2000.0)
    row = one.accept()
    restored(one, gap_from=after(-600))
    assert absent(one, one.advance(row)).status is S.PENDING


def test_provider_that_answers_later_is_not_checked_first(stage: MakeStage) -> None:
    """It cannot be asked at once: the gap itself holds the payout, and its end as well, until a person has compared."""
    one = stage(Fake(checking=reading(Unknown())), status_by="result_callback", dedupe_window_s=10**6)
    row = one.accept()
    restored(one, gap_from=after(-1))
    row = one.advance(row)
    assert (row.status, len(one.posts())) == (S.CREATED, 0)
    assert one.events(row) == ["created", "on_hold"]
    one.at = after(5)
    late = one.advance(one.accept(key="k/2", expires_at=after(5)))
    assert (late.status, one.events(late)) == (S.CREATED, ["created"])
    compare(one)
    assert one.advance(row).status is S.PENDING
    assert one.advance(late).status is S.FAILED


# --- attempts that the journal lacks -------------------------------------------------------------------------------


def checked_first(stage: MakeStage, *, gap: bool = True) -> tuple[Any, PayoutRecord, list[int]]:
    """Set a stage on which the provider has not shown a payout for nearly long enough."""
    asked: list[int] = []
    one = stage(Fake(checking=knowing({}, asked)))
    row = one.put(S.UNKNOWN, references=_references(1), not_found_count=2, first_not_found_at=T0, next_at=after(300))
    if gap:
        restored(one)
    one.at = after(301)
    return one, row, asked


def _references(number: int) -> Mapping[str, str]:
    order = row_of().order
    return make_draft(account_of(), order, namespace=NAMESPACE, payout_id="po_x", number=number).references


def test_restored_payout_is_checked_by_its_own_attempt_alone(stage: MakeStage) -> None:
    """None is guessed: what the journal lacks is for the statement to say."""
    one, row, asked = checked_first(stage)
    assert one.advance(row).status is S.PENDING
    assert asked == [1]


def test_absence_from_before_the_restore_proves_nothing(stage: MakeStage) -> None:
    """It is sought again, and counted from now."""
    one, row, _ = checked_first(stage, gap=False)
    restored(one)
    row = one.advance(row)
    assert last(one, row) == ("checked_first", {})
    assert (row.schedule.not_found_count, row.schedule.first_not_found_at, row.reason) == (0, None, None)
    assert (row.attempt.duplicate_unverified, len(one.posts())) == (False, 0)


@pytest.mark.parametrize(("seconds", "event"), [(301, "sending"), (300, "checked_first")])
def test_absence_since_the_restore_has_to_last(stage: MakeStage, seconds: float, event: str) -> None:
    """However the row came to its three absences: the commit itself looks how long they have lasted."""
    one = stage()
    restored(one)
    one.put(S.CREATED, not_found_count=3, first_not_found_at=after(1))
    one.at = after(seconds)
    row = one.advance(one.journal.get("po_x"))
    assert event in one.events(row)
    assert len(one.posts()) == (event == "sending")


WHY = "The provider's statement has a payment under its reference, and the provider does not show it."


@pytest.mark.parametrize("ended", [False, True], ids=["in the gap", "after it"])
@pytest.mark.parametrize("name", ["reference", "external_id"])
def test_payment_on_a_statement_is_never_sent(stage: MakeStage, name: str, ended: bool) -> None:
    """It is read, as often and long as absence needs; where it is not shown a person decides, with evidence."""
    one = stage(Fake(checking=knowing({})))
    restored(one)
    compare(one, _references(1)[name].upper())
    if ended:
        end(one)
    row = absent(one, one.advance(one.accept()))
    assert (row.status, row.reason) == (S.REVIEW, Reason(ReasonCode.ON_STATEMENT, text=WHY))
    assert last(one, row) == ("review", {"why": WHY})
    assert (row.attempt.ambiguous, row.attempt.submissions, len(one.posts())) == (True, 0, 0)
    assert row.view().may_have_been_sent
    with pytest.raises(DecisionRefused, match="because of on_statement"):
        one.resolve(row, paid=False, evidence=" ")


@pytest.mark.parametrize(
    ("says", "status", "event"), [(PAID, S.SUCCEEDED, "succeeded"), (Pending(seen=OURS), S.PENDING, "adopted")]
)
def test_payment_on_a_statement_is_adopted_where_it_is_shown(
    stage: MakeStage, says: Any, status: S, event: str
) -> None:
    """Before anybody has to decide, and afterwards as well."""
    one = stage(Fake(checking=knowing({1: says})))
    row = one.accept()
    restored(one)
    compare(one, *_references(1).values())
    row = one.advance(one.advance(row))
    assert (row.status, row.attempt.submissions, one.events(row)[-1]) == (status, 0, event)
    stopped = one.put(
        S.REVIEW, key="k/2", id="po_y", references=_references(1), reason=Reason(ReasonCode.ON_STATEMENT), next_at=None
    )
    assert one.advance(stopped, early=True).status is status


def test_payment_on_a_statement_does_not_expire(stage: MakeStage) -> None:
    one = stage(Fake(checking=knowing({})))
    row = one.accept(expires_at=after(5))
    restored(one)
    compare(one, *_references(1).values())
    one.at = after(6)
    row = absent(one, one.advance(row))
    assert (row.status, row.reason.code) == (S.REVIEW, ReasonCode.ON_STATEMENT)


def test_payment_on_a_statement_is_review_where_answers_come_later(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(Unknown())), status_by="result_callback")
    row = one.accept()
    restored(one)
    compare(one, *_references(1).values())
    row = one.advance(row)
    assert (row.status, row.reason.code, len(one.posts())) == (S.REVIEW, ReasonCode.ON_STATEMENT, 0)


# --- a further attempt ---------------------------------------------------------------------------------------------


def failed(stage: MakeStage, text: Mapping[int, Any]) -> tuple[Any, PayoutRecord]:
    """Set a stage on which a payout has failed, long enough ago to be paid again."""
    one = stage(Fake(checking=knowing({1: Final(reason=NO), **text})))
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    one.at = after(1_000_000)
    return one, row


def test_reissue_is_refused_before_the_gap_has_ended(stage: MakeStage) -> None:
    """It may have been, in what is missing; nobody is asked, and the commit itself refuses it."""
    one, row = failed(stage, {})
    one.meanwhile(CreateAttempt, lambda: restored(one))  # said between the look and the commit
    for asked in (1, 1):
        with pytest.raises(DecisionRefused) as refused:
            one.reissue(row)
        result = "cannot be paid again yet: the restored journal may lack an attempt that was paid."
        assert refused.value.message == f"Payout … (po_x) {result}"
        assert refused.value.hint == "Compare the statements, then end the gap: `payouts journal restored --over`."
        assert len(one.reads()) == asked
    [begun] = [command for command in one.asked if isinstance(command, CreateAttempt)]
    assert isinstance(one.journal.execute(begun), GapOpen)
    assert one.journal.get(row.id) == row
    begun_before = changed(row, status=S.CREATED, attempt=2)
    person = OperatorDecision("Ann", "top up done", "no such line")
    with pytest.raises(DecisionRefused) as refused:
        run_flow(reissue(one.account, begun_before, person=person, moment=one.moment()), one.execute)
    assert refused.value.message == f"Payout … (po_x) {result}"
    compare(one)
    end(one)
    assert one.reissue(row).attempt.number == 2


def test_second_attempt_on_a_statement_is_adopted_and_not_sent(stage: MakeStage) -> None:
    """It was paid again in the gap: attempt 2 derives the same reference, and is adopted."""
    one, row = failed(stage, {2: PAID})
    restored(one)
    compare(one, _references(2)["reference"])
    end(one)
    row = one.advance(one.reissue(row))
    assert last(one, row) == ("checked_first", {})
    row = one.advance(row)
    assert (row.status, row.attempt.number, row.attempt.submissions, len(one.posts())) == (S.SUCCEEDED, 2, 0, 0)


def test_failure_from_before_the_restore_is_not_due(stage: MakeStage) -> None:
    """Nothing is looked for beside it; who asks all the same, and hears that it was paid, has that written down."""
    one, row = failed(stage, {1: PAID})
    restored(one)
    row = one.journal.get(row.id)
    assert row.schedule.next_at is None
    one.advance(row, early=True)
    assert one.events(row)[-1] == "contradicted"


def test_restored_payout_fails_by_a_check_or_a_person(stage: MakeStage) -> None:
    """Those two know, whatever is missing."""
    one = stage(Fake(checking=knowing({1: Final(reason=NO)})))
    row = one.put(S.PENDING, references=_references(1), next_at=T0)
    fields = {"reason": Reason(ReasonCode.NEVER_APPEARED), "ambiguous": True, "first_sent_at": T0, "next_at": None}
    stopped = one.put(S.REVIEW, key="k/2", id="po_y", references=_references(2), **fields)
    restored(one)
    row = one.advance(row)
    assert (row.status, row.decided_by) == (S.FAILED, "read")
    one.at = after(100_000)
    stopped = one.resolve(stopped, paid=False)
    assert (stopped.status, stopped.decided_by) == (S.FAILED, "person")


# --- other accounts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [{}, {"status_by": "result_callback"}], ids=["can be asked", "tells only later"])
def test_restored_payout_waits_for_other_accounts_that_may_have_paid(
    stage: MakeStage, facts: Mapping[str, Any]
) -> None:
    """Somebody may have sent the key from there, or have failed over, in what is missing: its statement tells."""
    one = stage(Fake(checking=knowing({})))
    other = account_of(Fake(host="other.invalid"), name="other", **facts)
    one.accounts = {"till": one.account, "other": other}
    row = one.accept()
    restored(one)
    row = absent(one, one.advance(row))
    assert (row.status, len(one.posts())) == (S.CREATED, 0)
    assert last(one, row)[1]["why"].endswith("the statement of other was not compared with it yet")
    compare(one)
    assert one.advance(row) == row
    compare(one, account="other")
    assert one.advance(row).status is S.PENDING


def test_restored_payout_ignores_accounts_that_cannot_have_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play money is not real money, a refund has one account, and what it does not offer or pay in it has not paid."""
    account, spare, row = account_of(), account_of(name="other"), row_of()
    refund = changed(row, operation=Operation.REFUND, payee_kind="collection", original_amount=25)

    def others(other: Any, row: PayoutRecord = row) -> tuple[str, ...]:
        return other_payers(account, row, {"till": account, "other": other})

    assert others(spare) == ("other",)
    assert others(replace(spare, spec=replace(spare.spec, operations=frozenset({Operation.DEPOSIT})))) == ()
    assert "goes back from the account" in not_payable(spare, refund, account)
    assert others(spare, refund) == ()
    assert others(account_of(name="other", settings={"currency": "UGX"})) == ()
    monkeypatch.setattr(type(spare.settings), "currencies", property(lambda _: None))
    assert others(account_of(name="other", settings={"currency": "UGX"})) == ("other",)
    monkeypatch.setattr(type(spare.settings), "is_test_mode", property(lambda self: self is spare.settings))
    assert others(spare) == ()


# --- the end of the gap --------------------------------------------------------------------------------------------


def test_gap_ends_only_when_open_payouts_are_settled(stage: MakeStage) -> None:
    """And what may have been sent is not, however often it was sought; nor is what nobody has sought since."""
    one = stage()
    not_found_details = {"not_found_count": 3, "first_not_found_at": after(10)}
    one.put(S.UNKNOWN, next_at=after(300), **not_found_details)
    one.put(S.CREATED, key="k/2", id="po_y", next_at=after(300), **not_found_details)
    one.put(S.CREATED, key="k/3", id="po_z", next_at=after(300), not_found_count=3, first_not_found_at=after(4))
    one.at = after(5)
    restored(one)
    compare(one)
    one.at = after(20)
    with pytest.raises(DecisionRefused, match="Open and not settled: 2 payouts") as refused:
        end(one)
    assert refused.value.hint == "Next: `payouts resume`, or `payouts wait KEY` for what a pause stops."


def test_gap_end_names_payouts_in_review(stage: MakeStage) -> None:
    """Also that which a person may only call paid."""
    one = stage()
    for number, code in enumerate((ReasonCode.ON_STATEMENT, ReasonCode.MISMATCH)):
        one.put(S.REVIEW, key=f"k/{number}", id=f"po_{number}", reason=Reason(code), next_at=None)
    one.at = after(5)
    restored(one)
    with pytest.raises(DecisionRefused, match=r"compared: till\. In REVIEW: 2 payouts\.") as refused:
        end(one)
    assert "payouts journal reconciled --account till" in refused.value.hint
    compare(one)
    with pytest.raises(DecisionRefused) as refused:
        end(one)
    assert refused.value.hint == "Next: `payouts review list`."
