"""Which transitions a power loss may take back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from flat_records import START, changed, new_record

from payments_core.domain.causes import PausedBy
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.rates import PostEnd
from payments_core.domain.records import Approval, Event, Pause, Query
from payments_core.engine.commands import ApplyTransition

S = PayoutStatus
SENT = changed(new_record(), status=S.SENDING, submissions=1, version=1)
TAKEN = changed(SENT, status=S.PENDING, next_at=START + timedelta(seconds=5), updated_at=START, version=2)
EVENT = Event("payout.pending", START)
ACCEPTED = ApplyTransition(SENT, TAKEN, EVENT, lifts=True, post_end=PostEnd(is_ambiguous=False, circuit_after=5))


def test_accepted_request_is_found_again_and_needs_no_flush() -> None:
    """Neither the answer that the provider works on the payment, nor a read that says so once more."""
    assert not ACCEPTED.needs_flush
    assert not ApplyTransition(TAKEN, changed(TAKEN, next_at=START), EVENT).needs_flush


@pytest.mark.parametrize(("before", "after"), [pair for pair in product(S, S) if pair[1] is not S.PENDING])
def test_every_other_status_needs_a_flush(before: PayoutStatus, after: PayoutStatus) -> None:
    """A payment that leaves, an end, a doubt: each is durable before anybody hears of it."""
    assert ApplyTransition(changed(SENT, status=before), changed(TAKEN, status=after), EVENT).needs_flush


@pytest.mark.parametrize("before", [S.CREATED, S.UNKNOWN, S.REVIEW])
def test_end_of_a_doubt_needs_a_flush(before: PayoutStatus) -> None:
    """What was uncertain, or with a person, does not come back to them after a power loss."""
    assert ApplyTransition(changed(SENT, status=before), TAKEN, EVENT).needs_flush


@pytest.mark.parametrize(
    "more",
    [
        {"publish": True},
        {"pause": Pause("main", START, "a person's", by=PausedBy.RATE)},
        {"asks": Query("h" * 64, START)},
        {"answers": "h" * 64},
        {"approves": Approval("Ann", "checked", START)},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_is_recorded_beside_it_needs_a_flush(more: dict[str, object]) -> None:
    """An event, a pause, a query's path, its answer, an approval: somebody else knows of it, or it holds payments."""
    assert replace(ACCEPTED, **more).needs_flush  # type: ignore[arg-type]


def test_reference_of_the_provider_needs_a_flush() -> None:
    """Where the answer gives a reference, a read may not give it again."""
    learned = {**SENT.attempt.references, "transaction_id": "T-1"}
    assert replace(ACCEPTED, after=changed(TAKEN, references=learned)).needs_flush
