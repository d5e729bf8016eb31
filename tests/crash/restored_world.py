"""A journal that was restored from an old backup: the payment was made in the gap, and MoMo has forgotten it or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crash_points import CrashDatabase, CrashFile, Scenario, Stage, World
from crash_points.process_run import NAMESPACE
from worlds import ACCOUNT, GOOD, Momo, PostEnd, order_of

from payments_core.client import PayoutClient
from payments_core.domain.errors import DecisionRefused
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.domain.references import payout_id
from payments_core.engine import make_draft
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.journal import store_of
from payments_core.journal.maintenance import restore
from payments_core.journal.maintenance.stores import Store

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
ORDER = order_of(Operation.TRANSFER, GOOD)


@dataclass(frozen=True)
class Lost:
    """What happened in the gap.

    Args:
        paid: The payment was made, and the journal does not know it.
        forgotten: MoMo shows it no more, and would make it a second time.
        gap: How old the backup is.

    """

    paid: bool = True
    erased: bool = True
    gap: timedelta = timedelta(days=2)


GAPS: Mapping[str, Lost] = {
    "paid and forgotten": Lost(),
    "paid and shown": Lost(erased=False),
    "paid and shown, a short gap": Lost(erased=False, gap=timedelta(hours=1)),
    "not paid": Lost(paid=False),
    "not paid, a short gap": Lost(paid=False, gap=timedelta(hours=1)),
}


@dataclass
class Remembering(Momo):
    """A gateway that was paid through before the journal was lost."""

    lost: Lost = Lost()
    is_noted: bool = False

    def _read(self, request: HttpRequest) -> HttpResponse:
        if self.lost.paid and not self.is_noted:  # with the credential of whoever asks first: none was paid with before
            self.is_noted = True
            draft = make_draft(self.account(), ORDER, namespace=NAMESPACE, payout_id=payout_id(NAMESPACE, ORDER.key))
            headers = {**draft.request.headers, **request.headers}  # filled in, but for what a payment has more
            assert self._answer(replace(draft.request, headers=headers)).status == 202
            if self.lost.erased:
                self.gateway.books._by_reference.clear()
        return super()._read(request)

    def statement(self) -> list[str]:
        """Return the references of what was paid, and what we called it."""
        self.gateway.books.settle(self.stage.clock())
        paid = {credit.reference for credit in self.gateway.books.credits}
        found = [one for one in self.gateway.books.accepted if one.reference in paid]
        return [value for one in found for value in (one.reference, str(one.order["externalId"]))]


def store_at(stage: Stage) -> Store:
    """Return the journal as its operator opens it."""
    kept = stage.store
    if isinstance(kept, CrashFile):
        return store_of(f"sqlite:///{kept._path.name}", namespace=NAMESPACE, root=kept._path.parent, at=stage.clock())
    assert isinstance(kept, CrashDatabase)
    return store_of(kept._url, namespace=NAMESPACE, root=Path(), at=stage.clock())


def operate(client: PayoutClient, world: World, at: datetime) -> datetime | None:
    """End the gap, as soon as that is not refused, and decide what is in REVIEW.

    The statement is compared last: only when nothing is open any more, and the gap cannot end without. A process may
    die before and after each command.
    """
    side = world.gateway
    assert isinstance(side, Remembering)
    store = store_at(side.stage)
    act = restore.OperatorAction(at, "Ann", "the statement")
    life = client._life  # type: ignore[attr-defined]  # of the simulator: where a process may die
    gap = restore.gap_of(store)
    if gap is not None:
        life.pass_by("before over")
        try:
            restore.end_gap(store, act, [ACCOUNT])
        except DecisionRefused:
            pass
        else:
            life.pass_by("after over")
            return at
        if not gap.compared and not any(True for _ in client.payouts(status=PayoutStatus.UNKNOWN)):
            life.pass_by("before compared")
            restore.compare_statement(store, act, account=ACCOUNT, configured=[ACCOUNT], references=side.statement())
            life.pass_by("after compared")
            return at
    for found in client.review():
        paid = found.payout.references["external_id"] in side.statement()
        client.resolve(found.payout.id, paid=paid, actor="Ann", reason="the statement", evidence="line 1")
        return at
    return None


def restored_scenario(name: str) -> Scenario:
    """Return the scenario of one gap: restored, asked for again, compared, over."""

    def world(stage: Stage) -> World:
        side = Remembering(stage, PostEnd(), "answers", lost=GAPS[name])
        restore.begin_gap(
            store_at(stage), START - GAPS[name].gap, restore.OperatorAction(START, "Ann", "the disk died")
        )
        return World(accounts=[side.account()], gateway=side)

    orders = [(ACCOUNT, ORDER)]
    return Scenario(name=f"restored: {name}", orders=orders, world=world, person=operate, starts_at=START)
