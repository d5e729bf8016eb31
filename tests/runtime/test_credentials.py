"""Credentials: fetched once however many ask, used while they are good, and never a reason to pay twice."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from payments_core.domain.payout import PayoutStatus
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.provider import AccountRefused, Credential, RetryPolicy
from payments_core.runtime import AsyncAccountSession

if TYPE_CHECKING:
    from tests.runtime.conftest import Desk, Loop

Asks = dict[str, Callable[[], HttpRequest]]


def token(fetched: object) -> str:
    assert isinstance(fetched, Credential), fetched
    return fetched.secrets["token"]


def test_credential_is_fetched_once_for_many_callers(desk: Desk) -> None:
    """200 threads, or 1,000 tasks, that all need a token at the same moment cost one token call."""
    fetched = desk.all(lambda line: line.credential(), desk.many)

    assert len(fetched) == desk.many
    assert {token(one) for one in fetched} == {"token-1"}
    assert desk.server.count("token") == 1


def test_credential_is_fetched_once_for_a_thousand_payments(loop_desk: Loop) -> None:
    keys = [f"k{number}" for number in range(1000)]

    rows = loop_desk.pay(*keys)

    assert {row.status for row in rows} == {PayoutStatus.SUCCEEDED}
    assert (loop_desk.server.count("token"), loop_desk.server.count("pay")) == (1, 1000)


def test_credential_is_renewed_before_it_expires(desk: Desk) -> None:
    """The provider says until when it may be used, its margin included; from that moment on it is not."""
    desk.server.token_life_s = 60.0

    assert token(desk.one(lambda line: line.credential())) == "token-1"
    desk.clock.advance(49.9)
    assert token(desk.one(lambda line: line.credential())) == "token-1"
    desk.clock.advance(0.1)
    assert {token(one) for one in desk.all(lambda line: line.credential(), 50)} == {"token-2"}
    assert desk.server.count("token") == 2


def test_credential_without_an_expiry_is_kept(desk: Desk) -> None:
    desk.server.token_life_s = None
    desk.one(lambda line: line.credential())
    desk.clock.advance(10 * 365 * 86_400)
    desk.one(lambda line: line.credential())

    assert desk.server.count("token") == 1


def test_credential_expired_on_arrival_is_used_once(desk: Desk, asks: Asks) -> None:
    """A server with a slow clock: every request has a token of its own, and none is lost in a loop."""
    desk.server.token_life_s = 5.0

    for _ in range(2):
        assert desk.one(lambda line: line.exchange(asks["pay"]())).status == 200
    assert (desk.server.count("token"), desk.server.count("pay")) == (2, 2)


def test_request_that_needs_no_credential_has_none(desk: Desk, asks: Asks) -> None:
    assert desk.one(lambda line: line.exchange(asks["token"]())).status == 200
    assert [(request.operation, request.headers) for request in desk.server.requests] == [("token", {})]


# Cancelled and interrupted.


def test_cancelled_waiter_for_a_credential_harms_no_other(loop_desk: Loop) -> None:
    """Not even the one that began the fetch: no waiter owns it."""
    line: AsyncAccountSession = loop_desk.line

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(line.credential()) for _ in range(100)]
        await asyncio.sleep(0.005)
        for task in tasks[:50]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended = loop_desk.runner.run(main())

    assert all(isinstance(one, asyncio.CancelledError) for one in ended[:50])
    assert {token(one) for one in ended[50:]} == {"token-1"}
    assert loop_desk.server.count("token") == 1


def test_fetch_without_waiters_still_completes(loop_desk: Loop) -> None:
    line: AsyncAccountSession = loop_desk.line

    async def main() -> None:
        task = asyncio.create_task(line.credential())
        await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert token(await line.credential()) == "token-1"

    loop_desk.runner.run(main())

    assert loop_desk.server.count("token") == 1


def test_closing_the_client_ends_a_fetch(loop_desk: Loop) -> None:
    """A client that is closed leaves no task behind."""
    line: AsyncAccountSession = loop_desk.line
    loop_desk.server.slow_s["token"] = 60.0

    async def main() -> None:
        waiter = asyncio.create_task(line.credential())
        await asyncio.sleep(0.005)
        await line.close()
        await asyncio.gather(waiter, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    loop_desk.runner.run(main())


def test_interrupted_fetch_harms_no_other_thread(thread_desk: Desk) -> None:
    """Ctrl-C is for one thread: those who waited with it have no credential yet, and the next one who asks gets one."""

    def interrupt(_request: HttpRequest) -> None:
        threading.Event().wait(0.3)  # from the first one's fetch on: meanwhile the others come
        raise KeyboardInterrupt

    thread_desk.server.at_send = interrupt
    ended = thread_desk.all(lambda line: line.credential(), 20)

    assert sum(isinstance(one, KeyboardInterrupt) for one in ended) == 1
    assert sum(isinstance(one, NoAnswer) for one in ended) == 19

    thread_desk.server.at_send = lambda _request: None
    assert token(thread_desk.one(lambda line: line.credential())) == "token-2"


# Failures.


@pytest.mark.parametrize("lost", [NotSent, NoAnswer])
def test_failed_fetch_is_shared_by_all_waiters(desk: Desk, lost: type[NotSent | NoAnswer]) -> None:
    """When no token can be fetched, all waiters get the failure together, and none fetches again."""

    def fail(_request: HttpRequest) -> None:
        threading.Event().wait(0.05)
        raise lost("refused", at=desk.clock())

    desk.server.at_send = fail
    fetched = desk.all(lambda line: line.credential(), 50)

    assert {type(one) for one in fetched} == {lost}
    assert desk.server.count("token") == 1


def test_failed_fetch_is_not_kept(desk: Desk) -> None:
    desk.server.token_status = 403
    refused = desk.one(lambda line: line.credential())
    assert isinstance(refused, AccountRefused)
    assert str(refused.reason) == "credentials (403)"

    desk.server.token_status = 200
    assert token(desk.one(lambda line: line.credential())) == "token-2"


def test_request_without_its_credential_is_not_sent(open_desk: Callable[..., Desk], asks: Asks) -> None:
    """And the read's own policy does not repeat the token call: it has one of its own."""
    desk = open_desk(retry={"read": RetryPolicy(attempts=3, first_wait_s=0.001, longest_wait_s=0.001, jitter_s=0)})
    desk.server.token_status = 403

    ended = [
        *desk.all(lambda line: line.exchange(asks["read"]())),
        *desk.all(lambda line: line.exchange(asks["pay"]())),
    ]

    assert [(type(one), str(one)) for one in ended] == [(NotSent, "no credential: credentials (403)")] * 2

    assert [request.operation for request in desk.server.requests] == ["token", "token"]


def test_token_call_is_repeated_by_its_own_policy(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(retry={"token": RetryPolicy(attempts=3, first_wait_s=0.001, longest_wait_s=0.001, jitter_s=0)})
    desk.server.token_status = 503

    (fetched,) = desk.all(lambda line: line.credential())

    assert isinstance(fetched, NoAnswer)
    assert desk.server.count("token") == 3


def returns(value: object) -> Callable[[Asks], Callable[[], HttpFlow[Any]]]:
    def made(_asks: Asks) -> Callable[[], HttpFlow[Any]]:
        def sign_in() -> HttpFlow[Any]:
            yield from ()
            return value

        return sign_in

    return made


def asks_for(name: str) -> Callable[[Asks], Callable[[], HttpFlow[Any]]]:
    return lambda asks: lambda: exchange(asks[name]())


def fails(_asks: Asks) -> Callable[[], HttpFlow[Any]]:
    def sign_in() -> HttpFlow[Any]:
        yield from ()
        raise ValueError("sekrit")

    return sign_in


BUGS = {
    "nothing": returns(None),
    "text": returns("token"),
    "answer": asks_for("token"),
    "its own credential": asks_for("read"),
    "a payment": asks_for("pay"),
    "raises": fails,
}


@pytest.mark.parametrize("bug", BUGS)
def test_provider_bug_in_a_fetch_reaches_every_waiter(bug: str, desk: Desk, asks: Asks) -> None:
    """It neither hangs nor moves money, and every waiter hears of it."""
    desk.carrier.sign_in = BUGS[bug](asks)

    fetched = desk.all(lambda line: line.credential(), 10)

    assert {type(one) for one in fetched} == {NoAnswer}
    assert all(one.why.startswith("provider bug: ") and "sekrit" not in one.why for one in fetched)
    assert desk.server.count("pay") == desk.server.count("read") == 0


# Refused by the provider.


def test_refused_read_is_repeated_only_once(desk: Desk, asks: Asks) -> None:
    """A provider that refuses every token is asked twice, not for ever."""
    desk.server.refuses_all = True

    assert desk.one(lambda line: line.exchange(asks["read"]())).status == 401
    assert (desk.server.count("token"), desk.server.count("read")) == (2, 2)


def test_refused_reads_together_fetch_one_new_token(desk: Desk, asks: Asks) -> None:
    desk.one(lambda line: line.credential())
    desk.server.forget_tokens()
    desk.server.slow_s["read"] = 0.05

    answers = desk.all(lambda line: line.exchange(asks["read"]()), 50)

    assert {(answer.status, answer.text) for answer in answers} == {(200, "token-2")}
    assert desk.server.count("token") == 2
    assert 50 < desk.server.count("read") <= 100  # who comes after the renewal is never refused


def test_refused_payment_is_never_repeated(desk: Desk, asks: Asks) -> None:
    """Whether it was really not taken is for the engine to decide; the token is dropped, so the next one is fresh."""
    desk.one(lambda line: line.credential())
    desk.server.forget_tokens()

    answer: HttpResponse = desk.one(lambda line: line.exchange(asks["pay"]()))

    assert (answer.status, desk.server.count("pay"), desk.server.count("token")) == (401, 1, 1)
    assert desk.one(lambda line: line.exchange(asks["pay"]())).text == "token-2"
    assert (desk.server.count("pay"), desk.server.count("token")) == (2, 2)


def test_late_refusal_does_not_drop_a_newer_token(desk: Desk, asks: Asks) -> None:
    """A payment that left with the old token hears of it after a read has fetched the new one."""
    desk.one(lambda line: line.credential())
    desk.server.forget_tokens()
    desk.server.slow_s["pay"] = 0.2
    requests, has_left = iter([asks["pay"](), asks["read"]()]), threading.Event()

    def in_order(request: HttpRequest) -> None:
        if request.moves_money:
            has_left.set()
        assert has_left.wait(10)

    desk.server.at_send = lambda request: None if request.operation == "token" else in_order(request)
    ended = desk.all(lambda line: line.exchange(next(requests)), 2)

    assert sorted((answer.status, answer.text) for answer in ended) == [(200, "token-2"), (401, "token-1")]
    assert token(desk.one(lambda line: line.credential())) == "token-2"
    assert desk.server.count("token") == 2


def test_payment_is_never_repeated_whatever_the_result(open_desk: Callable[..., Desk], asks: Asks) -> None:
    """No policy, no status and no lost answer makes a line send a money request again."""
    policy = RetryPolicy(attempts=5, first_wait_s=0.001, statuses=frozenset({200, 401, 503}))
    desk = open_desk(retry={"pay": policy})
    assert desk.one(lambda line: line.exchange(asks["pay"]())).status == 200

    def lose(request: HttpRequest) -> None:
        if request.moves_money:
            raise NoAnswer("reset", at=desk.clock())

    desk.server.at_send = lose
    with pytest.raises(NoAnswer):
        desk.one(lambda line: line.exchange(asks["pay"]()))

    assert desk.server.count("pay") == 2


# What is logged.


def test_credential_log_has_the_account_and_no_secret(desk: Desk, caplog: pytest.LogCaptureFixture, asks: Asks) -> None:
    """That it was fetched, for which account; neither the token nor the address it came from."""
    with caplog.at_level(logging.DEBUG, "payments_core"):
        desk.one(lambda line: line.exchange(asks["read"]()))
        desk.server.token_status = 403
        desk.server.forget_tokens()
        with pytest.raises(NotSent):
            desk.one(lambda line: line.exchange(asks["read"]()))

    entries = [(record.getMessage(), vars(record)["account"]) for record in caplog.records]
    assert ("credential.obtained", "main") in entries
    assert ("credential.refused", "main") in entries
    everything = str([vars(record) for record in caplog.records])
    assert "token-1" not in everything
    assert "carrier.example" not in everything
