"""The command line ``payouts``: what a person touches."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line on this process's arguments, and leave with its exit code."""
    from payments_core.cli.app import run  # here, so that importing the package costs nothing

    raise SystemExit(run())
