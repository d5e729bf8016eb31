"""A carrier, its server in this process, and a desk to pay from: once with threads, once on an event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, Reason, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.engine import accept, advance
from payments_core.engine.commands import JournalResult
from payments_core.engine.flow import Command
from payments_core.http.flow import HttpFlow, arun_flow, exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, fill, slot
from payments_core.journal import open_journal
from payments_core.plugins.hookspecs import hookimpl
from payments_core.plugins.manager import Plugins
from payments_core.provider import (
    Account,
    AccountRefused,
    Attempt,
    CheckOutcome,
    Credential,
    Draft,
    Entropy,
    Final,
    NotAccepted,
    Pending,
    ProviderSpec,
    RetryPolicy,
    SubmitOutcome,
    Unknown,
)
from payments_core.runtime import AccountSession, AsyncAccountSession, Runtime, priority_of
from payments_core.settings import AccountSettings

URL = "https://carrier.example"
MARGIN_S = 10.0


class VirtualClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Server:
    """The carrier's server: gives out tokens, takes payments, and counts what it reads."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.token_status = 200
        self.token_life_s: float | None = 3600.0
        self.refuses_all = False
        self.read_status = self.pay_status = 200
        self.retry_after = ""
        self.slow_s = {"token": 0.02, "pay": 0.0, "read": 0.0}
        self.requests: list[HttpRequest] = []
        self.paying = self.most_paying = 0
        self.at_send: Callable[[HttpRequest], None] = lambda _request: None
        self._good: set[str] = set()
        self._lock = threading.Lock()

    def count(self, operation: str) -> int:
        """Say how often something was asked."""
        return sum(request.operation == operation for request in self.requests)

    def forget_tokens(self) -> None:
        """Refuse every token given out so far."""
        self._good.clear()

    @contextmanager
    def hearing(self, request: HttpRequest) -> Iterator[float]:
        """Read a request and say how long the answer takes."""
        with self._lock:
            self.requests.append(request)
            self.paying += request.moves_money
            self.most_paying = max(self.most_paying, self.paying)
        try:
            self.at_send(request)
            yield self.slow_s[request.operation]
        finally:
            with self._lock:
                self.paying -= request.moves_money

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer it."""
        with self._lock:
            if request.operation == "token":
                token = f"token-{self.count('token')}"
                if self.token_status == 200:
                    self._good.add(token)
                return HttpResponse(self.token_status, {}, token.encode(), self.clock())
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            good = token in self._good and not self.refuses_all
            status = self.pay_status if request.moves_money else self.read_status
            headers = {"retry-after": self.retry_after} if status == 429 and self.retry_after else {}
            return HttpResponse(status if good else 401, headers, token.encode(), self.clock())


class Wire:
    """A transport for threads."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def send(self, request: HttpRequest) -> HttpResponse:
        with self._server.hearing(request) as slow_s:
            time.sleep(slow_s)
            return self._server.answer(request)

    def close(self) -> None:
        pass


class AsyncWire:
    """A transport for an event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def send(self, request: HttpRequest) -> HttpResponse:
        with self._server.hearing(request) as slow_s:
            await asyncio.sleep(slow_s)
            return self._server.answer(request)

    async def aclose(self) -> None:
        pass


class Carrier:
    """A small provider: a token, a payment that is final at once, a read."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.sign_in: Callable[[], HttpFlow[Any]] = self._sign_in

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        headers = {"Authorization": f"Bearer {slot('token')}"}
        request = HttpRequest("POST", f"{URL}/pay", "pay", headers, attempt.payout_id, moves_money=True)
        return Draft({"reference": attempt.payout_id}, request, order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        answer = yield from exchange(draft.request)
        if answer.status in {401, 429}:
            return NotAccepted(http_status=answer.status, retry_after_s=_after_s(answer))
        return Final() if answer.status == 200 else Unknown(http_status=answer.status)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        answer = yield from exchange(reading())
        if answer.status == 429:
            return Unknown(http_status=429, retry_after_s=_after_s(answer))
        return Final() if answer.status == 200 else Pending()

    def binding(self, operation: Operation) -> Mapping[str, str]:
        return {"host": URL, "operation": operation}

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        return self.sign_in()

    def _sign_in(self) -> HttpFlow[Credential | AccountRefused]:
        answer = yield from exchange(signing_in())
        if answer.status == 403:
            return AccountRefused(Reason(ReasonCode.CREDENTIALS, "403"), 403)
        if answer.status != 200:
            raise NoAnswer(f"HTTP {answer.status}", at=answer.at)
        life_s = self._server.token_life_s
        until = None if life_s is None else answer.at + timedelta(seconds=life_s - MARGIN_S)
        return Credential({"token": answer.text}, until)

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        return fill(request, credential.secrets)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        return response.status == 401


def _after_s(answer: HttpResponse) -> float | None:
    return float(answer.headers["retry-after"]) if "retry-after" in answer.headers else None


def signing_in() -> HttpRequest:
    return HttpRequest("POST", f"{URL}/token", "token", repeatable=True, credential=False)


def reading() -> HttpRequest:
    return HttpRequest("GET", f"{URL}/read", "read", {"Authorization": f"Bearer {slot('token')}"}, repeatable=True)


def paying() -> HttpRequest:
    return HttpRequest("POST", f"{URL}/pay", "pay", {"Authorization": f"Bearer {slot('token')}"}, moves_money=True)


ONCE = RetryPolicy(attempts=1)


class Desk:
    """One account and its line; what is called ``all`` happens at once."""

    twin = ""
    many = 0

    def __init__(self, folder: Path, retry: Mapping[str, RetryPolicy] | None = None, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.server = Server(self.clock)
        self.carrier = Carrier(self.server)
        spec = ProviderSpec(
            "carrier",
            "Carrier",
            AccountSettings,
            Carrier,
            frozenset({Operation.TRANSFER}),
            retry={"token": ONCE, "read": ONCE, **(retry or {})},
        )
        read = AccountSettings.model_validate({"provider": "carrier", "currency": "EUR", **settings})
        self.account = Account("main", spec, read, self.carrier)
        self.plugins = Plugins([])
        self.journal = open_journal("sqlite:///p.db", namespace="n" * 32, root=folder, clock=self.clock, make=True)
        self.runtime = Runtime("n" * 32, self.journal, self.plugins, {"main": self.account}, self.clock)
        self.line: Any = self.make_line()

    def make_line(self) -> AccountSession | AsyncAccountSession:
        raise NotImplementedError

    def guard(self, answer: Callable[[Any], Any]) -> list[str]:
        """Add a guard; return the payouts it is asked about."""
        return self._plugin("payments_before_submit", answer)

    def approval(self, answer: Callable[[Any], Any]) -> list[str]:
        """Add a plugin that says what needs an approval; return the payouts it is asked about."""
        return self._plugin("payments_needs_approval", answer)

    def _plugin(self, hook: str, answer: Callable[[Any], Any]) -> list[str]:
        asked: list[str] = []

        def ask(payout: Any) -> Any:
            asked.append(payout.id)
            return answer(payout)

        module = ModuleType("guard")
        setattr(module, hook, hookimpl(ask, specname=hook))
        self.plugins.register(module, f"guard{id(module)}")
        return asked

    def order(self, key: str) -> Order:
        return Order(key, Payee.msisdn("46733123450"), Money(5, "EUR"))

    def row(self, key: str = "k") -> PayoutRecord:
        """Write a payout down, and return it as it now stands."""
        if (row := self.journal.by_key(key)) is None:
            row = run_flow(accept(self.account, self.order(key), self.runtime.moment()), self._write).row
        return row

    def _write(self, command: Command) -> JournalResult:
        return self.journal.execute(command)  # type: ignore[arg-type]  # accepting asks for nothing else

    def all(self, job: Callable[[Any], Any], times: int = 1) -> list[Any]:
        """Do something on the line, many times at once; return what came of each."""
        raise NotImplementedError

    def one(self, job: Callable[[Any], Any]) -> Any:
        """Do it once; raise what it raises."""
        (ended,) = self.all(job)
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def pay(self, *keys: str) -> list[Any]:
        """Advance a payout for each key, all at once."""
        raise NotImplementedError

    def permits(self) -> int:
        """Return how many permits are there to be had."""
        free: int = self.line._permits._value
        return free

    def close(self) -> None:
        self.journal.close()


class Threads(Desk):
    """A desk whose callers are threads."""

    twin = "sync"
    many = 200

    def make_line(self) -> AccountSession:
        return AccountSession(self.account, Wire(self.server), self.runtime)

    def all(self, job: Callable[[Any], Any], times: int = 1) -> list[Any]:
        return self._at_once([lambda: job(self.line)] * times)

    def pay(self, *keys: str) -> list[Any]:
        rows = [self.row(key) for key in keys]
        return self._at_once([lambda row=row: self._advance(row) for row in rows])  # type: ignore[misc]

    def _advance(self, row: PayoutRecord) -> PayoutRecord:
        with self.line.executor(priority_of(row)) as executor:
            return run_flow(advance(self.account, row, self.runtime.moment(), early=True), executor)

    @staticmethod
    def _at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
        start = threading.Barrier(len(jobs))

        def begin(job: Callable[[], Any]) -> Any:
            start.wait(10)
            try:
                return job()
            except BaseException as error:  # noqa: BLE001  # the test looks at it
                return error

        with ThreadPoolExecutor(len(jobs)) as pool:
            return list(pool.map(begin, jobs, timeout=30))


class Loop(Desk):
    """A desk whose callers are tasks of one event loop."""

    twin = "async"
    many = 1000

    def __init__(self, *given: Any, **settings: Any) -> None:
        self.runner = asyncio.Runner()
        super().__init__(*given, **settings)

    def make_line(self) -> AsyncAccountSession:
        return AsyncAccountSession(self.account, AsyncWire(self.server), self.runtime)

    def all(self, job: Callable[[Any], Any], times: int = 1) -> list[Any]:
        async def gathered() -> list[Any]:
            return await asyncio.gather(*(job(self.line) for _ in range(times)), return_exceptions=True)

        return self.runner.run(gathered())

    def pay(self, *keys: str) -> list[Any]:
        rows = [self.row(key) for key in keys]

        async def gathered() -> list[Any]:
            return await asyncio.gather(*map(self.advance, rows), return_exceptions=True)

        return self.runner.run(gathered())

    async def advance(self, row: PayoutRecord) -> PayoutRecord:
        with self.line.executor(priority_of(row)) as executor:
            return await arun_flow(advance(self.account, row, self.runtime.moment(), early=True), executor)

    def close(self) -> None:
        self.runner.close()
        super().close()


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(twin: type[Desk], **given: Any) -> Desk:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(twin(folder, **given))
        return made[-1]

    yield make
    for desk in made:
        desk.close()


@pytest.fixture(params=[Threads, Loop], ids=["sync", "async"])
def open_desk(request: pytest.FixtureRequest, make_desk: Callable[..., Desk]) -> Callable[..., Desk]:
    """Make a desk of either twin, with settings of the test's own."""
    return lambda **given: make_desk(request.param, **given)


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()


@pytest.fixture
def loop_desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk(Loop)


@pytest.fixture
def thread_desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk(Threads)


# Requests the tests make, by the name of what they are for.
@pytest.fixture
def asks() -> dict[str, Callable[[], HttpRequest]]:
    return {"token": signing_in, "read": reading, "pay": paying}
