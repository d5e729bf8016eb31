"""The crash simulator: a real client on a real journal, a clock that jumps, and a stop at any point on the way.

A *point* is a moment at which a process may die with a difference: before leave to send is asked, before each request
and after its answer has come but nobody has seen it, before each commit and after it is durable but nobody has seen
that. A crash-free run counts them; that count is the denominator of "every crash point"::

    simulator = Simulator(scenario, CrashFile(folder / "payouts.db"))
    wanted = simulator.trace()
    for point in wanted.points:
        assert simulator.crash_at(point.number).payouts["key"].status is wanted.payouts["key"].status

A crash throws away the client with all it knew. What stays is the world (the provider, and answers on their way) and
what was durable in the journal at that moment: of a file its bytes, of a database what was committed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crash_points.crash_stores import CrashStore
from crash_points.process_run import NAMESPACE, Life
from crash_points.scenario import CallerView, End, Point, Scenario, Stage, Stopped, VirtualClock

__all__ = ["Simulator", "live"]


class Simulator:
    """Plays one scenario again and again, in one journal that is emptied each time.

    Args:
        scenario: What to play.
        store: Keeps the journal.

    """

    def __init__(self, scenario: Scenario, store: CrashStore) -> None:
        self.scenario = scenario
        self._store = store

    def trace(self) -> End:
        """Play it without a crash; its ``points`` are what can be crashed at."""
        return self.crash_at()

    def crash_at(self, *points: int) -> End:
        """Play it, stop the first life at its first given point, the second at the second, and live on to the end.

        Args:
            points: Numbers of points; one that a life does not reach stops nothing.

        """
        scenario = self.scenario
        stage = Stage(VirtualClock(scenario.starts_at), self._store)
        stage.store.clear(NAMESPACE, scenario.starts_at)
        world = scenario.world(stage)
        lives: list[Sequence[Point]] = []
        parsed = CallerView()
        lost: set[str] = set()

        def die(point: Point) -> None:
            stage.store.crash()
            raise Stopped(point)

        for stop_at in (*points, None):
            life = Life(scenario, world, stage, parsed, stop_at, die)
            lives.append(life.points)
            try:
                lost |= life.missing()
                life.run()
                return End(
                    payouts=life.payouts(),
                    world=world,
                    lives=lives,
                    lost=frozenset(lost),
                    store=stage.store,
                    refused=frozenset(parsed.refused),
                )
            except Stopped:
                world.accounts = world.accounts_after or world.accounts
            finally:
                life.close()  # gives memory back; what it leaves behind was fixed when it died
        raise AssertionError("The last life has no point to stop at.")


def live(scenario: Scenario, stage: Stage, *, stop_at: int | None = None, stop: Callable[[Point], None]) -> None:
    """Live one life in this very process, for a test that really kills it.

    Args:
        scenario: What to play; every order is sent again, as its keys make harmless.
        stage: Its journal is made if it is a file that is not there, and kept.
        stop_at: Number of the point to stop at; None for none.
        stop: Called there; should not return, such as ``lambda _: os._exit(1)``.

    """
    life = Life(scenario, scenario.world(stage), stage, CallerView(), stop_at, stop)
    try:
        life.run()
    finally:
        life.close()
