"""Ways to break a rule of how a payout travels, one function each; ``test_broken_rules`` has to find every one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from crash_points.process_run import NAMESPACE
from flat_records import changed

from payments_core.client import inbox
from payments_core.client.inbox import Inbox
from payments_core.domain import budgets as budget_rules
from payments_core.domain.batches import Batch, BatchChange
from payments_core.domain.events import EventName
from payments_core.domain.inbox_records import Arrival
from payments_core.domain.payout import Order, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.engine import (
    cancellation,
    contradict,
    decide_outcome,
    decide_submission,
    drafts,
    previous_attempts,
    reissuance,
    result_callbacks,
    review,
    status_queries,
    steps,
    transitions,
)
from payments_core.engine.commands import (
    AccountPaused,
    ApplyTransition,
    Contradicted,
    CreatePayout,
    CreateResult,
    NotApproved,
    Stale,
    TransitionApplied,
)
from payments_core.engine.flow import EngineFlow, apply_transition
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpResponse
from payments_core.journal.maintenance import restore
from payments_core.journal.sql import attempts, batches, budgets, history, refunds, restore_gap, write_transition
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.sqlite import connection, schema
from payments_core.journal.sqlite import journal as sqlite_journal
from payments_core.provider import Account, CheckOutcome, Draft, Final, NotFound
from payments_core.runtime import Runtime, session_rules
from payments_mtn_momo.api import codec

S = PayoutStatus
Patch = pytest.MonkeyPatch


def new_reference_each_try(patch: Patch) -> None:
    drafted = drafts.draft_of

    def draft_of(row: PayoutRecord) -> Draft:
        draft = drafted(row)
        if row.status is not S.SENDING:
            return draft
        reference = f"{row.attempt.submissions:08x}-0000-4000-8000-{row.id[3:15].encode().hex()[:12]}"
        request = replace(draft.request, headers={**draft.request.headers, "X-Reference-Id": reference})
        return replace(draft, request=request)

    patch.setattr(steps, "draft_of", draft_of)


def without_commit(event: str) -> Callable[[Patch], None]:
    def broken(patch: Patch) -> None:
        def skipping(
            entry: ApplyTransition,
        ) -> EngineFlow[TransitionApplied | Stale | AccountPaused | NotApproved | Contradicted]:
            if entry.event.name == event:
                return TransitionApplied(entry.after)
            return (yield from apply_transition(entry))

        create = steps._create

        def creating(account: Account, entry: CreatePayout) -> EngineFlow[CreateResult]:
            created = yield from create(account, replace(entry, begins=None))
            begins = entry.begins
            return created if begins is None or begins.event.name != event else replace(created, row=begins.after)

        for module in (steps, status_queries):
            patch.setattr(module, "apply_transition", skipping)
        patch.setattr(steps, "_create", creating)

    return broken


def failing_on(outcome_is: Callable[[Any], bool], name: str = "after_submit") -> Callable[[Patch], None]:
    """Break a rule by calling an outcome a failure."""

    def broken(patch: Patch) -> None:
        decided = getattr(decide_outcome, name)

        def wrong(row: PayoutRecord, account: Any, outcome: Any, at: Any, **more: Any) -> transitions.Decision:
            if outcome_is(outcome):
                return transitions.fail(row, Reason(ReasonCode.REJECTED), "submit", at, {})
            decision: transitions.Decision = decided(row, account, outcome, at, **more)
            return decision

        patch.setattr(decide_outcome, name, wrong)

    return broken


def resend_at_first_absence(patch: Patch) -> None:
    patch.setattr(transitions, "LEAST_NOT_FOUND", 1)
    absent = decide_outcome._absent

    def hasty(row: PayoutRecord, account: Any, outcome: NotFound, at: Any, by: Any) -> transitions.Decision:
        eager = replace(account.spec, facts=replace(account.spec.facts, visible_after_s=0.0))
        return absent(row, replace(account, spec=eager), outcome, at, by)

    patch.setattr(decide_outcome, "_absent", hasty)


def resend_whatever_the_provider_promises(patch: Patch) -> None:
    begun = decide_submission.begin

    def begin(row: PayoutRecord, account: Any, **more: Any) -> transitions.Decision:
        decision = begun(changed(row, ambiguous=False), account, **more)
        return replace(decision, after=changed(decision.after, ambiguous=row.attempt.ambiguous))

    patch.setattr(decide_submission, "begin", begin)


def doubt_is_cleared(patch: Patch) -> None:
    arrived = transitions.maybe_arrived

    def maybe(row: PayoutRecord, **more: Any) -> PayoutRecord:
        return changed(arrived(row, **more), ambiguous=False)

    patch.setattr(transitions, "maybe_arrived", maybe)


def adopts_blindly(patch: Patch) -> None:
    patch.setattr(decide_outcome, "differs", lambda row, seen, whole: "")


def ends_are_overwritten(patch: Patch) -> None:
    """A read after the end moves the row, and the journal lets it."""

    def contradicted(row: PayoutRecord, status: object, outcome: object, at: Any, **_: Any) -> EngineFlow[PayoutRecord]:
        if not isinstance(outcome, Final):
            return row
        decision = decide_outcome.after_check(row, _ANY_ACCOUNT, outcome, at)
        return (yield from steps._settle(row, decision))

    patch.setattr(steps, "contradict", contradicted)
    patch.setattr(result_callbacks, "contradict", contradicted)
    patch.setattr(write_transition, "_forbidden", lambda *_: "")


_ANY_ACCOUNT: Any = None  # a final answer needs no schedule


def event_outside_the_commit(patch: Patch) -> None:
    """The outbox is written when the change is announced, in a commit of its own."""
    patch.setattr(history, "publish", lambda *_: None)
    announced = Runtime.announce

    def announce(self: Runtime, entry: Any, reply: Any) -> None:
        announced(self, entry, reply)
        if isinstance(entry, ApplyTransition) and isinstance(reply, TransitionApplied) and entry.publish:
            row, history = reply.row, self.journal.history(reply.row.id)
            journal: Any = self.journal
            with sqlite3.connect(journal._path) as connection:
                connection.execute(
                    "INSERT INTO outbox (event_id, payout_id, key, account, status, attempt, seq, at)"
                    " VALUES (?, ?, ?, ?, ?, 1, ?, 0)",
                    (
                        f"{row.id}.{len(history)}",
                        row.id,
                        row.order.key,
                        row.attempt.account,
                        str(row.status),
                        len(history),
                    ),
                )
            connection.close()

    patch.setattr(Runtime, "announce", announce)


def schedule_end_means_failed(patch: Patch) -> None:
    reviewed = transitions.review

    def review(row: PayoutRecord, code: ReasonCode, why: str, at: Any, *more: Any) -> transitions.Decision:
        if code in {ReasonCode.NO_FINAL_ANSWER, ReasonCode.NEVER_APPEARED}:
            return transitions.fail(row, Reason(code, text=why), "read", at, {})
        return reviewed(row, code, why, at, *more)

    patch.setattr(transitions, "review", review)


def lapsed_lease_means_not_sent(patch: Patch) -> None:
    def lease_expired(row: PayoutRecord, at: Any) -> transitions.Decision:
        decision = decide_submission.waiting(row, _CALM_ACCOUNT, "lease over", at)
        return replace(decision, after=changed(decision.after, submissions=row.attempt.submissions, next_at=at))

    patch.setattr(decide_submission, "lease_expired", lease_expired)


class _Calm:
    class settings:
        retry_schedule_s = (1.0,)


_CALM_ACCOUNT: Any = _Calm()


def ceiling_is_ignored(patch: Patch) -> None:
    patch.setattr(refunds, "over_refunded", lambda *_: None)


def ceiling_forgets(status: PayoutStatus) -> Callable[[Patch], None]:
    counts = refunds.may_have_moved

    def broken(patch: Patch) -> None:
        patch.setattr(refunds, "may_have_moved", lambda journal, row: row.status is not status and counts(journal, row))

    return broken


def nothing_is_reserved(patch: Patch) -> None:
    patch.setattr(steps, "budgets_of", lambda *_: ())


def each_submission_reserves(patch: Patch) -> None:
    """The same request sent again takes its amount from the day once more."""
    write_beside = write_transition._write_beside

    def writing(session: DbTransaction, entry: ApplyTransition, before: PayoutRecord, after: PayoutRecord) -> None:
        if write_transition.submits(entry) and before.attempt.budgets:
            budgets.settle(session, changed(before, budgets=()), after)
        write_beside(session, entry, before, after)

    patch.setattr(write_transition, "_write_beside", writing)


def amount_is_returned_in(status: PayoutStatus, *, is_kept: bool = False) -> Callable[[Patch], None]:
    """Break the rule of what an attempt may hold: in this status nothing, or its amount."""
    holds_nothing = budget_rules.holds_nothing

    def broken(patch: Patch) -> None:
        patch.setattr(
            budget_rules,
            "holds_nothing",
            lambda row: not is_kept if row.status is status else holds_nothing(row),
        )

    return broken


def stopped_batches_send(patch: Patch) -> None:
    """The budget of a batch that is paused or cancelled stays open."""
    settle = batches._settle_budgets

    def approving_only(session: DbTransaction, batch: Batch, change: BatchChange) -> None:
        if change.event is EventName.BATCH_APPROVED:
            settle(session, batch, change)

    patch.setattr(batches, "_settle_budgets", approving_only)


def retired_ones_send(patch: Patch) -> None:
    send, absent = steps._send, decide_outcome._absent

    def active(account: Account) -> Account:
        return replace(account, is_retired=False)

    patch.setattr(steps, "_send", lambda account, *more: send(active(account), *more))
    patch.setattr(decide_outcome, "_absent", lambda row, account, *more: absent(row, active(account), *more))


def tried_ones_move(patch: Patch) -> None:
    """What the old identity has sent is made ready anew and asked for as the new one."""
    read = steps._read

    def moving(account: Account, row: PayoutRecord, moment: steps.StepContext) -> EngineFlow[PayoutRecord]:
        if not drafts.is_bound(account, row) and not row.status.is_final:
            row = yield from steps._settle(row, decide_submission._rebound(account, row, moment))
        return (yield from read(account, row, moment))

    patch.setattr(steps, "_read", moving)
    patch.setattr(Runtime, "serving", lambda self, row: self.account(row.attempt.account))


def untried_ones_stay_as_drafted(patch: Patch) -> None:
    patch.setattr(steps, "is_bound", lambda *_: True)


def not_found_reads_as_failed(patch: Patch) -> None:
    """The codec takes a 404 on a payment's status for its failure."""
    true_read = codec.read_status

    def read_status(response: HttpResponse) -> CheckOutcome:
        outcome = true_read(response)
        return Final(reason=Reason(ReasonCode.REJECTED)) if isinstance(outcome, NotFound) else outcome

    patch.setattr(codec, "read_status", read_status)


def version_is_not_compared(patch: Patch) -> None:
    moved = write_transition.write_transition

    def blind(session: DbTransaction, entry: ApplyTransition) -> Any:
        (version,) = session.execute("SELECT version FROM payouts WHERE id = ?", (entry.before.id,)).fetchone()
        return moved(session, replace(entry, before=replace(entry.before, version=version)))

    patch.setattr(write_transition, "write_transition", blind)
    patch.setattr(write_transition, "_forbidden", lambda *_: "")


def lease_is_ignored(patch: Patch) -> None:
    advanced = steps.advance

    def advance(
        account: Any, row: PayoutRecord, moment: steps.StepContext, *, early: bool = False
    ) -> EngineFlow[PayoutRecord]:
        return advanced(account, changed(row, lease_until=None), moment, early=early)

    patch.setattr(steps, "advance", advance)


def paid_again_without_reading(patch: Patch) -> None:
    """The failure on record is taken for proof."""
    patch.setattr(previous_attempts, "check_attempt", _finds_nothing)
    patch.setattr(reissuance, "check_attempt", _finds_nothing)


def _finds_nothing(*_: Any) -> EngineFlow[tuple[previous_attempts.AttemptState, str]]:
    yield from ()
    return previous_attempts.AttemptState.FAILED, ""


def paid_again_without_waiting(patch: Patch) -> None:
    patch.setattr(reissuance, "_settled_at", lambda *_: datetime(1970, 1, 1, tzinfo=UTC))


def contradictions_are_ignored(patch: Patch) -> None:
    patch.setattr(history, "is_contradicted", lambda *_: False)


def contradictions_are_forgotten(patch: Patch) -> None:
    """A read that calls an ended payout something else is a read like any other."""
    patch.setattr(contradict, "_provider_status", lambda *_: None)


def contradictions_are_not_published(patch: Patch) -> None:
    """One is kept, and the application is not told."""
    publish = history.publish

    def all_but_those(session: Any, payout_id: str, contradiction: Any = None) -> None:
        if contradiction is None:
            publish(session, payout_id)

    patch.setattr(history, "publish", all_but_those)


def contradictions_need_no_acknowledgement(patch: Patch) -> None:
    """One is a line of the history and an event, as it was once: no person finds it."""
    patch.setattr(history, "_set_contradictions", lambda session, row, contradictions: row)


def attempt_numbers_are_reused(patch: Patch) -> None:
    """The next attempt is drafted under the number of the one that failed, and the journal lets it."""
    make = drafts.make_draft

    def make_draft(account: Account, order: Order, *, number: int, **about: Any) -> Draft:
        return make(account, order, number=number - 1, **about)

    patch.setattr(reissuance, "make_draft", make_draft)
    patch.setattr(attempts, "_refuse_forbidden", lambda *_: None)


def the_last_look_is_left_out(patch: Patch) -> None:
    """Neither the engine before it asks for leave nor the commit before the first byte looks at earlier attempts."""
    patch.setattr(steps, "check_previous_attempts", _finds_nothing)


def approvals_are_not_asked_for(patch: Patch) -> None:
    patch.setattr(attempts, "is_approved", lambda *_: True)
    patch.setattr(session_rules, "above_limit", lambda *_: "")


def cancelling_ignores_doubt(patch: Patch) -> None:
    """What may have arrived is cancelled, and the journal lets it."""
    rule = write_transition._forbidden

    def forbidden(stored: PayoutRecord, after: PayoutRecord) -> str:
        return "" if after.status is S.CANCELLED else rule(stored, after)

    patch.setattr(cancellation, "_is_unsent", lambda row: not row.status.is_final)
    patch.setattr(cancellation, "_read_first", lambda *_: iter(()))
    patch.setattr(write_transition, "_forbidden", forbidden)


def decided_without_asking(patch: Patch) -> None:
    """A person's word is written down without a look at what the provider says."""

    def hear(account: Account, row: PayoutRecord, moment: steps.StepContext) -> EngineFlow[Any]:
        yield from ()
        return row, (NotFound(), moment.at)

    patch.setattr(review, "query_status", hear)


def callback_is_believed(patch: Patch) -> None:
    """What a callback claims is written as the payout's state, as a read would be."""
    asked = Inbox._ask

    def ask(self: Inbox, arrival: Arrival, row: PayoutRecord, payload: str, claims: str, **more: Any) -> None:
        if claims in {"SUCCESSFUL", "FAILED"}:
            claimed = Final(reason=None if claims == "SUCCESSFUL" else Reason(ReasonCode.REJECTED))
            decision = decide_outcome.after_check(row, self._runtime.serving(row), claimed, arrival.at)
            run_flow(steps._settle(row, decision), self._write)
        asked(self, arrival, row, payload, claims, **more)

    patch.setattr(Inbox, "_ask", ask)


def a_gap_ends_without_a_statement(patch: Patch) -> None:
    patch.setattr(restore, "_not_compared", lambda *_: frozenset())


def what_a_statement_has_is_forgotten(patch: Patch) -> None:
    """The account's statement was compared, and what it has is not kept."""
    compare = restore_gap.compare
    patch.setattr(restore_gap, "compare", lambda session, account, _, act: compare(session, account, (), act))


def absence_alone_opens_a_gap(patch: Patch) -> None:
    """However old the gap: what the provider does not show any more is sent."""
    patch.setattr(decide_submission, "refused_since", lambda *_: datetime(1970, 1, 1, tzinfo=UTC))


def paths_close_at_the_first_answer(patch: Patch) -> None:
    """Whatever comes first to a minted path is its answer, an empty one too; nothing after it counts."""
    take_in, record = result_callbacks.answer, write_transition._record_answer

    def answer(account: Account, row: PayoutRecord, callback: Any, *, query: str, **about: Any) -> EngineFlow[Any]:
        taken_in = take_in(account, row, callback, query=query, **about)
        try:
            command = next(taken_in)
            while True:
                entry = replace(command, answers=query) if isinstance(command, ApplyTransition) else command
                command = taken_in.send((yield entry))
        except StopIteration as end:
            return end.value

    patch.setattr(inbox, "answer", answer)
    patch.setattr(write_transition, "_record_answer", lambda *about, ends: record(*about, ends=False))


def later_answers_are_dropped(patch: Patch) -> None:
    """An end that a path has told is not held against what comes to it afterwards."""
    patch.setattr(result_callbacks, "contradict", _ignores_callbacks)


def _ignores_callbacks(row: PayoutRecord, *_: Any, **__: Any) -> EngineFlow[PayoutRecord]:
    yield from ()
    return row


def lost_files_are_new_journals(patch: Patch) -> None:
    """An empty file is a database without tables, and a missing one is made: so SQLite takes them."""
    check = sqlite_journal.check_version

    def check_version(connection: sqlite3.Connection, path: Any) -> None:
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            connection.execute("BEGIN IMMEDIATE")
            schema.create_tables(connection, namespace=NAMESPACE, at=datetime.now(UTC))
            connection.execute("COMMIT")
        check(connection, path)

    patch.setattr(connection, "check_file", lambda path: path.touch(mode=0o600))
    patch.setattr(sqlite_journal, "create_file", lambda *_, **__: False)
    patch.setattr(sqlite_journal, "check_version", check_version)
