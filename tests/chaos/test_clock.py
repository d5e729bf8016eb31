"""A process whose clock is set while it pays, beside one whose clock goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from supervisor import Supervisor

from payments_core import PayoutClient, PayoutStatus

HOUR = 3600
STEPS = (HOUR, -HOUR, 0, 2 * HOUR)


def set_clock(folder: Path, seconds: int) -> None:
    """Set it, for every call at once."""
    draft = folder / "clock.new"
    draft.write_text(str(seconds), "utf-8")
    draft.replace(folder / "clock")


@pytest.mark.parametrize("place", [pytest.param("sqlite", marks=pytest.mark.proof), "postgres"], indirect=True)
def test_clock_step_pays_nothing_twice(
    place: Any, supervisor: Supervisor, store: str, measured: Callable[..., None]
) -> None:
    """An hour forward and back amid sends, leases and reads: too soon or too late; nobody twice, nothing guessed."""
    count = 40
    place.gateway.set_faults({"slow_s": {"value": 0.1}})
    set_clock(place.folder, 0)
    [steady] = place.start_all(1)
    stepping = supervisor.start(command=["worker"], clock="clock")
    place.accept(count)
    place.wait_for(lambda: place.statuses()[PayoutStatus.SENDING] >= 4)
    for seconds in STEPS:
        set_clock(place.folder, seconds)
        time.sleep(0.3)
    # Two hours on, whatever a wrong clock has put off is due, and what it has given up waiting for is in review.
    place.wait_for(lambda: all(row.status.is_final or row.status is PayoutStatus.REVIEW for row in place.rows()))
    assert place.statuses()[PayoutStatus.FAILED] == 0
    with PayoutClient.from_config(place.config) as client:
        for row in place.journal.rows(status=PayoutStatus.REVIEW):
            client.refresh(row.id)
    # A wrong clock may also let a claim end before its payment has left, and nobody can tell that afterwards.
    unsent = place.statuses()[PayoutStatus.REVIEW]
    assert unsent <= count // 10
    place.check(count, unsent=unsent)
    assert steady.stop()["cut"] == 0
    assert stepping.kill() < 0
    measured(13, "clock step", 1, store=store)
