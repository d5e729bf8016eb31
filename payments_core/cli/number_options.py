"""Options for telephone numbers: other users of the machine can read a command line with ``ps``."""

from __future__ import annotations

import sys
from typing import Any

import typer

__all__ = ["number_option"]

_STDIN = "-"


def number_option(help: str) -> Any:  # noqa: A002 - typer's name
    """Return the option of a number: ``-`` reads it from standard input.

    Args:
        help: The help text, a sentence.

    """
    text = f"{help} `-` reads it from standard input: others on this machine can see a command line."
    return typer.Option(metavar="NUMBER", help=text, callback=_read)


def _read(value: str | None) -> str | None:
    if value != _STDIN:
        return value
    if sys.stdin.isatty():
        typer.echo("Number: ", nl=False, err=True)
    line = sys.stdin.readline(100).strip()
    if not line:
        raise typer.BadParameter("Standard input holds no number.")
    return line
