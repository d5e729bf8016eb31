"""The books of a provider held against the journal: who was paid how often, and what was said of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from watching import Post

from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.engine.journal_protocol import Journal
from payments_core.http.messages import HttpRequest, is_filled

S = PayoutStatus


@dataclass
class Reconciliation:
    """What the comparison found.

    Args:
        statuses: How many payouts stand in each.
        credits: How often anybody was paid.
        twice: Payouts whose payee was paid more than once.
        stray: Payments in the provider's books that belong to no payout.
        lost: Keys that were acknowledged or wanted and are not in the journal, or whose payout has come to no end.
        wrong: Payouts that say something else than the money.
        review_paid: Of those in REVIEW, how many were paid: a person has to find that out.
        compared: Payments on the wire of attempts that were tried more than once.
        differ: Payments on the wire that are not their attempt's stored request, under its reference.

    """

    statuses: Counter[str] = field(default_factory=Counter)
    credits: int = 0
    twice: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    review_paid: int = 0
    compared: int = 0
    differ: list[str] = field(default_factory=list)

    @property
    def review(self) -> int:
        """How many wait for a person."""
        return self.statuses[S.REVIEW]


def reconcile_ledger(
    journal: Journal, ledger: Sequence[Mapping[str, Any]], posts: Sequence[Post], wanted: Collection[str]
) -> Reconciliation:
    """Compare.

    Args:
        journal: Ours.
        ledger: The provider's, at rest.
        posts: Every payment that was on the wire.
        wanted: The keys of all that was to be paid.

    """
    found = Reconciliation()
    rows = {row.id: row for row in journal.rows()}
    assert all(row.attempt.number == 1 for row in rows.values())  # nobody pays again here: a row is its attempt
    owners = {name.lower(): row for row in rows.values() for name in row.attempt.references.values()}
    paid: Counter[str] = Counter()
    for entry in ledger:
        owner = owners.get(str(entry["reference"]).lower())
        if owner is None:
            found.stray.append(str(entry["reference"]))
        else:
            paid[owner.id] += entry["credits"]
        found.credits += entry["credits"]
    _hold(found, rows, paid)
    keys = {row.order.key for row in rows.values()}
    found.lost += [f"{key} is not in the journal" for key in sorted({*wanted} - keys)]
    _by_payee(found, rows.values(), ledger)
    _tries(found, owners, posts)
    return found


def _hold(found: Reconciliation, rows: Mapping[str, PayoutRecord], paid: Mapping[str, int]) -> None:
    for row in rows.values():
        times = paid.get(row.id, 0)
        found.statuses[row.status] += 1
        found.review_paid += row.status is S.REVIEW and times == 1
        if times > 1:
            found.twice.append(f"{row.order.key} was paid {times} times")
        if (row.status is S.SUCCEEDED and times != 1) or (row.status is S.FAILED and times):
            found.wrong.append(f"{row.order.key} is {row.status} with {times} credits")
        if not row.status.is_final and row.status is not S.REVIEW:
            found.lost.append(f"{row.order.key} was left in {row.status}")


def _by_payee(found: Reconciliation, rows: Iterable[PayoutRecord], ledger: Sequence[Mapping[str, Any]]) -> None:
    """Count once more without any reference: each payee has as many credits of an amount as payouts that may be paid.

    A second payment under a reference that we forgot would show here, and as a stray.
    """
    least: Counter[tuple[str, Decimal]] = Counter()
    most: Counter[tuple[str, Decimal]] = Counter()
    for row in rows:
        whom = (row.order.payee.value.lstrip("+"), row.order.amount.amount)
        least[whom] += row.status is S.SUCCEEDED
        most[whom] += row.status is not S.FAILED
    credited: Counter[tuple[str, Decimal]] = Counter()
    for entry in ledger:
        credited[str(entry["payee"]).lstrip("+"), Decimal(str(entry["amount"]))] += entry["credits"]
    for whom in least.keys() | credited.keys():
        if credited[whom] > most[whom]:
            found.twice.append(f"{whom} has {credited[whom]} credits for {most[whom]} payouts")
        if credited[whom] < least[whom]:
            found.wrong.append(f"{whom} has {credited[whom]} credits for {least[whom]} payouts that succeeded")


def _tries(found: Reconciliation, owners: Mapping[str, PayoutRecord], posts: Sequence[Post]) -> None:
    """Hold each payment that was on the wire against the stored request of its attempt."""
    submissions: Counter[str] = Counter()
    for post in posts:
        mine = {owners[word].order.key: owners[word] for word in _words(post) if word in owners}
        if len(mine) != 1:
            found.differ.append(f"a payment on the wire names {len(mine)} attempts")
            continue
        [(key, row)] = mine.items()
        drafted = HttpRequest.from_json(row.attempt.request)
        if drafted.hash != row.attempt.request_hash or not _is_sent_as(post, drafted):
            found.differ.append(f"{key}: a try is not the stored request")
        submissions[key] += 1
    found.compared = sum(count for count in submissions.values() if count > 1)


def _words(post: Post) -> Iterator[str]:
    """Yield whatever a payment says anywhere, as a reference would be written."""
    yield from (value.lower() for value in post.headers.values())
    yield from (leaf.lower() for leaf in _leaves(json.loads(post.body)))


def _leaves(payload: object) -> Iterator[str]:
    if isinstance(payload, Mapping):
        payload = list(payload.values())
    if isinstance(payload, list):
        for one in payload:
            yield from _leaves(one)
    else:
        yield str(payload)


def _is_sent_as(post: Post, drafted: HttpRequest) -> bool:
    """Say whether a payment is the stored request: secrets in its slots, and headers that a transport adds, aside."""
    scheme, _, rest = drafted.url.partition("://")
    url = f"{scheme}://{rest.partition('/')[0]}{post.path}"
    headers = {name: post.headers.get(name.lower(), "") for name in drafted.headers}
    return is_filled(replace(drafted, url=url, headers=headers, body=post.body.decode()), drafted)
