"""The outbox in the journal: who has acknowledged what, in which order it is offered, and who delivers it when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flat_records import START, later

from payments_core.domain.deliveries import Backlog, Consumer
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import ApplyTransition
from payments_core.engine.journal_protocol import Journal

BOOKS, OTHER = Consumer("books"), Consumer("other")
REASON = Reason(ReasonCode.UNRECOGNISED, "ODD", "nobody knows")

Publish = Callable[..., PayoutRecord]


@pytest.fixture
def publish(add: Callable[..., PayoutRecord], moved: Callable[[ApplyTransition], PayoutRecord]) -> Publish:
    """Write a payout with an event for each status; those before the last are REVIEW."""
    rows = dict[str, PayoutRecord]()

    def write(name: str, *statuses: str, at: float = 1, **changes: str) -> PayoutRecord:
        row = rows.get(name) or add(name, **changes)
        for status in statuses:
            after = replace(row, status=PayoutStatus(status), reason=REASON if status == "REVIEW" else None)
            row = rows[name] = moved(ApplyTransition(row, after, Event("payout.moved", later(at)), publish=True))
        return row

    return write


def offered(journal: Journal, consumer: Consumer = BOOKS, after: int = 0) -> list[str]:
    return [event.id for event in journal.offered(consumer, after=after, limit=100)]


def test_event_is_offered_as_it_was_written(journal: Journal, publish: Publish) -> None:
    """What the consumer gets is what the commit of the end has written."""
    publish("one", "REVIEW")
    [event] = journal.offered(BOOKS, after=0, limit=10)
    assert (event.id, event.payout_id, event.key, event.account) == ("po_one.2", "po_one", "salary/one", "mtn-uganda")
    assert (event.status, event.reason, event.attempt, event.seq) == (PayoutStatus.REVIEW, REASON, 1, 2)
    assert (event.at, event.no) == (later(1), 1)


def test_event_waits_for_the_earlier_ones_of_its_payout(journal: Journal, publish: Publish) -> None:
    """In order for each payout, and no payout waits for another."""
    publish("one", "REVIEW", "SUCCEEDED", "REVERSED")
    publish("two", "SUCCEEDED")
    assert offered(journal) == ["po_one.2", "po_two.2"]
    assert journal.acknowledge("books", "po_one.2", START)
    assert offered(journal) == ["po_one.3", "po_two.2"]
    assert journal.acknowledge("books", "po_two.2", START)
    assert journal.acknowledge("books", "po_one.3", START)
    assert offered(journal) == ["po_one.4"]
    assert journal.acknowledge("books", "po_one.4", START)
    assert offered(journal) == []
    assert offered(journal, OTHER) == ["po_one.2", "po_two.2"], "another consumer has heard nothing"


def test_acknowledgement_holds_for_one_event_and_for_good(journal: Journal, publish: Publish) -> None:
    """Twice is as good as once; what does not exist cannot be acknowledged."""
    publish("one", "SUCCEEDED")
    assert [journal.acknowledge("books", "po_one.2", later(n)) for n in range(2)] == [True, True]
    assert not journal.acknowledge("books", "po_one.7", START)
    assert offered(journal) == []


def test_consumer_receives_only_its_own_events(journal: Journal, publish: Publish) -> None:
    """Neither what happened before it began nor another account's events keep it waiting."""
    publish("one", "REVIEW")
    publish("one", "SUCCEEDED", at=50)
    publish("two", "SUCCEEDED", at=50, account="mtn-ghana")
    since = Consumer("late", later(50))
    assert offered(journal, since) == ["po_one.3", "po_two.2"]
    assert offered(journal, replace(since, accounts=("mtn-uganda",))) == ["po_one.3"]
    assert journal.backlog(replace(since, accounts=("mtn-ghana",))) == Backlog(1, 0, later(50))
    assert offered(journal, replace(since, since=later(51))) == []


def test_acknowledged_up_to_never_passes_an_open_event(journal: Journal, publish: Publish) -> None:
    """The number is never beyond an event that was not acknowledged."""
    assert journal.acknowledged_up_to(BOOKS, after=0) == 0
    for name in ("one", "two", "three"):
        publish(name, "SUCCEEDED")
    assert journal.acknowledged_up_to(BOOKS, after=0) == 0
    journal.acknowledge("books", "po_one.2", START)
    journal.acknowledge("books", "po_three.2", START)
    assert journal.acknowledged_up_to(BOOKS, after=0) == 1
    assert offered(journal, after=1) == ["po_two.2"]
    journal.acknowledge("books", "po_two.2", START)
    assert journal.acknowledged_up_to(BOOKS, after=1) == 3


# --- deliveries ---


def taken(journal: Journal, at: float, held_s: float = 10, limit: int = 10) -> list[str]:
    until = later(at + held_s)
    return [one.event.id for one in journal.take_deliveries(BOOKS, at=later(at), until=until, after=0, limit=limit)]


def test_delivery_taken_by_another_process_is_left_to_it(journal: Journal, publish: Publish) -> None:
    """Until he has failed, or is not heard of any more."""
    publish("one", "REVIEW", "SUCCEEDED")
    publish("two", "SUCCEEDED")
    assert taken(journal, 1, limit=1) == ["po_one.2"]
    assert taken(journal, 1) == ["po_two.2"]
    assert taken(journal, 10) == []
    assert taken(journal, 11) == ["po_one.2", "po_two.2"]
    journal.put_off_delivery("books", "po_two.2", next_at=later(15), result="HTTP 500")
    assert taken(journal, 14) == []
    assert taken(journal, 15) == ["po_two.2"]
    journal.acknowledge("books", "po_one.2", START)
    assert taken(journal, 15) == ["po_one.3"], "the next of the payout, as soon as the first was accepted"


def test_delivery_given_up_waits_until_a_person_resumes_it(journal: Journal, publish: Publish) -> None:
    """It is never sent by itself, nothing of its payout overtakes it, and it is never lost."""
    publish("one", "REVIEW", "SUCCEEDED")
    assert taken(journal, 1) == ["po_one.2"]
    journal.put_off_delivery("books", "po_one.2", next_at=later(2), result="HTTP 500")
    assert taken(journal, 2) == ["po_one.2"]
    journal.put_off_delivery("books", "po_one.2", next_at=None, result="HTTP 503")
    assert taken(journal, 10**8) == []
    assert journal.backlog(BOOKS) == Backlog(2, 1, later(1))
    first, second = journal.waiting(BOOKS, limit=10)
    assert (first.event.id, first.attempts, first.next_at, first.result) == ("po_one.2", 2, None, "HTTP 503")
    assert (first.is_given_up, second.event.id, second.is_given_up) == (True, "po_one.3", False)
    assert journal.resume_deliveries("other", later(20)) == 0
    assert journal.resume_deliveries("books", later(20)) == 1
    [again] = journal.take_deliveries(BOOKS, at=later(20), until=later(30), after=0, limit=10)
    assert (again.event.id, again.attempts) == ("po_one.2", 0)
    journal.acknowledge("books", "po_one.2", START)
    journal.put_off_delivery("books", "po_one.2", next_at=None, result="too late to say so")
    assert journal.backlog(BOOKS) == Backlog(1, 0, later(1))


def test_delivery_is_taken_by_one_process(journal: Journal, open_one: Callable[[], Journal], publish: Publish) -> None:
    """Many senders on one journal, each with some of what is due and none with the same."""
    for number in range(60):
        publish(f"p{number:02}", "SUCCEEDED")
    journals = [open_one() for _ in range(4)]

    def take(number: int) -> list[str]:
        mine = list[str]()
        while found := taken(journals[number], 1, limit=3):
            mine += found
        return mine

    with ThreadPoolExecutor(4) as pool:
        counted = Counter(event for found in pool.map(take, range(4)) for event in found)
    assert len(counted) == 60
    assert set(counted.values()) == {1}
