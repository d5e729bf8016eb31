"""The callbacks of a gateway: when each is due, what came of it, when it is tried again. No socket, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal

from payments_core.testing.emulator.destinations import Destination

__all__ = ["Callback", "CallbackBook", "DeliveryAttempt"]


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One sending of a callback.

    Args:
        at: When, by the gateway's clock.
        answer: The receiver's HTTP status; None when there was none.
        failed: How it failed; empty when there was an answer.

    """

    at: datetime
    answer: int | None
    failed: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Callback:
    """One callback, and what became of it.

    Args:
        reference: The payment it is told to be about.
        url: The address asked for.
        method: POST or PUT.
        says: The status that its body tells, in a word.
        body: What is sent; emptied when it is over.
        headers: Beside those that HTTP needs.
        destination: Where it goes, or why it goes nowhere.
        due_at: When it is tried next; what is sent is written once, and the same each time.
        faults: The faults that made it what it is.
        early: Whether the payment's answer waits for its first try.
        state: What became of it: ``received`` when a try was answered as the provider wants, ``given up`` when none
            was, ``lost`` by a fault, ``not sent`` where its address is none that an emulator calls.
        then: What is due only after its first try.

    """

    reference: str
    url: str
    method: Literal["POST", "PUT"]
    says: str
    body: bytes
    headers: Mapping[str, str]
    destination: Destination | str
    due_at: datetime
    faults: tuple[str, ...] = ()
    early: bool = False
    state: Literal["waiting", "sending", "received", "given up", "lost", "not sent"] = "waiting"
    attempts: list[DeliveryAttempt] = field(default_factory=list)
    then: list[Callback] = field(default_factory=list)


class CallbackBook:
    """Every callback that was planned, in that order: which word it tells, where it stands, how each try was answered.

    Ask it for ``planned``, or for ``rows()``, which ``emulator.callbacks()`` and ``/__emulator/callbacks`` give. It
    does not keep what was sent: a body is emptied when its callback is over, and its word (``says``) remains. Whoever
    wants the bytes listens for them.

    Args:
        retries_s: Seconds between the end of one try and the next; when they are over, it is given up.
        only_200: Whether 200 alone ends the tries, and not every 2xx.

    """

    def __init__(self, retries_s: Sequence[float] = (), *, only_200: bool = False) -> None:
        #: Each with its ``state`` and its ``attempts``.
        self.planned: list[Callback] = []
        self._retries_s = retries_s
        self._only_200 = only_200
        self._waiting: list[tuple[datetime, int, Callback]] = []
        self._turn = count()

    def add(self, callback: Callback) -> None:
        """Plan a callback, and with it whatever follows it."""
        self._list(callback)
        self._queue(callback)

    def _list(self, callback: Callback) -> None:
        if isinstance(callback.destination, str) and callback.state == "waiting":
            callback.state, callback.body = "not sent", b""
        self.planned.append(callback)
        for follower in callback.then:
            self._list(follower)

    def _queue(self, callback: Callback) -> None:
        if callback.state == "waiting":
            heapq.heappush(self._waiting, (callback.due_at, next(self._turn), callback))

    def due(self, at: datetime) -> tuple[list[Callback], float | None]:
        """Return what is to be sent now, and the seconds until there will be more; None when nothing waits."""
        found = []
        while self._waiting and self._waiting[0][0] <= at:
            callback = heapq.heappop(self._waiting)[2]
            callback.state = "sending"
            found.append(callback)
        return found, (self._waiting[0][0] - at).total_seconds() if self._waiting else None

    def put_back(self) -> None:
        """Let everything wait again that was due and is not sent any more."""
        for callback in self.planned:
            if callback.state == "sending":
                callback.state = "waiting"
                self._queue(callback)

    def note(self, callback: Callback, answer: int | None, failed: str, took_s: float) -> None:
        """Write down what came of a try, and when there will be another.

        Args:
            callback: Which was sent.
            answer: The receiver's HTTP status; None when there was none.
            failed: How it failed, if so.
            took_s: Seconds it took.

        """
        callback.attempts.append(DeliveryAttempt(callback.due_at, answer, failed))
        if self._is_received(answer):
            callback.state = "received"
        elif len(callback.attempts) > len(self._retries_s):
            callback.state = "given up"
        else:
            callback.state = "waiting"
            callback.due_at += timedelta(seconds=took_s + self._retries_s[len(callback.attempts) - 1])
            self._queue(callback)
        if callback.state != "waiting":
            callback.body = b""
        if len(callback.attempts) == 1:
            for follower in callback.then:
                self._queue(follower)

    def _is_received(self, answer: int | None) -> bool:
        if answer is None:
            return False
        return answer == 200 if self._only_200 else 200 <= answer < 300

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row a callback, in the order they were planned."""
        for callback in self.planned:
            goes = callback.destination
            yield {
                "reference": callback.reference,
                "method": callback.method,
                "url": callback.url,
                "to": None if isinstance(goes, str) else [_address(one, goes.port) for one in goes.addresses],
                "says": callback.says,
                "faults": list(callback.faults),
                "state": callback.state,
                "not_sent": goes if isinstance(goes, str) else None,
                "next_at": callback.due_at.isoformat() if callback.state == "waiting" else None,
                "attempts": [
                    {"at": one.at.isoformat(), "answer": one.answer, "failed": one.failed or None}
                    for one in callback.attempts
                ],
            }


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
