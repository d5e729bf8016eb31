"""``payouts mtn_momo consent``: asks an account holder, and shows what was consented to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import number_option, seconds
from payments_core.cli.terminal import Terminal, command

if TYPE_CHECKING:
    from payments_core.client import PayoutClient
    from payments_core.provider import Consent, Person

__all__ = ["consent"]


@command
def consent(
    terminal: Terminal,
    to: Annotated[str, number_option("Whom: country code first, such as +256772123456.")],
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="The account that asks; may be left out when there is only one.")
    ] = None,
    scope: Annotated[
        Literal["profile", "all_info"], typer.Option(help="What for: the profile, or everything MTN knows.")
    ] = "profile",
    wait: Annotated[float, seconds("Longest wait for the answer.")] = 60.0,
) -> int:
    """Ask an account holder for consent, and show what they let us read.

    Each call asks them again. Only first letters are shown unless --reveal is given. Leaves with 0 when they agreed, 3
    when they said no, 4 when they have not answered in time or the provider did not tell.
    """
    from payments_core.cli import output
    from payments_core.cli.lookups import asking
    from payments_core.domain.errors import LookupFailed
    from payments_core.domain.payout import Payee, ReasonCode

    payee, person, declined = Payee.msisdn(to), None, False
    with terminal.client() as client:
        asks = asking(client, account)
        asked = client.ask_consent(asks, payee, scopes=[scope])
        try:
            person = _answer(terminal, client, asks, asked, wait)
        except LookupFailed as error:
            if error.reason != ReasonCode.REJECTED:
                raise
            declined = True
    result: dict[str, Any] = {
        "account": asks,
        "payee": payee.value if terminal.reveal else payee.masked,
        "scope": scope,
        "answered": person is not None or declined,
        "person": None if person is None else _shown(person.details, reveal=terminal.reveal),
    }
    if terminal.as_json:
        output.print_json(result)
    elif declined:
        terminal.say(f"{result['payee']} said no, or MTN did for them. Another call asks them once more.")
    elif person is None:
        terminal.say(f"{result['payee']} has not answered within {wait:g} s. Another call asks them once more.")
    else:
        output.print_table([{"field": name, "value": value} for name, value in sorted(_lines(result["person"]))])
    if declined:
        return exit_codes.FAILED
    return exit_codes.NOT_KNOWN if person is None else exit_codes.DONE


def _answer(terminal: Terminal, client: PayoutClient, account: str, asked: Consent, wait_s: float) -> Person | None:
    """Poll until the account holder has answered; None when the time is over first."""
    import time

    from payments_core.cli.progress import spinner
    from payments_core.domain.errors import LookupFailed

    until = time.monotonic() + wait_s
    with spinner(terminal, "Waiting for the account holder's answer"):
        while True:
            try:
                return client.user_info(account, asked)
            except LookupFailed as error:
                # Without a reason no answer came at all: as good a time to ask again as any.
                pause = error.retry_after_s if error.reason else asked.poll_every_s
                if pause is None:
                    raise
            if time.monotonic() + pause > until:
                return None
            time.sleep(pause)


def _shown(value: Any, *, reveal: bool) -> Any:
    """Return what may be printed of a person: the fields' names, yes and no, and of all else the first letter."""
    if isinstance(value, Mapping):
        return {name: _shown(part, reveal=reveal) for name, part in value.items()}
    if isinstance(value, list):
        return [_shown(part, reveal=reveal) for part in value]
    return value if reveal or isinstance(value, bool | None) else f"{str(value)[:1]}***"


def _lines(value: Mapping[str, Any], under: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, part in value.items():
        if isinstance(part, Mapping):
            lines += _lines(part, f"{under}{name}.")
        else:
            lines.append((f"{under}{name}", str(part)))
    return lines
