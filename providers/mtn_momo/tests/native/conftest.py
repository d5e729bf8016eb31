"""A gateway with scripted answers, on a real socket, and the native clients in both forms behind one face."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from payments_mtn_momo import (
    AsyncDisbursementsClient,
    AsyncSandboxProvisioning,
    DisbursementsClient,
    SandboxProvisioning,
)
from payments_mtn_momo.emulator.tokens import Credentials

TOKEN_PATH = "/disbursement/token/"


@dataclass(frozen=True)
class ExpectedOutcome:
    """One answer; ``hang_up`` closes the connection instead, after the request was read."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False
    after_s: float = 0.0


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


class Script:
    """What the gateway answers: the token call works unless scripted otherwise, all else is scripted."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.url = ""
        self._lock = threading.Lock()
        self.token: list[ExpectedOutcome] = []
        self.answers: list[ExpectedOutcome] = []
        self.tokens_given = 0

    def say(self, *answers: ExpectedOutcome) -> None:
        """Answer the next requests so, and all after them like the last."""
        self.answers = list(answers)

    def say_json(self, value: object, status: int = 200) -> None:
        self.say(json_outcome(value, status))

    def calls(self, *, but: str = TOKEN_PATH) -> list[ReceivedRequest]:
        return [entry for entry in self.requests if entry.path != but]

    def token_calls(self) -> list[ReceivedRequest]:
        return [entry for entry in self.requests if entry.path == TOKEN_PATH]

    def answer(self, parsed: ReceivedRequest) -> ExpectedOutcome:
        with self._lock:
            self.requests.append(parsed)
            if parsed.path == TOKEN_PATH:
                if self.token:
                    return self.token.pop(0) if len(self.token) > 1 else self.token[0]
                self.tokens_given += 1
                return token_outcome(f"token-number-{self.tokens_given}.")
            if not self.answers:
                return ExpectedOutcome(404)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def json_outcome(value: object, status: int = 200) -> ExpectedOutcome:
    return ExpectedOutcome(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def token_outcome(token: str, **changed: Any) -> ExpectedOutcome:
    return json_outcome({"access_token": token, "token_type": "access_token", "expires_in": 3600} | changed)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other
    script: Script

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parsed = ReceivedRequest(
            self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body
        )
        output = self.script.answer(parsed)
        if output.after_s:
            threading.Event().wait(output.after_s)
        if output.hang_up:
            self.close_connection = True
            return
        self.send_response(output.status)
        for name, value in output.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(output.body)))
        self.end_headers()
        self.wfile.write(output.body)

    do_GET = do_POST = do_PUT = _serve

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes a kept connection is no event."""


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, type[_Handler]]]:
    handler = type("Handler", (_Handler,), {})
    listening = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}", handler
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def script(server: tuple[str, type[_Handler]]) -> Script:
    url, handler = server
    handler.script = Script()
    handler.script.url = url
    return handler.script


@dataclass
class Face:
    """One client in either form, driven alike."""

    client: Any
    runner: asyncio.Runner | None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def call(*args: Any, **named: Any) -> Any:
            if self.runner is None:
                return method(*args, **named)

            async def inside() -> Any:
                found = method(*args, **named)
                return await found if inspect.isawaitable(found) else found

            return self.runner.run(inside())

        return call

    def all_at_once(self, *calls: Callable[[Any], Any]) -> list[Any]:
        """Make calls at the same moment: in threads, or as tasks; return what each gave or raised."""
        if self.runner is not None:

            async def gathered() -> list[Any]:
                return await asyncio.gather(*(call(self.client) for call in calls), return_exceptions=True)

            return self.runner.run(gathered())
        found: list[Any] = [None] * len(calls)

        def one(place: int, call: Callable[[Any], Any]) -> None:
            try:
                found[place] = call(self.client)
            except Exception as error:  # noqa: BLE001 - it is what the call gave
                found[place] = error

        threads = [threading.Thread(target=one, args=(place, call)) for place, call in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


@pytest.fixture(params=["sync", "async"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Tests are about what happens, not about how long it takes.
SWIFT = {"first_wait_s": 0.001, "longest_wait_s": 0.002, "jitter_s": 0.0}
READS = (
    *("transfer_status", "deposit_status", "refund_status", "balance", "balance_in", "account_active"),
    *("basic_user_info", "user_info"),
)


@pytest.fixture
def make_client(form: str, script: Script, held: Credentials) -> Iterator[Callable[..., Face]]:
    """Make clients that send each read once, unless ``retry`` says otherwise."""
    made: list[Face] = []
    runner = asyncio.Runner() if form == "async" else None

    def make(*, retry: Mapping[str, Any] | None = None, **changed: Any) -> Face:
        fields = {
            "target_environment": "sandbox",
            "api_user": held.api_user,
            "api_key": held.api_key,
            "subscription_key": held.subscription_key,
            "base_url": script.url,
        }
        kind = DisbursementsClient if form == "sync" else AsyncDisbursementsClient
        once = {name: SWIFT | {"attempts": 1} for name in (*READS, "token")}
        face = Face(kind(retry=once | dict(retry or {}), **(fields | changed)), runner)
        made.append(face)
        return face

    yield make
    for face in made:
        face.close() if runner is None else face.aclose()
    if runner:
        runner.close()


@pytest.fixture
def client(make_client: Callable[..., Face]) -> Face:
    return make_client()


@pytest.fixture
def provisioning(form: str, script: Script, held: Credentials) -> Iterator[Face]:
    runner = asyncio.Runner() if form == "async" else None
    kind = SandboxProvisioning if form == "sync" else AsyncSandboxProvisioning
    once = {"get_api_user": SWIFT | {"attempts": 1}}
    face = Face(kind(held.subscription_key, base_url=script.url, retry=once), runner)
    yield face
    face.close() if runner is None else face.aclose()
    if runner:
        runner.close()


@pytest.fixture(scope="session")
def make_outcome() -> Callable[[int, Any], ExpectedOutcome]:
    def make(status: int, body: Any = "", **headers: str) -> ExpectedOutcome:
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/html" if text.startswith("<") else "application/json"
        return ExpectedOutcome(status, text.encode(), {"Content-Type": kind, **headers})

    return make
