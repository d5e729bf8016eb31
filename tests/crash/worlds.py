"""The world most crash tests play in: MoMo's gateway, with a way to send and a way to read going wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from crash_points import Scenario, Stage, World

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, Payout
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.provider import Account, RetryPolicy
from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.collected import Collection
from payments_mtn_momo.emulator.gateway import Gateway, Switches
from payments_mtn_momo.emulator.replies import empty, firewall_page, from_gateway, from_momo, json_answer
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.settings import MtnMomoSettings
from payments_mtn_momo.spec import SPEC as MOMO_SPEC

GOOD, OTHER, POOR = "46733123499", "46733123498", "46733123455"  # paid; paid; NOT_ENOUGH_FUNDS when read
ACCOUNT = "till"
ONCE = RetryPolicy(attempts=1)  # repeats inside one read wait on the real clock
VISIBLE_AFTER_S = 300.0
WHILE_S = 1000.0
LONG_S = 2000.0
_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
# Fewer steps than the default, with the same turns: three reads span the time a payment may stay invisible.
MOMO_POLLS_S = (5.0, 15.0, 300.0, 300.0, 600.0, 1200.0, 3600.0, 3600.0)
COLLECTED = Money("25.50", "EUR")  # from each payer; what POOR is said to have paid the gateway knows nothing of
# Nothing at the gateway stands in the way of refunding too much: only our journal does.
SWITCHES = Switches(over_refund="succeeds", unknown_refund="fails")


@dataclass(frozen=True, slots=True)
class PostEnd:
    """How payments end on the wire, one behaviour for each that gets there; later ones simply pass.

    Args:
        behaviours: Names of ``Momo`` methods without their prefix.
        payee: Who is paid; of a refund, whoever paid the collection.
        seeded: A payment of the same reference that is there already: its payee.
        invisible_s: How long an accepted payment is not found by reads.

    """

    behaviours: tuple[str, ...] = ()
    payee: str = GOOD
    seeded: str = ""
    invisible_s: float = 0.0


POST_ENDS: Mapping[str, PostEnd] = {
    "accepted": PostEnd(),
    "accepted, answer lost": PostEnd(("accept_lose",)),
    "lost before acceptance": PostEnd(("lose",)),
    "applied late": PostEnd(("apply_late",)),
    "not sent": PostEnd(("not_sent",)),
    "not sent twice": PostEnd(("not_sent", "not_sent")),
    "duplicate, ours": PostEnd(seeded=GOOD),
    "duplicate, another's": PostEnd(seeded=OTHER),
    "refused 400": PostEnd(("refuse_400", "refuse_400", "refuse_400", "refuse_400", "refuse_400", "refuse_400")),
    "accepted, lost, then 400": PostEnd(("accept_lose", "refuse_400", "refuse_400", "refuse_400", "refuse_400")),
    "internal 500": PostEnd(("say_500",)),
    "internal 500, accepted": PostEnd(("accept_say_500",)),
    "503": PostEnd(("say_503",)),
    "503, accepted": PostEnd(("accept_say_503",)),
    "429": PostEnd(("say_429",)),
    "401": PostEnd(("say_401",)),
    "401 twice": PostEnd(("say_401", "say_401")),
    "403": PostEnd(("say_403",)),
    "403 twice": PostEnd(("say_403", "say_403")),
    "accepted, failed later": PostEnd(payee=POOR),
    "lost, failed later": PostEnd(("accept_lose",), payee=POOR),
    "accepted, invisible": PostEnd(invisible_s=200.0),
}

GET_ENDS = ("answers", "404 for a while", "5xx for a while", "lost for a while", "pending for long")


@dataclass
class Momo:
    """MoMo's side, as a crash of ours leaves it.

    Args:
        stage: For the clock and the journal on disk.
        post: How payments end on the wire.
        get: How reads end.
        api_user: Whose payments these are.
        base_url: Where it is.

    """

    stage: Stage
    post: PostEnd
    get: str
    api_user: str = "6f1a2b3c-0000-4000-8000-00000000c0de"
    base_url: str = "https://sandbox.momodeveloper.mtn.com"
    posts: list[HttpRequest] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    late: list[tuple[datetime, HttpRequest]] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.started_at = self.stage.clock()
        self.held = Credentials(self.api_user, "k" * 32, "s" * 32)
        self.gateway = Gateway(self.held, switches=SWITCHES)
        for payer in (GOOD, OTHER):
            party = {"partyIdType": "MSISDN", "partyId": payer}
            one = Collection(
                reference=collection_of(payer), amount=COLLECTED.text, currency="EUR", payer=party, at=_LONG_AGO
            )
            self.gateway.collections[one.reference] = one

    def account(self) -> Account:
        settings = MtnMomoSettings.model_validate(
            {
                "target_environment": "sandbox",
                "base_url": self.base_url,
                "api_user": self.held.api_user,
                "api_key": self.held.api_key,
                "subscription_key": self.held.subscription_key,
                "poll_schedule_s": MOMO_POLLS_S,
                "reads_per_s": 0,  # permits are waited for in real time, and time here is virtual
            }
        )
        spec = replace(MOMO_SPEC, retry=dict.fromkeys(MOMO_SPEC.retry, ONCE))
        return Account(ACCOUNT, spec, settings, spec.build(settings))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self._apply_late()
        if request.moves_money:
            return self._money(request)
        return self._read(request) if request.method == "GET" else self._answer(request)

    def credited(self, payout: Payout) -> list[str]:
        """Return the reference of every credit a payout has led or will ever lead to."""
        self._settle_all()
        owners = {payment.reference: payment.order.get("externalId") for payment in self.gateway.books.accepted}
        own = [
            credit
            for credit in self.gateway.books.credits
            if owners[credit.reference] == payout.references["external_id"]
        ]
        return [credit.reference for credit in own if credit.payee == self._payee_of(payout)]

    def sent(self, payout: Payout) -> list[HttpRequest]:
        """Return the payments of a payout that were on the wire."""
        called = payout.references["external_id"]
        return [post for post in self.posts if json.loads(post.body or "")["externalId"] == called]

    def over_refunded(self) -> list[str]:
        """Return the collections of which more is or will be paid back than was collected."""
        self._settle_all()
        books, known = self.gateway.books, self.gateway.collections
        totals = [(books.refunded(reference), Decimal(one.amount)) for reference, one in known.items()]
        return [f"refunded {refunded} of {collected}" for refunded, collected in totals if refunded > collected]

    def _settle_all(self) -> None:
        self.stage.clock.advance(1000 * 3600)
        self._apply_late()
        self.gateway.books.settle(self.stage.clock())

    def _payee_of(self, payout: Payout) -> str:
        if payout.operation is not Operation.REFUND:
            return payout.payee.value
        found = self.gateway.collections.get(payout.payee.value)
        return found.payer["partyId"] if found else ""

    # --- money requests ---

    def _money(self, request: HttpRequest) -> HttpResponse:
        step = self.asked
        self.asked += 1
        behaviour = self.post.behaviours[step] if step < len(self.post.behaviours) else "pass"
        if behaviour == "not_sent":
            raise NotSent("refused", at=self.stage.clock())
        if self.post.seeded and not self.posts:
            self._seed(request)
        self.posts.append(request)
        reference = request.headers["X-Reference-Id"]
        sends = sum(post.headers["X-Reference-Id"] == reference for post in self.posts)
        self.broken += unwritten(self.stage, reference, sends)
        done: Callable[[HttpRequest], HttpResponse] = getattr(self, f"_do_{behaviour}")
        return done(request)

    def _do_pass(self, request: HttpRequest) -> HttpResponse:
        return self._answer(request)

    def _do_accept_lose(self, request: HttpRequest) -> HttpResponse:
        self._answer(request)
        return self._do_lose(request)

    def _do_lose(self, request: HttpRequest) -> HttpResponse:
        self.stage.clock.advance(request.timeout_s)
        raise NoAnswer("timed out", at=self.stage.clock())

    def _do_apply_late(self, request: HttpRequest) -> HttpResponse:
        self.late.append((self.stage.clock() + timedelta(seconds=200), request))
        return self._do_lose(request)

    def _do_refuse_400(self, _: HttpRequest) -> HttpResponse:
        return self._response(empty(400, self.stage.clock()))

    def _do_accept_say_500(self, request: HttpRequest) -> HttpResponse:
        self._answer(request)
        return self._do_say_500(request)

    def _do_say_500(self, _: HttpRequest) -> HttpResponse:
        return self._response(from_momo(500, "INTERNAL_PROCESSING_ERROR", self.stage.clock()))

    def _do_accept_say_503(self, request: HttpRequest) -> HttpResponse:
        self._answer(request)
        return self._do_say_503(request)

    def _do_say_503(self, _: HttpRequest) -> HttpResponse:
        return self._response(from_momo(503, "SERVICE_UNAVAILABLE", self.stage.clock()))

    def _do_say_429(self, _: HttpRequest) -> HttpResponse:
        return self._response(from_gateway(429, "Rate limit is exceeded.", self.stage.clock(), **{"retry-after": "7"}))

    def _do_say_401(self, _: HttpRequest) -> HttpResponse:
        return self._response(from_gateway(401, "Unauthorized. Access token is invalid.", self.stage.clock()))

    def _do_say_403(self, _: HttpRequest) -> HttpResponse:
        return self._response(firewall_page(403, "403 Forbidden", self.stage.clock()))

    def _seed(self, request: HttpRequest) -> None:
        """Let a payment be there under our reference before our first one: ours from a lost journal, or another's."""
        body = json.loads(request.body or "")
        if "payee" in body:
            body["payee"]["partyId"] = self.post.seeded
        elif self.post.seeded != self.post.payee:  # our key, in a journal that is lost, refunded another collection
            called = f"{body['externalId'].rpartition('-')[0]}-{'0' * 12}"
            body |= {"referenceIdToRefund": collection_of(self.post.seeded), "externalId": called}
        self._answer(replace(request, body=json.dumps(body)))

    def _apply_late(self) -> None:
        for moment, request in list(self.late):
            if self.stage.clock() >= moment:
                self.late.remove((moment, request))
                self._answer(request)

    # --- reads ---

    def _read(self, request: HttpRequest) -> HttpResponse:
        clock = self.stage.clock
        passed_s = (clock() - self.started_at).total_seconds()
        if self.get == "pending for long" and passed_s < LONG_S:
            return self._as_pending(self._answer(request))
        if passed_s >= WHILE_S or self.get == "answers":
            return self._answer(request)
        if self.get == "404 for a while":
            return self._response(from_momo(404, "RESOURCE_NOT_FOUND", clock()))
        if self.get == "5xx for a while":
            return self._response(from_momo(503, "SERVICE_UNAVAILABLE", clock()))
        if self.get == "lost for a while":
            clock.advance(request.timeout_s)
            raise NoAnswer("timed out", at=clock())
        return self._answer(request)

    def _as_pending(self, response: HttpResponse) -> HttpResponse:
        if response.status != 200:
            return response
        fields = json.loads(response.body) | {"status": "PENDING"}
        fields.pop("reason", None)
        fields.pop("financialTransactionId", None)
        return self._response(json_answer(200, fields, self.stage.clock()))

    def _answer(self, request: HttpRequest) -> HttpResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = (request.body or "").encode()
        at = self.stage.clock()
        answer = self.gateway.handle(request.method, urlsplit(request.url).path, headers, body, at)
        taken = self.gateway.books.accepted
        if request.moves_money and answer.status == 202 and self.post.invisible_s:
            hidden = replace(taken[-1], visible_at=at + timedelta(seconds=self.post.invisible_s))
            taken[-1] = hidden
            self.gateway.books._by_reference[hidden.reference] = hidden
        return self._response(answer)

    def _response(self, answer: Answer) -> HttpResponse:
        return HttpResponse(answer.status, answer.headers, answer.body, self.stage.clock())


def unwritten(stage: Stage, reference: str, posts: int) -> list[str]:
    """Look at the journal through a connection of its own: whatever is on the wire must stand there as SENDING."""
    rows = stage.store.ask(
        'SELECT status, submissions, lease_owner FROM payouts WHERE "references" LIKE ?', (f"%{reference}%",)
    )
    if len(rows) != 1 or rows[0][0] != "SENDING" or rows[0][1] < posts or not rows[0][2]:
        return [f"payment {posts} under {reference} left while the journal said {rows}"]
    return []


def collection_of(payer: str) -> str:
    """Return the reference under which money was collected from a payer."""
    return f"c0111ec7-0000-4000-8000-{payer:0>12}"


def order_of(
    operation: Operation, payee: str, *, key: str = "salary/1", amount: Money = COLLECTED, note: str = "November"
) -> Order:
    """Return an order that pays somebody, or pays back what was collected from them."""
    if operation is not Operation.REFUND:
        return Order(key, Payee.msisdn(payee), amount, operation, note)
    return Order(key, Payee.payer_of(collection_of(payee)), amount, operation, note, original_amount=COLLECTED)


def momo_world(stage: Stage, post: PostEnd, get: str) -> World:
    """Return a world of one account at MoMo."""
    momo = Momo(stage, post, get)
    return World(accounts=[momo.account()], gateway=momo)


def momo_scenario(post: str, get: str, operation: Operation = Operation.TRANSFER) -> Scenario:
    """Return the scenario of one way to send and one way to read."""
    name = f"{post} | {get}"
    return Scenario(
        name=name if operation is Operation.TRANSFER else f"{operation}: {name}",
        orders=[(ACCOUNT, order_of(operation, POST_ENDS[post].payee))],
        world=lambda stage: momo_world(stage, POST_ENDS[post], get),
    )


# Ways to send the first of several refunds that do not fail it: what is left for others never grows.
REFUNDS_POSTS = (
    "accepted",
    "accepted, answer lost",
    "lost before acceptance",
    "applied late",
    "not sent",
    "not sent twice",
    "internal 500, accepted",
    "429",
    "403",
)
REFUNDS = ("10.00", "15.50", "5.00")  # the first two are all that was collected; the last is too much beside either
TOO_MUCH = "refund/3"


def refunds_of_one(post: PostEnd, get: str = "answers", *, name: str = "refunds") -> Scenario:
    """Return a scenario of three refunds of one collection; the last is more than is left of it."""
    orders = [
        order_of(Operation.REFUND, GOOD, key=f"refund/{number}", amount=Money(amount, "EUR"))
        for number, amount in enumerate(REFUNDS, 1)
    ]
    return Scenario(
        name=name,
        orders=[(ACCOUNT, order) for order in orders],
        world=lambda stage: momo_world(stage, post, get),
    )


# Ways to send the first of two payouts of which the account's day holds one: it keeps its amount, or returns it.
LIMITED_POSTS = (
    "accepted",
    "accepted, answer lost",
    "lost before acceptance",
    "applied late",
    "not sent",
    "refused 400",
    "internal 500, accepted",
    "403",
    "accepted, failed later",
)
DAILY_LIMIT = Decimal("25.50")
_STARTS_AT = datetime(2026, 1, 5, 8, tzinfo=UTC)
_ENDS_SOON = "Pacific/Auckland"  # its day ends three hours later


def limited(post: PostEnd, get: str = "answers", *, name: str = "limited") -> Scenario:
    """Return a scenario of two payouts in one day: the later one fits only if the first one has returned its amount."""

    def world(stage: Stage) -> World:
        momo = Momo(stage, post, get)
        account, setting = momo.account(), {"daily_limit": {"EUR": DAILY_LIMIT}, "time_zone": _ENDS_SOON}
        return World(accounts=[replace(account, settings=account.settings.model_copy(update=setting))], gateway=momo)

    late = order_of(Operation.TRANSFER, post.payee, key="salary/late", amount=Money("10", "EUR"))
    late = replace(late, not_before=_STARTS_AT + timedelta(hours=1))
    first = order_of(Operation.TRANSFER, post.payee, amount=Money("20", "EUR"))
    return Scenario(name=name, orders=[(ACCOUNT, late), (ACCOUNT, first)], world=world, starts_at=_STARTS_AT)


def momo_scenarios() -> Sequence[Scenario]:
    """Return every way to send, to read and to pay, several refunds of one collection, and two payouts of a day."""
    singles = [momo_scenario(post, get, how) for how in Operation for post in POST_ENDS for get in GET_ENDS]
    several = [
        refunds_of_one(POST_ENDS[post], get, name=f"refunds of one: {post} | {get}")
        for post in REFUNDS_POSTS
        for get in ("answers", "404 for a while")
    ]
    of_a_day = [
        limited(POST_ENDS[post], get, name=f"limited: {post} | {get}")
        for post in LIMITED_POSTS
        for get in ("answers", "404 for a while")
    ]
    return [*singles, *several, *of_a_day]
