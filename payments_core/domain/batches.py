"""Batches: payouts that are validated, approved and paid as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import Order, PayoutStatus, ReasonCode
from payments_core.domain.payout.metadata import encode_metadata

__all__ = [
    "TRANSITIONS",
    "Batch",
    "BatchChange",
    "BatchEntry",
    "BatchReply",
    "BatchRow",
    "BatchState",
    "BatchWrite",
    "BeginBatch",
    "DropBatch",
    "FreezeBatch",
    "RowDigest",
    "RowHashes",
    "RowResult",
    "WriteRows",
]


_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps would make one for every row


class BatchState(StrEnum):
    """The state of a batch; whether its payouts have ended is not part of it."""

    WRITING = "WRITING"  #: Its rows are being written; it can neither be approved nor run.
    CREATED = "CREATED"  #: It is frozen, and waits for an approval.
    APPROVED = "APPROVED"  #: It may be run.
    PAUSED = "PAUSED"  #: A person stopped it; nothing of it is sent.
    CANCELLED = "CANCELLED"  #: What was not sent is never sent.


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One row of a batch's history; rows are only ever added.

    Args:
        seq: 1, 2, 3 … within the batch.
        at: When; aware, UTC.
        event: What happened.
        actor: The person who did it, as the application names them.
        reason: The person's reason.

    """

    seq: int
    at: datetime
    event: EventName
    actor: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it stands now.

    Args:
        id: Ours.
        name: The name of the round, such as ``salary-2026-11``; a corrected file is another batch of the same name.
        state: Its state.
        content_hash: SHA-256 over name and rows: the same rows are the same batch.
        row_count: How many rows it has.
        totals: What all rows come to: one amount for each currency, by currency.
        history: Every change, oldest first.

    """

    id: str
    name: str
    state: BatchState
    content_hash: str
    row_count: int
    totals: tuple[Money, ...]
    history: tuple[BatchEntry, ...] = ()

    @property
    def created_by(self) -> str:
        """The person who created it; empty while its rows are being written."""
        return self.history[0].actor if self.history else ""

    @property
    def approved_by(self) -> str:
        """The person who approved it; empty where nobody has."""
        return next((entry.actor for entry in self.history if entry.event is EventName.BATCH_APPROVED), "")


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A frozen row: one order and the account that pays it.

    Args:
        number: The line of the file where it begins; 1, 2, 3 … where there is none.
        order: What is paid.
        account: The name of the account.
        payee_id: The payee's id in the file, such as a staff number; empty where the file has none.

    """

    number: int
    order: Order
    account: str
    payee_id: str = field(default="", repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the whole order, its key included; its number is not part of it."""
        order = self.order
        own = encode_metadata(order.metadata)
        content = [order.key, order.fingerprint, order.note, own, self.account, self.payee_id]
        return hashlib.sha256(_encode(content).encode()).hexdigest()


class RowHashes:
    """The content hash of a batch, row by row.

    Args:
        name: The name of the round.

    """

    def __init__(self, name: str) -> None:
        self._sum = hashlib.sha256(json.dumps(["batch", 1, name]).encode())

    def add(self, digests: Iterable[str]) -> None:
        """Add the digests of the next rows."""
        for digest in digests:
            self._sum.update(bytes.fromhex(digest))

    def hexdigest(self) -> str:
        """Return the hash."""
        return self._sum.hexdigest()


class RowDigest(NamedTuple):
    """What a row was frozen as, without the row.

    Args:
        number: Of the row.
        digest: Of the row, as it was frozen.
        recorded: What the payout that stands under its key comes to; None where there is none.

    """

    number: int
    digest: str
    recorded: Money | None


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row beside the payout that stands under its key.

    Args:
        row: The row; None where its payee was erased.
        number: Of the row.
        key: Of the row; it stays when the payee is erased.
        digest: Of the row, as it was frozen.
        payout_id: None where no payout was recorded yet.
        status: Of the payout.
        reason: The code of its reason.

    """

    row: BatchRow | None
    number: int
    key: str = field(repr=False)  # keys hold numbers
    digest: str
    payout_id: str | None = None
    status: PayoutStatus | None = None
    reason: ReasonCode | None = None


@dataclass(frozen=True, slots=True)
class BeginBatch:
    """Begin to write a batch."""

    batch: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WriteRows:
    """Add rows to a batch that is being written; the result is the numbers of those whose key another row has."""

    batch: str
    rows: Sequence[BatchRow]


@dataclass(frozen=True, slots=True)
class FreezeBatch:
    """End the writing of a batch; where its content is a batch already, that one is the result and this one is gone.

    Args:
        batch: What was written: id, content hash, number of rows and totals count.
        at: Now; aware.
        actor: The person who creates it.
        reason: The person's reason.

    """

    batch: Batch
    at: datetime
    actor: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DropBatch:
    """Remove a batch whose writing was not ended."""

    batch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChange:
    """Change the state of a batch; the result is None, and nothing is written, where its state does not allow that.

    Args:
        batch: Its id.
        event: What happens.
        at: Now; aware.
        actor: The person.
        reason: The person's reason.

    """

    batch: str
    event: EventName
    at: datetime
    actor: str
    reason: str = ""


BatchWrite: TypeAlias = BeginBatch | WriteRows | FreezeBatch | DropBatch | BatchChange
BatchReply: TypeAlias = Batch | tuple[int, ...] | None

#: From which states each event leads to which.
TRANSITIONS: Mapping[EventName, tuple[frozenset[BatchState], BatchState]] = {
    EventName.BATCH_APPROVED: (frozenset({BatchState.CREATED}), BatchState.APPROVED),
    EventName.BATCH_PAUSED: (frozenset({BatchState.APPROVED}), BatchState.PAUSED),
    EventName.BATCH_UNPAUSED: (frozenset({BatchState.PAUSED}), BatchState.APPROVED),
    EventName.BATCH_CANCELLED: (
        frozenset({BatchState.CREATED, BatchState.APPROVED, BatchState.PAUSED}),
        BatchState.CANCELLED,
    ),
}
