"""Options that several commands share: numbers with bounds, checked before the command runs."""

from __future__ import annotations

import math
from typing import Any

import typer

from payments_core.domain.bounds import LONGEST_S

__all__ = ["seconds", "seed"]


def seconds(text: str, *, most: float = LONGEST_S, **more: Any) -> Any:
    """Return an option for a time in seconds.

    Args:
        text: The help text.
        most: The largest value.
        **more: Arguments of ``typer.Option``.

    """

    def check(value: float | None) -> float | None:
        if value is not None and math.isnan(value):  # nan passes every comparison
            raise typer.BadParameter(f"nan is not in the range 0<=x<={most:g}.")
        return value

    return typer.Option(min=0, max=most, metavar="SECONDS", help=text, callback=check, **more)


def seed(text: str) -> Any:
    """Return an option for the seed of random numbers."""
    return typer.Option(min=0, max=2**63 - 1, metavar="N", help=text)
