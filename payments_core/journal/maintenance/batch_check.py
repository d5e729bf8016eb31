"""Whether the batches of a journal are as they were frozen."""

# ruff: noqa: S608 - put together from constants of this package

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal
from itertools import groupby

from payments_core.domain.batches import BatchState, RowHashes
from payments_core.domain.budgets import batch_budget
from payments_core.domain.errors import JournalDamaged
from payments_core.journal.maintenance.snapshot import Snapshot
from payments_core.journal.sql.batches import BATCH_COLUMNS, ROW_COLUMNS, read_batch, read_batch_row
from payments_core.journal.sql.budgets import read_states

__all__ = ["batch_flaws"]

_EXACT = Context(prec=60)
_MOST = 100


def batch_flaws(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield a rule and what was seen, for each batch that is not as it was frozen, and each payout of no batch."""
    at = snapshot.sql.schema
    entries = "SELECT seq, at, event, actor, reason FROM {at}batch_history WHERE batch = ? ORDER BY seq"
    stored = snapshot.ask(f"SELECT {BATCH_COLUMNS} FROM {at}batches")
    found = [read_batch(values, snapshot.ask(entries.format(at=at), (values[0],))) for values in stored]
    batches = {batch.id: batch for batch in found if batch.state is not BatchState.WRITING}
    seen = set[str]()
    rows = snapshot.stream(f"SELECT {ROW_COLUMNS} FROM {at}batch_rows r ORDER BY r.batch, r.number")
    for name, group in groupby(rows, key=lambda row: str(row[0])):
        if (batch := batches.get(name)) is None:
            continue  # it is being written
        seen.add(name)
        hashes, sums, count, is_erased = RowHashes(batch.name), dict[str, Decimal](), 0, False
        for values in group:
            count += 1
            number, digest = values[1], str(values[3])
            try:
                row = read_batch_row(values)
                hashes.add([digest])
            except (JournalDamaged, ValueError):
                yield "batch", f"row {number} of batch {name} cannot be read"
                continue
            if row is None:
                is_erased = True
                continue
            if row.digest != digest:
                yield "batch", f"row {number} of batch {name} is not as it was frozen"
            currency, amount = str(row.order.amount.currency), row.order.amount.amount
            sums[currency] = _EXACT.add(sums.get(currency, Decimal(0)), amount)
        if count != batch.row_count or hashes.hexdigest() != batch.content_hash:
            yield "batch", f"the rows of batch {name} are not those that were frozen"
        elif not is_erased and sums != {str(total.currency): total.amount for total in batch.totals}:
            yield "batch", f"the rows of batch {name} do not come to its total"
    budgets = read_states(snapshot.ask(snapshot.sql.budgets))
    for batch in batches.values():
        for total in batch.totals if batch.approved_by else ():
            state = budgets.get(batch_budget(batch.id, total.currency).name)
            if state is None or state.most != total.amount:
                yield "batch", f"the budget of batch {batch.id} is not its approved total"
    for name in sorted(set(batches) - seen):
        yield "batch", f"batch {name} has no row"
    statement = (
        f"SELECT DISTINCT p.batch FROM {at}payouts p LEFT JOIN {at}batches b ON b.id = p.batch"
        f" WHERE p.batch <> '' AND b.id IS NULL LIMIT {_MOST}"
    )
    for (name,) in snapshot.ask(statement):
        yield "batch", f"payouts are of batch {name}, which is not there"
