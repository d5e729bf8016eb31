"""A restored journal and a provider that tells only later what became of a payment: nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from payments_core import Money, Payee
from payments_core.engine import decide
from payments_core.entries import Held, Move, Moved, Unsought
from payments_core.journal import keeping, open_journal
from payments_core.payout import PayoutStatus, ReasonCode
from payments_core.provider import Facts
from payments_core.rows import Event

S = PayoutStatus
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


def facts_of(**facts: Any) -> Any:
    """As much of an account as these decisions look at."""
    return SimpleNamespace(facts=Facts(**facts))


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
    assert isinstance(journal.perform(move), Held)
    assert isinstance(journal.perform(replace(move, seekable=True)), Unsought)
    keeping.reconcile(place.store(), place.act())
    assert isinstance(journal.perform(replace(move, seekable=True)), Unsought)
    assert isinstance(journal.perform(move), Moved)


def test_only_a_read_or_a_person_calls_it_failed(journal: Any, place: Any) -> None:
    """A guard, an expiry and a refusal of a send from before the restore do not."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    for by in ("guard", "expiry", "submit"):
        failed = replace(row, status=S.FAILED, decided_by=by, sent_at=START, next_at=None)
        assert isinstance(journal.perform(Move(row, failed, Event("payout.failed", at))), Unsought)
    read = replace(row, status=S.FAILED, decided_by="read", next_at=None)
    assert isinstance(journal.perform(Move(row, read, Event("payout.failed", at))), Moved)


def test_absence_of_before_the_restore_proves_nothing(journal: Any, place: Any) -> None:
    """What was seen absent before is looked for again; what was seen since may be sent."""
    row = waiting(journal, place)
    at = datetime.now(UTC)
    event = Event("payout.changed", at)
    for absent_at, count, reply in ((START, 9, Unsought), (at, 2, Unsought), (at, 3, Moved)):
        row = journal.perform(Move(row, replace(row, absences=count, first_absence_at=absent_at), event)).row
        sending = replace(row, status=S.SENDING, sent_at=at)
        entry = Move(row, sending, event, seekable=True, refused_since=START - timedelta(1))
        assert isinstance(journal.perform(entry), reply)


def test_what_cannot_be_asked_about_is_for_a_person(journal: Any, place: Any) -> None:
    """An expiry that comes to a payout of such a provider stops it, and says that it may have been sent."""
    row = waiting(journal, place)
    decision = decide.seek(row, facts_of(status_by="deferred"), START)
    assert (decision.after.status, decision.after.reason.code) == (S.REVIEW, ReasonCode.NEVER_APPEARED)
    assert decision.after.view().may_have_been_sent
    assert decide.refused_since(facts_of(), START) is None


def test_a_second_restore_keeps_the_older_gap(place: Any) -> None:
    """What was missing and is not over stays missing."""
    with place.client():
        pass
    place.restored(START)
    place.restored(START + timedelta(days=1))
    gap = keeping.gap_of(place.store())
    assert gap is not None
    assert gap.began_at == START
