"""An account that pays as somebody else after a crash: two gateways with books of their own, and a router between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from crash_points import Scenario, Stage, World
from worlds import ACCOUNT, GOOD, OTHER, Momo, PostEnd, order_of

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Payout
from payments_core.http.messages import HttpRequest, HttpResponse


@dataclass
class TwoGateways:
    """Where the account paid, and where it pays since the crash.

    Args:
        old: The gateway of the identity that is retired.
        new: The gateway of the one that follows.
        reads: What was asked at the old one since.

    """

    old: Momo
    new: Momo
    reads: list[HttpRequest] = field(default_factory=list)
    world: World | None = None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if urlsplit(request.url).netloc != urlsplit(self.old.base_url).netloc:
            return self.new(request)
        if self.has_changed and request.method == "GET":
            self.reads.append(request)
        return self.old(request)

    @property
    def has_changed(self) -> bool:
        return self.world is not None and bool(self.world.accounts[0].retired)

    @property
    def posts(self) -> list[HttpRequest]:
        return [*self.old.posts, *self.new.posts]

    @property
    def broken(self) -> list[str]:
        return [*self.old.broken, *self.new.broken]

    def credited(self, payout: Payout) -> list[str]:
        return [*self.old.credited(payout), *self.new.credited(payout)]

    def sent(self, payout: Payout) -> list[HttpRequest]:
        return [*self.old.sent(payout), *self.new.sent(payout)]

    def over_refunded(self) -> list[str]:
        return [*self.old.over_refunded(), *self.new.over_refunded()]


class Retired(Momo):
    """A gateway at which nothing is paid any more once the account pays elsewhere."""

    side: TwoGateways

    def _money(self, request: HttpRequest) -> HttpResponse:
        if self.side.has_changed:
            self.broken.append("a payment left as a retired identity")
        return super()._money(request)


def changed_identity(post: PostEnd, *, most: int = 4) -> Scenario:
    """Return a scenario in which a crash changes who pays.

    Args:
        post: How payments end on the wire of the identity that is retired.
        most: How many are paid: a transfer for later, a transfer, a deposit and a refund.

    """

    def world(stage: Stage) -> World:
        old = Retired(stage, post, "answers")
        new = Momo(stage, PostEnd(), "answers", "7a1b2c3d-0000-4000-8000-00000000beef", "https://new.momo.example")
        before = old.account()
        after = replace(new.account(), retired=(replace(before, is_retired=True),))
        old.side = side = TwoGateways(old, new)
        side.world = World(accounts=[before], gateway=side, accounts_after=[after])
        return side.world

    orders = [
        order_of(Operation.TRANSFER, GOOD, key="transfer"),
        order_of(Operation.DEPOSIT, OTHER, key="deposit", amount=Money("7", "EUR")),
        order_of(Operation.REFUND, GOOD, key="refund"),
    ]
    starts_at = datetime(2026, 1, 5, 8, tzinfo=UTC)
    later = replace(order_of(Operation.TRANSFER, OTHER, key="later"), not_before=starts_at + timedelta(hours=1))
    every = [(ACCOUNT, order) for order in (later, *orders)[:most]]
    return Scenario(name="changed identity", orders=every, world=world, starts_at=starts_at)
