"""What the commands about batches print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from payments_core.cli import exit_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from payments_core.batch import Batch, BatchProgress
    from payments_core.cli.terminal import Terminal
    from payments_core.domain.batches import RowResult

__all__ = ["UNSENT", "exit_code", "in_words", "line", "progress_record", "record", "row_cells", "row_record", "text"]

UNSENT = "UNSENT"  # a row without a payout


def exit_code(progress: BatchProgress) -> int:
    """Return the exit code of a batch: 0 when every row is paid, 3 when one failed, 4 when one is open."""
    if progress.succeeded == progress.batch.row_count:
        return exit_codes.DONE
    return exit_codes.NOT_KNOWN if not progress.is_done else exit_codes.FAILED


def record(batch: Batch) -> dict[str, Any]:
    """Return a batch as JSON."""
    return {
        "id": batch.id,
        "name": batch.name,
        "state": str(batch.state),
        "content_hash": batch.content_hash,
        "rows": batch.row_count,
        "totals": {str(total.currency): total.text for total in batch.totals},
        "created_by": batch.created_by,
        "approved_by": batch.approved_by or None,
        "history": [
            {
                "at": entry.at.isoformat(),
                "event": str(entry.event),
                "actor": entry.actor,
                "reason": entry.reason,
            }
            for entry in batch.history
        ],
    }


def progress_record(progress: BatchProgress) -> dict[str, Any]:
    """Return how far a batch is as JSON."""
    return record(progress.batch) | {
        "by_status": {str(status): count for status, count in sorted(progress.by_status.items())},
        "unsent": progress.unsent,
        "unsent_totals": {str(total.currency): total.text for total in progress.left},
    }


def text(progress: BatchProgress) -> str:
    """Return how far a batch is, for a person."""
    from payments_core.batch.decisions import totals_text
    from payments_core.cli import messages, output

    batch = progress.batch
    facts = {
        "batch": batch.id,
        "name": batch.name,
        "state": f"{batch.state}, every row has ended" if progress.is_done else str(batch.state),
        "rows": str(batch.row_count),
        "total": totals_text(batch.totals),
        "hash": batch.content_hash,
    }
    facts |= {str(status).lower(): str(count) for status, count in sorted(progress.by_status.items())}
    if progress.unsent:
        name = "never sent" if batch.state == "CANCELLED" else "unsent"
        facts[name] = f"{progress.unsent}, {totals_text(progress.left)}"
    facts["what next"] = "; ".join(_what_next(progress))
    history = [
        f"{messages.moment(entry.at)}  {entry.event.removeprefix('batch.')} by {entry.actor}: {entry.reason}"
        for entry in batch.history
    ]
    return "\n".join([output.facts(facts), *history])


def _what_next(progress: BatchProgress) -> Iterator[str]:
    from payments_core.domain.payout import PayoutStatus

    batch, in_review = progress.batch, progress.by_status.get(PayoutStatus.REVIEW, 0)
    if batch.state == "CREATED":
        yield "another person than its creator approves it: `payouts batch approve`"
    if batch.state == "APPROVED" and (progress.unsent or progress.open > in_review):
        yield f"`payouts batch run {batch.id}` goes on, and pays no row twice"
    if in_review:
        yield "`payouts review list` shows what waits for a person"
    if progress.failed:
        yield f"`payouts batch rows {batch.id} --status FAILED` says why rows failed, `payouts show KEY` what to do"


def in_words(batch: Batch) -> str:
    """Return a batch with its rows and its total, in a few words."""
    from payments_core.batch.decisions import totals_text
    from payments_core.cli import messages

    return f"Batch {batch.id} ({batch.name}): {messages.counted(batch.row_count, 'row')}, {totals_text(batch.totals)}"


def line(progress: BatchProgress, after_s: float = 0.0) -> str:
    """Return how far a run is, in a line; with the rate and the time left once a second has passed."""
    from payments_core.batch.decisions import totals_text

    rows = progress.batch.row_count
    ended = rows - progress.unsent - progress.open
    parts = [
        f"{rows - progress.unsent} of {rows} sent",
        f"{progress.succeeded} paid",
        f"{progress.failed} failed",
        f"{progress.open - progress.unknown} in progress",
        f"{progress.unknown} not known",
    ]
    if after_s > 1 and ended and progress.unsent:  # afterwards only the provider decides how long it takes
        rate = ended / after_s
        parts.append(f"{rate:.0f} a second, about {(rows - ended) / rate:.0f} s left")
    if progress.left:
        parts.append(f"{totals_text(progress.left)} left")
    return ", ".join(parts)


def row_record(one: RowResult, terminal: Terminal) -> dict[str, Any]:
    """Return a row and its payout as JSON."""
    from payments_core.cli import output

    order = one.row.order if one.row else None
    return {
        "row": one.number,
        "key": one.key,
        "payee": output.address(order.payee, reveal=terminal.reveal) if order else None,
        "amount": order.amount.text if order else None,
        "currency": str(order.amount.currency) if order else None,
        "account": one.row.account if one.row else None,
        "status": str(one.status) if one.status else None,
        "reason": str(one.reason) if one.reason else None,
        "id": one.payout_id,
    }


def row_cells(one: RowResult, terminal: Terminal) -> dict[str, str]:
    """Return a row and its payout as cells of a table."""
    from payments_core.cli import messages, output

    shown = row_record(one, terminal)
    amount = output.money_text(one.row.order.amount) if one.row else ""
    payee = shown["payee"] if one.row else "erased"
    order = {"row": one.number, "key": one.key, "payee": payee, "amount": amount}
    why = messages.REASONS[one.reason] if one.reason else ""
    cells = order | {"status": shown["status"] or UNSENT, "why": why, "id": shown["id"]}
    return {name: "" if value is None else str(value) for name, value in cells.items()}
