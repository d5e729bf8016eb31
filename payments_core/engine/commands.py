"""Commands: what the engine asks the journal to read or write, with the result of each.

A payout's record changes only by compare-and-set on its ``version``, which grows with every transition. A transition,
its history entry and its outbox event are one commit, durable before the result is returned unless a power loss may
take it back (``ApplyTransition.needs_flush``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from payments_core.domain.budgets import AboveBudget, Budget
from payments_core.domain.causes import PausedBy
from payments_core.domain.contradictions import Contradiction
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.rates import PostEnd, ReadEnd
from payments_core.domain.records import Approval, EndedAttempt, Event, Gap, Pause, PayoutRecord, Query

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
    "DelayPayout",
    "GapOpen",
    "HistoryAppended",
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

_SENT = frozenset({PayoutStatus.SENDING, PayoutStatus.PENDING})


@dataclass(frozen=True, slots=True)
class CreatePayout:
    """Write a new payout, unless its key is there already.

    A refund is refused (``OverRefunded``) when all refunds of its collection that are not proven to have failed would
    together be more than was collected, or when an earlier one says that another amount was collected. One that does
    not fit into its budgets is refused (``AboveBudget``); only the submission that ``begins`` reserves its amount.

    Args:
        row: The payout as accepted, ``CREATED``.
        event: For the history.
        budgets: What it must fit into now.
        begins: The transition to ``SENDING`` that follows at once; it may need no approval. It is written in the same
            commit, unless a pause, a restore gap or a compared statement could forbid it: then the payout is only
            created, and the status of the row in the result says so.

    """

    row: PayoutRecord
    event: Event
    begins: ApplyTransition | None = None
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplyTransition:
    """Change a payout's record, if it still is as it was read.

    A transition to ``SENDING`` is refused

    - while a pause for the account or for all is in force (``AccountPaused``);
    - when the attempt needs an approval and has none (``NotApproved``);
    - when anything contradicts the failure of an earlier attempt (``Contradicted``);
    - when it is the first of its attempt, or all before it are proven not sent, and its amount does not fit into one of
      the budgets (``AboveBudget``): otherwise it is reserved from all of them. See ``domain/budgets.py``.

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
        lifts: Whether a pause by the library ends in the same commit: its probe got through.
        asks: A query to remember in the same commit.
        answers: ``token_hash`` of a query whose answer this move records. An end counts whatever the path has told
            before; anything else counts once: ``Stale`` if the query was answered before, or if another read has
            become due since the record was read.
        post_end: How the POST ended that this move records.
        read_end: What the read that this move records says about the rate.
        needs_approval: Somebody must have approved this attempt of exactly this intent.
        approves: An approval to record in the same commit.
        absent_since: The provider must not have shown the payment since this moment or longer; None where it cannot be
            asked at once.
        refused_since: The provider would refuse a second payment under one reference if the first was sent after this
            moment; None where it cannot be relied on for that.
        other_payers: Names of the other accounts that could have paid it.
        budgets: What a submission reserves its amount from.

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
    budgets: tuple[Budget, ...] = ()

    @property
    def needs_flush(self) -> bool:
        """Whether a power loss may not take it back; all do, but what only says that the provider works on the payment.

        Without that, the payout is ``SENDING`` or due to be read, as after a crash before this commit, and the next
        read finds the same. What is learned beside it, such as a reference of the provider's, no read may find.
        """
        before, after = self.before, self.after
        return (
            before.status not in _SENT
            or after.status is not PayoutStatus.PENDING
            or after.attempt.references != before.attempt.references
            or bool(self.publish or self.pause or self.asks or self.answers or self.approves)
        )


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
class DelayPayout:
    """Look at a payout later that waits for what it has waited for before; its history does not grow.

    Args:
        payout_id: Which payout.
        version: Of its record as it was read; nothing is written when it has been moved since.
        until: When it is due again.

    """

    payout_id: str
    version: int
    until: datetime


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

    The attempt that ended is kept in the same commit, and the outbox gets an event. Refused when a read has
    contradicted its failure (``Contradicted``), when what it would refund is not left any more (``OverRefunded``), and
    in a restored journal until its gap has ended (``GapOpen``).

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
        ended: The pauses and penalties that have ended with it.
        paused: The entry's pause began with it; False when one of its kind was in force already.

    """

    row: PayoutRecord
    opened: Pause | None = None
    ended: frozenset[PausedBy] = frozenset()
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
    """The note, the acknowledgement, the delay or the question is durable.

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
    | DelayPayout
    | AcknowledgeContradictions
    | CreateAttempt
    | LoadAttempts
    | RecordAccountQuery
)
TransitionResult = (
    TransitionApplied | Stale | AccountPaused | NotApproved | CheckFirst | OnStatement | Contradicted | AboveBudget
)
JournalResult = CreateResult | OverRefunded | TransitionResult | GapOpen | HistoryAppended | LoadedAttempts
