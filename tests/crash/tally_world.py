"""Tally's side of the crash tests: a provider that pays twice if it is told so, and answers questions later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlsplit

import tally
from crash_points import Arrival, Scenario, Stage, World
from tally_gateway import TallyGateway
from worlds import ACCOUNT, unwritten

from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee, Payout
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.provider import Account, Callback

TALLY_POLLS_S = (5.0, 15.0, 60.0, 600.0, 3600.0, 3600.0)

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
# What comes to the path of each question, one after another, where no send tells the end.
TALLY_PATHS: Mapping[str, Sequence[bytes | dict[str, int]]] = {
    "empty, true": (b"", {}),
    "failed, true": ({"result": 17}, {}),
    "true, failed": ({}, {"result": 17}),
    "true, true": ({}, {}),
}


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

    def credited(self, _: Payout) -> list[str]:
        return self.gateway.credits

    def sent(self, _: Payout) -> list[HttpRequest]:
        return self.posts

    def over_refunded(self) -> list[str]:
        return []

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
        status, result = self.gateway.handle(urlsplit(request.url).path, (request.body or "").encode())
        return HttpResponse(status, {}, json.dumps(result).encode(), self.stage.clock())

    def _deliver(self) -> None:
        assert self.world is not None
        for token, result in self.gateway.answers:
            if self.answers == "never":
                continue
            for number, change in enumerate(TALLY_PATHS.get(self.answers, ())):
                at = self.stage.clock() + timedelta(seconds=2.0 + number)
                raw = change if isinstance(change, bytes) else json.dumps({**result, **change}).encode()
                self.world.arrivals.append(Arrival(at, token, Callback("POST", {}, raw, at)))
            if self.answers in TALLY_PATHS:
                continue
            forged = self.answers == "forged first" and self.gateway.asked[result["txn"]] == 1
            body = {"txn": "T-AAAAAAAAAAAA", "result": 17} if forged else result
            body = {"txn": result["txn"], "result": 404} if self.answers == "absent" else body
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
