"""Output: JSON for machines, tables for people; numbers are masked unless --reveal is given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from payments_core.cli import exit_codes, messages
from payments_core.cli.terminal import to_json
from payments_core.domain.amounts import amount_text
from payments_core.domain.characters import clean
from payments_core.domain.contradictions import Contradiction
from payments_core.domain.events import EventName
from payments_core.domain.masking import mask_numbers
from payments_core.domain.payout import HistoryEntry, Payee, Payout, PayoutStatus
from payments_core.domain.records import Pause
from payments_core.runtime import utc_now

if TYPE_CHECKING:
    from payments_core.cli.terminal import Terminal
    from payments_core.domain.money import Money
    from payments_core.provider import Balance

__all__ = [
    "FIELDS",
    "address",
    "balances_text",
    "contradiction",
    "details",
    "evidence",
    "facts",
    "money_text",
    "operator",
    "payout_cells",
    "print_json",
    "print_list",
    "print_pages",
    "print_payout",
    "print_table",
    "record",
]

T = TypeVar("T")

_READ: Mapping[str, Callable[[Payout], Any]] = {
    "id": lambda payout: payout.id,
    "key": lambda payout: payout.key,
    "account": lambda payout: payout.account,
    "operation": lambda payout: str(payout.operation),
    "payee": lambda payout: payout.payee.masked,
    "operator": lambda payout: operator(payout.payee) or None,
    "amount": lambda payout: payout.amount.text,
    "currency": lambda payout: str(payout.amount.currency),
    "status": lambda payout: str(payout.status),
    "reason": lambda payout: str(payout.reason.code) if payout.reason else None,
    "references": lambda payout: dict(payout.references),
    "provider_reference": lambda payout: payout.provider_reference,
    "note": lambda payout: payout.note,
    "metadata": lambda payout: dict(payout.metadata),
    "batch": lambda payout: payout.batch or None,
    "attempt": lambda payout: payout.attempt,
    "submissions": lambda payout: payout.submissions,
    "created_at": lambda payout: _written(payout.created_at),
    "updated_at": lambda payout: _written(payout.updated_at),
    "next_at": lambda payout: _written(payout.next_at),
    "contradictions": lambda payout: [contradiction(one) for one in payout.contradictions],
}
FIELDS = tuple(_READ)

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
    """Return a payout for the JSON of every command, with the payee's complete address if revealed."""
    shown = {name: read(payout) for name, read in _READ.items()} | {"payee": address(payout.payee, reveal=reveal)}
    if history:
        shown["history"] = [_entry(entry) for entry in payout.history]
    return shown


def _written(at: datetime | None) -> str | None:
    """Return a time for JSON: ISO 8601 in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat()


def contradiction(one: Contradiction) -> dict[str, Any]:
    """Return a contradiction for JSON."""
    return {
        "at": _written(one.at),
        "account": one.account,
        "attempt": one.attempt,
        "provider_status": str(one.provider_status),
        "code": one.code,
        "acknowledged_at": _written(one.acknowledged_at),
        "actor": one.actor,
        "reason": one.reason,
    }


def _entry(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": _written(entry.at),
        "event": entry.event,
        "status": str(entry.status),
        "attempt": entry.attempt,
        "submissions": entry.submissions,
        "decided_by": entry.decided_by,
        "evidence": dict(entry.evidence),
    }


def evidence(entry: HistoryEntry) -> str:
    """Return the evidence of an entry in one line."""
    return ", ".join(f"{name}={value}" for name, value in entry.evidence.items())


def address(payee: Payee, *, reveal: bool) -> str:
    """Return the payee's address, masked unless revealed."""
    return payee.value if reveal else payee.masked


def money_text(amount: Money) -> str:
    """Return an amount for people, with the decimals of its currency."""
    return amount_text(amount.amount, amount.currency)


def balances_text(balances: Iterable[Balance]) -> str:
    """Return what an account holds for people: each sum with the provider's word for it, where there are several."""
    found = tuple(balances)
    unnamed = "other" if len(found) > 1 else ""
    sums = [(one.label or unnamed, amount_text(one.amount, one.currency, grouped=True)) for one in found]
    return ", ".join(f"{label} {text}".strip() for label, text in sums)


def operator(payee: Payee) -> str:
    """Return the payee's operator as the order names it; empty where the order names none, or is erased."""
    return mask_numbers(payee.details.get("operator", ""))


def payout_cells(payout: Payout, pauses: Iterable[Pause], *, reveal: bool) -> dict[str, str]:
    """Return a payout's cells in tables."""
    pause = messages.pause_of(payout.account, pauses) if payout.status is PayoutStatus.CREATED else None
    return {
        "key": payout.key,
        "payee": address(payout.payee, reveal=reveal),
        "amount": _amount(payout),
        "operation": str(payout.operation),
        "account": payout.account,
        "status": str(payout.status),
        "why": messages.concern(payout) or (f"paused: {pause.why}" if pause else ""),
        "submissions": str(payout.submissions),
        "next look": messages.moment(payout.next_at, utc_now()),
        "id": payout.id,
    }


def _amount(payout: Payout) -> str:
    """Return the amount, and the original amount of a refund."""
    text = money_text(payout.amount)
    return f"{text} of {money_text(payout.original_amount)}" if payout.original_amount else text


def _attempt(payout: Payout) -> str:
    """Return the number of a later attempt, with the accounts of the earlier ones."""
    if payout.attempt == 1:
        return ""
    before = [entry.evidence["account_before"] for entry in payout.history if "account_before" in entry.evidence]
    return f"{payout.attempt}, paid from {', then '.join(before)} before" if before else str(payout.attempt)


def _cancelled(payout: Payout) -> str:
    """Return the actor and reason of a cancellation; empty without one."""
    found = next((entry.evidence for entry in payout.history if entry.event == EventName.PAYOUT_CANCELLED), None)
    return f"by {found['actor']}: {found['reason']}" if found else ""


def details(payout: Payout, pauses: Iterable[Pause], *, reveal: bool, now: datetime) -> str:
    """Return the main facts of one payout, one on each line."""
    asked_last = bool(payout.history) and payout.history[-1].event == EventName.PAYOUT_READ
    was_asked = payout.status is PayoutStatus.REVIEW and asked_last
    has_left = not payout.is_final and payout.status is not PayoutStatus.CREATED
    return facts(
        {
            "key": payout.key,
            "id": payout.id,
            "status": f"{payout.status}: {messages.standing(payout)}",
            "money": messages.money(payout),
            "why": messages.why(payout.reason) or (messages.latest_answer(payout) if has_left else ""),
            "said": payout.reason.text if payout.reason else "",
            "cancelled": _cancelled(payout),
            "but": messages.contradicted(payout),
            "asked": messages.latest_answer(payout) if was_asked else "",
            "payee": address(payout.payee, reveal=reveal),
            "operator": operator(payout.payee),
            "operation": str(payout.operation),
            "amount": _amount(payout),
            "account": payout.account,
            "batch": payout.batch,
            "attempt": _attempt(payout),
            "submissions": str(payout.submissions),
            "references": ", ".join(f"{name}={value}" for name, value in payout.references.items()),
            "next look": messages.moment(payout.next_at, now),
            "what next": messages.advice(payout, pauses),
        }
    )


def facts(lines: Mapping[str, str]) -> str:
    """Return facts with their names, one on each line; empty ones are left out."""
    return "\n".join(f"{name:<11} {clean(text)}" for name, text in lines.items() if text)


def print_json(shown: Any) -> None:
    """Print one JSON document."""
    print(to_json(shown, indent=2))


def print_payout(terminal: Terminal, payout: Payout, pauses: Iterable[Pause] = (), **more: Any) -> int:
    """Print one payout, and return its exit code; ``more`` are further fields of the JSON."""
    if terminal.as_json:
        print_json(record(payout, reveal=terminal.reveal, history=True) | more)
    else:
        terminal.say(details(payout, pauses, reveal=terminal.reveal, now=utc_now()))
    return exit_codes.of(payout)


def print_list(
    terminal: Terminal,
    found: Sequence[T],
    to_record: Callable[[T], Any],
    to_cells: Callable[[T], Mapping[str, str]],
    *,
    empty: str,
) -> None:
    """Print a list as JSON or as a table; without --json a note tells that it is empty."""
    if terminal.as_json:
        print_json([to_record(one) for one in found])
    elif found:
        print_table([to_cells(one) for one in found])
    else:
        terminal.note(empty)


def print_pages(
    terminal: Terminal,
    pages: Iterable[Sequence[T]],
    to_record: Callable[[T], Any],
    to_cells: Callable[[T], Mapping[str, str]],
) -> int:
    """Print a list page by page, as one JSON document or as one table, and return how many there were."""
    count, widths = 0, dict[str, int]()
    for page in pages:
        for one in page if terminal.as_json else ():
            text = to_json(to_record(one), indent=2).replace("\n", "\n  ")
            print(f"{',' if count else '['}\n  {text}", end="")
            count += 1
        if not terminal.as_json:
            print_table([to_cells(one) for one in page], widths)
            count += len(page)
    if terminal.as_json:
        print("\n]" if count else "[]")
    return count


def print_table(rows: Sequence[Mapping[str, str]], widths: dict[str, int] | None = None) -> None:
    """Print a table: with colours and without empty columns on a terminal; elsewhere plain, stable and never cut.

    Args:
        rows: Its rows.
        widths: Of the columns as printed so far, empty before the first page of a table: each page may widen them.

    """
    if not rows:
        return
    columns = tuple(rows[0])
    cells = [[clean(cell) for cell in row.values()] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cells)
        return
    widths = {} if widths is None else widths
    head = [] if widths else [[name.upper() for name in columns]]
    for name, *column in zip(columns, *cells, strict=True):
        widths[name] = max(widths.get(name, len(name)), *map(len, column))
    for row in (*head, *cells):
        print("  ".join(cell.ljust(widths[name]) for name, cell in zip(columns, row, strict=True)).rstrip())


def _print_rich(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    kept = [number for number in range(len(columns)) if any(row[number] for row in cells)]
    width = sum(max(len(columns[number]), *(len(row[number]) for row in cells)) + 3 for number in kept)
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
