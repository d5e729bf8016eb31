"""Observers are told in order, in a thread of their own: one that hangs keeps neither a payment nor a loop waiting."""

from __future__ import annotations

import contextvars
import threading
from functools import partial
from queue import SimpleQueue

from payments_core.events import EventName
from payments_core.logs import log
from payments_core.payout import Payout
from payments_core.plugins import Plugins
from payments_core.rows import Event

__all__ = ["Observers"]

_MOST_WAITING = 10_000  # what hangs for ever must not fill the memory
_LAST_S = 5.0
_HOOK = "payments_payout_changed"


class Observers:
    """Who hears of changes, and what is still to be told to them.

    Args:
        plugins: Theirs.

    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._waiting: SimpleQueue[partial[None] | None] = SimpleQueue()
        self._lock = threading.Lock()  # guards the thread
        self._thread: threading.Thread | None = None

    def tell(self, payout: Payout, event: Event) -> None:
        """Have every observer told of a change, after those before; returns at once."""
        if self._waiting.qsize() >= _MOST_WAITING:
            log(EventName.HOOK_FAILED, hook=_HOOK, error=f"{_MOST_WAITING} changes wait to be heard: this one is not")
            return
        # What the application has bound to its log lines goes with it.
        self._waiting.put(partial(contextvars.copy_context().run, self._plugins.payout_changed, payout, event))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="payments-observers")
                self._thread.start()

    def close(self) -> None:
        """Wait a moment for what is still to be told; who hangs is left behind."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return
        self._waiting.put(None)
        thread.join(_LAST_S)
        if thread.is_alive():
            log(EventName.HOOK_FAILED, hook=_HOOK, error=f"an observer did not end within {_LAST_S:g} s of the last")

    def _work(self) -> None:
        while (tell := self._waiting.get()) is not None:
            tell()
