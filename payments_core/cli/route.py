"""``payouts route``: the account that a payee would be paid from, and why; nothing is sent or recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import number_option
from payments_core.cli.send import Currency, OperatorKey, check_operation
from payments_core.cli.terminal import Terminal, command

if TYPE_CHECKING:
    from payments_core.domain.money import Money
    from payments_core.domain.payout import Payee
    from payments_core.routing import Choice
    from payments_core.runtime import Runtime

__all__ = ["route"]


@command
def route(
    terminal: Terminal,
    to: Annotated[str, number_option("The payee's number, such as +256772123456.")],
    amount: Annotated[str, typer.Option(metavar="AMOUNT", help='Such as "25000 UGX", or 25000 with --currency.')],
    currency: Currency = None,
    operation: Annotated[str | None, typer.Option(help="transfer or deposit; each account's own if left out.")] = None,
    operator: OperatorKey = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask a provider for the payee's operator, as `payouts send` does.")
    ] = False,
) -> int:
    """Show the account that a payee would be paid from, and why.

    Nothing is sent or recorded, and without --ask no provider is asked. Ends with 3 when no account can be chosen, with
    4 when `payouts send` would first ask a provider for the payee's operator.
    """
    from payments_core.cli import output
    from payments_core.client import PayoutClient
    from payments_core.domain.payout import Payee

    check_operation(operation)
    payee = Payee.msisdn(to, operator=operator or "")
    runtime = terminal.runtime()
    with PayoutClient(runtime) as client:
        money = _money(runtime, amount, currency)
        choice = client.route(payee=payee, amount=money, operation=operation, ask=ask)
    if terminal.as_json:
        output.print_json(_record(choice, payee, money, reveal=terminal.reveal))
    else:
        _print(terminal, choice, payee, money)
    if choice.unasked:
        return exit_codes.NOT_KNOWN
    return exit_codes.DONE if choice.account else exit_codes.FAILED


def _money(runtime: Runtime, written: str, currency: str | None) -> Money:
    from payments_core.client import currency_of
    from payments_core.domain.money import Money

    amount, _, code = written.strip().partition(" ")
    if code and currency and code.strip() != currency:
        raise typer.BadParameter(f"--amount is in {code.strip()}, but --currency is {currency}. Give one of them.")
    return Money(amount, code.strip() or currency or currency_of(runtime, None))


def _record(choice: Choice, payee: Payee, money: Money, *, reveal: bool) -> dict[str, Any]:
    from payments_core.cli import output

    known = choice.payee
    return {
        "account": choice.account or None,
        "by": choice.by or None,
        "route": choice.route,
        "why": choice.why,
        "hint": _hint(choice) or None,
        "payee": output.address(payee, reveal=reveal),
        "amount": money.text,
        "currency": str(money.currency),
        "country": known.country or None,
        "operator": known.operator or None,
        "operator_from": str(known.source) if known.operator else None,
        "asked": known.asked or None,
        "prefix": known.hint or None,
        "portable": known.is_portable if known.country else None,
        "would_ask": list(choice.unasked),
        "routes": [
            {
                "route": one.route.number,
                "account": one.route.account.name,
                "verdict": str(one.verdict),
                "why": list(one.why),
            }
            for one in choice.tried
        ],
    }


def _hint(choice: Choice) -> str:
    if choice.unasked:
        asked = ", ".join(choice.unasked)
        return f"`payouts send` would ask the provider of {asked} for the payee's operator. Add --ask to do so."
    return choice.hint


_VERDICTS = {"matches": "matches", "no": "no", "not_known": "not known"}
_SOURCES = {"caller": "as given", "provider": "from the provider of {asked}", "prefix": "by the prefix"}


def _print(terminal: Terminal, choice: Choice, payee: Payee, money: Money) -> None:
    from payments_core.cli import output

    known = choice.payee
    source = _SOURCES.get(known.source, "").format(asked=known.asked)
    prefix = known.hint + (" (numbers may change operators there)" if known.is_portable else "") if known.hint else ""
    lines = {
        "payee": output.address(payee, reveal=terminal.reveal),
        "amount": output.money_text(money),
        "country": known.country,
        "prefix": prefix,
        "operator": f"{known.operator} ({source})" if known.operator else "",
        "account": choice.account or "none",
        "why": choice.why,
        "what next": _hint(choice),
    }
    terminal.say(output.facts(lines))
    if choice.tried:
        terminal.say()
        output.print_table(
            [
                {
                    "route": str(one.route.number),
                    "account": one.route.account.name,
                    "matches": _VERDICTS[one.verdict],
                    "why": "; ".join(one.why),
                }
                for one in choice.tried
            ]
        )
