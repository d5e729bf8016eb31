"""A restored journal and a provider that tells only later what became of a payment: nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flat_records import changed

from payments_core import Money, Payee
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event
from payments_core.engine.commands import AccountPaused, ApplyTransition, CheckFirst, TransitionApplied
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


def test_payment_in_a_gap_needs_a_compared_statement(journal: Any, place: Any) -> None:
    """Neither where the provider cannot be asked, nor where it would pay a second time; afterwards it is sent."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    sending = changed(row, status=S.SENDING, sent_at=at)
    move = ApplyTransition(row, sending, Event("payout.sending", at))
    would_refuse = replace(move, refused_since=START - timedelta(1))
    can_be_asked = replace(move, absent_since=at)
    assert isinstance(journal.execute(move), AccountPaused)
    assert isinstance(journal.execute(would_refuse), AccountPaused)
    assert isinstance(journal.execute(can_be_asked), CheckFirst)
    place.compare()
    assert isinstance(journal.execute(can_be_asked), CheckFirst)
    assert isinstance(journal.execute(move), TransitionApplied)


def test_failure_in_a_gap_needs_a_check_or_a_person(journal: Any, place: Any) -> None:
    """A guard, an expiry and a refusal of a send from before the restore do not."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    for by in ("guard", "expiry", "submit"):
        failed = changed(row, status=S.FAILED, decided_by=by, sent_at=START, next_at=None)
        entry = ApplyTransition(row, failed, Event("payout.failed", at))
        assert isinstance(journal.execute(entry), AccountPaused)
        assert isinstance(journal.execute(replace(entry, absent_since=at)), CheckFirst)
    read = changed(row, status=S.FAILED, decided_by="read", next_at=None)
    assert isinstance(journal.execute(ApplyTransition(row, read, Event("payout.failed", at))), TransitionApplied)


def test_absence_from_before_the_restore_does_not_count(journal: Any, place: Any) -> None:
    """What was seen absent before is looked for again; what was seen since, and long enough, may be sent."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    long_ago, moment = START - timedelta(1), timedelta(microseconds=1)
    event = Event("payout.changed", at)
    for absent_at, count, since, reply in (
        (START, 9, at, CheckFirst),
        (at, 2, at, CheckFirst),
        (at, 3, at - moment, CheckFirst),
        (at, 3, at, TransitionApplied),
    ):
        row = journal.execute(
            ApplyTransition(row, changed(row, not_found_count=count, first_not_found_at=absent_at), event)
        ).row
        sending = changed(row, status=S.SENDING, sent_at=at)
        entry = ApplyTransition(row, sending, event, absent_since=since, refused_since=long_ago)
        assert isinstance(journal.execute(entry), reply)


def test_statement_of_every_account_that_could_have_paid_is_needed(journal: Any, place: Any) -> None:
    """Until its own statement was compared, however well the provider of this one can be asked."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    absent = changed(row, not_found_count=3, first_not_found_at=at)
    row = journal.execute(ApplyTransition(row, absent, Event("payout.changed", at))).row
    sending = changed(row, status=S.SENDING, sent_at=at)
    entry = ApplyTransition(
        row, sending, Event("payout.sending", at), absent_since=at, refused_since=START - timedelta(1)
    )
    entry = replace(entry, other_payers=("spare",))
    refused = journal.execute(entry)
    assert isinstance(refused, AccountPaused)
    assert "the statement of spare was not compared" in refused.pause.why
    place.compare()
    assert isinstance(journal.execute(entry), AccountPaused)
    both = {**dict.fromkeys(place.accounts), "spare": None}
    restore.compare_statement(place.store(), place.act(), account="spare", configured=both)
    assert isinstance(journal.execute(entry), TransitionApplied)


def test_second_restore_keeps_the_older_gap(place: Any) -> None:
    """What was missing and is not over stays missing, and what was compared before has to be compared anew."""
    with place.client():
        pass
    place.restored(START)
    place.compare()
    assert restore.gap_of(place.store()).compared == set(place.accounts)
    place.restored(START + timedelta(days=1))
    gap = restore.gap_of(place.store())
    assert (gap.began_at, gap.compared) == (START, frozenset())
