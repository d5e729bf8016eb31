"""The engine's flows: accept a payout, and advance it by one step."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from payments_core.domain.budgets import AboveBudget
from payments_core.domain.events import EventName
from payments_core.domain.payout import Order, PayoutStatus, ReasonCode
from payments_core.domain.rates import PostEnd, ReadEnd
from payments_core.domain.records import Event, PayoutRecord, Schedule
from payments_core.domain.references import payout_id
from payments_core.engine import decide_outcome, decide_submission, transitions
from payments_core.engine.amount_checks import over_refund, too_large, waits_and_fits
from payments_core.engine.budget_errors import budget_reached
from payments_core.engine.commands import (
    AccountPaused,
    AppendHistory,
    ApplyTransition,
    CheckFirst,
    Contradicted,
    CreatePayout,
    CreateResult,
    DelayPayout,
    NotApproved,
    OnStatement,
    OverRefunded,
    Stale,
    TransitionApplied,
)
from payments_core.engine.context import StepContext, query_of
from payments_core.engine.contradict import contradict, contradict_overtaken
from payments_core.engine.drafts import budgets_of, draft_new, draft_of, is_bound, new_attempt, other_payers
from payments_core.engine.flow import (
    CredentialRefused,
    EngineFlow,
    NeedsApproval,
    Postponed,
    PreflightAtOnce,
    Proceed,
    RefusedByGuard,
    append_history,
    apply_transition,
    run_preflight,
)
from payments_core.engine.previous_attempts import PAID_BEFORE, AttemptState, check_previous_attempts
from payments_core.engine.provider_calls import send_once
from payments_core.engine.same_order import same_order
from payments_core.engine.status_queries import query_status, record_read
from payments_core.engine.transitions import Decision
from payments_core.http.messages import NoPermit
from payments_core.provider import Account

__all__ = ["StepContext", "accept", "advance", "new_payout", "send"]


def accept(account: Account, order: Order, moment: StepContext) -> EngineFlow[CreateResult]:
    """C1: make the payment ready and write it down under its key.

    Raises:
        InvalidPayout: It cannot be paid from this account, or is more than it pays at once, or in a day; nothing is
            recorded.
        DailyLimitReached: Of what the account pays in a day, not that much is left; nothing is recorded.
        KeyReused: The key stands for another intent.
        OverRefund: There is not that much left to refund; nothing is recorded.

    """
    new = new_payout(account, order, moment, payout_id(moment.namespace, order.key))
    return (yield from _create(account, new))


def send(account: Account, order: Order, moment: StepContext, identity: str) -> EngineFlow[CreateResult]:
    """C1, and where nothing stands between also C2 in the same commit, the submission, and C3.

    Raises as :func:`accept`.

    Args:
        account: Who pays.
        order: What.
        moment: Now, and who asks.
        identity: The payout's id.

    Returns:
        The payout as it is now: one that is only accepted is sent by :func:`advance`.

    """
    new = new_payout(account, order, moment, identity)
    at = yield from _may_send_at_once(account, new.row)
    if at is None:
        return (yield from _create(account, new))
    begun = decide_submission.begin(new.row, account, owner=moment.owner, at=at)
    token = _path_token(account, begun, moment)
    begins = ApplyTransition(new.row, begun.after, begun.event, asks=query_of(token, at) if token else None)
    created = yield from _create(account, CreatePayout(new.row, new.event, begins, budgets_of(account, order, at)))
    if not created.created or created.row.status is not PayoutStatus.SENDING:
        return created
    return CreateResult((yield from _submit(account, created.row, token, at)), created=True)


def new_payout(account: Account, order: Order, moment: StepContext, identity: str) -> CreatePayout:
    """Return what records a new payout; raises what ``accept`` raises before it asks the journal."""
    at = moment.at
    draft = draft_new(account, order, namespace=moment.namespace, payout_id=identity)
    row = PayoutRecord(
        id=identity,
        fingerprint=order.fingerprint,
        order=order,
        attempt=new_attempt(account, order, draft),
        schedule=Schedule(next_at=max(at, order.not_before) if order.not_before else at),
        created_at=at,
        updated_at=at,
    )
    # What is to be sent later is of a later day.
    budgets = () if order.not_before is not None and order.not_before > at else budgets_of(account, order, at)
    return CreatePayout(row, Event(EventName.PAYOUT_CREATED, at, {"account": account.name}), budgets=budgets)


def _create(account: Account, new: CreatePayout) -> EngineFlow[CreateResult]:
    order = new.row.order
    created: CreateResult | OverRefunded | AboveBudget = yield new
    if isinstance(created, OverRefunded):
        raise over_refund(order, created)
    if isinstance(created, AboveBudget):
        raise budget_reached(account, order, created, new.event.at)
    if not created.created:
        same_order(created.row, order)
    return created


def _may_send_at_once(account: Account, row: PayoutRecord) -> EngineFlow[datetime | None]:
    """Return when a payout that is not recorded yet may be sent: now, or None where anything makes it wait."""
    if account.is_retired or row.order.original_amount is not None:
        return None
    preflight: Proceed | None = yield PreflightAtOnce(row)
    if preflight is None:
        return None
    at = preflight.at
    return None if decide_submission.expired(row, at) or decide_submission.too_early(row, at) else at


def _path_token(account: Account, begun: Decision, moment: StepContext) -> str | None:
    """Return the token of a fresh path where the result of a submission comes to one; None where it does not."""
    has_path = account.facts.result_by == "submission" and begun.after.status is PayoutStatus.SENDING
    return moment.new_token() if has_path else None


def advance(
    account: Account, row: PayoutRecord, moment: StepContext, *, early: bool = False
) -> EngineFlow[PayoutRecord]:
    """Take one step: send a payout that is ready, read one that is open; leave others unchanged.

    May be called twice, late, or by two processes at once.

    Args:
        account: The row's account.
        row: As read from the journal.
        moment: Now, and who asks.
        early: Read an open payout before it is due; a payout in REVIEW or at its end is read only so.

    """
    at = moment.at
    if row.status is PayoutStatus.SENDING:
        if decide_submission.is_leased(row, account, at):
            return row
        row, moved = yield from _commit(row, decide_submission.lease_expired(row, at))
        if not moved:
            return row
    if row.status is PayoutStatus.CREATED:
        is_due = row.schedule.next_at is not None and row.schedule.next_at <= at  # none: it waits for an approval
        if not is_due and not waits_and_fits(account, row):
            return row
        return (yield from _send(account, row, moment))
    due = row.schedule.next_at is not None and row.schedule.next_at <= at
    if not (due or early):
        return row
    is_asked_for = early or row.schedule.is_callback_read
    if is_asked_for and row.attempt.number > 1:  # a read of a payout covers all its attempts
        yield from check_previous_attempts(account, row, moment)
    # Where absence arrives by result callback, the send that follows is still to come, and another query would only
    # repeat it. A callback since then is a reason to ask once more: the payment may have appeared.
    absent = account.facts.status_by == "result_callback" and decide_outcome.is_to_be_resent(row)
    if due and absent and not row.schedule.is_callback_read:
        return (yield from _send(account, row, moment))
    return (yield from _read(account, row, moment))


def _send(account: Account, row: PayoutRecord, moment: StepContext) -> EngineFlow[PayoutRecord]:
    """From the preflight to C3."""
    at = moment.at
    if over := decide_submission.expired(row, at):
        return (yield from _give_up(account, row, over, moment))
    if account.is_retired or (row.attempt.submissions and not is_bound(account, row)):
        return (yield from _settle(row, decide_submission.binding_gone(row, at)))
    if not is_bound(account, row):
        row, moved = yield from _commit(row, decide_submission.rebound_or_review(account, row, moment))
        if not moved or row.status is PayoutStatus.REVIEW:
            return row
    if row.attempt.number > 1:  # hours may have passed since it was begun
        standing, why = yield from check_previous_attempts(account, row, moment)
        if standing is AttemptState.PAID:
            return (yield from _settle(row, transitions.review(row, ReasonCode.EARLIER_ATTEMPT_PAID, PAID_BEFORE, at)))
        if standing is not AttemptState.FAILED:
            return (yield from _settle(row, decide_submission.waiting_for_previous_attempt(row, account, why, at)))
    if why := too_large(account, row):
        return (yield from _settle(row, decide_submission.above_largest_amount(row, account, why, at)))
    preflight = yield from run_preflight(row)
    asked_before, guarded = row.attempt.guards_passed, isinstance(preflight, Postponed) and preflight.by_guard
    if isinstance(preflight, NeedsApproval):
        return (yield from _settle(row, decide_submission.needs_approval(row, account, preflight.why, preflight.at)))
    row = _with_guards(row, passed=not guarded)  # written with what comes next: they are asked once for each attempt
    match preflight:
        case RefusedByGuard():
            row = _with_guards(row, passed=False)  # should it live on, the guards have not let it pass
            return (
                yield from _give_up(
                    account, row, decide_submission.refused_by_guard(row, preflight.reason, preflight.at), moment
                )
            )
        case Postponed(by_rate=True, after_s=float() as after_s):
            return (
                yield from _settle(row, decide_submission.put_off(row, preflight.why, preflight.at, after_s=after_s))
            )
        case Postponed():
            return (
                yield from _settle(
                    row, decide_submission.waiting(row, account, preflight.why, preflight.at, after_s=preflight.after_s)
                )
            )
        case CredentialRefused():
            return (yield from _settle(row, decide_submission.account_refused(row, account, preflight, preflight.at)))
        case Proceed():
            at = preflight.at
    # Again, by this clock: a preflight takes time, and clocks are set.
    begun = decide_submission.expired(row, at) or decide_submission.too_early(row, at)
    begun = begun or decide_submission.begin(row, account, owner=moment.owner, at=at)
    token = _path_token(account, begun, moment)
    entry = replace(
        _gated(account, row, begun, moment),
        needs_approval=preflight.needs_approval,
        asks=query_of(token, at) if token else None,
        budgets=budgets_of(account, row.order, at),
    )
    reply = yield from apply_transition(entry)
    if not isinstance(reply, TransitionApplied | Stale):
        is_noted = asked_before and row.status is PayoutStatus.CREATED
        return (yield from _refused(account, row, reply, at, is_noted=is_noted))
    row = reply.row
    if isinstance(reply, Stale) or row.status is not PayoutStatus.SENDING:
        return row
    return (yield from _submit(account, row, token, at))


def _submit(account: Account, row: PayoutRecord, token: str | None, at: datetime) -> EngineFlow[PayoutRecord]:
    """From the first byte to C3, of a payout that is recorded as SENDING under our lease.

    Args:
        account: Who pays.
        row: As C2 has written it.
        token: Of the path to which the result comes; None where it comes otherwise.
        at: When C2 was decided.

    """
    settings, draft = account.settings, draft_of(row)
    if token is not None:
        draft = replace(draft, answer_token=token)
    outcome, at = yield from send_once(
        account.provider,
        draft,
        timeout_s=settings.timeout_s,
        send_before=at + timedelta(seconds=settings.lease_s / 2),
        at=at,
    )
    # `row.attempt.ambiguous` is still about earlier submissions only: the outcome of this one is decided here.
    decision = decide_outcome.after_submit(row, account, outcome, at)
    after, moved = yield from _commit(row, decision, post_end=decide_outcome.post_end(account, outcome))
    if not moved:  # our lease was over and another worker went on: its state stands, this result makes a read due
        late = {"answer": str(decision.event.name), **decision.event.evidence}
        yield from append_history(AppendHistory(row.id, Event(EventName.PAYOUT_LATE_RESULT, at, late), due_at=at))
    return after


def _with_guards(row: PayoutRecord, *, passed: bool) -> PayoutRecord:
    return replace(row, attempt=replace(row.attempt, guards_passed=passed))


def _read(account: Account, row: PayoutRecord, moment: StepContext) -> EngineFlow[PayoutRecord]:
    """Ask the provider, and send again only where that is proven safe."""
    if not is_bound(account, row):
        if row.status.is_final or row.status is PayoutStatus.REVIEW:
            gone = {"why": "no identity of this account can ask about it any more"}
            return (yield from record_read(row, account, None, moment.at, gone))
        return (yield from _settle(row, decide_submission.binding_gone(row, moment.at)))
    row, result = yield from query_status(account, row, moment)
    if result is None:
        return row
    outcome, at = result
    if isinstance(outcome, NoPermit):
        # After a wait in vain the payout stays due; a long wait moves the next read to its end.
        is_due = row.schedule.next_at is not None and row.schedule.next_at <= at
        put_off = decide_submission.put_off(row, outcome.why, at, after_s=outcome.after_s)
        return (yield from _settle(row, put_off)) if is_due and outcome.after_s else row
    row = replace(row, schedule=replace(row.schedule, read_at=at))
    if row.status.is_final:
        attempt = row.attempt
        row = yield from contradict(row, row.status, outcome, at, account=attempt.account, attempt=attempt.number)
        return (yield from record_read(row, account, outcome, at, transitions.evidence_of(outcome)))
    decision = decide_outcome.after_check(row, account, outcome, at)
    asked = row
    row, moved = yield from _commit(row, decision, read_end=decide_outcome.read_end(outcome))
    if moved and decision.resend:
        return (yield from _send(account, row, replace(moment, at=at)))
    return row if moved else (yield from contradict_overtaken(asked, row, outcome, at))


def _give_up(account: Account, row: PayoutRecord, failed: Decision, moment: StepContext) -> EngineFlow[PayoutRecord]:
    """Fail what was not sent, as far as the journal knows; a restored one has the provider asked first."""
    reply = yield from apply_transition(_gated(account, row, failed, moment))
    if isinstance(reply, TransitionApplied | Stale):
        return reply.row
    is_noted = row.status is PayoutStatus.CREATED
    return (yield from _refused(account, row, reply, failed.event.at, is_noted=is_noted))


def _gated(account: Account, row: PayoutRecord, decision: Decision, moment: StepContext) -> ApplyTransition:
    """Return the entry of a send, or of a failure that no read has shown, with what a restored journal asks for."""
    at = decision.event.at
    return replace(
        _entry(row, decision),
        absent_since=decide_submission.absent_since(account, at),
        refused_since=decide_submission.refused_since(account, at),
        other_payers=other_payers(account, row, moment.accounts),
    )


def _refused(
    account: Account,
    row: PayoutRecord,
    reply: AccountPaused | NotApproved | CheckFirst | OnStatement | Contradicted | AboveBudget,
    at: datetime,
    *,
    is_noted: bool,
) -> EngineFlow[PayoutRecord]:
    """Write what follows when the journal refuses a send or a failure; ``is_noted``: the history has it already."""
    match reply:
        case CheckFirst():
            return (yield from _settle(row, decide_submission.check_first(row, at)))
        case OnStatement():
            return (yield from _settle(row, decide_submission.on_statement(row, account, at)))
        case NotApproved():
            return (yield from _settle(row, decide_submission.needs_approval(row, account, "", at)))
        case Contradicted():
            return (yield from _settle(row, transitions.review(row, ReasonCode.EARLIER_ATTEMPT_PAID, PAID_BEFORE, at)))
        case AboveBudget():
            waits = decide_submission.above_budget(row, account, reply, at)
            if row.reason != waits.after.reason or row.status is not PayoutStatus.CREATED:
                return (yield from _settle(row, waits))
            until = waits.after.schedule.next_at or at
            return (yield from append_history(DelayPayout(row.id, row.version, until))).row or row
        case AccountPaused() if row.attempt.ambiguous:  # an open one is read meanwhile
            return (yield from _settle(row, decide_submission.waiting(row, account, "paused", at)))
        case AccountPaused():  # an untried payout stays due until the pause ends
            return row if is_noted else (yield from _settle(row, decide_submission.on_hold(row, reply.pause.why, at)))


def _settle(row: PayoutRecord, decision: Decision) -> EngineFlow[PayoutRecord]:
    row, _ = yield from _commit(row, decision)
    return row


def _commit(
    row: PayoutRecord, decision: Decision, *, post_end: PostEnd | None = None, read_end: ReadEnd | None = None
) -> EngineFlow[tuple[PayoutRecord, bool]]:
    """Write a decision; say whether it was ours to write."""
    reply = yield from apply_transition(_entry(row, decision, post_end=post_end, read_end=read_end))
    match reply:
        case TransitionApplied():
            return reply.row, True
        case Stale():
            return reply.row, False
        case AccountPaused() | NotApproved() | CheckFirst() | OnStatement() | Contradicted() | AboveBudget():
            return row, False


def _entry(
    row: PayoutRecord, decision: Decision, *, post_end: PostEnd | None = None, read_end: ReadEnd | None = None
) -> ApplyTransition:
    is_published = row.status.is_final and decision.after.status is row.status
    publish = decision.publish and not is_published
    return ApplyTransition(
        row,
        decision.after,
        decision.event,
        publish=publish,
        pause=decision.pause,
        lifts=decision.lifts,
        post_end=post_end,
        read_end=read_end,
    )
