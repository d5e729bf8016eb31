"""``payouts show`` and ``payouts list``: they need only the journal, no secret and no plugin."""

from __future__ import annotations

from typing import Annotated

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.masking import quote

__all__ = ["COMMANDS"]


@command
def show(
    terminal: Terminal,
    payout: Annotated[str, typer.Argument(metavar="ID|KEY", help="The payout's id or its key.")],
) -> int:
    """Show one payout and its history."""
    from payments_core.cli import output
    from payments_core.client.payout_views import find_payout
    from payments_core.runtime import utc_now

    with terminal.journal() as journal:
        row = find_payout(journal, payout)
        found, pauses = row.view(journal.history(row.id)), journal.pauses()
    if terminal.as_json:
        output.print_json(output.record(found, reveal=terminal.reveal, history=True))
        return exit_codes.of(found)
    terminal.say(output.details(found, pauses, reveal=terminal.reveal, now=utc_now()))
    terminal.say()
    output.print_table(
        ("no", "at (UTC)", "event", "status", "submissions", "decided by", "evidence"),
        [
            (
                str(entry.seq),
                f"{entry.at:%Y-%m-%d %H:%M:%S.%f}"[:-3],
                entry.event,
                str(entry.status),
                str(entry.submissions),
                entry.decided_by,
                ", ".join(f"{name}={value}" for name, value in entry.evidence.items()),
            )
            for entry in found.history
        ],
    )
    return exit_codes.of(found)


@command
def list_(
    terminal: Terminal,
    status: Annotated[str | None, typer.Option(help="Only payouts in this status, such as UNKNOWN.")] = None,
    account: Annotated[str | None, typer.Option(help="Only payouts from this account.")] = None,
) -> int:
    """List every payout, oldest first."""
    from payments_core.cli import output
    from payments_core.domain.errors import UnknownAccount
    from payments_core.domain.payout import PayoutStatus
    from payments_core.runtime import utc_now

    wanted = None
    if status is not None:
        if status.upper() not in set(PayoutStatus):
            raise typer.BadParameter(f"--status {quote(status)} is unknown. Write one of {', '.join(PayoutStatus)}.")
        wanted = PayoutStatus(status.upper())
    configuration = terminal.configuration()
    with terminal.journal(configuration) as journal:
        found = [row.view() for row in journal.rows(status=wanted, account=account)]
        if not found and account not in {None, *configuration.accounts}:  # payouts of a removed account are shown too
            paid_from = {row.account for row in journal.rows()}
            if account not in paid_from:
                known = ", ".join(sorted(paid_from | set(configuration.accounts))) or "none"
                raise UnknownAccount(
                    f"Account {quote(account)} is unknown. Known: {known}.",
                    hint="Correct the name.",
                )
        pauses = journal.pauses()
    if terminal.as_json:
        output.print_json([output.record(payout, reveal=terminal.reveal) for payout in found])
        return exit_codes.DONE
    if not found:
        terminal.note("No payout yet." if wanted is None and account is None else "No such payout.")
        return exit_codes.DONE
    now = utc_now()
    output.print_table(output.COLUMNS, [output.payout_line(p, pauses, reveal=terminal.reveal, now=now) for p in found])
    return exit_codes.DONE


COMMANDS = {"show": show, "list": list_}
