"""Ways to break a rule that need the simulation's provider, or that only chance and time bring to light."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from flat_records import changed

from payments_core.client.inbox import Inbox
from payments_core.domain.events import EventName
from payments_core.domain.inbox_records import Arrival
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import (
    decide_outcome,
    decide_submission,
    match_callback,
    previous_attempts,
    reissuance,
    status_queries,
    steps,
    transitions,
)
from payments_core.engine.flow import Command, EngineFlow, Reply
from payments_core.engine.provider_calls import CheckResult
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest, NoAnswer, NoPermit
from payments_core.journal.sql import history, inbox, pauses, write_transition
from payments_core.provider import Account, Callback, Draft, Duplicate, Final, NotFound
from payments_core.runtime import AsyncCommandExecutor

Patch = pytest.MonkeyPatch


def new_reference_each_try(patch: Patch) -> None:
    drafted = steps.draft_of

    def draft_of(row: PayoutRecord) -> Draft:
        draft = drafted(row)
        if row.status is not PayoutStatus.SENDING:
            return draft
        body = json.loads(draft.request.body or "")
        headers = {**draft.request.headers, "reference": f"{body['reference']}-{row.attempt.submissions}"}
        body = json.dumps(body | {"reference": headers["reference"]})
        return replace(draft, request=replace(draft.request, headers=headers, body=body))

    patch.setattr(steps, "draft_of", draft_of)


def window_is_ignored(patch: Patch) -> None:
    """What may have arrived is sent again although the provider may have forgotten its reference."""
    begun = decide_submission.begin

    def begin(row: PayoutRecord, account: Any, **more: Any) -> transitions.Decision:
        for_ever = replace(account.spec, facts=replace(account.spec.facts, dedupe_window_s=1e9))
        return begun(row, replace(account, spec=for_ever), **more)

    patch.setattr(decide_submission, "begin", begin)


def duplicate_means_paid(patch: Patch) -> None:
    decided = decide_outcome.after_submit

    def after_submit(row: PayoutRecord, account: Any, outcome: Any, at: Any) -> transitions.Decision:
        return decided(row, account, Final() if isinstance(outcome, Duplicate) else outcome, at)

    patch.setattr(decide_outcome, "after_submit", after_submit)


def lapsed_lease_means_not_sent(patch: Patch) -> None:
    def lease_expired(row: PayoutRecord, at: datetime) -> transitions.Decision:
        after = changed(row, status=PayoutStatus.CREATED, lease_owner="", lease_until=None, next_at=at)
        return transitions.Decision(after, Event(EventName.PAYOUT_WAITING, at))

    patch.setattr(decide_submission, "lease_expired", lease_expired)


def callbacks_are_believed(patch: Patch) -> None:
    """What a callback claims is written down as what became of the payout."""
    hint = Inbox._hint

    def believing(self: Inbox, arrival: Arrival, account: Account, callback: Callback) -> None:
        parsed = match_callback(account, callback).parsed
        row, _ = (None, "") if parsed is None else self._payout(parsed, account.name)
        if parsed is not None and row is not None and not row.status.is_final:
            failed = Reason(ReasonCode.NOT_COMPLETED) if parsed.status == "FAILED" else None
            if parsed.status in {"FAILED", "SUCCESSFUL"}:
                decision = decide_outcome.after_check(row, account, Final(reason=failed), callback.at)
                run_flow(steps._settle(row, decision), self._write)
        hint(self, arrival, account, callback)

    patch.setattr(Inbox, "_hint", believing)


def early_callbacks_are_forgotten(patch: Patch) -> None:
    """What has become due while somebody worked on a payout is put off by what he writes."""
    patch.setattr(write_transition, "_keep_due", lambda after, *_: after)


def callbacks_ask_at_once(patch: Patch) -> None:
    patch.setattr(inbox, "spaced", lambda wanted, read_at: wanted)


def answers_count_every_time(patch: Patch) -> None:
    """What a path tells twice counts twice."""
    patch.setattr(write_transition, "_record_answer", lambda *_, **__: True)


def contradictions_are_ignored(patch: Patch) -> None:
    """Neither what was written down against an end nor what is read now keeps a payout from being paid again."""
    patch.setattr(history, "is_contradicted", lambda *_: False)
    check_attempt = previous_attempts.check_attempt

    def blind(*about: Any) -> EngineFlow[tuple[previous_attempts.AttemptState, str]]:
        standing, why = yield from check_attempt(*about)
        return (
            previous_attempts.AttemptState.FAILED if standing is previous_attempts.AttemptState.PAID else standing
        ), why

    patch.setattr(reissuance, "check_attempt", blind)
    patch.setattr(previous_attempts, "check_attempt", blind)


def a_lost_permit_means_not_found(patch: Patch) -> None:
    asked = status_queries.query

    def ask(provider: Any, draft: Draft, *, at: datetime) -> Any:
        outcome: CheckResult
        outcome, at = yield from asked(provider, draft, at=at)
        return (NotFound() if isinstance(outcome, NoPermit) else outcome), at

    patch.setattr(status_queries, "query", ask)


def pauses_are_not_looked_at(patch: Patch) -> None:
    patch.setattr(pauses, "pause_or_probe", lambda *_: None)


def the_loop_repeats_payments(patch: Patch) -> None:
    """The line for an event loop sends a payment again when its answer was lost."""
    execute = AsyncCommandExecutor.__call__

    async def twice(self: AsyncCommandExecutor, command: Command) -> Reply:
        try:
            return await execute(self, command)
        except NoAnswer:
            if not isinstance(command, HttpRequest) or not command.moves_money:
                raise
            return await execute(self, command)

    patch.setattr(AsyncCommandExecutor, "__call__", twice)
