"""``payouts show`` and ``payouts list``: they need only the journal, no secret and no plugin."""

from __future__ import annotations

from typing import Annotated

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import Which
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.masking import quote

__all__ = ["list_", "show"]


@command
def show(terminal: Terminal, payout: Which) -> int:
    """Show one payout and its history."""
    from payments_core.cli import output

    found, pauses = terminal.recorded(payout)
    code = output.print_payout(terminal, found, pauses)
    if not terminal.as_json:
        terminal.say()
        output.print_table(
            [
                {
                    "no": str(entry.seq),
                    "at (UTC)": f"{entry.at:%Y-%m-%d %H:%M:%S.%f}"[:-3],
                    "event": entry.event,
                    "status": str(entry.status),
                    "submissions": str(entry.submissions),
                    "decided by": entry.decided_by,
                    "evidence": output.evidence(entry),
                }
                for entry in found.history
            ]
        )
    return code


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

    wanted = None
    if status is not None:
        if status.upper() not in set(PayoutStatus):
            raise typer.BadParameter(f"--status {quote(status)} is unknown. Write one of {', '.join(PayoutStatus)}.")
        wanted = PayoutStatus(status.upper())
    configuration = terminal.configuration()
    with terminal.journal(configuration) as journal:
        found = [row.view() for row in journal.rows(status=wanted, account=account)]
        if not found and account not in {None, *configuration.accounts}:  # payouts of a removed account are shown too
            paid_from = {row.attempt.account for row in journal.rows()}
            if account not in paid_from:
                known = ", ".join(sorted(paid_from | set(configuration.accounts))) or "none"
                raise UnknownAccount(f"Account {quote(account)} is unknown. Known: {known}.", hint="Correct the name.")
        pauses = journal.pauses()
    output.print_list(
        terminal,
        found,
        lambda payout: output.record(payout, reveal=terminal.reveal),
        lambda payout: output.payout_cells(payout, pauses, reveal=terminal.reveal),
        empty="No payout yet." if wanted is None and account is None else "No such payout.",
    )
    return exit_codes.DONE
