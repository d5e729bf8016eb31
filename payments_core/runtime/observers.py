"""Observers are told in order, in a thread of their own: one that hangs keeps neither a payment nor a loop waiting."""

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
    """Who hears of changes, and what is still to be told to them.

    Args:
        plugins: Theirs.

    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._pid = os.getpid()
        self._lock = threading.Lock()  # guards the two below
        self._waiting: _Waiting = SimpleQueue()
        self._thread: threading.Thread | None = None

    def tell(self, payout: Payout, event: Event) -> None:
        """Have every observer told of a change, after those before; returns at once."""
        # What the application has bound to its log lines goes with it.
        told = partial(contextvars.copy_context().run, self._plugins.payout_changed, payout, event)
        with self._lock:
            is_full = self._waiting.qsize() >= _MOST_WAITING
            if not is_full:
                self._waiting.put(told)
            if self._thread is None:
                thread = threading.Thread(target=_work, args=(self._waiting,), daemon=True, name="payments-observers")
                with contextlib.suppress(RuntimeError):  # too many threads: the next change tries again
                    thread.start()
                    self._thread = thread
                    atexit.register(self.close)  # for who ends without closing his client
        if is_full:
            log(EventName.HOOK_FAILED, hook=_HOOK, error=f"{_MOST_WAITING} changes wait to be heard: this one is not")

    def close(self) -> None:
        """Wait a moment for what is still to be told; who hangs is left behind."""
        if os.getpid() != self._pid:  # the thread is not here, and the lock may have been held by one that is not
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
    while (tell := waiting.get()) is not None:
        tell()
