"""Reading the references of a provider's statement: one to a line, from a regular file or standard input."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import typer

from payments_core.answers import is_storable

__all__ = ["read_references"]

_MOST_BYTES = 16 * 1024 * 1024
_LONGEST = 200
_SEPARATORS = frozenset(",;\t \"'")


def read_references(source: str) -> tuple[str, ...]:
    """Return the references of a file, each once, in their order; no message repeats what a line holds.

    Args:
        source: The path of a regular file, UTF-8; ``-`` is standard input.

    Raises:
        typer.BadParameter: It cannot be read, is too large, or has a line that is not one reference.

    """
    name = "Standard input" if source == "-" else source
    data = sys.stdin.buffer.read(_MOST_BYTES + 1) if source == "-" else _read(Path(source))
    if len(data) > _MOST_BYTES:
        raise typer.BadParameter(f"{name} is larger than {_MOST_BYTES // (1024 * 1024)} MiB.")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{name} is not UTF-8.") from None
    found: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        reference = line.strip()
        if _SEPARATORS.intersection(reference) or len(reference) > _LONGEST or not is_storable(reference):
            raise typer.BadParameter(f"{name}, line {number}: write one reference to a line, and nothing else.")
        if reference:
            found[reference] = None
    return tuple(found)


def _read(path: Path) -> bytes:
    try:
        # A pipe without a writer must not make us wait.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise typer.BadParameter(f"{path} is not a regular file.")
            with os.fdopen(number, "rb", closefd=False) as file:
                return file.read(_MOST_BYTES + 1)
        finally:
            os.close(number)
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}.") from None
