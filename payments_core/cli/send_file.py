"""Pays every row of a file: checks all rows, sends them concurrently, and reports row by row."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from payments_core.cli import confirm, error_output, exit_codes, messages, output, payee_file
from payments_core.cli.payee_file import Defaults, Row
from payments_core.cli.progress import bar
from payments_core.client import AsyncPayoutClient
from payments_core.domain.errors import InvalidPayout, JournalError, NoRoute, PaymentsError, PayoutInterrupted
from payments_core.domain.masking import mask_number, mask_numbers, scrub
from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.domain.records import Pause
from payments_core.runtime import Runtime

if TYPE_CHECKING:
    from payments_core.cli.terminal import Terminal

__all__ = ["send_file"]

# More rows than connections, so that none idles; each account's `max_in_flight` is the limit.
_AT_ONCE = 64
_MOST_SHOWN = 20
End: TypeAlias = Payout | PaymentsError
T = TypeVar("T")


def send_file(
    terminal: Terminal,
    path: Path,
    defaults: Defaults,
    *,
    wait_s: float,
    all_or_nothing: bool,
    yes: bool,
) -> int:
    """Pay every valid row of a file, and return the exit code.

    A refused row does not stop the others unless ``all_or_nothing`` is set; a row without an account does. Without
    ``yes`` the payments are shown first, and nothing is recorded unless the answer is yes.
    """
    is_asked = confirm.has_to_ask(terminal, yes=yes)
    runtime = terminal.runtime()
    try:
        read, ignored = payee_file.read_file(path)
        if ignored:
            terminal.note(f"Unknown columns are ignored: {scrub(', '.join(ignored))}.")
        rows = payee_file.check(read, runtime, defaults)
    except BaseException:
        runtime.journal.close()
        raise

    with asyncio.Runner() as runner:  # the loop does not run during the question, so that Ctrl-C ends it
        client = AsyncPayoutClient(runtime)
        try:
            placed = runner.run(_placed(terminal, client, runtime, rows, by_default=defaults.operation is None))
            _refuse(path, placed, all_or_nothing=all_or_nothing)
            to_pay = [row for row in placed if row.error is None and row.same_as is None]
            if is_asked and to_pay:
                confirm.show(terminal, path, placed, runner.run(confirm.balances(client, to_pay)))
                if not confirm.ask():
                    terminal.say("Nothing was recorded and nothing was sent.")
                    return exit_codes.ERROR
            ended = runner.run(_pay(terminal, client, to_pay, wait_s=wait_s))
            pauses = runner.run(client.pauses())
        finally:
            runner.run(client.close())
    results = [(row, row.error or ended[row.same_as or row.line]) for row in placed]
    if terminal.as_json:
        output.print_json([_shown(row, end, reveal=terminal.reveal) for row, end in results])
    else:
        _print_rows(terminal, results, pauses)
        terminal.say(_summary(results, pauses))
    return exit_codes.worst(_exit_code(end) for _, end in results)


async def _placed(
    terminal: Terminal, client: AsyncPayoutClient, runtime: Runtime, rows: Sequence[Row], *, by_default: bool
) -> Sequence[Row]:
    """Choose the accounts that depend on a provider's answer about the payee; no money moves."""
    found: dict[int, Row] = {row.line: row for row in rows}

    async def ask(row: Row) -> None:
        order = row.order
        assert order is not None  # noqa: S101 - only parsed rows wait
        choice = await client.route(
            key=order.key,
            payee=order.payee,
            amount=order.amount,
            operation=None if by_default else order.operation,
            note=order.note,
        )
        found[row.line] = payee_file.place(row, runtime, choice, by_default=by_default)

    if waiting := [row for row in rows if row.waits]:
        await _side_by_side(terminal, "Asking", waiting, ask)
    return [row if row.same_as is None else replace(row, error=found[row.same_as].error) for row in found.values()]


def _refuse(path: Path, rows: Sequence[Row], *, all_or_nothing: bool) -> None:
    """Refuse the whole file for a row without an account, or with ``all_or_nothing`` for any refused row."""
    if refused := [row for row in rows if isinstance(row.error, NoRoute)]:
        count = messages.counted(len(refused), "row")
        raise NoRoute(
            f"No account can be chosen for {count} of {path}. Nothing was sent: {_describe_refused(refused)}",
            hint="Name the account (a column, or --account) or the payee's operator (a column) in these rows, or "
            "correct the routes; `payouts route` explains one.",
        )
    if all_or_nothing and (refused := [row for row in rows if row.error is not None]):
        raise InvalidPayout(
            f"{len(refused)} rows of {path} cannot be paid, so nothing was sent: {_describe_refused(refused)}",
            hint="Correct them, or leave out --all-or-nothing to pay the others.",
        )


def _describe_refused(refused: Sequence[Row]) -> str:
    """Return the numbers of all refused rows, and the errors of the first ones."""
    rows = "; ".join(
        f"row {row.line}: {row.error.message} {row.error.hint}".strip() for row in refused[:_MOST_SHOWN] if row.error
    )
    more = ", ".join(str(row.line) for row in refused[_MOST_SHOWN:])
    return f"{rows}; and {len(refused) - _MOST_SHOWN} more: {more}" if more else rows


async def _pay(
    terminal: Terminal, client: AsyncPayoutClient, rows: Sequence[Row], *, wait_s: float
) -> Mapping[int, End]:
    """Send every row, wait for the open ones, and return the result of each row."""
    ended: dict[int, End] = {}

    async def send(row: Row) -> None:
        order = row.order
        assert order is not None  # noqa: S101 - only parsed rows are sent
        try:
            ended[row.line] = await client.send(
                key=order.key,
                payee=order.payee,
                amount=order.amount,
                account=row.account or row.chosen,
                operation=order.operation,
                note=order.note,
            )
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


def _exit_code(end: End) -> int:
    if isinstance(end, Payout):
        return exit_codes.of(end)
    if isinstance(end, PayoutInterrupted):
        return exit_codes.NOT_KNOWN
    return exit_codes.ERROR if isinstance(end, JournalError) else exit_codes.FAILED


def _shown(row: Row, end: End, *, reveal: bool) -> dict[str, Any]:
    """Return a row's JSON: the payout's fields (null where there is no payout), its line, and what refused it."""
    if isinstance(end, Payout):
        return {**output.record(end, reveal=reveal), "row": row.line, "same_as_row": row.same_as, "error": None}
    shown: dict[str, Any] = dict.fromkeys(output.FIELDS)
    shown |= {"key": row.key or None, "account": row.account and mask_numbers(row.account)}
    if order := row.order:
        shown |= {
            "operation": str(order.operation),
            "payee": output.address(order.payee, reveal=reveal),
            "amount": order.amount.text,
            "currency": str(order.amount.currency),
        }
    return shown | {"row": row.line, "same_as_row": row.same_as, "error": error_output.problem(end, pays=True)}


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
                "amount": f"{asked['amount']} {asked['currency']}" if asked["amount"] else amount,
                "account": asked["account"] or "",
                "status": _status(end),
                "why": f"{end.message} {end.hint}".strip(),
                "submissions": "",
                "id": "",
            }
        lines.append(cells)
    output.print_table(lines)


def _summary(results: Sequence[tuple[Row, End]], pauses: Sequence[Pause]) -> str:
    ends = [end for row, end in results if row.same_as is None]
    counted = Counter(map(_status, ends))
    again = sum(1 for row, _ in results if row.same_as is not None)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counted.items(), key=lambda one: -one[1]))
    rows = messages.counted(len(results), "row")
    lines = [f"{rows}: {parts or 'nothing to pay'}" + (f", {again} repeated" if again else "") + "."]
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
