"""Flows and their two runners: the same script has the same end, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
from kit import row_of

from payments_core.domain.errors import ProviderBug
from payments_core.domain.records import Event
from payments_core.engine.flow import (
    Command,
    EngineFlow,
    Proceed,
    Reply,
    RunPreflight,
    run_preflight,
)
from payments_core.http.flow import arun_flow, exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
REQUEST = HttpRequest("GET", "https://example.org", "read")
EVENT = Event("payout.created", AT)
ROW = row_of()

Script: TypeAlias = Callable[[Command], Reply]
Runner: TypeAlias = Callable[[EngineFlow[Any], Script], Any]


def answer(status: int) -> HttpResponse:
    return HttpResponse(status, {}, b"", AT)


def run_async(flow: EngineFlow[Any], script: Script) -> Any:
    async def execute(command: Command) -> Reply:
        await asyncio.sleep(0)
        return script(command)

    return asyncio.run(arun_flow(flow, execute))


@pytest.fixture(params=[run_flow, run_async], ids=["sync", "async"])
def runner(request: pytest.FixtureRequest) -> Runner:
    chosen: Runner = request.param
    return chosen


def replies(*ends: Reply | BaseException) -> Script:
    """Give these, one a command."""
    left = iter(ends)

    def execute(_command: Command) -> Reply:
        end = next(left)
        if isinstance(end, BaseException):
            raise end
        return end

    return execute


def ask_thrice(seen: list[str]) -> EngineFlow[list[str]]:
    """Ask three times, and write down how each question ended."""
    try:
        for _ in range(3):
            try:
                seen.append(str((yield from exchange(REQUEST)).status))
            except NotSent as ended:
                seen.append(f"not sent: {ended.why}")
            except NoAnswer as ended:
                seen.append(f"no answer: {ended.why}")
    finally:
        seen.append("closed")
    return seen


ENDS: list[Reply | BaseException] = [answer(200), answer(503), NotSent("refused", at=AT), NoAnswer("reset", at=AT)]


@pytest.mark.parametrize("first", ENDS, ids=repr)
@pytest.mark.parametrize("second", ENDS, ids=repr)
def test_runners_end_alike(first: Reply | BaseException, second: Reply | BaseException) -> None:
    """The same replies lead a flow along the same way, in threads and on an event loop."""
    script = [first, second, answer(200)]
    sync = run_flow(ask_thrice([]), replies(*script))

    assert sync == run_async(ask_thrice([]), replies(*script))
    assert len(sync) == 4


def test_not_sent_and_no_answer_are_thrown_into_the_flow(runner: Runner) -> None:
    ends = (NotSent("refused", at=AT), answer(200), NoAnswer("reset", at=AT))

    assert runner(ask_thrice([]), replies(*ends)) == ["not sent: refused", "200", "no answer: reset", "closed"]


def one_question() -> EngineFlow[int]:
    return (yield from exchange(REQUEST)).status


@pytest.mark.parametrize("ended", [NotSent("refused", at=AT), NoAnswer("reset", at=AT)], ids=repr)
def test_error_that_the_flow_does_not_catch_reaches_the_caller(runner: Runner, ended: Exception) -> None:
    with pytest.raises(type(ended)) as raised:
        runner(one_question(), replies(ended))

    assert raised.value is ended


def test_flow_may_end_without_a_command(runner: Runner) -> None:
    def silent() -> EngineFlow[str]:
        return "done"
        yield REQUEST  # type: ignore[unreachable]  # makes it a generator

    assert runner(silent(), replies()) == "done"


@pytest.mark.parametrize(
    "broken",
    [RuntimeError("x"), OSError("x"), KeyboardInterrupt(), SystemExit(1), GeneratorExit(), asyncio.CancelledError()],
    ids=repr,
)
def test_other_exception_is_never_thrown_into_a_flow(runner: Runner, broken: BaseException) -> None:
    """A provider cannot mistake a bug, a full disk or a Ctrl-C for the end of an exchange."""
    seen: list[str] = []

    with pytest.raises(type(broken)):
        runner(ask_thrice(seen), replies(answer(200), broken))

    assert seen == ["200", "closed"]


def test_cancelled_task_closes_its_flow() -> None:
    """A cancelled payout is a crashed payout: its flow hears of nothing, and is gone before the caller goes on."""
    seen: list[str] = []

    async def main() -> None:
        asked = asyncio.Event()

        async def execute(_command: Command) -> Reply:
            asked.set()
            await asyncio.sleep(60)
            raise AssertionError

        task = asyncio.create_task(arun_flow(ask_thrice(seen), execute))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["closed"]

    asyncio.run(main())


def test_flow_is_closed_after_an_error(runner: Runner) -> None:
    """An open generator would run its clean-up whenever the collector comes by."""
    flow = ask_thrice([])
    with pytest.raises(OSError, match="full"):
        runner(flow, replies(OSError("full")))

    assert flow.gi_frame is None  # type: ignore[attr-defined]
    gc.collect()


def test_stop_iteration_of_an_executor_is_no_result() -> None:
    """``StopIteration`` out of a performer would be taken for what the flow returned: a payment that never was."""
    seen: list[str] = []

    with pytest.raises(ProviderBug, match="StopIteration"):
        run_flow(ask_thrice(seen), replies(StopIteration("succeeded")))

    assert seen == ["closed"]


def test_stop_iteration_of_an_async_executor_is_no_result() -> None:
    """A coroutine turns it into a ``RuntimeError``, and an awaitable that raises at once is guarded as well."""
    seen: list[str] = []

    def eager(_command: Command) -> Awaitable[Reply]:
        raise StopIteration("succeeded")

    async def coroutine(_command: Command) -> Reply:
        raise StopIteration("succeeded")

    with pytest.raises(ProviderBug, match="StopIteration"):
        asyncio.run(arun_flow(ask_thrice(seen), eager))
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(arun_flow(ask_thrice(seen), coroutine))

    assert seen == ["closed", "closed"]


def test_stop_iteration_of_a_flow_is_no_result(runner: Runner) -> None:
    def careless() -> EngineFlow[str]:
        yield from exchange(REQUEST)
        nothing: Iterator[str] = iter(())
        return next(nothing)

    with pytest.raises(RuntimeError, match="StopIteration"):
        runner(careless(), replies(answer(200)))


GO = Proceed(AT)


def test_runner_passes_commands_unchanged(runner: Runner) -> None:
    asked: list[Command] = []

    def execute(command: Command) -> Reply:
        asked.append(command)
        return GO if isinstance(command, RunPreflight) else answer(200)

    def both() -> EngineFlow[None]:
        yield from run_preflight(ROW)
        yield from exchange(REQUEST)

    runner(both(), execute)

    assert asked == [RunPreflight(ROW), REQUEST]
    assert asked[1] is REQUEST
