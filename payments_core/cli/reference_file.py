"""Reads the references of a provider's statement: one for each line, from a regular file or standard input."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import typer

from payments_core.domain.references import fault_of
from payments_core.settings.files import read_file

__all__ = ["read_references"]

_MOST_BYTES = 16 * 1024 * 1024
_LINE_END = re.compile("\r\n|\r|\n")


def read_references(source: str) -> tuple[str, ...]:
    """Return the references of a file, each once, in their order; no message repeats a line.

    Args:
        source: The path of a regular file that only its owner can change, UTF-8; ``-`` is standard input.

    Raises:
        SettingsError: It is not such a file, or it is too large.
        typer.BadParameter: It cannot be read, or has a line that is not one reference.

    """
    name = "Standard input" if source == "-" else source
    try:
        text = _standard_input() if source == "-" else read_file(Path(source), source, most_bytes=_MOST_BYTES).text
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{name} is not UTF-8.") from None
    found: dict[str, None] = {}
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), 1):
        reference = line.strip(" \t")
        if not reference:
            continue
        if fault := fault_of(reference):
            raise typer.BadParameter(
                f"{name}, line {number}: {fault}. Write one reference on each line, of letters, digits, - and _."
            )
        found[reference] = None
    return tuple(found)


def _standard_input() -> str:
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise typer.BadParameter(f"Standard input is larger than {_MOST_BYTES} bytes.")
    return data.decode("utf-8")
