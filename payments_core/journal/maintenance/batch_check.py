"""Whether the batches of a journal are as they were frozen."""

# ruff: noqa: S608 - put together from constants of this package

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal
from itertools import groupby

from payments_core.domain.batches import BatchState, RowHashes
from payments_core.domain.errors import JournalDamaged
from payments_core.journal.maintenance.snapshot import Snapshot
from payments_core.journal.sql.batches import BATCH_COLUMNS, ROW_COLUMNS, read_batch, read_batch_row

__all__ = ["batch_flaws"]

_EXACT = Context(prec=60)
_MOST = 100


def batch_flaws(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield a rule and what was seen, for each batch that is not as it was frozen, and each payout of no batch."""
    at = snapshot.sql.schema
    stored = snapshot.ask(f"SELECT {BATCH_COLUMNS} FROM {at}batches")
    batches = {batch.id: batch for batch in map(read_batch, stored) if batch.state is not BatchState.WRITING}
    seen = set[str]()
    rows = snapshot.stream(f"SELECT {ROW_COLUMNS} FROM {at}batch_rows r ORDER BY r.batch, r.number")
    for name, group in groupby(rows, key=lambda row: str(row[0])):
        if (batch := batches.get(name)) is None:
            continue  # it is being written
        seen.add(name)
        hashes, sums, count, is_erased = RowHashes(batch.name), dict[str, Decimal](), 0, False
        for values in group:
            count += 1
            number, digest = values[1], str(values[4])
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
    for name in sorted(set(batches) - seen):
        yield "batch", f"batch {name} has no row"
    statement = (
        f"SELECT DISTINCT p.batch FROM {at}payouts p LEFT JOIN {at}batches b ON b.id = p.batch"
        f" WHERE p.batch <> '' AND b.id IS NULL LIMIT {_MOST}"
    )
    for (name,) in snapshot.ask(statement):
        yield "batch", f"payouts are of batch {name}, which is not there"
