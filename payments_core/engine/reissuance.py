"""Reissuing a failed payout: the only way to a further attempt, and only when no earlier one can still pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from payments_core.domain.errors import DecisionRefused, InvalidPayout, NotSupported
from payments_core.domain.events import EventName
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import EndedAttempt, Event, PayoutRecord, Schedule
from payments_core.engine import rechecks
from payments_core.engine.amount_checks import over_refund
from payments_core.engine.commands import (
    ApplyTransition,
    Contradicted,
    CreateAttempt,
    GapOpen,
    OverRefunded,
    Stale,
    TransitionApplied,
)
from payments_core.engine.context import StepContext
from payments_core.engine.drafts import check_amount, make_draft, new_attempt, not_payable
from payments_core.engine.flow import EngineFlow, apply_transition, load_attempts
from payments_core.engine.flow import create_attempt as begin_attempt
from payments_core.engine.lookups import refresh_provider_config
from payments_core.engine.previous_attempts import AttemptState, check_attempt, payer_of
from payments_core.engine.review import OperatorDecision, last_possible_send
from payments_core.provider import Account

__all__ = ["reissue"]

# What can be done about one that did not fail; the others are open.
_INSTEAD = {
    PayoutStatus.SUCCEEDED: "It has been paid. Another payment takes a key of its own.",
    PayoutStatus.CANCELLED: "No money moved. If it is still wanted, pay it under a new key.",
    PayoutStatus.REVIEW: "Decide first what became of it: `payouts review show` tells how.",
}


def reissue(
    account: Account, row: PayoutRecord, *, person: OperatorDecision, moment: StepContext
) -> EngineFlow[PayoutRecord]:
    """Begin the next attempt of a payout that failed, under a reference of its own.

    Where that has begun already, and waits because the provider has ceased to show an earlier attempt, evidence is
    added to it.

    Every earlier attempt is read now and must be proven to have failed, long enough after it can last have been sent.
    Where the provider does not show one any more, evidence proves it: what a person has found in its own records.

    Args:
        account: What it is paid from now: the row's account, or another one.
        row: The payout.
        person: Who wants it, and why; with evidence where the provider does not show an attempt.
        moment: Now.

    Raises:
        DecisionRefused: It has not failed, or may still turn out paid, or it is too early; ``again_at`` says when. In a
            restored journal: its gap has not ended.
        OverRefund: Of what it would refund, not enough is left.
        InvalidPayout: The account cannot pay it as it pays now, or it is more than that pays at once.
        NotSupported: The provider of an attempt tells what became of it only later.

    """
    at = moment.at
    if row.status is PayoutStatus.CREATED and row.attempt.number > 1 and person.has_evidence:
        return (yield from _attest(account, row, person, moment))
    if row.status is not PayoutStatus.FAILED:
        raise DecisionRefused(
            f"Payout {row.label} is {row.status}: only what failed can be paid again.",
            hint=_INSTEAD.get(row.status, "It is still open: `payouts wait` asks what became of it."),
        )
    if row.erased_at is not None:
        raise DecisionRefused(
            f"Payout {row.label} cannot be paid again: its payee was erased.",
            hint="If the debt still stands, pay it under another key, with the number as you know it.",
        )
    known = yield from load_attempts(row.id)
    if known.gap is not None:
        raise _in_gap(row)
    if known.contradicted:
        raise _contradicted(row)
    attempts = (*known.attempts, EndedAttempt.of(row))
    if (again_at := rechecks.end_at(row, payer_of(account, attempts[-1], moment) or account)) is not None:
        raise DecisionRefused(
            f"It is too early to pay {row.label} again: a result callback told its failure, and it is checked again.",
            hint=f"Try again after {again_at:%Y-%m-%d %H:%M:%S} UTC, and do not pay it under another key before.",
            again_at=again_at,
        )
    payers = [_payer(account, row, attempt, moment) for attempt in attempts]
    if why := "" if account.name == row.attempt.account else not_payable(account, row, payers[-1]):
        raise InvalidPayout(
            f"Payout {row.label}, last paid from account {row.attempt.account!r}, cannot be paid from "
            f"{account.name!r}: {why}."
        )
    check_amount(account, row.order)
    if (again_at := max(map(_settled_at, payers, attempts))) > at:
        raise DecisionRefused(
            f"It is too early to pay {row.label} again: the provider may still say otherwise.",
            hint=f"Try again after {again_at:%Y-%m-%d %H:%M:%S} UTC.",
            again_at=again_at,
        )
    absent = yield from _prove_failed(account, row, attempts, person, moment)
    yield from refresh_provider_config(account, at)
    before: dict[str, object] = {"because": str(row.reason or ""), "references_before": dict(row.attempt.references)}
    if absent:
        before["not_found"] = absent
    if account.name != row.attempt.account:
        before |= {"account": account.name, "account_before": row.attempt.account}
    event = Event(EventName.PAYOUT_REISSUED, at, {**person.as_evidence, **before})
    fresh = _begun(account, row, moment, absence_attested=bool(absent))
    reply = yield from begin_attempt(CreateAttempt(row, fresh, event))
    match reply:
        case TransitionApplied():
            return reply.row
        case Contradicted():
            raise _contradicted(row)
        case GapOpen():
            raise _in_gap(row)
        case OverRefunded():
            raise over_refund(row.order, reply)
        case _:
            raise _overtaken(reply.row)


def _attest(
    account: Account, row: PayoutRecord, person: OperatorDecision, moment: StepContext
) -> EngineFlow[PayoutRecord]:
    """Add a person's evidence to an attempt that was begun before its provider ceased to show an earlier one."""
    if account.name != row.attempt.account:
        raise DecisionRefused(
            f"Attempt {row.attempt.number} of payout {row.label} waits to be paid from {row.attempt.account!r}; "
            "evidence moves it to no other account.",
            hint="Leave the account out.",
        )
    known = yield from load_attempts(row.id)
    if known.gap is not None:
        raise _in_gap(row)
    if known.contradicted:
        raise _contradicted(row)
    absent = yield from _prove_failed(account, row, known.attempts, person, moment)
    if row.attempt.absence_attested or not absent:
        return row
    after = replace(row, attempt=replace(row.attempt, absence_attested=True))
    if row.schedule.next_at is not None:  # what waits for an approval waits on
        after = replace(after, schedule=replace(after.schedule, next_at=moment.at), reason=None)
    event = Event(EventName.PAYOUT_ATTESTED, moment.at, {**person.as_evidence, "not_found": absent})
    reply = yield from apply_transition(ApplyTransition(row, after, event))
    if isinstance(reply, TransitionApplied):
        return reply.row
    raise _overtaken(reply.row if isinstance(reply, Stale) else row)


def _prove_failed(
    account: Account, row: PayoutRecord, attempts: Sequence[EndedAttempt], person: OperatorDecision, moment: StepContext
) -> EngineFlow[list[int]]:
    """Read attempts again; return the numbers of those that only the person's evidence proves to have failed.

    Raises:
        DecisionRefused: One was paid, or is not proven to have failed.

    """
    absent = []
    for attempt in attempts:
        standing, why = yield from check_attempt(account, row, attempt, moment)
        if standing is AttemptState.PAID:
            raise _contradicted(row)
        if standing is AttemptState.OPEN:
            raise _unproven(row, why)
        if standing is AttemptState.ABSENT:
            if not person.has_evidence:
                raise _unattested(row, why)
            absent.append(attempt.number)
    return absent


def _overtaken(row: PayoutRecord) -> DecisionRefused:
    return DecisionRefused(
        f"Payout {row.label} was moved by somebody else meanwhile; it is {row.status} now.",
        hint="Look at it again before you decide.",
    )


def _payer(account: Account, row: PayoutRecord, attempt: EndedAttempt, moment: StepContext) -> Account:
    """Return the account that an attempt was paid from, if it can say at once what became of it."""
    payer = payer_of(account, attempt, moment)
    if payer is None:
        raise _unproven(row, f"Account {attempt.account!r}, which paid attempt {attempt.number}, is not configured.")
    if payer.facts.status_by == "result_callback":
        raise NotSupported(
            f"{payer.spec.title} tells only later what became of a payment: it cannot be paid again under its key.",
            hint="Compare with the provider's own records before you pay it under another key.",
        )
    return payer


def _settled_at(payer: Account, attempt: EndedAttempt) -> datetime:
    """Return the moment from which an attempt cannot surprise any more, as far as time tells."""
    settling_h = attempt.reason.settling_h if attempt.reason else 0.0
    settled_at = attempt.ended_at + timedelta(hours=settling_h)
    sent = last_possible_send(payer, attempt.sent_at)
    return settled_at if sent is None else max(settled_at, sent + timedelta(seconds=payer.facts.dedupe_settle_s))


def _begun(account: Account, row: PayoutRecord, moment: StepContext, *, absence_attested: bool) -> PayoutRecord:
    """Return the row of the next attempt: nothing of the one before, and a request of its own."""
    at, number = moment.at, row.attempt.number + 1
    # A person wants it now: an expiry that has passed was about the attempt that failed.
    order = row.order
    if order.expires_at is not None and order.expires_at <= at:
        order = replace(order, expires_at=None)
    draft = make_draft(account, order, namespace=moment.namespace, payout_id=row.id, number=number)
    return replace(
        row,
        order=order,
        attempt=replace(new_attempt(account, order, draft, number=number), absence_attested=absence_attested),
        schedule=Schedule(next_at=at, read_at=row.schedule.read_at, callback_read_at=row.schedule.callback_read_at),
        status=PayoutStatus.CREATED,
        reason=None,
        decided_by="",
    )


def _unproven(row: PayoutRecord, why: str) -> DecisionRefused:
    return DecisionRefused(
        f"Payout {row.label} is not proven to have failed. {why}",
        hint="Compare with the provider's own records; ask again later.",
    )


def _unattested(row: PayoutRecord, why: str) -> DecisionRefused:
    return DecisionRefused(
        f"Payout {row.label} is not proven to have failed. {why}",
        hint="Compare with the provider's own records. Where they show no such payment, name that: --evidence TEXT.",
    )


def _in_gap(row: PayoutRecord) -> DecisionRefused:
    return DecisionRefused(
        f"Payout {row.label} cannot be paid again yet: the restored journal may lack an attempt that was paid.",
        hint="Compare the statements, then end the gap: `payouts journal restored --over`.",
    )


def _contradicted(row: PayoutRecord) -> DecisionRefused:
    return DecisionRefused(
        f"Payout {row.label} cannot be paid again: the provider says that an attempt of it was paid after all.",
        hint="`payouts show` tells what it said; compare with the provider's own records.",
    )
