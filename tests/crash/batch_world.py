"""A batch: somebody creates it, another one approves it, a program runs it, and each may die at every commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from crash_points import End, Scenario, Stage, World
from worlds import GOOD, LIMITED_POSTS, OTHER, POST_ENDS, Momo, PostEnd

from payments_core.batch import Batch, Batches, BatchOrder, BatchState
from payments_core.client import PayoutClient, PayoutOrder
from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider import Account

NAME = "salary"
AMOUNTS = ("10", "15.50", "5")
TOTAL = Money("30.50", "EUR")
_PAUSE = timedelta(hours=1)


class BatchMomo(Momo):
    """MoMo's side; what leaves has to be of an approved batch, unless it may have arrived before."""

    def account(self) -> Account:
        account = super().account()  # rows are sent by one thread: what it does comes in one order
        return replace(account, settings=account.settings.model_copy(update={"max_in_flight": 1}))

    def _money(self, request: HttpRequest) -> HttpResponse:
        self.broken += unapproved(self.stage, request.headers["X-Reference-Id"])
        return super()._money(request)


def unapproved(stage: Stage, reference: str) -> list[str]:
    """Look at the journal through a connection of its own; what may have arrived is sent again whatever was decided."""
    rows = stage.store.ask(
        'SELECT b.state, p.ambiguous FROM payouts p LEFT JOIN batches b ON b.id = p.batch WHERE p."references" LIKE ?',
        (f"%{reference}%",),
    )
    return [f"a payment left while its batch was {state}" for state, again in rows if not again and state != "APPROVED"]


@dataclass(frozen=True, slots=True)
class Clerk:
    """Who does the next thing with a batch, from what the journal has of it: a crash may have come before.

    Args:
        pauses: The batch is paused for an hour once it was run.
        cancels: It is cancelled once it was run; what a crash has kept from being sent is not sent any more.
        payee: Of the first row.

    """

    pauses: bool = False
    cancels: bool = False
    payee: str = GOOD

    def __call__(self, client: PayoutClient, world: World, at: datetime) -> datetime | None:
        """Do it; return when to look again."""
        batches = Batches(client)
        found = [batch for batch in batches.all() if batch.state is not BatchState.WRITING]
        if not found:
            batches.create(self._orders(), name=NAME, actor="ann")
            return at
        (batch,) = found
        what = self._next(client, batches, batch)
        until = batch.history[-1].at + _PAUSE
        match what:
            case "unpause" if at < until:
                return until
            case "approve":
                batches.approve(batch.id, actor="bob", totals=batch.totals)
            case "pause":
                batches.pause(batch.id, actor="bob", reason="wait")
            case "unpause":
                batches.unpause(batch.id, actor="bob", reason="go on")
            case "cancel":
                batches.cancel(batch.id, actor="bob", reason="not owed")
            case "run":
                batches.run(batch.id, timeout_s=0)
            case "reissue":
                batches.reissue(batch.id, actor="bob", reason="the account was topped up")
            case _:
                return None
        return at if self._next(client, batches, batches.get(batch.id)) != what else at + timedelta(minutes=10)

    def _next(self, client: PayoutClient, batches: Batches, batch: Batch) -> str | None:
        events = {entry.event for entry in batch.history}
        progress = batches.progress(batch.id)
        match batch.state:
            case BatchState.CREATED:
                return "approve"
            case BatchState.PAUSED:
                return "unpause"
            case BatchState.APPROVED if self.pauses and progress.by_status and EventName.BATCH_PAUSED not in events:
                return "pause"
            case BatchState.APPROVED if self.cancels and progress.by_status:
                return "cancel"
            case BatchState.CANCELLED if progress.by_status.get(PayoutStatus.CREATED):
                return "cancel"  # a crash came between
            case BatchState.APPROVED if progress.unsent:
                return "run"
            case BatchState.APPROVED if self._may_be_paid_again(client):
                return "reissue"
        return None

    def _may_be_paid_again(self, client: PayoutClient) -> bool:
        failed = [payout for payout in client.payouts() if payout.status is PayoutStatus.FAILED]
        return any(one.attempt == 1 and one.reason is not None and one.reason.code.is_reissuable for one in failed)

    def _orders(self) -> list[BatchOrder]:
        payees = (self.payee, OTHER, GOOD)
        return [
            BatchOrder(PayoutOrder(key=f"{NAME}/{number}", payee=f"+{payee}", amount=amount, currency="EUR"), number)
            for number, (payee, amount) in enumerate(zip(payees, AMOUNTS, strict=True), 1)
        ]


def batch_scenario(post: PostEnd, get: str = "answers", *, clerk: Clerk | None = None, name: str = "batch") -> Scenario:
    """Return the scenario of a batch of three rows; the first payment ends as it is said."""

    def world(stage: Stage) -> World:
        momo = BatchMomo(stage, post, get)
        return World(accounts=[momo.account()], gateway=momo)

    return Scenario(name=name, orders=[], world=world, person=clerk or Clerk(payee=post.payee))


_STOPPED_POSTS = ("accepted", "accepted, answer lost", "lost before acceptance", "not sent")

BATCHES: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        *(batch_scenario(POST_ENDS[post], name=f"{post} | answers") for post in LIMITED_POSTS),
        batch_scenario(POST_ENDS["lost before acceptance"], "404 for a while", name="lost | 404 for a while"),
        *(
            batch_scenario(POST_ENDS[post], clerk=clerk, name=f"{what}: {post}")
            for what, clerk in (("paused", Clerk(pauses=True)), ("cancelled", Clerk(cancels=True)))
            for post in _STOPPED_POSTS
        ),
    )
}


def batch_faults(end: End) -> list[str]:
    """Return what is wrong with the batch at the end, beside its payouts."""
    found = []
    batches = end.store.ask("SELECT id, name, state, row_count FROM batches WHERE state <> 'WRITING'")
    if len(batches) != 1:
        return [f"{len(batches)} batches"]
    [(batch, _, state, rows)] = batches
    keys = {key for (key,) in end.store.ask("SELECT key FROM batch_rows WHERE batch = ?", (batch,))}
    if rows != len(AMOUNTS) or keys != {f"{NAME}/{number}" for number in range(1, rows + 1)}:
        found.append(f"the batch has the rows {sorted(keys)}")
    if not end.payouts.keys() <= keys or (state != "CANCELLED" and end.payouts.keys() != keys):
        found.append(f"{state} with the payouts {sorted(end.payouts)}")
    [(reserved, most)] = end.store.ask("SELECT reserved, most FROM budgets WHERE name LIKE ?", (f"batch/{batch}/%",))
    if Decimal(most) != TOTAL.amount or Decimal(reserved) > TOTAL.amount:
        found.append(f"{reserved} of {most} is reserved")
    events = [
        event for (event,) in end.store.ask("SELECT event FROM batch_history WHERE batch = ? ORDER BY seq", (batch,))
    ]
    if events[:2] != ["batch.created", "batch.approved"] or len(events) != len(set(events)):
        found.append(f"the batch's history is {events}")
    return found
