"""What the journal holds of a payout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from payments_core.domain.causes import PausedBy
from payments_core.domain.characters import is_blank
from payments_core.domain.contradictions import Contradiction
from payments_core.domain.masking import mask_key, scrub
from payments_core.domain.payout import HistoryEntry, Order, Payout, PayoutStatus, Reason, ReasonCode

__all__ = [
    "NO_REASON",
    "PAID_ELSEWHERE",
    "Approval",
    "AttemptRecord",
    "EndedAttempt",
    "ErasureResult",
    "Event",
    "Gap",
    "Lease",
    "Pause",
    "PayoutRecord",
    "Query",
    "Schedule",
]


NO_REASON = "paused by a person"  # where a person gives none
# Why an attempt stops of which nothing may have left, while another one of its payout may have been paid.
PAID_ELSEWHERE = {ReasonCode.EARLIER_ATTEMPT_PAID, ReasonCode.ON_STATEMENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """The current attempt of a payout: one reference, however often it is sent.

    Args:
        number: 1 for the first.
        account: The name of the account that pays it.
        binding: Where and as whom it is paid, frozen: provider, platform, host, environment, API user, operation,
            version.
        references: By name; those we derived and those the provider gave.
        request: The stored request (JSON, secrets as slots).
        request_hash: Its SHA-256.
        submissions: How often it was sent.
        refusals: Proven refusals in a row without an ambiguous submission: the backoff's step.
        ambiguous: A submission of it may have arrived; set once, never cleared.
        guards_passed: The guards have let it pass.
        duplicate_unverified: The provider called our first submission a duplicate, or the restored journal may lack
            one: a read must match in everything.
        refused: The payload of a later submission was refused although an earlier one was ambiguous.
        absence_attested: A person has compared the provider's records before it began: that the provider does not show
            an earlier attempt proves that one to have failed.
        budgets: The names of the budgets that it has reserved its amount from; only the journal sets them.
        first_sent_at: Before the first byte of the first submission that may have arrived; set once, never cleared.
        sent_at: Before the first byte of the latest submission: the poll schedule starts here.

    """

    number: int = 1
    account: str
    binding: Mapping[str, str]
    references: Mapping[str, str]
    request: str = field(repr=False)
    request_hash: str
    submissions: int = 0
    refusals: int = 0
    ambiguous: bool = False
    guards_passed: bool = False
    duplicate_unverified: bool = False
    refused: bool = False
    absence_attested: bool = False
    budgets: tuple[str, ...] = ()
    first_sent_at: datetime | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a payout is looked at, and what its reads have found so far.

    Args:
        next_at: When it is due; None when no worker has anything to do.
        read_at: When the provider was last asked what became of it.
        callback_read_at: When the read is due that a callback asked for; it was done once ``next_at`` says otherwise.
        reopened_at: When a person gave it back to the workers: the poll schedule starts here anew.
        not_found_count: "Not found" answers since the latest send.
        first_not_found_at: When the first of them came.
        rechecks_left: Reads that are still to be made of a failure, as a result callback told it.

    """

    next_at: datetime | None = None
    read_at: datetime | None = None
    callback_read_at: datetime | None = None
    reopened_at: datetime | None = None
    not_found_count: int = 0
    first_not_found_at: datetime | None = None
    rechecks_left: int = 0

    @property
    def is_callback_read(self) -> bool:
        """Whether a callback has made what is next due, and no schedule."""
        return self.callback_read_at is not None and self.callback_read_at == self.next_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right of one worker to send a payout.

    Args:
        owner: The worker that is sending; empty when none is.
        until: When other workers may take over.

    """

    owner: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRecord:
    """One payout with its current attempt, as stored.

    Args:
        id: Derived from namespace and key.
        fingerprint: Of the order; another order under the same key is refused.
        order: As the caller gave it; its key is unique in the journal.
        attempt: The current attempt.
        schedule: When it is due.
        lease: The worker that is sending it.
        status: Its status.
        reason: Why, when there is something to explain.
        decided_by: What decided the final state.
        version: Grows with every transition.
        created_at: When it was accepted.
        updated_at: The time of its last transition.
        erased_at: When its payee was erased.
        contradictions: Of the ends of its attempts, by its provider, oldest first; no transition changes them.
        contradicted_at: The time of the oldest that no person has acknowledged; no transition changes it.

    """

    id: str
    fingerprint: str
    order: Order
    attempt: AttemptRecord
    schedule: Schedule = Schedule()
    lease: Lease = Lease()
    status: PayoutStatus = PayoutStatus.CREATED
    reason: Reason | None = None
    decided_by: str = ""
    version: int = 0
    created_at: datetime
    updated_at: datetime
    erased_at: datetime | None = None
    contradictions: tuple[Contradiction, ...] = ()
    contradicted_at: datetime | None = None

    @property
    def label(self) -> str:
        """How messages name it: by its key, masked since keys hold numbers in practice, and its id."""
        return f"{mask_key(self.order.key)} ({self.id})"

    @property
    def waits_for_approval(self) -> bool:
        """Whether it cannot be sent before a person has approved it."""
        stopped = self.reason is not None and self.reason.code is ReasonCode.NEEDS_APPROVAL
        return stopped and self.status is PayoutStatus.CREATED

    def view(
        self, history: Sequence[HistoryEntry] = (), *, is_new: bool = False, differences: tuple[str, ...] = ()
    ) -> Payout:
        """Return what a caller sees."""
        order, attempt = self.order, self.attempt
        return Payout(
            id=self.id,
            key=order.key,
            account=attempt.account,
            operation=order.operation,
            payee=order.payee,
            amount=order.amount,
            status=self.status,
            reason=self.reason,
            references=dict(attempt.references),
            attempt=attempt.number,
            submissions=attempt.submissions,
            may_have_been_sent=attempt.ambiguous
            or bool(self.contradictions)
            or self.status
            in {
                PayoutStatus.SENDING,
                PayoutStatus.PENDING,
                PayoutStatus.UNKNOWN,
                PayoutStatus.SUCCEEDED,
                PayoutStatus.REVERSED,
            }
            or (self.status is PayoutStatus.REVIEW and attempt.first_sent_at is not None)
            or self.schedule.rechecks_left > 0
            or (self.reason is not None and self.reason.code in PAID_ELSEWHERE),
            created_at=self.created_at,
            updated_at=self.updated_at,
            next_at=self.schedule.next_at,
            history=tuple(history),
            original_amount=order.original_amount,
            is_new=is_new,
            contradictions=self.contradictions,
            note=order.note,
            metadata=dict(order.metadata),
            batch=order.batch,
            differences=differences,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """The facts of a history entry beside the state.

    Args:
        name: An :class:`~payments_core.domain.events.EventName`, such as ``payout.pending``.
        at: When; aware, UTC.
        evidence: Scrubbed facts the decision rests on.

    """

    name: str
    at: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop for money requests; checks go on.

    Args:
        account: The account, or None for all.
        since: When it was set.
        why: For a person.
        by: What set it.
        probe_at: When one payout may be sent to see whether it is over; None: only a person lifts it.

    """

    account: str | None
    since: datetime
    why: str
    by: PausedBy = PausedBy.PERSON
    probe_at: datetime | None = None

    @classmethod
    def by_person(cls, account: str | None, since: datetime, why: str) -> Self:
        """Return a pause that a person sets: a reason that cannot be stored or seen must not keep it from being set.

        Numbers in it are masked before it is stored: every process shows it.
        """
        return cls(account, since, NO_REASON if is_blank(why) else scrub(why))


@dataclass(frozen=True, slots=True)
class Gap:
    """What a restored journal may lack, until a person ends it.

    Args:
        began_at: The moment of the backup: whatever was written later is lost.
        declared_at: When a person declared it; from then on the journal is complete.
        compared: Names of the accounts whose own statement since ``began_at`` a person has compared with it.

    """

    began_at: datetime
    declared_at: datetime
    compared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Query:
    """A query whose answer comes later, to a path minted for it.

    Args:
        token_hash: SHA-256 (hex) of the path's token; the token itself is not stored.
        asked_at: When it was written, before the question left.

    """

    token_hash: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's approval to send one attempt of one payout, exactly as it is.

    Args:
        actor: The person.
        reason: The person's reason.
        at: When; aware, UTC.

    """

    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    """An attempt that failed, as it stood when the next one began; never changed.

    Args:
        number: 1 for the first.
        account: The name of the account it was paid from.
        binding: Where and as whom it was paid.
        references: By name.
        request: The stored request.
        request_hash: Its SHA-256.
        reason: Why it failed.
        decided_by: What decided so.
        submissions: How often it was sent.
        ambiguous: A submission of it may have arrived.
        first_sent_at: Before the first byte of the first submission that may have arrived.
        sent_at: Before the first byte of the latest submission.
        ended_at: When it failed.

    """

    number: int
    account: str
    binding: Mapping[str, str]
    references: Mapping[str, str]
    request: str = field(repr=False)
    request_hash: str
    reason: Reason | None
    decided_by: str
    submissions: int
    ambiguous: bool
    first_sent_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime

    @classmethod
    def of(cls, row: PayoutRecord) -> EndedAttempt:
        """Return the current attempt of a payout that failed."""
        attempt = row.attempt
        return cls(
            number=attempt.number,
            account=attempt.account,
            binding=attempt.binding,
            references=attempt.references,
            request=attempt.request,
            request_hash=attempt.request_hash,
            reason=row.reason,
            decided_by=row.decided_by,
            submissions=attempt.submissions,
            ambiguous=attempt.ambiguous,
            first_sent_at=attempt.first_sent_at,
            sent_at=attempt.sent_at,
            ended_at=row.updated_at,
        )


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """The result of an erasure.

    Args:
        erased: Ids of the payouts whose payee is gone now.
        kept: Ids of those that cannot be erased yet, each with the reason.
        rows: How many rows, of batches that were cancelled or never finished, lost their payee; none was paid.
        vacuumed: No byte of what was there is left in the journal's file; never true of a server's.

    """

    erased: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    vacuumed: bool = False
