"""Output: JSON for machines, tables for people; numbers are masked unless --reveal is given."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from payments_core.cli import messages
from payments_core.cli.safe_json import to_json
from payments_core.domain.characters import clean
from payments_core.domain.contradictions import Contradiction
from payments_core.domain.events import EventName
from payments_core.domain.payout import HistoryEntry, Payout, PayoutStatus
from payments_core.domain.records import Pause

__all__ = [
    "COLUMNS",
    "FIELDS",
    "details",
    "payee_address",
    "payout_line",
    "print_json",
    "print_table",
    "record",
    "written",
]

COLUMNS = ("key", "payee", "amount", "operation", "account", "status", "why", "submissions", "next look", "id")
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
    "submissions",
    "created_at",
    "updated_at",
    "next_at",
    "contradictions",
)

_COLOURS = {
    PayoutStatus.SUCCEEDED: "green",
    PayoutStatus.FAILED: "red",
    PayoutStatus.REVIEW: "bold magenta",
    PayoutStatus.UNKNOWN: "yellow",
    PayoutStatus.PENDING: "cyan",
    PayoutStatus.SENDING: "cyan",
}

_WHOLE = frozenset({"at (UTC)", "event", "payee", "status"})  # never wrapped


def record(payout: Payout, *, reveal: bool, history: bool = False) -> dict[str, Any]:
    """Return a payout for the JSON of every command.

    Args:
        payout: The payout.
        reveal: Whether to show the payee's complete address.
        history: Whether to add its history.

    """
    shown: dict[str, Any] = {
        "id": payout.id,
        "key": payout.key,
        "account": payout.account,
        "operation": str(payout.operation),
        "payee": payee_address(payout, reveal=reveal),
        "amount": payout.amount.text,
        "currency": str(payout.amount.currency),
        "status": str(payout.status),
        "reason": str(payout.reason.code) if payout.reason else None,
        "references": dict(payout.references),
        "attempt": payout.attempt,
        "submissions": payout.submissions,
        "created_at": written(payout.created_at),
        "updated_at": written(payout.updated_at),
        "next_at": written(payout.next_at),
        "contradictions": [contradiction(one) for one in payout.contradictions],
    }
    if history:
        shown["history"] = [_entry(entry) for entry in payout.history]
    return shown


def written(at: datetime | None) -> str | None:
    """Return a time for JSON: ISO 8601 in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat()


def contradiction(one: Contradiction) -> dict[str, Any]:
    """Return a contradiction for JSON."""
    return {
        "at": written(one.at),
        "account": one.account,
        "attempt": one.attempt,
        "provider_status": str(one.provider_status),
        "code": one.code,
        "acknowledged_at": written(one.acknowledged_at),
        "actor": one.actor,
        "reason": one.reason,
    }


def _entry(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": written(entry.at),
        "event": entry.event,
        "status": str(entry.status),
        "attempt": entry.attempt,
        "submissions": entry.submissions,
        "decided_by": entry.decided_by,
        "evidence": dict(entry.evidence),
    }


def payee_address(payout: Payout, *, reveal: bool) -> str:
    """Return the payee's address, masked unless revealed."""
    return payout.payee.value if reveal else payout.payee.masked


def payout_line(payout: Payout, pauses: Iterable[Pause], *, reveal: bool, now: datetime) -> tuple[str, ...]:
    """Return a payout's cells under ``COLUMNS``."""
    pause = messages.pause_of(payout.account, pauses) if payout.status is PayoutStatus.CREATED else None
    return (
        payout.key,
        payee_address(payout, reveal=reveal),
        _amount(payout),
        str(payout.operation),
        payout.account,
        str(payout.status),
        messages.concern(payout) or (f"paused: {pause.why}" if pause else ""),
        str(payout.submissions),
        messages.moment(payout.next_at, now),
        payout.id,
    )


def _amount(payout: Payout) -> str:
    """Return the amount, and the original amount of a refund."""
    return f"{payout.amount} of {payout.original_amount}" if payout.original_amount else str(payout.amount)


def _attempt(payout: Payout) -> str:
    """Return the number of a later attempt, with the accounts of the earlier ones."""
    if payout.attempt == 1:
        return ""
    before = [entry.evidence["account_before"] for entry in payout.history if "account_before" in entry.evidence]
    return f"{payout.attempt}, paid from {', then '.join(before)} before" if before else str(payout.attempt)


def _cancelled(payout: Payout) -> str:
    """Return the actor and reason of a cancellation; empty without one."""
    evidence = next((entry.evidence for entry in payout.history if entry.event == EventName.PAYOUT_CANCELLED), None)
    return f"by {evidence['actor']}: {evidence['reason']}" if evidence else ""


def details(payout: Payout, pauses: Iterable[Pause], *, reveal: bool, now: datetime) -> str:
    """Return the main facts of one payout, one on each line."""
    asked_last = bool(payout.history) and payout.history[-1].event == EventName.PAYOUT_READ
    was_asked = payout.status is PayoutStatus.REVIEW and asked_last
    has_left = not payout.is_final and payout.status is not PayoutStatus.CREATED
    lines = {
        "key": payout.key,
        "id": payout.id,
        "status": f"{payout.status}: {messages.standing(payout)}",
        "money": messages.money(payout),
        "why": messages.why(payout.reason) or (messages.latest_answer(payout) if has_left else ""),
        "said": payout.reason.text if payout.reason else "",
        "cancelled": _cancelled(payout),
        "but": messages.contradicted(payout),
        "asked": messages.latest_answer(payout) if was_asked else "",
        "payee": payee_address(payout, reveal=reveal),
        "operation": str(payout.operation),
        "amount": _amount(payout),
        "account": payout.account,
        "attempt": _attempt(payout),
        "submissions": str(payout.submissions),
        "references": ", ".join(f"{name}={value}" for name, value in payout.references.items()),
        "next look": messages.moment(payout.next_at, now),
        "what next": messages.advice(payout, pauses),
    }
    return "\n".join(f"{name:<11} {clean(text)}" for name, text in lines.items() if text)


def print_json(shown: Any) -> None:
    """Print one JSON document."""
    print(to_json(shown, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: with colours on a terminal; elsewhere plain, stable and never cut.

    Args:
        columns: The names; ``status`` is coloured, and an empty column is left out on a terminal.
        rows: The cells.

    """
    cells = [[clean(cell) for cell in row] for row in rows]
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
    if width > console.width and "key" in columns:  # on a narrow terminal the key identifies the payout
        kept = [number for number in kept if columns[number] != "id"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number in kept:
        name = columns[number]
        align: Literal["left", "right"] = "right" if name in {"amount", "submissions"} else "left"
        table.add_column(name, overflow="fold", justify=align, no_wrap=name in _WHOLE)
    for row in cells:
        status = next((cell for name, cell in zip(columns, row, strict=True) if name == "status"), "")
        colour = _COLOURS.get(PayoutStatus(status), "") if status in set(PayoutStatus) else ""
        table.add_row(*(Text(row[n], style=colour if columns[n] == "status" else "") for n in kept))
    console.print(table)
