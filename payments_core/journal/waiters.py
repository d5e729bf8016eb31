"""What waits for an entry to be written: a blocked thread, a future, or a task of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from payments_core.domain.errors import JournalError

__all__ = [
    "BlockingWaiter",
    "Entry",
    "Failed",
    "FutureWaiter",
    "LoopWaiter",
    "Reply",
    "Waiter",
    "Wrote",
    "set_outcomes",
]

Entry = TypeVar("Entry")
Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Wrote(Generic[Reply]):
    """The entry is written."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Failed:
    """The entry is not written, or that is not known."""

    error: BaseException


class BlockingWaiter(Generic[Entry, Reply]):
    """A thread that waits in ``execute``. A bare lock, since an interrupt inside a future could leave its lock held."""

    __slots__ = ("_gate", "entry", "has_left", "outcome")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.has_left = False
        self.outcome: Wrote[Reply] | Failed | None = None
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self, enqueue: Callable[[BlockingWaiter[Entry, Reply]], None]) -> Reply:
        """Queue up and wait for the reply, or raise the entry's error; left before its turn, it is not written."""
        try:
            enqueue(self)
            self._gate.acquire()
        except BaseException:
            self.has_left = True
            raise
        if self.outcome is None:
            raise JournalError("The journal's writer did not answer.")
        if isinstance(self.outcome, Failed):
            raise self.outcome.error
        return self.outcome.reply

    def take_up(self) -> bool:
        """Whether the thread still waits."""
        return not self.has_left

    def set_outcome(self, outcome: Wrote[Reply] | Failed) -> None:
        """Hand over the outcome."""
        self.outcome = outcome
        self._gate.release()


class FutureWaiter(Generic[Entry, Reply]):
    """A future."""

    __slots__ = ("entry", "future")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.future: Future[Reply] = Future()

    def take_up(self) -> bool:
        """Whether it was not cancelled; from now on it cannot be."""
        return self.future.set_running_or_notify_cancel()

    def set_outcome(self, outcome: Wrote[Reply] | Failed) -> None:
        """Hand over the outcome."""
        with contextlib.suppress(BaseException):  # a callback of the caller's must not end the writer
            if isinstance(outcome, Failed):
                self.future.set_exception(outcome.error)
            else:
                self.future.set_result(outcome.reply)


class LoopWaiter(Generic[Entry, Reply]):
    """A task of an event loop, made on that loop.

    A task that is cancelled once its entry was taken up may find it written: as after a crash that followed the commit.
    """

    __slots__ = ("entry", "future", "loop")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Reply] = self.loop.create_future()

    def take_up(self) -> bool:
        """Whether the task still waits."""
        return not self.future.done()

    def set_outcome(self, outcome: Wrote[Reply] | Failed) -> None:
        """Hand over the outcome, on the loop."""
        if self.future.done():  # cancelled
            return
        if isinstance(outcome, Failed):
            self.future.set_exception(outcome.error)
        else:
            self.future.set_result(outcome.reply)


Waiter: TypeAlias = BlockingWaiter[Entry, Reply] | FutureWaiter[Entry, Reply] | LoopWaiter[Entry, Reply]


def set_outcomes(members: Iterable[Waiter[Entry, Reply]], outcomes: Iterable[Wrote[Reply] | Failed]) -> None:
    """Hand over the outcomes of a commit; those for one event loop together, as waking it costs more than the rest."""
    on_loops: dict[asyncio.AbstractEventLoop, list[tuple[LoopWaiter[Any, Any], Wrote[Any] | Failed]]] = {}
    for member, outcome in zip(members, outcomes, strict=True):
        if isinstance(member, LoopWaiter):
            on_loops.setdefault(member.loop, []).append((member, outcome))
        else:
            member.set_outcome(outcome)
    for loop, answers in on_loops.items():
        with contextlib.suppress(RuntimeError):  # closed meanwhile: its tasks are gone
            loop.call_soon_threadsafe(_answer, answers)


def _answer(answers: Iterable[tuple[LoopWaiter[Any, Any], Wrote[Any] | Failed]]) -> None:
    for waiter, outcome in answers:
        waiter.set_outcome(outcome)
