"""The worlds the crash tests play in: MoMo's gateway and Tally's, each with a way to send and to read going wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import tally
from tally_gateway import TallyGateway

from payments_core.money import Money
from payments_core.payout import Order, Payee
from payments_core.provider import Account, Callback, RetryPolicy
from payments_core.testing import Arrival, Scenario, Stage, World
from payments_core.wire import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_mtn_momo.emulator.gateway import Gateway
from payments_mtn_momo.emulator.replies import Answer, empty, firewall_page, from_gateway, from_momo, json_answer
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.settings import MtnMomoSettings
from payments_mtn_momo.spec import SPEC as MOMO_SPEC

GOOD, OTHER, POOR = "46733123499", "46733123498", "46733123455"  # paid; paid; NOT_ENOUGH_FUNDS when read
ACCOUNT = "till"
ONCE = RetryPolicy(attempts=1)  # repeats inside one read wait on the real clock
VISIBLE_AFTER_S = 300.0
WHILE_S = 1000.0
LONG_S = 2000.0
# Fewer steps than the default, with the same turns: three reads span the time a payment may stay invisible.
MOMO_POLLS_S = (5.0, 15.0, 300.0, 300.0, 600.0, 1200.0, 3600.0, 3600.0)
TALLY_POLLS_S = (5.0, 15.0, 60.0, 600.0, 3600.0, 3600.0)


@dataclass(frozen=True, slots=True)
class PostEnd:
    """How payments end on the wire, one behaviour for each that gets there; later ones simply pass.

    Args:
        behaviours: Names of ``Momo`` methods without their prefix.
        payee: Who is paid.
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

    """

    stage: Stage
    post: PostEnd
    get: str
    posts: list[HttpRequest] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    late: list[tuple[datetime, HttpRequest]] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.started_at = self.stage.clock()
        self.held = Credentials("6f1a2b3c-0000-4000-8000-00000000c0de", "k" * 32, "s" * 32)
        self.gateway = Gateway(self.held)

    def account(self) -> Account:
        settings = MtnMomoSettings.model_validate(
            {
                "target_environment": "sandbox",
                "api_user": self.held.api_user,
                "api_key": self.held.api_key,
                "subscription_key": self.held.subscription_key,
                "poll_schedule_s": MOMO_POLLS_S,
            }
        )
        spec = replace(MOMO_SPEC, retry={"token": ONCE, "transfer_status": ONCE})
        return Account(ACCOUNT, spec, settings, spec.build(settings))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self._apply_late()
        if request.moves_money:
            return self._money(request)
        return self._read(request) if request.method == "GET" else self._answer(request)

    def credits(self) -> list[str]:
        """Return the reference of every credit there is or will ever be."""
        self.stage.clock.advance(1000 * 3600)
        self._apply_late()
        self.gateway.books.settle(self.stage.clock())
        return [credit.reference for credit in self.gateway.books.credits if credit.payee == self.post.payee]

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
        self.broken += unwritten(self.stage, request.headers["X-Reference-Id"], len(self.posts))
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
        body["payee"]["partyId"] = self.post.seeded
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
        told = json.loads(response.body) | {"status": "PENDING"}
        told.pop("reason", None)
        told.pop("financialTransactionId", None)
        return self._response(json_answer(200, told, self.stage.clock()))

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
    connection = sqlite3.connect(f"file:{stage.journal}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            'SELECT status, tries, lease_owner FROM payouts WHERE "references" LIKE ?', (f"%{reference}%",)
        ).fetchall()
    finally:
        connection.close()
    if len(rows) != 1 or rows[0][0] != "SENDING" or rows[0][1] < posts or not rows[0][2]:
        return [f"payment {posts} under {reference} left while the journal said {rows}"]
    return []


def momo_scenario(post: str, get: str) -> Scenario:
    """Return the scenario of one way to send and one way to read."""

    def world(stage: Stage) -> World:
        momo = Momo(stage, POST_ENDS[post], get)
        return World(accounts=[momo.account()], gateway=momo)

    order = Order("salary/1", Payee.msisdn(POST_ENDS[post].payee), Money("25.50", "EUR"), note="November")
    return Scenario(name=f"{post} | {get}", orders=[(ACCOUNT, order)], world=world)


# --- Tally ---

TALLY_POSTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "paid": ((), "254700000900"),
    "paid, answer lost": (("accept_lose",), "254700000900"),
    "lost before": (("lose",), "254700000900"),
    "not sent": (("not_sent",), "254700000900"),
    "refused": ((), "254700000017"),
    "500": (("say_500",), "254700000900"),
    "slow": ((), "254700000001"),
}
TALLY_ANSWERS = ("arrive", "arrive late", "arrive twice", "never", "forged first")


@dataclass
class TallyWorld:
    """Tally's side, as a crash of ours leaves it.

    Args:
        stage: For the clock and the journal on disk.
        behaviours: How payments end on the wire.
        answers: How the answers to questions come.
        gateway: What answers.

    """

    stage: Stage
    behaviours: tuple[str, ...]
    answers: str
    gateway: TallyGateway = field(default_factory=TallyGateway)
    world: World | None = None
    posts: list[HttpRequest] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    asked: int = 0

    def account(self, **facts: object) -> Account:
        settings = tally.TallySettings.model_validate({"poll_schedule_s": TALLY_POLLS_S})
        spec = replace(tally.SPEC, facts=replace(tally.SPEC.facts, **facts))  # type: ignore[arg-type]
        return Account(ACCOUNT, spec, settings, spec.build(settings))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.moves_money:
            return self._money(request)
        response = self._handle(request)
        self._deliver()
        return response

    def credits(self) -> list[str]:
        return self.gateway.credits

    def _money(self, request: HttpRequest) -> HttpResponse:
        step, clock = self.asked, self.stage.clock
        self.asked += 1
        behaviour = self.behaviours[step] if step < len(self.behaviours) else "pass"
        if behaviour == "not_sent":
            raise NotSent("refused", at=clock())
        self.posts.append(request)
        txn = json.loads(request.body or "")["txn"]
        self.broken += unwritten(self.stage, txn, len(self.posts))
        response = self._handle(request) if behaviour in {"pass", "accept_lose"} else None
        if behaviour == "say_500":
            return HttpResponse(500, {}, b"Internal Server Error", clock())
        if response is None or behaviour == "accept_lose":
            clock.advance(request.timeout_s)
            raise NoAnswer("timed out", at=clock())
        return response

    def _handle(self, request: HttpRequest) -> HttpResponse:
        status, told = self.gateway.handle(urlsplit(request.url).path, (request.body or "").encode())
        return HttpResponse(status, {}, json.dumps(told).encode(), self.stage.clock())

    def _deliver(self) -> None:
        assert self.world is not None
        for token, told in self.gateway.answers:
            if self.answers == "never":
                continue
            forged = self.answers == "forged first" and self.gateway.asked[told["txn"]] == 1
            body = {"txn": "T-AAAAAAAAAAAA", "result": 17} if forged else told
            body = {"txn": told["txn"], "result": 404} if self.answers == "absent" else body
            wait_s = 4000.0 if self.answers == "arrive late" else 2.0
            for again in range(2 if self.answers == "arrive twice" else 1):
                at = self.stage.clock() + timedelta(seconds=wait_s + again)
                callback = Callback("POST", {}, json.dumps(body).encode(), at)
                self.world.arrivals.append(Arrival(at, token, callback))
        self.gateway.answers.clear()


def tally_scenario(post: str, answers: str) -> Scenario:
    """Return the scenario of one way to send and one way to be answered."""
    behaviours, payee = TALLY_POSTS[post]

    def world(stage: Stage) -> World:
        side = TallyWorld(stage, behaviours, answers)
        side.world = World(accounts=[side.account()], gateway=side)
        return side.world

    order = Order("grant/1", Payee.msisdn(payee), Money("25.50", "KES"))
    return Scenario(name=f"tally: {post} | {answers}", orders=[(ACCOUNT, order)], world=world)


def scenarios() -> dict[str, Scenario]:
    """Return every scenario by name."""
    every = [momo_scenario(post, get) for post in POST_ENDS for get in GET_ENDS]
    every += [tally_scenario(post, answers) for post in TALLY_POSTS for answers in TALLY_ANSWERS]
    return {scenario.name: scenario for scenario in every}
