"""The callbacks of a gateway: due times, results and retries. No socket, no clock."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal

from payments_core.testing.emulator.destinations import Destination, destination_of

__all__ = ["Callback", "CallbackBook", "DeliveryAttempt"]

_JSON: Mapping[str, str] = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt to deliver a callback."""

    at: datetime  #: The time, by the gateway's clock.
    answer: int | None  #: The receiver's HTTP status; None without an answer.
    failed: str = ""  #: How it failed; empty with an answer.


@dataclass(slots=True, kw_only=True, eq=False)
class Callback:
    """One callback and its result."""

    reference: str  #: The reference of the payment that it names.
    url: str  #: The requested address.
    method: Literal["POST", "PUT"]  #: POST or PUT.
    says: str  #: The status in its body.
    body: bytes  #: The body; emptied when the callback is done.
    headers: Mapping[str, str]  #: Beside those that HTTP needs.
    destination: Destination | str  #: Where it is sent, or why it is not sent.
    due_at: datetime  #: The time of the next attempt; every attempt sends the same body.
    faults: tuple[str, ...] = ()  #: The faults that changed it.
    early: bool = False  #: Whether the payment's answer waits for its first attempt.
    #: The result: ``received`` after a valid acknowledgement, ``given up`` after the last attempt without one,
    #: ``lost`` by a fault, ``not sent`` where an emulator does not call its address.
    state: Literal["waiting", "sending", "received", "given up", "lost", "not sent"] = "waiting"
    attempts: list[DeliveryAttempt] = field(default_factory=list)
    then: list[Callback] = field(default_factory=list)  #: Callbacks that are due after its first attempt.

    @classmethod
    def of(
        cls,
        reference: str,
        url: str,
        says: str,
        payload: Mapping[str, Any],
        due_at: datetime,
        *,
        method: Literal["POST", "PUT"] = "POST",
        headers: Mapping[str, str] = _JSON,
        via: str = "",
    ) -> Callback:
        """Return a callback in compact JSON; ``via`` is an address that is called instead of ``url``."""
        return cls(
            reference=reference,
            url=url,
            method=method,
            says=says,
            body=json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode(),
            headers=headers,
            destination=destination_of(url, via),
            due_at=due_at,
        )


class CallbackBook:
    """Every planned callback in order, with its status, state and attempts.

    ``planned`` has them, and ``rows()``, which ``emulator.callbacks()`` and ``/__emulator/callbacks`` return. Bodies
    are not kept: a body is emptied when its callback is done, and the status (``says``) remains.

    Args:
        retries_s: Seconds between the end of one attempt and the next; after the last one, the callback is given up.
        only_200: Whether only 200 acknowledges a callback, instead of every 2xx.

    """

    def __init__(self, retries_s: Sequence[float] = (), *, only_200: bool = False) -> None:
        #: Each with its ``state`` and its ``attempts``.
        self.planned: list[Callback] = []
        self._retries_s = retries_s
        self._only_200 = only_200
        self._waiting: list[tuple[datetime, int, Callback]] = []
        self._turn = count()

    def add(self, callback: Callback) -> None:
        """Plan a callback and its followers."""
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
        """Return the due callbacks, and the seconds until the next is due; None when none waits."""
        found = []
        while self._waiting and self._waiting[0][0] <= at:
            callback = heapq.heappop(self._waiting)[2]
            callback.state = "sending"
            found.append(callback)
        return found, (self._waiting[0][0] - at).total_seconds() if self._waiting else None

    def put_back(self) -> None:
        """Return callbacks that were being sent to the waiting ones."""
        for callback in self.planned:
            if callback.state == "sending":
                callback.state = "waiting"
                self._queue(callback)

    def note(self, callback: Callback, answer: int | None, failed: str, took_s: float) -> None:
        """Record the result of an attempt, and plan the next one.

        Args:
            callback: The callback that was sent.
            answer: The receiver's HTTP status; None without an answer.
            failed: How it failed; empty with an answer.
            took_s: Seconds that the attempt took.

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
        """Yield one row for each callback, in the order of planning."""
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
