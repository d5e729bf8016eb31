"""One exchange with its end: what comes of it is a value or the error that says what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from payments_core.domain.errors import PaymentsError
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_mtn_momo.native.failures import (
    Asked,
    action_failed,
    action_unanswered,
    illegible,
    misused,
    read_failed,
    read_unanswered,
)
from payments_mtn_momo.operations import OPERATIONS

__all__ = ["act", "ask", "checked", "legible"]

T = TypeVar("T")


def ask(asked: Asked, request: HttpRequest, read: Callable[[HttpResponse], T | None]) -> HttpFlow[T]:
    """Ask for one read and return what it says.

    Raises:
        ReadError: It did not end well.

    """
    try:
        answer = yield from exchange(request)
    except (NotSent, NoAnswer) as ended:
        failure = read_unanswered(asked, ended)
    else:
        found = read(answer) if answer.status in OPERATIONS[asked.operation].success else None
        if found is not None:
            return found
        failure = read_failed(asked, answer)
    raise failure


def act(asked: Asked, request: HttpRequest) -> HttpFlow[HttpResponse]:
    """Ask for one call that does something, once, and return its answer if that is a success.

    Raises:
        ActionError: It did not end well.

    """
    try:
        answer = yield from exchange(request)
    except (NotSent, NoAnswer) as ended:
        failure = action_unanswered(asked, ended)
    else:
        if answer.status in OPERATIONS[asked.operation].success:
            return answer
        failure = action_failed(asked, answer)
    raise failure


def checked(asked: Asked, check: Callable[[], T]) -> T:
    """Return what a check returns.

    Raises:
        NotSentError: It found a mistake.

    """
    try:
        return check()
    except PaymentsError as problem:
        failure = misused(asked, problem)
    raise failure


def legible(asked: Asked, found: T | None, answer: HttpResponse) -> T:
    """Return what was read in the answer to an action.

    Raises:
        UnknownOutcomeError: There was nothing that can be read.

    """
    if found is None:
        raise illegible(asked, answer)
    return found
