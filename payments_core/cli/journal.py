"""``payouts journal``: commands for the journal itself."""

from __future__ import annotations

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command

__all__ = ["GROUP"]

GROUP = typer.Typer(
    name="journal",
    help="Create, check and maintain the journal.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@GROUP.callback()
def journal() -> None:
    """Create, check and maintain the journal."""


@GROUP.command("init")
@command
def init(terminal: Terminal) -> int:
    """Create the journal of a new installation: a file, or the tables in a database.

    It is needed once, before the first payment of real money; where every account is in test mode (sandbox or
    emulator), a file is created at its first use. Never run it because an existing journal is missing: a new one does
    not know the payments. Ends with 1 when there is a journal already.
    """
    from payments_core.cli import output
    from payments_core.journal import init_journal
    from payments_core.runtime import utc_now

    read = terminal.configuration()
    init_journal(read.journal, namespace=read.namespace, root=read.path.resolve().parent, at=utc_now())
    if terminal.as_json:
        output.print_json({"journal": read.journal, "made": True})
    else:
        terminal.say(f"{read.journal}: created. Back it up together with {terminal.config}. Next: `payouts doctor`.")
    return exit_codes.DONE
