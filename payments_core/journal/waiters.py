"""What waits for an entry to be written: a blocked thread, or a future."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from payments_core.domain.errors import JournalError

__all__ = ["BlockingWaiter", "Entry", "Failed", "FutureWaiter", "Reply", "Wrote", "result_of"]

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

    def wait(self, enqueue: Callable[[BlockingWaiter[Entry, Reply]], None]) -> Wrote[Reply] | Failed:
        """Queue up and wait for the outcome; after an interrupt, an entry that was not taken up is not written."""
        try:
            enqueue(self)
            self._gate.acquire()
        except BaseException:
            self.has_left = True
            raise
        return self.outcome or Failed(JournalError("The journal's writer did not answer."))

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


def result_of(outcome: Wrote[Reply] | Failed) -> Reply:
    """Return the reply to an entry, or raise its error."""
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome.reply
