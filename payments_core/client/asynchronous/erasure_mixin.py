"""Erasing payees."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from payments_core.client.erasure import erase_for
from payments_core.domain.payout import Payee
from payments_core.domain.records import ErasureResult
from payments_core.runtime import Runtime
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncErasureMixin"]


class AsyncErasureMixin:
    """Takes payees out of the journal."""

    _runtime: Runtime

    async def erase(
        self,
        payout: str | None = None,
        *,
        payee: Payee | None = None,
        before: datetime | None = None,
        actor: str,
        reason: str,
        dry_run: bool = False,
        vacuum: bool = True,
    ) -> ErasureResult:
        """Take the payee out of payouts that have come to an end; name exactly one of payout, payee and before.

        Key, amounts, references, states and hashes stay: the same key is never paid again, and whether two erased
        payouts were the same payee's still shows.

        Args:
            payout: Id or key of one payout.
            payee: Every payout to this payee; nothing is changed unless all of them can be erased.
            before: Whatever has ended before this moment, and can be erased; aware.
            actor: The person who wants it.
            reason: On what grounds.
            dry_run: Return what would be erased, and change nothing.
            vacuum: Write a journal file anew, so that no byte is left in it; others wait as long as that takes.

        Raises:
            DecisionRefused: It is open, in review, contradicted, or its end may still change; nothing was changed.
            UnknownPayout: There is none.

        """
        erase = partial(
            erase_for,
            self._runtime,
            payout,
            payee=payee,
            before=before,
            actor=actor,
            reason=reason,
            dry_run=dry_run,
            vacuum=vacuum,
        )
        return await waiting.run_blocking(erase)
