"""What a simulation is about: a clock, a world, the points of a life, and what is left at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from crash_points.crash_stores import CrashStore
from payments_core.client import PayoutClient
from payments_core.domain.payout import Order, Payout
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.plugins.manager import Plugins
from payments_core.provider import Account, Callback

__all__ = ["Arrival", "CallerView", "End", "Point", "Restless", "Scenario", "Stage", "Stopped", "VirtualClock", "World"]


class VirtualClock:
    """A clock that stands still until it is moved.

    Args:
        at: Where it starts; aware, UTC.

    """

    def __init__(self, at: datetime) -> None:
        self._at = at

    def __call__(self) -> datetime:
        """Return the time."""
        return self._at

    def advance(self, seconds: float) -> None:
        """Move it; a negative figure is a correction backwards."""
        self._at += timedelta(seconds=seconds)

    def reach(self, moment: datetime) -> None:
        """Move it forward to a moment; one that has passed moves nothing."""
        self._at = max(self._at, moment)


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the way at which a process may die.

    Args:
        number: 1, 2, 3 … within one life.
        name: What happens there, such as ``"before commit payout.sending"``.

    """

    number: int
    name: str


class Stopped(BaseException):
    """The simulated death of the process; not an ``Exception``, so that nothing on the way can survive it."""

    def __init__(self, point: Point) -> None:
        super().__init__(point.name)
        self.point = point


class Restless(AssertionError):
    """The machine never came to rest: something stays due without end."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An answer on its way to a path minted for a question.

    Args:
        at: When it arrives.
        token: The path's token.
        callback: What arrives.

    """

    at: datetime
    token: str
    callback: Callback


@dataclass(slots=True, kw_only=True)
class World:
    """What a crash of ours does not touch.

    Args:
        accounts: To pay from.
        accounts_after: To pay from in every life after the first; empty when they stay the same.
        gateway: Answers a request, secrets filled in, or raises ``NotSent`` or ``NoAnswer``; may move the clock.
        arrivals: Answers on their way; each stays until it was taken in.

    """

    accounts: Sequence[Account]
    gateway: Callable[[HttpRequest], HttpResponse]
    arrivals: list[Arrival] = field(default_factory=list)
    accounts_after: Sequence[Account] = ()


@dataclass(slots=True)
class CallerView:
    """What the application has heard of its keys; no crash of ours takes that back.

    Args:
        accepted: Written down.
        refused: Not written down, as more would be refunded than was collected.

    """

    accepted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Stage:
    """Where a scenario plays.

    Args:
        clock: The only clock there is.
        store: Keeps the journal of the life that is being lived.

    """

    clock: VirtualClock
    store: CrashStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is paid, and in which world.

    Args:
        name: For people.
        orders: What the application sends, each with its account; what was not answered it sends again.
        world: Makes the world anew for each run.
        person: What a person does when the machine has come to rest; returns when they look again, which may be at
            once, or None when they have nothing more to do.
        plugins: Makes the plugins anew for each life: guards and observers.
        starts_at: Where the clock starts.
        horizon_s: After how long the simulation looks no further, in seconds.
        most_steps: After how many rounds the machine counts as restless.

    """

    name: str
    orders: Sequence[tuple[str, Order]]
    world: Callable[[Stage], World]
    person: Callable[[PayoutClient, World, datetime], datetime | None] = lambda client, world, at: None
    plugins: Callable[[], Plugins] = lambda: Plugins(())
    starts_at: datetime = datetime(2026, 1, 5, 8, tzinfo=UTC)
    horizon_s: float = 100 * 3600.0
    most_steps: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What is left when nothing is due any more.

    Args:
        payouts: By key, histories included.
        world: The scenario's.
        lives: The points passed in each life; a run without a crash has one life.
        lost: Keys that were acknowledged before a crash and not in the journal after it; must be empty.
        store: Holds the last life's journal, closed; the next run of the simulator empties it.
        refused: Keys of refunds that were refused as more than was collected.

    """

    payouts: Mapping[str, Payout]
    world: World
    lives: Sequence[Sequence[Point]]
    lost: frozenset[str]
    store: CrashStore
    refused: frozenset[str] = frozenset()

    @property
    def points(self) -> Sequence[Point]:
        """The points of the first life."""
        return self.lives[0]
