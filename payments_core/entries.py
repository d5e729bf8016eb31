"""What is written in the journal, and the journal as the rest of the house sees it.

A payout's row is moved only by compare-and-set on its ``fence``, which grows with every move. A move, its history
row and its outbox event are one commit, and durable before the answer comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from payments_core.money import Money
from payments_core.payout import HistoryEntry, Operation, Order, Payee, Payout, PayoutStatus, Reason

__all__ = [
    "Event",
    "Held",
    "Journal",
    "JournalEntry",
    "JournalReply",
    "Move",
    "Moved",
    "Note",
    "Noted",
    "Open",
    "Opened",
    "Pause",
    "PayoutRow",
    "Query",
    "Stale",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRow:
    """One payout with its current attempt, as stored.

    Args:
        id: Derived from namespace and key.
        key: The caller's key, unique in the journal.
        fingerprint: Of the order; another order under the same key is refused.
        account: The account's name.
        operation: Which kind of payment.
        payee_kind: The payee's kind.
        payee_value: The payee's address.
        payee_details: What else the provider needs of the payee.
        amount: Exact.
        currency: ISO 4217.
        note: As the caller wrote it.
        options: The provider's options.
        not_before: Not sent earlier.
        expires_at: Not sent later, while nothing was ambiguous.
        binding: Where and as whom it is paid, frozen: provider, platform, host, environment, API user, operation,
            version.
        references: By name; those we derived and those the provider gave.
        request: The stored request (JSON, secrets as slots).
        request_hash: Its SHA-256.
        status: Where it stands.
        reason: Why, when there is something to explain.
        decided_by: Who decided the final state.
        attempt: Number of the current attempt.
        tries: Sends of this attempt.
        refusals: Proven refusals in a row without an ambiguous try: the backoff's step.
        ambiguous: A try of this attempt may have arrived; set once, never cleared.
        cleared: The guards have let this attempt pass.
        adopting: Our first try was called a duplicate: a read must match in everything.
        refused: A later try's payload was refused although an earlier one was ambiguous.
        first_sent_at: Before the first byte of the first try that may have arrived; set once, never cleared.
        sent_at: Before the first byte of the latest try: the poll schedule starts here.
        absences: "Not found" answers since the latest send.
        first_absence_at: When the first of them came.
        fence: Grows with every move.
        lease_owner: Who is sending.
        lease_until: When others may take over.
        next_at: When the payout is due; None when the machine waits for nothing.
        created_at: When it was accepted.
        updated_at: When it last moved.

    """

    id: str
    key: str
    fingerprint: str
    account: str
    operation: Operation
    payee_kind: str
    payee_value: str = field(repr=False)
    payee_details: Mapping[str, str] = field(default_factory=dict, repr=False)
    amount: Decimal
    currency: str
    note: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    not_before: datetime | None = None
    expires_at: datetime | None = None
    binding: Mapping[str, str]
    references: Mapping[str, str]
    request: str = field(repr=False)
    request_hash: str
    status: PayoutStatus = PayoutStatus.CREATED
    reason: Reason | None = None
    decided_by: str = ""
    attempt: int = 1
    tries: int = 0
    refusals: int = 0
    ambiguous: bool = False
    cleared: bool = False
    adopting: bool = False
    refused: bool = False
    first_sent_at: datetime | None = None
    sent_at: datetime | None = None
    absences: int = 0
    first_absence_at: datetime | None = None
    fence: int = 0
    lease_owner: str = ""
    lease_until: datetime | None = None
    next_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def order(self) -> Order:
        """The intent, as it was given."""
        return Order(
            key=self.key,
            payee=Payee(self.payee_kind, self.payee_value, self.payee_details),
            amount=Money(self.amount, self.currency),
            operation=self.operation,
            note=self.note,
            options=self.options,
            not_before=self.not_before,
            expires_at=self.expires_at,
        )

    def view(self, history: Sequence[HistoryEntry] = ()) -> Payout:
        """Return what a caller sees."""
        return Payout(
            id=self.id,
            key=self.key,
            account=self.account,
            operation=self.operation,
            payee=Payee(self.payee_kind, self.payee_value, self.payee_details),
            amount=Money(self.amount, self.currency),
            status=self.status,
            reason=self.reason,
            references=dict(self.references),
            attempt=self.attempt,
            tries=self.tries,
            may_have_been_sent=self.ambiguous
            or self.status
            in {PayoutStatus.SENDING, PayoutStatus.PENDING, PayoutStatus.SUCCEEDED, PayoutStatus.REVERSED},
            created_at=self.created_at,
            updated_at=self.updated_at,
            next_at=self.next_at,
            history=tuple(history),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """What a history row says beside the state.

    Args:
        name: An :class:`~payments_core.events.EventName`, such as ``payout.pending``.
        at: When; aware, UTC.
        evidence: Scrubbed facts the decision rests on.

    """

    name: str
    at: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop for money requests; reads go on.

    Args:
        account: The account, or None for all.
        since: When it was set.
        why: For a person.
        by: ``"person"``, or ``"blocked"`` when the provider refused us.
        probe_at: When one payout may be sent to see whether the block is over; None: only a person lifts it.

    """

    account: str | None
    since: datetime
    why: str
    by: str = "person"
    probe_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A question whose answer comes later, to a path minted for it.

    Args:
        token_hash: SHA-256 (hex) of the path's token; the token itself is not stored.
        asked_at: When it was written, before the question left.

    """

    token_hash: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Open:
    """Write a new payout, unless its key is there already."""

    row: PayoutRow
    event: Event


@dataclass(frozen=True, slots=True)
class Move:
    """Move a payout's row, if it still is as it was read.

    A move to ``SENDING`` is refused (``Held``) while a pause for its account or for all is in force.

    Args:
        before: The row as read; its fence must still be the stored one.
        after: The row wanted; its fence and ``updated_at`` are set by the journal.
        event: For the history.
        publish: Whether the outbox gets an event (final states and REVIEW).
        pause: A pause to set in the same commit.
        lifts: Whether a ``blocked`` pause of the account ends in the same commit: its probe got through.
        asks: A query to remember in the same commit.
        answers: ``token_hash`` of a query that this move answers; ``Stale`` if it was answered before.

    """

    before: PayoutRow
    after: PayoutRow
    event: Event
    publish: bool = False
    pause: Pause | None = None
    lifts: bool = False
    asks: Query | None = None
    answers: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Add a history row without moving the payout, and make it due sooner if asked."""

    payout_id: str
    event: Event
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The payout of the key: new, or the one that was there."""

    row: PayoutRow
    created: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """The move is durable."""

    row: PayoutRow


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody moved the row first; nothing was written."""

    row: PayoutRow


@dataclass(frozen=True, slots=True)
class Held:
    """A pause forbids sending; nothing was written."""

    pause: Pause


@dataclass(frozen=True, slots=True)
class Noted:
    """The note is durable."""


JournalEntry = Open | Move | Note
JournalReply = Opened | Moved | Stale | Held | Noted


class Journal(Protocol):
    """The one memory of the house. Every method may raise a ``JournalError``."""

    def perform(self, entry: JournalEntry) -> JournalReply:
        """Write one entry and return when it is durable."""
        ...

    def submit(self, entry: JournalEntry) -> Future[JournalReply]:
        """Queue one entry; the future ends when it is durable. Cancelling it before it is taken up writes nothing."""
        ...

    def get(self, payout_id: str) -> PayoutRow | None:
        """Return one payout."""
        ...

    def by_key(self, key: str) -> PayoutRow | None:
        """Return the payout of a key."""
        ...

    def by_query(self, token_hash: str) -> PayoutRow | None:
        """Return the payout an unanswered query asked about."""
        ...

    def history(self, payout_id: str) -> tuple[HistoryEntry, ...]:
        """Return every history row, oldest first."""
        ...

    def rows(self, *, status: PayoutStatus | None = None, account: str | None = None) -> Iterator[PayoutRow]:
        """Yield payouts, oldest first."""
        ...

    def due(self, at: datetime, *, accounts: Collection[str], limit: int) -> tuple[PayoutRow, ...]:
        """Return payouts of these accounts whose ``next_at`` has come and whose lease, if any, is over; oldest first.

        ``CREATED`` payouts of a paused account are left out until the pause is lifted or its probe is due.
        """
        ...

    def next_due(self, *, accounts: Collection[str]) -> datetime | None:
        """Return when the next payout becomes due, lease and pauses considered as in ``due``; None when none will."""
        ...

    def counts(self) -> Mapping[PayoutStatus, int]:
        """Return how many payouts stand in each status."""
        ...

    def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force."""
        ...

    def set_pause(self, pause: Pause) -> None:
        """Write a pause; one in force for the same account is replaced."""
        ...

    def lift_pause(self, account: str | None) -> bool:
        """End the pause of an account (or the one for all) and wake what waited for it; say whether there was one."""
        ...

    def close(self) -> None:
        """Finish what is queued and close."""
        ...
