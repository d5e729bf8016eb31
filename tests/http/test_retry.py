"""Repeating what is harmless to repeat: how often, how long, and what it says about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import stamina

from payments_core.http.messages import HttpResponse, NoAnswer, NotSent
from payments_core.http.retry import asend_with_retry, send_with_retry
from payments_core.provider import RetryPolicy

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FAST = RetryPolicy(attempts=3, first_wait_s=0.02, longest_wait_s=0.05, jitter_s=0.0, deadline_s=5.0)

Ending = HttpResponse | BaseException
Retries = list[tuple[int, str, float]]


def answer(status: int, retry_after: str | None = None) -> HttpResponse:
    return HttpResponse(status, {} if retry_after is None else {"retry-after": retry_after}, b"", AT)


class Course:
    """Sends that end as written down, the last ending repeating; run by either of the twins."""

    def __init__(self, twin: str, *endings: Ending) -> None:
        self.twin = twin
        self.endings = endings
        self.sent_at: list[float] = []
        self.retries: Retries = []

    def _send(self) -> HttpResponse:
        self.sent_at.append(time.monotonic())
        ending = self.endings[min(len(self.sent_at), len(self.endings)) - 1]
        if isinstance(ending, BaseException):
            raise ending
        return ending

    def run(self, policy: RetryPolicy = FAST) -> HttpResponse:
        def on_retry(number: int, why: str, wait_s: float) -> None:
            self.retries.append((number, why, wait_s))

        if self.twin == "sync":
            return send_with_retry(policy, self._send, on_retry=on_retry)

        async def send() -> HttpResponse:
            return self._send()

        return asyncio.run(asend_with_retry(policy, send, on_retry=on_retry))

    @property
    def waits_s(self) -> list[float]:
        return [after - before for before, after in zip(self.sent_at, self.sent_at[1:], strict=False)]


Starts = Callable[..., Course]


@pytest.fixture(params=["sync", "async"])
def course(request: pytest.FixtureRequest) -> Starts:
    """Make a course for each of the twins."""
    return lambda *endings: Course(request.param, *endings)


@pytest.fixture(autouse=True)
def _stamina_untouched() -> Iterator[None]:
    """No test leaves stamina changed, and neither does the code under test."""
    before = (stamina.is_active(), stamina.is_testing())
    yield
    assert (stamina.is_active(), stamina.is_testing()) == before


def not_sent() -> NotSent:
    return NotSent("gateway.example: refused", at=AT)


def no_answer() -> NoAnswer:
    return NoAnswer("gateway.example: reset", at=AT)


def test_success_is_sent_once_without_stamina(course: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first send runs plain."""
    monkeypatch.setattr(stamina, "retry_context", None)
    assert course(answer(200)).run().status == 200


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500])
def test_statuses_outside_the_policy_are_answers(course: Starts, status: int) -> None:
    """Only the statuses of the policy are worth another send."""
    running = course(answer(status))
    assert running.run().status == status
    assert len(running.sent_at) == 1


@pytest.mark.parametrize("failure", [not_sent(), no_answer(), answer(503)], ids=["NotSent", "NoAnswer", "503"])
def test_failed_request_is_sent_again_after_a_wait(course: Starts, failure: Ending) -> None:
    """Between the first, plain send and the second lies the policy's first wait."""
    running = course(failure, answer(200))
    assert running.run().status == 200
    assert len(running.sent_at) == 2
    assert running.waits_s[0] > 0.019  # clocks round


def test_waits_double_up_to_the_longest(course: Starts) -> None:
    """Waits double and are capped, and each is reported before it begins."""
    running = course(not_sent(), no_answer(), answer(503), not_sent(), answer(200))
    running.run(RetryPolicy(attempts=5, first_wait_s=0.02, longest_wait_s=0.05, jitter_s=0.0))
    assert running.retries == [
        (1, "gateway.example: refused", pytest.approx(0.02)),
        (2, "gateway.example: reset", pytest.approx(0.04)),
        (3, "HTTP 503", pytest.approx(0.05)),
        (4, "gateway.example: refused", pytest.approx(0.05)),
    ]
    assert all(waited > result[2] * 0.95 for waited, result in zip(running.waits_s, running.retries, strict=True))


def test_jitter_is_added_to_a_wait(course: Starts) -> None:
    """Callers that failed together do not come back together."""
    policy = RetryPolicy(attempts=2, first_wait_s=0.0, longest_wait_s=9.0, jitter_s=0.05)
    waits: set[float] = set()
    for _ in range(12):  # three of them fall into one millisecond now and then
        running = course(not_sent(), answer(200))
        running.run(policy)
        waits.add(round(running.waits_s[0], 2))
        if len(waits) > 1:
            return
    raise AssertionError(f"Every wait took {waits} seconds.")


@pytest.mark.parametrize(("attempts", "sends"), [(1, 1), (2, 2), (3, 3), (5, 5)])
def test_attempts_count_the_first_send(course: Starts, attempts: int, sends: int) -> None:
    """``attempts`` is the number of sends in all."""
    running = course(not_sent())
    with pytest.raises(NotSent, match="refused"):
        running.run(RetryPolicy(attempts=attempts, first_wait_s=0.001, longest_wait_s=0.001, jitter_s=0.0))
    assert len(running.sent_at) == sends


def test_last_failure_is_the_one_reported(course: Starts) -> None:
    """The result is the last one, not the first."""
    with pytest.raises(NoAnswer, match="reset"):
        course(not_sent(), answer(503), no_answer()).run()
    assert course(not_sent(), no_answer(), answer(503)).run().status == 503


@pytest.mark.parametrize("bug", [ValueError("a bug"), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("before", [(), (NotSent("x", at=AT),)], ids=["first send", "second send"])
def test_other_exceptions_are_not_retried(course: Starts, bug: BaseException, before: tuple[Ending, ...]) -> None:
    """Bugs, interrupts and cancellations go through at once."""
    running = course(*before, bug, answer(200))
    with pytest.raises(type(bug)):
        running.run()
    assert len(running.sent_at) == len(before) + 1


@pytest.mark.parametrize("written", ["1", format_datetime(AT + timedelta(seconds=1), usegmt=True)])
def test_retry_after_is_waited_for(course: Starts, written: str) -> None:
    """In seconds, or as a date, which is read against the moment of the answer, whatever our clock says now."""
    running = course(answer(429, written), answer(200))
    assert running.run().status == 200
    assert running.waits_s[0] > 0.99
    assert running.retries == [(1, "HTTP 429", 1.0)]


@pytest.mark.parametrize(
    "nonsense",
    ["", "soon", "-5", "1e3", "nan", "٣", "0", "Tue, 24 Nov 2026 11:00:00 GMT", "Tue, 99 Nov 2026 11:00:00 GMT"],
)
def test_retry_after_without_sense_leaves_the_wait_of_the_policy(course: Starts, nonsense: str) -> None:
    """What says nothing, or nothing later than now, leaves the policy's own wait."""
    running = course(answer(503, nonsense), answer(200))
    assert running.run().status == 200
    assert running.retries == [(1, "HTTP 503", pytest.approx(0.02))]


def test_retry_after_past_the_deadline_is_not_waited_for(course: Starts) -> None:
    """Sending earlier than asked does not help: the answer is returned at once, with what it asked for."""
    running = course(answer(429, "60"), answer(200))
    started = time.monotonic()
    assert running.run().headers["retry-after"] == "60"
    assert time.monotonic() - started < 4
    assert (len(running.sent_at), running.retries) == (1, [])


def test_deadline_ends_the_sends(course: Starts) -> None:
    """The deadline counts from the first send and ends the sends, however many attempts are left."""
    running = course(not_sent())
    with pytest.raises(NotSent):
        running.run(RetryPolicy(attempts=1000, first_wait_s=0.05, longest_wait_s=0.05, jitter_s=0.0, deadline_s=0.2))
    assert 2 <= len(running.sent_at) <= 5
    assert running.sent_at[-1] - running.sent_at[0] <= 0.2


def test_deadline_passed_by_jitter_ends_the_sends(course: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The random part of a wait may reach past the deadline: then nothing is sent after it."""
    jitters = iter([0.0, 1.2])
    monkeypatch.setattr("random.uniform", lambda _low, _high: next(jitters))
    running = course(not_sent(), no_answer(), answer(200))
    with pytest.raises(NoAnswer, match="reset"):
        running.run(RetryPolicy(attempts=9, first_wait_s=0.02, longest_wait_s=9.0, jitter_s=1.2, deadline_s=1.0))
    assert len(running.sent_at) == 2


def test_deadline_counts_the_first_send(course: Starts) -> None:
    """The plain send is part of the whole."""
    running = course(not_sent(), answer(200))
    with pytest.raises(NotSent):
        running.run(RetryPolicy(deadline_s=0.0))
    assert len(running.sent_at) == 1


def test_stamina_switched_off_means_one_send(course: Starts) -> None:
    """``stamina.set_active(False)`` means one send, and its end as it was."""
    stamina.set_active(False)
    try:
        running = course(not_sent(), answer(200))
        with pytest.raises(NotSent, match="refused"):
            running.run()
        assert len(running.sent_at) == 1
        assert course(answer(503), answer(200)).run().status == 503
    finally:
        stamina.set_active(True)


@pytest.mark.parametrize(("attempts", "cap", "sends"), [(1, False, 1), (2, False, 2), (1000, False, 3), (2, True, 2)])
def test_stamina_test_mode_shortens_retries_and_never_lengthens_them(
    course: Starts, attempts: int, cap: bool, sends: int
) -> None:
    """``stamina.set_testing`` takes the waits away and may shorten the course, but never lengthens it."""
    with stamina.set_testing(True, attempts=attempts, cap=cap):
        running = course(answer(503, "4"))
        started = time.monotonic()
        assert running.run().status == 503
        assert time.monotonic() - started < 3
        assert len(running.sent_at) == sends


def test_stamina_hooks_receive_no_retry_of_ours(course: Starts) -> None:
    """The application's own hook stays in place and is not called for our requests; `on_retry` tells of them."""
    called: list[object] = []
    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([called.append])
    try:
        course(answer(503), no_answer(), answer(200)).run()
        assert called == []
        with suppress(ValueError):
            for attempt in stamina.retry_context(on=ValueError, attempts=2, wait_initial=0.0, wait_jitter=0.0):
                with attempt:
                    raise ValueError
        assert len(called) == 1
    finally:
        stamina.instrumentation.set_on_retry_hooks(before)


def test_asynchronous_wait_lets_other_tasks_run() -> None:
    """A wait between two sends never blocks the event loop."""

    async def many() -> float:
        async def one() -> HttpResponse:
            endings: Iterator[Ending] = iter([not_sent(), answer(200)])

            async def send() -> HttpResponse:
                ending = next(endings)
                if isinstance(ending, BaseException):
                    raise ending
                return ending  # type: ignore[return-value]

            policy = RetryPolicy(first_wait_s=0.3, longest_wait_s=0.3, jitter_s=0.0)
            return await asend_with_retry(policy, send)

        started = time.monotonic()
        await asyncio.gather(*(one() for _ in range(10)))
        return time.monotonic() - started

    assert asyncio.run(many()) < 2
