"""What a claim holds and for how long, and that no promise rests on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flat_records import START, later

from payments_core.domain.causes import PausedBy
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine.commands import ApplyTransition, TransitionApplied
from payments_core.engine.journal_protocol import Journal

ACCOUNTS = ["mtn-uganda", "mtn-ghana"]

AddRow = Callable[..., PayoutRecord]
Ask = Callable[[str], list[tuple[Any, ...]]]


def claim(journal: Journal, owner: str = "a", seconds: float = 0, *, for_s: float = 30, limit: int = 100) -> list[str]:
    at = later(seconds)
    rows = journal.claim(at, owner=owner, until=at + timedelta(seconds=for_s), accounts=ACCOUNTS, limit=limit)
    return [row.id for row in rows]


def test_claim_skips_what_another_worker_holds(journal: Journal, add: AddRow) -> None:
    """Two workers share what is due, oldest first; neither sees what the other has."""
    for number in range(5):
        add(str(number), next_at=later(-number))
    assert claim(journal, limit=3) == ["po_4", "po_3", "po_2"]
    assert claim(journal, "b") == ["po_1", "po_0"]
    assert claim(journal) == claim(journal, "b") == []


def test_claim_takes_only_what_is_due(journal: Journal, add: AddRow) -> None:
    """As `due` does: not the future, not another account, not what is leased, not what a pause holds."""
    add("due", status=PayoutStatus.PENDING)
    add("unsent")
    add("future", next_at=later(1))
    add("other", account="elsewhere")
    add("leased", status=PayoutStatus.PENDING, lease_owner="x", lease_until=later(1))
    add("review", status=PayoutStatus.PENDING, next_at=None)
    journal.set_pause(Pause("mtn-uganda", START, "audit"))
    assert claim(journal) == ["po_due"] == [row.id for row in journal.due(START, accounts=ACCOUNTS, limit=9)]
    assert journal.claim(START, owner="a", until=later(9), accounts=[], limit=9) == ()


@pytest.mark.parametrize(("called", "others", "taken"), [(9, 9, 2), (9, 1, 3), (9, 0, 4), (1, 9, 1), (0, 9, 0)])
def test_claim_gives_callbacks_at_most_half_the_places(
    journal: Journal, add: AddRow, called: int, others: int, taken: int
) -> None:
    """Strangers can send as many as they like, and earlier ones: all else that is due has its places."""
    for number in range(called):
        add(f"called-{number}", status=PayoutStatus.PENDING, next_at=later(-60), callback_read_at=later(-60))
    for number in range(others):  # one of them was called about, and has been read since
        add(f"other-{number}", status=PayoutStatus.UNKNOWN, callback_read_at=None if number else later(-90))
    ids = claim(journal, limit=4)
    assert len(ids) == 4
    assert sum(payout.startswith("po_called") for payout in ids) == taken


@pytest.mark.parametrize("called_at", [-60, -20])
@pytest.mark.parametrize("limit", [1, 3])
def test_claim_gives_an_odd_place_to_whichever_is_due_first(
    journal: Journal, add: AddRow, called_at: float, limit: int
) -> None:
    """Where there is one place, neither callbacks nor all else that is due can keep the other from it for ever."""
    for number in range(3):
        at = later(called_at + number)
        add(f"called-{number}", status=PayoutStatus.PENDING, next_at=at, callback_read_at=at)
        add(f"other-{number}", next_at=later(-40 + number))
    ids = claim(journal, limit=limit)
    called = limit // 2 + (called_at == -60)
    wanted = {*(f"po_called-{n}" for n in range(called)), *(f"po_other-{n}" for n in range(limit - called))}
    assert (len(ids), set(ids)) == (limit, wanted)


def test_claim_ends_by_itself(journal: Journal, add: AddRow) -> None:
    """Whoever died with it strands nothing."""
    add()
    assert claim(journal, for_s=30) == ["po_one"]
    assert claim(journal, "b", 29.999) == []
    assert claim(journal, "b", 30) == ["po_one"]


def test_claim_longer_than_a_day_holds_nothing(journal: Journal, add: AddRow) -> None:
    """The clock of whoever wrote it was ahead; a day is the longest `claim_s`, and clocks differ."""
    add()
    assert claim(journal, seconds=30 * 86_400) == ["po_one"]
    assert journal.next_due(accounts=ACCOUNTS, free_at=START) == START
    assert claim(journal, "b", for_s=25 * 3600) == ["po_one"]
    assert claim(journal, "c") == []
    assert journal.next_due(accounts=ACCOUNTS, free_at=START) != START
    assert journal.renew("a", ["po_one"], later(60)) == frozenset()


def test_claim_is_renewed_only_by_its_owner(journal: Journal, add: AddRow) -> None:
    """Who lost a claim is told so, and takes nothing back."""
    add("one")
    add("two")
    assert claim(journal, limit=1) == ["po_one"]
    assert claim(journal, "b") == ["po_two"]
    assert journal.renew("a", ["po_one", "po_two", "po_none"], later(60)) == {"po_one"}
    assert claim(journal, "c", 30) == ["po_two"]
    assert journal.renew("b", ["po_two"], later(90)) == frozenset()
    assert claim(journal, "c", 59.999) == []
    assert claim(journal, "c", 60) == ["po_one", "po_two"]
    assert journal.renew("a", [], later(90)) == frozenset()


def test_claim_is_released_only_by_its_owner(journal: Journal, add: AddRow) -> None:
    """What is let go of can be taken at once; another's stays."""
    add()
    claim(journal)
    journal.release("b", ["po_one"])
    assert claim(journal, "b") == []
    journal.release("a", ["po_one"])
    assert claim(journal, "b") == ["po_one"]


def test_claims_are_renewed_and_released_in_large_numbers(journal: Journal, add: AddRow, ask: Ask) -> None:
    """More than one statement can carry."""
    ids = [add(str(number)).id for number in range(3)]
    claim(journal)
    many = [*ids, *(f"po_none{number}" for number in range(1200))]
    assert journal.renew("a", many, later(60)) == set(ids)
    journal.release("a", many)
    assert ask("SELECT COUNT(*) FROM claims") == [(0,)]


def test_claim_does_not_stop_a_transition_by_others(journal: Journal, add: AddRow) -> None:
    """Safety is the fence's: a claim neither gives nor takes the right to move."""
    row = add()
    claim(journal)
    after = replace(row, status=PayoutStatus.PENDING)
    assert isinstance(journal.execute(ApplyTransition(row, after, Event("payout.pending", START))), TransitionApplied)


def test_next_due_skips_what_is_claimed(journal: Journal, add: AddRow) -> None:
    """A worker does not wake for what another one holds; without asking so, nothing is left out."""
    add("one")
    add("two", next_at=later(50))
    claim(journal, for_s=30)
    assert journal.next_due(accounts=ACCOUNTS) == START
    assert journal.next_due(accounts=ACCOUNTS, free_at=START) == later(50)
    assert journal.next_due(accounts=ACCOUNTS, free_at=later(30)) == START
    journal.set_pause(Pause("mtn-uganda", START, "blocked", PausedBy.ACCOUNT_REFUSED, later(5)))
    assert journal.next_due(accounts=ACCOUNTS, free_at=START) == later(50)


def test_claims_of_many_workers_take_each_payout_once(open_one: Callable[[], Journal], add: AddRow) -> None:
    """Whatever the moment, no payout has two claimants."""
    ids = [add(f"{number:03}").id for number in range(200)]
    journals = [open_one() for _ in range(4)]

    def take(name: str, journal: Journal) -> list[str]:
        return [one for taken in iter(lambda: claim(journal, name, limit=7), []) for one in taken]

    with ThreadPoolExecutor(8) as threads:
        workers = [threads.submit(take, f"{priority}", journal) for priority, journal in enumerate(journals * 2)]
    assert Counter(one for worker in workers for one in worker.result()) == Counter(ids)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_claim_does_not_wait_for_a_locked_payout(journal: Journal, add: AddRow, address: str) -> None:
    """A claim takes the others, and this one when its transaction has ended."""
    add("one")
    add("two")
    with psycopg.connect(address) as other:
        other.execute("SELECT 1 FROM payments_core.payouts WHERE id = 'po_one' FOR NO KEY UPDATE")
        assert claim(journal) == ["po_two"]
    assert claim(journal) == ["po_one"]
