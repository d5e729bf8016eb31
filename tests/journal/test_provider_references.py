"""A payout is found by what its provider calls it, where that does not hold our own id."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flat_records import START, changed

from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import ApplyTransition
from payments_core.engine.journal_protocol import Journal
from payments_core.journal.sql.columns import searchable_references

Add = Callable[..., PayoutRecord]
Moving = Callable[[ApplyTransition], PayoutRecord]
Ask = Callable[[str], list[tuple[Any, ...]]]


def event(name: str = "payout.read", seconds: float = 0) -> Event:
    return Event(name, START + timedelta(seconds=seconds))


def found(journal: Journal, name: str) -> list[str]:
    return [row.id for row in journal.by_provider_reference(name)]


def test_new_payout_is_found_by_each_of_its_references(journal: Journal, add: Add) -> None:
    row = add(references={"theirs": "T-1", "batch": "B-1"})
    assert journal.by_provider_reference("T-1") == journal.by_provider_reference("B-1") == (row,)
    assert journal.by_provider_reference("T-2") == ()


@pytest.mark.parametrize("name", ["\0", "T-\0", "T-\ud800"])
def test_reference_that_no_text_can_hold_finds_nothing(journal: Journal, add: Add, moved: Moving, name: str) -> None:
    """Whoever calls back may say it, and a provider may answer it: nothing is found by it, and nothing stops for it."""
    row = add(references={"theirs": "T-1"})
    row = moved(ApplyTransition(row, changed(row, references={"theirs": name, "batch": "B-1"}), event(seconds=1)))
    assert journal.get(row.id) == row
    assert found(journal, name) == []
    assert found(journal, "T-1") == found(journal, "B-1") == [row.id]


def test_reference_that_holds_our_own_id_is_not_stored_twice(add: Add, ask: Ask) -> None:
    """Its id finds it: nothing more is written for each payout."""
    row = add(references={"ours": "po_one-1", "theirs": "T-1"})
    assert searchable_references(row) == ()
    assert ask("SELECT COUNT(*) FROM by_provider_reference") == [(0,)]


def test_reference_that_comes_later_finds_the_payout_too(journal: Journal, add: Add, moved: Moving) -> None:
    """And the older one still does: what was called back before may come again."""
    row = add(references={"theirs": "T-1"})
    moved(ApplyTransition(row, changed(row, references={"theirs": "T-2"}), event(seconds=1)))
    assert found(journal, "T-1") == found(journal, "T-2") == [row.id]


def test_new_attempt_is_found_beside_the_one_before(journal: Journal, add: Add, reissued: Add) -> None:
    no = Reason(ReasonCode.REJECTED, "NO")
    failed = {"status": PayoutStatus.FAILED, "reason": no, "submissions": 1, "first_sent_at": START, "sent_at": START}
    row = add(references={"theirs": "T-1"}, next_at=None, **failed)
    reissued(row, references={"theirs": "T-2"})
    assert found(journal, "T-1") == found(journal, "T-2") == [row.id]


def test_reference_may_belong_to_several_payouts(journal: Journal, add: Add) -> None:
    """Two providers may both count from one: whose it is, the account of each says."""
    one, two = add("one", references={"theirs": "7"}), add("two", account="other", references={"theirs": "7"})
    assert sorted(found(journal, "7")) == sorted([one.id, two.id])
