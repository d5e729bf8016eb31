"""Rate limits: which permit comes next when a provider limits the calls per second. Arithmetic only; no clock.

Permits of one queue are at least ``1 / rate`` apart (GCRA with a burst of one), so that no second sees more of them
than the rate allows. Reads that callbacks asked for share one queue with the other reads. Both have as many places in
which permits wait for their time: callbacks take at most half while others wait, and each fills the rate alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

__all__ = [
    "LONGEST_HOLD_S",
    "LONGEST_WAIT_S",
    "VOID_AFTER_S",
    "AcquirePermit",
    "Given",
    "Hold",
    "Permit",
    "PostEnd",
    "Priority",
    "Queue",
    "ReadEnd",
    "penalise",
    "reserve",
]

VOID_AFTER_S = 0.1  # a permit that is not used by then is void
LONGEST_WAIT_S = 10.0  # no caller waits longer for a permit
LONGEST_HOLD_S = 3600.0
_FIRST_HOLD_S = 5.0
_SHORTEST_HOLD_S = 1.0
_SECOND = 1_000_000


class Priority(StrEnum):
    """What a permit is asked for."""

    POST = "post"
    READ = "read"
    CALLBACK_READ = "callback_read"

    @property
    def queue(self) -> Literal["post", "read"]:
        """The queue it belongs to: payments and reads are capped apart."""
        return "post" if self is Priority.POST else "read"


_PLACES = 5  # of each priority, at the least; more where a turn is so short that ten would not bridge a slow response
_BRIDGED_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquirePermit:
    """Ask for the next moment at which an account may be used.

    Args:
        account: The account's name.
        priority: What for.
        per_s: The cap, a second; None where there is none and only a penalty is waited for.
        within_s: Longest wait that is worth it, in seconds; at most :data:`LONGEST_WAIT_S`.
        lead_s: How long the answer takes to come back, in seconds: an earlier moment would be void when it is known.

    """

    account: str
    priority: Priority
    per_s: float | None
    within_s: float
    lead_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Permit:
    """The answer: a moment that is ours, or when asking again is worth it.

    Args:
        at: The moment, in microseconds since 1970 by the journal's clock.
        starts: The same by ``time.monotonic()`` of this process.
        is_given: It is ours; else nothing was reserved.
        is_penalised: The queue has a penalty, or has not been used since the last one.

    """

    at: int
    starts: float
    is_given: bool
    is_penalised: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """A penalty of an account's reads.

    Args:
        account: The account's name.
        held_until: Its end, in microseconds since 1970 by the journal's clock.

    """

    account: str
    held_until: int


@dataclass(frozen=True, slots=True)
class PostEnd:
    """How a POST ended, counted in the commit that records it.

    Args:
        is_ambiguous: It may have arrived, and that is not known.
        circuit_after: So many ambiguous ends in a row open the account's circuit; 0 for never.

    """

    is_ambiguous: bool
    circuit_after: int


@dataclass(frozen=True, slots=True)
class ReadEnd:
    """What a read's response means for the rate.

    Args:
        is_refused: The provider refused it for the rate: a penalty; else a penalty that is over ends.
        after_s: The provider's own wait, in seconds; None for a default that doubles.

    """

    is_refused: bool
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """What is stored of a queue; moments and lengths in microseconds.

    Args:
        next_at: The earliest moment of the next permit.
        waiting: Permits whose time is still to come, each with its priority.
        held_until: No permit before.
        penalty: Length of the last penalty; 0 once it has ended.

    """

    next_at: int = 0
    waiting: tuple[tuple[Priority, int], ...] = ()
    held_until: int = 0
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """What was decided.

    Args:
        moment: Of the permit, or when asking again is worth it.
        queue: As it is stored from now on; None when nothing was given.

    """

    moment: int
    queue: Queue | None


def reserve(queue: Queue, asked: AcquirePermit, now: int) -> Given:
    """Return the next time of a queue, or when to ask again.

    Args:
        queue: As it is stored.
        asked: The request.
        now: By the journal's clock, in microseconds.

    """
    interval = 0 if asked.per_s is None else math.ceil(_SECOND / asked.per_s)
    # What is further away than any caller waits was written before the clock was set back.
    horizon = now + _us(LONGEST_WAIT_S)
    next_at = queue.next_at if queue.next_at <= horizon + interval else now + interval
    held_until = queue.held_until if queue.held_until <= now + _us(LONGEST_HOLD_S) else 0
    moment = max(next_at, held_until, now + _us(asked.lead_s))
    if moment - now > _us(asked.within_s):
        return Given(moment, None)
    if asked.priority is Priority.POST or asked.per_s is None:
        return Given(moment, replace(queue, next_at=moment + interval))
    waiting = tuple((priority, at) for priority, at in queue.waiting if now < at <= horizon)
    mine = [at for priority, at in waiting if priority is asked.priority]
    if len(mine) >= max(_PLACES, math.ceil(asked.per_s * _BRIDGED_S / 2)):
        return Given(min(mine), None)
    return Given(moment, Queue(moment + interval, (*waiting, (asked.priority, moment)), held_until, queue.penalty))


def penalise(queue: Queue, after_s: float | None, now: int) -> Queue:
    """Delay a queue, as the provider refused requests for their rate.

    Refusals of what was already on the wire are one penalty: without a wait of the provider's own only a refusal after
    the last hold doubles it.

    Args:
        queue: As it is stored.
        after_s: The provider's own wait, in seconds; None for the default.
        now: By the journal's clock, in microseconds.

    """
    if after_s is None and queue.held_until > now:
        return queue
    length = 2 * queue.penalty or _us(_FIRST_HOLD_S)
    if after_s is not None:
        length = _us(max(after_s, _SHORTEST_HOLD_S)) if after_s < LONGEST_HOLD_S else _us(LONGEST_HOLD_S)
    length = min(length, _us(LONGEST_HOLD_S))
    return replace(queue, held_until=max(queue.held_until, now + length), penalty=length)


def _us(seconds: float) -> int:
    return round(seconds * _SECOND)
