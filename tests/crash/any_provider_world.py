"""The world of any provider that is installed: its emulator's gateway without a socket, and its own flows."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, ClassVar
from urllib.parse import urlsplit

from crash_points import Arrival, End, Scenario, Stage, World
from reconciliation import Reconciliation, reconcile_ledger
from watching import Watched

from payments_core.client import PayoutClient, build_account
from payments_core.client.inbox import PATH
from payments_core.domain.payout import Order
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.plugins.manager import Plugins
from payments_core.provider import Account, Callback, ProviderSpec

KEY = "wage/1"
_UNSENT = "not sent"  # a fault of the line, which no emulator has
_TOKEN = "A" * 32  # stands for the account's own, which a journal makes; minted ones differ from it
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_SETTINGS: Mapping[str, Any] = {
    "timeout_s": 10,
    "poll_schedule_s": [5, 15, 300, 300, 600, 1200, 3600, 3600],
    "reads_per_s": 0,  # permits are waited for by the real clock
    "posts_per_s": 0,
}

# What an emulator writes for a rehearsal in real time.
_REHEARSED = {"visible_after_s", "dedupe_settle_s", "retry_schedule_s", "probe_after_s", "lease_s"}

ONCE: Mapping[str, Any] = {"next": 1}
POSTS: Mapping[str, Mapping[str, Any]] = {
    "taken": {},
    "taken, answer lost": {"answer_lost_after_acceptance": ONCE},
    "taken, answer cut": {"reset_mid_body": ONCE},
    "lost before": {"answer_lost_before_acceptance": ONCE},
    "not sent": {_UNSENT: 1},
    "500": {"status_500": ONCE},
    "500, taken": {"status_500": {"next": 1, "accepted": True}},
    "503": {"status_503": ONCE},
    "503, taken": {"status_503": {"next": 1, "accepted": True}},
    "429": {"status_429": ONCE},
    "403": {"waf_page": ONCE},
    "token refused": {"token_refused": {"next": 1, "on": "post"}},
    "unpayable": {},
    "taken, hidden": {"invisible_s": {"next": 1, "value": 45}},
    "taken, never ends": {"stuck_pending": ONCE},
}
READS: Mapping[str, Mapping[str, Any]] = {
    "answers": {},
    "5xx for a while": {"status_503": {"next": 3, "on": "get"}},
    "lost for a while": {"answer_lost_before_acceptance": {"next": 3, "on": "get"}},
    "no callback comes": {"callback_lost": True},
    "callbacks lie": {"callback_forged": True, "callback_contradicts": True, "callback_for_another": True},
    "callbacks come twice, and late": {"callback_repeated": True, "callback_late_s": {"value": 600}},
}


def faults_of(post: str, read: str) -> tuple[dict[str, Any], int]:
    """Return the faults of a scenario, and how often a payment is not sent at all."""
    together: dict[str, Any] = {}
    for name, form in (*POSTS[post].items(), *READS[read].items()):
        together[name] = [together[name], form] if name in together else form
    return together, together.pop(_UNSENT, 0)


class Installed:
    """A provider that is installed, with an emulator that every run begins with a fresh copy of.

    Args:
        spec: The provider's.
        folder: For the emulator's configuration.

    """

    def __init__(self, spec: ProviderSpec, folder: Path) -> None:
        self.folder = folder
        kind = resolve_name(spec.conformance)
        self.profile, self.emulator = kind(), kind.emulator()
        self.emulator.url = "http://127.0.0.1:1"  # nobody listens: what is sent is answered here
        config = folder / "payouts.toml"
        [self.account, *_] = self.emulator.write_config(config, overwrite=True)
        fields = tomllib.loads(config.read_text("utf-8"))["accounts"][self.account]
        fields = {name: value for name, value in fields.items() if name not in _REHEARSED}
        fields |= {**_SETTINGS, "retry": {name: {"attempts": 1} for name in spec.retry}, **self.profile.settings}
        self.settings = fields | dict(self.profile.callback_settings("http://localhost:1", f"/{PATH}/{_TOKEN}"))
        self.plugins = Plugins()

    def scenario(self, post: str, read: str) -> Scenario:
        """Return the scenario of one way to send and one way to read."""
        profile = self.profile
        payee = profile.unpayable if post == "unpayable" and profile.unpayable else profile.payee
        order = Order(key=KEY, payee=payee, amount=profile.amount, options=profile.options)

        def person(client: PayoutClient, world: World, at: datetime) -> datetime | None:
            side = world.gateway
            assert isinstance(side, Side)
            return side.hear(client, at)

        return Scenario(
            name=f"{post} | {read}",
            orders=[(self.account, order)],
            world=lambda stage: Side(stage, self, post, read).world,
            person=person,
        )

    def build(self) -> Account:
        """Return the account anew: what it learns is forgotten with the process."""
        return build_account(self.plugins, self.account, self.settings, root=self.folder)


class Side:
    """The provider's side, as a crash of ours leaves it.

    Args:
        stage: For the clock.
        provider: Whose.
        post: How the first payment ends on the wire.
        read: How reads end, and what callbacks are like.

    """

    sleep: ClassVar[Callable[[float], None]]  # lets the clock of the world that was made last pass

    def __init__(self, stage: Stage, provider: Installed, post: str, read: str) -> None:
        self.stage = stage
        Side.sleep = stage.clock.advance
        self.watched = Watched(deepcopy(provider.emulator.gateway))
        described, self.unsent = faults_of(post, read)
        self.watched.set_faults(described, stage.clock())
        self.hints: list[Arrival] = []
        self.world = World(accounts=[provider.build()], gateway=self)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request, and take up what is called back because of it."""
        clock = self.stage.clock
        if request.moves_money and self.unsent:
            self.unsent -= 1
            raise NotSent("refused", at=clock())
        parts = urlsplit(request.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {"host": parts.netloc, **request.headers}
        body = (request.body or "").encode()
        outcome = self.watched.exchange(request.method, path, headers, body, clock())
        self._take_callbacks()
        if outcome.arrives != "whole" or outcome.answer is None:
            raise NoAnswer("reset", at=clock())
        return HttpResponse(outcome.answer.status, outcome.answer.headers, outcome.answer.body, clock())

    def _take_callbacks(self) -> None:
        book = self.watched.gateway.callbacks
        while due := book.due(_EVER)[0]:
            for callback in due:
                token = callback.url.rpartition("/")[2]
                text = Callback(callback.method, callback.headers, callback.body, callback.due_at)
                goes = self.hints if token == _TOKEN else self.world.arrivals
                goes.append(Arrival(callback.due_at, token, text))
                book.note(callback, 200, "", 0.0)

    def hear(self, client: PayoutClient, at: datetime) -> datetime | None:
        """Let what is called back to the account's own path come in; return when the next does."""
        for hint in [hint for hint in self.hints if hint.at <= at]:
            [token] = client.inbox.tokens.values()
            place = client.inbox.place(token)
            assert place is not None
            client.inbox.receive(place, hint.callback).result()
            self.hints.remove(hint)
            client.inbox.handle()
            return at
        return min((hint.at for hint in self.hints), default=None)

    def reckoned(self, end: End, namespace: str) -> Reconciliation:
        """Hold the provider's books at rest against the journal that is left."""
        self.stage.clock.advance(1000 * 3600)
        journal = end.store.open(namespace, self.stage.clock)
        try:
            ledger = self.watched.gateway.ledger(self.stage.clock())
            return reconcile_ledger(journal, ledger, self.watched.posts, [KEY])
        finally:
            journal.close()
