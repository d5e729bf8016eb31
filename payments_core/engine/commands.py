"""Commands: what the engine asks the journal to read or write, with the result of each.

A payout's record changes only by compare-and-set on its ``version``, which grows with every transition. A transition,
its history entry and its outbox event are one commit, durable before the result is returned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from payments_core.domain.contradictions import Contradiction
from payments_core.domain.deliveries import Outbox
from payments_core.domain.inbox_records import Arrival, Handled, Handling, InboxCount
from payments_core.domain.money import Money
from payments_core.domain.payout import HistoryEntry, Payee, PayoutStatus
from payments_core.domain.rates import AcquirePermit, Hold, Permit, PostEnd, ReadEnd
from payments_core.domain.records import Approval, EndedAttempt, ErasureResult, Event, Gap, Pause, PayoutRecord, Query
from payments_core.domain.shared_tokens import SharedToken, TokenChange

__all__ = [
    "AccountPaused",
    "AcknowledgeContradictions",
    "AppendHistory",
    "ApplyTransition",
    "CheckFirst",
    "Contradicted",
    "CreateAttempt",
    "CreatePayout",
    "CreateResult",
    "GapOpen",
    "HistoryAppended",
    "Journal",
    "JournalCommand",
    "JournalResult",
    "LoadAttempts",
    "LoadedAttempts",
    "NotApproved",
    "OnStatement",
    "OverRefunded",
    "RecordAccountQuery",
    "Stale",
    "TransitionApplied",
    "TransitionResult",
]


@dataclass(frozen=True, slots=True)
class CreatePayout:
    """Write a new payout, unless its key is there already.

    A refund is refused (``OverRefunded``) when all refunds of its collection that are not proven to have failed would
    together be more than was collected, or when an earlier one says that another amount was collected.
    """

    row: PayoutRecord
    event: Event


@dataclass(frozen=True, slots=True)
class ApplyTransition:
    """Change a payout's record, if it still is as it was read.

    A transition to ``SENDING`` is refused

    - while a pause for the account or for all is in force (``AccountPaused``);
    - when the attempt needs an approval and has none (``NotApproved``);
    - when anything contradicts the failure of an earlier attempt (``Contradicted``).

    A transition to ``CANCELLED`` is refused when anything contradicts the failure of an earlier attempt
    (``Contradicted``), in a restored journal while the restore gap may hold a submission (``CheckFirst``), and when a
    compared statement has one of the references (``OnStatement``).

    In a restored journal, a transition to ``SENDING``, or to a ``FAILED`` that no read and no person has decided, is
    refused

    - until the provider was asked whether the attempt was paid in the gap (``CheckFirst``);
    - while a statement must be compared first (``AccountPaused``): the account's own, where the provider cannot be
      asked at once or would not refuse a second payment, and that of each other account that could have paid it;
    - for good, also after the gap has ended, when a compared statement has the attempt's reference (``OnStatement``).

    Args:
        before: The row as read; its fence must still be the stored one.
        after: The row wanted; its fence and ``updated_at`` are set by the journal.
        event: For the history.
        publish: Whether the outbox gets an event (final states and REVIEW).
        pause: A pause to set in the same commit.
        lifts: Whether a pause of the machine's ends in the same commit: its probe got through.
        asks: A query to remember in the same commit.
        answers: ``token_hash`` of a query whose answer this move records. An end counts whatever the path has told
            before; anything else counts once: ``Stale`` if the query was answered before.
        post_end: How the POST ended that this move records.
        read_end: What the read that this move records says about the rate.
        needs_approval: Somebody must have approved this attempt of exactly this intent.
        approves: An approval to record in the same commit.
        absent_since: The provider must not have shown the payment since this moment or longer; None where it cannot be
            asked at once.
        refused_since: The provider would refuse a second payment under one reference if the first was sent after this
            moment; None where it cannot be relied on for that.
        other_payers: Names of the other accounts that could have paid it.

    """

    before: PayoutRecord
    after: PayoutRecord
    event: Event
    publish: bool = False
    pause: Pause | None = None
    lifts: bool = False
    asks: Query | None = None
    answers: str | None = None
    post_end: PostEnd | None = None
    read_end: ReadEnd | None = None
    needs_approval: bool = False
    approves: Approval | None = None
    absent_since: datetime | None = None
    refused_since: datetime | None = None
    other_payers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppendHistory:
    """Add a history row without moving the payout, and make it due sooner if asked.

    Args:
        payout_id: Whose history.
        event: For the history.
        due_at: When the payout is to be due at the latest.
        contradiction: What the provider says against an end: kept with the payout and published in the same commit.
            Nothing at all is written when the provider has said the same of the same attempt before.

    """

    payout_id: str
    event: Event
    due_at: datetime | None = None
    contradiction: Contradiction | None = None


@dataclass(frozen=True, slots=True)
class AcknowledgeContradictions:
    """Write down that a person has taken note of every contradiction of a payout; the payout is not moved.

    Args:
        payout_id: Which payout.
        event: For the history; its moment is when they did.
        actor: Who, as given.
        reason: On what grounds.

    """

    payout_id: str
    event: Event
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class CreateAttempt:
    """Begin the next attempt of a payout that failed: the only entry that may, and the only way out of ``FAILED``.

    The attempt that ended is kept in the same commit. Refused when a read has contradicted its failure
    (``Contradicted``), when what it would refund is not left any more (``OverRefunded``), and in a restored journal
    until its gap has ended (``GapOpen``).

    Args:
        before: The row as read, ``FAILED``.
        after: The row wanted: ``CREATED``, one attempt more, nothing of it sent.
        event: For the history.

    """

    before: PayoutRecord
    after: PayoutRecord
    event: Event


@dataclass(frozen=True, slots=True)
class LoadAttempts:
    """Ask what a row does not tell: earlier attempts and what stands in the history. Writes nothing."""

    payout_id: str


@dataclass(frozen=True, slots=True)
class RecordAccountQuery:
    """Remember a question about an account itself, before it leaves; what was asked more than a day ago is dropped.

    Args:
        account: About which.
        query: Where its answer comes to.

    """

    account: str
    query: Query


@dataclass(frozen=True, slots=True)
class LoadedAttempts:
    """What was asked for.

    Args:
        attempts: The attempts that ended before the current one, oldest first.
        contradicted: A read has contradicted an end.
        was_taken: The provider has said of the current attempt that it has it.
        approval: Of the current attempt.
        gap: What the journal lacks since it was restored; None when it is complete.

    """

    attempts: tuple[EndedAttempt, ...] = ()
    contradicted: bool = False
    was_taken: bool = False
    approval: Approval | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class CreateResult:
    """The payout of the key: new, or the one that was there."""

    row: PayoutRecord
    created: bool


@dataclass(frozen=True, slots=True)
class OverRefunded:
    """There is not that much left to refund; nothing was written.

    Args:
        refunded: What the other refunds of the collection come to.
        original_amount: What was collected, as their first one says.

    """

    refunded: Decimal
    original_amount: Money


@dataclass(frozen=True, slots=True)
class TransitionApplied:
    """The move is durable.

    Args:
        row: As it is now.
        opened: The circuit that this move has opened.
        ended: What has ended with it: ``"blocked"``, ``"rate"``, ``"circuit"``.
        paused: The entry's pause began with it; False when one of its kind was in force already.

    """

    row: PayoutRecord
    opened: Pause | None = None
    ended: frozenset[str] = frozenset()
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Stale:
    """The record has changed since it was read; nothing was written."""

    row: PayoutRecord


@dataclass(frozen=True, slots=True)
class AccountPaused:
    """A pause forbids sending; nothing was written."""

    pause: Pause


@dataclass(frozen=True, slots=True)
class NotApproved:
    """This attempt has no approval; nothing was written."""


@dataclass(frozen=True, slots=True)
class Contradicted:
    """An earlier attempt may have paid after all; nothing was written."""


@dataclass(frozen=True, slots=True)
class CheckFirst:
    """The journal was restored, and the provider was not asked about this payout since; nothing was written."""


@dataclass(frozen=True, slots=True)
class OnStatement:
    """A compared statement has a payment under a reference of this attempt; nothing was written."""


@dataclass(frozen=True, slots=True)
class GapOpen:
    """The journal was restored, and its gap has not ended; nothing was written."""


@dataclass(frozen=True, slots=True)
class HistoryAppended:
    """The note, the acknowledgement or the question is durable.

    Args:
        row: The payout as it is now; None of a question about an account.
        written: Whether it was written now; not when it stood there already, or there was nothing to acknowledge.

    """

    row: PayoutRecord | None = None
    written: bool = True


JournalCommand = (
    CreatePayout
    | ApplyTransition
    | AppendHistory
    | AcknowledgeContradictions
    | CreateAttempt
    | LoadAttempts
    | RecordAccountQuery
)
TransitionResult = TransitionApplied | Stale | AccountPaused | NotApproved | CheckFirst | OnStatement | Contradicted
JournalResult = CreateResult | OverRefunded | TransitionResult | GapOpen | HistoryAppended | LoadedAttempts


class Journal(Outbox, Protocol):
    """Stores payouts and everything that belongs to them. Every method may raise a ``JournalError``."""

    def execute(self, entry: JournalCommand) -> JournalResult:
        """Write one entry and return when it is durable."""
        ...

    def submit(self, entry: JournalCommand) -> Future[JournalResult]:
        """Queue one entry; the future ends when it is durable. Cancelling it before it is taken up writes nothing."""
        ...

    def open_within(self, connection: object, entry: CreatePayout) -> CreateResult:
        """Write a new payout in a transaction of the caller's, where the journal shares its database.

        It is there exactly if that transaction is committed, and not announced before.
        """
        ...

    async def open_within_async(self, connection: object, entry: CreatePayout) -> CreateResult:
        """Do the same on an asynchronous connection."""
        ...

    def get(self, payout_id: str) -> PayoutRecord | None:
        """Return one payout."""
        ...

    def by_key(self, key: str) -> PayoutRecord | None:
        """Return the payout of a key."""
        ...

    def by_query(self, token_hash: str) -> tuple[PayoutRecord, int] | None:
        """Return the payout that a query is about, and the number of the attempt; None when it is about none."""
        ...

    def by_provider_reference(self, name: str) -> tuple[PayoutRecord, ...]:
        """Return the payouts that a provider may call by a name which does not hold our own id."""
        ...

    def history(self, payout_id: str) -> tuple[HistoryEntry, ...]:
        """Return every history row, oldest first."""
        ...

    def attempts(self, payout_id: str) -> tuple[EndedAttempt, ...]:
        """Return the attempts that ended before the current one, oldest first."""
        ...

    def approval(self, payout_id: str, attempt: int) -> Approval | None:
        """Return the approval of an attempt; None when there is none."""
        ...

    def rows(self, *, status: PayoutStatus | None = None, account: str | None = None) -> Iterator[PayoutRecord]:
        """Yield payouts, oldest first."""
        ...

    def undecided(self) -> Iterator[PayoutRecord]:
        """Yield payouts that wait for a person, oldest first: in REVIEW, or contradicted and not acknowledged."""
        ...

    def due(self, at: datetime, *, accounts: Collection[str], limit: int) -> tuple[PayoutRecord, ...]:
        """Return payouts of these accounts whose ``next_at`` has come and whose lease, if any, is over; oldest first.

        ``CREATED`` payouts of a paused account are left out until the pause is lifted or its probe is due.
        """
        ...

    def next_due(self, *, accounts: Collection[str], free_at: datetime | None = None) -> datetime | None:
        """Return when the next payout becomes due, lease and pauses considered as in ``due``; None when none will.

        With ``free_at``, payouts under a lease at that moment are left out.
        """
        ...

    def claim(
        self, at: datetime, *, owner: str, until: datetime, accounts: Collection[str], limit: int
    ) -> tuple[PayoutRecord, ...]:
        """Claim due payouts (as in ``due``) without a lease, oldest first, until a moment.

        At most half of them are due because of a callback, while others wait: anyone can send callbacks. A claim
        saves workers the same work and protects nothing: every transition still compares the version, and a claim
        ends by itself.
        """
        ...

    def renew(self, owner: str, payout_ids: Collection[str], until: datetime) -> frozenset[str]:
        """Extend leases; return the payouts that still belong to the owner."""
        ...

    def release(self, owner: str, payout_ids: Collection[str]) -> None:
        """End leases, so that other workers may claim the payouts; leases of another owner stay."""
        ...

    def counts(self) -> Mapping[PayoutStatus, int]:
        """Return how many payouts stand in each status."""
        ...

    def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force."""
        ...

    def gap(self) -> Gap | None:
        """Return what the journal lacks since it was restored; None when it is complete."""
        ...

    def set_pause(self, pause: Pause) -> None:
        """Write a pause; one in force for the same account is replaced."""
        ...

    def lift_pause(self, account: str | None) -> bool:
        """End the pause of an account (or the one for all) and wake what waited for it; say whether there was one."""
        ...

    def permit(self, asked: AcquirePermit) -> Future[Permit]:
        """Reserve the next moment at which an account may be used, by the journal's clock, for all processes."""
        ...

    def token(self, change: TokenChange) -> Future[SharedToken]:
        """Ask for a token that all processes share, or keep the one that was fetched; what there is now."""
        ...

    def holds(self) -> tuple[Hold, ...]:
        """Return the penalties in force on reads."""
        ...

    def receive(self, arrival: Arrival) -> Future[bool]:
        """Queue a callback for the inbox; the future ends when it is durable, or not kept (False).

        Of one minted path so many are kept (:data:`~payments_core.domain.inbox_records.MOST_PER_PATH`), and no more.
        """
        ...

    def unhandled(self, *, accounts: Collection[str], after: int = 0, limit: int) -> tuple[Arrival, ...]:
        """Return callbacks of these accounts that were not handled yet, by number, from after a number."""
        ...

    def handle(self, handling: Handling) -> Handled | None:
        """Close a callback and make its payout's next read due if asked; None when another process closed it.

        A payout that waits to be sent is left alone. Between two reads that callbacks ask for lie 5 s.
        """
        ...

    def asked(self, token_hash: str) -> str | None:
        """Return the account from which a query was made, of whichever attempt; None when there is no such query."""
        ...

    def account_answer(self, token_hash: str) -> str | None:
        """Return the answer to a question about an account, as it was kept; None as long as there is none."""
        ...

    def inbox_counts(self) -> tuple[InboxCount, ...]:
        """Return how many callbacks had which outcome."""
        ...

    def callback_secret(self) -> str:
        """Return the secret that the accounts' paths are made of; made once, and kept as long as the journal."""
        ...

    def of_payee(self, payee: Payee) -> tuple[str, ...]:
        """Return the ids of a payee's payouts, the forgotten ones too."""
        ...

    def ended_before(self, moment: datetime, *, after: int = 0, limit: int) -> tuple[tuple[str, int], ...]:
        """Return ids and numbers of unforgotten payouts that moved last before a moment, and have come to an end."""
        ...

    def erase(
        self, payout_ids: Collection[str], *, at: datetime, actor: str, reason: str, all_or_none: bool, dry_run: bool
    ) -> ErasureResult:
        """Take the payee out of payouts that have come to an end, or say only of which; of all of them or of none."""
        ...

    def vacuum(self) -> bool:
        """Wipe what was taken out from where it stood; say whether it is gone: never where a server does that."""
        ...

    def trim(self, before: datetime, *, limit: int) -> int:
        """Remove callbacks that were handled before a moment; return how many."""
        ...

    def prove_writable(self) -> None:
        """Write something and see it durable."""
        ...

    def close(self) -> None:
        """Finish what is queued and close."""
        ...
