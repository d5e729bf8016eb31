"""The engine's flows: accept a payout, advance it by one step, take in an answer that came later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from payments_core.engine import decide
from payments_core.engine.calls import ask, send_once
from payments_core.engine.decide import Decision
from payments_core.entries import Event, Held, Move, Moved, Note, Open, Opened, PayoutRow, Query, Stale
from payments_core.errors import InvalidPayout, KeyReused, ProviderBug
from payments_core.events import EventName
from payments_core.flow import Blocked, Flow, Go, NotNow, Refused, ask_leave, move, note, open_payout
from payments_core.payout import Order, PayoutStatus, ReasonCode
from payments_core.provider import Account, AnswersLater, Attempt, Callback, Draft, Final, Unknown, Validates
from payments_core.references import derive, payout_id
from payments_core.wire import HttpRequest

__all__ = ["Moment", "accept", "advance", "deliver", "same_order", "token_hash"]


@dataclass(frozen=True, slots=True)
class Moment:
    """What a flow may not find out by itself.

    Args:
        at: Now; aware, UTC.
        owner: Who is working: unique to this life of this process.
        token: Fresh and unguessable, for a question whose answer comes later.
        namespace: The installation's.

    """

    at: datetime
    owner: str
    token: str
    namespace: str


def accept(account: Account, order: Order, moment: Moment) -> Flow[Opened]:
    """C1: make the payment ready and write it down under its key.

    Raises:
        InvalidPayout: It cannot be paid from this account; nothing is recorded.
        KeyReused: The key stands for another intent.

    """
    at, identity = moment.at, payout_id(moment.namespace, order.key)
    draft = _draft(account, order, moment.namespace, identity)
    row = PayoutRow(
        id=identity,
        key=order.key,
        fingerprint=order.fingerprint,
        account=account.name,
        operation=order.operation,
        payee_kind=order.payee.kind,
        payee_value=order.payee.value,
        payee_details=dict(order.payee.details),
        amount=order.amount.amount,
        currency=str(order.amount.currency),
        note=order.note,
        options=dict(order.options),
        not_before=order.not_before,
        expires_at=order.expires_at,
        binding=dict(account.provider.binding(order.operation)),
        references=dict(draft.references),
        request=draft.request.to_json(),
        request_hash=draft.request.hash,
        next_at=max(at, order.not_before) if order.not_before else at,
        created_at=at,
        updated_at=at,
    )
    opened = yield from open_payout(Open(row, Event(EventName.PAYOUT_CREATED, at, {"account": account.name})))
    if not opened.created:
        same_order(opened.row, order)
    return opened


def same_order(row: PayoutRow, order: Order) -> None:
    """Make sure that a recorded payout is what is asked for now.

    Raises:
        KeyReused: Another payee, amount, operation, note or option under the same key.

    """
    if row.fingerprint != order.fingerprint:
        raise KeyReused(
            f"The key {order.key!r} already stands for another payout ({row.id}, {row.status}); nothing was changed.",
            hint="Payee, amount, operation, note and options belong to a key. Use the recorded ones, or another key "
            "if this really is another payment.",
        )


def advance(account: Account, row: PayoutRow, moment: Moment, *, early: bool = False) -> Flow[PayoutRow]:
    """Take one step: send what is ready, read what is open, leave alone what is not due or not ours to move.

    May be called twice, late, or by two processes at once.

    Args:
        account: The row's account.
        row: As read from the journal.
        moment: Now, and who asks.
        early: Read an open payout before it is due; a payout in REVIEW or at its end is read only so.

    """
    at = moment.at
    if row.status is PayoutStatus.SENDING:
        if row.lease_until is not None and row.lease_until > at:
            return row
        row, moved = yield from _commit(row, decide.lapsed(row, at))
        if not moved:
            return row
    if row.status is PayoutStatus.CREATED:
        if row.next_at is not None and row.next_at > at:
            return row
        return (yield from _send(account, row, moment))
    due = row.next_at is not None and row.next_at <= at
    if not (due or early):
        return row
    # Where absence is told to a path, nobody was there to send again at once, and asking again would go on for ever.
    if due and account.facts.status_by == "deferred" and decide.is_to_be_resent(row):
        return (yield from _send(account, row, moment))
    return (yield from _read(account, row, moment))


def _send(account: Account, row: PayoutRow, moment: Moment) -> Flow[PayoutRow]:
    """From leave to C3."""
    at = moment.at
    if over := decide.expired(row, at):
        return (yield from _settle(row, over))
    if not _is_bound(account, row):
        if row.tries:
            return (yield from _settle(row, _binding_gone(row, at)))
        row, moved = yield from _commit(row, _rebound_or_review(account, row, moment))
        if not moved or row.status is PayoutStatus.REVIEW:
            return row
    leave = yield from ask_leave(row)
    asked_before, guarded = row.cleared, isinstance(leave, NotNow) and leave.by_guard
    row = replace(row, cleared=not guarded)  # written with what comes next: guards are asked once for each attempt
    match leave:
        case Refused():
            return (yield from _settle(row, decide.refused_by_guard(row, leave.reason, leave.at)))
        case NotNow():
            return (yield from _settle(row, decide.waiting(row, account, leave.why, leave.at, after_s=leave.after_s)))
        case Blocked():
            return (yield from _settle(row, decide.blocked(row, account, leave, leave.at or at)))
        case Go():
            at = leave.at
    begun = decide.expired(row, at) or decide.begin(row, account, owner=moment.owner, at=at)
    reply = yield from move(_entry(row, begun))
    if isinstance(reply, Held):  # an untried payout stays due until the pause ends; an open one is read meanwhile
        if row.ambiguous:
            return (yield from _settle(row, decide.waiting(row, account, "paused", at)))
        return row if asked_before else (yield from _settle(row, decide.held(row, reply.pause.why, at)))
    row = reply.row
    if isinstance(reply, Stale) or row.status is not PayoutStatus.SENDING:
        return row
    settings = account.settings
    outcome, at = yield from send_once(
        account.provider,
        draft_of(row),
        timeout_s=settings.timeout_s,
        send_before=at + timedelta(seconds=settings.lease_s / 2),
        at=at,
    )
    # `row.ambiguous` still tells of earlier tries only: this one's end is what is decided here.
    decision = decide.after_submit(row, account, outcome, at)
    after, moved = yield from _commit(row, decision)
    if not moved:  # our lease was over and somebody else went on: their state stands, our answer makes them look
        late = {"answer": str(decision.event.name), **decision.event.evidence}
        yield from note(Note(row.id, Event(EventName.PAYOUT_LATE_ANSWER, at, late), due_at=at))
    return after


def _read(account: Account, row: PayoutRow, moment: Moment) -> Flow[PayoutRow]:
    """Ask the provider, and send again only where that is proven safe."""
    if not _is_bound(account, row):
        if row.status.is_final or row.status is PayoutStatus.REVIEW:
            return row
        return (yield from _settle(row, _binding_gone(row, moment.at)))
    draft = draft_of(row)
    if account.facts.status_by == "deferred":
        query = Query(token_hash(moment.token), moment.at)
        asked = Event(EventName.PAYOUT_ASKED, moment.at)
        reply = yield from move(Move(row, row, asked, asks=query))
        if not isinstance(reply, Moved):
            return reply.row if isinstance(reply, Stale) else row
        row, draft = reply.row, replace(draft, answer_token=moment.token)
    outcome, at = yield from ask(account.provider, draft, at=moment.at)
    if row.status.is_final:
        return (yield from _contradiction(row, outcome, at))
    decision = decide.after_check(row, account, outcome, at)
    row, moved = yield from _commit(row, decision)
    if moved and decision.resend:
        return (yield from _send(account, row, replace(moment, at=at)))
    return row


def deliver(account: Account, row: PayoutRow, callback: Callback, *, token: str) -> Flow[PayoutRow]:
    """Take in an answer that came to the path minted for a question: it counts as a read, once.

    Args:
        account: The row's account.
        row: The payout the question was about.
        callback: What arrived.
        token: The path's token.

    """
    provider = account.provider
    if not isinstance(provider, AnswersLater) or not _is_bound(account, row):
        raise ProviderBug(f"Account {account.name} takes no answers that come later.")
    try:
        outcome = provider.read_answer(draft_of(row), callback)
    except Exception as bug:  # noqa: BLE001 a provider that cannot read an answer was told nothing
        outcome = Unknown(text=f"provider bug: {type(bug).__name__}")
    if row.status.is_final:
        return (yield from _contradiction(row, outcome, callback.at))
    decision = decide.after_check(row, account, outcome, callback.at, by="deferred")
    entry = _entry(row, replace(decision, resend=False))
    reply = yield from move(replace(entry, answers=token_hash(token)))
    return reply.row if isinstance(reply, Moved | Stale) else row


def token_hash(token: str) -> str:
    """Return what is stored of a path's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def draft_of(row: PayoutRow) -> Draft:
    """Return the stored draft, as the provider made it."""
    return Draft(row.references, HttpRequest.from_json(row.request), row.order)


def _contradiction(row: PayoutRow, outcome: object, at: datetime) -> Flow[PayoutRow]:
    """A final state stands; what a read says against it is written down."""
    if isinstance(outcome, Final) and outcome.succeeded != (row.status is not PayoutStatus.FAILED):
        said: Mapping[str, object] = {"code": outcome.code, "http_status": outcome.http_status}
        yield from note(Note(row.id, Event(EventName.PAYOUT_CONTRADICTED, at, said)))
    return row


def _draft(account: Account, order: Order, namespace: str, identity: str) -> Draft:
    if isinstance(account.provider, Validates):
        account.provider.validate(order)
    seed = derive(namespace, order.key, 1)
    draft = account.provider.draft(order, Attempt(1, seed, identity))
    # Unmarked, its lost answer would count as "not sent"; repeatable, the line would send it twice.
    if not draft.request.moves_money or draft.request.repeatable:
        raise ProviderBug("A provider's draft must move money and must not be repeatable.")
    return draft


def _rebound(account: Account, row: PayoutRow, moment: Moment) -> Decision:
    """Make an untried payout ready again, as its account now pays elsewhere; nothing of it has left."""
    draft = _draft(account, row.order, moment.namespace, row.id)
    after = replace(
        row,
        binding=dict(account.provider.binding(row.operation)),
        references=dict(draft.references),
        request=draft.request.to_json(),
        request_hash=draft.request.hash,
    )
    return Decision(after, Event(EventName.PAYOUT_REBOUND, moment.at))


def _rebound_or_review(account: Account, row: PayoutRow, moment: Moment) -> Decision:
    try:
        return _rebound(account, row, moment)
    except InvalidPayout as error:  # what the account pays now cannot carry it: one row must not stop all others
        return decide.review(row, ReasonCode.BINDING_GONE, str(error), moment.at)


def _is_bound(account: Account, row: PayoutRow) -> bool:
    return dict(account.provider.binding(row.operation)) == dict(row.binding)


def _binding_gone(row: PayoutRow, at: datetime) -> Decision:
    sent_as = ", ".join(f"{name} {value}" for name, value in sorted(row.binding.items()))
    why = f"Account {row.account} now pays elsewhere or as somebody else; it was sent under: {sent_as}."
    return decide.review(row, ReasonCode.BINDING_GONE, why, at)


def _settle(row: PayoutRow, decision: Decision) -> Flow[PayoutRow]:
    row, _ = yield from _commit(row, decision)
    return row


def _commit(row: PayoutRow, decision: Decision) -> Flow[tuple[PayoutRow, bool]]:
    """Write a decision; say whether it was ours to write."""
    reply = yield from move(_entry(row, decision))
    match reply:
        case Moved():
            return reply.row, True
        case Stale():
            return reply.row, False
        case Held():
            return row, False


def _entry(row: PayoutRow, decision: Decision) -> Move:
    return Move(
        row, decision.after, decision.event, publish=decision.publish, pause=decision.pause, lifts=decision.lifts
    )
