"""Options and arguments that several commands share."""

from __future__ import annotations

import math
import sys
from typing import Annotated, Any

import typer

from payments_core.domain.bounds import LONGEST_S

__all__ = ["Actor", "Reason", "Which", "number_option", "seconds", "seed"]

_STDIN = "-"

Which = Annotated[str, typer.Argument(metavar="ID|KEY", help="The payout's id or its key.")]
Actor = Annotated[str, typer.Option(metavar="NAME", help="The person who decides; recorded in the history.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="The reason; recorded in the history.")]


def seconds(text: str, *, most: float = LONGEST_S, **more: Any) -> Any:
    """Return an option for a time in seconds; ``more`` goes to ``typer.Option``."""

    def check(value: float | None) -> float | None:
        if value is not None and math.isnan(value):  # nan passes every comparison
            raise typer.BadParameter(f"nan is not in the range 0<=x<={most:g}.")
        return value

    return typer.Option(min=0, max=most, metavar="SECONDS", help=text, callback=check, **more)


def seed(text: str) -> Any:
    """Return an option for the seed of random numbers."""
    return typer.Option(min=0, max=2**63 - 1, metavar="N", help=text)


def number_option(text: str) -> Any:
    """Return an option for a telephone number: ``-`` reads it from standard input, which ``ps`` does not show."""
    text = f"{text} `-` reads it from standard input: others on this machine can see a command line."
    return typer.Option(metavar="NUMBER", help=text, callback=_read_number)


def _read_number(value: str | None) -> str | None:
    if value != _STDIN:
        return value
    if sys.stdin.isatty():
        typer.echo("Number: ", nl=False, err=True)
    line = sys.stdin.readline(100).strip()
    if not line:
        raise typer.BadParameter("Standard input holds no number.")
    return line
