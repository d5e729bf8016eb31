"""``payouts list``: it needs only the journal, no secret and no plugin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import number_option
from payments_core.cli.terminal import Terminal, command, to_json
from payments_core.domain.errors import UnknownAccount
from payments_core.domain.listing import PayoutFilter, Position
from payments_core.domain.masking import quote
from payments_core.domain.payout import Payee, PayoutStatus, ReasonCode

if TYPE_CHECKING:
    from payments_core.domain.records import PayoutRecord
    from payments_core.engine.journal_protocol import Journal
    from payments_core.settings import Configuration

__all__ = ["list_"]

E = TypeVar("E", bound=StrEnum)

_PAGE = 500


@command
def list_(
    terminal: Terminal,
    key_prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only payouts whose key begins so.", show_default=False)
    ] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="ID", help="Only payouts that this batch has made.", show_default=False)
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only payouts in this status, such as UNKNOWN; may be repeated.", show_default=False),
    ] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only payouts whose result is not final.")] = False,
    reason: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Only payouts with this reason, such as payee_not_found.", show_default=False
        ),
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only payouts from this account.")] = None,
    payee: Annotated[str | None, number_option("Only payouts to this payee.")] = None,
    created_from: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Only payouts accepted at this time or later.", show_default=False),
    ] = None,
    created_to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Only payouts accepted before this time.", show_default=False),
    ] = None,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="The newest first.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=10_000_000, metavar="N", help="The most payouts; all if left out.", show_default=False),
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Continue after a list that --limit has ended.", show_default=False),
    ] = None,
) -> int:
    """List payouts, oldest first.

    Only payouts that meet every condition are listed. They are read and printed page by page, whatever their number;
    with --json as one array.
    A TIME is such as 2026-11-30 or 2026-11-30T14:00+03:00; without an offset it is in UTC. Where --limit ends
    the list and more may follow, standard error has the cursor of the rest.
    """
    from payments_core.cli import output
    from payments_core.client.listing import make_filter, read_cursor, write_cursor

    wanted = make_filter(
        key_prefix=key_prefix,
        batch=batch,
        status=_statuses(status, only_open=only_open),
        reason=None if reason is None else _one_of("--reason", reason.lower(), ReasonCode),
        account=account,
        payee=None if payee is None else _payee_value(payee),
        created_from=_moment("--from", created_from),
        created_to=_moment("--to", created_to),
        newest_first=newest_first,
    )
    after = read_cursor(cursor, wanted)
    configuration = terminal.configuration()
    with terminal.journal(configuration) as journal:
        pauses = journal.pauses()
        rows = _Rows(journal, wanted, after, limit)
        count = output.print_pages(
            terminal,
            ([row.view() for row in page] for page in rows),
            lambda payout: output.record(payout, reveal=terminal.reveal),
            lambda payout: output.payout_cells(payout, pauses, reveal=terminal.reveal),
        )
        if not count:
            _check_account(journal, configuration, account)
    if not count and not terminal.as_json:
        terminal.note("No payout yet." if wanted == PayoutFilter() and after is None else "No such payout.")
    if rows.last is not None:
        following = write_cursor(rows.last, wanted)
        terminal.note(
            to_json({"next_cursor": following})
            if terminal.as_json
            else f"There may be more: the same command with --cursor {following} continues."
        )
    return exit_codes.DONE


class _Rows:
    """The pages of a list, up to a limit.

    Args:
        journal: The journal.
        wanted: Which payouts.
        last: Where to begin; at the end, the position after which there may be more.
        limit: The most payouts; None for all.

    """

    def __init__(self, journal: Journal, wanted: PayoutFilter, last: Position | None, limit: int | None) -> None:
        self._journal, self._wanted, self._left = journal, wanted, limit
        self.last = last

    def __iter__(self) -> Iterator[Sequence[PayoutRecord]]:
        while True:
            limit = _PAGE if self._left is None else min(_PAGE, self._left)
            page = self._journal.page(self._wanted, after=self.last, limit=limit)
            self.last = page.last
            if page.rows:
                yield page.rows
            if self._left is not None:
                self._left -= len(page.rows)
            if page.last is None or self._left == 0:
                return


def _statuses(named: Sequence[str] | None, *, only_open: bool) -> list[PayoutStatus] | None:
    if not only_open:
        return [_one_of("--status", one.upper(), PayoutStatus) for one in named] if named else None
    if named:
        raise typer.BadParameter("--open is every status that is not final. Leave out --status, or --open.")
    return [status for status in PayoutStatus if not status.is_final]


def _one_of(option: str, text: str, known: type[E]) -> E:
    if text not in set(known):
        raise typer.BadParameter(f"{option} {quote(text)} is unknown. Write one of {', '.join(known)}.")
    return known(text)


def _payee_value(text: str) -> str:
    """Return the value of a payee: a telephone number in its one form, anything else as it is."""
    return Payee.msisdn(text).value if text.startswith("+") else text


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{option} {quote(text)} is no time. Write one such as 2026-11-30 or 2026-11-30T14:00+03:00."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _check_account(journal: Journal, configuration: Configuration, account: str | None) -> None:
    """Refuse an account that is not configured and has no payouts; those of a removed one are shown."""
    if account in {None, *configuration.accounts}:
        return
    paid_from = journal.accounts()
    if account not in paid_from:
        known = ", ".join(sorted(paid_from | set(configuration.accounts))) or "none"
        raise UnknownAccount(f"Account {quote(account)} is unknown. Known: {known}.", hint="Correct the name.")
