"""``payouts demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from payments_core.cli.options import seed as seed_option
from payments_core.cli.terminal import Terminal, command

__all__ = ["COMMANDS"]


@command
def demo(
    terminal: Terminal,
    people: Annotated[int, typer.Option(min=20, max=400, help="How many are paid.")] = 25,
    seed: Annotated[int | None, seed_option("Repeats a run; drawn when left out.")] = None,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Work in this folder and keep it.")] = None,
) -> int:
    """Show that every payee is paid exactly once, in spite of faults.

    The gateway has faults, and the paying process is killed during the run; another one resumes, and the gateway's
    ledger is compared with the journal.
    """
    from payments_core.cli.demo.story import tell

    return tell(terminal, people=people, seed=seed, keep=keep)


COMMANDS = {"demo": demo}
