"""People who decide: what they know is what the provider's own books say, and they try again when they are told to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crash_points import Scenario, Stage, World
from worlds import ACCOUNT, POOR, Momo, PostEnd, order_of

from payments_core.client import InReview, PayoutClient
from payments_core.domain.errors import DecisionRefused
from payments_core.domain.payout import Operation, PayoutStatus, ReasonCode
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider import Account

S = PayoutStatus
MOST_ATTEMPTS = 3
GIVES_UP_AFTER = 4  # refusals that name no other time
LATE_S = 200


@dataclass
class Books(Momo):
    """A gateway whose books a person can look into, with ways to go wrong that only a person ends.

    Args:
        forgets: What was taken is never found again by its reference.
        shows: How often a payment that was made although it was refused is shown; then it is not found any more.
        calls_failed: How many reads call a payment failed that was made.
        forgets_failed: What a read has called failed is not found any more.
        down_s: How long reads are answered 503.
        approve_above: The account's limit.

    """

    forgets: bool = False
    shows: int = 1_000_000
    calls_failed: int = 0
    forgets_failed: bool = False
    called_failed: set[str] = field(default_factory=set)
    down_s: float = 0.0
    approve_above: str | None = None
    refusals: int = 0
    lied_about: set[str] = field(default_factory=set)

    def account(self) -> Account:
        account = super().account()
        settings = account.settings.model_copy(update={"approve_above": _limit(self.approve_above)})
        facts = account.spec.facts
        if self.forgets:  # half of the window is over before absence has lasted
            facts = replace(facts, dedupe_window_s=1200.0)
        return replace(account, settings=settings, spec=replace(account.spec, facts=facts))

    def _money(self, request: HttpRequest) -> HttpResponse:
        if self.approve_above is not None and not self._is_approved():
            self.broken.append("a payment left without an approval")
        return super()._money(request)

    def _is_approved(self) -> bool:
        return bool(self.stage.store.ask("SELECT 1 FROM approvals"))

    def _do_accept_say_400(self, request: HttpRequest) -> HttpResponse:
        """Say 400 to a payment that is made all the same."""
        self._answer(request)
        self.lied_about.add(request.headers["X-Reference-Id"])
        return self._do_refuse_400(request)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        response = super()._answer(request)
        if self.forgets and request.moves_money:
            self.gateway.books._by_reference.clear()
        return response

    def _read(self, request: HttpRequest) -> HttpResponse:
        at = self.stage.clock()
        if at < self.started_at + timedelta(seconds=self.down_s):
            return HttpResponse(503, {}, b"", at)
        response = super()._read(request)
        if response.status == 200 and request.url.rsplit("/", 1)[1] in self.lied_about:
            self.shows -= 1
            if self.shows < 0:
                return HttpResponse(404, {}, json.dumps({"code": "RESOURCE_NOT_FOUND"}).encode(), at)
        if self.forgets_failed and b'"FAILED"' in response.body:
            reference = request.url.rsplit("/", 1)[1]
            if reference in self.called_failed:
                return HttpResponse(404, {}, json.dumps({"code": "RESOURCE_NOT_FOUND"}).encode(), at)
            self.called_failed.add(reference)
        if self.calls_failed > 0 and b"SUCCESSFUL" in response.body:
            self.calls_failed -= 1
            return replace(response, body=response.body.replace(b"SUCCESSFUL", b"FAILED"))
        return response

    def paid(self, external_id: str) -> bool:
        """Say what the statement says."""
        owners = {payment.reference: payment.order.get("externalId") for payment in self.gateway.books.accepted}
        self.gateway.books.settle(self.stage.clock())
        return any(owners[credit.reference] == external_id for credit in self.gateway.books.credits)


def in_review(client: PayoutClient) -> list[InReview]:
    """Return what has stopped; what has ended and is contradicted is acknowledged, and not decided."""
    return [found for found in client.review() if found.payout.status is S.REVIEW]


def decide(client: PayoutClient, world: World, at: datetime) -> datetime | None:
    """Decide what is in review by the provider's books, and pay again what failed, a few times."""
    side = world.gateway
    assert isinstance(side, Books)
    for found in in_review(client):
        paid = side.paid(found.payout.references["external_id"])
        again = _try(side, at, client.resolve, found.payout.id, paid=paid, actor="Ann", reason="the statement")
        if again is not None:
            return again
    for payout in client.payouts(status=S.FAILED):
        if payout.attempt < MOST_ATTEMPTS:
            again = _try(side, at, client.reissue, payout.id, actor="Ann", reason="still owed")
            if again is not None:
                return again
    return None


def look_and_decide(client: PayoutClient, world: World, at: datetime) -> datetime | None:
    """Ask about what failed a while after it did, until something contradicts it; then decide as always."""
    for payout in client.payouts(status=S.FAILED):
        seen = client.get(payout.id)
        if at < seen.updated_at + timedelta(seconds=2 * LATE_S):
            return seen.updated_at + timedelta(seconds=2 * LATE_S)
        if seen.attempt == 1 and all(entry.event != "payout.contradicted" for entry in seen.history):
            client.refresh(payout.id)
    return decide(client, world, at)


def pay_again_with_evidence(client: PayoutClient, world: World, at: datetime) -> datetime | None:
    """Pay again what failed, and name the statement where it shows no payment."""
    side = world.gateway
    assert isinstance(side, Books)
    fields = {"actor": "Ann", "reason": "the statement"}
    for found in in_review(client):
        paid = side.paid(found.payout.references["external_id"])
        return _try(side, at, client.resolve, found.payout.id, paid=paid, evidence="the statement of January", **fields)
    for payout in client.payouts(status=S.FAILED):
        evidence = "" if side.paid(payout.references["external_id"]) else "the statement of January"
        if payout.attempt < MOST_ATTEMPTS:
            return _try(side, at, client.reissue, payout.id, evidence=evidence, **fields)
    return None


def check_and_acknowledge(client: PayoutClient, world: World, at: datetime) -> datetime | None:
    """Check what failed until the provider contradicts it, and a while after that; then take note of it."""
    for payout in client.payouts(status=S.FAILED):
        checks = sum(entry.event == "payout.checked" for entry in client.get(payout.id).history)
        if checks < 4:
            client.check(payout.id)
            return at + timedelta(seconds=60)
    for found in client.review():
        client.acknowledge(found.payout.id, actor="Ann", reason="the statement shows it")
        return at
    return None


def _try(side: Books, at: datetime, act: Callable[..., object], payout: str, **fields: Any) -> datetime | None:
    if side.refusals >= GIVES_UP_AFTER:
        return None
    try:
        act(payout, **fields)
    except DecisionRefused as refused:
        if refused.again_at is not None:
            return refused.again_at
        side.refusals += 1
        return at + timedelta(seconds=60)
    return at


def decide_wrongly(client: PayoutClient, world: World, at: datetime) -> datetime | None:
    """Say of whatever is in review that it was not paid, once the provider can be asked again."""
    side = world.gateway
    assert isinstance(side, Books)
    up_again = side.started_at + timedelta(seconds=side.down_s)
    for found in in_review(client):
        if at < up_again:
            return up_again
        again = _try(side, at, client.resolve, found.payout.id, paid=False, actor="Ann", reason="a guess")
        if again is not None:
            return again
    return None


def approve_all(client: PayoutClient, world: World, at: datetime) -> datetime | None:
    """Approve whatever waits for it, an hour later; then decide as always."""
    for payout in client.payouts(status=S.CREATED):
        if payout.reason is not None and payout.reason.code is ReasonCode.NEEDS_APPROVAL:
            if at < payout.updated_at + timedelta(hours=1):
                return payout.updated_at + timedelta(hours=1)
            client.approve(payout.id, actor="Ben")
            return at
    return decide(client, world, at)


def cancel_all(client: PayoutClient, world: World, at: datetime) -> datetime | None:
    """Cancel whatever has not ended, also what may have arrived; the machine goes on with what is refused."""
    for payout in client.payouts():
        if not payout.is_final:
            with contextlib.suppress(DecisionRefused):
                client.cancel(payout.id, actor="Ann", reason="the wrong month")
    return None


Decides = Callable[[PayoutClient, World, datetime], datetime | None]


def persons(
    name: str,
    post: PostEnd,
    *,
    person: Decides = decide,
    operation: Operation = Operation.TRANSFER,
    **ways: Any,
) -> Scenario:
    """Return a scenario in which a person decides what the machine leaves.

    Args:
        name: For people.
        post: How payments end on the wire.
        person: What a person does.
        operation: Which kind of payment.
        ways: Of ``Books`` to go wrong.

    """

    def world(stage: Stage) -> World:
        side = Books(stage, post, "answers", **ways)
        return World(accounts=[side.account()], gateway=side)

    order = order_of(operation, post.payee)
    return Scenario(name=name, orders=[(ACCOUNT, order)], world=world, person=person)


def cancelled_in_doubt() -> Scenario:
    """Return a scenario in which a person wants what may have arrived cancelled."""
    return persons("cancelled when it may have arrived", PostEnd(("accept_lose",)), person=cancel_all)


def needing_approval() -> Scenario:
    """Return a scenario in which every attempt waits for somebody's leave."""
    return persons("needs an approval", REFUSED, person=approve_all, approve_above="20")


REFUSED = PostEnd(("refuse_400",))
REFUSED_LATE = PostEnd(("accept_say_400",), invisible_s=200.0)
# Shown only when the next attempt has begun; that one gets no connection until then.
VERY_LATE = PostEnd(("accept_say_400", *["not_sent"] * 8), invisible_s=5000.0)
_SCENARIOS: tuple[Scenario, ...] = (
    persons("refused, then paid", REFUSED),
    persons("refused twice, then lost", PostEnd(("refuse_400", "refuse_400", "accept_lose"))),
    persons("a refund refused, then paid", REFUSED, operation=Operation.REFUND),
    persons("never enough money", PostEnd(payee=POOR)),
    persons("refused, and made all the same", REFUSED_LATE),
    persons("refused, made all the same, and looked at", REFUSED_LATE, person=look_and_decide, shows=2),
    persons("refused, and shown very late", VERY_LATE),
    persons("refused, then not sent, then lost", PostEnd(("refuse_400", "not_sent", "lose"))),
    persons("lost and never shown", PostEnd(("lose",)), forgets=True),
    persons("taken and never shown", PostEnd(("accept_lose",)), forgets=True),
    persons("taken, and called unpaid", PostEnd(("accept_lose",)), person=decide_wrongly, down_s=20_000.0),
    persons("called failed, then paid", PostEnd(), person=check_and_acknowledge, calls_failed=2),
    persons("failed, then forgotten", PostEnd(payee=POOR), person=pay_again_with_evidence, forgets_failed=True),
    needing_approval(),
    persons("an approval declined", REFUSED, person=cancel_all, approve_above="20"),
    persons("cancelled between two tries", PostEnd(("not_sent", "not_sent")), person=cancel_all),
    cancelled_in_doubt(),
)
PERSONS = {scenario.name: scenario for scenario in _SCENARIOS}


def _limit(text: str | None) -> dict[str, Decimal] | None:
    return None if text is None else {"EUR": Decimal(text)}
