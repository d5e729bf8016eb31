"""What the simulation's judge makes of what happened; what it would pass wrongly proves nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flat_records import changed, make_record
from payout_simulation.history_checks import doubts_of
from payout_simulation.invariant_checker import InvariantChecker

from payments_core.domain.events import EventName
from payments_core.domain.inbox_records import Handled
from payments_core.domain.payout import HistoryEntry, PayoutStatus
from payments_core.domain.records import Event
from payments_core.engine.commands import ApplyTransition, TransitionApplied

S = PayoutStatus
T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
OPEN = make_record(
    id="po_x",
    key="k",
    fingerprint="f",
    payee_kind="msisdn",
    payee_value="46733123450",
    amount="5",
    currency="EUR",
    account="main",
    binding={},
    references={"reference": "r"},
    request="{}",
    request_hash="",
    status=PayoutStatus.UNKNOWN,
    ambiguous=True,
    created_at=T0,
    updated_at=T0,
)


def judged(*not_found_at_s: int) -> list[str]:
    """Return which rules are broken by a send that follows these absences, where 300 s have to lie between them."""
    absent = [(EventName.PAYOUT_NOT_FOUND, S.UNKNOWN, seconds) for seconds in not_found_at_s]
    printed: list[tuple[str, PayoutStatus, int]] = [
        (EventName.PAYOUT_CREATED, S.CREATED, 0),
        (EventName.PAYOUT_SENDING, S.SENDING, 0),
        (EventName.PAYOUT_UNKNOWN, S.UNKNOWN, 1),
        *absent,
        (EventName.PAYOUT_SENDING, S.SENDING, 900),
        (EventName.PAYOUT_SUCCEEDED, S.SUCCEEDED, 901),
    ]
    history = tuple(
        HistoryEntry(seq, T0 + timedelta(seconds=at_s), event, status, 1, 1, "read", {})
        for seq, (event, status, at_s) in enumerate(printed, 1)
    )
    return [rule for rule, _ in doubts_of(cast("Any", SimpleNamespace(history=history)), 300.0).found]


@pytest.mark.parametrize("not_found_count", [(), (10, 400), (10, 20, 309), (10, 400, 20), (400, 10, 20)])
def test_resend_that_is_too_soon_is_reported(not_found_count: tuple[int, ...]) -> None:
    """Fewer than three, or three that do not last, however far apart two of them lie."""
    assert judged(*not_found_count) == ["sent again too soon"]


@pytest.mark.parametrize("not_found_count", [(10, 20, 310), (10, 20, 310, 15), (10, 400, 20, 320)])
def test_absence_that_lasted_stays_established(not_found_count: tuple[int, ...]) -> None:
    """Also where the clock is set back and a later answer is dated before it."""
    assert judged(*not_found_count) == []


def judged_after_a_callback(*moves: tuple[int, int]) -> list[str]:
    """Return which rules are broken by moves dated so, which leave it due then, once a callback made it due at 1 s."""
    watch = InvariantChecker(cast("Any", lambda: T0), {}, {}, {}, cast("Any", None), cast("Any", None))
    row = changed(OPEN, next_at=T0 + timedelta(seconds=1))
    watch.rows[row.id] = row
    watch.handled(cast("Any", None), Handled(row, made_due=True))
    for version, (dated_s, due_s) in enumerate(moves, 1):
        before = watch.rows[row.id]
        after = changed(row, version=version, next_at=T0 + timedelta(seconds=due_s))
        event = Event(EventName.PAYOUT_READ, T0 + timedelta(seconds=dated_s))
        watch.wrote("me", ApplyTransition(before, after, event), TransitionApplied(after))
    return [breach.rule for breach in watch.breaches]


@pytest.mark.parametrize("moves", [[(2, 2)], [(90, 90)], [(90, 90), (2, 7)], [(90, 90), (91, 91), (2, 90)]])
def test_check_that_is_due_by_now_is_not_reported(moves: list[tuple[int, int]]) -> None:
    """An answer that is handled late is dated when it came: what it leaves due no later than it was stays due."""
    assert judged_after_a_callback(*moves) == []


@pytest.mark.parametrize("moves", [[(2, 7)], [(2, 300)], [(90, 90), (91, 96)], [(90, 90), (2, 91)]])
def test_callback_that_is_postponed_is_reported(moves: list[tuple[int, int]]) -> None:
    """No schedule takes the place of the read that it asks for."""
    assert judged_after_a_callback(*moves) == ["a callback was forgotten"]
