"""Cancelling what was accepted by mistake: while nothing of it can have arrived, for good, and never by a guess."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flat_records import changed
from kit import NAMESPACE, OURS, STORE, T0, Fake, MakeStage, after, at_once, reading, saying, unsent

from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.errors import DecisionRefused, JournalError
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import AppendHistory, ApplyTransition, LoadAttempts
from payments_core.engine.flow import EngineFlow, NeedsApproval, Proceed
from payments_core.journal import store_of
from payments_core.journal.maintenance import restore
from payments_core.journal.sql import restore_gap
from payments_core.provider import CancelAnswer, Deferred, Draft, Final, NotAccepted, NotFound, Pending, Unknown

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")


def refusal(one: Any, row: PayoutRecord) -> tuple[str, str]:
    """Return what is said when a payout cannot be cancelled: why, and what to do."""
    with pytest.raises(DecisionRefused) as refused:
        one.cancel(row)
    before, why = refused.value.message.split(" cannot be cancelled. ")
    assert (before, why.endswith(" Nothing was changed.")) == (f"Payout {row.label}", True)
    return why.removesuffix(" Nothing was changed."), refused.value.hint


def test_unsent_payout_is_cancelled_and_never_sent(stage: MakeStage) -> None:
    """Who and why stand in the history, and neither the machine nor the same key nor a person sends it later."""
    one = stage()
    row = one.cancel(one.accept())
    assert (row.status, row.reason, row.decided_by, row.schedule.next_at) == (S.CANCELLED, None, "person", None)
    assert one.journal.history(row.id)[-1].evidence == {"actor": "Ben", "reason": "wrong month"}
    assert not row.view().may_have_been_sent
    assert [entry.publish for entry in one.asked if isinstance(entry, ApplyTransition)] == [True]
    assert [
        entry for entry in one.asked if isinstance(entry, LoadAttempts)
    ] == []  # nobody is asked about a first attempt
    one.at = after(3600)
    assert one.advance(row) == row
    assert one.advance(one.accept()) == row
    assert one.cancel(row, actor="Cid") == row
    for decide in (one.approve, one.reissue, one.reopen):
        with pytest.raises(DecisionRefused, match="CANCELLED"):
            decide(row)
    assert one.events(row) == ["created", "cancelled"]
    assert one.posts() == []


def test_worker_does_not_send_a_payout_that_was_cancelled_meanwhile(stage: MakeStage) -> None:
    """A worker that has read it before, and has leave to send it, is refused by the commit before the first byte."""
    one = stage()
    row = one.accept()

    def cancelled_meanwhile(_: object) -> Proceed:
        one.cancel(row)
        return Proceed(T0)

    one.preflight = cancelled_meanwhile
    assert one.advance(row).status is S.CANCELLED
    assert one.posts() == []


def test_cancellation_of_a_payout_that_was_sent_meanwhile_is_refused(stage: MakeStage) -> None:
    one = stage()
    row = one.accept()
    sent = one.advance(row)
    why = "It was moved by a worker or another person meanwhile."
    assert refusal(one, row) == (why, "Look at it and try again.")
    assert one.journal.get(row.id) == sent


def test_canceller_name_is_cut(stage: MakeStage) -> None:
    one = stage()
    row = one.cancel(one.accept(), actor="A" * 150)
    assert one.journal.history(row.id)[-1].evidence["actor"] == "A" * 99 + "…"


def test_second_cancellation_changes_nothing(stage: MakeStage) -> None:
    one = stage()
    row = one.accept()
    assert one.cancel(row) == one.cancel(row, actor="Cid")
    assert one.events(row) == ["created", "cancelled"]


def test_cancellation_declines_an_approval(stage: MakeStage) -> None:
    one = stage(preflight=lambda command: NeedsApproval("Too much.", T0))
    row = one.cancel(one.advance(one.accept()))
    assert (row.status, row.reason) == (S.CANCELLED, None)


def test_payout_proven_not_sent_is_checked_once_and_cancelled(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(NotFound())))
    one.answers = [unsent()]
    row = one.advance(one.accept())
    assert (row.status, row.attempt.submissions) == (S.CREATED, 1)
    assert one.cancel(row).status is S.CANCELLED


@pytest.mark.parametrize(
    ("shown", "status"),
    [(Final(seen=OURS), S.SUCCEEDED), (Pending(seen=OURS), S.PENDING), (Final(reason=NO), S.FAILED)],
)
def test_cancellation_finds_a_payment_that_was_taken_in_spite_of_a_refusal(
    stage: MakeStage, shown: Any, status: S
) -> None:
    """A gateway that answered "not now" and had taken it: what it shows is written down, and nothing is cancelled."""
    one = stage(Fake(submitting=saying(NotAccepted()), checking=reading(shown)))
    row = one.advance(one.accept())
    one.at = after(7)
    with pytest.raises(DecisionRefused) as refused:
        one.cancel(row)
    text = (
        f"Payout {row.label} cannot be cancelled. Its provider shows it: it was checked, and what the provider says is"
    )
    assert (refused.value.message, refused.value.hint) == (
        f"{text} recorded.",
        "`payouts show` tells what became of it.",
    )
    assert one.journal.get(row.id).status is status
    assert [entry.publish for entry in one.asked if isinstance(entry, ApplyTransition)][-1] is status.is_final
    assert one.journal.history(row.id)[-1].at == after(7)


def test_cancellation_checks_nothing_where_answers_come_later(stage: MakeStage) -> None:
    one = stage(Fake(submitting=saying(NotAccepted()), checking=reading(Deferred())), status_by="result_callback")
    row = one.advance(one.accept())
    assert one.cancel(row).status is S.CANCELLED
    assert one.account.provider.drafts_read == []


def test_cancellation_dates_a_result_without_a_request_as_of_now(stage: MakeStage) -> None:
    one = stage(Fake(submitting=saying(NotAccepted()), checking=at_once(Final(seen=OURS))))
    row = one.advance(one.accept())
    with pytest.raises(DecisionRefused, match="Its provider shows it"):
        one.cancel(row)
    assert (one.journal.history(row.id)[-1].event, one.journal.history(row.id)[-1].at) == ("payout.succeeded", T0)


@pytest.mark.parametrize("parsed", [Unknown(), unsent()])
def test_cancellation_is_refused_while_the_check_is_unclear(stage: MakeStage, parsed: Any) -> None:
    one = stage(Fake(submitting=saying(NotAccepted()), checking=reading(parsed)))
    row = one.advance(one.accept())
    why = "Its provider does not say whether it has it."
    assert refusal(one, row) == (why, "Try again when the provider answers.")
    assert one.journal.get(row.id) == row


_WAIT = "`payouts wait` asks what became of it; its provider cannot be asked to drop it."
_END = "A final status stays. `payouts show` tells what became of it."
REFUSED = {
    S.PENDING: ("It is PENDING, and may have arrived.", _WAIT),
    S.UNKNOWN: ("It is UNKNOWN, and may have arrived.", _WAIT),
    S.REVIEW: (
        "It is REVIEW, and may have arrived.",
        "Decide what became of it: `payouts review show` tells how.",
    ),
    S.SUCCEEDED: ("It is SUCCEEDED.", _END),
    S.FAILED: ("It is FAILED.", _END),
    S.REVERSED: ("It is REVERSED.", _END),
}


@pytest.mark.parametrize("status", REFUSED)
def test_cancellation_of_what_may_have_arrived_is_refused(stage: MakeStage, status: S) -> None:
    """The refusal says what to do instead; nothing is written, and the journal would not write it either."""
    one = stage()
    result = {"ambiguous": True, "first_sent_at": T0, "reason": NO} if status is S.REVIEW else {}
    row = one.put(status, **result)
    assert refusal(one, row) == REFUSED[status]
    cancelled = changed(row, status=S.CANCELLED, lease_owner="", lease_until=None, next_at=None, decided_by="person")
    with pytest.raises(JournalError, match="cannot"):
        one.journal.execute(ApplyTransition(row, cancelled, Event("payout.cancelled", T0), publish=True))
    assert one.journal.get(row.id) == row


def test_cancellation_during_a_send_is_refused(stage: MakeStage) -> None:
    refused: list[tuple[str, str]] = []

    def submit(draft: Draft) -> EngineFlow[Any]:
        refused.append(refusal(one, one.journal.by_key("k/1")))
        return (yield from saying(Pending())(draft))

    one = stage(Fake(submitting=submit))
    assert one.advance(one.accept()).status is S.PENDING
    assert refused == [("It is being sent.", "`payouts wait` tells what became of it.")]


class Dropping(Fake):
    """A provider that can be asked to drop a payment."""

    def cancel(self, draft: Draft) -> Any:
        return saying(CancelAnswer.TAKEN)(draft)


def test_cancellation_refusal_names_a_provider_that_can_drop_payments(stage: MakeStage) -> None:
    one = stage(Dropping())
    hint = "`payouts cancel-at-provider` asks the provider to drop it; a check then shows what became of it."
    assert refusal(one, one.advance(one.accept())) == ("It is PENDING, and may have arrived.", hint)


# --- in review -----------------------------------------------------------------------------------------------------


def stopped(one: Any, code: ReasonCode, **fields: Any) -> PayoutRecord:
    row: PayoutRecord = one.put(S.REVIEW, reason=Reason(code), submissions=0, sent_at=None, next_at=None, **fields)
    return row


def test_payout_in_review_that_was_never_sent_is_cancelled(stage: MakeStage) -> None:
    one = stage()
    assert one.cancel(stopped(one, ReasonCode.BINDING_GONE)).status is S.CANCELLED


@pytest.mark.parametrize(
    ("code", "payload"),
    [
        (ReasonCode.EARLIER_ATTEMPT_PAID, {}),
        (ReasonCode.ON_STATEMENT, {}),
        (ReasonCode.NEVER_APPEARED, {"duplicate_unverified": True}),
        (ReasonCode.NEVER_APPEARED, {"ambiguous": True, "first_sent_at": T0}),
        (ReasonCode.MISMATCH, {"first_sent_at": T0}),
    ],
    ids=["earlier attempt paid", "on a statement", "sought after a restore", "ambiguous", "mismatch"],
)
def test_payout_in_review_that_may_have_arrived_is_not_cancelled(
    stage: MakeStage, code: ReasonCode, payload: dict[str, Any]
) -> None:
    one = stage()
    row = stopped(one, code, **payload)
    assert refusal(one, row) == REFUSED[S.REVIEW]
    assert one.journal.get(row.id) == row


# --- a further attempt ---------------------------------------------------------------------------------------------


def again(stage: MakeStage, *parsed: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which a payout failed and is to be paid again; of its first attempt these are heard then."""
    failed = Final(reason=NO)
    one = stage(Fake(checking=reading(failed, failed, *parsed)), dedupe_settle_s=0.0)
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    one.at = after(1000)
    row = one.reissue(row)
    assert (row.status, row.attempt.number) == (S.CREATED, 2)
    return one, row


def test_second_attempt_is_cancelled_when_the_first_is_proven_failed(stage: MakeStage) -> None:
    one, row = again(stage, Final(reason=NO))
    assert one.cancel(row).status is S.CANCELLED


PAID_BEFORE = ("The provider says that an earlier attempt was paid.", "`payouts show` tells what it said.")
_LATER = "Cancel it when every earlier attempt is proven to have failed."
OPEN = {
    "paid": (Final(seen=OURS), PAID_BEFORE),
    "under way": (Pending(), ("The provider says that attempt 1 is still under way.", _LATER)),
    "unclear": (Unknown(), ("The provider's answer about attempt 1 says nothing clear.", _LATER)),
}


@pytest.mark.parametrize("name", OPEN)
def test_second_attempt_is_not_cancelled_while_the_first_may_pay(stage: MakeStage, name: str) -> None:
    """CANCELLED says that no money moved, and lets the debt be paid under a new key."""
    parsed, refused = OPEN[name]
    one, row = again(stage, parsed)
    assert refusal(one, row) == refused
    assert one.journal.get(row.id).status is S.CREATED


def test_cancellation_is_refused_by_a_contradiction_before_the_commit(stage: MakeStage) -> None:
    """The commit looks once more: another process may have heard meanwhile that the first attempt was paid."""
    one, row = again(stage, Final(reason=NO))
    text = Contradiction(one.at, row.attempt.account, 1, ProviderStatus.PAID)
    found = AppendHistory(row.id, Event("payout.contradicted", one.at), contradiction=text)
    one.meanwhile(ApplyTransition, lambda: one.journal.execute(found))
    assert refusal(one, row) == PAID_BEFORE
    assert one.journal.get(row.id).status is S.CREATED


# --- a restored journal --------------------------------------------------------------------------------------------


def restored(one: Any) -> Any:
    store = store_of(STORE, namespace=NAMESPACE, root=one.folder, at=one.at)
    restore.begin_gap(store, T0 - timedelta(hours=1), restore.OperatorAction(one.at, "Ann", "the disk broke"))
    return store


def test_cancellation_is_refused_while_the_gap_of_a_restore_is_open(stage: MakeStage) -> None:
    """Also what is new: its key may have been sent before. When the restore is over, it is cancelled."""
    one = stage(Fake(submitting=saying(NotAccepted()), checking=reading(NotFound())))
    row = one.accept()
    store = restored(one)
    refused = (
        "The journal was restored, and it may have been sent in what is missing.",
        "`payouts pause` keeps it from being sent; cancel it when the restore is over.",
    )
    for asked in (row, one.accept(key="k/2")):
        assert refusal(one, asked) == refused
    restore.compare_statement(
        store, restore.OperatorAction(one.at, "Ann", "compared"), account="till", configured=["till"]
    )
    assert refusal(one, row) == refused
    for seconds in (0, 10, 110, 310):  # sought, and shown by nobody; the send that follows is proven not taken
        one.at = after(seconds)
        row = one.advance(row, early=True)
    assert (row.status, row.attempt.submissions) == (S.CREATED, 1)
    assert one.cancel(row).status is S.CANCELLED


def test_cancellation_of_a_payment_on_a_statement_is_refused(stage: MakeStage) -> None:
    """Not after the gap either: it was paid, and a cancelled payout says that no money moved."""
    one = stage()
    row = one.accept()
    store, act = restored(one), restore.OperatorAction(T0, "Ann", "compared")
    found = row.attempt.references.values()
    restore.compare_statement(store, act, account="till", configured=["till"], references=found)
    with store.writing() as session:
        restore_gap.end(session, act)
    with pytest.raises(DecisionRefused) as refused:
        one.cancel(row)
    assert refused.value.hint == "`payouts wait` asks about it."
    result = "The provider's statement has a payment under its reference. Nothing was changed."
    assert refused.value.message == f"Payout {row.label} cannot be cancelled. {result}"
    assert one.journal.get(row.id) == row


# --- afterwards ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parsed", "contradicts"), [(Final(seen=OURS), True), (Final(reason=NO), False)])
def test_check_that_shows_a_cancelled_payout_paid_contradicts_it(
    stage: MakeStage, parsed: Any, contradicts: bool
) -> None:
    one = stage(Fake(checking=reading(parsed)))
    row = one.cancel(one.accept())
    assert one.advance(row, early=True).status is S.CANCELLED
    assert ("contradicted" in one.events(row)) is contradicts
