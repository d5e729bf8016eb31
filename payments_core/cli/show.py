"""``payouts show``: it needs only the journal, no secret and no plugin."""

from __future__ import annotations

from payments_core.cli.options import Which
from payments_core.cli.terminal import Terminal, command

__all__ = ["show"]


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
