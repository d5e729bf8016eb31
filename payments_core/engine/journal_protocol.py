"""The journal as the engine, the runtime and the clients see it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol

from payments_core.domain.batches import Batch, BatchReply, BatchRow, BatchWrite, RowDigest, RowResult
from payments_core.domain.budgets import AboveBudget, BudgetState
from payments_core.domain.deliveries import Outbox
from payments_core.domain.inbox_records import Arrival, Handled, Handling, InboxCount
from payments_core.domain.listing import EarlierPayment, PayoutFilter, Position, RecordPage, ToCheck
from payments_core.domain.payout import HistoryEntry, Payee, PayoutStatus, ReasonCode
from payments_core.domain.rates import AcquirePermit, Hold, Permit
from payments_core.domain.records import Approval, EndedAttempt, ErasureResult, Gap, Pause, PayoutRecord
from payments_core.domain.shared_tokens import SharedToken, TokenChange
from payments_core.engine.commands import CreatePayout, CreateResult, JournalCommand, JournalResult

__all__ = ["Journal"]


class Journal(Outbox, Protocol):
    """Stores payouts and everything that belongs to them. Every method may raise a ``JournalError``."""

    #: Whether a server answers, so that each read waits for a network.
    is_remote: bool

    def execute(self, entry: JournalCommand) -> JournalResult:
        """Write one entry and return when it is durable."""
        ...

    async def execute_async(self, entry: JournalCommand) -> JournalResult:
        """Write one entry and return when it is durable; a task cancelled before it is taken up writes nothing."""
        ...

    def submit(self, entry: JournalCommand) -> Future[JournalResult]:
        """Queue one entry; the future ends when it is durable. Cancelling it before it is taken up writes nothing."""
        ...

    def open_within(self, connection: object, entry: CreatePayout) -> CreateResult | AboveBudget:
        """Write a new payout in a transaction of the caller's, where the journal shares its database.

        It is there exactly if that transaction is committed, and not announced before.
        """
        ...

    async def open_within_async(self, connection: object, entry: CreatePayout) -> CreateResult | AboveBudget:
        """Do the same on an asynchronous connection."""
        ...

    def get(self, payout_id: str) -> PayoutRecord | None:
        """Return one payout."""
        ...

    def by_key(self, key: str) -> PayoutRecord | None:
        """Return the payout of a key."""
        ...

    def find(self, name: str) -> tuple[PayoutRecord, ...]:
        """Return the payouts of which this is the id or the key: two at most."""
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

    def page(self, wanted: PayoutFilter, *, after: Position | None = None, limit: int) -> RecordPage:
        """Return a page of a list, from a position of it on: it may have fewer payouts than the limit, even none."""
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

    def counts(self, statuses: Collection[PayoutStatus] = ...) -> Mapping[PayoutStatus, int]:
        """Return how many payouts stand in each of these statuses, or in each; of a status without any, nothing."""
        ...

    def counts_by_account(self, statuses: Collection[PayoutStatus]) -> Mapping[tuple[str, PayoutStatus], int]:
        """Return how many payouts each account has in each of these statuses; of a pair without any, nothing."""
        ...

    def payments_to(self, payees: Sequence[str], since: datetime) -> Mapping[str, Sequence[EarlierPayment]]:
        """Return the payments to each of these payees since a moment, in their order; failed ones are left out."""
        ...

    def to_check(self, at: datetime) -> tuple[ToCheck, ...]:
        """Return the payouts that a provider is still to be asked about, in groups.

        These are the open ones, without those in REVIEW of which nothing was accepted, and the failed ones whose result
        the provider may still change.
        """
        ...

    def contradicted(self) -> int:
        """Return how many payouts have a contradicted end that no person has acknowledged."""
        ...

    def accounts(self) -> frozenset[str]:
        """Return the names of the accounts that have payouts."""
        ...

    def budgets(self, names: Collection[str]) -> Mapping[str, BudgetState]:
        """Return the budgets of these names, by name; nothing for one from which nothing was ever reserved."""
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
        """Return the ids of a payee's payouts, the erased ones too."""
        ...

    def ended_before(self, moment: datetime, *, after: int = 0, limit: int) -> tuple[tuple[str, int], ...]:
        """Return ids and numbers of payouts that ended, moved last before a moment and are not erased."""
        ...

    def erase(
        self, payout_ids: Collection[str], *, at: datetime, actor: str, reason: str, all_or_none: bool, dry_run: bool
    ) -> ErasureResult:
        """Take the payee out of payouts that have come to an end, or say only of which; of all of them or of none."""
        ...

    def vacuum(self) -> bool:
        """Wipe what was taken out from where it stood; say whether it is gone: never where a server does that."""
        ...

    def erase_rows(self, before: datetime, *, limit: int, dry_run: bool) -> int:
        """Erase rows of batches that were cancelled, or never finished, before a moment; return how many."""
        ...

    def trim(self, before: datetime, *, limit: int) -> int:
        """Remove callbacks that were handled before a moment; return how many."""
        ...

    def write_batch(self, change: BatchWrite) -> BatchReply:
        """Write one change of a batch; see each change for what it returns."""
        ...

    def batch(self, batch: str) -> Batch | None:
        """Return a batch with its history."""
        ...

    def batches(self, *, name: str | None = ..., limit: int = ...) -> tuple[Batch, ...]:
        """Return batches, newest first; with a name, all of it, oldest first."""
        ...

    def batch_rows(self, batch: str, *, after: int = ..., limit: int, unrecorded: bool = ...) -> tuple[RowResult, ...]:
        """Return rows of a batch from after a number, each beside its payout; or only those that have none."""
        ...

    def batch_digests(self, batch: str, *, after: int = ..., limit: int) -> tuple[RowDigest, ...]:
        """Return the digests of a batch's rows, from after a number; the rows are not read."""
        ...

    def batch_counts(
        self, batch: str, *, own: bool = ...
    ) -> Mapping[tuple[PayoutStatus | None, ReasonCode | None], int]:
        """Return how many rows have a payout of each status and reason; None is a row without one.

        With ``own``, only payouts that this batch has made are counted: that reads an index alone.
        """
        ...

    def last_rows_of(self, payee_ids: Sequence[str], *, apart_from: str = ...) -> Mapping[str, BatchRow]:
        """Return the row of each payee's id in the last approved batch that has it, another batch left out."""
        ...

    def prove_writable(self) -> None:
        """Write something and see it durable."""
        ...

    def close(self) -> None:
        """Finish what is queued and close."""
        ...
