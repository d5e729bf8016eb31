"""Whose turn it is: the arithmetic alone, under any order of askers, clocks and rates."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments_core.domain.rates import LONGEST_WAIT_S, AcquirePermit, Priority, Queue, penalise, reserve

SECOND = 1_000_000
NOW = 1_760_000_000 * SECOND
READS = [Priority.CALLBACK_READ, Priority.READ]


def asking(
    priority: Priority = Priority.READ, per_s: float | None = 9.0, within_s: float = 10.0, lead_s: float = 0.0
) -> AcquirePermit:
    return AcquirePermit(account="till", priority=priority, per_s=per_s, within_s=within_s, lead_s=lead_s)


def most_in_a_second(moments: list[int]) -> int:
    moments = sorted(moments)
    return max((sum(at <= other < at + SECOND for other in moments) for at in moments), default=0)


steps = st.lists(
    st.tuples(
        st.sampled_from(READS),
        st.integers(0, 3 * SECOND // 2),
        st.floats(0, LONGEST_WAIT_S),
        st.floats(0, 1),
        st.sampled_from([None, None, None, "refused", "refused, wait"]),
    ),
    max_size=60,
)


@given(steps, st.integers(1, 40), st.booleans())
def test_permits_never_exceed_the_cap_in_any_second(
    taken: list[tuple[Priority, int, float, float, str | None]], per_s: int, are_posts: bool
) -> None:
    """For any caller, at any time, under any penalty, permits are a turn apart, and none is earlier than asked for."""
    queue, now, moments = Queue(), NOW, list[int]()
    for priority, passed, within_s, lead_s, penalty in taken:
        now += passed
        if penalty:
            queue = penalise(queue, 2.5 if "wait" in penalty else None, now)
        asked = asking(Priority.POST if are_posts else priority, per_s, within_s, lead_s)
        decided = reserve(queue, asked, now)
        if decided.queue is None:
            assert decided.moment > now
            continue
        assert now <= decided.moment <= now + within_s * SECOND + 1
        assert decided.moment >= queue.held_until
        queue = decided.queue
        moments.append(decided.moment)
    assert all(later - earlier >= SECOND / per_s for earlier, later in pairwise(moments))
    assert most_in_a_second(moments) <= per_s


@pytest.mark.parametrize("priority", READS)
@pytest.mark.parametrize("per_s", [0.5, 9, 140])
def test_caller_who_comes_back_when_told_gets_a_permit(priority: Priority, per_s: float) -> None:
    """A refusal ends: a caller who comes back at the given time gets a permit before the queue has emptied twice."""
    queue = Queue()
    while (decided := reserve(queue, asking(priority, per_s), NOW)).queue is not None:
        queue = decided.queue
    back = reserve(queue, asking(priority, per_s), max(decided.moment, NOW))
    assert back.queue is not None


class CallerQueue:
    """Callers that ask without end, each with one priority, on a clock of the test's own."""

    def __init__(self, callers: dict[Priority, int], per_s: float, answer_us: int = 3_000) -> None:
        self.queue, self.per_s, self.answer_us = Queue(), per_s, answer_us
        self.used: list[tuple[int, Priority]] = []
        # As in a process: of each priority one asks at a time, and a permit's owner is away until its moment.
        self._asking = [(NOW, index, priority) for index, priority in enumerate(callers) if callers[priority]]
        self._free = dict(callers)
        self._back: list[tuple[int, int, Priority]] = []
        heapq.heapify(self._asking)

    def run(self, until: int) -> None:
        number = 0
        while self._asking or self._back:
            if self._back and (not self._asking or self._back[0] < self._asking[0]):
                at, _, priority = heapq.heappop(self._back)
                self._free[priority] += 1
                if self._free[priority] == 1:
                    heapq.heappush(self._asking, (at, number, priority))
                continue
            at, _, priority = heapq.heappop(self._asking)
            if at >= until:
                return
            number += 1
            decided = reserve(self.queue, asking(priority, self.per_s), at)
            if decided.queue is None:
                heapq.heappush(self._asking, (max(decided.moment, at + 1_000), number, priority))
                continue
            self.queue = decided.queue
            self.used.append((decided.moment, priority))
            self._free[priority] -= 1
            heapq.heappush(self._back, (decided.moment + self.answer_us, number, priority))
            if self._free[priority]:
                heapq.heappush(self._asking, (at + self.answer_us, number, priority))

    def shares(self) -> dict[Priority, float]:
        counted = Counter(priority for _, priority in self.used)
        return {priority: counted[priority] / len(self.used) for priority in READS}


@pytest.mark.parametrize("per_s", [2, 9, 50])
def test_callback_reads_take_half_of_the_permits_while_other_reads_wait(per_s: float) -> None:
    """Half for reads that callbacks asked for, half for all others, and nothing is left unused."""
    line = CallerQueue(dict.fromkeys(READS, 30), per_s)
    line.run(NOW + 60 * SECOND)
    assert line.shares() == pytest.approx({Priority.CALLBACK_READ: 0.5, Priority.READ: 0.5}, abs=0.03)
    assert len(line.used) >= 0.97 * 60 * per_s


@pytest.mark.parametrize("priority", READS)
def test_priority_that_waits_alone_gets_the_whole_rate(priority: Priority) -> None:
    line = CallerQueue({priority: 30}, 9)
    line.run(NOW + 60 * SECOND)
    assert len(line.used) >= 0.97 * 60 * 9


def test_callback_flood_delays_another_read_by_about_a_second() -> None:
    """A thousand callbacks wait; the one caller of another read waits little more than a second each time."""
    line = CallerQueue({Priority.CALLBACK_READ: 1000, Priority.READ: 1}, 9)
    line.run(NOW + 60 * SECOND)
    others = [at for at, priority in line.used if priority is Priority.READ]
    assert max(later - earlier for earlier, later in pairwise(others)) <= 1.3 * SECOND


def test_clock_set_back_stops_no_caller_for_long() -> None:
    """What was written by a clock an hour ahead is not waited for."""
    hour = 3_600 * SECOND
    ahead = Queue(NOW + hour, ((Priority.READ, NOW + hour),) * 9, NOW + 2 * hour, hour)
    decided = reserve(ahead, asking(), NOW)
    assert decided.queue is not None
    assert decided.moment - NOW <= SECOND


def test_penalty_without_retry_after_doubles_up_to_an_hour() -> None:
    """Only a refusal after the last hold doubles: refusals of what was on the wire are one penalty."""
    queue, lengths, now = Queue(), list[float](), NOW
    for _ in range(12):
        queue = penalise(queue, None, now)
        assert penalise(queue, None, now + 1) == queue
        lengths.append((queue.held_until - now) / SECOND)
        now = queue.held_until
    assert lengths == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@pytest.mark.parametrize(("text", "held_s"), [(7.5, 7.5), (0.0, 1.0), (1e9, 3600.0), (float("inf"), 3600.0)])
def test_penalty_with_retry_after_lasts_that_long_within_bounds(text: float, held_s: float) -> None:
    """``Retry-After`` counts, within a second and an hour; a later one may lengthen a hold and never shortens it."""
    queue = penalise(Queue(), text, NOW)
    assert queue.held_until - NOW == held_s * SECOND
    assert penalise(queue, 1.0, NOW).held_until == queue.held_until


def test_penalty_longer_than_the_wait_is_reported_and_reserves_nothing() -> None:
    """Who comes during a long penalty learns its end."""
    queue = penalise(Queue(), 60.0, NOW)
    decided = reserve(queue, asking(), NOW)
    assert (decided.moment, decided.queue) == (NOW + 60 * SECOND, None)
    assert reserve(replace(queue), asking(per_s=None), NOW + 60 * SECOND).queue is not None
