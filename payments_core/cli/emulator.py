"""``payouts emulator`` and ``payouts demo``: paying on this machine, without money."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import seed as seed_option
from payments_core.cli.terminal import Terminal, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from payments_core.provider import Emulator, ProviderSpec

__all__ = ["demo", "emulator", "start_emulator"]

Target = Annotated[
    str, typer.Option(metavar="NAME", help="The environment to emulate, where the provider has several.")
]
Seed = Annotated[int | None, seed_option("Makes random faults repeatable.")]

Switches = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An option of the emulator; the provider's page lists them."),
]


@command
def emulator(
    terminal: Terminal,
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="Its name, as `payouts providers` lists it.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="On the loopback interface; 0 for any free one.")] = 9400,
    write_config: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a payouts.toml that pays through it.")
    ] = None,
    target: Target = "",
    seed: Seed = None,
    switches: Switches = None,
) -> int:
    """Run an emulator of a provider's gateway until Ctrl-C.

    No money moves.
    """
    from payments_core.plugins.manager import Plugins

    spec = Plugins().provider(provider)
    stop = _stop_on_signals()
    server = start_emulator(spec, port, target, switches or ())
    try:
        if seed is not None:
            server.set_faults({"seed": seed})
        accounts = _write(server, write_config, target) if write_config else ()
        _print_started(terminal, spec, server, write_config, accounts)
        while not stop.wait(0.2):
            pass
    finally:
        server.stop()
    return exit_codes.DONE


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def start_emulator(spec: ProviderSpec, port: int, target: str = "", switches: Sequence[str] = ()) -> Emulator:
    """Start a provider's emulator on a port of this machine."""
    from importlib import import_module
    from inspect import signature

    from payments_core.domain.errors import SettingsError

    if not spec.emulator:
        raise SettingsError(
            f"The provider {spec.name} has no emulator.", hint="`payouts providers --load` shows which have one."
        )
    module, _, name = spec.emulator.partition(":")
    try:
        kind: type[Emulator] = getattr(import_module(module), name)
        if target and "target" not in signature(kind).parameters:
            raise ValueError(f"it has one target environment, so --target {target} is not allowed.")
        options = kind.options(dict(_named(switch) for switch in switches))
        server: Emulator = kind(port, **options, **({"target": target} if target else {}))  # type: ignore[call-arg]
        server.start()
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The emulator needs {error.name}, which is not installed.",
            hint="Install the server extra: pip install 'payments-core[server]'.",
        ) from None
    except ValueError as error:
        raise SettingsError(f"The emulator of {spec.name} refuses: {error}") from None
    except OSError as error:
        raise SettingsError(
            f"The emulator cannot listen on port {port}: {error.strerror}.",
            hint="Stop what uses the port, or take another: --port 0 takes any free one.",
        ) from None
    return server


def _named(switch: str) -> tuple[str, str]:
    name, equals, value = switch.partition("=")
    if not (name and equals):
        raise ValueError(f"--set {switch!r} is not NAME=VALUE.")
    return name, value


def _write(server: Emulator, path: Path, target: str) -> Sequence[str]:
    from payments_core.domain.errors import SettingsError

    try:
        return server.write_config(path, target=target)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from None


def _print_started(
    terminal: Terminal, spec: ProviderSpec, server: Emulator, path: Path | None, accounts: Sequence[str]
) -> None:
    import json

    if terminal.as_json:  # on one line, for a parent process that reads it while it serves
        fields = {"provider": spec.name, "url": server.url, "accounts": list(accounts)}
        print(json.dumps({**fields, "config": str(path) if path else None}), flush=True)
        return
    terminal.say(f"{spec.title}: an emulator listens at {server.url}; no money moves.")
    if path is None:
        terminal.say("No configuration pays through it: start it with --write-config payouts.toml.")
    else:
        if getattr(server, "config_reused", False):
            terminal.say(
                f"{path} exists already. The gateway's ledger is new: it is kept in memory, so it does not know"
            )
            terminal.say("the payments of an earlier run; such payouts end in REVIEW, or may be sent again.")
        terminal.say(f"{path} pays through it, from {', '.join(accounts)}. In another terminal:")
        option = "" if str(path) == "payouts.toml" else f" --config {path}"
        terminal.say(f"  payouts send --key test-1 {server.example} --wait 10{option}")
        terminal.say(f"  payouts list{option}")
    terminal.say(f"Its ledger: {server.url}/__emulator/ledger. Ctrl-C ends it.")
    print(end="", flush=True)


@command
def demo(
    terminal: Terminal,
    seed: Annotated[int | None, seed_option("Repeats a run; drawn when left out.")] = None,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Work in this folder and keep it.")] = None,
) -> int:
    """Show that every payee is paid exactly once, in spite of faults.

    The gateway has faults, and the paying process is killed during the run; another one resumes, and the gateway's
    ledger is compared with the journal.
    """
    from payments_core.cli.demo.story import tell

    return tell(terminal, seed=seed, keep=keep)
