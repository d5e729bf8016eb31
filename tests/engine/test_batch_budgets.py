"""The approved total of a batch, where a submission begins; and what a provider sees of an order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from kit import T0, Fake, MakeStage, account_of, after, order_of

from payments_core.domain.batches import Batch, BatchChange, BatchState, BeginBatch, FreezeBatch
from payments_core.domain.budgets import AboveBudget
from payments_core.domain.errors import BatchBudgetReached, DailyLimitReached, InvalidAmount
from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.engine.budget_errors import budget_reached
from payments_core.engine.daily_limits import daily_budget, daily_limit_changed, daily_limit_reached
from payments_core.engine.drafts import budgets_of
from payments_core.engine.steps import new_payout

S = PayoutStatus


def approve(one: Any, total: str) -> None:
    """Have a batch ``b_1`` approved that comes to a total of euros."""
    batch = Batch("b_1", "wages", BatchState.WRITING, "f" * 64, 0, (Money(total, "EUR"),))
    for change in (
        BeginBatch("b_1", "wages", T0),
        FreezeBatch(batch, T0, "ann"),
        BatchChange(batch="b_1", event=EventName.BATCH_APPROVED, at=T0, actor="bob"),
    ):
        one.journal.write_batch(change)


def test_payout_of_a_batch_reserves_from_its_total_and_no_other(stage: MakeStage) -> None:
    one = stage()
    approve(one, "40")
    row = one.send(batch="b_1").row
    assert (row.status, row.attempt.budgets) == (S.PENDING, ("batch/b_1/EUR",))
    with pytest.raises(BatchBudgetReached) as refused:
        one.send(key="k/2", batch="b_1")
    assert refused.value.message == (
        "Batch b_1 does not pay 25 EUR now: 15 is left of its approved total, and a batch that is paused, cancelled or "
        "not approved pays nothing."
    )
    assert refused.value.hint == "Look at it: `payouts batch show b_1`."
    assert one.journal.by_key("k/2") is None
    assert one.send(key="k/3").row.attempt.budgets == ()


def test_payout_of_a_batch_that_was_paused_waits_with_its_reason(stage: MakeStage) -> None:
    one = stage()
    approve(one, "40")
    row = one.accept(batch="b_1")
    one.journal.write_batch(BatchChange(batch="b_1", event=EventName.BATCH_PAUSED, at=T0, actor="carol"))

    waiting = one.advance(row)

    why = "Batch b_1 is paused or cancelled, or nothing is left of its approved total."
    assert (waiting.status, waiting.reason) == (S.CREATED, Reason(ReasonCode.BATCH_STOPPED, text=why))
    assert waiting.schedule.next_at == after(3600)
    one.journal.write_batch(BatchChange(batch="b_1", event=EventName.BATCH_UNPAUSED, at=T0, actor="carol"))
    assert one.advance(one.journal.get(row.id)).status is S.PENDING


def test_what_is_left_is_never_less_than_nothing() -> None:
    """A limit that was lowered below what is used."""
    account = account_of(settings={"daily_limit": {"EUR": "50"}})
    day = daily_limit_reached(account, order_of(), AboveBudget("day/till/EUR/x", Decimal(50), Decimal(70)), T0)
    batch = budget_reached(account, order_of(), AboveBudget("batch/b_1/EUR", Decimal(50), Decimal(70)), T0)
    assert day.left == 0
    assert "now: 0 is left" in batch.message


def test_budgets_of_a_payout_are_its_batch_and_its_day(stage: MakeStage) -> None:
    account = account_of(settings={"daily_limit": {"EUR": "50"}})
    names = [budget.name for budget in budgets_of(account, order_of(batch="b_1"), T0)]
    assert names == ["batch/b_1/EUR", "day/till/EUR/2026-03-02"]
    assert daily_budget(account, {"EUR": Decimal(50)}, "UGX", T0).most == 0


def test_payout_for_this_very_moment_is_held_against_this_day(stage: MakeStage) -> None:
    account = account_of(settings={"daily_limit": {"EUR": "50"}})
    one = stage().moment()
    assert new_payout(account, order_of(not_before=T0), one, "po_1").budgets != ()
    assert new_payout(account, order_of(not_before=after(1)), one, "po_1").budgets == ()


def test_limit_that_is_the_same_is_not_changed(stage: MakeStage) -> None:
    one = stage(settings={"daily_limit": {"EUR": "30"}})
    row = one.accept(key="k/2")
    one.send()
    row = one.advance(row)
    assert row.reason.code is ReasonCode.DAILY_LIMIT
    assert not daily_limit_changed(one.account, row)


def test_payout_that_is_only_recorded_is_held_against_the_day_of_its_account(stage: MakeStage) -> None:
    """Where a guard has to be asked first, it is refused as one that is sent at once."""
    one = stage(settings={"daily_limit": {"EUR": "30"}})
    one.send()
    one.at_once = False
    with pytest.raises(DailyLimitReached, match="daily_limit of account till") as refused:
        one.send(key="k/2")
    assert (refused.value.account, refused.value.left) == ("till", 5)


def test_amount_above_the_whole_day_names_its_setting(stage: MakeStage) -> None:
    with pytest.raises(InvalidAmount, match="more than the daily_limit of account till"):
        new_payout(account_of(settings={"daily_limit": {"EUR": "5"}}), order_of(), stage().moment(), "po_1")


def test_metadata_stays_with_the_caller(stage: MakeStage) -> None:
    """The provider sees the order without it, and whole in everything else."""
    seen: list[Any] = []
    one = stage(Fake(drafts=seen.append))
    row = one.accept(metadata={"case": 7}, note="Wages")
    assert row.order.metadata == {"case": 7}
    assert [(order.metadata, order.note, order.key) for order in seen] == [({}, "Wages", "k/1")]


def test_send_that_waits_for_a_credential_is_held_against_the_day_too(stage: MakeStage) -> None:
    one = stage(settings={"daily_limit": {"EUR": "30"}}, preflight=lambda *_: None)
    one.account = account_of(settings={"daily_limit": {"EUR": "30"}})
    one.send()
    with pytest.raises(DailyLimitReached, match="account till"):
        one.send(key="k/2")
