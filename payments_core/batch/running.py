"""What a run of a batch knows while it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from payments_core.batch.orders import MOST_REFUSED
from payments_core.batch.progress import BatchProgress, Counts, StopRules, Tally, by_status, standing
from payments_core.domain.batches import Batch, BatchRow, BatchState
from payments_core.domain.errors import PaymentsError
from payments_core.domain.records import Pause
from payments_core.runtime import Runtime

__all__ = ["RunningBatch"]

_LOOK_EVERY = timedelta(seconds=1)


class RunningBatch:
    """One run of a batch; many tasks or threads send its rows.

    Args:
        batch: The batch.
        left: What the rows come to that have no payout.
        counts: Its rows by the status of their payouts.
        own: Only the payouts that it has made.
        stop: When no further row is sent.
        on_progress: Called at each look.
        at: Now.

    """

    def __init__(
        self,
        batch: Batch,
        left: Tally,
        *,
        counts: Counts,
        own: Counts,
        stop: StopRules,
        on_progress: Callable[[BatchProgress], None] | None,
        at: datetime,
    ) -> None:
        self.batch, self.left, self._stop = batch, left, stop
        self._before, self._on_progress = own, on_progress
        # What stood under a row's key before the batch is counted once: it belongs to another batch.
        self._earlier = {which: count - own.get(which, 0) for which, count in counts.items() if which[0] is not None}
        self._accounts = frozenset[str]()
        self._look_at: datetime | None = at + _LOOK_EVERY  # None while one goes on
        self._lock = threading.Lock()
        self.stopped = ""
        self.standing = 0
        self.refused: dict[int, PaymentsError] = {}

    def refuse(self, row: BatchRow, error: PaymentsError) -> None:
        """Keep that ``send`` refuses a row."""
        with self._lock:
            if len(self.refused) < MOST_REFUSED:
                self.refused[row.number] = error

    def count_sent(self, row: BatchRow) -> None:
        """Count that a row was sent."""
        with self._lock:
            self.left.add(row.order.amount, -1)

    def stop(self, why: str) -> None:
        """Send no further row."""
        self.stopped = self.stopped or why

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Send no further row once the block is interrupted: those who go on end the row that they are at."""
        try:
            yield
        except BaseException:
            self.stop("It was interrupted.")
            raise

    def begin_look(self, at: datetime) -> bool:
        """Begin a look if the last one ended a second ago; return whether the caller makes it."""
        with self._lock:
            if is_due := self._look_at is not None and at >= self._look_at:
                self._look_at = None
            return is_due

    def look(self, now: Batch | None, own: Counts, pauses: Iterable[Pause], at: datetime) -> BatchProgress:
        """Take in how the batch stands, and stop where a person or a rule wants it.

        Args:
            now: The batch.
            own: The payouts that it has made.
            pauses: In force.
            at: Now.

        """
        self._look_at = at + _LOOK_EVERY
        self.batch = now or self.batch
        if self.batch.state is not BatchState.APPROVED:
            last = self.batch.history[-1]
            self.stopped = f"It was {last.event.removeprefix('batch.')} by {last.actor}: {last.reason}"
        elif pause := next((one for one in pauses if one.account is None or one.account in self._accounts), None):
            self.stopped = f"Payments from {pause.account or 'every account'} are paused: {pause.why}"
        elif not self.stopped and (rule := self._stop.reached(self._before, own)):
            self.stopped = rule
        self.standing = standing(own)
        progress = self.progress(own)
        if self._on_progress is not None:
            self._on_progress(progress)
        return progress

    def uses(self, accounts: Iterable[str]) -> None:
        """Note which accounts pay its rows."""
        self._accounts |= frozenset(accounts)

    def in_flight(self, runtime: Runtime) -> int:
        """Return how many rows are sent side by side: as many as find a connection.

        A row that waits for one costs more: it is recorded in one commit, and sent in another.
        """
        return sum(runtime.account(name).settings.max_in_flight for name in self._accounts)

    def progress(self, own: Counts) -> BatchProgress:
        """Return how far the batch is."""
        statuses = by_status(
            {which: own.get(which, 0) + self._earlier.get(which, 0) for which in {*own, *self._earlier}}
        )
        return BatchProgress(self.batch, statuses, self.batch.row_count - sum(statuses.values()), self.left.totals())
