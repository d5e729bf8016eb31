"""The inbox on either store: kept before it is acknowledged, closed once, and what is due because of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flat_records import START, changed, later

from payments_core.domain.inbox_records import MOST_PER_PATH, Arrival, Handled, Handling, InboxCount
from payments_core.domain.payout import PayoutStatus as S
from payments_core.domain.records import Event, PayoutRecord, Query
from payments_core.engine.commands import ApplyTransition, Stale
from payments_core.engine.journal_protocol import Journal

SECRET = '{"body":"c2VhbGVk"}'
MINE = ["mtn-uganda"]
Add = Callable[..., PayoutRecord]
Moving = Callable[[ApplyTransition], PayoutRecord]
Ask = Callable[[str], list[tuple[Any, ...]]]


def arrival(**changes: Any) -> Arrival:
    fields: dict[str, Any] = {"account": "mtn-uganda", "query": "", "method": "PUT", "at": START, "encoded": SECRET}
    return Arrival(**fields | changes)


def received(no: int, payout: str | None = "po_one", seconds: float = 0) -> Handling:
    at = later(seconds)
    event = Event("callback.matched", at, {"claims": "SUCCESSFUL"}) if payout else None
    return Handling(no=no, at=at, outcome="read due", details='{"bytes":6}', payout_id=payout, event=event)


def call(journal: Journal, seconds: float = 0, payout: str = "po_one") -> Handled | None:
    """Have a callback about a payout arrive and be handled."""
    journal.receive(arrival()).result()
    return journal.handle(received(journal.unhandled(accounts=MINE, limit=10)[0].no, payout, seconds))


def stored(journal: Journal, payout: str = "po_one") -> PayoutRecord:
    row = journal.get(payout)
    assert row is not None
    return row


def checked(row: PayoutRecord, seconds: float, next_s: float) -> ApplyTransition:
    """Return a check of a payout and when the next one is."""
    return ApplyTransition(
        row, changed(row, read_at=later(seconds), next_at=later(next_s)), Event("payout.read", later(seconds))
    )


def test_callback_received_is_found_by_the_next_process(journal: Journal, open_one: Callable[[], Journal]) -> None:
    """The future ends when it is durable: whoever opens the journal next finds it, whole and in order."""
    for number in range(3):
        journal.receive(arrival(at=later(number), method="POST", query=f"hash-{number}")).result()
    journal.close()

    found = open_one().unhandled(accounts=MINE, limit=2)

    assert [(one.at, one.method, one.query, one.encoded) for one in found] == [
        (later(number), "POST", f"hash-{number}", SECRET) for number in range(2)
    ]
    assert len(open_one().unhandled(accounts=MINE, after=found[-1].no, limit=2)) == 1


def test_callback_body_is_in_no_repr() -> None:
    assert "c2VhbGVk" not in repr(arrival())


def test_callbacks_are_listed_for_the_accounts_asked_for(journal: Journal) -> None:
    """One that lacks an account could not tell what its provider said, and must leave it to those that have it."""
    journal.receive(arrival(account="mtn-ghana")).result()
    assert journal.unhandled(accounts=MINE, limit=10) == ()
    assert journal.unhandled(accounts=[], limit=10) == ()
    assert len(journal.unhandled(accounts=["mtn-ghana"], limit=10)) == 1


def test_callback_handled_is_replaced_by_what_may_be_kept(journal: Journal, add: Add, ask: Ask) -> None:
    """What came is kept no longer than until it is handled; what may be kept takes its place."""
    add(status=S.PENDING, next_at=later(300))
    call(journal)
    assert journal.unhandled(accounts=MINE, limit=10) == ()
    assert ask("SELECT account, payout_id, body, outcome, proven FROM inbox") == [
        ("mtn-uganda", "po_one", '{"bytes":6}', "read due", None)
    ]
    assert journal.inbox_counts() == (InboxCount("mtn-uganda", "read due", 1, START),)


def test_callback_is_handled_once_by_many_threads(journal: Journal, add: Add) -> None:
    """Two processes that handle the same callback make one read due and write one history row."""
    add(status=S.PENDING, next_at=later(300))
    journal.receive(arrival()).result()
    [one] = journal.unhandled(accounts=MINE, limit=10)
    with ThreadPoolExecutor(8) as pool:
        closed = list(pool.map(lambda _: journal.handle(received(one.no)), range(8)))
    assert [found.made_due for found in closed if found is not None] == [True]
    assert [entry.event for entry in journal.history("po_one")] == ["payout.accepted", "callback.matched"]


def test_callback_makes_the_next_check_due_and_changes_nothing_else(journal: Journal, add: Add) -> None:
    row = add(status=S.PENDING, next_at=later(300))
    handled = call(journal, 10)
    due = changed(row, next_at=later(10), callback_read_at=later(10))
    assert (handled, stored(journal)) == (Handled(due, made_due=True), due)
    assert due.schedule.is_callback_read


@pytest.mark.parametrize("status", [S.UNKNOWN, S.REVIEW, S.SUCCEEDED, S.FAILED, S.REVERSED, S.CANCELLED])
def test_callback_makes_a_check_due_where_none_was_scheduled(journal: Journal, add: Add, status: S) -> None:
    """An end or a review is looked at once more; the state stays."""
    row = add(status=status, next_at=None)
    call(journal, 10)
    assert stored(journal) == changed(row, next_at=later(10), callback_read_at=later(10))


def test_callback_does_not_hasten_a_payment(journal: Journal, add: Add) -> None:
    """What would be due there is a payment, and a stranger cannot make it leave sooner."""
    row = add(status=S.CREATED, next_at=later(300))
    assert call(journal, 10) == Handled(row)
    assert stored(journal) == row
    assert len(journal.history("po_one")) == 1


def test_callbacks_make_checks_due_at_most_every_five_seconds(journal: Journal, add: Add, moved: Moving) -> None:
    """However many callbacks come: counted from when the provider was last asked, and not from when it was due."""
    row = add(status=S.PENDING, next_at=later(300))
    call(journal, 10)
    due = changed(row, next_at=later(10), callback_read_at=later(10))
    assert [call(journal, seconds) for seconds in (11, 12)] == [Handled(due)] * 2
    row = moved(checked(stored(journal), 14, 300))
    assert not row.schedule.is_callback_read  # it was read since
    due = changed(row, next_at=later(19), callback_read_at=later(19))
    assert [call(journal, seconds) for seconds in (15, 18)] == [Handled(due, made_due=True), Handled(due)]
    moved(checked(stored(journal), 19, 300))
    call(journal, 40)
    assert stored(journal).schedule.next_at == later(40)


def test_callback_during_a_send_makes_a_check_due_after_it(journal: Journal, add: Add, moved: Moving) -> None:
    """It came before the send had its answer: nobody may look while it is sent, and nobody forgets to afterwards."""
    row = add()
    until = later(90)
    sending = changed(row, status=S.SENDING, lease_until=until, next_at=until, lease_owner="me", submissions=1)
    row = moved(ApplyTransition(row, sending, Event("payout.sending", START)))
    call(journal, 1)
    assert journal.due(later(2), accounts=MINE, limit=10) == ()
    pending = changed(row, status=S.PENDING, lease_until=None, next_at=later(300))
    row = moved(ApplyTransition(row, pending, Event("payout.pending", later(2))))
    assert row == stored(journal)
    assert row.schedule.next_at == later(1)
    assert row.schedule.is_callback_read
    assert journal.due(later(2), accounts=MINE, limit=10) == (row,)


def test_callback_during_a_send_does_not_hasten_a_refused_payment(journal: Journal, add: Add, moved: Moving) -> None:
    row = add()
    sending = changed(row, status=S.SENDING, lease_until=later(90), next_at=later(90), submissions=1)
    row = moved(ApplyTransition(row, sending, Event("payout.sending", START)))
    call(journal, 1)
    created = changed(row, status=S.CREATED, lease_until=None, next_at=later(120))
    assert moved(ApplyTransition(row, created, Event("payout.waiting", later(2)))).schedule.next_at == later(120)


def test_callback_during_a_check_makes_another_check_due(journal: Journal, add: Add, moved: Moving) -> None:
    """The read may have been answered before the end came about: it is asked again, five seconds later."""
    asking = moved(checked(add(status=S.PENDING, next_at=START), 2, 300))
    call(journal, 60)
    row = moved(checked(asking, 61, 600))
    assert row.schedule.next_at == later(66)
    assert row.schedule.is_callback_read


def test_callback_does_not_make_a_transition_stale(journal: Journal, add: Add) -> None:
    """Whoever is about to write what a read told must not lose it to a stranger's request."""
    row = add(status=S.PENDING, next_at=START)
    call(journal, 1)
    reply = journal.execute(checked(row, 2, 300))
    assert not isinstance(reply, Stale)


def test_minted_path_names_its_account_answered_or_not(journal: Journal, add: Add, moved: Moving) -> None:
    """Answered or not: what comes later is kept as well."""
    row = add(status=S.UNKNOWN)
    row = moved(ApplyTransition(row, row, Event("payout.queried", START), asks=Query("hash-1", START)))
    assert journal.asked("hash-1") == "mtn-uganda"
    moved(ApplyTransition(row, row, Event("payout.read", START), answers="hash-1"))
    assert journal.asked("hash-1") == "mtn-uganda"
    assert journal.asked("hash-2") is None


def test_minted_path_keeps_a_limited_number_of_callbacks(open_one: Callable[[], Journal]) -> None:
    """Two processes that keep at once keep no more than it together; an account's own path has no such end."""
    journals = [open_one() for _ in range(2)]

    def receive(number: int) -> bool:
        return journals[number % 2].receive(arrival(query="hash-1")).result()

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(receive, range(MOST_PER_PATH + 10)))
    assert sum(kept) == MOST_PER_PATH
    assert all(journals[0].receive(arrival()).result() for _ in range(MOST_PER_PATH + 1))
    assert journals[0].receive(arrival(query="hash-2")).result()


def test_callback_secret_is_the_same_for_every_process(open_one: Callable[[], Journal]) -> None:
    """Processes that start together have the same paths, and so has the one that starts tomorrow."""
    journals = [open_one() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        secrets = set(pool.map(lambda journal: journal.callback_secret(), journals))
    assert len(secrets) == 1
    assert len(bytes.fromhex(secrets.pop())) == 32


def test_prove_writable_writes_each_time(journal: Journal, ask: Ask) -> None:
    written = "SELECT value FROM meta WHERE name = 'written'"
    journal.prove_writable()
    first = ask(written)
    journal.prove_writable()
    assert len(first) == 1
    assert ask(written) != first
