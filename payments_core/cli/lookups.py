"""``payouts balance``, ``account-status`` and ``name``: lookups beside payments; no money moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import number_option, seconds
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.characters import clean

if TYPE_CHECKING:
    from payments_core.client import PayoutClient

__all__ = ["account_status", "asking", "balance", "name"]

Asking = Annotated[
    str | None,
    typer.Option(
        "--account", metavar="NAME", help="The account that makes the lookup; may be left out when there is only one."
    ),
]
To = Annotated[str, number_option("The number, such as +256772123456.")]


@command
def balance(
    terminal: Terminal,
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="One account; every account with balances when left out.")
    ] = None,
    currency: Annotated[str | None, typer.Option(metavar="CODE", help="Only balances in it, such as UGX.")] = None,
    wait: Annotated[float, seconds("Longest wait for an account that answers by callback.")] = 30.0,
) -> int:
    """Show the balances of accounts.

    Ends with 4 when one is not known.
    """
    from decimal import Decimal

    from payments_core.cli import output
    from payments_core.domain.amounts import number_text

    with terminal.client() as client:
        rows = _balances(terminal, client, account, currency, wait)
    has_labels = any(row["label"] for row in rows)

    def cells(row: dict[str, Any]) -> dict[str, str]:
        error = row["error"]
        shown = {name: row[name] or "" for name in ("account", "amount", "currency")}
        if not error:
            shown["amount"] = number_text(Decimal(row["amount"]), row["currency"])
        labels = {"label": row["label"] or ""} if has_labels else {}
        return shown | labels | {"why": f"{error['message']} {error['hint']}" if error else ""}

    empty = "No balance." if currency is None else f"No balance in {currency}."
    output.print_list(terminal, rows, lambda row: row, cells, empty=empty)
    return exit_codes.NOT_KNOWN if any(row["error"] for row in rows) else exit_codes.DONE


def _balances(
    terminal: Terminal, client: PayoutClient, account: str | None, currency: str | None, wait_s: float
) -> list[dict[str, Any]]:
    """Return the balances of one account, or of all; a failed lookup hides no other."""
    from payments_core.cli.error_output import problem
    from payments_core.cli.progress import spinner
    from payments_core.domain.errors import LookupFailed, NotSupported

    rows: list[dict[str, Any]] = []
    cannot: list[NotSupported] = []
    names = (account,) if account else client.accounts()
    for name in names:
        row = {"account": name, "amount": None, "currency": currency, "label": None, "error": None}
        try:
            with spinner(terminal, f"Asking for the balance of {name} …"):
                held = client.balances(name, currency=currency, wait_s=wait_s)
        except NotSupported as error:
            cannot.append(error)
        except LookupFailed as error:
            rows.append(row | {"error": problem(error)})
        else:
            rows += [
                row | {"amount": f"{one.amount:f}", "currency": one.currency, "label": one.label or None}
                for one in held
            ]
    if cannot and len(cannot) == len(names):
        raise cannot[0]
    return rows


@command
def account_status(terminal: Terminal, to: To, account: Asking = None) -> int:
    """Show whether a number has an active wallet.

    Ends with 0 when it has, 3 when it has not, 4 when it is not known.
    """
    from payments_core.cli import messages, output
    from payments_core.domain.payout import Payee

    payee = Payee.msisdn(to)
    with terminal.client() as client:
        name = asking(client, account)
        status = client.account_holder(name, payee)
    shown = output.address(payee, reveal=terminal.reveal)
    terminal.show(
        {"account": name, "payee": shown, "status": str(status)},
        f"{shown}: {messages.HOLDERS[status]}.",
    )
    return exit_codes.DONE if status == "active" else exit_codes.FAILED


@command
def name(terminal: Terminal, to: To, account: Asking = None) -> int:
    """Show the name of a wallet's holder.

    Only initials are shown unless --reveal is given. Ends with 4 when the name is not known.
    """
    from payments_core.cli import messages, output
    from payments_core.domain.payout import Payee

    payee = Payee.msisdn(to)
    with terminal.client() as client:
        asks = asking(client, account)
        found = client.name(asks, payee).full_name
    shown = output.address(payee, reveal=terminal.reveal)
    person = found if terminal.reveal else messages.initials(found)
    terminal.show(
        {"account": asks, "payee": shown, "name": person or None},
        f"{shown}: {clean(person) or 'the provider gave no name'}",
    )
    return exit_codes.DONE if person else exit_codes.NOT_KNOWN


def asking(client: PayoutClient, account: str | None) -> str:
    """Return the account for a lookup: the named one, or the only one."""
    accounts = client.accounts()
    if account is None and len(accounts) != 1:
        raise typer.BadParameter(f"Name the account with --account. Configured: {', '.join(accounts) or 'none'}.")
    return account or accounts[0]
