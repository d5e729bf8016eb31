"""What must hold at the end of every life, however often it was cut short."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from payments_core.payout import HistoryEntry, Payout, PayoutStatus
from payments_core.testing import End

S = PayoutStatus
OPEN = {S.CREATED, S.SENDING, S.PENDING, S.UNKNOWN, S.REVIEW}

# From each status to those that may follow it; staying is always allowed, and a final one is never left.
MAY_FOLLOW = {
    S.CREATED: {S.SENDING, S.FAILED, S.REVIEW},
    S.SENDING: {S.CREATED, S.PENDING, S.UNKNOWN, S.REVIEW, S.SUCCEEDED, S.FAILED},
    S.PENDING: {S.REVIEW, S.SUCCEEDED, S.FAILED},
    S.UNKNOWN: {S.SENDING, S.PENDING, S.REVIEW, S.SUCCEEDED, S.FAILED},
    S.REVIEW: {S.PENDING, S.SUCCEEDED, S.FAILED},
    S.SUCCEEDED: set[S](),
    S.FAILED: set[S](),
}
AMBIGUOUS = {"payout.unknown", "payout.duplicate", "payout.lease_lapsed"}
LEASE = timedelta(seconds=90)
PUBLISHED = {"payout.succeeded", "payout.failed", "payout.review"}


def broken_promises(end: End, *, visible_after_s: float) -> list[str]:
    """Return what does not hold; empty when all is well."""
    side: Any = end.world.gateway
    found = [f"{key} was acknowledged and is lost" for key in end.lost]
    found += side.broken
    credited = side.credits()
    for payout in end.payouts.values():
        found += _money(payout, credited, side.posts)
        found += history_faults(payout.history, payout.status, visible_after_s=visible_after_s)
        found += _outbox(end, payout)
    if not end.payouts:
        found.append("no payout is left at all")
    return found


def _money(payout: Payout, credited: Sequence[str], posts: Sequence[Any]) -> list[str]:
    found = []
    paid = len(credited)
    if paid > 1:
        found.append(f"paid {paid} times")
    if payout.status is S.SUCCEEDED and paid != 1:
        found.append(f"SUCCEEDED with {paid} credits")
    if payout.status is S.FAILED and paid:
        found.append("FAILED although it was paid")
    if not payout.is_final and payout.status is not S.REVIEW:
        found.append(f"left in {payout.status}")
    if len({(post.url, post.body, post.headers.get("X-Reference-Id")) for post in posts}) > 1:
        found.append("two sends of one attempt differ")
    if len(posts) > payout.tries:
        found.append(f"{len(posts)} payments on the wire, {payout.tries} tries in the journal")
    return found


def history_faults(history: Sequence[HistoryEntry], status: PayoutStatus, *, visible_after_s: float) -> list[str]:
    """Return what a history says that cannot be."""
    found = []
    if [entry.seq for entry in history] != list(range(1, len(history) + 1)):
        found.append("history has a gap")
    if history[0].event != "payout.created" or history[-1].status is not status:
        found.append("history does not begin or end where the payout does")
    tries, sent_at = 0, history[0].at
    for before, after in pairwise(history):
        if after.status is not before.status and after.status not in MAY_FOLLOW[before.status]:
            found.append(f"{before.status} was followed by {after.status}")
        if after.event == "payout.sending":
            tries, sent_at = tries + 1, after.at
        if after.event == "payout.lease_lapsed" and after.at < sent_at + LEASE:
            found.append(f"a send was taken for dead after {after.at - sent_at}")
        if after.tries != tries:
            found.append(f"{after.event} counts {after.tries} tries after {tries} sends")
        if after.status.is_final and after.status is not before.status and not after.decided_by:
            found.append("nobody decided the end")
    return found + _resends(history, visible_after_s)


def _resends(history: Sequence[HistoryEntry], visible_after_s: float) -> list[str]:
    """After doubt, a send needs three conclusive absences over the time a payment may stay invisible."""
    found, doubt = [], False
    absences: list[HistoryEntry] = []
    for entry in history:
        doubt = doubt or entry.event in AMBIGUOUS
        if entry.event in {"payout.absent", "payout.resend"}:
            absences.append(entry)
        if entry.event == "payout.sending":
            waited = absences[-1].at - absences[0].at if absences else timedelta()
            if doubt and (len(absences) < 3 or waited < timedelta(seconds=visible_after_s)):
                found.append(f"sent again after {len(absences)} absences over {waited}")
            absences = []
    return found


def _outbox(end: End, payout: Payout) -> list[str]:
    with sqlite3.connect(end.journal) as connection:
        stored = connection.execute("SELECT seq, status FROM outbox WHERE payout_id = ?", (payout.id,)).fetchall()
    connection.close()
    wanted = [(entry.seq, str(entry.status)) for entry in payout.history if entry.event in PUBLISHED]
    return [] if sorted(stored) == wanted else [f"the outbox holds {stored}, the history {wanted}"]
