"""A person's decisions about payouts in REVIEW: which are safe, what the provider says first, and what is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from kit import OURS, T0, Fake, MakeStage, account_of, after, lost, reading

from payments_core.domain.errors import DecisionRefused
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.engine import SAFE, STOPS, OperatorDecision, ProviderSays, ReviewAction, allowed
from payments_core.provider import Deferred, Final, NotFound, Pending, Unknown

S = PayoutStatus
Code = ReasonCode
NO = Reason(Code.REJECTED, "NO")
PAID, FAILED = Final(seen=OURS), Final(reason=NO, seen=OURS)
THEIRS = replace(OURS, amount=Decimal(50))
LATE = after(100_000)  # long after anything can still be on its way
OUTCOMES: dict[ProviderSays, Any] = {
    ProviderSays.SILENT: lost(),
    ProviderSays.UNCLEAR: Unknown(http_status=500),
    ProviderSays.LATER: Deferred(),
    ProviderSays.GONE: None,
    ProviderSays.NOT_FOUND: NotFound(),
    ProviderSays.PENDING: Pending(seen=OURS),
    ProviderSays.ANOTHER: Final(seen=THEIRS),
}


def in_review(
    stage: MakeStage, code: Code, *parsed: Any, settings: Any = None, **changes: Any
) -> tuple[Any, PayoutRecord]:
    """Set a stage on which a payout of one ambiguous try stopped, and the provider now says this."""
    one = stage(Fake(checking=reading(*parsed)), settings=settings)
    fields = {"reason": Reason(code), "ambiguous": True, "first_sent_at": T0, "next_at": None}
    row = one.put(S.REVIEW, **(fields | changes))
    one.at = LATE
    return one, row


# --- the table -----------------------------------------------------------------------------------------------------


def test_table_of_safe_decisions_is_total() -> None:
    """Every reason for which the machine stops has a word for everything the provider can say."""
    assert frozenset(SAFE) == STOPS
    assert all(tuple(cells) == tuple(ProviderSays) for cells in SAFE.values())


def test_not_paid_is_never_safe_unless_the_payment_is_absent_or_uncheckable() -> None:
    """Who is called unpaid is paid again: so nothing may stand under the reference, nor be hidden by silence."""
    for code in STOPS:
        assert set(allowed(code, ReviewAction.NOT_PAID)) <= {
            ProviderSays.NOT_FOUND,
            ProviderSays.LATER,
            ProviderSays.GONE,
        }
    for cells in SAFE.values():  # where the provider does not say that it is absent, evidence is named
        assert all(cells[says].get(ReviewAction.NOT_PAID, True) for says in (ProviderSays.LATER, ProviderSays.GONE))


def test_allowed_decisions_are_those_of_the_table() -> None:
    """What a person sees is the table; a reason for which the machine does not stop leaves nothing to decide."""
    assert allowed(Code.NEVER_APPEARED, ReviewAction.NOT_PAID) == (
        ProviderSays.LATER,
        ProviderSays.GONE,
        ProviderSays.NOT_FOUND,
    )
    assert allowed(Code.MISMATCH, ReviewAction.PAID) == (
        ProviderSays.UNCLEAR,
        ProviderSays.LATER,
        ProviderSays.GONE,
        ProviderSays.NOT_FOUND,
        ProviderSays.PENDING,
        ProviderSays.ANOTHER,
    )
    assert allowed(Code.REJECTED, ReviewAction.PAID) == ()


def test_reopening_is_never_safe_where_another_payment_was_seen() -> None:
    """It could send again under a reference that is taken, or pay what an earlier attempt has paid."""
    for code in (Code.MISMATCH, Code.DUPLICATE_OF_ANOTHER, Code.EARLIER_ATTEMPT_PAID):
        assert allowed(code, ReviewAction.REOPEN) == ()
    assert all(ProviderSays.ANOTHER not in allowed(code, ReviewAction.REOPEN) for code in STOPS)
    assert allowed(Code.EARLIER_ATTEMPT_PAID, ReviewAction.NOT_PAID) == ()


@pytest.mark.parametrize("act", ReviewAction)
@pytest.mark.parametrize("says", ProviderSays)
@pytest.mark.parametrize("code", sorted(STOPS))
def test_decisions_keep_to_the_table(stage: MakeStage, code: Code, says: ProviderSays, act: ReviewAction) -> None:
    """What the table does not allow is refused and changes nothing but what was learned; what it allows is written."""
    if says is ProviderSays.PENDING and code in {Code.NEVER_APPEARED, Code.BINDING_GONE, Code.ON_STATEMENT}:
        return  # it is open again by itself: below
    gone = {"binding": {"host": "elsewhere.invalid"}} if says is ProviderSays.GONE else {}
    one, row = in_review(stage, code, OUTCOMES[says], **gone)
    if says is ProviderSays.SILENT:
        one.answers.append(OUTCOMES[says])
    is_safe = act in SAFE[code][says] and not (act is ReviewAction.REOPEN and says is ProviderSays.GONE)

    if not is_safe:
        with pytest.raises(DecisionRefused):
            _decide(one, row, act)
        assert one.journal.get(row.id).status is S.REVIEW
        assert one.events(row)[1:] != [] or says is ProviderSays.GONE  # the answer is in the history
        return
    after = _decide(one, row, act)
    wanted = {ReviewAction.PAID: S.SUCCEEDED, ReviewAction.NOT_PAID: S.FAILED, ReviewAction.REOPEN: S.UNKNOWN}
    assert after.status is wanted[act]
    assert one.journal.get(row.id) == after
    last = one.journal.history(row.id)[-1]
    assert (last.event, last.status) == (
        f"payout.{'reopened' if act is ReviewAction.REOPEN else 'resolved'}",
        after.status,
    )
    assert last.evidence["actor"] == "Ann"
    assert last.evidence["provider"] == says
    assert last.decided_by == ("" if act is ReviewAction.REOPEN else "person")


def _decide(one: Any, row: PayoutRecord, act: ReviewAction) -> PayoutRecord:
    after: PayoutRecord = (
        one.reopen(row) if act is ReviewAction.REOPEN else one.resolve(row, paid=act is ReviewAction.PAID)
    )
    return after


# --- the provider first --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paid", [True, False])
@pytest.mark.parametrize(("parsed", "status"), [(PAID, S.SUCCEEDED), (FAILED, S.FAILED)])
def test_final_answer_decides_and_not_the_person(stage: MakeStage, parsed: Any, status: S, paid: bool) -> None:
    """What the provider says for certain counts; what the person said is written beside it."""
    one, row = in_review(stage, Code.NO_FINAL_ANSWER, parsed)
    after = one.resolve(row, paid=paid)
    assert (after.status, after.decided_by) == (status, "read")
    last = one.journal.history(row.id)[-1]
    assert last.event == f"payout.{status.lower()}"
    assert last.evidence["person"]["decision"] == ("paid" if paid else "not_paid")


@pytest.mark.parametrize("act", ["paid", "not_paid", "reopen"])
def test_payment_that_appears_returns_to_the_workers(stage: MakeStage, act: str) -> None:
    """What was never shown, and is under way now, is the machine's again."""
    one, row = in_review(stage, Code.NEVER_APPEARED, Pending(seen=OURS), settings={"poll_schedule_s": (200_000.0,)})
    after = one.reopen(row) if act == "reopen" else one.resolve(row, paid=act == "paid")
    assert (after.status, after.decided_by) == (S.PENDING, "")
    assert one.journal.history(row.id)[-1].evidence["person"]["actor"] == "Ann"


def test_decision_is_judged_by_what_the_provider_says_now(stage: MakeStage) -> None:
    """The decision is judged by what the provider says now, not by why the payout once stopped."""
    one, row = in_review(stage, Code.NEVER_APPEARED, Final(seen=THEIRS))
    with pytest.raises(DecisionRefused, match="shows another payment under its reference"):
        one.resolve(row, paid=False)
    assert one.journal.get(row.id).reason.code is Code.MISMATCH


def test_not_paid_waits_until_the_last_send_would_show(stage: MakeStage) -> None:
    """A payment may take a while to become visible: until then absence says nothing."""
    one, row = in_review(stage, Code.NEVER_APPEARED, NotFound())
    one.at = after(200)
    with pytest.raises(DecisionRefused, match="cannot be settled as not paid now") as caught:
        one.resolve(row, paid=False)
    assert (caught.value.again_at, caught.value.hint) == (after(90 + 300), "Wait until 2026-03-02 09:06:30 UTC.")
    one.at = after(390)
    assert one.resolve(one.journal.get(row.id), paid=False).status is S.FAILED


def test_not_paid_needs_evidence_where_no_identity_can_check(stage: MakeStage) -> None:
    """Where nobody can ask any more, a person's word alone is not enough."""
    one, row = in_review(stage, Code.BINDING_GONE, binding={"host": "elsewhere.invalid"})
    for unseen in (" ", "\u3164\ufe0f"):
        with pytest.raises(DecisionRefused) as refused:
            one.resolve(row, paid=False, evidence=unseen)
        hint = "Name the evidence: which line of which statement says so, or that none does."
        assert refused.value.hint == hint
    assert one.reads() == []
    done = one.resolve(row, paid=False)
    assert (done.status, done.decided_by, done.reason.code) == (S.FAILED, "person", Code.BINDING_GONE)
    assert one.journal.history(row.id)[-1].evidence["evidence"] == "line 7"


def test_decision_asks_a_provider_that_answers_later(stage: MakeStage) -> None:
    """Its answer can still end the matter, whatever a person decided meanwhile is then contradicted."""
    one = stage(Fake(checking=reading(Deferred()), answer=FAILED), status_by="result_callback")
    row = one.put(S.REVIEW, reason=Reason(Code.NO_FINAL_ANSWER), ambiguous=True, first_sent_at=T0)
    one.at = LATE
    done = one.resolve(row, paid=True, token="path")
    assert one.events(row) == ["created", "queried", "resolved"]
    assert done.status is S.SUCCEEDED


@pytest.mark.parametrize("status", [status for status in S if status not in {S.REVIEW, S.SENDING}])
def test_decision_outside_review_is_refused(stage: MakeStage, status: S) -> None:
    one = stage()
    row = one.put(status)
    for act in ReviewAction:
        with pytest.raises(DecisionRefused) as refused:
            _decide(one, row, act)
        assert refused.value.message == f"Payout {row.label} is {status} and not in REVIEW: there is nothing to decide."
        assert refused.value.hint == "`payouts review list` shows what waits for a decision."
    assert one.reads() == []


def test_second_decision_is_refused(stage: MakeStage) -> None:
    """The second decision finds the row moved, and is refused."""
    one, row = in_review(stage, Code.NEVER_APPEARED, NotFound())
    assert one.resolve(row, paid=False).status is S.FAILED
    with pytest.raises(DecisionRefused) as refused:
        one.resolve(row, paid=True)
    assert refused.value.message == f"Payout {row.label} was moved by somebody else meanwhile; nothing was changed."
    assert refused.value.hint == "Look at it again before you decide."
    assert one.events(row) == ["created", "resolved"]


def test_second_decision_records_what_the_provider_reports(stage: MakeStage) -> None:
    """The payout was called unpaid meanwhile, and is paid: the decision stands, contradicted."""
    one, row = in_review(stage, Code.NEVER_APPEARED, NotFound(), PAID)
    assert one.resolve(row, paid=False).status is S.FAILED
    with pytest.raises(DecisionRefused, match="moved by somebody else"):
        one.resolve(row, paid=True)
    assert one.events(row) == ["created", "resolved", "contradicted"]


@pytest.mark.parametrize(
    ("actor", "reason"), [("", "seen"), (" ", "seen"), ("\u3164", "seen"), ("Ann", ""), ("Ann", "\u2800\n")]
)
def test_decision_needs_a_name_and_a_reason(actor: str, reason: str) -> None:
    """What nobody can see is neither."""
    with pytest.raises(DecisionRefused) as refused:
        OperatorDecision(actor, reason)
    assert refused.value.message == "A decision needs a name and a reason."
    assert refused.value.hint == "Say who decides and why."


@pytest.mark.parametrize("actor", ["An\u200bn", "Anne\u0301", "Ann\u2028Ben"], ids=ascii)
def test_actor_name_with_invisible_characters_is_refused(actor: str) -> None:
    """Who decided is read by people; blanks around a name are cut off, and a reason may be any text."""
    what = r"^The name of the one who decides holds U\+[0-9A-F]{4} \([A-Z ]+\) at position [345], which "
    with pytest.raises(DecisionRefused, match=what) as refused:
        OperatorDecision(actor, "seen")
    assert refused.value.hint == "Write it so that no other name looks like it."
    assert OperatorDecision(" Ann\n", "se\u0301en \u202a").as_evidence["actor"] == "Ann"


def test_decision_reason_is_masked() -> None:
    """People paste numbers; histories and logs keep them masked. What a line of a statement is called stays."""
    result = OperatorDecision("Ann", "called +256 772 123 456", "receipt 3649012345").as_evidence
    assert (result["actor"], result["evidence"]) == ("Ann", "receipt 3649012345")
    assert "772" not in result["reason"]


# --- back to the machine -------------------------------------------------------------------------------------------


def test_reopened_payout_begins_a_new_poll_schedule(stage: MakeStage) -> None:
    """It is due now, and its polls begin anew, however long ago it was sent."""
    one, row = in_review(stage, Code.NO_FINAL_ANSWER, Pending(), settings={"poll_schedule_s": (10.0, 20.0)})
    row = one.reopen(row)
    assert (row.status, row.schedule.next_at, row.schedule.reopened_at) == (S.UNKNOWN, LATE, LATE)
    row = one.advance(row)
    assert (row.status, row.schedule.next_at) == (S.PENDING, LATE + timedelta(seconds=10))
    one.at = LATE + timedelta(seconds=31)
    assert one.advance(row).status is S.REVIEW


def test_reopened_payout_that_was_accepted_is_never_sent_again(stage: MakeStage) -> None:
    """A payout that was taken once is asked about for ever, and never sent anew, even when it is shown no more."""
    one = stage(Fake(checking=reading(Pending(), NotFound())), settings={"poll_schedule_s": (10.0, 1000.0)})
    row = one.advance(one.accept())
    one.at = after(10)
    row = one.advance(row)
    one.at = after(1010)
    row = one.advance(row)
    assert (row.status, row.reason.code) == (S.REVIEW, Code.NO_FINAL_ANSWER)
    row = one.reopen(row)
    assert row.status is S.PENDING
    for seconds in (20, 30, 40, 400, 1100, 1200, 2500):
        one.at = after(1010 + seconds)
        row = one.advance(row, early=True)
    assert len(one.posts()) == 1


def test_reopened_ambiguous_payout_is_resent_only_inside_the_window(stage: MakeStage) -> None:
    """The doubt stays, so the window in which the provider remembers still decides."""
    one, row = in_review(stage, Code.NEVER_APPEARED, NotFound(), ambiguous=False)
    row = one.reopen(row)
    assert row.attempt.ambiguous
    for seconds in (10, 200, 400, 800, 4000):
        one.at = LATE + timedelta(seconds=seconds)
        row = one.advance(row, early=True)
    assert (row.status, row.reason.code) == (S.REVIEW, Code.NEVER_APPEARED)
    assert one.posts() == []


def test_reopened_payout_that_was_never_taken_is_sent_by_the_new_identity(stage: MakeStage) -> None:
    """Every try was proven not taken: it is made ready anew under the same reference, and sent once."""
    one = stage(Fake(host="new.invalid", checking=reading(NotFound())))
    fields = {
        "reason": Reason(Code.BINDING_GONE),
        "binding": {"host": "old.invalid"},
        "next_at": None,
        "submissions": 2,
    }
    row = one.put(S.REVIEW, **fields)
    one.at = LATE
    row = one.reopen(row)
    assert (row.status, row.attempt.number, row.attempt.submissions) == (S.CREATED, 1, 2)
    assert dict(row.attempt.binding) == {"host": "new.invalid"}
    assert one.reads() == []
    row = one.advance(row)
    assert (row.status, row.attempt.submissions) == (S.PENDING, 3)
    assert [post.url.partition("/pay/")[0] for post in one.posts()] == ["http://new.invalid"]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (Code.NEVER_APPEARED, {"ambiguous": False, "first_sent_at": None}),
        (Code.BINDING_GONE, {"ambiguous": True, "first_sent_at": None}),
        (Code.BINDING_GONE, {"ambiguous": False, "first_sent_at": T0}),
    ],
    ids=["another reason", "in doubt", "sent"],
)
def test_reopened_payout_that_may_have_arrived_is_not_redrafted(
    stage: MakeStage, code: Code, changes: dict[str, Any]
) -> None:
    """It takes all of it: it stopped for its binding, no try was in doubt, and none is known to have arrived."""
    one, row = in_review(stage, code, NotFound(), **changes)
    assert one.reopen(row).status is S.UNKNOWN


@pytest.mark.parametrize(
    ("parsed", "status"), [(NotFound(), S.CREATED), (Pending(seen=OURS), S.UNKNOWN)], ids=["absent", "under way"]
)
def test_reopened_payout_that_was_never_sent_is_redrafted(stage: MakeStage, parsed: Any, status: S) -> None:
    """It waited for something else and stopped: it can be sent, unless the provider shows it all the same."""
    one, row = in_review(
        stage, Code.NO_FINAL_ANSWER, parsed, ambiguous=False, first_sent_at=None, submissions=0, sent_at=None
    )
    row = one.reopen(row)
    assert (row.status, row.schedule.next_at, row.reason, one.posts()) == (status, LATE, None, [])


def test_actor_name_is_cut() -> None:
    """A name is a name; who pastes a page has its beginning written down."""
    assert OperatorDecision("A" * 150, "seen").as_evidence["actor"] == "A" * 99 + "…"


def test_reopening_without_a_matching_identity_is_refused(stage: MakeStage) -> None:
    """Nobody can ask as what sent it: the machine could do nothing with it."""
    one, row = in_review(stage, Code.BINDING_GONE, binding={"host": "old.invalid"})
    with pytest.raises(DecisionRefused) as refused:
        one.reopen(row)
    why = "No configured account can ask the provider about it. It is in review because of binding_gone."
    assert refused.value.message == f"Payout {row.label} cannot be reopened now. {why}"
    assert refused.value.hint == "Put what sent it into the account's retired identities first."
    one.account = account_of(Fake(host="old.invalid", checking=reading(Unknown())))
    assert one.reopen(row).status is S.UNKNOWN


def test_reopening_that_the_provider_refuses_changes_nothing(stage: MakeStage) -> None:
    """The reason is said, and nothing is changed."""

    def refuse(order: Any) -> None:
        raise DecisionRefused("not here")

    one = stage(Fake(host="new.invalid", drafts=refuse))
    row = one.put(S.REVIEW, reason=Reason(Code.BINDING_GONE), binding={"host": "old.invalid"}, next_at=None)
    with pytest.raises(DecisionRefused, match="not here"):
        one.reopen(row)
    assert one.journal.get(row.id) == row
