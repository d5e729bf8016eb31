"""Calls observers in order, in a thread of their own: one that hangs delays neither a payment nor an event loop."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import os
import threading
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

from payments_core.domain.events import EventName
from payments_core.domain.payout import Payout
from payments_core.domain.records import Event
from payments_core.logs import log
from payments_core.plugins.manager import Plugins

__all__ = ["Observers"]

_MOST_WAITING = 10_000  # what hangs for ever must not fill the memory
_LAST_S = 5.0
_HOOK = "payments_payout_changed"
_Waiting: TypeAlias = "SimpleQueue[partial[None] | None]"


class Observers:
    """The observers of changes, and the calls of them that wait.

    Args:
        plugins: The loaded plugins.

    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._pid = os.getpid()
        self._lock = threading.Lock()  # guards the two below
        self._waiting: _Waiting = SimpleQueue()
        self._thread: threading.Thread | None = None

    def notify(self, payout: Payout, event: Event) -> None:
        """Have every observer called with a change, after those before; returns at once."""
        # What the application has bound to its log events goes with it.
        call = partial(contextvars.copy_context().run, self._plugins.payout_changed, payout, event)
        with self._lock:
            is_full = self._waiting.qsize() >= _MOST_WAITING
            if not is_full:
                self._waiting.put(call)
            if self._thread is None:
                thread = threading.Thread(target=_work, args=(self._waiting,), daemon=True, name="payments-observers")
                with contextlib.suppress(RuntimeError):  # too many threads: the next change tries again
                    thread.start()
                    self._thread = thread
                    atexit.register(self.close)  # for an application that ends without closing its client
        if is_full:
            log(
                EventName.HOOK_FAILED,
                hook=_HOOK,
                error=f"{_MOST_WAITING} changes wait for the observers: this one is dropped",
            )

    def close(self) -> None:
        """Wait five seconds for the calls that are left; one that hangs is abandoned."""
        if os.getpid() != self._pid:  # after a fork the thread does not exist, and the lock may be held for ever
            return
        with self._lock:
            thread, self._thread = self._thread, None
            self._waiting.put(None)
            self._waiting = SimpleQueue()
        if thread is None or thread is threading.current_thread():
            return
        atexit.unregister(self.close)
        thread.join(_LAST_S)
        if thread.is_alive():
            log(EventName.HOOK_FAILED, hook=_HOOK, error=f"an observer did not end within {_LAST_S:g} s of the last")


def _work(waiting: _Waiting) -> None:
    while (call := waiting.get()) is not None:
        call()
