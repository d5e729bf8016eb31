"""Executors execute the commands of one flow: guards first, with a permit, and both twins alike."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from payments_core import AsyncPayoutClient, PayoutClient
from payments_core.domain.errors import JournalClosed
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.domain.records import Pause
from payments_core.engine import OperatorDecision, approve
from payments_core.engine.flow import Postponed, PreflightAtOnce, Proceed, RefusedByGuard, RunPreflight
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest, NoAnswer, NotSent
from payments_core.runtime import AccountSession, AsyncAccountSession, AsyncCommandExecutor, CommandExecutor
from payments_core.runtime.asynchronous.rate_limiter import AsyncRateLimiter
from payments_core.runtime.synchronous.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from tests.runtime.conftest import Desk, Loop

# The twins.

TWINS = [
    (AccountSession, AsyncAccountSession),
    (CommandExecutor, AsyncCommandExecutor),
    (PayoutClient, AsyncPayoutClient),
    (RateLimiter, AsyncRateLimiter),
]
RENAMED = {"__aenter__": "__enter__", "__aexit__": "__exit__"}


def face(cls: type) -> dict[str, str]:
    """Return what a caller sees of a class: each public method with its arguments and what it gives."""
    methods = {
        RENAMED.get(name, name): inspect.signature(member.__func__ if isinstance(member, classmethod) else member)
        for name, member in vars(cls).items()
        if (callable(member) or isinstance(member, classmethod))
        and (not name.startswith("_") or name in {"__call__", "__enter__", "__exit__", *RENAMED})
    }
    return {name: str(signature).replace("Async", "") for name, signature in methods.items()}


@pytest.mark.parametrize(("sync", "twin"), TWINS, ids=lambda cls: cls.__name__)
def test_twin_classes_have_one_interface(sync: type, twin: type) -> None:
    """The same arguments, defaults, results and docstrings; and a thread never waits in a coroutine."""
    names = [name for name in face(sync) if not name.startswith("_")]

    assert face(sync)
    assert face(sync) == face(twin)
    assert all(inspect.getdoc(getattr(sync, name)) == inspect.getdoc(getattr(twin, name)) for name in names)
    assert not any(inspect.iscoroutinefunction(getattr(sync, name)) for name in face(sync))


# Permits.


def test_max_in_flight_limits_payments_on_the_wire(open_desk: Callable[..., Desk]) -> None:
    """``max_in_flight`` holds for money requests, however many callers there are; all of them get through."""
    desk = open_desk(max_in_flight=3)
    desk.server.slow_s["pay"] = 0.01

    rows = desk.pay(*(f"k{number}" for number in range(30)))

    assert {row.status for row in rows} == {PayoutStatus.SUCCEEDED}
    assert desk.server.count("pay") == 30
    assert desk.server.most_paying == 3
    assert desk.permits() == 3


def test_reads_take_no_in_flight_permit(
    open_desk: Callable[..., Desk], asks: dict[str, Callable[[], HttpRequest]]
) -> None:
    """An account that is busy paying can still find out what became of a payment."""
    desk = open_desk(max_in_flight=1)
    desk.server.slow_s["read"] = 0.2

    begun = time.monotonic()
    answers = desk.all(lambda line: line.exchange(asks["read"]()), 20)

    assert {answer.status for answer in answers} == {200}
    assert time.monotonic() - begun < 3  # one after another they take 4


def ends(kind: str, desk: Desk) -> Callable[[HttpRequest], None]:
    def at_send(request: HttpRequest) -> None:
        if request.moves_money and kind == "not sent":
            raise NotSent("refused", at=desk.clock())
        if request.moves_money and kind == "no answer":
            raise NoAnswer("reset", at=desk.clock())
        if request.moves_money and kind == "bug":
            raise RuntimeError("the library has changed")

    return at_send


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("success", PayoutStatus.SUCCEEDED),
        ("not sent", PayoutStatus.CREATED),
        ("no answer", PayoutStatus.UNKNOWN),
        ("bug", PayoutStatus.SENDING),
    ],
)
def test_in_flight_permit_is_returned_however_the_payment_ends(
    kind: str, status: PayoutStatus, open_desk: Callable[..., Desk]
) -> None:
    desk = open_desk(max_in_flight=2)
    desk.server.at_send = ends(kind, desk)

    ended = desk.pay("a", "b", "c", "d")

    assert desk.permits() == 2
    assert {desk.row(key).status for key in "abcd"} == {status}
    assert {type(one) for one in ended} == ({RuntimeError} if kind == "bug" else {type(desk.row("a"))})


def test_in_flight_permit_is_returned_when_nothing_is_sent(open_desk: Callable[..., Desk]) -> None:
    """A pause that is found only at the last moment holds the payout, not the permit."""
    desk = open_desk(max_in_flight=1)
    desk.row("k")
    desk.journal.set_pause(Pause("main", desk.clock(), "stop"))

    assert [row.status for row in desk.pay("k")] == [PayoutStatus.CREATED]
    assert (desk.server.count("pay"), desk.permits()) == (0, 1)


def test_in_flight_permit_is_returned_when_the_journal_fails(open_desk: Callable[..., Desk]) -> None:
    """Without C2 nothing leaves."""
    desk = open_desk(max_in_flight=1)
    desk.row("k")
    rows = [desk.row("k")]
    desk.row = lambda key="k": rows[0]  # type: ignore[method-assign]
    desk.journal.close()

    (ended,) = desk.pay("k")

    assert isinstance(ended, JournalClosed)
    assert (desk.server.count("pay"), desk.permits()) == (0, 1)


def test_cancelled_payments_return_their_in_flight_permits(make_desk: Callable[..., Loop], loop_desk: Loop) -> None:
    """Those under way, which stay SENDING as after a crash, and those that still wait, which were never sent."""
    desk = make_desk(type(loop_desk), max_in_flight=2)
    desk.server.slow_s["pay"] = 60.0
    rows = [desk.row(f"k{number}") for number in range(6)]

    async def main() -> None:
        both = asyncio.Event()
        desk.server.at_send = lambda _request: both.set() if desk.server.paying == 2 else None
        tasks = [asyncio.create_task(desk.advance(row)) for row in rows]
        await asyncio.wait_for(both.wait(), 10)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended)

    desk.runner.run(main())

    assert desk.permits() == 2
    states = [desk.row(f"k{number}").status for number in range(6)]
    assert states.count(PayoutStatus.SENDING) == desk.server.count("pay") == 2
    assert states.count(PayoutStatus.CREATED) == 4


def test_cancelled_waiter_passes_its_in_flight_permit_on(make_desk: Callable[..., Loop], loop_desk: Loop) -> None:
    """Also when it is cancelled in the moment in which the permit becomes its own."""
    desk = make_desk(type(loop_desk), max_in_flight=1)
    desk.server.slow_s["pay"] = 0.02
    rows = [desk.row(f"k{number}") for number in range(20)]

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(desk.advance(row)) for row in rows]
        for task in tasks[1::2]:
            await asyncio.sleep(0.015)
            task.cancel()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    ended = desk.runner.run(main())

    assert [one.status for one in ended[::2]] == [PayoutStatus.SUCCEEDED] * 10
    assert desk.server.most_paying == 1
    assert desk.permits() == 1


def test_error_says_whether_money_was_asked_for(desk: Desk, asks: dict[str, Callable[[], HttpRequest]]) -> None:
    """An error after this moment says that it may have been sent."""
    with desk.line.executor() as executor:
        desk.one(lambda _line: executor(asks["read"]()))
        assert executor.money_asked is False
        desk.one(lambda _line: executor(asks["pay"]()))
        assert executor.money_asked is True


# Approvals.


def test_payout_that_needs_an_approval_waits_before_any_guard(desk: Desk) -> None:
    """Nothing slow or secret is touched for what may not leave anyway; once approved, the guards are asked."""
    why = desk.approval(lambda _payout: "first payout to this number")
    asked = desk.guard(lambda _payout: None)

    (row,) = desk.pay("k")
    assert (row.status, row.reason.code) == (PayoutStatus.CREATED, ReasonCode.NEEDS_APPROVAL)
    assert row.reason.text == "first payout to this number"
    assert (asked, desk.server.requests, len(why)) == ([], [], 1)

    run_flow(approve(row, person=OperatorDecision("Ben", "seen"), at=desk.clock()), desk.journal.execute)  # type: ignore[arg-type]
    (row,) = desk.pay("k")
    assert row.attempt.submissions == 1
    assert len(asked) == 1


def test_amount_over_the_account_limit_needs_an_approval(open_desk: Callable[..., Desk]) -> None:
    """More than the limit waits, exactly the limit does not, a currency without one does; it takes no plugin."""
    desk = open_desk(approve_above={"EUR": "4.99"})
    (row,) = desk.pay("k")
    assert row.reason.text == "It is more than the approve_above of account main."
    assert desk.server.requests == []
    assert open_desk(approve_above={"EUR": "5"}).pay("other")[0].attempt.submissions == 1
    (row,) = open_desk(approve_above={"UGX": "5"}).pay("third")
    assert row.reason.text == "There is no approve_above for EUR in the settings of account main."


def test_limit_of_approvals_stops_no_submission_after_an_ambiguous_one(open_desk: Callable[..., Desk]) -> None:
    """What may have arrived had its approval or needed none: its repetition goes by the provider's own rules."""
    desk = open_desk(approve_above={"EUR": "4.99"})
    row = desk.row("k")

    assert desk.line.above_limit(row) == "It is more than the approve_above of account main."
    assert desk.line.above_limit(replace(row, attempt=replace(row.attempt, ambiguous=True))) == ""


@pytest.mark.parametrize("name", ["exception", "exit", "true", "coroutine"])
def test_approval_hook_that_fails_fails_closed(name: str, desk: Desk) -> None:
    """The payout waits, and the plugin is asked again."""
    asked = desk.approval(BROKEN[name])
    (row,) = desk.pay("k")
    assert (row.status, row.attempt.submissions, row.attempt.guards_passed) == (PayoutStatus.CREATED, 0, False)
    assert row.reason.code is ReasonCode.PROVIDER_UNAVAILABLE
    desk.clock.advance(1000)
    desk.pay("k")
    assert len(asked) == 2


# Guards.


def preflight(desk: Desk, command: Callable[[Any], Any] = RunPreflight, key: str = "k") -> Any:
    """Run the preflight, as a flow does."""
    row = desk.row(key)
    with desk.line.executor() as executor:
        return desk.one(lambda _line: executor(command(row)))


def at_once(desk: Desk) -> Any:
    """Ask whether a new payout may be sent without any wait."""
    return preflight(desk, PreflightAtOnce, "new")


def test_new_payout_is_sent_at_once_when_nothing_makes_it_wait(desk: Desk) -> None:
    """Without a credential it waits for one; with one it takes a connection, and gives it back whatever follows."""
    free = desk.permits()
    assert at_once(desk) is None
    preflight(desk)

    assert at_once(desk) == Proceed(desk.clock())
    assert desk.permits() == free


@pytest.mark.parametrize("hook", ["guard", "approval"])
def test_new_payout_waits_for_plugins(desk: Desk, hook: str) -> None:
    """A plugin is asked when the payout is recorded, never before."""
    preflight(desk)
    asked = getattr(desk, hook)(lambda _payout: None)

    assert at_once(desk) is None
    assert asked == []


@pytest.mark.parametrize("settings", [{"approve_above": {"EUR": "4.99"}}, {"posts_per_s": 5.0}, {"max_in_flight": 1}])
def test_new_payout_waits_for_approval_permit_and_connection(
    open_desk: Callable[..., Desk], settings: dict[str, Any]
) -> None:
    """An amount above the limit, a cap on payments, or no free connection: it is recorded first."""
    desk = open_desk(**settings)
    preflight(desk)
    busy = desk.line.executor()
    if "max_in_flight" in settings:
        row = desk.row("k")
        desk.one(lambda _line: busy(RunPreflight(row)))

    with busy:
        assert at_once(desk) is None


def test_ordinary_payment_draws_no_random_bytes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random bytes are drawn for a provider that signs or answers to a minted path; drawing them lets go of the GIL."""
    drawn: list[int] = []
    desk.pay("warm")
    for module, name in ((os, "urandom"), (random, "_urandom")):
        monkeypatch.setattr(module, name, lambda size: drawn.append(size) or bytes(size))

    (row,) = desk.pay("k")

    assert row.status is PayoutStatus.SUCCEEDED
    assert drawn == []


def test_path_token_is_fresh_and_unguessable(desk: Desk) -> None:
    """Knowing the path is enough to post a result: each query has a path of its own."""
    moment = desk.runtime.moment()
    tokens = {moment.new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {32}  # 24 random bytes


def test_guard_refusal_fails_the_payout(desk: Desk) -> None:
    """The payout fails with the guard's words, numbers masked, before a token or a byte was asked for."""
    desk.guard(lambda _payout: None)
    desk.guard(lambda _payout: "blocked list: 46733123450")

    refused = preflight(desk)
    (row,) = desk.pay("k")

    assert isinstance(refused, RefusedByGuard)
    assert refused.reason.code is ReasonCode.REFUSED_BY_GUARD
    assert (row.status, row.decided_by) == (PayoutStatus.FAILED, "guard")
    assert row.reason.text == "blocked list: 46*******50"
    assert desk.server.requests == []


def raises(error: BaseException) -> Callable[[Any], Any]:
    def guard(_payout: Any) -> Any:
        raise error

    return guard


class Nothing(Exception):
    """An error that says of itself that it is none."""

    def __bool__(self) -> bool:
        return False


BROKEN = {
    "falsy": raises(Nothing("46733123450")),
    "exception": raises(RuntimeError("46733123450")),
    "exit": raises(SystemExit(0)),
    "interrupt": raises(KeyboardInterrupt()),
    "cancellation": raises(asyncio.CancelledError()),
    "stop iteration": raises(StopIteration(None)),
    "true": lambda _payout: True,
    "coroutine": lambda _payout: {"a": "coroutine, or anything else that is no text"},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_guard_that_fails_fails_closed(broken: str, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The payout waits and the guard is asked again; nothing was sent, and nothing of it ends the program."""
    asked = desk.guard(BROKEN[broken])

    with caplog.at_level(logging.ERROR, "payments_core"):
        assert isinstance(preflight(desk), Postponed)
        (row,) = desk.pay("k")

    assert (row.status, row.attempt.submissions, row.attempt.ambiguous) == (PayoutStatus.CREATED, 0, False)
    assert row.schedule.next_at > desk.clock()
    assert desk.server.requests == []
    assert {record.getMessage() for record in caplog.records} == {"payments.hook_failed"}
    assert "46733123450" not in str([vars(record) for record in caplog.records])
    desk.clock.advance(3600)
    desk.pay("k")
    assert len(asked) == 3


def test_log_handler_that_fails_prints_nothing_of_a_guard_error(
    desk: Desk, capsys: pytest.CaptureFixture[str], full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    """Its words may be the payee's number, and are masked in the event only."""
    desk.guard(BROKEN["exception"])
    with full_disk():
        assert isinstance(preflight(desk), Postponed)
    text = capsys.readouterr().err
    assert "no space left" in text
    assert "46733123450" not in text


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect what a thread would print on its way out."""
    entries: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", entries.append)
    return entries


def join_guards() -> None:
    for thread in threading.enumerate():
        if thread.name == "payments-guard":
            thread.join(10)


def test_guard_that_times_out_fails_closed(open_desk: Callable[..., Desk], unheard: list[Any]) -> None:
    """After ``guard_timeout_s`` the payout waits; what the guard says later counts for nothing and breaks nothing."""
    desk = open_desk(guard_timeout_s=0.05)
    done, late = threading.Event(), threading.Event()

    def slow(_payout: Any) -> None:
        done.wait(10)
        late.set()

    desk.guard(slow)
    begun = time.monotonic()
    result = preflight(desk)
    waited_s = time.monotonic() - begun
    done.set()

    assert isinstance(result, Postponed)
    assert "TimeoutError" in result.why
    assert waited_s < 2
    assert late.wait(10)
    join_guards()
    assert unheard == []
    assert desk.server.requests == []


def test_guard_does_not_block_the_event_loop(make_desk: Callable[..., Loop], loop_desk: Loop) -> None:
    """It may block: other tasks go on meanwhile."""
    desk = make_desk(type(loop_desk), guard_timeout_s=10.0)
    free = threading.Event()
    desk.guard(lambda _payout: None if free.wait(10) else "the loop stood still")
    row = desk.row("k")

    async def main() -> Any:
        paid = asyncio.create_task(desk.advance(row))
        await asyncio.sleep(0.02)
        free.set()
        return await paid

    assert desk.runner.run(main()).status is PayoutStatus.SUCCEEDED


def test_cancelled_payment_does_not_interrupt_its_guard(
    make_desk: Callable[..., Loop], loop_desk: Loop, unheard: list[Any]
) -> None:
    desk = make_desk(type(loop_desk))
    free, late = threading.Event(), threading.Event()

    def slow(_payout: Any) -> None:
        free.wait(10)
        late.set()

    desk.guard(slow)
    row = desk.row("k")

    async def main() -> None:
        task = asyncio.create_task(desk.advance(row))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    desk.runner.run(main())
    free.set()

    assert late.wait(10)
    join_guards()
    assert unheard == []
    assert desk.row("k").status is PayoutStatus.CREATED
    assert desk.permits() == desk.account.settings.max_in_flight


def test_guard_is_called_once_for_each_attempt(desk: Desk) -> None:
    """Never again before a request that may be on its way: its answer could not take anything back."""
    asked = desk.guard(lambda _payout: None)
    desk.server.at_send = ends("not sent", desk)
    desk.pay("k")
    desk.clock.advance(3600)
    desk.server.at_send = ends("success", desk)
    (row,) = desk.pay("k")

    assert (row.status, row.attempt.submissions) == (PayoutStatus.SUCCEEDED, 2)
    assert len(asked) == 1


def test_preflight_stops_without_a_credential(desk: Desk) -> None:
    """It is found out before the row says SENDING."""
    desk.server.token_status = 500
    (row,) = desk.pay("k")

    assert (row.status, row.attempt.submissions) == (PayoutStatus.CREATED, 0)
    assert (desk.server.count("token"), desk.server.count("pay")) == (1, 0)


def test_refused_account_is_paused_and_no_payout_fails(desk: Desk) -> None:
    desk.server.token_status = 403
    (row,) = desk.pay("k")

    assert (row.status, row.attempt.submissions) == (PayoutStatus.CREATED, 0)
    assert [(pause.account, pause.by) for pause in desk.journal.pauses()] == [("main", "account_refused")]
    assert desk.server.count("pay") == 0
