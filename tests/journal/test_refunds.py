"""The refund ceiling where it is kept: in the transaction that writes a new payout."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest
from flat_records import START, changed

from payments_core.domain.errors import JournalError
from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import AppendHistory, ApplyTransition, CreatePayout, CreateResult, OverRefunded
from payments_core.engine.journal_protocol import Journal

TEN = Decimal(10)
Make = Callable[..., PayoutRecord]


@pytest.fixture
def refund(make_row: Make) -> Make:
    """Make a refund of the collection c-1, of which 10 EUR were collected."""

    def make(name: str = "one", amount: str = "1", **changes: Any) -> PayoutRecord:
        fields = {"operation": Operation.REFUND, "payee_kind": "collection", "payee_value": "c-1"}
        return make_row(name, amount=Decimal(amount), **(fields | {"original_amount": TEN} | changes))

    return make


def write(journal: Journal, row: PayoutRecord) -> CreateResult | OverRefunded:
    reply = journal.execute(CreatePayout(row, Event("payout.created", START)))
    assert isinstance(reply, CreateResult | OverRefunded)
    return reply


def end_as(journal: Journal, row: PayoutRecord, *statuses: PayoutStatus) -> None:
    for status in statuses:
        before = journal.get(row.id)
        assert before is not None
        journal.execute(ApplyTransition(before, replace(before, status=status), Event("payout.changed", START)))


COUNTED: list[tuple[PayoutStatus, ...]] = [
    (),
    (PayoutStatus.SENDING,),
    (PayoutStatus.SENDING, PayoutStatus.PENDING),
    (PayoutStatus.SENDING, PayoutStatus.UNKNOWN),
    (PayoutStatus.REVIEW,),
    (PayoutStatus.SENDING, PayoutStatus.SUCCEEDED),
    (PayoutStatus.SENDING, PayoutStatus.SUCCEEDED, PayoutStatus.REVERSED),
]


@pytest.mark.parametrize("statuses", COUNTED, ids=lambda statuses: str(statuses[-1] if statuses else "CREATED"))
def test_refund_that_may_have_moved_counts_towards_the_ceiling(
    journal: Journal, refund: Make, statuses: tuple[PayoutStatus, ...]
) -> None:
    """A refund counts from the moment it is written down, and goes on counting until it is proven to have failed."""
    write(journal, refund("one", "6"))
    end_as(journal, refund("one", "6"), *statuses)

    reply = write(journal, refund("two", "4.01"))

    assert reply == OverRefunded(Decimal(6), Money(TEN, "EUR"))
    assert journal.get("po_two") is None
    assert journal.history("po_two") == ()
    assert isinstance(write(journal, refund("three", "4")), CreateResult)


@pytest.mark.parametrize("status", [PayoutStatus.FAILED, PayoutStatus.CANCELLED])
def test_refund_that_moved_nothing_frees_its_share(journal: Journal, refund: Make, status: PayoutStatus) -> None:
    write(journal, refund("one", "6"))
    end_as(journal, refund("one"), status)

    assert isinstance(write(journal, refund("two", "10")), CreateResult)


def test_contradicted_failure_counts_towards_the_ceiling(journal: Journal, refund: Make) -> None:
    """FAILED is never left; but when a later read said that the money went, it is not there to be refunded again."""
    write(journal, refund("one", "6"))
    end_as(journal, refund("one"), PayoutStatus.SENDING, PayoutStatus.FAILED)
    journal.execute(AppendHistory("po_one", Event(EventName.PAYOUT_CONTRADICTED, START)))

    assert write(journal, refund("two", "5")) == OverRefunded(Decimal(6), Money(TEN, "EUR"))


def test_failure_that_is_not_settled_counts_towards_the_ceiling(journal: Journal, refund: Make) -> None:
    """A provider that calls a failure settled only later has not yet said that nothing moved."""
    settling = Reason(ReasonCode.NOT_COMPLETED, "PAYEE_DELAYED", settling_h=72)
    row = write(journal, refund("one", "6")).row  # type: ignore[union-attr]
    journal.execute(
        ApplyTransition(row, replace(row, status=PayoutStatus.FAILED, reason=settling), Event("payout.failed", START))
    )

    assert isinstance(write(journal, refund("two", "5")), OverRefunded)


def test_capitals_make_no_other_collection(journal: Journal, refund: Make) -> None:
    """A reference written in other capitals may be the same collection, so its refunds share the ceiling."""
    write(journal, refund("one", "6", payee_value="C-77AB"))

    assert isinstance(write(journal, refund("two", "5", payee_value="c-77ab")), OverRefunded)


def test_refund_of_a_known_key_is_returned_and_not_counted(journal: Journal, refund: Make) -> None:
    """The same key gets its row back, also when nothing is left."""
    write(journal, refund("one", "10"))

    again = write(journal, refund("one", "10"))

    assert isinstance(again, CreateResult)
    assert not again.created
    assert len(list(journal.rows())) == 1


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"original_amount": Decimal(11)}, Money(TEN, "EUR")),
        ({"original_amount": Decimal("9.99")}, Money(TEN, "EUR")),
        ({"currency": "UGX"}, Money(TEN, "EUR")),
    ],
    ids=["more", "less", "another currency"],
)
def test_original_amount_must_equal_the_earlier_refunds(
    journal: Journal, refund: Make, changed: dict[str, Any], expected: Money
) -> None:
    """Who says otherwise is refused: one of the two is wrong, and the ceiling would follow the wrong one."""
    write(journal, refund("one", "1"))

    reply = write(journal, refund("two", "1", **changed))

    assert isinstance(reply, OverRefunded)
    assert reply.original_amount == expected


def test_original_amount_may_be_written_in_two_ways(journal: Journal, refund: Make) -> None:
    write(journal, refund("one", "1"))

    assert isinstance(write(journal, refund("two", "9.00", original_amount=Decimal("10.000"))), CreateResult)


def test_refund_ceiling_is_shared_by_accounts_and_not_by_collections(journal: Journal, refund: Make) -> None:
    write(journal, refund("one", "6", account="mtn-uganda"))

    assert isinstance(write(journal, refund("two", "5", account="mtn-ghana")), OverRefunded)
    assert isinstance(write(journal, refund("three", "10", payee_value="c-2")), CreateResult)


def test_refund_ceiling_ignores_other_payments_to_the_same_address(
    journal: Journal, make_row: Make, refund: Make
) -> None:
    write(journal, make_row("one", payee_value="c-1", amount=Decimal(99)))

    assert isinstance(write(journal, refund("two", "10")), CreateResult)


def test_refund_sum_is_exact_in_any_decimal_context(journal: Journal, refund: Make) -> None:
    """Not in floats, and not in the few digits an application may have set for itself."""
    with localcontext(prec=2):
        for number in range(9):
            assert isinstance(write(journal, refund(f"tenth-{number}", "1.1")), CreateResult)
        assert isinstance(write(journal, refund("rest", "0.100000000")), CreateResult)
        assert write(journal, refund("over", "0.000000001")) == OverRefunded(Decimal("10.000000000"), Money(TEN, "EUR"))


def test_original_amount_never_changes(journal: Journal, refund: Make) -> None:
    """It belongs to the intent, like the amount."""
    write(journal, refund())
    before = journal.get("po_one")
    assert before is not None
    with pytest.raises(JournalError, match="cannot change its original_amount"):
        journal.execute(
            ApplyTransition(before, changed(before, original_amount=Decimal(99)), Event("payout.changed", START))
        )


def test_refunds_in_one_group_of_commits_are_counted_in_turn(journal: Journal, refund: Make) -> None:
    """Entries that share a commit see each other, and those of other threads."""
    together = threading.Barrier(4)

    def ask(name: str) -> int:
        together.wait()
        futures = [
            journal.submit(CreatePayout(refund(f"{name}-{number}", "0.75"), Event("payout.created", START)))
            for number in range(10)
        ]
        return sum(isinstance(future.result(), CreateResult) for future in futures)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, "abcd")) == 13
    assert sum(row.order.amount.amount for row in journal.rows()) == Decimal("9.75")
