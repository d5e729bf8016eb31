"""``payouts batch``: a batch is approved by a second person, run, stopped and looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from payments_core.cli import batch_output, exit_codes
from payments_core.cli.options import Actor, Reason, seconds
from payments_core.cli.terminal import Terminal, command, group
from payments_core.domain.masking import mask_numbers, quote

if TYPE_CHECKING:
    from payments_core.batch import Batch, Batches, BatchProgress
    from payments_core.engine.journal_protocol import Journal

__all__ = ["GROUP", "print_batch"]

GROUP = group("batch", "Batches: many payouts that are validated, approved and run as one.")
T = TypeVar("T")

Which = Annotated[
    str,
    typer.Argument(metavar="BATCH", help="The batch's id, or its name where only one has it that was not cancelled."),
]
_FOLLOW_S = 1.0
_MOST_SHOWN = 20  # rows of one kind


@GROUP.command("list")
@command
def list_(
    terminal: Terminal,
    limit: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="The most batches.")] = 100,
) -> int:
    """List batches, newest first."""
    from payments_core.batch.decisions import totals_text
    from payments_core.cli import messages, output

    def cells(batch: Batch) -> dict[str, str]:
        return {
            "batch": batch.id,
            "name": batch.name,
            "state": str(batch.state),
            "rows": str(batch.row_count),
            "total": totals_text(batch.totals),
            "created by": batch.created_by,
            "approved by": batch.approved_by,
            "since": messages.moment(batch.history[-1].at) if batch.history else "",
        }

    with terminal.journal() as journal:
        found = journal.batches(limit=limit)
    output.print_list(terminal, found, batch_output.record, cells, empty="There is no batch.")
    return exit_codes.DONE


@GROUP.command("show")
@command
def show(
    terminal: Terminal,
    batch: Which,
    follow: Annotated[bool, typer.Option("--follow", help="Show it again each second, until every row ended.")] = False,
) -> int:
    """Show how far a batch is, and who did what.

    Ends with 0 when every row is paid, 3 when one has failed, 4 when one is open or was not sent.
    """
    from payments_core.batch.earlier_batches import changed_numbers, paid_elsewhere
    from payments_core.batch.progress import progress_of
    from payments_core.cli import messages, output
    from payments_core.runtime import utc_now

    with terminal.journal() as journal:
        progress = progress_of(journal, batch)
        is_new = progress.batch.state == "CREATED"
        changed = list(changed_numbers(journal, progress.batch)) if is_new else []
        elsewhere = list(paid_elsewhere(journal, progress.batch, utc_now())) if is_new else []
        if follow:
            try:
                progress = _followed(terminal, journal, progress)
            except KeyboardInterrupt as stopped:
                says = "This command only looked: the batch is as it was, and goes on where it is run."
                raise KeyboardInterrupt(says) from stopped
    shown = [
        {
            "row": row.number,
            "payee_id": row.payee_id if terminal.reveal else mask_numbers(row.payee_id),
            "payee": output.address(row.order.payee, reveal=terminal.reveal),
            "before": output.address(before.order.payee, reveal=terminal.reveal),
        }
        for row, before in changed
    ]
    lines = [batch_output.text(progress)]
    if shown:
        count = messages.counted(len(shown), "payee")
        lines.append(f"{count} had another number in the last approved batch. Ask them before you approve:")
        lines += [f"  row {one['row']}, {one['payee_id']}: {one['payee']}, before {one['before']}" for one in shown]
    twice = [
        {"row": row.number, "payee": output.address(row.order.payee, reveal=terminal.reveal), "batch": other or None}
        for row, other in elsewhere
    ]
    if twice:
        count = messages.counted(len(twice), "number")
        lines.append(f"{count} of it another payment pays too, in these seven days. Make sure that both are meant:")
        for one in twice[:_MOST_SHOWN]:
            where = f"batch {one['batch']}" if one["batch"] else "a payout of no batch"
            lines.append(f"  row {one['row']}: {one['payee']}, {where}")
    record = batch_output.progress_record(progress) | {"changed_numbers": shown, "paid_elsewhere": twice}
    terminal.show(record, "\n".join(lines))
    return batch_output.exit_code(progress)


def _followed(terminal: Terminal, journal: Journal, progress: BatchProgress) -> BatchProgress:
    """Show a batch again each second; return how far it is when it moves no more."""
    from payments_core.batch.progress import progress_of
    from payments_core.cli.progress import spinner

    with spinner(terminal, batch_output.line(progress)) as update:
        while not progress.is_done and progress.batch.state != "CANCELLED":
            time.sleep(_FOLLOW_S)
            progress = progress_of(journal, progress.batch.id)
            update(batch_output.line(progress))
    return progress


@GROUP.command("rows")
@command
def rows(
    terminal: Terminal,
    batch: Which,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only rows with this status, such as FAILED or UNSENT; may be repeated.", show_default=False),
    ] = None,
    failed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the failed rows that no reissue mends here, never over another file: to correct and pay.",
        ),
    ] = None,
) -> int:
    """List the rows of a batch, each with what became of it. With --json, one object a line (JSONL), no array.

    With --failed FILE the rows to correct are written instead, each with a key of its own: a corrected row is a new
    payment, which is approved in a batch of its own.
    """
    from payments_core.batch.progress import rows_of
    from payments_core.cli import output
    from payments_core.cli.terminal import to_json
    from payments_core.domain.payout import PayoutStatus

    wanted, known = {one.upper() for one in status or ()}, (*PayoutStatus, batch_output.UNSENT)
    if unknown := sorted(wanted.difference(known)):
        raise typer.BadParameter(f"--status {quote(unknown[0])} is unknown. Write one of {', '.join(known)}.")
    widths: dict[str, int] = {}
    with terminal.journal() as journal:
        if failed is not None:
            return _write_failed(terminal, journal, batch, failed)
        for page in rows_of(journal, batch):
            shown = [one for one in page if not wanted or str(one.status or batch_output.UNSENT) in wanted]
            if terminal.as_json:
                for one in shown:
                    print(to_json(batch_output.row_record(one, terminal)))
            else:
                output.print_table([batch_output.row_cells(one, terminal) for one in shown], widths)
    return exit_codes.DONE


def _write_failed(terminal: Terminal, journal: Journal, batch: str, path: Path) -> int:
    """Write the rows to correct, and say what comes next."""
    from payments_core.batch.rejects import write_failed
    from payments_core.cli import messages

    count, uncertain = write_failed(journal, batch, path)
    lines = [f"{messages.counted(count, 'row')} to correct{f': {path}' if count else ', and no file'}."]
    if count:
        lines.append("Each has a new key: what you leave there is paid, once another person has approved it.")
        lines.append(f"Then: `payouts batch create {path} --round NAME --actor NAME`.")
    if uncertain:
        lines.append(
            f"Left out: {messages.counted(uncertain, 'failed row')} that may still turn out to be paid. `payouts batch "
            f"rows {batch} --status FAILED` lists them, `payouts show KEY` says what to do."
        )
    record = {"file": str(path) if count else None, "rows": count, "left_out": uncertain}
    terminal.show(record, "\n".join(lines))
    return exit_codes.DONE


@GROUP.command("approve")
@command
def approve(
    terminal: Terminal,
    batch: Which,
    actor: Actor,
    total: Annotated[
        list[str],
        typer.Option(metavar="TOTAL", help='The total that you approve, such as "1500000 UGX"; one for each currency.'),
    ],
    reason: Reason = "approved",
    content_hash: Annotated[
        str, typer.Option("--hash", metavar="HASH", help="The content hash that you were shown.")
    ] = "",
) -> int:
    """Approve a batch: exactly its rows, and exactly its total.

    The actor is another person than created it: the application authenticates them, not this command. Nothing is sent:
    `payouts batch run` does.
    """
    totals = [_money(text) for text in total]
    return _decided(
        terminal,
        lambda one: one.approve(batch, actor=actor, totals=totals, reason=reason, content_hash=content_hash),
    )


@GROUP.command("pause")
@command
def pause(terminal: Terminal, batch: Which, actor: Actor, reason: Reason) -> int:
    """Stop a batch: no further row is sent until it is unpaused. What may have arrived is followed."""
    return _decided(terminal, lambda one: one.pause(batch, actor=actor, reason=reason))


@GROUP.command("unpause")
@command
def unpause(terminal: Terminal, batch: Which, actor: Actor, reason: Reason) -> int:
    """Let a paused batch be run again."""
    return _decided(terminal, lambda one: one.unpause(batch, actor=actor, reason=reason))


@GROUP.command("cancel")
@command
def cancel(terminal: Terminal, batch: Which, actor: Actor, reason: Reason) -> int:
    """Cancel a batch: what was not sent is never sent. What may have arrived is followed as before."""
    progress = _with_batches(terminal, lambda one: one.cancel(batch, actor=actor, reason=reason))
    terminal.show(batch_output.progress_record(progress), batch_output.text(progress))
    return exit_codes.DONE


@GROUP.command("run")
@command
def run(
    terminal: Terminal,
    batch: Which,
    wait: Annotated[float, seconds("Longest wait for ends once every row is sent.")] = 60.0,
    stop_at_failed: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, metavar="N", help="Send no further row when so many have failed in this run."
        ),
    ] = None,
    stop_at_unknown: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, metavar="N", help="Send no further row when so many results are not known."),
    ] = None,
    ignore_funds: Annotated[
        bool, typer.Option("--ignore-funds", help='Go on after a payout failed for "not enough money".')
    ] = False,
) -> int:
    """Send every row of an approved batch that was not sent, and follow what is open.

    It may be stopped or killed at any moment: run it again, and no row is paid twice. It stops at the first payout that
    fails because the account has not enough money. Ends with 0 when every row is paid, 3 when one failed or was
    refused, 4 when one is open or was not sent.
    """
    import asyncio

    from payments_core.batch import AsyncBatches, StopRules
    from payments_core.cli import error_output
    from payments_core.cli.progress import spinner
    from payments_core.client import AsyncPayoutClient

    rules = StopRules(failed=stop_at_failed, unknown=stop_at_unknown, no_funds=not ignore_funds)
    runtime = terminal.runtime()
    began = time.monotonic()

    async def work(update: Callable[[str], None]) -> Any:
        async with AsyncPayoutClient(runtime) as client:

            def on_progress(progress: BatchProgress) -> None:
                update(batch_output.line(progress, time.monotonic() - began))

            return await AsyncBatches(client).run(batch, timeout_s=wait, stop=rules, on_progress=on_progress)

    with spinner(terminal, "Checking the rows") as update:
        done = asyncio.run(work(update))
    refused = {number: error_output.problem(error, pays=True) for number, error in done.refused.items()}
    record = batch_output.progress_record(done.progress) | {"stopped": done.stopped or None, "refused": refused}
    lines = [batch_output.text(done.progress)]
    lines += [f"Row {number} was refused: {one['message']} {one['hint']}".strip() for number, one in refused.items()]
    if done.stopped:
        lines.append(f"{'Note' if done.progress.is_done else 'Stopped'}: {done.stopped}")
    terminal.show(record, "\n".join(lines))
    return exit_codes.FAILED if refused else batch_output.exit_code(done.progress)


@GROUP.command("reissue")
@command
def reissue(terminal: Terminal, batch: Which, actor: Actor, reason: Reason) -> int:
    """Pay the failed rows again whose reason is worth it, such as not enough money.

    Rows that failed for another reason are not: `payouts batch rows --failed` writes them to be corrected. Each row
    needs a proof that its earlier attempts failed; where the provider gives none, compare its statement, then use
    `payouts reissue`.
    """
    from payments_core.cli import error_output, messages
    from payments_core.domain.payout import Payout

    failed, results = _with_batches(
        terminal, lambda one: (one.progress(batch).failed, one.reissue(batch, actor=actor, reason=reason))
    )
    shown: dict[int, Any] = {
        number: {"status": str(one.status), "id": one.id} if isinstance(one, Payout) else error_output.problem(one)
        for number, one in results.items()
    }
    refused = sum(1 for one in results.values() if not isinstance(one, Payout))
    lines = [
        f"Row {number}: {one.get('status') or ' '.join((one['message'], one['hint']))}".rstrip()
        for number, one in shown.items()
    ]
    lines.append(f"{len(results) - refused} reissued, {refused} refused.")
    if len(results) > refused:
        lines.append(f"`payouts batch run {batch}` follows them to their end.")
    if passed_over := max(failed - len(results), 0):
        lines.append(
            f"Passed over: {messages.counted(passed_over, 'failed row')}, as a reissue mends no such reason. `payouts "
            f"batch rows {batch} --status FAILED` says why, and `--failed FILE` writes them to be corrected."
        )
    terminal.show(shown, "\n".join(lines))
    return exit_codes.FAILED if refused else exit_codes.DONE


def _with_batches(terminal: Terminal, call: Callable[[Batches], T]) -> T:
    from payments_core.batch import Batches

    with terminal.client() as client:
        return call(Batches(client))


def _decided(terminal: Terminal, decision: Callable[[Batches], Batch]) -> int:
    batch = _with_batches(terminal, decision)
    last = batch.history[-1]
    what = batch_output.in_words(batch)
    terminal.show(batch_output.record(batch), f"{what}. It is {batch.state}, by {last.actor}.")
    return exit_codes.DONE


def print_batch(terminal: Terminal, batch: Batch, *, is_new: bool) -> None:
    """Print a batch that was created, and what comes next."""
    from payments_core.cli import output

    totals = " ".join(f'--total "{output.money_text(total)}"' for total in batch.totals)
    what = f"{batch_output.in_words(batch)}. It is {batch.state}"
    lines = [f"{what}." if is_new else f"{what}: these rows are a batch already, by {batch.created_by}."]
    if batch.state == "CREATED":
        lines.append("Nothing was sent. Another person looks at it and approves it:")
        lines.append(f"  payouts batch show {batch.id}")
        lines.append(f"  payouts batch approve {batch.id} --actor NAME {totals}")
    terminal.show(batch_output.record(batch) | {"is_new": is_new}, "\n".join(lines))


def _money(text: str) -> Any:
    from payments_core.domain.errors import InvalidPayout
    from payments_core.domain.money import Money

    amount, _, currency = text.replace(",", "").partition(" ")
    try:
        return Money(amount, currency.strip())
    except InvalidPayout as error:
        raise typer.BadParameter(f'{error.message} Write it such as "1500000 UGX".') from None
