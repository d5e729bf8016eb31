"""Events for the application: each is offered until it is acknowledged, in order for each payout.

At least once, and never less: what is not acknowledged is offered again, by the process that asks next.
"""

from __future__ import annotations

import math
import re
import time
from datetime import datetime
from typing import Self

from payments_core.domain.deliveries import Consumer, PayoutEvent
from payments_core.domain.errors import SettingsError
from payments_core.domain.masking import quote
from payments_core.runtime import Runtime

__all__ = ["EventPage", "Look", "consumer_of"]

_PAGE = 100
_AGAIN_S = 60.0  # between two looks at everything
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Look:
    """What one consumer has not acknowledged: where the next look begins.

    What was acknowledged need not be passed again each time. But in a shared journal an event may become visible after
    others with higher numbers, so now and then a look begins at the beginning.
    """

    def __init__(self, runtime: Runtime, consumer: Consumer) -> None:
        self._runtime = runtime
        self.consumer = consumer
        self._after = 0
        self._again_at = 0.0

    def begin(self) -> int:
        """Return the number after which the next look begins."""
        if time.monotonic() >= self._again_at:
            journal = self._runtime.journal
            self._after = journal.acknowledged_up_to(self.consumer, after=0)
            self._again_at = time.monotonic() + _AGAIN_S if journal.appears_late else math.inf
        return self._after

    def found_nothing(self) -> None:
        """Begin later next time, as far as all is acknowledged."""
        self._after = self._runtime.journal.acknowledged_up_to(self.consumer, after=self._after)

    def offered(self) -> tuple[PayoutEvent, ...]:
        """Return what is offered now, oldest first."""
        self._runtime.check_process()
        found = self._runtime.journal.offered(self.consumer, after=self.begin(), limit=_PAGE)
        if not found:
            self.found_nothing()
        return found

    def acknowledge(self, event: PayoutEvent) -> None:
        """Write down that an event was processed."""
        self._runtime.check_process()
        self._runtime.journal.acknowledge(self.consumer.name, event.id, self._runtime.clock())


class EventPage:
    """The events of the last look, and the one that the loop works on.

    Args:
        look: What is not acknowledged.
        follow: Wait for more when nothing is left.
        poll_s: How long before it looks again, in seconds.

    """

    def __init__(self, look: Look, *, follow: bool, poll_s: float) -> None:
        self._look = look
        self._follow = follow
        self._poll_s = poll_s
        self._page: list[PayoutEvent] = []
        self._current: PayoutEvent | None = None

    def _begin(self) -> Self:
        # A loop that was left, by an error or on purpose, has not acknowledged its event.
        self._page, self._current = [], None
        return self


def consumer_of(name: str, since: datetime | None) -> Consumer:
    """Return a consumer of the application's.

    Raises:
        SettingsError: Its name, or the moment, is none.

    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{quote(name)} is no name for a consumer.",
            hint="Use small letters, digits, - and _; at most 63.",
        )
    if since is not None and since.tzinfo is None:
        raise SettingsError("`since` has no time zone.", hint="Write datetime(…, tzinfo=UTC).")
    return Consumer(name, since)
