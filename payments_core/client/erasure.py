"""Forgetting who was paid: for threads and for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from payments_core.client import assembly
from payments_core.domain.errors import DecisionRefused, SettingsError
from payments_core.domain.events import EventName
from payments_core.domain.payout import Payee
from payments_core.domain.records import ErasureResult
from payments_core.engine import OperatorDecision
from payments_core.engine.commands import Journal
from payments_core.logs import log_payout
from payments_core.runtime import Runtime

__all__ = ["AsyncErasureMixin", "ErasureMixin", "erase"]

_AT_ONCE = 100


def erase(
    journal: Journal,
    payout: str | None,
    *,
    payee: Payee | None,
    before: datetime | None,
    actor: str,
    reason: str,
    at: datetime,
    dry_run: bool,
    vacuum: bool = True,
) -> ErasureResult:
    """Take the payee out of payouts, or say what would be; see :meth:`ErasureMixin.erase`.

    Args:
        journal: Where.
        payout: Id or key of one.
        payee: Or whose.
        before: Or of all that have ended before this moment.
        actor: Who wants it.
        reason: On what grounds.
        at: Now.
        rehearse: Change nothing.
        wipe: Write a journal file anew.

    Raises:
        DecisionRefused: One of them has not come to an end, or may not stand; nothing was changed.
        UnknownPayout: There is none.

    """
    if [payout, payee, before].count(None) != 2:
        raise SettingsError("Say one thing to be forgotten: a payout, a payee, or what has ended before a moment.")
    if payee is not None:
        payee.check()  # a number in another form would be found nowhere
    person = OperatorDecision(actor, reason).as_evidence
    asked: dict[str, Any] = {"at": at, "actor": person["actor"], "reason": person["reason"], "dry_run": dry_run}
    if before is not None:
        found = _together(_ended(journal, before, asked))
    else:
        found = _all_or_none(journal, payout, payee, asked)
    return replace(found, vacuumed=journal.vacuum()) if vacuum and not dry_run else found


def _all_or_none(journal: Journal, payout: str | None, payee: Payee | None, asked: dict[str, Any]) -> ErasureResult:
    ids: Collection[str] = journal.of_payee(payee) if payee is not None else ()
    if payout is not None:
        ids = [assembly.row_of(journal, payout).id]
    found = journal.erase(ids, **asked, all_or_none=True)
    for kept, reason in found.kept.items():
        others = f" ({len(found.kept)} of {len(ids)} cannot be.)" if len(ids) > 1 else ""
        raise DecisionRefused(
            f"Payout {kept} cannot be forgotten. {reason}{others}",
            hint="Nothing was changed. Forget it when it has come to an end that stands.",
        )
    _told(journal, found, asked["dry_run"])
    return found


def _ended(journal: Journal, before: datetime, asked: dict[str, Any]) -> Iterator[ErasureResult]:
    after = 0
    while page := journal.ended_before(before, after=after, limit=_AT_ONCE):
        after = page[-1][1]
        found = journal.erase([payout for payout, _ in page], **asked, all_or_none=False)
        _told(journal, found, asked["dry_run"])
        yield found


def _together(parts: Iterator[ErasureResult]) -> ErasureResult:
    erased: list[str] = []
    kept: dict[str, str] = {}
    for part in parts:
        erased += part.erased
        kept |= part.kept
    return ErasureResult(tuple(erased), kept)


def _told(journal: Journal, found: ErasureResult, dry_run: bool) -> None:
    if dry_run:
        return
    for payout in found.erased:
        if row := journal.get(payout):
            log_payout(EventName.PAYOUT_ERASED, row, {})


def _forget(runtime: Runtime, payout: str | None, **asked: Any) -> ErasureResult:
    runtime.check_process()
    return erase(runtime.journal, payout, **asked, at=runtime.clock())


class ErasureMixin:
    """For threads: forgetting who was paid."""

    _runtime: Runtime

    def erase(
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
        """Take the payee out of payouts that have come to an end; say exactly one of payout, payee and before.

        Key, amounts, references, states and hashes stay: the same key is never paid again, and whether two forgotten
        payouts were the same payee's can still be told.

        Args:
            payout: Id or key of one payout.
            payee: Everything that was paid to somebody; nothing is changed unless all of it can be forgotten.
            before: Whatever has ended before this moment, and can be forgotten; aware.
            actor: Who wants it.
            reason: On what grounds.
            rehearse: Say what would be forgotten, and change nothing.
            wipe: Write a journal file anew, so that no byte is left in it; others wait as long as that takes.

        Raises:
            DecisionRefused: It is open, in review, contradicted, or its end may still change; nothing was changed.
            UnknownPayout: There is none.

        """
        asked = {
            "payee": payee,
            "before": before,
            "actor": actor,
            "reason": reason,
            "dry_run": dry_run,
            "vacuum": vacuum,
        }
        return _forget(self._runtime, payout, **asked)


class AsyncErasureMixin:
    """For an event loop: forgetting who was paid."""

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
        """Take the payee out of payouts that have come to an end; say exactly one of payout, payee and before.

        Key, amounts, references, states and hashes stay: the same key is never paid again, and whether two forgotten
        payouts were the same payee's can still be told.

        Args:
            payout: Id or key of one payout.
            payee: Everything that was paid to somebody; nothing is changed unless all of it can be forgotten.
            before: Whatever has ended before this moment, and can be forgotten; aware.
            actor: Who wants it.
            reason: On what grounds.
            rehearse: Say what would be forgotten, and change nothing.
            wipe: Write a journal file anew, so that no byte is left in it; others wait as long as that takes.

        Raises:
            DecisionRefused: It is open, in review, contradicted, or its end may still change; nothing was changed.
            UnknownPayout: There is none.

        """
        asked = {
            "payee": payee,
            "before": before,
            "actor": actor,
            "reason": reason,
            "dry_run": dry_run,
            "vacuum": vacuum,
        }
        return await asyncio.to_thread(partial(_forget, self._runtime, payout, **asked))
