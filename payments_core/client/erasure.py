"""Taking payees out of the journal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from payments_core.client.payout_views import find_payout
from payments_core.domain.errors import DecisionRefused, SettingsError
from payments_core.domain.events import EventName
from payments_core.domain.payout import Payee
from payments_core.domain.records import ErasureResult
from payments_core.engine import OperatorDecision
from payments_core.engine.journal_protocol import Journal
from payments_core.logs import log_payout
from payments_core.runtime import Runtime

__all__ = ["erase", "erase_for"]

_AT_ONCE = 100
_ROWS_AT_ONCE = 10_000


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
    """Take the payee out of payouts, or return which it would be; see :meth:`payments_core.PayoutClient.erase`.

    Args:
        journal: Where.
        payout: Id or key of one.
        payee: Or whose.
        before: Or of all that have ended before this moment.
        actor: The person who wants it.
        reason: On what grounds.
        at: Now.
        dry_run: Change nothing.
        vacuum: Write a journal file anew.

    Raises:
        DecisionRefused: One of them has not come to an end, or may not stand; nothing was changed.
        UnknownPayout: There is none.

    """
    if [payout, payee, before].count(None) != 2:
        raise SettingsError("Name one thing to erase: a payout, a payee, or what has ended before a moment.")
    if payee is not None:
        payee.check()  # a number in another form would be found nowhere
    person = OperatorDecision(actor, reason).as_evidence
    asked: dict[str, Any] = {"at": at, "actor": person["actor"], "reason": person["reason"], "dry_run": dry_run}
    if before is not None:
        found = replace(_together(_ended(journal, before, asked)), rows=_rows(journal, before, dry_run=dry_run))
    else:
        found = _all_or_none(journal, payout, payee, asked)
    return replace(found, vacuumed=journal.vacuum()) if vacuum and not dry_run else found


def _all_or_none(journal: Journal, payout: str | None, payee: Payee | None, asked: dict[str, Any]) -> ErasureResult:
    ids: Collection[str] = journal.of_payee(payee) if payee is not None else ()
    if payout is not None:
        ids = [find_payout(journal, payout).id]
    found = journal.erase(ids, **asked, all_or_none=True)
    for kept, reason in found.kept.items():
        others = f" ({len(found.kept)} of {len(ids)} cannot be.)" if len(ids) > 1 else ""
        raise DecisionRefused(
            f"Payout {kept} cannot be erased. {reason}{others}",
            hint="Nothing was changed. Erase it when it has come to an end that stands.",
        )
    _log_erased(journal, found, asked["dry_run"])
    return found


def _ended(journal: Journal, before: datetime, asked: dict[str, Any]) -> Iterator[ErasureResult]:
    after = 0
    while page := journal.ended_before(before, after=after, limit=_AT_ONCE):
        after = page[-1][1]
        found = journal.erase([payout for payout, _ in page], **asked, all_or_none=False)
        _log_erased(journal, found, asked["dry_run"])
        yield found


def _rows(journal: Journal, before: datetime, *, dry_run: bool) -> int:
    """Take payees out of the rows of batches that nothing will be paid of any more."""
    count = last = journal.erase_rows(before, limit=_ROWS_AT_ONCE, dry_run=dry_run)
    while last and not dry_run:
        last = journal.erase_rows(before, limit=_ROWS_AT_ONCE, dry_run=dry_run)
        count += last
    return count


def _together(parts: Iterator[ErasureResult]) -> ErasureResult:
    erased: list[str] = []
    kept: dict[str, str] = {}
    for part in parts:
        erased += part.erased
        kept |= part.kept
    return ErasureResult(tuple(erased), kept)


def _log_erased(journal: Journal, found: ErasureResult, dry_run: bool) -> None:
    if dry_run:
        return
    for payout in found.erased:
        if row := journal.get(payout):
            log_payout(EventName.PAYOUT_ERASED, row, {})


def erase_for(runtime: Runtime, payout: str | None, **asked: Any) -> ErasureResult:
    """Take payees out of a client's journal; see :func:`erase` for the arguments."""
    runtime.check_process()
    return erase(runtime.journal, payout, **asked, at=runtime.clock())
