"""One life of one process: its own name, connection, credentials and the flows it is in the middle of."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any, cast

from crash_points.scenario import Point, Stopped

from payments_core.client.inbox import Inbox
from payments_core.domain.inbox_records import Arrival, Handled, Handling
from payments_core.domain.records import PayoutRecord
from payments_core.engine import StepContext
from payments_core.engine.commands import DelayPayout, JournalCommand, JournalResult, LoadAttempts, RecordAccountQuery
from payments_core.engine.journal_protocol import Journal
from payments_core.http.messages import HttpRequest, HttpResponse, NotSent
from payments_core.plugins.manager import Plugins
from payments_core.provider import Account, Callback
from payments_core.runtime import AccountSession, AsyncAccountSession, Runtime
from payout_simulation.callback_traffic import CallbackMessage, CallbackTraffic
from payout_simulation.fake_rate_limiter import AsyncRateLimiter, RateLimiter
from payout_simulation.gateway import Gateway
from payout_simulation.invariant_checker import InvariantChecker
from payout_simulation.plan import Plan
from payout_simulation.seeded_random import stream
from payout_simulation.simulated_time import Time
from payout_simulation.task import Task, Tracks

__all__ = ["NAMESPACE", "Process", "World"]

NAMESPACE = "simulated-installation"
_SHARE_WITHOUT_PERMIT = 0.05


class World:
    """What outlives every process.

    Args:
        plan: What is simulated.
        time: The only clock.
        accounts: To pay from, by name; replaced when one pays as somebody else.
        gateways: Where each account's requests go.
        mail: What comes to us unasked.
        plugins: Guards.
        watch: Hears of everything.

    """

    def __init__(
        self,
        plan: Plan,
        time: Time,
        accounts: Mapping[str, Account],
        gateways: Mapping[str, Gateway],
        mail: CallbackTraffic,
        plugins: Plugins,
        watch: InvariantChecker,
    ) -> None:
        self.plan = plan
        self.time = time
        self.accounts = accounts
        self.gateways = gateways
        self.mail = mail
        self.plugins = plugins
        self.watch = watch
        self.loop = asyncio.new_event_loop()
        self.limiter = RateLimiter(stream(plan.seed, "permits"), _SHARE_WITHOUT_PERMIT if plan.has("permits") else 0.0)
        self.refusals: Counter[str] = Counter()  # what people and the application may not do, by the error's name
        self.unhandled = 0  # callbacks that are kept, and not looked at yet
        self.is_early = False  # some were looked at and left: they wait until a send has ended
        self.trace: list[tuple[int, str, str, str]] = []

    def note(self, who: str, about: str, what: str) -> None:
        """Add to the trace."""
        self.trace.append((self.time.passed_us, who, about, what))

    def close(self) -> None:
        """Give the event loop back."""
        self.loop.close()


class Process:
    """One life, from its start to its death.

    Args:
        name: Unique to this life.
        world: Where it lives.
        journal: Its own connection to the one journal.
        on_loop: Whether its lines are those for an event loop.

    """

    def __init__(self, name: str, world: World, journal: Journal, *, on_loop: bool) -> None:
        self.name = name
        self.world = world
        self.tasks: list[Task] = []
        self.batch: list[PayoutRecord] = []  # due when it last looked
        self.frozen_until_us = 0
        self.doomed = False  # it dies when its next command has taken effect
        self.about = ""  # the key of the payout it is at
        self.took_us = 0  # how long its last exchange takes
        self.journal = cast("Journal", _Journal(journal, self))
        self.runtime = Runtime(
            namespace=NAMESPACE,
            journal=self.journal,
            plugins=world.plugins,
            accounts=world.accounts,
            clock=world.time,
            owner=name,
        )
        self._inbox = Inbox(self.runtime)
        self._tracks: dict[Account, Tracks] = {}
        self._on_loop = on_loop
        self._tokens = 0

    def take_up(self, about: str, flow: Any) -> None:
        """Begin to work on a payout."""
        task = Task(self, about, flow)
        self.tasks.append(task)
        task.go_on(lambda: next(flow))

    def tracks(self, account: Account) -> Tracks:
        """Return the line of an account, as what it pays as now or paid as before."""
        if account not in self._tracks:
            wire, limiter = _Wire(self, self.world.gateways[account.name]), self.world.limiter
            if self._on_loop:
                line = AsyncAccountSession(account, cast("Any", _AsyncWire(wire)), self.runtime)
                line.limiter = cast("Any", AsyncRateLimiter(limiter))
                self._tracks[account] = Tracks(line, self.world.loop)
            else:
                plain = AccountSession(account, wire, self.runtime)
                plain.limiter = cast("Any", limiter)
                self._tracks[account] = Tracks(plain, None)
        return self._tracks[account]

    def moment(self) -> StepContext:
        """Return what a flow may not find out by itself."""
        return StepContext(self.world.time(), self.name, self._new_token, NAMESPACE, self.runtime.accounts)

    def _new_token(self) -> str:
        self._tokens += 1
        digest = hashlib.sha256(f"{self.name}:{self._tokens}".encode()).digest()
        return base64.urlsafe_b64encode(digest[:24]).decode()

    def receive(self, letter: CallbackMessage) -> None:
        """Take in what came to us, as the application that serves callbacks does."""
        token = letter.token or self._inbox.tokens[letter.account]
        self.about = ""
        place = self._inbox.place(token)
        if place is None:
            self.passed(f"{letter.how}: leads nowhere")
            return
        callback = Callback("POST", {}, letter.write(), self.world.time())
        kept = self._inbox.receive(place, callback).result()
        self.world.unhandled += kept
        self.passed(f"{letter.how}: {'kept' if kept else 'over the cap'}")
        self._inbox.acknowledge(place, callback)

    def handle(self) -> None:
        """Handle what was kept."""
        self.about = ""
        self._inbox.handle()
        self.world.unhandled = 0
        self.world.is_early = bool(self.journal.unhandled(accounts=sorted(self.runtime.accounts), limit=1))

    def passed(self, what: str) -> None:
        """A command has taken effect; nobody has seen it yet."""
        self.world.note(self.name, self.about, what)
        if self.doomed:
            raise Stopped(Point(len(self.world.trace), what))

    def discard(self) -> None:
        """Give everything back: it is dead."""
        for task in self.tasks:
            task.drop()
        self.tasks.clear()
        self.journal.close()


class _Wire:
    """A transport whose other end is a simulated gateway."""

    def __init__(self, process: Process, gateway: Gateway) -> None:
        self._process = process
        self._gateway = gateway

    def send(self, request: HttpRequest) -> HttpResponse:
        process = self._process
        if request.send_before is not None and process.world.time() >= request.send_before:
            process.passed(f"{request.operation}: too late to send")
            raise NotSent("past its deadline", at=process.world.time())
        ended = self._gateway.answer(request)
        process.took_us += ended.took_us
        process.passed(f"{request.operation}: {ended}")
        if isinstance(ended.reply, HttpResponse):
            return ended.reply
        raise ended.reply

    def close(self) -> None:
        pass


class _AsyncWire:
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    async def send(self, request: HttpRequest) -> HttpResponse:
        return self._wire.send(request)

    async def aclose(self) -> None:
        pass


class _Journal:
    """The real journal, every commit of which is heard of."""

    def __init__(self, journal: Journal, process: Process) -> None:
        self._journal = journal
        self._process = process
        self._arrivals: Mapping[int, Arrival] = {}  # those that are being handled, by number

    def execute(self, entry: JournalCommand) -> JournalResult:
        world, process = self._process.world, self._process
        reply = self._journal.execute(entry)
        if isinstance(entry, LoadAttempts | RecordAccountQuery):  # nothing of it is a payout
            return reply
        world.watch.wrote(process.name, entry, reply)
        world.unhandled += world.is_early
        world.is_early = False
        name = "payout.delayed" if isinstance(entry, DelayPayout) else entry.event.name  # it is in no history
        process.passed(f"{type(entry).__name__} {name}: {type(reply).__name__}")
        return reply

    async def execute_async(self, entry: JournalCommand) -> JournalResult:
        """Write at once: what waits in a queue when its process dies is not written."""
        return self.execute(entry)

    def unhandled(self, *, accounts: Collection[str], after: int = 0, limit: int) -> tuple[Arrival, ...]:
        found = self._journal.unhandled(accounts=accounts, after=after, limit=limit)
        self._arrivals = {arrival.no: arrival for arrival in found}
        return found

    def handle(self, handling: Handling) -> Handled | None:
        reply = self._journal.handle(handling)
        self._process.world.watch.handled(handling, reply, self._arrivals.get(handling.no))
        self._process.passed(f"callback: {handling.outcome}")
        return reply

    def receive(self, arrival: Arrival) -> Future[bool]:
        """Write at once as well: which thread commits is not what is simulated."""
        journal: Any = self._journal
        future: Future[bool] = Future()
        future.set_result(journal.execute(arrival))
        return future

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)
