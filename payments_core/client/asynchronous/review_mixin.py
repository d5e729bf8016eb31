"""What a person decides about payouts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from payments_core.client.asynchronous.flow_runner import AsyncFlowRunner
from payments_core.client.payout_views import view
from payments_core.client.reviews import InReview, ReviewFlows
from payments_core.domain.payout import Payout
from payments_core.domain.rates import Priority
from payments_core.engine import OperatorDecision
from payments_core.http.flow import arun_flow
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncReviewMixin"]
T = TypeVar("T")


class AsyncReviewMixin(ReviewFlows, AsyncFlowRunner):
    """Decisions about payouts. Each is written into the history with its actor and reason."""

    def review(self) -> AsyncIterator[InReview]:
        """Yield the payouts that wait for a person, oldest first; only the journal is asked.

        They are in REVIEW, or their provider has contradicted an end and no person has acknowledged that.
        """
        return waiting.iterate(self._in_review())

    async def resolve(self, payout: str, *, paid: bool, actor: str, reason: str, evidence: str = "") -> Payout:
        """Close a payout in REVIEW; the provider is asked first, and its certain answer counts instead.

        Args:
            payout: Id or key.
            paid: Whether the money is there; False: it is not, and will not be.
            actor: The person who decides.
            reason: On what grounds.
            evidence: What it was compared with, such as a line of the provider's statement.

        Raises:
            DecisionRefused: The payout is not in REVIEW, or the decision is not safe, or not yet.
            UnknownPayout: There is none.

        """
        person = OperatorDecision(actor, reason, evidence)
        return view(self._runtime, await self._run(*self._resolving(self._find(payout), paid, person), Priority.READ))

    async def reopen(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Let a payout in REVIEW be read and sent again; the provider is asked first. Raises as :meth:`resolve`.

        Args:
            payout: Id or key.
            actor: The person who decides.
            reason: On what grounds.

        """
        return view(
            self._runtime,
            await self._run(*self._reopening(self._find(payout), OperatorDecision(actor, reason)), Priority.READ),
        )

    async def reissue(
        self, payout: str, *, actor: str, reason: str, account: str | None = None, evidence: str = ""
    ) -> Payout:
        """Pay a failed payout again, under a new reference, once every earlier attempt is proven to have failed.

        Args:
            payout: Id or key.
            actor: The person who wants it.
            reason: On what grounds.
            account: The account to pay it from now; the one it was paid from when left out.
            evidence: What the provider's own records show, where it does not show an attempt any more; never needed
                otherwise.

        Raises:
            DecisionRefused: It has not failed, or may still turn out to be paid, or it is too early: ``again_at``.
            OverRefund: Of what it would refund, not enough is left.
            InvalidPayout: The account cannot pay it as it pays now, or it is a refund and the account another one.
            NotSupported: The provider of an attempt answers only by a later callback.
            UnknownAccount: The account is not configured.
            UnknownPayout: There is none.
            PayoutInterrupted: Something failed after the new attempt was recorded.

        """
        row = await self._run(
            *self._reissuing(self._find(payout), OperatorDecision(actor, reason, evidence), account), Priority.READ
        )
        return view(self._runtime, await self._settle(row))

    async def cancel(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Cancel a payout that was accepted by mistake, while nothing of it can have arrived: it is never sent.

        A payout that waits for an approval is declined so. What the provider may have taken is not cancelled here:
        :meth:`cancel_at_provider` asks the provider, where it can be asked. Cancelled twice is cancelled once.

        Args:
            payout: Id or key.
            actor: The person who cancels it.
            reason: On what grounds.

        Raises:
            DecisionRefused: Something of it may have arrived, it has ended, or it was moved meanwhile.
            UnknownAccount: An earlier attempt may have been paid, and the account it was paid from is not configured.
            UnknownPayout: There is none.

        """
        row = await self._run(*self._cancelling(self._find(payout), OperatorDecision(actor, reason)), Priority.READ)
        return view(self._runtime, row)

    async def approve(self, payout: str, *, actor: str, reason: str = "approved") -> Payout:
        """Approve a payout that waits for it; a worker or ``resume`` sends it, not this call.

        Args:
            payout: Id or key.
            actor: The person who approves it.
            reason: In their words.

        Raises:
            DecisionRefused: It does not wait to be sent.
            UnknownPayout: There is none.

        """
        return view(
            self._runtime, await self._run(*self._approving(self._find(payout), OperatorDecision(actor, reason)))
        )

    async def check(self, payout: str) -> Payout:
        """Read a payout that has ended once more, and write down what the provider says; the end stands.

        The last entry of the history holds it (``payout.checked``). What contradicts the end is kept beside it, see
        ``contradictions``. Where the provider answers only later, the question is asked, and the answer is taken in
        when it comes.

        Args:
            payout: Id or key.

        Raises:
            DecisionRefused: It has not ended.
            UnknownPayout: There is none.

        """
        return view(self._runtime, await self._run(*self._checking(self._find(payout)), Priority.READ))

    async def acknowledge(self, payout: str, *, actor: str, reason: str) -> Payout:
        """Write down that a person has taken note of what its provider reports against a payout's ends.

        The status stays, it leaves the queue of :meth:`review`, and it is never paid again. Twice is once.

        Args:
            payout: Id or key.
            actor: The person who takes note.
            reason: What they found, in their words.

        Raises:
            DecisionRefused: Its provider has never contradicted it.
            UnknownPayout: There is none.

        """
        flow = self._acknowledging(self._find(payout), OperatorDecision(actor, reason))
        return view(self._runtime, await arun_flow(flow, self._write))
