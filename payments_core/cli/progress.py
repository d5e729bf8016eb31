"""Progress on standard error, only on a terminal."""

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
    """Show a status line; yields a function that changes it."""
    if not terminal.is_live:
        yield lambda _text: None
        return
    from rich.progress import SpinnerColumn, TextColumn

    with _progress(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        task = progress.add_task(text, total=None)
        yield lambda changed: progress.update(task, description=changed)


@contextlib.contextmanager
def bar(terminal: Terminal, text: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar; yields a function that advances it by one."""
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

    # Other output is printed above the line on the same screen, and unchanged elsewhere.
    return Progress(
        *columns,  # type: ignore[arg-type]
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
