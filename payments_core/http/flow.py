"""Flows: generators that ask for I/O and do none, and the two runners that drive them.

A provider's flow yields HTTP requests and nothing else. A flow holds no clock and draws no random number; both come to
it as arguments and in responses. So a test can stop it before any step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TypeAlias, TypeVar

from payments_core.domain.errors import ProviderBug
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent

__all__ = ["HttpFlow", "arun_flow", "exchange", "run_flow"]

C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")

HttpFlow: TypeAlias = Generator[HttpRequest, HttpResponse, T]


def exchange(request: HttpRequest) -> HttpFlow[HttpResponse]:
    """Ask for one HTTP exchange.

    Raises:
        NotSent: Proven: no server read the request.
        NoAnswer: Anything else that is not a complete response.

    """
    return (yield request)


def run_flow(flow: Generator[C, R, T], execute: Callable[[C], R]) -> T:
    """Drive a flow to its end; ``NotSent`` and ``NoAnswer`` go into it, anything else closes it and is raised.

    Args:
        flow: Yields commands.
        execute: Carries out one command and returns its result.

    """
    try:
        command = next(flow)
        while True:
            try:
                reply = execute(command)
            except (NotSent, NoAnswer) as ended:
                command = flow.throw(ended)
            except StopIteration as stray:
                raise _wrapped(stray) from stray
            else:
                command = flow.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


async def arun_flow(flow: Generator[C, R, T], execute: Callable[[C], Awaitable[R]]) -> T:
    """Drive a flow to its end on an event loop; a cancellation closes it and is raised.

    Args:
        flow: Yields commands.
        execute: Carries out one command and returns its result.

    """
    try:
        command = next(flow)
        while True:
            try:
                reply = await execute(command)
            except (NotSent, NoAnswer) as ended:
                command = flow.throw(ended)
            except StopIteration as stray:  # a coroutine turns it into RuntimeError; a plain awaitable may not
                raise _wrapped(stray) from stray
            else:
                command = flow.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


def _wrapped(stray: StopIteration) -> ProviderBug:
    # Unguarded, it would be taken for the flow's own result.
    return ProviderBug(f"An executor raised StopIteration({stray.value!r}).")
