"""A worker as a process: it runs until a signal stops it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from payments_core.domain.payout import Payout
from payments_core.settings import Configuration, WorkerSettings
from payments_core.worker.loop import Worked, run_worker

__all__ = ["stop_on_signals", "work"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def work(
    configuration: Configuration | str | Path = "payouts.toml",
    *,
    accounts: Collection[str] | None = None,
    settings: WorkerSettings | None = None,
    once: bool = False,
    on_change: Callable[[Payout], None] | None = None,
) -> Worked:
    """Run a worker in this process, until SIGTERM or SIGINT.

    The first signal lets it finish what is in flight, within the grace time. A second one ends it at once.

    Args:
        configuration: The path of a payouts.toml, or a parsed configuration.
        accounts: The accounts to work for; all when not given.
        settings: The worker's settings; the configuration's ``[worker]`` when not given.
        once: Work on the payouts that are due now, and return.
        on_change: Called with each payout that has changed.

    Raises:
        SettingsError: A setting, secret or plugin is wrong, or an account is not configured.
        JournalError: The journal cannot be opened, or failed with ``once``.

    """

    async def until_signal() -> Worked:
        with stop_on_signals() as stop:
            return await run_worker(
                configuration, accounts=accounts, settings=settings, once=once, stop=stop, on_change=on_change
            )

    return asyncio.run(until_signal())


@contextlib.contextmanager
def stop_on_signals(on_signal: Callable[[], None] = lambda: None) -> Iterator[asyncio.Event]:
    """Provide an event for :func:`run_worker` that the first SIGTERM or SIGINT sets.

    A second signal has its original effect. Outside the main thread no signal handler is changed.

    Args:
        on_signal: Called at the first signal.

    """
    loop, stop, before = asyncio.get_running_loop(), asyncio.Event(), dict[signal.Signals, Any]()

    def first(_number: int, _frame: FrameType | None) -> None:
        restore()
        loop.call_soon_threadsafe(_stop, stop, on_signal)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    with contextlib.suppress(ValueError):  # not in the main thread
        for number in _SIGNALS:
            before[number] = signal.signal(number, first)
    try:
        yield stop
    finally:
        restore()


def _stop(stop: asyncio.Event, on_signal: Callable[[], None]) -> None:
    stop.set()
    on_signal()
