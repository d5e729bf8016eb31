"""What a provider says against an end: heard of every attempt, in whichever read, and kept once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flat_records import changed
from kit import OURS, Fake, MakeStage, after, last, lost, names, reading, saying, unsent

from payments_core import engine
from payments_core.domain.contradictions import ProviderStatus
from payments_core.domain.deliveries import Consumer
from payments_core.domain.errors import DecisionRefused
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import OperatorDecision
from payments_core.engine.commands import ApplyTransition
from payments_core.engine.contradict import contradict
from payments_core.engine.flow import EngineFlow
from payments_core.http.flow import run_flow
from payments_core.provider import Deferred, Final, NotFound, Pending, Unknown

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")
FAILED, PAID, BACK = Final(reason=NO, code="NO"), Final(seen=OURS, code="DONE"), Unknown(taken_back=True, code="BACK")
MORE = replace(PAID, seen=replace(OURS, amount=OURS.amount * 100))
TO_ANOTHER = replace(PAID, seen=replace(OURS, payee="46733123400"))
OTHERS = [status for status in S if status is not S.SENDING]  # as which nothing is written at once
ANN = OperatorDecision("Ann", "the statement shows it")


def check(one: Any, row: PayoutRecord, token: str = "") -> PayoutRecord:
    return run_flow(engine.check(one.account, row, one.moment(token=token)), one.execute)


def acknowledge(one: Any, row: PayoutRecord, person: OperatorDecision = ANN) -> PayoutRecord:
    return run_flow(engine.acknowledge(row, person, one.moment()), one.execute)


def reply_of(row: PayoutRecord) -> list[tuple[str, int, str, str]]:
    return [(one.account, one.attempt, str(one.provider_status), one.code) for one in row.contradictions]


def described(one: Any) -> list[str]:
    """Return what the outbox tells of contradictions."""
    events = [waiting.event for waiting in one.journal.waiting(Consumer("books"), limit=50)]
    return [str(event.contradiction.provider_status) for event in events if event.contradiction is not None]


@pytest.mark.parametrize(
    ("status", "outcome", "wanted"),
    [
        (S.FAILED, PAID, ProviderStatus.PAID),
        (S.CANCELLED, PAID, ProviderStatus.PAID),
        (S.SUCCEEDED, FAILED, ProviderStatus.FAILED),
        (S.SUCCEEDED, BACK, ProviderStatus.TAKEN_BACK),
        (S.SUCCEEDED, MORE, ProviderStatus.PAID_OTHERWISE),
        (S.SUCCEEDED, TO_ANOTHER, ProviderStatus.PAID_OTHERWISE),
        (S.SUCCEEDED, replace(PAID, references={"receipt": "R2"}), ProviderStatus.PAID_OTHERWISE),
        (S.SUCCEEDED, replace(PAID, references={"receipt": "R1", "another": "R2"}), None),
        (S.SUCCEEDED, Final(), None),
        *((status, FAILED, None) for status in OTHERS if status is not S.SUCCEEDED),
        *((status, PAID, None) for status in OTHERS if status not in {S.FAILED, S.CANCELLED}),
        *((status, BACK, None) for status in OTHERS if status is not S.SUCCEEDED),
        *((S.FAILED, outcome, None) for outcome in (Pending(), NotFound(), Unknown(), Deferred(), lost())),
        *((S.SUCCEEDED, outcome, None) for outcome in (Pending(), NotFound(), Unknown(), Deferred(), unsent())),
    ],
)
def test_contradiction_needs_a_clear_answer_against_the_status(
    stage: MakeStage, status: S, outcome: Any, wanted: ProviderStatus | None
) -> None:
    """Only a clear word against a clear end; silence, absence and "under way" are none."""
    one = stage()
    row = one.put(status, next_at=None, references={"external_id": "x-1", "receipt": "R1"})
    flow = contradict(row, status, outcome, one.at, account="till", attempt=1)
    row = run_flow(flow, one.execute)
    assert [kept.provider_status for kept in row.contradictions] == ([] if wanted is None else [wanted])
    assert row == one.journal.get(row.id)


def test_erased_payee_contradicts_nothing(stage: MakeStage) -> None:
    """Only a hash of it is left, which no answer shows; what was paid is compared still."""
    one = stage()
    row = changed(one.put(S.SUCCEEDED, next_at=None), payee_value="erased:1f", erased_at=one.at)
    for outcome, wanted in [(PAID, []), (MORE, [ProviderStatus.PAID_OTHERWISE])]:
        row = run_flow(contradict(row, S.SUCCEEDED, outcome, one.at, account="till", attempt=1), one.execute)
        assert [kept.provider_status for kept in row.contradictions] == wanted


def test_contradiction_is_recorded_and_published_once(stage: MakeStage) -> None:
    """However often it is read; what was acknowledged is no news, and something else waits for a person anew."""
    one = stage(Fake(checking=reading(PAID, FAILED, FAILED, PAID, FAILED, BACK, BACK)))
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    for _ in range(3):
        row = one.advance(row, early=True)
    assert (reply_of(row), described(one)) == ([("till", 1, "failed", "NO")], ["failed"])
    row = acknowledge(one, row)
    row = one.advance(row, early=True)
    assert (row.contradicted_at, described(one)) == (None, ["failed"])
    for _ in range(2):
        row = one.advance(row, early=True)
    assert (row.status, row.contradicted_at) == (S.SUCCEEDED, one.at)
    assert described(one) == ["failed", "taken_back"]
    assert [kept.is_open for kept in row.contradictions] == [False, True]
    assert one.events(row)[-3:] == ["contradicted", "acknowledged", "contradicted"]


@pytest.mark.parametrize(
    ("written", "outcome", "kept"),
    [(S.FAILED, PAID, [("till", 1, "paid", "DONE")]), (S.SUCCEEDED, FAILED, [("till", 1, "failed", "NO")])],
)
def test_overtaken_check_still_records_its_contradiction(
    stage: MakeStage, written: S, outcome: Final, kept: list[tuple[str, int, str, str]]
) -> None:
    """It hears of a payment while the other one writes down that there is none, or the reverse: no word is lost."""
    one = stage(Fake(submitting=saying(Pending())))

    def overtaken(draft: Any) -> EngineFlow[Any]:
        row = one.journal.by_key("k/1")
        reason = NO if written is S.FAILED else None
        ended = changed(row, status=written, reason=reason, decided_by="read", next_at=None)
        one.journal.execute(ApplyTransition(row, ended, Event(f"payout.{written.lower()}", one.at), publish=True))
        return (yield from reading(outcome)(draft))

    row = one.advance(one.accept())
    one.at = after(5)
    one.account.provider.checking = overtaken
    row = one.advance(row)
    assert (row.status, reply_of(row), described(one)) == (written, kept, [kept[0][2]])


def test_check_does_not_contradict_the_status_that_it_sets(stage: MakeStage) -> None:
    """Its reference differs from the one that was learned first, which stays."""
    one = stage(Fake(checking=reading(replace(PAID, references={"receipt": "R2"}))))
    row = one.advance(one.put(S.PENDING, next_at=one.at, references={"external_id": "x-1", "receipt": "R1"}))
    assert (row.status, row.attempt.references["receipt"], reply_of(row)) == (S.SUCCEEDED, "R1", [])


# --- a check --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (PAID, "paid"),
        (FAILED, "failed"),
        (Unknown(taken_back=True), "taken_back"),
        (Pending(), "pending"),
        (NotFound(), "not_found"),
        (Unknown(), "unclear"),
        (lost(), "silent"),
        (unsent(), "silent"),
    ],
)
def test_check_of_an_ended_payout_records_the_answer(stage: MakeStage, answer: Any, word: str) -> None:
    """And nothing else: the end, the moment of its last move and what is due stay as they were."""
    one = stage(Fake(checking=reading(answer)))
    row = one.put(S.SUCCEEDED, decided_by="read", next_at=None)
    one.at = after(500)
    checked = check(one, row)
    assert last(one, row)[0] == "checked"
    assert last(one, row)[1]["provider"] == word
    assert replace(checked, contradictions=(), contradicted_at=None) == row
    assert [str(kept.provider_status) for kept in checked.contradictions] == [
        status for status in ("failed", "taken_back") if status == word
    ]


def test_check_of_an_ended_payout_asks_about_every_attempt(stage: MakeStage) -> None:
    """Each that turns out paid is kept, also when another one was found before; a first attempt has none before it."""
    one = stage(Fake(checking=reading(FAILED)), dedupe_settle_s=0.0)
    row = one.accept()
    for number in (1, 2, 3):
        row = one.advance(row)
        one.at += after(5) - after(0)
        row, before = one.advance(row), len(one.asked)
        row = check(one, row)
        recalled = ["LoadAttempts"] if number > 1 else []
        assert names(one.asked[before:]) == [*recalled, *["HttpRequest"] * number, "AppendHistory"]
        one.at += after(100) - after(0)
        row = row if number == 3 else one.reissue(row)
    assert (row.status, row.attempt.number) == (S.FAILED, 3)
    one.account.provider.checking = reading(FAILED, PAID, FAILED, PAID)
    assert reply_of(check(one, row)) == [("till", 2, "paid", "DONE")]
    assert reply_of(check(one, row)) == [("till", number, "paid", "DONE") for number in (2, 1, 3)]
    assert described(one) == ["paid"] * 3


def test_check_of_an_ended_payout_only_asks_where_answers_come_later(stage: MakeStage) -> None:
    """The question is written down before it leaves, and its answer is held against the end when it comes."""
    provider = Fake(checking=reading(Deferred()))
    one = stage(provider, status_by="result_callback")
    row = one.put(S.FAILED, reason=NO, decided_by="result_callback", next_at=None)
    row = check(one, row, token="path")
    assert one.events(row)[-2:] == ["queried", "checked"]
    assert last(one, row)[1]["provider"] == "later"
    provider.answer = PAID
    assert reply_of(one.deliver(row, "path")) == [("till", 1, "paid", "DONE")]
    assert described(one) == ["paid"]


def test_check_without_a_matching_identity_is_recorded(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(PAID)))
    row = check(one, one.put(S.FAILED, reason=NO, decided_by="read", next_at=None, binding={"host": "gone.invalid"}))
    assert (last(one, row), one.reads()) == (("checked", {"provider": "gone"}), [])


@pytest.mark.parametrize("status", [status for status in OTHERS if not status.is_final])
def test_check_is_refused_for_a_payout_that_has_not_ended(stage: MakeStage, status: S) -> None:
    one = stage(Fake(checking=reading(PAID)))
    with pytest.raises(DecisionRefused) as refused:
        check(one, one.put(status))
    assert (refused.value.message, refused.value.hint) == (
        f"Payout … (po_x) is {status} and has not ended: only an ended payout is checked.",
        "`payouts wait` asks what became of an open one, `payouts review show` tells about one in review.",
    )
    assert one.reads() == []


# --- an acknowledgement ---------------------------------------------------------------------------------------------


def test_acknowledgement_without_a_contradiction_is_refused(stage: MakeStage) -> None:
    one = stage()
    row = one.put(S.FAILED, reason=NO, decided_by="read", next_at=None)
    with pytest.raises(DecisionRefused) as refused:
        acknowledge(one, row)
    assert (refused.value.message, refused.value.hint) == (
        "Nothing contradicts payout … (po_x): there is nothing to acknowledge.",
        "`payouts review list` shows what waits for a person.",
    )
    assert one.events(row) == ["created"]


def test_acknowledgement_is_masked_and_cut(stage: MakeStage) -> None:
    """A number in a person's words is masked and a name is cut, in the payout and in the history."""
    one = stage(Fake(checking=reading(PAID)))
    row = check(one, one.put(S.FAILED, reason=NO, decided_by="read", next_at=None))
    (kept,) = acknowledge(one, row, OperatorDecision("A" * 101, "paid to 254700000900", "line 7")).contradictions
    assert (kept.actor, kept.reason, kept.acknowledged_at) == ("A" * 99 + "…", "paid to 254******900", one.at)
    assert last(one, row) == ("acknowledged", {"actor": kept.actor, "reason": kept.reason, "evidence": "line 7"})
