"""``payouts pause``, ``unpause``, ``providers`` and ``doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.characters import clean
from payments_core.domain.masking import quote

if TYPE_CHECKING:
    from payments_core.plugins.manager import Found
    from payments_core.provider import ProviderSpec
    from payments_core.settings import Configuration

__all__ = ["doctor", "pause", "providers", "unpause"]

Account = Annotated[str | None, typer.Option(metavar="NAME", help="One account; every account when left out.")]


@command
def pause(
    terminal: Terminal,
    account: Account = None,
    reason: Annotated[str, typer.Option(help="Shown with the pause.")] = "",
) -> int:
    """Stop payments from one account, or from all.

    It takes effect in every process before its next payment; payments in progress are still checked.
    """
    from payments_core.domain.events import EventName
    from payments_core.domain.records import NO_REASON, Pause
    from payments_core.logs import log
    from payments_core.runtime import utc_now

    configuration = terminal.configuration()
    _check_account(configuration, account)
    new_pause = Pause.by_person(account, utc_now(), reason)
    with terminal.journal(configuration) as journal:  # an emergency stop must work where a secret is missing
        journal.set_pause(new_pause)
        if terminal.log_json or terminal.log_level in {"DEBUG", "INFO"}:  # else the output below has it
            log(EventName.ACCOUNT_PAUSED, account=account, by="person", why=new_pause.why)
    subject = f"The account {account} is" if account else "All accounts are"
    option = f" --account {account}" if account else ""
    words = "" if new_pause.why == NO_REASON else f": {clean(new_pause.why)}"
    terminal.show(
        {"account": account, "paused": True, "reason": new_pause.why},
        f"{subject} paused{words}. `payouts unpause{option}` ends it.",
    )
    return exit_codes.DONE


@command
def unpause(terminal: Terminal, account: Account = None) -> int:
    """End the pause of one account, or the one for all accounts.

    It also ends automatic pauses of that account, whatever their cause: fix the cause first.
    """
    from payments_core.cli import messages
    from payments_core.domain.events import EventName
    from payments_core.logs import log

    configuration = terminal.configuration()
    _check_account(configuration, account)
    with terminal.journal(configuration) as journal:
        lifted = journal.lift_pause(account)
        left = journal.pauses()
        if lifted:
            log(EventName.ACCOUNT_UNPAUSED, account=account)
    subject = f"the account {account}" if account else "all accounts"
    lines = [f"The pause of {subject} has ended." if lifted else f"There was no pause of {subject}."]
    lines += [f"Still in force: {messages.lifting(found)}" for found in left]
    if lifted and not left:
        lines.append("`payouts resume` sends what waited.")
    terminal.show({"account": account, "lifted": lifted, "left": [found.account for found in left]}, "\n".join(lines))
    return exit_codes.DONE


def _check_account(configuration: Configuration, account: str | None) -> None:
    from payments_core.domain.errors import UnknownAccount

    if account is not None and account not in configuration.accounts:
        there_are = ", ".join(sorted(configuration.accounts)) or "none"
        raise UnknownAccount(
            f"Account {quote(account)} is not configured. Configured: {there_are}.",
            hint="Correct the name, or leave out --account for all accounts.",
        )


@command
def providers(
    terminal: Terminal,
    load: Annotated[bool, typer.Option("--load", help="Import them, and show what they can do.")] = False,
    conformance: Annotated[
        str | None, typer.Option(metavar="NAME", help="Run a provider's conformance suite against its own emulator.")
    ] = None,
) -> int:
    """List the installed plugins, or test one.

    `--conformance` shows pytest's output and ends with pytest's exit code: 0 when every promise is kept, 1 when one is
    broken. It needs pytest and the extra `server`, and takes about half a minute.
    """
    from payments_core.cli import output
    from payments_core.cli.conformance import run_suite
    from payments_core.plugins.manager import Plugins, found

    if conformance is not None:
        return run_suite(conformance, as_json=terminal.as_json)
    empty = "No plugin is installed. Each provider comes with a distribution of its own."
    if load:
        specs = list(Plugins().providers().values())
        output.print_list(terminal, specs, _record, _cells, empty=empty)
    else:
        output.print_list(terminal, found(), _installed, _installed, empty=empty)
    return exit_codes.DONE


def _installed(plugin: Found) -> dict[str, str]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "entry_point": plugin.entry_point.value,
    }


def _record(spec: ProviderSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "title": spec.title,
        "operations": sorted(map(str, spec.operations)),
        "capabilities": sorted(map(str, spec.capabilities)),
        "emulator": bool(spec.emulator),
        "docs": spec.docs,
    }


def _cells(spec: ProviderSpec) -> dict[str, str]:
    return {
        "provider": spec.name,
        "title": spec.title,
        "pays": ", ".join(sorted(spec.operations)),
        "can": ", ".join(sorted(spec.capabilities)),
        "emulator": f"payouts emulator {spec.name}" if spec.emulator else "",
        "docs": spec.docs,
    }


@command
def doctor(
    terminal: Terminal,
    init: Annotated[bool, typer.Option("--init", help="Write a new configuration, and never over one.")] = False,
) -> int:
    """Check that everything is ready to pay.

    It checks the configuration, secrets, the journal, pauses and each account's credentials; no money moves.
    """
    from importlib.metadata import version

    from payments_core.cli import checks

    if init:
        checks.write_configuration(terminal.config)
        terminal.show(
            {"written": str(terminal.config)},
            f"Wrote {terminal.config} with a new namespace. Keep it as safe as the journal.\n"
            "Next: uncomment an account and set where its secrets are. Then create the journal\n"
            "(`payouts journal init`) and run `payouts doctor`.",
        )
        return exit_codes.DONE
    found = list(checks.examine(terminal.config))
    is_well = all(check.level != "wrong" for check in found)
    text = "\n".join(
        f"{check.level:<5}  {check.what}: {check.says}" + (f"\n       {check.hint}" if check.hint else "")
        for check in found
    )
    report = {"ok": is_well, "version": version("payments-core"), "checks": [check._asdict() for check in found]}
    terminal.show(report, text)
    return exit_codes.DONE if is_well else exit_codes.ERROR
