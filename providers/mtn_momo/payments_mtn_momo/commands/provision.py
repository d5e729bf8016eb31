"""``payouts mtn_momo provision``: makes an API user of the sandbox, its key, and the account that pays as it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from payments_mtn_momo.native import ApiKey, SandboxProvisioning

__all__ = ["provision"]

_APPEARS_S = 20.0  # a new API user has been seen to take 2 s; more is a fault
_LOOK_S = 0.5


@command
def provision(
    terminal: Terminal,
    subscription_key: Annotated[
        str,
        typer.Option(
            metavar="REFERENCE",
            help="Where the Disbursements subscription's key is: env:NAME or file:PATH (from the configuration's "
            "folder); never the key itself.",
        ),
    ],
    callback_host: Annotated[
        str, typer.Option(metavar="HOST", help="The only host MTN may call back, for good: a bare name.")
    ],
    account: Annotated[str, typer.Option(metavar="NAME", help="The account to write.")] = "mtn-sandbox",
    url: Annotated[str, typer.Option(metavar="URL", help="An emulator on this machine.")] = "",
    at_sandbox: Annotated[
        bool, typer.Option("--sandbox", help="MTN's own sandbox, on the internet; play money.")
    ] = False,
) -> int:
    """Make an API user of the sandbox, with its key and an account in payouts.toml.

    Of a configuration that is there, nothing is changed: the account is added at its end. If it stops half-way, run it
    again: a new user is made, and one that is not used does no harm. Live API users come from the partner portal.
    """
    from payments_core.cli import output
    from payments_mtn_momo.callback_address import check_callback_host
    from payments_mtn_momo.commands.accounts import Plan
    from payments_mtn_momo.native import SandboxProvisioning, UnknownOutcomeError, new_reference

    try:
        check_callback_host(callback_host)
    except ValueError as problem:
        raise typer.BadParameter(f"--callback-host {problem}.") from None
    plan = Plan(
        config=terminal.config,
        account=account,
        base_url=_gateway(url, at_sandbox=at_sandbox),
        subscription_key=subscription_key,
        callback_host=callback_host,
    )
    plan.check()
    with SandboxProvisioning(_key(terminal.config, subscription_key), base_url=plan.base_url) as sandbox:
        api_user = new_reference()
        with _unused(terminal, api_user, UnknownOutcomeError):
            sandbox.create_api_user(callback_host, api_user=api_user)
        with _unused(terminal, api_user, BaseException):
            written = plan.write(api_user, _new_key(sandbox, api_user).api_key)
    if terminal.as_json:
        output.print_json(
            {"account": account, "api_user": api_user, "api_key": written, "config": str(terminal.config)}
        )
        return exit_codes.DONE
    config = "" if terminal.config == Path("payouts.toml") else f" --config {terminal.config}"
    terminal.say(f"Wrote [accounts.{account}] to {terminal.config}; the key of API user {api_user} is in {written}.")
    terminal.say(f"Next: `payouts doctor{config}`, then pay play money, in EUR:")
    terminal.say(f"  payouts send --key first --account {account} --to +46733123499 --amount 5 --wait 10{config}")
    return exit_codes.DONE


def _gateway(url: str, *, at_sandbox: bool) -> str:
    """Return where to provision: a server on this machine, or MTN's sandbox when it was named."""
    from urllib.parse import urlsplit

    from payments_core.http.urls import is_loopback
    from payments_mtn_momo.targets import BASE_URLS

    if bool(url) == at_sandbox:
        raise typer.BadParameter("Give --url for an emulator, or --sandbox for MTN's own; one of the two.")
    if at_sandbox:
        return BASE_URLS["sandbox"]
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if not is_loopback(host):
        raise typer.BadParameter(
            "--url is not on this machine. API users are made in the sandbox only, with --sandbox; live ones come "
            "from the partner portal."
        )
    return url


def _key(config: Path, reference: str) -> SecretStr:
    """Return the subscription key; one that was written itself is not repeated in the message."""
    from payments_core.plugins.manager import Plugins

    if not reference.startswith(("env:", "file:")):
        raise typer.BadParameter(
            "--subscription-key must say where the key is: env:NAME or file:PATH. If it was the key itself, it now "
            "stands in the history of your shell."
        )
    return Plugins([]).resolve_secret(reference, root=config.resolve().parent)


@contextlib.contextmanager
def _unused(terminal: Terminal, api_user: str, *ends: type[BaseException]) -> Iterator[None]:
    """Report what is left behind when a step ends so."""
    try:
        yield
    except ends:
        terminal.note(f"The API user {api_user} may have been made, and no account uses it. Run it again for another.")
        raise


def _new_key(sandbox: SandboxProvisioning, api_user: str) -> ApiKey:
    """Wait until the user is there, and make its key."""
    import time

    from payments_mtn_momo.native import ReadNotFound

    until = time.monotonic() + _APPEARS_S
    while True:
        try:
            sandbox.get_api_user(api_user)
        except ReadNotFound:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_S)
        else:
            return sandbox.create_api_key(api_user)
