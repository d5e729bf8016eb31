"""``payouts events``: the events that the application and webhooks have not acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.bounds import MOST_ROWS

if TYPE_CHECKING:
    from payments_core.client import DeliverySummary
    from payments_core.domain.deliveries import Waiting

__all__ = ["GROUP"]

GROUP = typer.Typer(
    name="events",
    help="Events that the application and webhooks have not acknowledged.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ConsumerName = Annotated[str, typer.Argument(metavar="CONSUMER", help="Its name; webhook/NAME for a webhook.")]


@GROUP.callback()
def events() -> None:
    """Events that the application and webhooks have not acknowledged."""


@GROUP.command("list")
@command
def list_(
    terminal: Terminal,
    consumer: ConsumerName,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, metavar="N", help="How many at most.")] = 100,
) -> int:
    """List the events that a consumer has not acknowledged, oldest first.

    For a webhook also the number of deliveries, the time of the next one, and the result of the last one.
    """
    from payments_core.cli import output

    with terminal.client() as client:
        waiting = client.pending_events(consumer, limit=limit)
    if terminal.as_json:
        output.print_json([_record(one) for one in waiting])
    elif not waiting:
        terminal.note("No event waits.")
    else:
        output.print_table(
            ("event", "key", "status", "why", "at", "attempts", "next", "last"), [_cells(one) for one in waiting]
        )
    return exit_codes.DONE


def _record(one: Waiting) -> dict[str, Any]:
    from payments_core.cli import output

    event = one.event
    return {
        "event": event.id,
        "payout": event.payout_id,
        "key": event.key,
        "account": event.account,
        "status": str(event.status),
        "reason": str(event.reason) if event.reason else None,
        "attempt": event.attempt,
        "seq": event.seq,
        "at": event.at.isoformat(),
        "contradiction": output.contradiction(event.contradiction) if event.contradiction else None,
        "attempts": one.attempts,
        "next_at": one.next_at.isoformat() if one.next_at else None,
        "given_up": one.is_given_up,
        "result": one.result,
    }


def _cells(one: Waiting) -> tuple[str, ...]:
    from payments_core.cli import messages

    event, again = one.event, "given up" if one.is_given_up else ""
    return (
        event.id,
        event.key,
        str(event.status),
        f"contradicted: {messages.contradiction(event.contradiction)}"
        if event.contradiction
        else messages.why(event.reason),
        messages.moment(event.at),
        str(one.attempts or ""),
        messages.moment(one.next_at) if one.next_at else again,
        one.result,
    )


@GROUP.command("ack")
@command
def ack(
    terminal: Terminal,
    consumer: ConsumerName,
    event: Annotated[list[str], typer.Argument(metavar="EVENT...", help="Ids of events.")],
) -> int:
    """Acknowledge events for a consumer: it does not get them again.

    For events that cannot be delivered or handled: later events of the same payout wait for them.
    """
    from payments_core.cli import output

    with terminal.client() as client:
        for one in event:
            client.acknowledge_event(consumer, one)
    if terminal.as_json:
        output.print_json({"consumer": consumer, "acknowledged": event})
    else:
        terminal.say(f"{len(event)} acknowledged for {consumer}.")
    return exit_codes.DONE


@GROUP.command("deliver")
@command
def deliver(
    terminal: Terminal,
    again: Annotated[
        list[str] | None,
        typer.Option(
            "--again",
            metavar="WEBHOOK",
            help="Send also the events given up for this webhook; may be repeated.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Send the due events to webhooks once: for cron, or by hand.

    `payouts worker` does it by itself. Ends with 4 when an event was not accepted: it is sent again later.
    """
    from payments_core.cli import output

    with terminal.client() as client:
        for webhook in again or ():
            client.resume_events(webhook)
        sent: DeliverySummary = client.send_events()
    if terminal.as_json:
        output.print_json({"delivered": sent.delivered, "failed": sent.failed})
    else:
        terminal.say(f"{sent.delivered} delivered, {sent.failed} not accepted.")
    return exit_codes.NOT_KNOWN if sent.failed else exit_codes.DONE
