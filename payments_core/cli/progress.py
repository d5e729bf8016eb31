"""Progress on standard error, for a person who watches; nothing at all elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from payments_core.cli.terminal import Terminal

__all__ = ["bar", "spinner"]


@contextlib.contextmanager
def spinner(terminal: Terminal, text: str) -> Iterator[Callable[[str], None]]:
    """Show a line that lives; yields what changes it."""
    if not terminal.is_live:
        yield lambda _text: None
        return
    from rich.progress import SpinnerColumn, TextColumn

    with _progress(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        task = progress.add_task(text, total=None)
        yield lambda changed: progress.update(task, description=changed)


@contextlib.contextmanager
def bar(terminal: Terminal, text: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how much of a known number is done; yields what adds one."""
    if not terminal.is_live or not total:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _progress(*columns) as progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.advance(task)


def _progress(*columns: object) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    # What is printed meanwhile moves above the line when both share a screen, and stays out of it otherwise.
    return Progress(
        *columns,  # type: ignore[arg-type]
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
