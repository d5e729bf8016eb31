"""``payouts wait``, ``resume`` and ``worker``: work on open payouts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import Which, seconds
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.bounds import DAY_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from payments_core.client import ResumeResult
    from payments_core.domain.payout import Payout, PayoutStatus
    from payments_core.domain.records import Pause
    from payments_core.settings import WorkerSettings
    from payments_core.worker import Worked

__all__ = ["resume", "wait", "worker"]


@command
def wait(terminal: Terminal, payout: Which, timeout: Annotated[float, seconds("Longest wait.")] = 60.0) -> int:
    """Work on one payout until it is final.

    Its checks come sooner than scheduled; a payout in review is checked once.
    """
    from payments_core.cli import output
    from payments_core.domain.payout import PayoutStatus

    with terminal.client() as client:
        found = client.get(payout)
        if found.status is PayoutStatus.REVIEW:
            found = client.refresh(found.id)
        client.wait(found.id, timeout_s=timeout)
        return output.print_payout(terminal, client.get(found.id), client.pauses())


@command
def resume(
    terminal: Terminal,
    timeout: Annotated[float, seconds("Longest time; 0: only what is due now.")] = 60.0,
) -> int:
    """Work on every open payout.

    It works until no payout is due, or the time is over, and names approved batches with rows that were not sent. Ends
    with 0 when no payout is open or waits for a decision, else with 4.
    """
    import asyncio  # here: `--help` must not pay for it

    from payments_core.batch.progress import unsent_batches
    from payments_core.cli import output

    left, pauses, changed = asyncio.run(_resume(terminal, timeout))
    with terminal.journal() as journal:
        unsent = list(unsent_batches(journal))
    record = {
        "steps": left.steps,
        "open": left.open,
        "held": left.held,
        "review": left.review,
        "contradicted": left.contradicted,
        "next_at": left.next_at.isoformat() if left.next_at else None,
        "changed": [output.record(payout, reveal=terminal.reveal) for payout in changed],
        "unsent_batches": [batch.id for batch in unsent],
    }
    lines = [f"Rows of batch {one.id} ({one.name}) were not sent: `payouts batch run {one.id}`." for one in unsent]
    terminal.show(record, "\n".join([_resume_summary(left, pauses), *lines]))
    return exit_codes.NOT_KNOWN if left.open or left.review or left.contradicted else exit_codes.DONE


async def _resume(terminal: Terminal, timeout_s: float) -> tuple[ResumeResult, tuple[Pause, ...], list[Payout]]:
    """Work on the open payouts, print each change as it happens, and return the changed payouts too."""
    from payments_core.cli import messages
    from payments_core.cli.progress import spinner
    from payments_core.client import AsyncPayoutClient
    from payments_core.domain.payout import PayoutStatus

    changed: dict[str, Payout] = {}
    known: dict[str, PayoutStatus] = {}
    steps = 0
    async with AsyncPayoutClient(terminal.runtime()) as client:
        journal, began = client.runtime.journal, client.runtime.clock()
        left_open = sum(journal.counts([status for status in PayoutStatus if not status.is_final]).values())

        def status_before(payout: Payout) -> PayoutStatus | None:
            """Return the status in which this command found a payout; None for a new one."""
            if payout.id not in known:
                earlier = [entry.status for entry in journal.history(payout.id) if entry.at < began]
                return PayoutStatus(earlier[-1]) if earlier else None
            return known[payout.id]

        with spinner(terminal, f"{left_open} open, 0 steps") as show:

            def record(payout: Payout) -> None:
                nonlocal steps, left_open
                steps += 1
                before = status_before(payout)
                if before is not payout.status:
                    if payout.is_final and before is not None and not before.is_final:
                        left_open -= 1
                    changed[payout.id] = payout
                    reason = f": {messages.why(payout.reason)}" if payout.reason else ""
                    if not terminal.as_json:
                        terminal.say(f"{payout.key}  {before or 'new'} -> {payout.status}{reason}")
                known[payout.id] = payout.status
                show(f"{left_open} open, {steps} steps")

            left = await client.resume(timeout_s=timeout_s, on_change=record)
        return left, await client.pauses(), list(changed.values())


def _resume_summary(left: ResumeResult, pauses: tuple[Pause, ...]) -> str:
    from payments_core.cli import messages
    from payments_core.runtime import utc_now

    lines = [] if left.open or left.review else ["Nothing is open."]
    if left.open:
        due = (
            f"; run `payouts resume` again when the next is due, {messages.moment(left.next_at, utc_now())}"
            if left.next_at
            else "; none becomes due by itself"
        )
        lines.append(f"{left.open} still open{due}.")
    if left.held:
        text = " ".join(messages.lifting(pause) for pause in pauses)
        lines.append(f"{left.held} of them wait unsent: {text}")
    if left.review:
        lines.append(f"{left.review} in review: `payouts list --status REVIEW` shows them.")
    if left.contradicted:
        lines.append(f"{left.contradicted} contradicted by the provider: `payouts review list` shows them.")
    return "\n".join(lines)


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
        _worker_summary(done),
    )
    return exit_codes.ERROR if once and done.trouble else exit_codes.DONE


async def _work(terminal: Terminal, settings: WorkerSettings, accounts: list[str] | None, *, once: bool) -> Worked:
    from payments_core.cli.progress import spinner
    from payments_core.client import AsyncPayoutClient
    from payments_core.worker import run_worker, stop_on_signals

    ended: Counter[PayoutStatus] = Counter()
    steps = 0
    async with AsyncPayoutClient(terminal.runtime()) as client:
        with spinner(terminal, "working: 0 steps", in_logs=False) as show, stop_on_signals(lambda: update()) as stop:

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


def _worker_summary(done: Worked) -> str:
    parts = [f"{done.steps} steps", *_counts(done.ended)]
    if done.trouble:
        parts.append(f"{done.trouble} steps failed (--log-level WARNING shows why)")
    if done.cut:
        parts.append(f"{done.cut} left in flight, for others to check when their leases are over")
    return f"Stopped: {', '.join(parts)}."
