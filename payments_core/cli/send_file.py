"""Pays every row of a file: checks all rows, sends them concurrently, and reports row by row."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from payments_core.batch.reading import open_rows
from payments_core.cli import confirm, error_output, exit_codes, messages, output, payee_file
from payments_core.cli.payee_file import Defaults, Row
from payments_core.cli.progress import bar, spinner
from payments_core.client import AsyncPayoutClient, Validation
from payments_core.domain.errors import InvalidPayout, JournalError, KeyReused, PaymentsError, PayoutInterrupted
from payments_core.domain.masking import mask_number, mask_numbers, scrub
from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.domain.records import Pause

if TYPE_CHECKING:
    from payments_core.cli.terminal import Terminal

__all__ = ["Ways", "send_file"]

# More rows than connections, so that none idles; each account's `max_in_flight` is the limit.
_AT_ONCE = 64
End: TypeAlias = Payout | PaymentsError | None  # None: refused by the check, or not to be sent
T = TypeVar("T")


class Ways(NamedTuple):
    """How a file is paid.

    Args:
        wait_s: Longest wait for the ends, in seconds.
        skip_refused: Pay the other rows when some are refused.
        yes: Ask no question.
        dry_run: Check, and pay nothing.

    """

    wait_s: float = 0.0
    skip_refused: bool = False
    yes: bool = False
    dry_run: bool = False


def send_file(terminal: Terminal, path: Path, defaults: Defaults, ways: Ways) -> int:
    """Pay the rows of a file, and return the exit code.

    All rows are checked first, as ``send`` checks them. When one is refused, nothing is sent, unless the others are
    wanted. Without ``yes`` the payments are shown first, and nothing is recorded unless the answer is yes.
    """
    is_asked = not ways.dry_run and confirm.has_to_ask(terminal, yes=ways.yes)
    runtime = terminal.runtime()
    try:
        with open_rows(path, defaults.of_rows(runtime)) as file:
            if file.form.ignored:
                terminal.note(f"Unknown columns are ignored: {scrub(', '.join(file.form.ignored))}.")
            rows = payee_file.rows_of(file)
    except BaseException:
        runtime.journal.close()
        raise

    with asyncio.Runner() as runner:  # the loop does not run during the question, so that Ctrl-C ends it
        client = AsyncPayoutClient(runtime)
        try:
            with spinner(terminal, f"Checking {messages.counted(len(rows), 'row')}"):
                validation = runner.run(client.validate(row.given for row in rows if row.given is not None))
            rows = payee_file.checked(rows, validation)
            refused = [row for row in rows if row.findings]
            if ways.dry_run or (refused and not ways.skip_refused):
                held = runner.run(confirm.balances(client, validation.totals)) if ways.dry_run else {}
                return _unpaid(terminal, path, rows, validation, held)
            to_pay = [row for row in rows if not row.findings and row.same_as is None]
            if not is_asked or not any(row.checked and row.checked.is_open for row in to_pay):
                for line in confirm.warnings(rows, validation):
                    terminal.note(line)
            else:
                confirm.show(terminal, path, rows, validation, runner.run(confirm.balances(client, validation.totals)))
                if not confirm.ask():
                    terminal.say("Nothing was recorded and nothing was sent.")
                    return exit_codes.ERROR
            ended = runner.run(_pay(terminal, client, to_pay, wait_s=ways.wait_s))
            pauses = runner.run(client.pauses())
        finally:
            runner.run(client.close())
    results = [(row, None if row.findings else ended[row.same_as or row.line]) for row in rows]
    if terminal.as_json:
        output.print_json([_shown(row, end, reveal=terminal.reveal) for row, end in results])
    else:
        _print_rows(terminal, results, pauses)
        terminal.say(_summary(results, pauses))
    return exit_codes.worst(_exit_code(end) for _, end in results)


def _unpaid(
    terminal: Terminal, path: Path, rows: Sequence[Row], validation: Validation, held: Mapping[tuple[str, str], str]
) -> int:
    """Show what the check found, and end without a payment.

    Raises:
        InvalidPayout: A row is refused.

    """
    if terminal.as_json:
        output.print_json([_shown(row, None, reveal=terminal.reveal) for row in rows])
    else:
        confirm.show(terminal, path, rows, validation, held)
    refused = sum(1 for row in rows if row.findings)
    if refused:
        raise InvalidPayout(
            f"{refused} of {messages.counted(len(rows), 'row')} of {path} cannot be paid.",
            hint="Correct them and run the command again, or add --skip-refused to pay the other rows.",
        )
    can_pay = "No row has a fault." if any(map(_is_new, rows)) else "No row is new: there is nothing to pay."
    terminal.note(f"{can_pay} Nothing was recorded and nothing was sent.")
    return exit_codes.DONE


async def _pay(
    terminal: Terminal, client: AsyncPayoutClient, rows: Sequence[Row], *, wait_s: float
) -> Mapping[int, End]:
    """Send every row, wait for the open ones, and return the result of each row."""
    ended: dict[int, End] = {}

    async def send(row: Row) -> None:
        given, found = row.given, row.checked
        assert given is not None and found is not None  # noqa: S101, PT018 - only checked rows are sent
        as_checked = replace(given, account=given.account or found.account, operation=found.operation)
        try:
            ended[row.line] = await client.send(**as_checked.arguments())
        except PaymentsError as error:
            ended[row.line] = error

    await _side_by_side(terminal, "Sending", rows, send)
    until = time.monotonic() + wait_s

    async def wait(payout: tuple[int, Payout]) -> None:
        line, found = payout
        ended[line] = await client.wait(found.id, timeout_s=max(until - time.monotonic(), 0.0))

    if wait_s:
        waiting = [(line, end) for line, end in ended.items() if isinstance(end, Payout) and not end.is_final]
        await _side_by_side(terminal, "Waiting", waiting, wait)
    for line, end in ended.items():
        if isinstance(end, Payout) and end.status is not PayoutStatus.SUCCEEDED:  # its history tells why
            ended[line] = replace(await client.get(end.id), is_new=end.is_new)
    return ended


async def _side_by_side(
    terminal: Terminal, text: str, items: Iterable[T], work: Callable[[T], Awaitable[None]]
) -> None:
    todo = deque(items)
    with bar(terminal, text, len(todo)) as step:

        async def worker() -> None:
            while todo:
                await work(todo.popleft())
                step()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, len(todo))):
                    group.create_task(worker())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None


def _is_new(row: Row) -> bool:
    return row.checked is not None and row.checked.is_new


def _exit_code(end: End) -> int:
    if isinstance(end, Payout):
        return exit_codes.of(end)
    if end is None:
        return exit_codes.FAILED
    if isinstance(end, PayoutInterrupted):
        return exit_codes.NOT_KNOWN
    return exit_codes.ERROR if isinstance(end, JournalError) else exit_codes.FAILED


def _shown(row: Row, end: End, *, reveal: bool) -> dict[str, Any]:
    """Return a row's JSON: the payout's fields (null where there is no payout), its line, and what refused it."""
    if isinstance(end, Payout):
        return {**output.record(end, reveal=reveal), **_of_row(row, None)}
    shown: dict[str, Any] = dict.fromkeys(output.FIELDS)
    given, found = row.given, row.checked
    account = (found.account if found else "") or row.read.account
    shown |= {"key": row.key or None, "account": account and mask_numbers(account)}
    if given:
        order = given.arguments()
        shown |= {"payee": output.address(order["payee"], reveal=reveal)}
        shown |= {"operator": output.operator(order["payee"]) or None}
        shown |= {"amount": order["amount"].text, "currency": str(order["amount"].currency)}
    if found:
        shown |= {"operation": found.operation and str(found.operation), "status": found.status and str(found.status)}
        shown |= {"id": found.payout_id or None}
    return shown | _of_row(row, end)


def _of_row(row: Row, end: PaymentsError | None) -> dict[str, Any]:
    error = error_output.problem(end, pays=True) if end is not None else _problem(row)
    findings = [
        {"field": one.field, "value": one.value, "code": one.code, "message": one.reason, "hint": one.hint}
        for one in row.findings
    ]
    notes = list(row.checked.notes) if row.checked else []
    return {
        "row": row.line,
        "same_as_row": row.same_as,
        "is_new": _is_new(row),
        "error": error,
        "findings": findings,
        "notes": notes,
    }


def _problem(row: Row) -> dict[str, str] | None:
    """Return all findings about a row as one error, with the code and the message of the first."""
    if not row.findings:
        return None
    first, *others = row.findings
    unsent = "" if first.code == KeyReused.code else "Nothing was recorded and nothing was sent."
    more = [text for one in others for text in (one.reason, one.hint)]
    return {"code": first.code, "message": first.reason, "hint": " ".join(filter(None, (first.hint, *more, unsent)))}


def _status(end: End) -> str:
    """Return the status of a row: the payout's, REFUSED, or ERROR."""
    if isinstance(end, Payout):
        return str(end.status)
    return "ERROR" if isinstance(end, PayoutInterrupted | JournalError) else "REFUSED"


def _print_rows(terminal: Terminal, results: Sequence[tuple[Row, End]], pauses: Sequence[Pause]) -> None:
    lines = []
    for row, end in results:
        if isinstance(end, Payout):
            cells = {"row": str(row.line)} | output.payout_cells(end, pauses, reveal=terminal.reveal)
            del cells["operation"], cells["next look"]
            if row.same_as:
                cells["why"] = f"same payout as row {row.same_as}"
        else:
            asked = _shown(row, end, reveal=terminal.reveal)  # parsed values, else as written in the file
            to, amount = row.cells.get("to", ""), scrub(row.cells.get("amount", ""), limit=40)
            cells = {
                "row": str(row.line),
                "key": row.key,
                "payee": asked["payee"] or (to if terminal.reveal else mask_number(to)),
                "amount": output.money_text(row.given.arguments()["amount"]) if row.given else amount,
                "account": asked["account"] or "",
                "status": _status(end),
                "why": (f"{end.message} {end.hint}" if end is not None else _why(row)).strip(),
                "submissions": "",
                "id": "",
            }
        lines.append(cells)
    output.print_table(lines)


def _why(row: Row) -> str:
    return " ".join(text for one in row.findings for text in (one.reason, one.hint) if text)


def _summary(results: Sequence[tuple[Row, End]], pauses: Sequence[Pause]) -> str:
    ends = [end for row, end in results if row.same_as is None]
    counted = Counter(map(_status, ends))
    again = sum(1 for row, _ in results if row.same_as is not None)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counted.items(), key=lambda one: -one[1]))
    rows = messages.counted(len(results), "row")
    lines = [f"{rows}: {parts or 'nothing to pay'}" + (f", {again} repeated" if again else "") + "."]
    known = [end for row, end in results if row.same_as is None and isinstance(end, Payout) and not _is_new(row)]
    if known:
        lines.append(
            f"{len(known)} of them {'was' if len(known) == 1 else 'were'} recorded before: no row is paid twice."
        )
    if unpaid := sum(1 for end in known if end.status in {PayoutStatus.FAILED, PayoutStatus.CANCELLED}):
        lines.append(f"{unpaid} of these ended FAILED or CANCELLED before: `payouts show KEY` says what to do.")
    if counted["REFUSED"]:
        lines.append("Refused rows were not sent: correct each, and send the file again; no row is paid twice.")
    open_ones = [end for end in ends if isinstance(end, Payout) and not end.is_final]
    stopped = {messages.pause_of(end.account, pauses) for end in open_ones if end.status is PayoutStatus.CREATED}
    contradicted = sum(1 for end in ends if isinstance(end, Payout) and end.has_open_contradiction)
    if contradicted:
        lines.append(f"{contradicted} contradicted by the provider: `payouts review list` shows them.")
    lines += [f"Nothing is lost: {messages.lifting(pause)}" for pause in stopped if pause]
    if open_ones:
        lines.append("`payouts resume` continues the open ones; the same file again pays no row twice.")
    return "\n".join(lines)
