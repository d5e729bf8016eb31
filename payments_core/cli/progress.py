"""Progress on standard error: one moving line on a terminal, elsewhere a line from time to time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from payments_core.cli.terminal import Terminal

__all__ = ["bar", "spinner"]

_EVERY_S = 30.0  # between two lines in a file: a short command leaves none there, and a long one is not silent


@contextlib.contextmanager
def spinner(terminal: Terminal, text: str, *, in_logs: bool = True) -> Iterator[Callable[[str], None]]:
    """Show a status line; yields a function that changes it.

    Args:
        terminal: The common options of the call.
        text: The first one.
        in_logs: Whether it is also printed where there is no terminal; not by a command whose events tell it there.

    """
    if not terminal.is_live:
        yield _in_lines(terminal) if in_logs else lambda _text: None
        return
    from rich.progress import SpinnerColumn, TextColumn

    with _progress(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        task = progress.add_task(text, total=None)
        yield lambda changed: progress.update(task, description=changed)


@contextlib.contextmanager
def bar(terminal: Terminal, text: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar; yields a function that advances it by one."""
    if not total:
        yield lambda: None
        return
    if not terminal.is_live:
        update, done = _in_lines(terminal), count(1)
        yield lambda: update(f"{text}: {next(done):,} of {total:,}")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _progress(*columns) as progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.advance(task)


def _in_lines(terminal: Terminal) -> Callable[[str], None]:
    """Return a function that prints what it is given, if the last line was some time ago; among JSON nothing."""
    last = time.monotonic()

    def update(text: str) -> None:
        nonlocal last
        if not (terminal.as_json or terminal.log_json) and (now := time.monotonic()) - last >= _EVERY_S:
            last = now
            terminal.note(text)

    return update


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
