"""``payouts send``, ``deposit`` and ``refund``: one payout, or a file of them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli.options import number_option, seconds
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.masking import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from payments_core.client import PayoutClient
    from payments_core.domain.money import Money
    from payments_core.domain.payout import Payout

__all__ = ["Currency", "OperatorKey", "check_operation", "deposit", "refund", "send"]

KEY = "Your business key: one key, at most one payment."
CUT = "It may be shortened, or sent without some characters."

Amount = typer.Option(metavar="AMOUNT", help="Plain digits, such as 25000 or 12.50.")
Currency = Annotated[str | None, typer.Option(metavar="CODE", help="Such as UGX; the account's if left out.")]
Account = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The account to pay from; may be left out where routes or a default choose, or there is only one.",
    ),
]
Wait = Annotated[float, seconds("Seconds to wait for the final status; otherwise return at the first answer.")]
Metadata = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Text of your own, stored and never sent; may be repeated."),
]
OperatorKey = Annotated[str | None, typer.Option(metavar="KEY", help="The payee's operator, if known; routes use it.")]


def _send(
    terminal: Terminal,
    key: Annotated[str | None, typer.Option(help=KEY)] = None,
    to: Annotated[str | None, number_option("The payee's number, such as +256772123456.")] = None,
    amount: Annotated[str | None, Amount] = None,
    currency: Currency = None,
    account: Account = None,
    note: Annotated[str, typer.Option(help=f"Text for the payee. {CUT}")] = "",
    operation: Annotated[str | None, typer.Option(help="transfer or deposit; the account's if left out.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the provider; may be repeated.")
    ] = None,
    metadata: Metadata = None,
    operator: OperatorKey = None,
    wait: Wait = 0.0,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV, JSONL or XLSX, one payout a row: key,to,amount,currency,account,note,operator."
        ),
    ] = None,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Pay the other rows of the file when some are refused.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file, and pay nothing; ends with 1 when a row is refused.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Pay the file without a question; required without a terminal.")
    ] = False,
) -> int:
    """Pay one payee, or every payee in a file.

    Give `--key`, `--to` and `--amount`, or `--file`. The same key again never pays twice: it returns the payout.
    A file is checked first, all of it: when a row is refused, nothing is recorded or sent. Then the command shows
    amounts, accounts and balances, payees that are paid twice and rows that are paid already, and asks for a
    confirmation; without a terminal it needs --yes. Ends with 1 when a row is refused or the answer is no.
    """
    check_operation(operation)
    missing = [name for name, given in (("--key", key), ("--to", to), ("--amount", amount)) if given is None]
    if file is not None:
        if len(missing) < 3 or note or option or operator or metadata:
            raise typer.BadParameter(
                "With --file, the file has key, number, amount, note and operator; --option and --metadata are refused."
            )
        from payments_core.cli.payee_file import Defaults
        from payments_core.cli.send_file import Ways, send_file

        defaults = Defaults(account, currency, operation)
        return send_file(terminal, file, defaults, Ways(wait, skip_refused, yes, dry_run))
    if dry_run or skip_refused:
        raise typer.BadParameter("--dry-run and --skip-refused are about a file: give --file.")
    if key is None or to is None or amount is None:
        raise typer.BadParameter(f"Missing {', '.join(missing)}; or give --file.")
    from payments_core.domain.payout import Payee

    payee = Payee.msisdn(to, operator=operator or "")
    options, own = _pairs("--option", option), _pairs("--metadata", metadata)

    def begin(client: PayoutClient, money: Callable[[str], Money]) -> Payout:
        return client.send(
            key=key,
            payee=payee,
            amount=money(amount),
            account=account,
            note=note,
            operation=operation,
            options=options,
            metadata=own,
        )

    return _pay(terminal, begin, currency=currency, account=account, wait_s=wait)


def check_operation(operation: str | None) -> None:
    """Refuse an operation that a caller cannot name."""
    if operation not in {None, "transfer", "deposit"}:
        hint = "Write transfer or deposit; `payouts refund` pays a collection back."
        raise typer.BadParameter(f"--operation {quote(operation)} is unknown. {hint}")


def _pairs(option: str, written: list[str] | None) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for one in written or ():
        name, given, value = one.partition("=")
        if not given or not name or name in found:
            raise typer.BadParameter(f"Write each {option} once, as NAME=VALUE.")
        found[name] = value
    return found


def _pay(
    terminal: Terminal,
    begin: Callable[[PayoutClient, Callable[[str], Money]], Payout],
    *,
    currency: str | None,
    account: str | None,
    wait_s: float,
) -> int:
    """Make one payout, wait for it if requested, and print it."""
    from payments_core.cli import output
    from payments_core.client import PayoutClient, currency_of
    from payments_core.client.account_choice import difference_note
    from payments_core.domain.money import Money

    runtime = terminal.runtime()
    with PayoutClient(runtime) as client:
        code = currency or currency_of(runtime, account)
        payout = begin(client, lambda amount: Money(amount, code))
        is_new, differences = payout.is_new, payout.differences
        if wait_s and not payout.is_final:
            client.wait(payout.id, timeout_s=wait_s)
        payout = client.get(payout.id)  # with its history
        pauses = client.pauses()
    if not is_new and not terminal.as_json:
        terminal.say("This key is known. It is the payout below; nothing was added.")
        if differences:
            terminal.say(difference_note(differences))
    return output.print_payout(terminal, payout, pauses, is_new=is_new, differences=differences)


def _deposit(terminal: Terminal, /, **options: Any) -> int:
    """Pay one payee, or every payee in a file, by deposit.

    Like `payouts send --operation deposit`.
    """
    return _send(terminal, operation="deposit", **options)


_deposit.__annotations__ = _send.__annotations__
_deposit.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [parameter for name, parameter in inspect.signature(_send).parameters.items() if name != "operation"]
)
send, deposit = command(_send), command(_deposit)


@command
def refund(
    terminal: Terminal,
    key: Annotated[str, typer.Option(help=KEY)],
    collection: Annotated[
        str, typer.Option(metavar="REFERENCE", help="The reference under which the money was collected.")
    ],
    amount: Annotated[str, Amount],
    original_amount: Annotated[str, typer.Option(metavar="AMOUNT", help="The amount that was collected.")],
    currency: Currency = None,
    account: Account = None,
    note: Annotated[str, typer.Option(help=f"Text for the payer. {CUT}")] = "",
    metadata: Metadata = None,
    wait: Wait = 0.0,
) -> int:
    """Refund a collection, in full or in part.

    All refunds of one collection together never exceed its amount; a refund with an unknown result counts.
    """
    own = _pairs("--metadata", metadata)

    def begin(client: PayoutClient, money: Callable[[str], Money]) -> Payout:
        return client.refund(
            key=key,
            collection=collection,
            amount=money(amount),
            original_amount=money(original_amount),
            account=account,
            note=note,
            metadata=own,
        )

    return _pay(terminal, begin, currency=currency, account=account, wait_s=wait)
