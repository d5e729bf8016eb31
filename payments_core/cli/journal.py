"""``payouts journal``: the journal itself."""

from __future__ import annotations

import typer

from payments_core.cli import exits
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


@GROUP.command("upgrade")
@command
def upgrade(terminal: Terminal) -> int:
    """Make the tables of a shared journal, or bring them forward.

    Needed once for a new database and once after an upgrade of payments-core that says so. Running processes may go on
    meanwhile. A journal in a SQLite file is made and brought forward when it is opened.
    """
    from payments_core.cli import output
    from payments_core.journal import upgrade_journal
    from payments_core.performer import utc_now

    read = terminal.configuration()
    root = read.path.resolve().parent
    versions = upgrade_journal(read.journal, namespace=read.namespace, root=root, at=utc_now())
    if terminal.as_json:
        before, after = versions or (None, None)
        output.print_json({"journal": read.journal, "before": before, "after": after})
    elif versions is None:
        terminal.say(f"{read.journal}: nothing to do; a file is made and brought forward when it is opened.")
    elif versions[0] == versions[1]:
        terminal.say(f"{read.journal}: nothing to do; it is of version {versions[1]}.")
    else:
        was = f"brought from version {versions[0]} to" if versions[0] else "made, of version"
        terminal.say(f"{read.journal}: {was} {versions[1]}.")
    return exits.DONE
