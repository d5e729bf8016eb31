"""Results: one shape for machines, tables for people; numbers masked unless asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from payments_core.cli import words
from payments_core.entries import Pause
from payments_core.payout import HistoryEntry, Payout, PayoutStatus

__all__ = ["COLUMNS", "FIELDS", "details", "payout_line", "print_json", "print_table", "record", "told"]

COLUMNS = ("key", "payee", "amount", "account", "status", "why", "tries", "next look", "id")
FIELDS = (
    "id",
    "key",
    "account",
    "operation",
    "payee",
    "amount",
    "currency",
    "status",
    "reason",
    "references",
    "attempt",
    "tries",
)

_COLOURS = {
    PayoutStatus.SUCCEEDED: "green",
    PayoutStatus.FAILED: "red",
    PayoutStatus.REVIEW: "bold magenta",
    PayoutStatus.UNKNOWN: "yellow",
    PayoutStatus.PENDING: "cyan",
    PayoutStatus.SENDING: "cyan",
}

_WHOLE = frozenset({"at (UTC)", "event", "payee", "status"})  # never broken over two lines


def record(payout: Payout, *, reveal: bool, history: bool = False) -> dict[str, Any]:
    """Return a payout as the JSON of every command shows it.

    Args:
        payout: The payout.
        reveal: Show the payee's complete address.
        history: Add its history.

    """
    shown: dict[str, Any] = {
        "id": payout.id,
        "key": payout.key,
        "account": payout.account,
        "operation": str(payout.operation),
        "payee": told(payout, reveal=reveal),
        "amount": payout.amount.text,
        "currency": str(payout.amount.currency),
        "status": str(payout.status),
        "reason": str(payout.reason.code) if payout.reason else None,
        "references": dict(payout.references),
        "attempt": payout.attempt,
        "tries": payout.tries,
    }
    if history:
        shown["history"] = [_entry(entry) for entry in payout.history]
    return shown


def _entry(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at.astimezone(UTC).isoformat(),
        "event": entry.event,
        "status": str(entry.status),
        "attempt": entry.attempt,
        "tries": entry.tries,
        "decided_by": entry.decided_by,
        "evidence": dict(entry.evidence),
    }


def told(payout: Payout, *, reveal: bool) -> str:
    """Return the payee's address as it may be shown."""
    return payout.payee.value if reveal else payout.payee.masked


def payout_line(payout: Payout, *, reveal: bool, now: datetime) -> tuple[str, ...]:
    """Return a payout's cells under ``COLUMNS``."""
    return (
        payout.key,
        told(payout, reveal=reveal),
        str(payout.amount),
        payout.account,
        str(payout.status),
        words.why(payout.reason),
        str(payout.tries),
        words.moment(payout.next_at, now),
        payout.id,
    )


def details(payout: Payout, pauses: Iterable[Pause], *, reveal: bool, now: datetime) -> str:
    """Return everything about one payout that a person wants first, a line each."""
    lines = {
        "key": payout.key,
        "id": payout.id,
        "status": f"{payout.status}: {words.STATUSES[payout.status]}",
        "why": words.why(payout.reason),
        "said": payout.reason.text if payout.reason else "",
        "payee": told(payout, reveal=reveal),
        "amount": str(payout.amount),
        "account": payout.account,
        "tries": str(payout.tries),
        "references": ", ".join(f"{name}={value}" for name, value in payout.references.items()),
        "next look": words.moment(payout.next_at, now),
        "what next": words.advice(payout, pauses),
    }
    return "\n".join(f"{name:<11} {_clean(text)}" for name, text in lines.items() if text)


def print_json(shown: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(shown, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: with colours on a terminal; elsewhere plain, stable and never cut.

    Args:
        columns: Names; a column named ``status`` is coloured, one that is empty everywhere is left out on a terminal.
        rows: Cells.

    """
    cells = [[_clean(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in ([name.upper() for name in columns], *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_rich(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    kept = [number for number in range(len(columns)) if not cells or any(row[number] for row in cells)]
    width = sum(max(len(columns[number]), *(len(row[number]) for row in cells), 0) + 3 for number in kept)
    if width > console.width and "key" in columns:  # where room is short, the key alone names a payout
        kept = [number for number in kept if columns[number] != "id"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number in kept:
        name = columns[number]
        align: Literal["left", "right"] = "right" if name in {"amount", "tries"} else "left"
        table.add_column(name, overflow="fold", justify=align, no_wrap=name in _WHOLE)
    for row in cells:
        status = next((cell for name, cell in zip(columns, row, strict=True) if name == "status"), "")
        colour = _COLOURS.get(PayoutStatus(status), "") if status in set(PayoutStatus) else ""
        table.add_row(*(Text(row[n], style=colour if columns[n] == "status" else "") for n in kept))
    console.print(table)


def _clean(text: str) -> str:
    # A terminal obeys control characters, and some of this text came from outside.
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
