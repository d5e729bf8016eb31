"""The confirmation before a file is paid: amounts, accounts, refused rows and balances."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from payments_core.cli import messages, output
from payments_core.cli.payee_file import Row
from payments_core.domain.errors import LookupFailed, NotSupported

if TYPE_CHECKING:
    from payments_core.cli.terminal import Terminal
    from payments_core.client import AsyncPayoutClient

__all__ = ["ask", "balances", "has_to_ask", "show"]

_BALANCE_WAIT_S = 10.0
_MOST_SHOWN = 20
_YES = frozenset({"y", "yes"})


def has_to_ask(terminal: Terminal, *, yes: bool) -> bool:
    """Whether a confirmation is needed before a file is paid: refused where no question is possible."""
    if not yes and (terminal.as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        raise typer.BadParameter(
            "Without a terminal, and with --json, no confirmation can be asked for. Add --yes to pay the file."
        )
    return not yes


async def balances(client: AsyncPayoutClient, rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """Return the balances of each account in the currencies to pay, as text; no money moves."""
    held: dict[tuple[str, str], str] = {}
    for account, currency in _sums(rows):
        try:
            found = await client.balances(account, currency=currency, wait_s=_BALANCE_WAIT_S)
        except NotSupported:
            held[account, currency] = "not available"
        except LookupFailed:
            held[account, currency] = "no answer"
        else:
            lines = [f"{one.label} {one.amount:,f} {one.currency}".strip() for one in found]
            held[account, currency] = ", ".join(lines) or "nothing"
    return held


def show(terminal: Terminal, path: Path, rows: Sequence[Row], held: dict[tuple[str, str], str]) -> None:
    """Print the payments of a file, and the balances of the accounts that they are paid from."""
    counted = Counter("repeated" if row.same_as else "refused" if row.error else "known" for row in rows)
    sums = _sums(rows)
    new = sum(count for count, _ in sums.values())
    counted["known"] -= new
    parts = [messages.counted(new, "payout")]
    parts += [f"{counted['known']} already known (open ones continue)"] if counted["known"] else []
    parts += [f"{counted[what]} {what}" for what in ("refused", "repeated") if counted[what]]
    terminal.say(f"{path}: {', '.join(parts)}.")
    output.print_table(
        [
            {
                "account": account,
                "payouts": str(count),
                "amount": f"{total:,f} {currency}",
                "holds": held[account, currency],
            }
            for (account, currency), (count, total) in sums.items()
        ]
    )
    refused = [row for row in rows if row.error is not None and row.same_as is None]
    for row in refused[:_MOST_SHOWN]:
        if row.error:
            terminal.say(f"Row {row.line}: {row.error.message} {row.error.hint}".strip())
    if more := ", ".join(str(row.line) for row in refused[_MOST_SHOWN:]):
        terminal.say(f"Also refused: rows {more}.")


def ask() -> bool:
    """Whether the answer is yes; any other answer, or none, means no."""
    try:
        return input("Pay? [y/N] ").strip().lower() in _YES
    except EOFError:
        print()
        return False


def _sums(rows: Sequence[Row]) -> dict[tuple[str, str], tuple[int, Decimal]]:
    """Return count and sum of the new payouts, by account and currency."""
    found: dict[tuple[str, str], tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for row in rows:
        if row.order is None or row.chosen is None:
            continue
        place = row.chosen, str(row.order.amount.currency)
        count, total = found[place]
        found[place] = count + 1, total + row.order.amount.amount
    return dict(sorted(found.items()))
