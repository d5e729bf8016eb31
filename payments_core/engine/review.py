"""A person's decisions: what became of a payout in REVIEW, and whether one may be sent. The provider is asked first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from payments_core.domain.causes import DecidedBy
from payments_core.domain.characters import find_unclear, is_blank
from payments_core.domain.errors import DecisionRefused
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Approval, Event, PayoutRecord
from payments_core.engine import decide_outcome, transitions
from payments_core.engine.commands import ApplyTransition, Stale, TransitionApplied
from payments_core.engine.context import StepContext
from payments_core.engine.contradict import contradict_overtaken
from payments_core.engine.drafts import is_bound, made_ready
from payments_core.engine.flow import EngineFlow, apply_transition, load_attempts
from payments_core.engine.provider_calls import CheckResult
from payments_core.engine.review_actions import SAFE, ProviderSays, ReviewAction
from payments_core.engine.status_queries import query_status
from payments_core.engine.transitions import Decision
from payments_core.http.messages import NoAnswer, NotSent
from payments_core.provider import Account, Deferred, NotFound, Pending, Unknown

__all__ = ["OperatorDecision", "approve", "last_possible_send", "reopen", "resolve"]

_PROVIDER_SAYS: Mapping[ProviderSays, str] = {
    ProviderSays.SILENT: "The provider did not answer.",
    ProviderSays.UNCLEAR: "The provider's answer says nothing clear.",
    ProviderSays.LATER: "The provider answers only later.",
    ProviderSays.GONE: "No configured account can ask the provider about it.",
    ProviderSays.NOT_FOUND: "The provider does not show it.",
    ProviderSays.PENDING: "The provider says that it is under way.",
    ProviderSays.ANOTHER: "The provider shows another payment under its reference.",
}

_DECIDED: Mapping[ReviewAction, str] = {
    ReviewAction.PAID: "settled as paid",
    ReviewAction.NOT_PAID: "settled as not paid",
    ReviewAction.REOPEN: "reopened",
}


@dataclass(frozen=True, slots=True)
class OperatorDecision:
    """A decision of an operator: who decides, and on what grounds.

    Args:
        actor: The operator's name, as given: the library knows no users.
        reason: In the operator's words.
        evidence: What it was compared with, such as a line of the provider's statement.

    Raises:
        DecisionRefused: The actor or the reason is missing, or the name looks like another one.

    """

    actor: str
    reason: str
    evidence: str = ""

    def __post_init__(self) -> None:
        """Refuse a decision without a usable actor or reason."""
        if is_blank(self.actor) or is_blank(self.reason):
            raise DecisionRefused("A decision needs a name and a reason.", hint="Say who decides and why.")
        if unclear := find_unclear(self.actor.strip()):
            raise DecisionRefused(
                f"The name of the one who decides holds {unclear}.",
                hint="Write it so that no other name looks like it.",
            )

    @property
    def has_evidence(self) -> bool:
        """Whether anything of the evidence can be seen."""
        return not is_blank(self.evidence)

    @property
    def as_evidence(self) -> dict[str, Any]:
        """For the history."""
        words = {
            "actor": scrub(self.actor, limit=100),
            "reason": scrub(self.reason),
            "evidence": " ".join(self.evidence.split()),
        }
        return {name: text[:300] for name, text in words.items() if text}


def resolve(
    account: Account, row: PayoutRecord, *, paid: bool, person: OperatorDecision, moment: StepContext
) -> EngineFlow[PayoutRecord]:
    """Close a payout in REVIEW as a person decides, unless the provider, asked first, ends the matter itself.

    Args:
        account: The identity that has sent it, or what the account pays as where that is gone.
        row: The payout.
        paid: What the person decides.
        person: Who, and on what grounds.
        moment: Now.

    Raises:
        DecisionRefused: It is not in REVIEW, or the decision is not safe, or not yet.

    """
    act = ReviewAction.PAID if paid else ReviewAction.NOT_PAID
    asked = yield from _ask_first(account, row, act, person, moment)
    if asked.over:
        return asked.row
    yield from _check(account, asked, act, person)
    row, at = asked.row, asked.at
    event = Event(EventName.PAYOUT_RESOLVED, at, {"decision": str(act), **person.as_evidence, **asked.evidence})
    status, reason = PayoutStatus.SUCCEEDED, None
    if not paid:
        code = row.reason.code if row.reason else ReasonCode.NO_FINAL_ANSWER
        status = PayoutStatus.FAILED
        reason = Reason(code, text=f"A person decided that it was not paid: {scrub(person.reason)}")
    schedule = replace(row.schedule, next_at=None)
    after = replace(row, status=status, reason=reason, decided_by=DecidedBy.PERSON, schedule=schedule)
    return (yield from _write(asked.before, Decision(after, event)))


def reopen(
    account: Account, active: Account, row: PayoutRecord, *, person: OperatorDecision, moment: StepContext
) -> EngineFlow[PayoutRecord]:
    """Reopen a payout in REVIEW: it is due now, with a new schedule. The provider is asked first.

    A payout of which nothing was sent, or every try proven not taken, is made ready again as the account pays now.

    Args:
        account: The identity that has sent it, or what the account pays as where that is gone.
        active: What the account pays as now.
        row: The payout.
        person: Who, and why.
        moment: Now.

    Raises:
        DecisionRefused: It is not in REVIEW, or no step would be safe.
        InvalidPayout: The account cannot pay it as it pays now; nothing was changed.

    """
    asked = yield from _ask_first(account, row, ReviewAction.REOPEN, person, moment)
    if asked.over:
        return asked.row
    yield from _check(account, asked, ReviewAction.REOPEN, person)
    row, at = asked.row, asked.at
    known = yield from load_attempts(row.id)
    if _was_never_taken(row) and asked.says is not ProviderSays.PENDING:
        after = made_ready(active, row, namespace=moment.namespace, number=row.attempt.number)
        after = replace(after, status=PayoutStatus.CREATED, attempt=replace(after.attempt, refusals=0))
    elif asked.says is ProviderSays.GONE:
        raise _refused(asked, ReviewAction.REOPEN, "Put what sent it into the account's retired identities first.")
    elif known.was_taken:  # never sent again, whatever the provider shows later
        after = replace(row, status=PayoutStatus.PENDING)
    else:
        after = transitions.maybe_arrived(row, next_at=at)
    schedule = replace(after.schedule, next_at=at, reopened_at=at, not_found_count=0, first_not_found_at=None)
    after = replace(after, reason=None, schedule=schedule)
    event = Event(EventName.PAYOUT_REOPENED, at, {**person.as_evidence, **asked.evidence})
    return (yield from _write(asked.before, Decision(after, event)))


def approve(row: PayoutRecord, *, person: OperatorDecision, at: datetime) -> EngineFlow[PayoutRecord]:
    """Approve this attempt of exactly this order. Approving twice is approving once.

    Raises:
        DecisionRefused: It does not wait to be sent.

    """
    known = yield from load_attempts(row.id)
    if known.approval is not None:
        return row
    if row.status is not PayoutStatus.CREATED:
        raise DecisionRefused(
            f"Payout {row.label} is {row.status}: only what waits to be sent can be approved.",
            hint="`payouts show` tells what became of it.",
        )
    after = row
    if row.reason is not None and row.reason.code is ReasonCode.NEEDS_APPROVAL:
        schedule = replace(row.schedule, next_at=max(at, row.order.not_before or at))
        after = replace(row, reason=None, schedule=schedule)
    approval = Approval(scrub(person.actor, limit=100), scrub(person.reason), at)
    event = Event(EventName.PAYOUT_APPROVED, at, person.as_evidence)
    reply = yield from apply_transition(ApplyTransition(row, after, event, approves=approval))
    if not isinstance(reply, TransitionApplied):
        raise _overtaken(row)
    return reply.row


def last_possible_send(account: Account, sent_at: datetime | None) -> datetime | None:
    """Return when the last submission can have left at the latest; None when there was none."""
    return None if sent_at is None else sent_at + timedelta(seconds=account.settings.lease_s)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What came of asking the provider first.

    Args:
        before: The row as it is in the journal.
        row: The row with what was learned from the answer.
        says: What the provider says about the payout.
        told: Its words, for the history.
        at: When.
        over: The answer ended the matter, or put it back to work; it is written.
        read: What to record of the answer when the decision is refused.

    """

    before: PayoutRecord
    row: PayoutRecord
    says: ProviderSays
    evidence: Mapping[str, Any]
    at: datetime
    over: bool = False
    read: Decision | None = None


def _ask_first(
    account: Account, row: PayoutRecord, act: ReviewAction, person: OperatorDecision, moment: StepContext
) -> EngineFlow[_Asked]:
    if row.status is not PayoutStatus.REVIEW:
        raise DecisionRefused(
            f"Payout {row.label} is {row.status} and not in REVIEW: there is nothing to decide.",
            hint="`payouts review list` shows what waits for a decision.",
        )
    if not is_bound(account, row):
        return _Asked(row, row, ProviderSays.GONE, {"provider": str(ProviderSays.GONE)}, moment.at)
    row, result = yield from query_status(account, row, moment)
    if result is None:
        raise _overtaken(row)
    outcome, at = result
    decision = decide_outcome.after_check(row, account, outcome, at)
    if decision.after.status is not PayoutStatus.REVIEW:
        evidence = {"decision": str(act), **person.as_evidence}
        event = replace(decision.event, evidence={**decision.event.evidence, "person": evidence})
        after = yield from _write(row, replace(decision, event=event), outcome)
        return _Asked(row, after, ProviderSays.PENDING, {}, at, over=True)
    says = _provider_says(outcome, decision)
    evidence = {"provider": str(says), **{f"provider_{name}": value for name, value in decision.event.evidence.items()}}
    return _Asked(row, decision.after, says, evidence, at, read=decision)


def _provider_says(outcome: CheckResult, decision: Decision) -> ProviderSays:
    match outcome:
        case NotSent() | NoAnswer():
            return ProviderSays.SILENT
        case Unknown():
            return ProviderSays.UNCLEAR
        case Deferred():
            return ProviderSays.LATER
        case NotFound():
            return ProviderSays.NOT_FOUND
        case Pending() if decision.event.name != EventName.PAYOUT_REVIEW:
            return ProviderSays.PENDING
        case _:  # a final answer that did not end it, or anything that differs
            return ProviderSays.ANOTHER


def _check(account: Account, asked: _Asked, act: ReviewAction, person: OperatorDecision) -> EngineFlow[None]:
    """Refuse an unsafe decision; the provider's outcome is recorded all the same.

    Raises:
        DecisionRefused: With why, and when it may be tried again.

    """
    row = asked.row
    acts = SAFE.get(row.reason.code, {}).get(asked.says, {}) if row.reason else {}
    refusal: DecisionRefused | None = None
    if act not in acts:
        safe = f"It can be {' or '.join(_DECIDED[other] for other in acts)}."
        refusal = _refused(asked, act, safe if acts else "Ask again when it answers.")
    elif acts[act] and not person.has_evidence:
        refusal = _refused(asked, act, "Name the evidence: which line of which statement says so, or that none does.")
    elif act is ReviewAction.NOT_PAID and (sent := last_possible_send(account, row.attempt.sent_at)) is not None:
        visible = sent + timedelta(seconds=account.facts.visible_after_s)
        if asked.at < visible:
            refusal = _refused(asked, act, f"Wait until {visible:%Y-%m-%d %H:%M:%S} UTC.", again_at=visible)
    if refusal is None:
        return
    if asked.read is not None:
        yield from apply_transition(ApplyTransition(asked.before, row, asked.read.event, publish=asked.read.publish))
    raise refusal


def _refused(asked: _Asked, act: ReviewAction, hint: str, *, again_at: datetime | None = None) -> DecisionRefused:
    why = asked.row.reason.code if asked.row.reason else "an unknown reason"
    return DecisionRefused(
        f"Payout {asked.row.label} cannot be {_DECIDED[act]} now. {_PROVIDER_SAYS[asked.says]} "
        f"It is in review because of {why}.",
        hint=hint,
        again_at=again_at,
    )


def _was_never_taken(row: PayoutRecord) -> bool:
    """Whether there was no submission, or each was proven not taken: the attempt may be sent anew."""
    stopped = row.reason is not None and row.reason.code is ReasonCode.BINDING_GONE
    return (stopped or not row.attempt.submissions) and not row.attempt.ambiguous and row.attempt.first_sent_at is None


def _write(before: PayoutRecord, decision: Decision, outcome: CheckResult | None = None) -> EngineFlow[PayoutRecord]:
    reply = yield from apply_transition(
        ApplyTransition(before, decision.after, decision.event, publish=decision.publish)
    )
    if isinstance(reply, Stale):
        yield from contradict_overtaken(before, reply.row, outcome, decision.event.at)
    if not isinstance(reply, TransitionApplied):
        raise _overtaken(before)
    return reply.row


def _overtaken(row: PayoutRecord) -> DecisionRefused:
    return DecisionRefused(
        f"Payout {row.label} was moved by somebody else meanwhile; nothing was changed.",
        hint="Look at it again before you decide.",
    )
