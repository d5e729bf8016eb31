"""``payouts journal``: the journal itself."""

from __future__ import annotations

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command

__all__ = ["GROUP"]

GROUP = typer.Typer(
    name="journal",
    help="Look after the journal itself.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@GROUP.callback()
def journal() -> None:
    """Look after the journal itself."""


@GROUP.command("init")
@command
def init(terminal: Terminal) -> int:
    """Make the journal of a new installation: a file, or the tables in a database.

    Needed once, before the first payment of real money; where every account is a rehearsal (sandbox or emulator), a
    file is made when it is first used. Never run it because a journal is missing that was there: a new one does not
    know what was paid. Leaves with 1 where there is one already.
    """
    from payments_core.cli import output
    from payments_core.journal import init_journal
    from payments_core.runtime import utc_now

    read = terminal.configuration()
    init_journal(read.journal, namespace=read.namespace, root=read.path.resolve().parent, at=utc_now())
    if terminal.as_json:
        output.print_json({"journal": read.journal, "made": True})
    else:
        terminal.say(f"{read.journal}: made. Back it up, with {terminal.config}. Next: `payouts doctor`.")
    return exit_codes.DONE
