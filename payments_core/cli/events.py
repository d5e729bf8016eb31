"""``payouts events``: the events that the application and webhooks have not acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command, group
from payments_core.domain.bounds import MOST_ROWS

if TYPE_CHECKING:
    from payments_core.domain.deliveries import Waiting

__all__ = ["GROUP"]

GROUP = group("events", "Events that the application and webhooks have not acknowledged.")

ConsumerName = Annotated[str, typer.Argument(metavar="CONSUMER", help="Its name; webhook/NAME for a webhook.")]


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
    output.print_list(terminal, waiting, _record, _cells, empty="No event waits.")
    return exit_codes.DONE


def _record(one: Waiting) -> dict[str, Any]:
    from payments_core.cli import output

    event = one.event
    return {
        "event": event.id,
        "type": event.type,
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


def _cells(one: Waiting) -> dict[str, str]:
    from payments_core.cli import messages

    event, why = one.event, messages.why(one.event.reason)
    if event.contradiction:
        why = f"contradicted: {messages.contradiction(event.contradiction)}"
    return {
        "event": event.id,
        "key": event.key,
        "status": str(event.status),
        "why": why,
        "at": messages.moment(event.at),
        "attempts": str(one.attempts or ""),
        "next": messages.moment(one.next_at) or ("given up" if one.is_given_up else ""),
        "last": one.result,
    }


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
    with terminal.client() as client:
        for one in event:
            client.acknowledge_event(consumer, one)
    terminal.show({"consumer": consumer, "acknowledged": event}, f"{len(event)} acknowledged for {consumer}.")
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
    with terminal.client() as client:
        for webhook in again or ():
            client.resume_events(webhook)
        sent = client.send_events()
    terminal.show(
        {"delivered": sent.delivered, "failed": sent.failed},
        f"{sent.delivered} delivered, {sent.failed} not accepted.",
    )
    return exit_codes.NOT_KNOWN if sent.failed else exit_codes.DONE
