"""How far a batch is, and when a run of it stops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal

from payments_core.batch.decisions import find_batch
from payments_core.domain.batches import Batch, BatchState, RowResult
from payments_core.domain.bounds import check_number
from payments_core.domain.errors import PaymentsError
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.engine.journal_protocol import Journal

__all__ = [
    "PAGE",
    "BatchProgress",
    "BatchRun",
    "Counts",
    "StopRules",
    "Tally",
    "by_status",
    "progress_of",
    "rows_of",
    "standing",
    "unsent_batches",
]

Counts = Mapping[tuple[PayoutStatus | None, ReasonCode | None], int]
#: So many rows are read at once.
PAGE = 500
_EXACT = Context(prec=60)  # an application may have changed its own
_NO_FUNDS = frozenset({ReasonCode.INSUFFICIENT_FUNDS, ReasonCode.FUNDS_OR_LIMIT})
_FAILED = frozenset({PayoutStatus.FAILED})
_STOPPED = frozenset({ReasonCode.BATCH_STOPPED, ReasonCode.DAILY_LIMIT})
_WAITING = _STOPPED | {ReasonCode.NEEDS_APPROVAL, ReasonCode.ABOVE_LARGEST_AMOUNT}
_CREATED = frozenset({PayoutStatus.CREATED})
_UNKNOWN = frozenset({PayoutStatus.UNKNOWN, PayoutStatus.REVIEW})


@dataclass(frozen=True, slots=True)
class StopRules:
    """When a run sends no further row. Rows that were sent are still followed to their end.

    Args:
        failed: So many payouts of the run have failed; None for any number.
        unknown: So many payouts of the batch are UNKNOWN or in REVIEW; None for any number.
        no_funds: A payout of the run has failed because the account has not enough money.

    """

    failed: int | None = None
    unknown: int | None = None
    no_funds: bool = True

    def __post_init__(self) -> None:
        """Refuse what can never be reached."""
        for name in ("failed", "unknown"):
            if (most := getattr(self, name)) is not None:
                check_number(name, most, 1, 1_000_000, whole=True)

    def reached(self, before: Counts, now: Counts) -> str:
        """Return which rule is reached, in a sentence; empty when none is.

        Args:
            before: The counts when the run began.
            now: The counts.

        """
        failed = _of(now, _FAILED) - _of(before, _FAILED)
        unknown = _of(now, _UNKNOWN)
        if self.no_funds and _of(now, _FAILED, _NO_FUNDS) > _of(before, _FAILED, _NO_FUNDS):
            return "The account has not enough money: top it up, and `payouts batch reissue` pays what failed for that."
        if waiting := _of(now, _CREATED, _STOPPED):
            return f"{waiting} payouts wait: the daily limit is reached, or the approved total of the batch."
        if self.failed is not None and failed >= self.failed:
            return f"{failed} payouts of this run have failed."
        if self.unknown is not None and unknown >= self.unknown:
            return f"The result of {unknown} payouts is not known."
        return ""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is.

    Args:
        batch: The batch.
        by_status: How many rows have a payout of each status.
        unsent: How many rows have none yet.
        left: What the rows come to that have no payout yet, by currency.

    """

    batch: Batch
    by_status: Mapping[PayoutStatus, int]
    unsent: int
    left: tuple[Money, ...] = ()

    @property
    def open(self) -> int:
        """Rows whose payout is recorded and has not ended; those in REVIEW wait for a person."""
        return sum(count for status, count in self.by_status.items() if not status.is_final)

    @property
    def succeeded(self) -> int:
        """Rows that are paid."""
        return self.by_status.get(PayoutStatus.SUCCEEDED, 0)

    @property
    def failed(self) -> int:
        """Rows whose payout failed."""
        return self.by_status.get(PayoutStatus.FAILED, 0)

    @property
    def unknown(self) -> int:
        """Rows whose result is not known: UNKNOWN, or in REVIEW."""
        return sum(self.by_status.get(status, 0) for status in _UNKNOWN)

    @property
    def is_done(self) -> bool:
        """Whether every row has a payout, and each has ended."""
        return not self.unsent and not self.open


@dataclass(frozen=True, slots=True)
class BatchRun:
    """What a run left behind.

    Args:
        progress: How far the batch is.
        stopped: Why it sent no further row, in a sentence; empty where every row was sent.
        refused: Rows that ``send`` refused now, by number, with the error; at most 1,000.

    """

    progress: BatchProgress
    stopped: str = ""
    refused: Mapping[int, PaymentsError] = field(default_factory=dict)


class Tally:
    """Sums amounts by currency."""

    def __init__(self, amounts: Iterable[Money] = ()) -> None:
        self._sums: dict[str, Decimal] = {}
        for amount in amounts:
            self.add(amount)

    def add(self, amount: Money, sign: int = 1) -> None:
        """Add an amount, or subtract it."""
        currency = str(amount.currency)
        change = amount.amount if sign > 0 else -amount.amount
        self._sums[currency] = _EXACT.add(self._sums.get(currency, Decimal(0)), change)

    def totals(self) -> tuple[Money, ...]:
        """Return the sums that are more than nothing, by currency."""
        return tuple(Money(total, currency) for currency, total in sorted(self._sums.items()) if total > 0)


def rows_of(journal: Journal, batch: str) -> Iterator[tuple[RowResult, ...]]:
    """Yield the rows of a batch in their order, each beside its payout, page by page.

    Raises:
        UnknownBatch: There is none.

    """
    found, after = find_batch(journal, batch), 0
    while page := journal.batch_rows(found.id, after=after, limit=PAGE):
        yield page
        after = page[-1].number


def progress_of(journal: Journal, batch: str) -> BatchProgress:
    """Return how far a batch is; only rows without a payout are read.

    Raises:
        UnknownBatch: There is none.

    """
    found, left, unsent, after = find_batch(journal, batch), Tally(), 0, 0
    while page := journal.batch_rows(found.id, after=after, limit=PAGE, unrecorded=True):
        amounts = [one.row.order.amount for one in page if one.row is not None]
        unsent, after = unsent + len(amounts), page[-1].number
        for amount in amounts:
            left.add(amount)
    # Counted last: a row that is recorded meanwhile counts twice, and the batch does not look done too early.
    statuses = by_status(journal.batch_counts(found.id))
    return BatchProgress(find_batch(journal, found.id), statuses, unsent, left.totals())


def unsent_batches(journal: Journal) -> Iterator[Batch]:
    """Yield the approved batches with rows that have no payout, newest first; of the newest hundred batches."""
    for batch in journal.batches(limit=100):
        if batch.state == BatchState.APPROVED and journal.batch_rows(batch.id, limit=1, unrecorded=True):
            yield batch


def standing(counts: Counts) -> int:
    """Return how many payouts stand still until a person or another day comes: in review, or waiting for a limit."""
    return _of(counts, frozenset({PayoutStatus.REVIEW})) + _of(counts, _CREATED, _WAITING)


def by_status(counts: Counts) -> dict[PayoutStatus, int]:
    """Return how many rows have a payout of each status; those without one are left out."""
    found: dict[PayoutStatus, int] = {}
    for (status, _), count in counts.items():
        if status is not None:
            found[status] = found.get(status, 0) + count
    return found


def _of(counts: Counts, statuses: Collection[PayoutStatus], codes: Collection[ReasonCode] | None = None) -> int:
    """Count the payouts of these statuses, all or those with one of these reasons."""
    return sum(
        count for (status, code), count in counts.items() if status in statuses and (codes is None or code in codes)
    )
