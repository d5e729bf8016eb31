"""Asking a person before a file is paid: how much, from where, what is refused, and what the accounts hold."""

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
    """Whether a person is asked before anything of a file is paid.

    Args:
        terminal: Of the call.
        yes: The caller said so beforehand.

    Raises:
        typer.BadParameter: Nobody said yes, and nobody can be asked: no terminal, or JSON is wanted.

    """
    if not yes and (terminal.as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        raise typer.BadParameter(
            "A file is paid after a person has said yes. Nobody can be asked here: a script, and --json, say --yes."
        )
    return not yes


async def balances(client: AsyncPayoutClient, rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """Return what each account holds of each currency that would be paid from it, in words; no money moves."""
    held: dict[tuple[str, str], str] = {}
    for account, currency in _sums(rows):
        try:
            found = await client.balances(account, currency=currency, wait_s=_BALANCE_WAIT_S)
        except NotSupported:
            held[account, currency] = "cannot be asked"
        except LookupFailed:
            held[account, currency] = "not told"
        else:
            lines = [f"{one.label} {one.amount:,f} {one.currency}".strip() for one in found]
            held[account, currency] = ", ".join(lines) or "nothing"
    return held


def show(terminal: Terminal, path: Path, rows: Sequence[Row], held: dict[tuple[str, str], str]) -> None:
    """Print what would be paid.

    Args:
        terminal: Where.
        path: The file.
        rows: All of it, each with its account.
        held: From :func:`balances`.

    """
    counted = Counter("repeated" if row.same_as else "refused" if row.error else "known" for row in rows)
    sums = _sums(rows)
    new = sum(count for count, _ in sums.values())
    counted["known"] -= new
    parts = [messages.counted(new, "payout")]
    parts += [f"{counted['known']} already known (what is open of them goes on)"] if counted["known"] else []
    parts += [f"{counted[what]} {what}" for what in ("refused", "repeated") if counted[what]]
    terminal.say(f"{path}: {', '.join(parts)}.")
    lines = [
        (account, str(count), f"{total:,f} {currency}", held[account, currency])
        for (account, currency), (count, total) in sums.items()
    ]
    if lines:
        output.print_table(("account", "payouts", "amount", "holds"), lines)
    refused = [row for row in rows if row.error is not None and row.same_as is None]
    for row in refused[:_MOST_SHOWN]:
        terminal.say(f"line {row.line} is refused: {row.error.message if row.error else ''}")
    if more := ", ".join(str(row.line) for row in refused[_MOST_SHOWN:]):
        terminal.say(f"and lines {more}.")


def ask() -> bool:
    """Whether a person says yes; whatever else is said, or nothing, means no."""
    try:
        return input("Pay? [y/N] ").strip().lower() in _YES
    except EOFError:
        print()
        return False


def _sums(rows: Sequence[Row]) -> dict[tuple[str, str], tuple[int, Decimal]]:
    """Count and add up what would be new, by account and currency."""
    found: dict[tuple[str, str], tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for row in rows:
        if row.order is None or row.is_known or row.error is not None or row.same_as is not None:
            continue
        place = row.account or row.chosen or "", str(row.order.amount.currency)
        count, total = found[place]
        found[place] = count + 1, total + row.order.amount.amount
    return dict(sorted(found.items()))
