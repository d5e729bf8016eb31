"""Repeats requests that are proven harmless to repeat. The only module that imports stamina.

Money requests never come here: only the engine sends those again. The first send runs plain, because entering
stamina costs more than everything else around a request that succeeds.

stamina's hooks, ``set_active`` and ``set_testing`` are global and belong to the application. Its hooks stay in place,
whatever they are, and are not called for the requests repeated here: the default one would print each retry on the
standard output of a program that never asked for it. Our own event ``http.repeated`` reports them (``on_retry``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import stamina
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks
from stamina.typing import RetryHook

from payments_core.http.messages import HttpResponse, NoAnswer, NoPermit, NotSent
from payments_core.http.retry_policy import RetryPolicy

__all__ = ["asend_with_retry", "send_with_retry"]

_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


class _RetryableStatus(Exception):
    """A complete answer whose status is worth another send; an exception, as stamina repeats for nothing else."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(f"HTTP {response.status}")
        self.response = response


_Failure = NotSent | NoAnswer | _RetryableStatus
_OnRetry = Callable[[int, str, float], None] | None


@dataclass(frozen=True, slots=True)
class _HookForOthers:
    """A retry hook of the application, called for every retry but those of this module."""

    hook: RetryHook

    def __call__(self, details: RetryDetails) -> AbstractContextManager[None] | None:
        return None if isinstance(details.caused_by, _Failure) else self.hook(details)


def _keep_hooks_to_others() -> None:
    """Wrap each hook that stamina would call, once; an application may have set new ones since the last retry."""
    hooks = get_on_retry_hooks()
    if not all(isinstance(hook, _HookForOthers) for hook in hooks):
        set_on_retry_hooks([hook if isinstance(hook, _HookForOthers) else _HookForOthers(hook) for hook in hooks])


def send_with_retry(
    policy: RetryPolicy, send: Callable[[], HttpResponse], *, on_retry: _OnRetry = None
) -> HttpResponse:
    """Send a repeatable request until its answer is none to retry for, or the policy is used up.

    A Retry-After is honoured, also when it is longer than the policy's own waits; when it does not fit into the
    deadline, or nothing is left of the deadline, the last answer is returned at once. No send starts after the
    deadline; one that has started ends by its own time-out.

    Args:
        policy: How often, how long, for which statuses.
        send: Sends it once.
        on_retry: Called before each wait with which send failed (1 for the first), why, and the wait in seconds
            without its random part.

    Raises:
        NotSent: The last send ended so.
        NoAnswer: The last send ended so.

    """
    state = _RetryState(policy, on_retry)
    try:
        return state.accept(send())
    except (NotSent, NoAnswer, _RetryableStatus) as failure:
        state.last = failure
    _keep_hooks_to_others()
    try:
        for attempt in stamina.retry_context(**state.arguments()):
            with attempt:
                state.enter(attempt)
                return state.accept(send())
    except _RetryableStatus as retryable:
        return retryable.response
    raise state.last  # not reached: stamina ends with an answer or an exception


async def asend_with_retry(
    policy: RetryPolicy, send: Callable[[], Awaitable[HttpResponse]], *, on_retry: _OnRetry = None
) -> HttpResponse:
    """Send a repeatable request as ``send_with_retry`` does, on an event loop."""
    state = _RetryState(policy, on_retry)
    try:
        return state.accept(await send())
    except (NotSent, NoAnswer, _RetryableStatus) as failure:
        state.last = failure
    _keep_hooks_to_others()
    try:
        async for attempt in stamina.retry_context(**state.arguments()):
            with attempt:
                state.enter(attempt)
                return state.accept(await send())
    except _RetryableStatus as retryable:
        return retryable.response
    raise state.last


class _RetryState:
    """The sends of one request: how many failed, and whether another may follow."""

    last: _Failure

    def __init__(self, policy: RetryPolicy, on_retry: _OnRetry) -> None:
        self._policy = policy
        self._on_retry = on_retry
        self._end = time.monotonic() + policy.deadline_s
        self._attempt: stamina.Attempt | None = None

    def accept(self, response: HttpResponse) -> HttpResponse:
        if response.status in self._policy.statuses:
            raise _RetryableStatus(response)
        return response

    def arguments(self) -> dict[str, Any]:
        return {
            "on": self._wait_s,
            "attempts": self._policy.attempts,
            "timeout": None,  # _wait_s keeps the deadline, which counts from the first, plain send
            "wait_initial": self._policy.first_wait_s,
            "wait_max": self._policy.longest_wait_s,
            "wait_jitter": self._policy.jitter_s,
        }

    def enter(self, attempt: stamina.Attempt) -> None:
        """Begin a round: the first one only repeats the failure of the plain send, so that stamina waits after it."""
        self._attempt = attempt
        if attempt.num == 1 or self._left_s() <= 0:
            raise self.last

    def _left_s(self) -> float:
        return self._end - time.monotonic()

    def _wait_s(self, failure: Exception) -> float | bool:
        """Return what stamina does next: False to stop, True for its own wait, or the wait the server asked for."""
        if not isinstance(failure, _Failure) or isinstance(failure, NoPermit) or self._attempt is None:
            return False  # stamina also asks about cancellations and bugs
        self.last = failure
        asked_s = _retry_after_s(failure.response) if isinstance(failure, _RetryableStatus) else None
        wait_s = asked_s or self._attempt.next_wait
        if self._attempt.num >= self._policy.attempts or wait_s >= self._left_s():
            return False
        if self._on_retry:
            self._on_retry(self._attempt.num, str(failure), wait_s)
        return asked_s or True


def _retry_after_s(response: HttpResponse) -> float | None:
    """Return the wait the answer asks for, as seconds or as a date (RFC 9110, 10.2.3); None for none or nonsense."""
    text = response.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - response.at).total_seconds())
