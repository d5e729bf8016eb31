"""What a person decides about payouts: one list of decisions, for threads and for an event loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from payments_core import engine
from payments_core.client import assembly
from payments_core.client.iteration import in_thread
from payments_core.domain.events import EventName
from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.domain.rates import Priority
from payments_core.domain.records import PayoutRecord
from payments_core.engine import OperatorDecision, ProviderSays, ReviewAction
from payments_core.engine.flow import Command, EngineFlow, Reply
from payments_core.http.flow import arun_flow, run_flow
from payments_core.provider import Account
from payments_core.runtime import Runtime

__all__ = ["AsyncReviewMixin", "InReview", "ReviewMixin", "in_review"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InReview:
    """A payout that waits for a person.

    Args:
        payout: With its history: what the machine knows.
        since: When it stopped, or its provider contradicted its end.
        acts: What may be decided in REVIEW, each with the answers of the provider on which it is safe. An open
            contradiction can be acknowledged whatever it says.

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


class _ReviewBase:
    """What both lists of decisions find out before they ask anybody."""

    _runtime: Runtime

    def _in_review(self) -> Iterator[InReview]:
        self._runtime.check_process()
        rows = self._runtime.journal.undecided()
        return (in_review(assembly.view(self._runtime, row)) for row in rows)

    def _find(self, payout: str) -> PayoutRecord:
        self._runtime.check_process()
        return assembly.row_of(self._runtime.journal, payout)

    def _resolving(
        self, row: PayoutRecord, paid: bool, person: OperatorDecision
    ) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account = self._runtime.serving(row)
        return account, engine.resolve(account, row, paid=paid, person=person, moment=self._runtime.moment())

    def _reopening(self, row: PayoutRecord, person: OperatorDecision) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account, active = self._runtime.serving(row), self._runtime.account(row.account)
        return account, engine.reopen(account, active, row, person=person, moment=self._runtime.moment())

    def _reissuing(
        self, row: PayoutRecord, person: OperatorDecision, account: str | None
    ) -> tuple[Account, EngineFlow[PayoutRecord]]:
        paying = self._runtime.account(account or row.account)
        return paying, engine.reissue(paying, row, person=person, moment=self._runtime.moment())

    def _cancelling(self, row: PayoutRecord, person: OperatorDecision) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account = self._runtime.account(row.account)
        return account, engine.cancel(account, row, person=person, moment=self._runtime.moment())

    def _checking(self, row: PayoutRecord) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account = self._runtime.serving(row)
        return account, engine.check(account, row, self._runtime.moment())

    def _acknowledging(self, row: PayoutRecord, person: OperatorDecision) -> EngineFlow[PayoutRecord]:
        return engine.acknowledge(row, person, self._runtime.moment())

    def _approving(self, row: PayoutRecord, person: OperatorDecision) -> tuple[Account, EngineFlow[PayoutRecord]]:
        account = self._runtime.account(row.account)
        return account, engine.approve(row, person=person, at=self._runtime.clock())


class ReviewMixin(_ReviewBase, ABC):
    """Decisions about payouts. Each is written into the history with who took it and why."""

    @abstractmethod
    def _ask(self, account: Account, flow: EngineFlow[T], priority: Priority | None = None) -> T: ...

    @abstractmethod
    def _settle(self, row: PayoutRecord) -> PayoutRecord: ...

    @abstractmethod
    def _write(self, command: Command) -> Reply: ...

    def review(self) -> Iterator[InReview]:
        """Yield the payouts that wait for a person, oldest first; only the journal is asked.

        They are in REVIEW, or their provider has contradicted an end and no person has acknowledged that.
        """
        return self._in_review()

    def resolve(self, payout: str, *, paid: bool, actor: str, reason: str, evidence: str = "") -> Payout:
        """Close a payout in REVIEW; the provider is asked first, and what it says for certain counts instead.

        Args:
            payout: Id or key.
            paid: Whether the money is there; False: it is not, and will not be.
            actor: Who decides.
            reason: On what grounds.
            evidence: What it was compared with, such as a line of the provider's statement.

        Raises:
            DecisionRefused: The payout is not in REVIEW, or the decision is not safe, or not yet.
            UnknownPayout: There is none.

        """
        person = OperatorDecision(actor, reason, evidence)
        return assembly.view(self._runtime, self._ask(*self._resolving(self._find(payout), paid, person), Priority.DUE))

    def reopen(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Give a payout in REVIEW back to the machine; the provider is asked first. Raises as :meth:`resolve`.

        Args:
            payout: Id or key.
            actor: Who decides.
            reason: On what grounds.

        """
        return assembly.view(
            self._runtime,
            self._ask(*self._reopening(self._find(payout), OperatorDecision(actor, reason)), Priority.DUE),
        )

    def reissue(
        self, payout: str, *, actor: str, reason: str, account: str | None = None, evidence: str = ""
    ) -> Payout:
        """Pay a failed payout again, under a new reference, once every earlier attempt is proven to have failed.

        Args:
            payout: Id or key.
            actor: Who wants it.
            reason: On what grounds.
            account: The account to pay it from now; the one it was paid from when left out.
            evidence: What the provider's own records show, where it does not show an attempt any more; never needed
                otherwise.

        Raises:
            DecisionRefused: It has not failed, or may still turn out paid, or it is too early: ``again_at``.
            OverRefund: Of what it would refund, not enough is left.
            InvalidPayout: The account cannot pay it as it pays now, or it is a refund and the account another one.
            NotSupported: The provider of an attempt tells only later what became of it.
            UnknownAccount: The account is not configured.
            UnknownPayout: There is none.
            PayoutInterrupted: Something failed after the new attempt was recorded.

        """
        row = self._ask(
            *self._reissuing(self._find(payout), OperatorDecision(actor, reason, evidence), account), Priority.DUE
        )
        return assembly.view(self._runtime, self._settle(row))

    def cancel(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Cancel a payout that was accepted by mistake, while nothing of it can have arrived: it is never sent.

        A payout that waits for an approval is declined so. What the provider may have taken is not cancelled here:
        :meth:`cancel_at_provider` asks the provider, where it can be asked. Cancelled twice is cancelled once.

        Args:
            payout: Id or key.
            actor: Who cancels it.
            reason: On what grounds.

        Raises:
            DecisionRefused: Something of it may have arrived, it has ended, or it was moved meanwhile.
            UnknownAccount: An earlier attempt may have been paid, and the account it was paid from is not configured.
            UnknownPayout: There is none.

        """
        row = self._ask(*self._cancelling(self._find(payout), OperatorDecision(actor, reason)), Priority.DUE)
        return assembly.view(self._runtime, row)

    def approve(self, payout: str, *, actor: str, reason: str = "approved") -> Payout:
        """Let a payout be sent that needs somebody's leave; it is sent by whoever works on payouts, not here.

        Args:
            payout: Id or key.
            actor: Who approves it.
            reason: In their words.

        Raises:
            DecisionRefused: It does not wait to be sent.
            UnknownPayout: There is none.

        """
        return assembly.view(
            self._runtime, self._ask(*self._approving(self._find(payout), OperatorDecision(actor, reason)))
        )

    def check(self, payout: str) -> Payout:
        """Read a payout that has ended once more, and write down what the provider says; the end stands.

        The last entry of the history tells it (``payout.checked``). What contradicts the end is kept beside it, see
        ``contradictions``. Where the provider answers only later, the question is asked, and the answer is taken in
        when it comes.

        Args:
            payout: Id or key.

        Raises:
            DecisionRefused: It has not ended.
            UnknownPayout: There is none.

        """
        return assembly.view(self._runtime, self._ask(*self._checking(self._find(payout)), Priority.DUE))

    def acknowledge(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Write down that a person has taken note of what its provider says against a payout's ends.

        The status stays, it leaves the queue of :meth:`review`, and it is never paid again. Twice is once.

        Args:
            payout: Id or key.
            actor: Who takes note.
            reason: What they found, in their words.

        Raises:
            DecisionRefused: Its provider has never contradicted it.
            UnknownPayout: There is none.

        """
        flow = self._acknowledging(self._find(payout), OperatorDecision(actor, reason))
        return assembly.view(self._runtime, run_flow(flow, self._write))


class AsyncReviewMixin(_ReviewBase, ABC):
    """Decisions about payouts. Each is written into the history with who took it and why."""

    @abstractmethod
    async def _ask(self, account: Account, flow: EngineFlow[T], priority: Priority | None = None) -> T: ...

    @abstractmethod
    async def _settle(self, row: PayoutRecord) -> PayoutRecord: ...

    @abstractmethod
    async def _write(self, command: Command) -> Reply: ...

    def review(self) -> AsyncIterator[InReview]:
        """Yield the payouts that wait for a person, oldest first; only the journal is asked.

        They are in REVIEW, or their provider has contradicted an end and no person has acknowledged that.
        """
        return in_thread(self._in_review())

    async def resolve(self, payout: str, *, paid: bool, actor: str, reason: str, evidence: str = "") -> Payout:
        """Close a payout in REVIEW; the provider is asked first, and what it says for certain counts instead.

        Args:
            payout: Id or key.
            paid: Whether the money is there; False: it is not, and will not be.
            actor: Who decides.
            reason: On what grounds.
            evidence: What it was compared with, such as a line of the provider's statement.

        Raises:
            DecisionRefused: The payout is not in REVIEW, or the decision is not safe, or not yet.
            UnknownPayout: There is none.

        """
        person = OperatorDecision(actor, reason, evidence)
        return assembly.view(
            self._runtime, await self._ask(*self._resolving(self._find(payout), paid, person), Priority.DUE)
        )

    async def reopen(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Give a payout in REVIEW back to the machine; the provider is asked first. Raises as :meth:`resolve`.

        Args:
            payout: Id or key.
            actor: Who decides.
            reason: On what grounds.

        """
        return assembly.view(
            self._runtime,
            await self._ask(*self._reopening(self._find(payout), OperatorDecision(actor, reason)), Priority.DUE),
        )

    async def reissue(
        self, payout: str, *, actor: str, reason: str, account: str | None = None, evidence: str = ""
    ) -> Payout:
        """Pay a failed payout again, under a new reference, once every earlier attempt is proven to have failed.

        Args:
            payout: Id or key.
            actor: Who wants it.
            reason: On what grounds.
            account: The account to pay it from now; the one it was paid from when left out.
            evidence: What the provider's own records show, where it does not show an attempt any more; never needed
                otherwise.

        Raises:
            DecisionRefused: It has not failed, or may still turn out paid, or it is too early: ``again_at``.
            OverRefund: Of what it would refund, not enough is left.
            InvalidPayout: The account cannot pay it as it pays now, or it is a refund and the account another one.
            NotSupported: The provider of an attempt tells only later what became of it.
            UnknownAccount: The account is not configured.
            UnknownPayout: There is none.
            PayoutInterrupted: Something failed after the new attempt was recorded.

        """
        row = await self._ask(
            *self._reissuing(self._find(payout), OperatorDecision(actor, reason, evidence), account), Priority.DUE
        )
        return assembly.view(self._runtime, await self._settle(row))

    async def cancel(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Cancel a payout that was accepted by mistake, while nothing of it can have arrived: it is never sent.

        A payout that waits for an approval is declined so. What the provider may have taken is not cancelled here:
        :meth:`cancel_at_provider` asks the provider, where it can be asked. Cancelled twice is cancelled once.

        Args:
            payout: Id or key.
            actor: Who cancels it.
            reason: On what grounds.

        Raises:
            DecisionRefused: Something of it may have arrived, it has ended, or it was moved meanwhile.
            UnknownAccount: An earlier attempt may have been paid, and the account it was paid from is not configured.
            UnknownPayout: There is none.

        """
        row = await self._ask(*self._cancelling(self._find(payout), OperatorDecision(actor, reason)), Priority.DUE)
        return assembly.view(self._runtime, row)

    async def approve(self, payout: str, *, actor: str, reason: str = "approved") -> Payout:
        """Let a payout be sent that needs somebody's leave; it is sent by whoever works on payouts, not here.

        Args:
            payout: Id or key.
            actor: Who approves it.
            reason: In their words.

        Raises:
            DecisionRefused: It does not wait to be sent.
            UnknownPayout: There is none.

        """
        return assembly.view(
            self._runtime, await self._ask(*self._approving(self._find(payout), OperatorDecision(actor, reason)))
        )

    async def check(self, payout: str) -> Payout:
        """Read a payout that has ended once more, and write down what the provider says; the end stands.

        The last entry of the history tells it (``payout.checked``). What contradicts the end is kept beside it, see
        ``contradictions``. Where the provider answers only later, the question is asked, and the answer is taken in
        when it comes.

        Args:
            payout: Id or key.

        Raises:
            DecisionRefused: It has not ended.
            UnknownPayout: There is none.

        """
        return assembly.view(self._runtime, await self._ask(*self._checking(self._find(payout)), Priority.DUE))

    async def acknowledge(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Write down that a person has taken note of what its provider says against a payout's ends.

        The status stays, it leaves the queue of :meth:`review`, and it is never paid again. Twice is once.

        Args:
            payout: Id or key.
            actor: Who takes note.
            reason: What they found, in their words.

        Raises:
            DecisionRefused: Its provider has never contradicted it.
            UnknownPayout: There is none.

        """
        flow = self._acknowledging(self._find(payout), OperatorDecision(actor, reason))
        return assembly.view(self._runtime, await arun_flow(flow, self._write))
