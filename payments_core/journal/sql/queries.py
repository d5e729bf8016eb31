"""What a journal is asked, for both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from payments_core.domain.budgets import BudgetState
from payments_core.domain.characters import is_storable
from payments_core.domain.listing import EarlierPayment, PayoutFilter, Position, RecordPage, ToCheck
from payments_core.domain.payout import HistoryEntry, PayoutStatus
from payments_core.domain.rates import Hold
from payments_core.domain.records import Approval, EndedAttempt, Gap, Pause, PayoutRecord
from payments_core.journal.sql import permits, restore_gap
from payments_core.journal.sql.access import SqlAccess
from payments_core.journal.sql.budgets import read_states
from payments_core.journal.sql.claims import unclaimed
from payments_core.journal.sql.columns import (
    from_us,
    read_approval,
    read_attempt,
    read_history,
    read_pause,
    read_row,
    to_us,
)
from payments_core.journal.sql.due import not_paused, of_accounts, paused_accounts, unsent_of
from payments_core.journal.sql.earlier_payments import find_payments_to
from payments_core.journal.sql.listing import accounts_of, count_by_account, find_page
from payments_core.journal.sql.to_check import find_to_check

__all__ = ["QueriesMixin"]

_PAGE = 200


class QueriesMixin(SqlAccess):
    """The reading part of the journal's protocol."""

    def get(self, payout_id: str) -> PayoutRecord | None:
        """Return one payout."""
        return self._one(self._sql.by_id, (payout_id,)) if is_storable(payout_id) else None

    def by_key(self, key: str) -> PayoutRecord | None:
        """Return the payout of a key."""
        return self._one(self._sql.by_key, (key,)) if is_storable(key) else None

    def find(self, name: str) -> tuple[PayoutRecord, ...]:
        """Return the payouts of which this is the id or the key: two at most."""
        return tuple(map(read_row, self._fetch(self._sql.by_name, (name, name)))) if is_storable(name) else ()

    def by_query(self, token_hash: str) -> tuple[PayoutRecord, int] | None:
        """Return the payout that a query is about, and the number of the attempt; None when it is about none."""
        found = self._fetch(self._sql.by_query, (token_hash,))
        return (read_row(found[0][1:]), int(found[0][0])) if found else None

    def by_provider_reference(self, name: str) -> tuple[PayoutRecord, ...]:
        """Return the payouts that have, or had, this reference, and none whose reference holds our own id."""
        return tuple(map(read_row, self._fetch(self._sql.by_provider_reference, (name,)))) if is_storable(name) else ()

    def history(self, payout_id: str) -> tuple[HistoryEntry, ...]:
        """Return every history row, oldest first."""
        found = self._fetch(self._sql.history, (payout_id,))
        return tuple(map(read_history, found))

    def attempts(self, payout_id: str) -> tuple[EndedAttempt, ...]:
        """Return the attempts that ended before the current one, oldest first."""
        return tuple(map(read_attempt, self._fetch(self._sql.attempts, (payout_id,))))

    def approval(self, payout_id: str, attempt: int) -> Approval | None:
        """Return the approval of an attempt; None when there is none."""
        found = self._fetch(self._sql.approval, (payout_id, attempt))
        return read_approval(found[0]) if found else None

    def budgets(self, names: Collection[str]) -> Mapping[str, BudgetState]:
        """Return the budgets of these names, by name; nothing for one from which nothing was ever reserved."""
        return read_states(found for name in names for found in self._fetch(self._sql.budget, (name,)))

    def rows(self, *, status: PayoutStatus | None = None, account: str | None = None) -> Iterator[PayoutRecord]:
        """Yield payouts, oldest first, a page at a time: nothing is locked while the caller works."""
        wanted = PayoutFilter(statuses=() if status is None else (status,), account=account)
        page = self.page(wanted, limit=_PAGE)
        yield from page.rows
        while page.last is not None:
            page = self.page(wanted, after=page.last, limit=_PAGE)
            yield from page.rows

    def page(self, wanted: PayoutFilter, *, after: Position | None = None, limit: int) -> RecordPage:
        """Return a page of a list, from a position of it on."""
        return find_page(self._sql, self._fetch, wanted, after, limit)

    def undecided(self) -> Iterator[PayoutRecord]:
        """Yield payouts that wait for a person, oldest first: in REVIEW, or contradicted and not acknowledged."""
        return self._pages(self._sql.undecided, ())

    def _pages(self, statement: str, values: Sequence[Any]) -> Iterator[PayoutRecord]:
        last = 0
        while page := self._fetch(statement, (last, *values, _PAGE)):
            for no, *stored in page:
                last = no
                yield read_row(stored)

    def due(self, at: datetime, *, accounts: Collection[str], limit: int) -> tuple[PayoutRecord, ...]:
        """Return payouts of these accounts whose ``next_at`` has come and whose lease, if any, is over; oldest first.

        ``CREATED`` payouts of a paused account are left out until the pause is lifted or its probe is due.
        """
        condition, values = not_paused(self._sql, accounts, at)
        now = to_us(at)
        found = self._fetch(self._sql.due(condition), (*values, now, now, limit))
        return tuple(map(read_row, found))

    def next_due(self, *, accounts: Collection[str], free_at: datetime | None = None) -> datetime | None:
        """Return when the next payout becomes due, lease and pauses considered as in ``due``; None when none will.

        With ``free_at``, payouts with a claim at that time are left out.
        """
        paused = paused_accounts(self.pauses(), accounts)
        moments = [self._earliest(*of_accounts(self._sql, accounts, without_unsent_of=paused), free_at)]
        for account, until in paused.items():
            if until is not None and (moment := self._earliest(*unsent_of(self._sql, account), free_at)) is not None:
                moments.append(max(moment, until))
        return min((moment for moment in moments if moment is not None), default=None)

    def _earliest(self, condition: str, values: Sequence[Any], free_at: datetime | None) -> datetime | None:
        if free_at is not None:
            condition, values = f"{condition} AND {unclaimed(self._sql)}", (*values, to_us(free_at))
        found = self._fetch(self._sql.first_due(condition), values)
        if not found:
            return None
        next_at, free_at_us = found[0]
        if free_at_us > next_at:  # under a lease: another one may be free before it
            free_at_us = self._fetch(self._sql.first_free(condition), (*values, free_at_us))[0][0] or free_at_us
        return from_us(free_at_us)

    def counts(self, statuses: Collection[PayoutStatus] = tuple(PayoutStatus)) -> Mapping[PayoutStatus, int]:
        """Return how many payouts stand in each of these statuses; of a status without any, nothing."""
        found = Counter[PayoutStatus]()
        for (_, status), count in self.counts_by_account(statuses).items():
            found[status] += count
        return dict(found)

    def counts_by_account(self, statuses: Collection[PayoutStatus]) -> Mapping[tuple[str, PayoutStatus], int]:
        """Return how many payouts each account has in each of these statuses; of a pair without any, nothing."""
        return count_by_account(self._sql, self._fetch, statuses)

    def to_check(self, at: datetime) -> tuple[ToCheck, ...]:
        """Return the payouts that a provider is still to be asked about, in groups."""
        return find_to_check(self._sql, self._fetch, at)

    def payments_to(self, payees: Sequence[str], since: datetime) -> Mapping[str, Sequence[EarlierPayment]]:
        """Return the payments to each of these payees since a moment, in their order; failed ones are left out."""
        return find_payments_to(self._sql, self._fetch, payees, since)

    def contradicted(self) -> int:
        """Return how many payouts have a contradicted end that no person has acknowledged."""
        return int(self._fetch(self._sql.contradicted)[0][0])

    def accounts(self) -> frozenset[str]:
        """Return the names of the accounts that have payouts."""
        return accounts_of(self._sql, self._fetch)

    def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force, the one for all first."""
        return tuple(map(read_pause, self._fetch(self._sql.pauses)))

    def holds(self) -> tuple[Hold, ...]:
        """Return the penalties in force on reads."""
        return permits.holds(self._sql, self._fetch)

    def gap(self) -> Gap | None:
        """Return what the journal lacks since it was restored; None when it is complete."""
        return restore_gap.find(self._sql, self._fetch)

    def _one(self, statement: str, values: Sequence[Any]) -> PayoutRecord | None:
        found = self._fetch(statement, values)
        return read_row(found[0]) if found else None
