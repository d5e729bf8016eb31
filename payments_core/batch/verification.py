"""The rows of a batch against what was frozen: nothing else is approved, and nothing else is paid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from payments_core.batch.decisions import damaged
from payments_core.batch.progress import PAGE, Tally
from payments_core.domain.batches import Batch, RowHashes, RowResult
from payments_core.engine.journal_protocol import Journal

__all__ = ["FrozenPage", "check_digests", "check_rows", "read_page"]


class FrozenPage(NamedTuple):
    """A page of rows whose digests belong to the content hash.

    Args:
        after: The number of the row before it.
        content_hash: Of its digests.
        has_unsent: Whether a row of it has no payout.

    """

    after: int
    content_hash: str
    has_unsent: bool


def check_digests(journal: Journal, batch: Batch) -> tuple[list[FrozenPage], Tally]:
    """Compare the digests of all rows with the content hash; return the pages, and what is left to be sent.

    The rows themselves are not read: :func:`read_page` does that, and compares them with these digests.

    Raises:
        JournalDamaged: They are others than were frozen.

    """
    hashes, left, pages, count, after = RowHashes(batch.name), Tally(batch.totals), list[FrozenPage](), 0, 0
    while found := journal.batch_digests(batch.id, after=after, limit=PAGE):
        digests = [one.digest for one in found]
        hashes.add(digests)
        recorded = [one.recorded for one in found if one.recorded is not None]
        for amount in recorded:
            left.add(amount, -1)
        pages.append(FrozenPage(after, _hash(batch, digests), has_unsent=len(recorded) < len(found)))
        count, after = count + len(found), found[-1].number
    if count != batch.row_count or hashes.hexdigest() != batch.content_hash:
        raise damaged(batch)
    return pages, left


def read_page(journal: Journal, batch: Batch, page: FrozenPage) -> tuple[RowResult, ...]:
    """Return the rows of a page.

    Raises:
        JournalDamaged: They are others than were frozen.

    """
    rows = journal.batch_rows(batch.id, after=page.after, limit=PAGE)
    if _hash(batch, (one.digest for one in rows)) != page.content_hash or any(
        one.row is not None and one.row.digest != one.digest for one in rows
    ):
        raise damaged(batch)
    return rows


def check_rows(journal: Journal, batch: Batch) -> None:
    """Compare all rows with what was frozen; raises as :func:`read_page`."""
    for page in check_digests(journal, batch)[0]:
        read_page(journal, batch, page)


def _hash(batch: Batch, digests: Iterable[str]) -> str:
    hashes = RowHashes(batch.name)
    hashes.add(digests)
    return hashes.hexdigest()
