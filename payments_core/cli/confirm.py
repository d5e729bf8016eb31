"""What is shown before a file is paid: amounts, accounts, balances and refused rows; and the question."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from payments_core.cli import messages, output
from payments_core.cli.payee_file import Row
from payments_core.domain.amounts import amount_text
from payments_core.domain.errors import LookupFailed, NotSupported

if TYPE_CHECKING:
    from payments_core.cli.terminal import Terminal
    from payments_core.client import AccountTotal, AsyncPayoutClient, OrderFinding, Validation

__all__ = ["ask", "balances", "has_to_ask", "show", "warnings"]

_BALANCE_WAIT_S = 10.0
_MOST_SHOWN = 20
_YES = frozenset({"y", "yes"})
_KINDS = ("already paid", "open already (continued)", "ended without payment (not paid again)", "refused", "repeated")


def has_to_ask(terminal: Terminal, *, yes: bool) -> bool:
    """Whether a confirmation is needed before a file is paid: refused where no question is possible."""
    if not yes and (terminal.as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        raise typer.BadParameter(
            "Without a terminal, and with --json, no confirmation can be asked for. Add --yes to pay the file, or "
            "--dry-run to check it only."
        )
    return not yes


async def balances(client: AsyncPayoutClient, totals: Sequence[AccountTotal]) -> dict[tuple[str, str], str]:
    """Return the balances of the accounts in the currencies to pay, as text; no money moves."""
    held: dict[tuple[str, str], str] = {}
    for total in totals:
        place = total.account, str(total.currency)
        try:
            found = await client.balances(total.account, currency=total.currency, wait_s=_BALANCE_WAIT_S)
        except NotSupported:
            held[place] = "not available"
        except LookupFailed:
            held[place] = "no answer"
        else:
            is_too_little = len(found) == 1 and found[0].amount < total.amount
            held[place] = (output.balances_text(found) or "nothing") + (": too little" if is_too_little else "")
    return held


def show(
    terminal: Terminal, path: Path, rows: Sequence[Row], validation: Validation, held: Mapping[tuple[str, str], str]
) -> None:
    """Print what would be paid of a file, from which accounts, and what the check found.

    Args:
        terminal: Where it is printed.
        path: Of the file.
        rows: Checked.
        validation: Of their orders.
        held: The balances of the accounts; none where they were not asked for.

    """
    terminal.say(f"{path}: {_counts(rows)}.")
    has_limit = any(total.left_today is not None for total in validation.totals)
    sums = [
        {
            "account": total.account,
            "payouts": str(total.count),
            "amount": amount_text(total.amount, total.currency, grouped=True),
        }
        | ({"left today": _left_today(total)} if has_limit else {})
        | ({"holds": held[total.account, str(total.currency)]} if held else {})
        for total in validation.totals
    ]
    if sums:
        output.print_table(sums)
    for line in warnings(rows, validation):
        terminal.say(line)
    if refused := [_cells(row.line, one) for row in rows for one in row.findings]:
        output.print_table(refused)


def _left_today(total: AccountTotal) -> str:
    return "" if total.left_today is None else amount_text(total.left_today, total.currency, grouped=True)


def warnings(rows: Sequence[Row], validation: Validation) -> list[str]:
    """Return what a person should see before a file is paid: payees paid twice, rows paid already, and notes."""
    numbered = [row.line for row in rows if row.given is not None]  # by the number of their order
    found = [
        f"{one.payee} is paid {len(one.numbers)} times: rows {_list(numbered[n - 1] for n in one.numbers)}."
        for one in validation.repeated_payees[:_MOST_SHOWN]
    ]
    if (more := len(validation.repeated_payees) - _MOST_SHOWN) > 0:
        found.append(f"{messages.counted(more, 'more payee')} paid several times.")
    noted: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.is_paid and row.same_as is None:
            noted["Already paid, and not paid again"].append(row.line)
        for note in row.checked.notes if row.checked else ():
            noted[note.rstrip(".")].append(row.line)
    found += [
        f"{note}: {'row' if len(at) == 1 else 'rows'} {_list(at)}." for note, at in list(noted.items())[:_MOST_SHOWN]
    ]
    return [*found, *validation.notes]


def _counts(rows: Sequence[Row]) -> str:
    counted = Counter(_kind(row) for row in rows)
    parts = [messages.counted(counted.pop("new", 0), "payout")]
    return ", ".join(parts + [f"{counted[kind]} {kind}" for kind in _KINDS if counted[kind]])


def _kind(row: Row) -> str:
    if row.findings or row.checked is None:
        return "refused"
    if row.same_as is not None:
        return "repeated"
    status = row.checked.status
    if status is None:
        return "new"
    if not status.is_final:
        return "open already (continued)"
    return "already paid" if row.is_paid else "ended without payment (not paid again)"


def _cells(line: int, finding: OrderFinding) -> dict[str, str]:
    return {
        "row": str(line),
        "field": "to" if finding.field == "payee" else finding.field,  # as the column is called
        "value": finding.value,
        "why": finding.reason,
        "what to do": finding.hint,
    }


def _list(lines: Iterable[int]) -> str:
    shown = [str(line) for line in lines]
    more = len(shown) - _MOST_SHOWN
    return ", ".join(shown[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def ask() -> bool:
    """Whether the answer is yes; any other answer, or none, means no."""
    try:
        return input("Pay? [y/N] ").strip().lower() in _YES
    except EOFError:
        print()
        return False
