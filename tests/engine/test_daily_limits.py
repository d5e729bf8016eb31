"""The daily limit: reserved where a submission begins, returned where nothing was paid, and never passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from kit import FAILED, Fake, MakeStage, account_of, after, lost, reading, saying, unsent

from payments_core.domain.errors import DailyLimitReached, InvalidAmount
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.provider import Final, NotFound, Pending, Unknown

S = PayoutStatus
SETTLING = Reason(ReasonCode.REJECTED, settling_h=24)
DAY = "day/till/EUR/2026-03-02"


def limited(limit: str = "50", **more: Any) -> dict[str, Any]:
    return {"daily_limit": {"EUR": limit}, **more}


def reserved(one: Any, name: str = DAY) -> Decimal:
    states = one.journal.budgets([name])
    return states[name].reserved if name in states else Decimal(0)


def sent(one: Any, key: str, amount: str = "25") -> PayoutRecord:
    row: PayoutRecord = one.send(key=key, amount=Money(amount, "EUR")).row
    return row


# --- at accept ---


def test_new_payout_above_what_is_left_of_the_day_is_refused(stage: MakeStage) -> None:
    """The error says what is used and left, and when the next day begins; the key is free, and what fits is paid."""
    one = stage(settings=limited(time_zone="Africa/Kampala"))
    assert sent(one, "k/1", "30").status is S.PENDING
    with pytest.raises(DailyLimitReached) as refused:
        sent(one, "k/2", "20.01")
    error = refused.value
    assert error.message == (
        "20.01 EUR is more than what is left today of the daily_limit of account till: of 50 EUR, 30 is used and 20 is "
        "left."
    )
    assert error.hint == (
        "Send it when the next day begins, at 2026-03-02 21:00 UTC (time_zone Africa/Kampala); with that as not_before "
        "it is accepted now. Where it is meant for today, raise the setting."
    )
    assert (error.account, error.limit, error.used, error.left) == ("till", 50, 30, 20)
    assert (error.field, error.again_at) == ("amount", datetime(2026, 3, 2, 21, tzinfo=UTC))
    with pytest.raises(DailyLimitReached):
        one.accept(key="k/2", amount=Money("20.01", "EUR"))
    assert one.journal.by_key("k/2") is None
    assert sent(one, "k/2", "20").status is S.PENDING
    assert reserved(one) == 50


def test_known_key_is_returned_when_the_day_is_full(stage: MakeStage) -> None:
    one = stage(settings=limited("25"))
    row = sent(one, "k/1")
    assert sent(one, "k/1") == one.accept() == row


@pytest.mark.parametrize(("limit", "currency"), [("24.99", "EUR"), ("99", "UGX")])
def test_amount_that_no_day_has_is_refused_as_a_mistake(stage: MakeStage, limit: str, currency: str) -> None:
    """More than the whole limit, or in a currency without one, it would wait for ever."""
    with pytest.raises(InvalidAmount, match="daily_limit") as refused:
        stage(settings={"daily_limit": {currency: limit}}).accept()
    assert not isinstance(refused.value, DailyLimitReached)


def test_accepted_payout_reserves_nothing_before_its_submission(stage: MakeStage) -> None:
    """Three are accepted of which two fit: the third waits for the next day."""
    one = stage(settings=limited())
    rows = [one.accept(key=f"k/{number}") for number in range(3)]
    assert reserved(one) == 0
    statuses = [one.advance(row).status for row in rows]
    assert statuses == [S.PENDING, S.PENDING, S.CREATED]
    assert reserved(one) == 50


def test_payout_for_a_later_day_is_accepted_while_this_one_is_full(stage: MakeStage) -> None:
    one = stage(settings=limited("25"))
    sent(one, "k/1")
    row = one.accept(key="k/2", not_before=after(86_400))
    one.at = after(86_400)
    assert one.advance(row).status is S.PENDING
    assert (reserved(one), reserved(one, "day/till/EUR/2026-03-03")) == (25, 25)


# --- in the commit that begins a submission ---


def test_payout_above_the_limit_waits_and_is_sent_the_next_day(stage: MakeStage) -> None:
    """It says why once, is looked at every hour without growing, and leaves when the day begins in its zone."""
    one = stage(settings=limited(time_zone="Africa/Kampala"))
    row = one.accept(key="k/2")
    one.account = account_of(settings=limited("25", time_zone="Africa/Kampala"))
    sent(one, "k/1")
    row = one.advance(row)
    why = (
        "With it, the payouts of the day would come to more than the daily_limit of account till: 25 EUR. The next day "
        "begins at midnight of the time_zone Africa/Kampala."
    )
    assert (row.status, row.reason, row.attempt.submissions) == (S.CREATED, Reason(ReasonCode.DAILY_LIMIT, text=why), 0)
    assert one.journal.history(row.id)[-1].evidence == {"why": why}
    for _ in range(12):  # the day ends at 21:00 UTC
        assert row.schedule.next_at == min(one.at + timedelta(hours=1), after(12 * 3600))
        assert one.advance(row) == row  # not due
        one.at = row.schedule.next_at
        row = one.advance(row)
    assert one.events(row) == ["created", "waiting_for_limit", "sending", "pending"]
    assert reserved(one, "day/till/EUR/2026-03-03") == reserved(one) == 25


@pytest.mark.parametrize("settings", [limited("60"), {}], ids=["raised", "removed"])
def test_changed_limit_is_noticed_at_once_by_a_caller(stage: MakeStage, settings: dict[str, Any]) -> None:
    one = stage(settings=limited())
    row = one.accept(key="k/2")
    sent(one, "k/1", "30")
    row = one.advance(row)
    assert row.reason.code is ReasonCode.DAILY_LIMIT
    one.account = account_of(settings=settings)
    row = one.advance(row)
    assert (row.status, row.reason) == (S.PENDING, None)


def test_payout_that_waits_for_the_next_day_expires(stage: MakeStage) -> None:
    one = stage(settings=limited("25"))
    row = one.accept(key="k/2", expires_at=after(60))
    sent(one, "k/1")
    row = one.advance(row)
    assert row.schedule.next_at == after(60)
    one.at = after(60)
    assert one.advance(row).reason.code is ReasonCode.NOT_SENT_IN_TIME


def test_currency_that_the_limit_does_not_name_any_more_waits(stage: MakeStage) -> None:
    one = stage()
    row = one.accept()
    one.account = account_of(settings={"daily_limit": {"UGX": "1"}})
    row = one.advance(row)
    assert row.reason == Reason(
        ReasonCode.DAILY_LIMIT, text="There is no daily_limit for EUR in the settings of account till."
    )


# --- kept, and returned ---


def test_same_request_again_reserves_nothing(stage: MakeStage) -> None:
    """A payout that is not found and is sent again, the next day too, has reserved its amount once."""
    one = stage(Fake(submitting=saying(Unknown()), checking=reading(NotFound())), settings=limited())
    row = sent(one, "k/1")
    assert (row.status, reserved(one)) == (S.UNKNOWN, 25)
    while row.attempt.submissions < 2:
        one.at = max(row.schedule.next_at, one.at)
        row = one.advance(row)
        assert reserved(one) == 25
    assert row.attempt.budgets == (DAY,)


@pytest.mark.parametrize("outcome", [Unknown(), Pending(), Final(), Final(reason=SETTLING)], ids=str)
def test_amount_that_may_have_left_stays_reserved(stage: MakeStage, outcome: Any) -> None:
    """Paid, open, or failed in a way that the provider may still take back: it counts."""
    one = stage(Fake(saying(outcome)), settings=limited())
    assert sent(one, "k/1").attempt.budgets == (DAY,)
    assert reserved(one) == 25


def test_lost_answer_stays_reserved_until_a_read_shows_the_failure(stage: MakeStage) -> None:
    one = stage(Fake(checking=reading(FAILED)), settings=limited())
    one.answers.append(lost())
    row = sent(one, "k/1")
    assert (row.status, reserved(one)) == (S.UNKNOWN, 25)
    one.at = row.schedule.next_at
    row = one.advance(row)
    assert (row.status, row.attempt.budgets, reserved(one)) == (S.FAILED, (), 0)


@pytest.mark.parametrize("answer", [unsent(), FAILED], ids=["not sent", "failed"])
def test_amount_that_was_not_paid_is_returned(stage: MakeStage, answer: Any) -> None:
    """Proven not sent, it reserves again when it is sent again; failed for certain, another payout may have it."""
    one = stage(Fake(saying(answer)) if isinstance(answer, Final) else None, settings=limited("25"))
    if not isinstance(answer, Final):
        one.answers.append(answer)
    row = sent(one, "k/1")
    assert (row.attempt.budgets, reserved(one)) == ((), 0)
    one.account = account_of(settings=limited("25"))
    sent(one, "k/2")
    if row.status is S.CREATED:
        one.at = row.schedule.next_at
        assert one.advance(row).reason.code is ReasonCode.DAILY_LIMIT
    assert reserved(one) == 25


def test_reissued_payout_reserves_from_the_day_and_account_of_its_own(stage: MakeStage) -> None:
    """What the failed attempt still held, as its provider could take the failure back, is returned with the reissue."""
    failing = Fake(saying(Final(reason=SETTLING)), reading(FAILED))
    one = stage(failing, settings=limited(), dedupe_settle_s=0.0)
    row = sent(one, "k/1")
    assert (row.status, reserved(one)) == (S.FAILED, 25)
    one.at = after(3 * 86_400)
    other = account_of(Fake(host="other.invalid"), name="other", settings=limited())
    one.accounts = {"till": one.account, "other": other}
    row = one.reissue(row, other)
    assert (row.attempt.budgets, reserved(one)) == ((), 0)
    one.account = other
    row = one.advance(row)
    assert row.attempt.budgets == ("day/other/EUR/2026-03-05",)
    assert (reserved(one), reserved(one, "day/other/EUR/2026-03-05")) == (0, 25)


def test_payout_in_review_keeps_its_amount_until_a_person_decides(stage: MakeStage) -> None:
    one = stage(Fake(submitting=saying(Unknown()), checking=reading(NotFound())), settings=limited(), resend="unsafe")
    row = sent(one, "k/1")
    while row.status is not S.REVIEW:
        one.at = row.schedule.next_at
        row = one.advance(row)
    assert reserved(one) == 25
    one.at += timedelta(hours=1)
    row = one.resolve(row, paid=False)
    assert (row.status, reserved(one)) == (S.FAILED, 0)


def test_limit_that_was_set_after_a_submission_does_not_stop_the_same_request(stage: MakeStage) -> None:
    """What may have arrived is checked and sent again as it was: it may be paid already."""
    provider = Fake(submitting=saying(Unknown()), checking=reading(NotFound()))
    one = stage(provider)
    row = sent(one, "k/1")
    one.account = account_of(provider, settings=limited("1"))
    while row.attempt.submissions < 2:
        one.at = max(row.schedule.next_at, one.at)
        row = one.advance(row)
    assert row.attempt.budgets == ()


def test_account_without_a_limit_asks_for_no_budget(stage: MakeStage) -> None:
    one = stage()
    sent(one, "k/1")
    assert [command.budgets for command in one.asked if hasattr(command, "budgets")] == [(), ()]
