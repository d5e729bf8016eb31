"""``payouts worker``: work on every due payout until stopped."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import seconds
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.bounds import DAY_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from payments_core.domain.payout import Payout, PayoutStatus
    from payments_core.settings import WorkerSettings
    from payments_core.worker import Worked

__all__ = ["worker"]


@command
def worker(
    terminal: Terminal,
    once: Annotated[bool, typer.Option("--once", help="Work on the due payouts once: for cron.")] = False,
    grace: Annotated[
        float | None,
        seconds(
            "Longest wait for payouts in flight at a stop; [worker] grace_s if left out.",
            most=DAY_S,
            show_default=False,
        ),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Work for this account only; may be repeated.", show_default=False),
    ] = None,
) -> int:
    """Work on every due payout until stopped.

    It sends accepted payouts, checks open ones, and takes over those of stopped workers. Any number of workers can
    share one journal. At SIGTERM or Ctrl-C it takes nothing new, finishes payouts in flight, and ends with 0; a
    second signal ends it at once. Without a terminal its events go to standard error, from INFO up unless --log-level
    is given.
    """
    import asyncio  # here: `--help` must not pay for it

    from payments_core.settings import WorkerSettings

    read = terminal.configuration().worker
    settings = read if grace is None else WorkerSettings(**read.model_dump() | {"grace_s": grace})
    if not terminal.is_live:
        terminal.print_events("INFO")
    done = asyncio.run(_work(terminal, settings, account, once=once))
    ended = {str(status): count for status, count in sorted(done.ended.items())}
    terminal.show(
        {"steps": done.steps, "ended": ended, "trouble": done.trouble, "cut": done.cut},
        _summary(done),
    )
    return exit_codes.ERROR if once and done.trouble else exit_codes.DONE


async def _work(terminal: Terminal, settings: WorkerSettings, accounts: list[str] | None, *, once: bool) -> Worked:
    from payments_core.cli.progress import spinner
    from payments_core.client import AsyncPayoutClient
    from payments_core.worker import run_worker, stop_on_signals

    ended: Counter[PayoutStatus] = Counter()
    steps = 0
    async with AsyncPayoutClient(terminal.runtime()) as client:
        with spinner(terminal, "working: 0 steps") as show, stop_on_signals(lambda: update()) as stop:

            def update() -> None:
                doing = "finishing what is in flight; once more to stop at once" if stop.is_set() else "working"
                show(", ".join([f"{doing}: {steps} steps", *_counts(ended)]))

            def record(payout: Payout) -> None:
                nonlocal steps
                steps += 1
                if payout.is_final:
                    ended[payout.status] += 1
                update()

            return await run_worker(
                client, accounts=accounts or None, settings=settings, once=once, stop=stop, on_change=record
            )


def _counts(ended: Mapping[PayoutStatus, int]) -> list[str]:
    return [f"{count} {status}" for status, count in sorted(ended.items())]


def _summary(done: Worked) -> str:
    parts = [f"{done.steps} steps", *_counts(done.ended)]
    if done.trouble:
        parts.append(f"{done.trouble} steps failed (--log-level WARNING shows why)")
    if done.cut:
        parts.append(f"{done.cut} left in flight, for others to check when their leases are over")
    return f"Stopped: {', '.join(parts)}."
