"""Who waits for an entry to be written: somebody who stands still, or somebody who holds a future."""

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
    """It is done."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not done, or that is not known."""

    error: BaseException


class BlockingWaiter(Generic[Entry, Reply]):
    """Somebody who waits in ``execute``. A bare lock, since an interrupt inside a future could leave its lock held."""

    __slots__ = ("_gate", "entry", "has_left", "outcome")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.has_left = False
        self.outcome: Wrote[Reply] | Failed | None = None
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self, enqueue: Callable[[BlockingWaiter[Entry, Reply]], None]) -> Wrote[Reply] | Failed:
        """Queue up and wait for the end; who is interrupted leaves nothing behind that is not yet taken up."""
        try:
            enqueue(self)
            self._gate.acquire()
        except BaseException:
            self.has_left = True
            raise
        return self.outcome or Failed(JournalError("The journal's writer did not answer."))

    def take_up(self) -> bool:
        """Say whether somebody still waits."""
        return not self.has_left

    def tell(self, outcome: Wrote[Reply] | Failed) -> None:
        """Hand over how it ended."""
        self.outcome = outcome
        self._gate.release()


class FutureWaiter(Generic[Entry, Reply]):
    """Somebody who holds a future."""

    __slots__ = ("entry", "future")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.future: Future[Reply] = Future()

    def take_up(self) -> bool:
        """Say whether it was not cancelled; from now on it cannot be."""
        return self.future.set_running_or_notify_cancel()

    def tell(self, outcome: Wrote[Reply] | Failed) -> None:
        """Hand over how it ended."""
        with contextlib.suppress(BaseException):  # a callback of the caller's must not end the writer
            if isinstance(outcome, Failed):
                self.future.set_exception(outcome.error)
            else:
                self.future.set_result(outcome.reply)


def result_of(outcome: Wrote[Reply] | Failed) -> Reply:
    """Return what came of an entry, or raise it."""
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome.reply
