"""The commands ``payouts mtn_momo …``, of which this folder alone knows how a command line is built."""

from __future__ import annotations

import typer

from payments_mtn_momo.commands import consent, provision

__all__ = ["app"]

app = typer.Typer(
    name="mtn_momo",
    help="What only MTN MoMo has: consents, and API users of its sandbox.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help, as of every other command
    pretty_exceptions_enable=False,
)

app.command("consent")(consent.consent)
app.command("provision")(provision.provision)
