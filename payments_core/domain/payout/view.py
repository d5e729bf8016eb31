"""A payout and its history, as a caller reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from payments_core.domain.contradictions import Contradiction
from payments_core.domain.money import Money
from payments_core.domain.payout.metadata import MetadataValue
from payments_core.domain.payout.payee import Payee
from payments_core.domain.payout.reason import Reason
from payments_core.domain.payout.status import Operation, PayoutStatus
from payments_core.domain.references import PROVIDER_REFERENCE

__all__ = ["HistoryEntry", "Payout"]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One row of a payout's history; rows are only ever added.

    Args:
        seq: 1, 2, 3 … within the payout.
        at: When; aware, UTC.
        event: What happened, such as ``payout.pending``.
        status: The status after it.
        attempt: Which attempt it belongs to.
        submissions: Sends of that attempt so far.
        decided_by: What decided a final state, a :class:`~payments_core.domain.causes.DecidedBy`; empty otherwise.
        evidence: What the decision rests on: HTTP status, code, scrubbed text.

    """

    seq: int
    at: datetime
    event: str
    status: PayoutStatus
    attempt: int
    submissions: int
    decided_by: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout as it stands now: a snapshot, never changed in place.

    Args:
        id: Ours, derived from namespace and key.
        key: The caller's.
        account: The account it is paid from.
        operation: Which kind of payment.
        payee: The receiver of the money.
        amount: The amount.
        status: Its status.
        reason: Why it failed, waits or is in review; None when there is nothing to explain.
        references: Every reference by name: what we sent and what the provider gave.
        attempt: 1 unless it was paid again.
        submissions: How often the payment of this attempt was sent.
        may_have_been_sent: False when no payment can be under way or done: before it is sent, after a proven failure.
        created_at: When it was accepted.
        updated_at: When it last changed.
        next_at: When a worker will take its next step; None when none will.
        history: Every change, oldest first; empty where a call does not read it, as ``send``: ``get`` does.
        original_amount: Of a refund: what was collected.
        is_new: True where the call that returned it has recorded it; False for a repeated key, and where it is read.
        contradictions: What its provider has said against the end of an attempt, oldest first; the status stands.
        note: Text for the payee, as recorded.
        metadata: The caller's own names and values, as recorded.
        batch: The id of the batch that it is a row of; empty for none.
        differences: Of a repeated key: which of ``note`` and ``metadata`` the call that returned it gave otherwise than
            recorded; what is recorded stands.

    """

    id: str
    key: str = field(repr=False)
    account: str
    operation: Operation
    payee: Payee
    amount: Money
    status: PayoutStatus
    reason: Reason | None
    references: Mapping[str, str]
    attempt: int
    submissions: int
    may_have_been_sent: bool
    created_at: datetime
    updated_at: datetime
    next_at: datetime | None = None
    history: tuple[HistoryEntry, ...] = field(default=(), compare=False)
    original_amount: Money | None = None
    is_new: bool = field(default=False, compare=False)
    contradictions: tuple[Contradiction, ...] = ()
    note: str = field(default="", repr=False)
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict, repr=False)
    batch: str = ""
    differences: tuple[str, ...] = field(default=(), compare=False)

    @property
    def provider_reference(self) -> str | None:
        """What the provider calls the payment of this attempt, as on its statements; None while it has given none."""
        return self.references.get(PROVIDER_REFERENCE)

    @property
    def is_final(self) -> bool:
        """True when the payout has come to an end."""
        return self.status.is_final

    @property
    def has_open_contradiction(self) -> bool:
        """Whether its provider contradicts an end and no person has acknowledged that."""
        return any(one.is_open for one in self.contradictions)
