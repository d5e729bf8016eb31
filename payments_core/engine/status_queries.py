"""A query of a payout's status, and the record of one that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from payments_core.domain.events import EventName
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import rechecks
from payments_core.engine.commands import ApplyTransition, Stale, TransitionApplied
from payments_core.engine.context import StepContext, query_of
from payments_core.engine.drafts import draft_of
from payments_core.engine.flow import EngineFlow, apply_transition
from payments_core.engine.provider_calls import CheckResult, query
from payments_core.provider import Account

__all__ = ["query_status", "record_read"]


def query_status(
    account: Account, row: PayoutRecord, moment: StepContext
) -> EngineFlow[tuple[PayoutRecord, tuple[CheckResult, datetime] | None]]:
    """Ask the provider about the current attempt; a question that is answered later is written down before it leaves.

    Returns:
        The record as it is now, and the result with its time; None when another process changed the record first.

    """
    draft = draft_of(row)
    if account.facts.status_by == "result_callback":
        token = moment.new_token()
        pending = query_of(token, moment.at)
        queried = Event(EventName.PAYOUT_QUERIED, moment.at)
        reply = yield from apply_transition(ApplyTransition(row, row, queried, asks=pending))
        if not isinstance(reply, TransitionApplied):
            return (reply.row if isinstance(reply, Stale) else row), None
        row, draft = reply.row, replace(draft, answer_token=token)
    return row, (yield from query(account.provider, draft, at=moment.at))


def record_read(
    row: PayoutRecord, account: Account, outcome: object, at: datetime, evidence: Mapping[str, object]
) -> EngineFlow[PayoutRecord]:
    """Record a read of a payout that is final or in REVIEW; rechecks that are left stay due."""
    after = rechecks.after_read(row, account, outcome, at)
    if after == row:
        return row
    reply = yield from apply_transition(ApplyTransition(row, after, Event(EventName.PAYOUT_READ, at, evidence)))
    return reply.row if isinstance(reply, TransitionApplied | Stale) else row
