"""The crash simulator: a real client on a real journal file, a clock that jumps, and a stop at any point on the way.

A *point* is a moment at which a process may die with a difference: before leave to send is asked, before each request
and after its answer has come but nobody has seen it, before each commit and after it is durable but nobody has seen
that. A crash-free run counts them; that count is the denominator of "every crash point"::

    simulator = Simulator(scenario, folder)
    wanted = simulator.trace()
    for point in wanted.points:
        assert simulator.crash_at(point.number).payouts["key"].status is wanted.payouts["key"].status

A crash throws away the client with all it knew. What stays is the world (the provider, and answers on their way) and
the bytes of the journal's files as they lay at that moment: the next life opens a copy of exactly those.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from payments_core.testing.life import Life, open_file
from payments_core.testing.scenario import End, Point, Scenario, Stage, Stopped, VirtualClock

__all__ = ["Simulator", "live"]


class Simulator:
    """Plays one scenario again and again, in one folder.

    Args:
        scenario: What to play.
        folder: For the journals; must exist.

    """

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self._folder = folder
        self._blank = folder / "blank.db"  # made once: a new journal costs more than a copy
        self._last: Path | None = None
        self._files = 0
        if not self._blank.exists():
            open_file(self._blank, VirtualClock(scenario.starts_at)).close()

    def trace(self) -> End:
        """Play it without a crash; its ``points`` are what can be crashed at."""
        return self.crash_at()

    def crash_at(self, *points: int) -> End:
        """Play it, stop the first life at its first given point, the second at the second, and live on to the end.

        Args:
            points: Numbers of points; one that a life does not reach stops nothing.

        """
        if self._last is not None:
            _remove(self._last)
        scenario = self.scenario
        stage = Stage(VirtualClock(scenario.starts_at), self._next_file(self._blank))
        world = scenario.world(stage)
        lives: list[Sequence[Point]] = []
        acknowledged: set[str] = set()
        lost: set[str] = set()
        for stop_at in (*points, None):
            life = Life(scenario, world, stage, acknowledged, stop_at)
            lives.append(life.points)
            try:
                lost |= life.missing()
                life.run()
                return End(
                    payouts=life.payouts(), world=world, lives=lives, lost=frozenset(lost), journal=stage.journal
                )
            except Stopped:
                grave, stage.journal = stage.journal, self._next_file(stage.journal)
            finally:
                life.close()  # gives files and memory back; the next life reads a copy made before this
            _remove(grave)
        raise AssertionError("The last life has no point to stop at.")

    def _next_file(self, source: Path) -> Path:
        """Copy a journal byte by byte, as a machine that lost its power would find it."""
        self._files += 1
        self._last = self._folder / f"life-{self._files}.db"
        for suffix in ("", "-wal"):
            if (part := source.with_name(source.name + suffix)).exists():
                shutil.copy(part, self._last.with_name(self._last.name + suffix))
        return self._last


def live(scenario: Scenario, stage: Stage, *, stop_at: int | None = None, stop: Callable[[Point], None]) -> None:
    """Live one life in this very process, for a test that really kills it.

    Args:
        scenario: What to play; every order is sent again, as its keys make harmless.
        stage: The journal is made if it is not there, and kept.
        stop_at: Number of the point to stop at; None for none.
        stop: Called there; should not return, such as ``lambda _: os._exit(1)``.

    """
    life = Life(scenario, scenario.world(stage), stage, set(), stop_at, stop)
    try:
        life.run()
    finally:
        life.close()


def _remove(journal: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
