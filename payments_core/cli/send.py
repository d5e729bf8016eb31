"""``payouts send``: one payout, or a file of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exits
from payments_core.cli.terminal import Terminal, command

if TYPE_CHECKING:
    from payments_core.performer import Office

__all__ = ["COMMANDS"]


def _column(name: str) -> Any:
    return typer.Option(f"--{name}-column", metavar="NAME", help=f"What the file calls the column {name}.")


@command
def send(
    terminal: Terminal,
    key: Annotated[str | None, typer.Option(help="Your business key: one key, at most one payment.")] = None,
    to: Annotated[str | None, typer.Option(metavar="NUMBER", help="Who receives it, such as +256772123456.")] = None,
    amount: Annotated[str | None, typer.Option(metavar="AMOUNT", help="Plain digits, such as 25000 or 12.50.")] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Such as UGX; the account's if left out.")
    ] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="The account to pay from.")] = None,
    note: Annotated[str, typer.Option(help="Text for the payee.")] = "",
    operation: Annotated[str, typer.Option(help="transfer, deposit or refund.")] = "transfer",
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Wait for the end; otherwise return at the first answer.")
    ] = 0.0,
    file: Annotated[
        Path | None, typer.Option(metavar="CSV", help="One row, one payout: key,to,amount,currency,account,note.")
    ] = None,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Pay none when a row of the file is refused.")
    ] = False,
    key_column: Annotated[str, _column("key")] = "key",
    to_column: Annotated[str, _column("to")] = "to",
    amount_column: Annotated[str, _column("amount")] = "amount",
    currency_column: Annotated[str, _column("currency")] = "currency",
    account_column: Annotated[str, _column("account")] = "account",
    note_column: Annotated[str, _column("note")] = "note",
) -> int:
    """Pay somebody, or everybody in a file.

    The same key again never pays twice: it returns what became of the payout.
    """
    from payments_core.payout import Operation

    if operation not in set(Operation):
        raise typer.BadParameter(f"{operation!r} is no operation; there are {', '.join(Operation)}.")
    if file is None:
        missing = [name for name, given in (("--key", key), ("--to", to), ("--amount", amount)) if given is None]
        if missing:
            raise typer.BadParameter(f"Missing {', '.join(missing)}; or give --file.")
        assert key is not None and to is not None and amount is not None  # noqa: S101, PT018 - for the type checker
        return _send_one(terminal, key, to, amount, currency, account, note, operation, wait)
    if key is not None or to is not None or amount is not None or note:
        raise typer.BadParameter("With --file, key, number, amount and note stand in the file.")
    columns = (key_column, to_column, amount_column, currency_column, account_column, note_column)
    from payments_core.cli.send_file import send_file

    names = dict(zip(("key", "to", "amount", "currency", "account", "note"), columns, strict=True))
    return send_file(
        terminal,
        terminal.office(),
        path=file,
        names=names,
        account=account,
        currency=currency,
        operation=operation,
        wait_s=wait,
        all_or_nothing=all_or_nothing,
    )


def _send_one(
    terminal: Terminal,
    key: str,
    to: str,
    amount: str,
    currency: str | None,
    account: str | None,
    note: str,
    operation: str,
    wait_s: float,
) -> int:
    from payments_core.cli import output
    from payments_core.cli.people import currency_of
    from payments_core.client import PayoutClient
    from payments_core.money import Money
    from payments_core.payout import Payee
    from payments_core.performer import utc_now

    office: Office = terminal.office()
    with PayoutClient(office) as client:
        payout = client.send(
            key=key,
            payee=Payee.msisdn(to),
            amount=Money(amount, currency or currency_of(office, account)),
            account=account,
            note=note,
            operation=operation,
        )
        if wait_s and not payout.is_final:
            payout = client.wait(payout.id, timeout_s=wait_s)
        pauses = client.pauses()
    if terminal.as_json:
        output.print_json(output.record(payout, reveal=terminal.reveal, history=True))
    else:
        terminal.say(output.details(payout, pauses, reveal=terminal.reveal, now=utc_now()))
    return exits.of(payout.status)


COMMANDS = {"send": send}
