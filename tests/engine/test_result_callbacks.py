"""What comes to a minted path, and what it counts for; the same by hand on a real journal in tests/provider_tally."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flat_records import changed
from kit import OURS, T0, Fake, after, last, reading

from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.errors import ProviderBug
from payments_core.domain.payout import PayoutStatus as S
from payments_core.domain.payout import Reason, ReasonCode
from payments_core.domain.records import EndedAttempt, Event, PayoutRecord
from payments_core.engine import Answered, Effect, answer, token_hash
from payments_core.engine.commands import AppendHistory, ApplyTransition
from payments_core.http.flow import run_flow
from payments_core.provider import Callback, Deferred, Final, NotFound, Pending, Unknown

PAID = Final(code="DONE", seen=OURS)
FAILED = Final(code="NO", reason=Reason(ReasonCode.PAYEE_NOT_FOUND, "NO"))
OTHER = replace(PAID, seen=replace(OURS, payee="46733123400"))
BACK = Unknown(code="BACK", taken_back=True)
QUERY = token_hash("path")


def asked(stage: Any, status: S = S.UNKNOWN, **changes: Any) -> tuple[Any, PayoutRecord]:
    """Return a stage, and a payout that was asked about, whose answer comes to the path."""
    one = stage(Fake(checking=reading(Deferred())), status_by="result_callback")
    one.put(status, **{"next_at": T0, **changes})
    row = one.advance(one.journal.get("po_x"), token="path", early=True)
    one.at = after(2)
    return one, row


def described(
    one: Any, row: PayoutRecord, outcome: Any, *, ended: EndedAttempt | None = None, at: float = 2
) -> Answered:
    one.account.provider.answer = outcome
    callback = Callback("POST", {}, b"", after(at))
    return run_flow(answer(one.account, row, callback, query=QUERY, ended=ended), one.execute)


@pytest.mark.parametrize(
    ("outcome", "effect", "status"),
    [
        (PAID, Effect.ANSWERED, S.SUCCEEDED),
        (FAILED, Effect.ANSWERED, S.FAILED),
        (OTHER, Effect.ANSWERED, S.REVIEW),
        (NotFound(), Effect.ANSWERED, S.UNKNOWN),
        (Pending(seen=OURS), Effect.OPEN, S.PENDING),
        (Unknown(), Effect.OPEN, S.UNKNOWN),
    ],
)
def test_result_callback_counts_as_a_check(stage: Any, outcome: Any, effect: Effect, status: S) -> None:
    one, row = asked(stage)
    after_it = described(one, row, outcome)
    assert (after_it.effect, after_it.row.status) == (effect, status)
    assert after_it.row == one.journal.get(row.id)
    assert (after_it.row.schedule.next_at is None) is (status in {S.SUCCEEDED, S.REVIEW})
    assert (one.journal.history(row.id)[-1].at, after_it.row.version) == (after(2), row.version + 1)
    entry = [command for command in one.asked if isinstance(command, ApplyTransition)][-1]
    assert entry.publish is (status not in {S.PENDING, S.UNKNOWN})
    assert entry.answers == (QUERY if outcome in (PAID, FAILED, NotFound()) else None)


@pytest.mark.parametrize("outcome", [OTHER, NotFound()])
def test_repeated_result_callback_changes_nothing(stage: Any, outcome: Any) -> None:
    one, row = asked(stage)
    first = described(one, row, outcome)
    assert described(one, first.row, outcome, at=3) == Answered(first.row, Effect.REPEATED)
    assert one.journal.get(row.id) == first.row


@pytest.mark.parametrize("is_called", [True, False])
def test_absence_asked_about_before_a_callback_sends_nothing(stage: Any, is_called: bool) -> None:
    """The callback may tell of the payment that was not shown before: the read that it made due decides."""
    one, row = asked(stage)
    called = {"next_at": after(1.5), "callback_read_at": after(1.5)} if is_called else {}
    absent = changed(row, not_found_count=2, first_not_found_at=after(-600), **called)
    row = one.execute(ApplyTransition(row, absent, Event("payout.read", after(1)))).row
    becomes = described(one, row, NotFound()).row
    assert (becomes.status, becomes.schedule.not_found_count) == (S.UNKNOWN, 3)
    assert becomes.schedule.is_callback_read is is_called
    assert (becomes.reason is None, becomes.schedule.next_at) == (is_called, after(1.5 if is_called else 2))


def test_absence_overtaken_by_a_callback_is_judged_again(stage: Any) -> None:
    """Nothing was written, though the payout itself has not moved: the caller looks again."""
    one, row = asked(stage)
    one.journal.execute(AppendHistory(row.id, Event("payout.called", after(1.5)), due_at=after(1.5)))
    stored = one.journal.get(row.id)
    assert (stored.version, stored.schedule.next_at) == (row.version, after(1.5))
    assert described(one, row, NotFound()) == Answered(stored, None)
    assert one.journal.get(row.id) == stored
    assert described(one, stored, NotFound()).effect is Effect.ANSWERED


def test_failure_after_a_payment_that_differs_is_review(stage: Any) -> None:
    """One of the two may be forged: the payout is not called failed, and the true result after both still counts."""
    one, row = asked(stage)
    row = described(one, row, OTHER).row
    first = described(one, row, FAILED, at=3)
    assert (first.effect, first.row.status, first.row.reason.code) == (Effect.ANSWERED, S.REVIEW, ReasonCode.MISMATCH)
    why = "One result callback showed a payment that differs, and another one calls it failed."
    assert (first.row.reason.text, last(one, row)) == (why, ("review", {"why": why, "code": "NO"}))
    assert described(one, first.row, FAILED, at=4).effect is Effect.REPEATED
    assert described(one, first.row, PAID, at=5).row.status is S.SUCCEEDED


def test_result_callback_on_a_stale_row_writes_nothing(stage: Any) -> None:
    """Nothing was written: the caller looks again."""
    one, row = asked(stage)
    moved = one.execute(ApplyTransition(row, replace(row, status=S.PENDING), Event("payout.read", after(1)))).row
    assert described(one, row, PAID) == Answered(moved, None)
    assert described(one, moved, PAID).row.status is S.SUCCEEDED


def test_result_callback_during_a_send_is_not_read(stage: Any) -> None:
    """It was asked before the submission under way, and only its sender may change the payout; the path stays open."""
    one, row = asked(stage)
    sending = changed(row, status=S.SENDING, lease_owner="another", lease_until=after(2.5))
    count = len(one.asked)
    for outcome in (NotFound(), PAID):
        assert described(one, sending, outcome) == Answered(sending, None)
    assert (len(one.asked), one.journal.by_query(QUERY)) == (count, (row, 1))


ENDS = [
    (S.FAILED, PAID, Effect.CONTRADICTED, ProviderStatus.PAID),
    (S.FAILED, FAILED, Effect.REPEATED, None),
    (S.FAILED, OTHER, Effect.CONTRADICTED, ProviderStatus.PAID),
    (S.FAILED, BACK, Effect.REPEATED, None),
    (S.SUCCEEDED, PAID, Effect.REPEATED, None),
    (S.SUCCEEDED, OTHER, Effect.CONTRADICTED, ProviderStatus.PAID_OTHERWISE),
    (S.SUCCEEDED, FAILED, Effect.CONTRADICTED, ProviderStatus.FAILED),
    (S.SUCCEEDED, BACK, Effect.CONTRADICTED, ProviderStatus.TAKEN_BACK),
    (S.SUCCEEDED, Unknown(), Effect.OPEN, None),
    (S.SUCCEEDED, Pending(seen=OURS), Effect.OPEN, None),
]


@pytest.mark.parametrize(("status", "outcome", "effect", "contradicts"), ENDS)
def test_result_callback_after_the_end_is_compared_with_it(
    stage: Any, status: S, outcome: Any, effect: Effect, contradicts: ProviderStatus | None
) -> None:
    """That it is contradicted is written down once, however often it is told."""
    one, row = asked(stage, status, decided_by="read", reason=FAILED.reason if status is S.FAILED else None)
    first = described(one, row, outcome)
    again = described(one, first.row, outcome, at=3)
    text = () if contradicts is None else (Contradiction(after(2), "till", 1, contradicts, outcome.code),)
    assert (first.effect, first.row.status, first.row.contradictions) == (effect, status, text)
    assert again.effect is (Effect.REPEATED if contradicts else effect)
    assert again.row.contradictions == one.journal.get(row.id).contradictions == text


@pytest.mark.parametrize(
    ("outcome", "effect"),
    [(PAID, Effect.CONTRADICTED), (FAILED, Effect.REPEATED), (Pending(), Effect.OPEN), (NotFound(), Effect.OPEN)],
)
@pytest.mark.parametrize("status", [S.CREATED, S.SENDING, S.SUCCEEDED, S.FAILED])
def test_result_callback_of_a_previous_attempt_is_compared_with_its_failure(
    stage: Any, make_ended: Callable[[PayoutRecord], EndedAttempt], status: S, outcome: Any, effect: Effect
) -> None:
    """Whatever became of the payout since: it is not moved."""
    one, row = asked(stage)
    now, ended = changed(row, status=status, attempt=2), make_ended(row)
    after_it = described(one, now, outcome, ended=ended)
    assert (after_it.effect, after_it.row.status) == (effect, status)
    assert [item.attempt for item in after_it.row.contradictions] == [1] * (effect is Effect.CONTRADICTED)
    assert one.account.provider.drafts_read[-1].references == ended.references


@pytest.fixture
def make_ended() -> Callable[[PayoutRecord], EndedAttempt]:
    return lambda row: replace(EndedAttempt.of(row), references={"reference": "of attempt 1"})


@pytest.mark.parametrize("of", ["the attempt", "an earlier one", "another identity"])
def test_result_callback_for_an_account_without_them_is_a_bug(
    stage: Any, make_ended: Callable[[PayoutRecord], EndedAttempt], of: str
) -> None:
    one, row = asked(stage)

    class Silent:
        def binding(self, _: object) -> dict[str, str]:
            return dict(row.attempt.binding)

    one.account = replace(one.account, provider=Silent())
    callback, ended = Callback("POST", {}, b"", one.at), make_ended(row) if of == "an earlier one" else None
    about = changed(row, binding={"host": "gone.invalid"}) if of == "another identity" else row
    with pytest.raises(ProviderBug) as caught:
        run_flow(answer(one.account, about, callback, query=QUERY, ended=ended), one.execute)
    assert caught.value.message == "Account till takes no answers that come later."
