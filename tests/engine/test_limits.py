"""The largest amount of an account: more is refused before it is written, and waits when the limit is lowered later."""

from __future__ import annotations

from typing import Any

import pytest
from kit import T0, Fake, MakeStage, account_of, after, reading, row_of, saying

from payments_core.domain.errors import InvalidAmount
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.engine import decide_submission
from payments_core.engine.flow import RunPreflight
from payments_core.http.messages import HttpRequest
from payments_core.provider import Final, NotFound, Unknown

S = PayoutStatus


def limited(limit: str = "20", currency: str = "EUR") -> dict[str, Any]:
    return {"largest_amount": {currency: limit}, "poll_schedule_s": (5, 60, 600)}


def test_amount_over_the_limit_is_refused_before_anything_is_written(stage: MakeStage) -> None:
    """A slipped digit is an error that names amount, limit and setting; the limit itself is within it."""
    one = stage(settings=limited("25"))
    with pytest.raises(InvalidAmount) as refused:
        one.accept(amount=Money("9999999", "EUR"))
    assert refused.value.hint == "Correct the amount; where it is meant, change the setting first."
    assert refused.value.message == "9,999,999 EUR is more than the largest_amount of account till: 25 EUR."
    assert one.journal.by_key("k/1") is None
    assert one.accept(amount=Money("25", "EUR")).status is S.CREATED


def test_currency_without_a_largest_amount_is_refused(stage: MakeStage) -> None:
    """A table that somebody forgot to complete is not the absence of a limit."""
    with pytest.raises(InvalidAmount, match="There is no largest_amount for EUR in the settings of account till"):
        stage(settings=limited(currency="UGX")).accept()


def lowered(stage: MakeStage, provider: Fake | None = None, **order: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which 25 EUR were accepted, and then the limit was lowered to 20."""
    one = stage(provider)
    row = one.accept(**order)
    one.account = account_of(provider, settings=limited())
    return one, row


def test_lowered_limit_holds_a_payout_accepted_before(stage: MakeStage) -> None:
    """It waits, says why, asks no guard, and leaves at once when a caller asks for it under a raised limit."""
    one, row = lowered(stage, amount=Money("9999999", "EUR"))
    row = one.advance(row)
    why = "9,999,999 EUR is more than the largest_amount of account till: 20 EUR."  # not masked like a number
    assert (row.status, row.attempt.submissions) == (S.CREATED, 0)
    assert row.reason == Reason(ReasonCode.ABOVE_LARGEST_AMOUNT, text=why)
    assert one.events(row) == ["created", "above_largest_amount"]
    assert one.journal.history(row.id)[-1].evidence == {"why": why}
    assert row.schedule.next_at == after(600)
    assert one.advance(row) == row  # not due, and still too large: nothing is written
    one.at = after(600)
    row = one.advance(row)
    assert row.schedule.next_at == after(1200)
    assert [command for command in one.asked if isinstance(command, RunPreflight)] == []
    one.account = account_of(settings=limited("9999999"))
    row = one.advance(row)
    assert (row.status, row.reason) == (S.PENDING, None)
    assert len(one.posts()) == 1


def test_payout_that_waits_for_a_raised_limit_expires(stage: MakeStage) -> None:
    one, row = lowered(stage, expires_at=after(60))
    row = one.advance(row)
    assert row.schedule.next_at == after(60)
    one.at = after(60)
    assert one.advance(row).reason.code is ReasonCode.NOT_SENT_IN_TIME


def test_ambiguous_payout_over_a_lowered_limit_is_checked_and_not_resent(stage: MakeStage) -> None:
    """A second send is none of the account's any more; the first one stays unknown, and is asked about."""
    provider = Fake(submitting=saying(Unknown()), checking=reading(NotFound()))
    one = stage(provider)
    row = one.advance(one.accept())
    one.account = account_of(provider, settings={"largest_amount": {"EUR": 20}})
    while "above_largest_amount" not in one.events(row):
        one.at = row.schedule.next_at
        row = one.advance(row)
    assert (row.status, row.attempt.ambiguous, len(one.posts())) == (S.UNKNOWN, True, 1)
    assert row.schedule.next_at is not None


def test_payout_checked_first_and_not_found_waits_for_the_limit(stage: MakeStage) -> None:
    """A restored journal had the provider asked about it first: it waits for the limit as one that was never sent."""
    checked_first = row_of(
        S.UNKNOWN, ambiguous=False, duplicate_unverified=True, first_sent_at=None, submissions=0, sent_at=None
    )
    after_it = decide_submission.above_largest_amount(
        checked_first, account_of(settings=limited()), "too large", T0
    ).after
    assert (after_it.status, after_it.schedule.next_at) == (S.CREATED, after(600))


def test_reissue_over_the_current_limit_is_refused(stage: MakeStage) -> None:
    failing = Fake(submitting=saying(Final(reason=Reason(ReasonCode.REJECTED))))
    one = stage(failing, dedupe_settle_s=0.0)
    row = one.advance(one.accept())
    assert row.status is S.FAILED
    one.at = after(1000)
    with pytest.raises(InvalidAmount, match="25 EUR is more than the largest_amount of account till: 20 EUR"):
        one.reissue(row, account_of(failing, settings=limited()))
    assert one.journal.get(row.id) == row


def test_limit_before_a_resend_is_recorded_at_the_time_of_the_check(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(NotFound())), settings=limited())
    row = one.put(S.UNKNOWN, not_found_count=2, first_not_found_at=T0, next_at=after(300))
    one.at = after(300)
    one.meanwhile(HttpRequest, lambda: setattr(one, "at", after(310)))
    one.advance(row)
    assert [(entry.event, entry.at) for entry in one.journal.history(row.id)][-2:] == [
        ("payout.resend", after(310)),
        ("payout.above_largest_amount", after(310)),
    ]
