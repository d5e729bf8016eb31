"""What must hold at the end of every life, however often it was cut short."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Any

from crash_points import End, Point
from worlds import COLLECTED

from payments_core.domain.payout import HistoryEntry, Operation, Payout, PayoutStatus
from payments_core.http.messages import HttpRequest

S = PayoutStatus
OPEN = {S.CREATED, S.SENDING, S.PENDING, S.UNKNOWN, S.REVIEW}

# From each status to those that may follow it; staying is always allowed, and a final one is never left.
MAY_FOLLOW = {
    S.CREATED: {S.SENDING, S.FAILED, S.REVIEW, S.CANCELLED},
    S.SENDING: {S.CREATED, S.PENDING, S.UNKNOWN, S.REVIEW, S.SUCCEEDED, S.FAILED},
    S.PENDING: {S.REVIEW, S.SUCCEEDED, S.FAILED},
    S.UNKNOWN: {S.SENDING, S.PENDING, S.REVIEW, S.SUCCEEDED, S.FAILED},
    S.REVIEW: {S.PENDING, S.SUCCEEDED, S.FAILED, S.CANCELLED},  # and what a person's decision leads to
    S.SUCCEEDED: set[S](),
    S.FAILED: set[S](),
    S.CANCELLED: set[S](),
}
# What only a person's decision does: the status before, and those that may follow.
DECIDED = {
    "payout.reopened": (S.REVIEW, {S.CREATED, S.PENDING, S.UNKNOWN}),
    "payout.reissued": (S.FAILED, {S.CREATED}),
}
# In a restored journal: what may have been sent is asked about first, and waits unsent when it is not shown.
RESTORED = {("payout.checked_first", S.CREATED, S.UNKNOWN), ("payout.on_hold", S.UNKNOWN, S.CREATED)}
AMBIGUOUS = {"payout.unknown", "payout.duplicate", "payout.lease_expired", "payout.checked_first"}
LEASE = timedelta(seconds=90)
PUBLISHED = {
    "payout.succeeded",
    "payout.failed",
    "payout.review",
    "payout.resolved",
    "payout.contradicted",
    "payout.cancelled",
    "payout.reissued",
}


def broken_promises(end: End, *, visible_after_s: float) -> list[str]:
    """Return what does not hold; empty when all is well."""
    side: Any = end.world.gateway
    found = [f"{key} was acknowledged and is lost" for key in end.lost]
    found += side.broken
    found += side.over_refunded()
    for payout in end.payouts.values():
        found += _money(payout, side.credited(payout), side.sent(payout))
        found += _attempts(end, payout)
        found += history_faults(payout.history, payout.status, visible_after_s=visible_after_s)
        found += _outbox(end, payout)
        found += _contradictions(end, payout)
    if not end.payouts:
        found.append("no payout is left at all")
    if sum(len(side.sent(payout)) for payout in end.payouts.values()) != len(side.posts):
        found.append("a payment was on the wire that belongs to no payout")
    return found + _ceilings(end) + _budgets(end)


def _budgets(end: End) -> list[str]:
    """What is reserved is what payouts hold of it, never more than its limit, and who was paid holds it."""
    limits, found = end.world.accounts[0].settings.daily_limit or {}, []
    held = dict[str, tuple[tuple[str, ...], Decimal]]()
    bound = dict[str, bool]()  # whether a payout has to hold something
    for key, names, amount, batch in end.store.ask("SELECT key, budgets, amount, batch FROM payouts", ()):
        held[key] = tuple(json.loads(names) if names else ()), Decimal(amount)
        bound[key] = bool(limits or batch)
    for name, amount, most in end.store.ask("SELECT name, reserved, most FROM budgets", ()):
        reserved, total = Decimal(amount), sum(one for names, one in held.values() if name in names)
        if reserved != total:
            found.append(f"{reserved} is reserved from {name}, and its payouts hold {total}")
        if reserved > (limits.get("EUR", Decimal(0)) if most is None else Decimal(most)):
            found.append(f"{reserved} is reserved from {name}, which is above its limit")
    side: Any = end.world.gateway
    for key, payout in end.payouts.items():
        names, _ = held[key]
        if bound[key] and not names and side.credited(payout) and payout.status is not S.FAILED:
            found.append(f"{payout.status} without a reservation")
        if names and (payout.status is S.CANCELLED or payout.status is S.FAILED):
            found.append(f"{payout.status} and still holds its amount")
    return found


def _ceilings(end: End) -> list[str]:
    """All refunds of a collection that are not known to have failed are within what was collected."""
    if end.refused & end.payouts.keys():
        return ["a refund was refused and is written down all the same"]
    refunds = [payout for payout in end.payouts.values() if payout.operation is Operation.REFUND]
    written: defaultdict[str, Decimal] = defaultdict(Decimal)
    for payout in refunds:
        written[payout.payee.value] += 0 if payout.status in {S.FAILED, S.CANCELLED} else payout.amount.amount
    return [f"refunds of {total} are written down" for total in written.values() if total > COLLECTED.amount]


def _money(payout: Payout, credited: Sequence[str], posts: Sequence[Any]) -> list[str]:
    found = []
    paid = len(credited)
    if paid > 1:
        found.append(f"paid {paid} times")
    if payout.status is S.SUCCEEDED and paid != 1:
        found.append(f"SUCCEEDED with {paid} credits")
    if payout.status is S.FAILED and paid and not payout.contradictions:
        found.append("FAILED although it was paid")
    if payout.status is S.CANCELLED and paid:
        found.append("CANCELLED although it was paid")
    if not payout.is_final and payout.status is not S.REVIEW:
        found.append(f"left in {payout.status}")
    kinds = set(map(_kind, posts))
    if len(kinds) > len({entry.attempt for entry in payout.history if entry.event == "payout.sending"}):
        found.append("two sends of one attempt differ")
    submissions = sum(entry.event == "payout.sending" for entry in payout.history)
    if len(posts) > submissions:
        found.append(f"{len(posts)} payments on the wire, {submissions} tries in the journal")
    return found


def tries_compared(end: End) -> tuple[int, int]:
    """Return how many payments were on the wire of attempts tried more than once, and how many differ from the first.

    For scenarios in which nobody pays again: there, a payout has one attempt.
    """
    side: Any = end.world.gateway
    again = [posts for payout in end.payouts.values() if len(posts := side.sent(payout)) > 1]
    differ = sum(_kind(post) != _kind(posts[0]) for posts in again for post in posts)
    return sum(map(len, again)), differ


def cut_in_a_send(points: Sequence[Point]) -> bool:
    """Say whether a life ended between a durable SENDING and the commit of what became of it."""
    commits = [point.name for point in points if point.name.startswith("after commit")]
    return bool(commits) and commits[-1] == "after commit payout.sending"


def _kind(post: HttpRequest) -> tuple[str, str | None, str | None]:
    return post.url, post.body, post.headers.get("X-Reference-Id")


def _attempts(end: End, payout: Payout) -> list[str]:
    """Each attempt is kept, under a reference of its own."""
    kept = end.store.ask(
        "SELECT number, request_hash FROM attempts WHERE payout_id = ? UNION ALL"
        " SELECT attempt, request_hash FROM payouts WHERE id = ?",
        (payout.id, payout.id),
    )
    found = []
    if sorted(number for number, _ in kept) != list(range(1, payout.attempt + 1)):
        found.append(f"attempts {kept} are kept of {payout.attempt}")
    if len({request for _, request in kept}) < len(kept):
        found.append("two attempts share a reference")
    return found


def history_faults(history: Sequence[HistoryEntry], status: PayoutStatus, *, visible_after_s: float) -> list[str]:
    """Return what a history says that cannot be."""
    found = []
    if [entry.seq for entry in history] != list(range(1, len(history) + 1)):
        found.append("history has a gap")
    if history[0].event != "payout.created" or history[-1].status is not status:
        found.append("history does not begin or end where the payout does")
    submissions, sent_at = 0, history[0].at
    for before, after in pairwise(history):
        allowed = MAY_FOLLOW[before.status] | {before.status}
        if decided := DECIDED.get(after.event):
            allowed = decided[1] if before.status is decided[0] else set()
        if after.status not in allowed and (after.event, before.status, after.status) not in RESTORED:
            found.append(f"{before.status} was followed by {after.status}")
        begins = after.event == "payout.reissued"
        if after.attempt != before.attempt + begins:
            found.append(f"{after.event} belongs to attempt {after.attempt} after {before.attempt}")
        submissions = 0 if begins else submissions
        if after.event == "payout.sending":
            submissions, sent_at = submissions + 1, after.at
        if after.event == "payout.lease_expired" and after.at < sent_at + LEASE:
            found.append(f"a send was taken for dead after {after.at - sent_at}")
        if after.submissions != submissions:
            found.append(f"{after.event} counts {after.submissions} tries after {submissions} sends")
        if after.status.is_final and after.status is not before.status and not after.decided_by:
            found.append("nobody decided the end")
    return found + _resends(history, visible_after_s)


def _resends(history: Sequence[HistoryEntry], visible_after_s: float) -> list[str]:
    """After doubt, a send needs three conclusive absences over the time a payment may stay invisible."""
    found, doubt = [], False
    not_found_count: list[HistoryEntry] = []
    for entry in history:
        if entry.event == "payout.reissued":
            doubt, not_found_count = False, []
        doubt = doubt or entry.event in AMBIGUOUS or (entry.event == "payout.reopened" and entry.status is S.UNKNOWN)
        if entry.event in {"payout.not_found", "payout.resend"}:
            not_found_count.append(entry)
        if entry.event == "payout.sending":
            waited = not_found_count[-1].at - not_found_count[0].at if not_found_count else timedelta()
            if doubt and (len(not_found_count) < 3 or waited < timedelta(seconds=visible_after_s)):
                found.append(f"sent again after {len(not_found_count)} absences over {waited}")
            not_found_count = []
    return found


def _outbox(end: End, payout: Payout) -> list[str]:
    stored = end.store.ask("SELECT seq, status FROM outbox WHERE payout_id = ?", (payout.id,))
    wanted = [(entry.seq, str(entry.status)) for entry in payout.history if entry.event in PUBLISHED]
    return [] if sorted(stored) == wanted else [f"the outbox holds {stored}, the history {wanted}"]


def _contradictions(end: End, payout: Payout) -> list[str]:
    """Each that the history tells is kept with the payout, which waits for a person until one has acknowledged it."""
    found = []
    events = [entry.event for entry in payout.history if entry.event in {"payout.contradicted", "payout.acknowledged"}]
    result = events.count("payout.contradicted")
    if result != len(payout.contradictions):
        found.append(f"contradicted {result} times, of which the payout keeps {len(payout.contradictions)}")
    if any(one.repeats(other) for one, other in combinations(payout.contradictions, 2)):
        found.append("the same contradiction is kept twice")
    waits = bool(end.store.ask("SELECT 1 FROM payouts WHERE id = ? AND contradicted_at IS NOT NULL", (payout.id,)))
    if waits != (events[-1:] == ["payout.contradicted"]):
        found.append("contradicted, and waits for no person")
    return found
