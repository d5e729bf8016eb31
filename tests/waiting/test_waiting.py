"""Waiting in threads and on an event loop: the same promises in both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from typing import Any

import pytest

from payments_core.waiting import tasks, threads

INTERRUPTED = "interrupted"


class Threads:
    """Callers that are threads."""

    module = threads

    def single_flight(self, fetch: Callable[[], str], **given: Any) -> Any:
        return threads.SingleFlight(fetch, **_defaults(given))

    def get(self, flight: Any, times: int) -> list[Any]:
        """Ask so many times at once; return what came of each."""
        start = threading.Barrier(times)

        def one(_: int) -> Any:
            start.wait(10)
            try:
                return flight.get()
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                return error

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(one, range(times)))

    def all_of(self, call: Callable[[int], int], items: Sequence[int]) -> list[int]:
        return threads.all_of(call, items)

    def first_of_each(self, call: Callable[[int], int], items: Sequence[int]) -> int:
        with closing(threads.each(call, items)) as results:
            return next(results)

    def result_of(self, future: Future[str], timeout_s: float) -> str:
        return threads.result_of(future, timeout_s)


class Tasks:
    """Callers that are tasks of one event loop."""

    module = tasks

    def single_flight(self, fetch: Callable[[], str], **given: Any) -> Any:
        async def slow() -> str:
            await asyncio.sleep(0.01)
            return fetch()

        return tasks.SingleFlight(slow, **_defaults(given))

    def get(self, flight: Any, times: int) -> list[Any]:
        async def gathered() -> list[Any]:
            return await asyncio.gather(*(flight.get() for _ in range(times)), return_exceptions=True)

        return asyncio.run(gathered())

    def all_of(self, call: Callable[[int], int], items: Sequence[int]) -> list[int]:
        async def one(item: int) -> int:
            await asyncio.sleep(0.01 * item)
            return call(item)

        return asyncio.run(tasks.all_of(one, items))

    def first_of_each(self, call: Callable[[int], int], items: Sequence[int]) -> int:
        async def one(item: int) -> int:
            await asyncio.sleep(0.05 * item)
            return call(item)

        async def first() -> int:
            async with aclosing(tasks.each(one, items)) as results:
                async for result in results:
                    return result
            raise AssertionError

        return asyncio.run(first())

    def result_of(self, future: Future[str], timeout_s: float) -> str:
        return asyncio.run(tasks.result_of(future, timeout_s))


def _defaults(given: dict[str, Any]) -> dict[str, Any]:
    return {"is_fresh": lambda _: True, "interrupted": lambda: INTERRUPTED, **given}


@pytest.fixture(params=[Threads, Tasks], ids=["threads", "tasks"])
def world(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_modules_have_the_same_names() -> None:
    """What one of them can do, the other can, with the same arguments."""
    assert threads.__all__ == tasks.__all__
    for name in ("run_blocking", "result_of", "execute", "iterate", "each", "all_of"):
        one, other = (list(inspect.signature(getattr(module, name)).parameters) for module in (threads, tasks))
        assert one == other, name
    members = [{name for name in vars(module.SingleFlight) if name[0] != "_"} for module in (threads, tasks)]
    assert members[0] == members[1]


def test_single_flight_fetches_once_for_all(world: Any) -> None:
    """However many callers ask, one fetch serves them; a value that is fresh is kept."""
    fetched: list[str] = []
    flight = world.single_flight(lambda: fetched.append("x") or str(len(fetched)))
    assert not flight.is_ready
    assert set(world.get(flight, 20)) == {"1"}
    assert world.get(flight, 2) == ["1", "1"]
    assert (flight.is_ready, flight.is_fetching) == (True, False)


def test_single_flight_fetches_again_what_is_not_fresh(world: Any) -> None:
    """A value that may not be used any more is never returned."""
    fetched: list[int] = []
    flight = world.single_flight(lambda: fetched.append(1) or str(len(fetched)), is_fresh=lambda value: value != "1")
    assert world.get(flight, 1) == ["1"]
    assert not flight.is_ready
    assert world.get(flight, 1) == ["2"]


def test_single_flight_raises_to_everyone_and_goes_on(world: Any) -> None:
    """An error reaches every caller that waits for the fetch; the next caller begins a new one."""
    left = [ValueError("no")]

    def fetch() -> str:
        if left:
            raise left[0]
        return "there"

    flight = world.single_flight(fetch)
    assert {type(ended) for ended in world.get(flight, 5)} == {ValueError}
    left.clear()
    assert world.get(flight, 1) == ["there"]


def test_single_flight_drops_only_what_was_refused(world: Any) -> None:
    """A caller that was refused with an older value does not take the newer one from the others."""
    dropped: list[str] = []
    flight = world.single_flight(lambda: "new", on_drop=dropped.append)
    flight.put("old")
    assert world.get(flight, 1) == ["old"]
    flight.drop("other")
    assert world.get(flight, 1) == ["old"]
    flight.drop("old")
    assert world.get(flight, 1) == ["new"]
    flight.drop("old")
    assert (world.get(flight, 1), dropped) == (["new"], ["old"])


def test_all_of_ends_every_call_before_it_raises(world: Any) -> None:
    """Results come in the order of the items; one call's error stops no other."""
    ended: list[int] = []

    def call(item: int) -> int:
        ended.append(item)
        if item == 1:
            raise ValueError("one")
        return item * 10

    assert world.all_of(call, [3, 0, 2]) == [30, 0, 20]
    assert world.all_of(call, []) == []
    ended.clear()
    with pytest.raises(ValueError, match="one"):
        world.all_of(call, [0, 1, 2])
    assert sorted(ended) == [0, 1, 2]


def test_each_ends_with_its_generator(world: Any) -> None:
    """Who leaves the loop after the first result begins or finishes no other call."""
    ended: list[int] = []
    assert world.first_of_each(lambda item: ended.append(item) or item, [0, 1, 2]) == 0
    assert ended == [0]


def test_result_of_times_out(world: Any) -> None:
    """A future that has no result in time is a time-out, and its result is returned otherwise."""
    with pytest.raises(TimeoutError):
        world.result_of(Future(), 0.01)
    done: Future[str] = Future()
    done.set_result("done")
    assert world.result_of(done, 5) == "done"


def test_cancelled_caller_harms_no_other() -> None:
    """On an event loop the first caller may be cancelled in the middle of the fetch: the others are served by it."""
    fetched: list[int] = []

    async def fetch() -> str:
        fetched.append(1)
        await asyncio.sleep(0.02)
        return "value"

    async def run() -> list[Any]:
        flight = tasks.SingleFlight(fetch, **_defaults({}))
        callers = [asyncio.create_task(flight.get()) for _ in range(3)]
        await asyncio.sleep(0.005)
        callers[0].cancel()
        return await asyncio.gather(*callers, return_exceptions=True)

    first, *others = asyncio.run(run())
    assert isinstance(first, asyncio.CancelledError)
    assert (others, len(fetched)) == (["value", "value"], 1)


def test_single_flight_closed_during_a_fetch_tells_its_waiters() -> None:
    """Callers that wait when the client is closed are not cancelled: they learn that the fetch was interrupted."""

    async def run() -> list[Any]:
        flight = tasks.SingleFlight(lambda: asyncio.sleep(60, "never"), **_defaults({}))
        callers = [asyncio.create_task(flight.get()) for _ in range(2)]
        await asyncio.sleep(0.005)
        assert flight.is_fetching
        await flight.close()
        return await asyncio.gather(*callers)

    assert asyncio.run(run()) == [INTERRUPTED, INTERRUPTED]


def test_interrupted_thread_leaves_no_other_waiting() -> None:
    """A KeyboardInterrupt is for the thread that fetches; those who wait with it go on, and the next one fetches."""
    begun, goes_on = threading.Event(), threading.Event()
    interrupts = [KeyboardInterrupt()]

    def fetch() -> str:
        begun.set()
        goes_on.wait(10)
        if interrupts:
            raise interrupts.pop()
        return "value"

    flight = threads.SingleFlight(fetch, **_defaults({}))

    def lead() -> str:
        with suppress(KeyboardInterrupt):
            return flight.get()
        return "stopped"

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(lead)
        assert begun.wait(10)
        follower = pool.submit(flight.get)
        while not follower.running():
            pass
        threading.Timer(0.05, goes_on.set).start()
        assert (leader.result(10), follower.result(10)) == ("stopped", INTERRUPTED)
    assert flight.get() == "value"
