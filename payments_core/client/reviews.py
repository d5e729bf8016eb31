"""Payouts that wait for a person, and the flows of what may be decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from payments_core import engine
from payments_core.client.payout_views import find_payout, view
from payments_core.domain.events import EventName
from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.engine import OperatorDecision, ProviderSays, ReviewAction
from payments_core.engine.flow import EngineFlow
from payments_core.provider import Account
from payments_core.runtime import Runtime

__all__ = ["InReview", "ReviewFlows", "in_review"]


@dataclass(frozen=True, slots=True)
class InReview:
    """A payout that waits for a person.

    Args:
        payout: With its history: what is known of it.
        since: When it came into REVIEW, or its provider contradicted its end.
        acts: What may be decided in REVIEW, each with the answers of the provider on which it is safe. An open
            contradiction can be acknowledged whatever the answer.

    """

    payout: Payout
    since: datetime
    acts: Mapping[ReviewAction, tuple[ProviderSays, ...]]


def in_review(payout: Payout) -> InReview:
    """Return a payout that waits for a person, with what may be decided about it.

    Args:
        payout: With its history.

    """
    stops = [entry.at for entry in payout.history if entry.event == EventName.PAYOUT_REVIEW]
    code = payout.reason.code if payout.reason and payout.status is PayoutStatus.REVIEW else None
    acts = {act: engine.allowed(code, act) for act in ReviewAction} if code else {}
    since = stops[-1] if stops else payout.updated_at
    if code is None:
        since = min((one.at for one in payout.contradictions if one.is_open), default=since)
    return InReview(payout, since, {act: says for act, says in acts.items() if says})


class ReviewFlows:
    """Begins the flow of each decision."""

    _runtime: Runtime

    def _in_review(self) -> Iterator[InReview]:
        self._runtime.check_process()
        rows = self._runtime.journal.undecided()
        return (in_review(view(self._runtime, row)) for row in rows)

    def _find(self, payout: str) -> PayoutRecord:
        self._runtime.check_process()
        return find_payout(self._runtime.journal, payout)

    def _resolving(
        self, row: PayoutRecord, paid: bool, person: OperatorDecision
    ) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account = self._runtime.serving(row)
        return account, engine.resolve(account, row, paid=paid, person=person, moment=self._runtime.moment())

    def _reopening(self, row: PayoutRecord, person: OperatorDecision) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account, active = self._runtime.serving(row), self._runtime.account(row.attempt.account)
        return account, engine.reopen(account, active, row, person=person, moment=self._runtime.moment())

    def _reissuing(
        self, row: PayoutRecord, person: OperatorDecision, account: str | None
    ) -> tuple[Account, EngineFlow[PayoutRecord]]:
        paying = self._runtime.account(account or row.attempt.account)
        return paying, engine.reissue(paying, row, person=person, moment=self._runtime.moment())

    def _cancelling(self, row: PayoutRecord, person: OperatorDecision) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account = self._runtime.account(row.attempt.account)
        return account, engine.cancel(account, row, person=person, moment=self._runtime.moment())

    def _checking(self, row: PayoutRecord) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account = self._runtime.serving(row)
        return account, engine.check(account, row, self._runtime.moment())

    def _acknowledging(self, row: PayoutRecord, person: OperatorDecision) -> EngineFlow[PayoutRecord]:
        return engine.acknowledge(row, person, self._runtime.moment())

    def _approving(self, row: PayoutRecord, person: OperatorDecision) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account = self._runtime.account(row.attempt.account)
        return account, engine.approve(row, person=person, at=self._runtime.clock())
