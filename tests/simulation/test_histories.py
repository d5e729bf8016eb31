"""What the simulation's judge makes of a history; a history that it would pass wrongly proves nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from payments_core.events import EventName
from payments_core.payout import HistoryEntry, PayoutStatus
from payments_core.testing.simulation.histories import doubts_of

S = PayoutStatus
T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


def judged(*absences_at_s: int) -> list[str]:
    """Return which rules are broken by a send that follows these absences, where 300 s have to lie between them."""
    absent = [(EventName.PAYOUT_ABSENT, S.UNKNOWN, seconds) for seconds in absences_at_s]
    told: list[tuple[str, PayoutStatus, int]] = [
        (EventName.PAYOUT_CREATED, S.CREATED, 0),
        (EventName.PAYOUT_SENDING, S.SENDING, 0),
        (EventName.PAYOUT_UNKNOWN, S.UNKNOWN, 1),
        *absent,
        (EventName.PAYOUT_SENDING, S.SENDING, 900),
        (EventName.PAYOUT_SUCCEEDED, S.SUCCEEDED, 901),
    ]
    history = tuple(
        HistoryEntry(seq, T0 + timedelta(seconds=at_s), event, status, 1, 1, "read", {})
        for seq, (event, status, at_s) in enumerate(told, 1)
    )
    return [rule for rule, _ in doubts_of(cast("Any", SimpleNamespace(history=history)), 300.0).found]


@pytest.mark.parametrize("absences", [(), (10, 400), (10, 20, 309), (10, 400, 20), (400, 10, 20)])
def test_what_is_sent_again_too_soon_is_told(absences: tuple[int, ...]) -> None:
    """Fewer than three, or three that do not last, however far apart two of them lie."""
    assert judged(*absences) == ["sent again too soon"]


@pytest.mark.parametrize("absences", [(10, 20, 310), (10, 20, 310, 15), (10, 400, 20, 320)])
def test_an_absence_that_lasted_stays_established(absences: tuple[int, ...]) -> None:
    """Also where the clock is set back and a later answer is dated before it."""
    assert judged(*absences) == []
