"""The outbox: events of payouts for the application, and what each of its consumers has acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from payments_core.domain.contradictions import Contradiction
from payments_core.domain.payout import PayoutStatus, Reason

__all__ = ["Backlog", "Consumer", "Outbox", "PayoutEvent", "Waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutEvent:
    """A payout has come to an end, stopped in REVIEW, left FAILED by a reissue, or is contradicted; in the same commit.

    Args:
        id: Names this event for good: a consumer that has processed it may ignore a repetition.
        payout_id: Whose it is.
        key: The caller's key of that payout.
        account: The account's name.
        status: What it became, ``CREATED`` by a reissue; of a contradiction, what it stays.
        reason: Why, when there is something to explain.
        attempt: Which attempt.
        seq: Its place in the payout's history: grows with each event of the payout.
        at: When.
        no: Its number in the journal, which says nothing about the order of events.
        contradiction: What the provider said against an end; None of every other event.

    """

    id: str
    payout_id: str
    key: str = field(repr=False)
    account: str
    status: PayoutStatus
    reason: Reason | None
    attempt: int
    seq: int
    at: datetime
    no: int = 0
    contradiction: Contradiction | None = None

    @property
    def type(self) -> str:
        """What happened: ``payout.`` and a final status or ``review``, ``reissued`` or ``contradicted``."""
        if self.contradiction is not None:
            return "payout.contradicted"
        return "payout.reissued" if self.status is PayoutStatus.CREATED else f"payout.{self.status.lower()}"


@dataclass(frozen=True, slots=True)
class Consumer:
    """A receiver of events; each event is offered until it is acknowledged under this name.

    Args:
        name: The journal remembers by it what was acknowledged.
        since: Nothing that happened before; None for everything.
        accounts: Of these accounts only; empty for all.

    """

    name: str
    since: datetime | None = None
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event that a consumer has not acknowledged.

    Args:
        event: Which.
        attempts: How often a webhook has tried to deliver it since it was last asked to.
        next_at: When it does so again; None when it never tried, or has given up.
        result: How the last attempt ended; empty when there was none.

    """

    event: PayoutEvent
    attempts: int = 0
    next_at: datetime | None = None
    result: str = ""

    @property
    def is_given_up(self) -> bool:
        """Whether no further attempt is made unless the operator asks for it."""
        return self.attempts > 0 and self.next_at is None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much a consumer has not acknowledged.

    Args:
        count: How many events.
        given_up: Of these, the ones that a webhook has given up.
        oldest_at: When the oldest of them happened.

    """

    count: int
    given_up: int
    oldest_at: datetime | None


class Outbox(Protocol):
    """The journal's outbox. Each event is acknowledged by itself.

    An event is offered only once the consumer has acknowledged all earlier ones of the same payout. There is no cursor:
    in a shared journal an event may become visible after others with higher numbers.
    """

    @property
    def appears_late(self) -> bool:
        """Whether an event may become visible after others with higher numbers."""
        ...

    def offered(self, consumer: Consumer, *, after: int, limit: int) -> tuple[PayoutEvent, ...]:
        """Return events that a consumer may receive now, by number, from after a number."""
        ...

    def waiting(self, consumer: Consumer, *, limit: int) -> tuple[Waiting, ...]:
        """Return the events that a consumer has not acknowledged, by number."""
        ...

    def backlog(self, consumer: Consumer) -> Backlog:
        """Count the events that a consumer has not acknowledged."""
        ...

    def acknowledged_up_to(self, consumer: Consumer, *, after: int) -> int:
        """Return a number up to which every event that is visible now, from after another one, is acknowledged."""
        ...

    def acknowledge(self, consumer: str, event_id: str, at: datetime) -> bool:
        """Record that a consumer has received an event; whether there is such an event."""
        ...

    def take_deliveries(
        self, consumer: Consumer, *, at: datetime, until: datetime, after: int, limit: int
    ) -> tuple[Waiting, ...]:
        """Take events that may be delivered now, and keep other senders from them until a time."""
        ...

    def put_off_delivery(self, consumer: str, event_id: str, *, next_at: datetime | None, result: str) -> None:
        """Record that a delivery failed, and when the next attempt is due; None gives it up."""
        ...

    def resume_deliveries(self, consumer: str, at: datetime) -> int:
        """Make due the deliveries that were given up, with their attempts counted anew; return how many."""
        ...
