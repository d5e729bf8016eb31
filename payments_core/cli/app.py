"""The commands by name. A command's module is imported when the command is used; listing them imports none."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from payments_core.cli import exit_codes
from payments_core.cli.terminal import PAYING, AsJson, LogJson, LogLevel, Reveal, Terminal, open_closed_streams
from payments_core.domain.bounds import describe_range

__all__ = ["COMMANDS", "app", "run"]

# Each with its place in this package, and the first sentence of its help.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "send": ("send:send", "Pay one payee, or every payee in a file."),
    "deposit": ("send:deposit", "Pay one payee, or every payee in a file, by deposit."),
    "refund": ("send:refund", "Refund a collection, in full or in part."),
    "route": ("route:route", "Show the account that a payee would be paid from, and why."),
    "show": ("show:show", "Show one payout and its history."),
    "list": ("listing:list_", "List payouts, oldest first."),
    "wait": ("work:wait", "Work on one payout until it is final."),
    "resume": ("work:resume", "Work on every open payout."),
    "worker": ("work:worker", "Work on every due payout until stopped."),
    "check": ("review:check", "Check a final payout at its provider again."),
    "reissue": ("review:reissue", "Pay a failed payout again under the same key."),
    "approve": ("review:approve", "Approve a payout that waits for an approval."),
    "cancel": ("review:cancel", "Cancel a payout that was not sent: it is never sent afterwards."),
    "cancel-at-provider": (
        "review:cancel_at_provider",
        "Ask the provider to cancel a payment that it has accepted and not begun.",
    ),
    "erase": ("journal:erase", "Erase the payees of final payouts."),
    "callbacks": ("callbacks:callbacks", "Print the callback URL of each account."),
    "serve": ("callbacks:serve", "Listen for callbacks."),
    "balance": ("lookups:balance", "Show the balances of accounts."),
    "account-status": ("lookups:account_status", "Show whether a number has an active wallet."),
    "name": ("lookups:name", "Show the name of a wallet's holder."),
    "pause": ("control:pause", "Stop payments from one account, or from all."),
    "unpause": ("control:unpause", "End the pause of one account, or the one for all accounts."),
    "providers": ("control:providers", "List the installed plugins, or test one."),
    "doctor": ("control:doctor", "Check that everything is ready to pay."),
    "emulator": ("emulator:emulator", "Run an emulator of a provider's gateway until Ctrl-C."),
    "demo": ("emulator:demo", "Show that every payee is paid exactly once, in spite of faults."),
    "review": ("review:GROUP", "Payouts that wait for a person's decision."),
    "batch": ("batch_files:GROUP", "Batches: many payouts that are validated, approved and run as one."),
    "journal": ("journal_restored:GROUP", "Create, check and maintain the journal."),
    "events": ("events:GROUP", "Events that the application and webhooks have not acknowledged."),
}


class LazyCommands(Mapping[str, Any]):
    """The commands of the core by name; each is imported and built when it is read."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = COMMANDS[name][0].partition(":")
        body = getattr(import_module(f"payments_core.cli.{module}"), attribute)
        if isinstance(body, typer.Typer):
            return get_command(body)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(body)
        return get_command(alone)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class PluginGroup(TyperGroup):
    """The core's commands and those of plugins: each is imported only when its name is used."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands: Any = LazyCommands()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command of the core, or the command group of the plugin with this name."""
        ours = super().get_command(ctx, cmd_name)
        return ours or _plugin_commands(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing one."""
        listed: dict[str, Any] = {name: TyperCommand(name, help=sentence) for name, (_, sentence) in COMMANDS.items()}
        TyperGroup(commands=listed).format_commands(ctx, formatter)


def _plugin_commands(name: str) -> Any:
    from payments_core.domain.errors import PluginError
    from payments_core.plugins.manager import Plugins, found

    named = [plugin for plugin in found() if plugin.name == name]
    if not named:
        return None
    brought = Plugins(named).cli_commands(name)
    if brought is None:
        raise PluginError(
            f"The plugin {name} ({named[0].distribution} {named[0].version}) brings no commands of its own.",
            hint="Its accounts are paid with `payouts send`; `payouts --help` lists every command.",
        )
    if not isinstance(brought, typer.Typer):
        raise PluginError(f"The plugin {name} must bring its commands as a typer.Typer.", hint="Mend or uninstall it.")
    group = get_command(brought)
    group.name = name
    return group


app = typer.Typer(
    cls=PluginGroup,
    name="payouts",
    help="Pay money out to mobile wallets, exactly once.",
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 a payout failed or a refused row was skipped, 4 not known yet, or "
    "contradicted by the provider. Every command takes --json.\n\nA provider may add commands under its own name: "
    "`payouts providers` lists the names.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich would take longer than the rest
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("payments-core"))
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="PAYOUTS_CONFIG", help="The configuration (default payouts.toml)."),
    ] = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
    log_level: LogLevel = None,
    log_json: LogJson = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep the options before the command; the command adds those after it."""
    context.obj = context.params


def _with_range(message: str, option: Any) -> str:
    """Return the message for a number out of range, with both bounds."""
    low, high = getattr(option, "min", None), getattr(option, "max", None)
    if low is None or high is None or not re.search(r"(less|greater) than", message):
        return message
    return f"must be {describe_range(low, high, whole=isinstance(high, int))}"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command with the arguments, those of this process when not given, and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):  # a character that the terminal lacks must not end the output
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = get_command(app).main(given, prog_name="payouts", standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - click's errors come from typer's copy of it
        from payments_core.cli import error_output

        as_json = "--json" in given
        if not hasattr(error, "format_message"):  # from a plugin's group, or the output is lost
            return error_output.print_error(error, Terminal(as_json=as_json))
        if isinstance(message := getattr(error, "message", None), str):  # typer has pydantic's text for a value
            plain = re.sub(r", unable to parse .*", "", message).replace("Input should be", "must be")
            plain = _with_range(plain, getattr(error, "param", None))
            error.message = plain  # type: ignore[attr-defined]
        unsent = "" if PAYING.isdisjoint(given) else "Nothing was sent."
        if as_json:
            hint = f"See `payouts --help`. {unsent}".strip()
            details = {"code": "usage", "message": error.format_message(), "hint": hint}
            error_output.print_problem(details, as_json=True)
        else:
            error.show()  # type: ignore[attr-defined]
            if unsent:
                print(unsent, file=sys.stderr)
        return int(getattr(error, "exit_code", exit_codes.USAGE))
    return code if isinstance(code, int) else exit_codes.DONE
