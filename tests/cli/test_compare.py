"""The comparison that the demonstration and the kill loop rest on: each kind of difference is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from payments_core.cli.demo.cast import Cast
from payments_core.cli.demo.compare import differences, unaccounted

Books = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def books() -> Books:
    """A gateway and a journal that agree: one paid, one failed."""
    ledger, payouts = [], []
    for number, (state, status, credited) in enumerate([("SUCCESSFUL", "SUCCEEDED", 1), ("FAILED", "FAILED", 0)]):
        same = {"operation": "transfer", "payee": f"4670174061{number}", "amount": "5", "currency": "EUR"}
        entry = {"reference": f"ref-{number}", "external_id": f"po_{number}", "state": state, "posts": 1}
        ledger.append({**same, **entry, "reason": None, "credits": credited})
        references = {"reference": f"ref-{number}", "external_id": f"po_{number}"}
        payouts.append({**same, "key": f"k-{number}", "status": status, "references": references, "submissions": 1})
    return ledger, payouts


def _lose_a_payout(ledger: list[dict[str, Any]], payouts: list[dict[str, Any]]) -> None:
    payouts.pop()


def _lose_an_entry(ledger: list[dict[str, Any]], payouts: list[dict[str, Any]]) -> None:
    ledger.pop(0)


def _two_owners(ledger: list[dict[str, Any]], payouts: list[dict[str, Any]]) -> None:
    payouts[1]["references"] = {**payouts[1]["references"], "reference": "ref-0"}


def _another_reference_for_one_key(ledger: list[dict[str, Any]], payouts: list[dict[str, Any]]) -> None:
    ledger.append({**ledger[0], "reference": "ref-9"})


def _entry(**changed: Any) -> Callable[..., None]:
    return lambda ledger, _: ledger[0].update(changed)


def _payout(number: int = 0, **changed: Any) -> Callable[..., None]:
    return lambda _, payouts: payouts[number].update(changed)


def test_ledgers_that_agree_have_no_difference() -> None:
    assert differences(*books()) == []


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_entry(credits=2), "ref-0 was credited 2 times"),
        (_entry(credits=2), "the payee 46*******10 was credited 2 times for 1 keys"),
        (_another_reference_for_one_key, "ref-9 belongs to 0 payouts"),
        (_another_reference_for_one_key, "the payee 46*******10 was credited 2 times for 1 keys"),
        (_entry(credits=0), "k-0 SUCCEEDED here and was credited 0 times there"),
        (_entry(amount="6"), "k-0: amount is 6 there, 5 here"),
        (_entry(currency="UGX"), "k-0: currency is UGX there, EUR here"),
        (_entry(payee="46701740699"), "k-0: payee is 46*******99 there, 46*******10 here"),
        (_entry(external_id="po_7"), "k-0: external_id is po_7 there, po_0 here"),
        (_entry(posts=2), "k-0 arrived 2 times there, 1 submissions are known here"),
        (_entry(state="FAILED"), "k-0 is FAILED there, SUCCEEDED here"),
        (_payout(status="FAILED"), "k-0 is FAILED here and was credited there"),
        (_payout(1, status="SUCCEEDED"), "k-1 SUCCEEDED here and was credited 0 times there"),
        (_payout(1, status="UNKNOWN"), "k-1 is still UNKNOWN"),
        (_payout(1, status="REVIEW"), "k-1 is still REVIEW"),
        (_lose_a_payout, "ref-1 belongs to 0 payouts"),
        (_lose_an_entry, "k-0 SUCCEEDED here and was credited 0 times there"),
        (_two_owners, "ref-0 belongs to 2 payouts"),
    ],
)
def test_difference_of_each_kind_is_found(spoil: Callable[..., None], expected: str) -> None:
    ledger, payouts = books()
    spoil(ledger, payouts)

    assert expected in differences(ledger, payouts)


def test_rows_of_a_file_are_all_accounted_for() -> None:
    rows = [
        {"row": 2, "key": "k-0", "error": None},
        {"row": 3, "key": "k-1", "error": {"code": "invalid_currency"}},
        {"row": 4, "key": "k-0", "error": None},
    ]

    assert unaccounted(rows, [{"key": "k-0"}]) == []
    assert unaccounted(rows, []) == [
        "row 2 is no payout and was not refused",
        "row 4 is no payout and was not refused",
    ]
    assert unaccounted(rows, [{"key": "k-0"}, {"key": "k-1"}]) == ["row 3 was refused and is a payout all the same"]
    assert unaccounted(rows, [{"key": "k-0"}, {"key": "k-9"}]) == ["k-9 is in no row"]


def test_cast_is_the_same_for_the_same_seed() -> None:
    assert Cast.draw(7) == Cast.draw(7)
    assert Cast.draw(7).people != Cast.draw(8).people


def test_cast_has_no_number_twice() -> None:
    people = Cast.draw(1).people

    assert len({person.number for person in people}) == len({person.key for person in people}) == len(people) == 25
