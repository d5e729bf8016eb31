"""Where a broken rule shows: scenarios that the tables of ways to send and to read do not have."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from crash_points import Arrival, Scenario, Stage, World
from tally_world import TallyWorld
from worlds import (
    ACCOUNT,
    GOOD,
    Momo,
    PostEnd,
    momo_world,
    order_of,
)

from payments_core.client import PayoutClient
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, PayoutStatus
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider import Callback

S = PayoutStatus


def momo(post: PostEnd, get: str = "answers", operation: Operation = Operation.TRANSFER) -> Scenario:
    """Return a scenario over MoMo that the table of ways to send does not have."""
    order = order_of(operation, post.payee)
    return Scenario(name="broken", orders=[(ACCOUNT, order)], world=lambda stage: momo_world(stage, post, get))


def forgetful(absent_s: float) -> Scenario:
    """Return a scenario in which MoMo takes a payment, loses the answer, and shows and remembers it no more."""

    class Forgetful(Momo):
        def _do_accept_lose(self, request: HttpRequest) -> HttpResponse:
            try:
                return super()._do_accept_lose(request)
            finally:
                self.gateway.books._by_reference.clear()

        def _read(self, request: HttpRequest) -> HttpResponse:
            if (self.stage.clock() - self.started_at).total_seconds() < absent_s:
                return HttpResponse(404, {}, json.dumps({"code": "RESOURCE_NOT_FOUND"}).encode(), self.stage.clock())
            return super()._read(request)

    def world(stage: Stage) -> World:
        side = Forgetful(stage, PostEnd(("accept_lose", "pass")), "answers")
        account = side.account()
        return World(accounts=[replace(account, spec=replace(account.spec, facts=NO_WINDOW))], gateway=side)

    from payments_mtn_momo.spec import SPEC

    NO_WINDOW = replace(SPEC.facts, dedupe_window_s=1200.0)  # half of it is over before absence has lasted
    order = Order("salary/1", Payee.msisdn(GOOD), Money("25.50", "EUR"))
    return Scenario(name="forgetful", orders=[(ACCOUNT, order)], world=world)


def tally_world(post: tuple[str, ...], answers: str, *, dedupes: bool = True, forged: bool = False) -> Scenario:
    """Return a scenario over Tally; a forged answer names another payee."""

    def world(stage: Stage) -> World:
        side = Forging(stage, post, answers) if forged else TallyWorld(stage, post, answers)
        side.gateway.dedupes = dedupes
        side.world = World(accounts=[side.account()], gateway=side)
        return side.world

    order = Order("grant/1", Payee.msisdn("254700000900"), Money("25.50", "KES"))
    return Scenario(name="broken tally", orders=[(ACCOUNT, order)], world=world)


def called_back(post: PostEnd, claims: str) -> Scenario:
    """Return a scenario in which somebody who knows the account's path says what became of each payout in doubt."""

    def forge(client: PayoutClient, world: World, at: datetime) -> None:
        for payout in client.payouts(status=S.UNKNOWN):
            side = world.gateway
            assert isinstance(side, Momo)
            fields = {"externalId": payout.references["external_id"], "status": claims, "financialTransactionId": "1"}
            place = client.inbox.place(client.inbox.tokens[ACCOUNT])
            assert place is not None
            client.inbox.receive(place, Callback("PUT", {}, json.dumps(fields).encode(), at)).result()
            client.inbox.handle()

    return replace(momo(post), person=forge)


class Forging(TallyWorld):
    """Somebody who knows the path says that a payment nobody took has succeeded, for somebody else."""

    def _deliver(self) -> None:
        super()._deliver()
        assert self.world is not None
        for place, arrival in enumerate(self.world.arrivals):
            fields = json.loads(arrival.callback.body)
            lie = {"txn": fields["txn"], "result": 0, "to": "254700000111", "cents": 1, "currency": "KES"}
            body = json.dumps(lie).encode()
            self.world.arrivals[place] = Arrival(arrival.at, arrival.token, replace(arrival.callback, body=body))
