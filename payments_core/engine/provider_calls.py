"""Runs a provider's flows under watch, so that a provider's mistake cannot become a payment.

Only HTTP requests come out of a provider's flow, at most one of them moves money, and that one is the stored request,
perhaps with slots filled. Once it has been asked for, nothing but a proven ``NotSent`` of that very request means "not
sent".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from payments_core.domain.errors import ProviderBug
from payments_core.domain.masking import scrub
from payments_core.engine.flow import EngineFlow
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, fill, is_filled
from payments_core.provider import (
    AccountRefused,
    CheckOutcome,
    Deferred,
    Draft,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    PayoutProvider,
    Pending,
    SubmitOutcome,
    Unknown,
)

__all__ = ["CheckResult", "SubmitResult", "query", "read_only", "send_once"]

T = TypeVar("T")
_MOST_REQUESTS = 100  # of one flow: a provider that asks for ever would hold its worker for ever


SubmitResult = SubmitOutcome | NotSent | NoAnswer
CheckResult = CheckOutcome | NotSent | NoAnswer


def send_once(
    provider: PayoutProvider, draft: Draft, *, timeout_s: float, send_before: datetime, at: datetime
) -> EngineFlow[tuple[SubmitResult, datetime]]:
    """Run ``submit``: the stored request leaves once at the most, and never after ``send_before``.

    Returns:
        How it ended, and when its last exchange did.

    """
    watch = _Watch(at)

    def stamp(request: HttpRequest) -> HttpRequest:
        if not request.moves_money:
            return request
        if watch.asked:
            raise ProviderBug("The provider asked for a second money request in one flow.")
        if not is_filled(request, draft.request):
            raise ProviderBug("The provider asked for another money request than the one it drafted.")
        watch.asked = True
        if draft.answer_token is not None:
            request = fill(request, {"answer_token": draft.answer_token})
        return replace(request, timeout_s=timeout_s, send_before=send_before)

    outcome: object = yield from _watched(lambda: provider.submit(draft), stamp, watch)
    if not isinstance(
        outcome, Final | Pending | Duplicate | NotAccepted | AccountRefused | Unknown | NotSent | NoAnswer
    ):
        outcome = NoAnswer(f"provider bug: {type(outcome).__name__} is no outcome", at=watch.at)
    why = outcome.why if isinstance(outcome, NotSent | NoAnswer) else ""
    if not watch.asked and not isinstance(outcome, NotAccepted | AccountRefused):
        return NotSent(why or "the provider did not ask for its money request", at=watch.at), watch.at
    if watch.asked and not watch.not_sent and isinstance(outcome, NotSent):
        return NoAnswer(why, at=watch.at), watch.at
    failed = isinstance(outcome, Final) and not outcome.succeeded
    if watch.lost and (failed or isinstance(outcome, NotAccepted | AccountRefused)):
        return NoAnswer("the answer to the money request was lost", at=watch.at), watch.at
    return outcome, watch.at


def query(provider: PayoutProvider, draft: Draft, *, at: datetime) -> EngineFlow[tuple[CheckResult, datetime]]:
    """Run ``check``: it moves no money, and however it breaks it only fails to tell.

    Returns:
        The result, and when it was complete.

    """
    outcome: CheckResult
    outcome, at = yield from read_only(lambda: provider.check(draft), at=at)
    given: object = outcome  # whatever the annotations say
    if not isinstance(given, Final | Pending | NotFound | Unknown | Deferred | NotSent | NoAnswer):
        outcome = NoAnswer(f"provider bug: {type(given).__name__} is no answer", at=at)
    return outcome, at


def read_only(
    start: Callable[[], HttpFlow[T]], *, at: datetime, answer_token: str | None = None
) -> EngineFlow[tuple[T | NotSent | NoAnswer, datetime]]:
    """Run a flow of a provider that moves no money, and refuses to.

    Args:
        start: Begins it.
        at: Now.
        answer_token: Of the path to which the answer comes later; None where it comes at once.

    Returns:
        What it gave or how it ended, and when.

    """
    watch = _Watch(at)

    def stamp(request: HttpRequest) -> HttpRequest:
        if request.moves_money:
            raise ProviderBug("The provider asked for a money request in a read.")
        return request if answer_token is None else fill(request, {"answer_token": answer_token})

    outcome = yield from _watched(start, stamp, watch)
    return outcome, watch.at


class _Watch:
    """What happened to the money request, and the time of the last reply."""

    __slots__ = ("asked", "at", "lost", "not_sent")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.asked = False  # the money request was asked for
        self.not_sent = False  # ... and was proven not sent
        self.lost = False  # ... and has no answer


def _watched(
    start: Callable[[], HttpFlow[T]], stamp: Callable[[HttpRequest], HttpRequest], watch: _Watch
) -> EngineFlow[T | NotSent | NoAnswer]:
    """Drive a provider's flow from inside ours; everything that goes wrong in it becomes a value."""
    flow: HttpFlow[T] | None = None
    asked = 0
    try:
        flow = start()
        command = next(flow)
        while True:
            if not isinstance(command, HttpRequest):
                raise ProviderBug(f"A provider's flow asked for {type(command).__name__}; it may only ask for HTTP.")
            if asked == _MOST_REQUESTS:
                raise ProviderBug(f"A provider's flow asked for more than {_MOST_REQUESTS} requests.")
            asked += 1
            request = stamp(command)
            try:
                response: HttpResponse = yield request
            except (NotSent, NoAnswer) as ended:
                watch.at = ended.at
                if request.moves_money:
                    watch.not_sent, watch.lost = isinstance(ended, NotSent), isinstance(ended, NoAnswer)
                command = flow.throw(ended)
            else:
                watch.at = response.at
                command = flow.send(response)
    except StopIteration as end:
        result: T = end.value
        return result
    except (NotSent, NoAnswer) as ended:
        return ended
    except Exception as bug:  # noqa: BLE001 a provider's own fault must not look like an answer
        return NoAnswer(f"provider bug: {type(bug).__name__}: {scrub(str(bug))}", at=watch.at)
    finally:
        if flow is not None:
            with suppress(Exception):  # not even a flow that is none, or will not end, may hide what was found
                flow.close()
