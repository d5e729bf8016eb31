"""A restored journal and a provider that tells only later what became of a payment: nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments_core import Money, Payee
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event
from payments_core.engine.commands import Held, Move, Moved, Unsought
from payments_core.journal import open_journal
from payments_core.journal.maintenance import restore

S = PayoutStatus
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def journal(place: Any) -> Any:
    """A restored journal."""
    with place.client():
        pass
    place.restored(START)
    opened = open_journal(place.url, namespace=place.namespace, root=place.folder, clock=lambda: START)
    yield opened
    opened.close()


def waiting(journal: Any, place: Any) -> Any:
    with place.client() as client:
        payout = client.accept(key="k", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"))
    return journal.get(payout.id)


def test_nothing_is_sent_before_a_statement_was_compared(journal: Any, place: Any) -> None:
    """Neither where the provider cannot be asked, nor where it would pay a second time; afterwards it is sent."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    sending = replace(row, status=S.SENDING, sent_at=at)
    move = Move(row, sending, Event("payout.sending", at))
    would_refuse = replace(move, refused_since=START - timedelta(1))
    can_be_asked = replace(move, absent_since=at)
    assert isinstance(journal.perform(move), Held)
    assert isinstance(journal.perform(would_refuse), Held)
    assert isinstance(journal.perform(can_be_asked), Unsought)
    place.compare()
    assert isinstance(journal.perform(can_be_asked), Unsought)
    assert isinstance(journal.perform(move), Moved)


def test_only_a_read_or_a_person_calls_it_failed(journal: Any, place: Any) -> None:
    """A guard, an expiry and a refusal of a send from before the restore do not."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    for by in ("guard", "expiry", "submit"):
        failed = replace(row, status=S.FAILED, decided_by=by, sent_at=START, next_at=None)
        entry = Move(row, failed, Event("payout.failed", at))
        assert isinstance(journal.perform(entry), Held)
        assert isinstance(journal.perform(replace(entry, absent_since=at)), Unsought)
    read = replace(row, status=S.FAILED, decided_by="read", next_at=None)
    assert isinstance(journal.perform(Move(row, read, Event("payout.failed", at))), Moved)


def test_absence_of_before_the_restore_proves_nothing(journal: Any, place: Any) -> None:
    """What was seen absent before is looked for again; what was seen since, and long enough, may be sent."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    long_ago, moment = START - timedelta(1), timedelta(microseconds=1)
    event = Event("payout.changed", at)
    for absent_at, count, since, reply in (
        (START, 9, at, Unsought),
        (at, 2, at, Unsought),
        (at, 3, at - moment, Unsought),
        (at, 3, at, Moved),
    ):
        row = journal.perform(Move(row, replace(row, absences=count, first_absence_at=absent_at), event)).row
        sending = replace(row, status=S.SENDING, sent_at=at)
        entry = Move(row, sending, event, absent_since=since, refused_since=long_ago)
        assert isinstance(journal.perform(entry), reply)


def test_another_account_that_could_have_paid_keeps_it_waiting(journal: Any, place: Any) -> None:
    """Until its own statement was compared, however well the provider of this one can be asked."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    absent = replace(row, absences=3, first_absence_at=at)
    row = journal.perform(Move(row, absent, Event("payout.changed", at))).row
    sending = replace(row, status=S.SENDING, sent_at=at)
    entry = Move(row, sending, Event("payout.sending", at), absent_since=at, refused_since=START - timedelta(1))
    entry = replace(entry, other_payers=("spare",))
    refused = journal.perform(entry)
    assert isinstance(refused, Held)
    assert "the statement of spare was not compared" in refused.pause.why
    place.compare()
    assert isinstance(journal.perform(entry), Held)
    both = {**dict.fromkeys(place.accounts), "spare": None}
    restore.compare_statement(place.store(), place.act(), account="spare", configured=both)
    assert isinstance(journal.perform(entry), Moved)


def test_a_second_restore_keeps_the_older_gap(place: Any) -> None:
    """What was missing and is not over stays missing, and what was compared before has to be compared anew."""
    with place.client():
        pass
    place.restored(START)
    place.compare()
    assert restore.gap_of(place.store()).compared == set(place.accounts)
    place.restored(START + timedelta(days=1))
    gap = restore.gap_of(place.store())
    assert (gap.began_at, gap.compared) == (START, frozenset())
