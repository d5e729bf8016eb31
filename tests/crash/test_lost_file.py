"""A process dies, and its journal is emptied or removed before the next one starts: that one never pays without it."""

from __future__ import annotations

from pathlib import Path

from crash_points import Simulator
from lost_file import LOSSES, LosingFile
from promises import broken_promises
from where_to_look import momo
from worlds import VISIBLE_AFTER_S, PostEnd


def test_lost_journal_is_refused_wherever_its_process_died(folder: Path) -> None:
    """Before and after every commit and request; put back, it goes on as if nothing had been."""
    store = LosingFile(folder / "crash.db")
    simulator = Simulator(momo(PostEnd()), store)
    for point in simulator.trace().points:
        store.refused.clear()
        end = simulator.crash_at(point.number)
        assert store.refused == [*LOSSES], point
        assert broken_promises(end, visible_after_s=VISIBLE_AFTER_S) == [], point
