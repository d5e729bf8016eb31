"""What is asked of all payouts: a list and its pages, what is still to be checked, what a payee was paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, PayoutStatus, ReasonCode
from payments_core.domain.records import PayoutRecord

__all__ = ["RECENT", "EarlierPayment", "PayoutFilter", "Position", "RecordPage", "ToCheck"]

RECENT = timedelta(days=7)  # within it, another payment to the same payee is pointed out


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutFilter:
    """Which payouts a list holds: those that meet every condition that is given.

    Args:
        key_prefix: How the key begins; case counts.
        batch: The id of the batch that made it; empty for any and none.
        statuses: One of these; empty for any.
        reason: The code of the reason.
        account: The name of the account that pays.
        payee: The payee's value, exactly.
        created_from: Not accepted earlier; aware.
        created_to: Accepted earlier than this; aware.
        newest_first: The order: by the time of acceptance, those of one moment in the order they were written.

    """

    key_prefix: str = field(default="", repr=False)  # keys and payees hold numbers
    batch: str = ""
    statuses: tuple[PayoutStatus, ...] = ()
    reason: ReasonCode | None = None
    account: str | None = None
    payee: str | None = field(default=None, repr=False)
    created_from: datetime | None = None
    created_to: datetime | None = None
    newest_first: bool = False


class Position(NamedTuple):
    """The place of a payout in a list; it never changes.

    Args:
        created_us: When it was accepted, in microseconds since 1970.
        no: Its number in the journal.

    """

    created_us: int
    no: int


class RecordPage(NamedTuple):
    """A page of a list.

    Args:
        rows: The payouts; none where the entries that were looked at have none.
        last: The position after which the list continues; None at its end.

    """

    rows: Sequence[PayoutRecord]
    last: Position | None


class ToCheck(NamedTuple):
    """Payouts that a provider is still to be asked about, alike in what decides as whom it is asked.

    Args:
        account: The name of the account.
        operation: The kind of payment.
        binding: As whom they are paid.
        status: Their status; FAILED where the result may still change.
        payout_id: The payout, where it has ended attempts that are checked too; None for any number of others.
        is_unsent: None of them was sent.
        number: How many there are.

    """

    account: str
    operation: Operation
    binding: Mapping[str, str]
    status: PayoutStatus
    payout_id: str | None
    is_unsent: bool
    number: int


@dataclass(frozen=True, slots=True)
class EarlierPayment:
    """A payment to a payee; it has not failed.

    Args:
        batch: The id of its batch; empty where it is of none.
        key: Of the payout.
        amount: The amount.
        at: When it was accepted; aware, UTC.

    """

    batch: str
    key: str = field(repr=False)  # keys hold numbers
    amount: Money
    at: datetime
