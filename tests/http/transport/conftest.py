"""Servers on raw sockets that count what they read, and one way to call both transports."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.http.transport import AsyncTransport, Transport
from payments_core.http.transport.aiohttp_async import AiohttpTransport
from payments_core.http.transport.h11_async import AsyncH11Transport
from payments_core.http.transport.h11_sync import H11Transport
from payments_core.http.transport.httpx_sync import HttpxTransport

Outcome: TypeAlias = HttpResponse | NotSent | NoAnswer
TRANSPORTS = ("h11", "httpx", "h11-async", "aiohttp")
ASYNC = {"h11-async": AsyncH11Transport, "aiohttp": AiohttpTransport}


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as the server read it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


# What a server does with the connection after it has read a request; afterwards it reads the next one.
Answer: TypeAlias = Callable[["Connection"], None]


class Connection:
    """One accepted connection, as an answer sees it."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping
        self.ended = threading.Event()  # the caller has gone away
        self._unread = b""

    def hear(self) -> ReceivedRequest | None:
        """Read one complete request; None at the end. (No makefile: it would keep a closed socket open.)"""
        head, separator, self._unread = self._more_until(lambda seen: b"\r\n\r\n" in seen).partition(b"\r\n\r\n")
        if not separator:
            return None
        start, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", 0))
        body = self._more_until(lambda seen: len(seen) >= size)
        self._unread = body[size:]
        return ReceivedRequest(*start.split()[:2], headers, body[:size])

    def _more_until(self, enough: Callable[[bytes], bool]) -> bytes:
        seen = self._unread
        while not enough(seen) and (more := self.sock.recv(65536)):
            seen += more
        return seen

    def say(self, text: str | bytes) -> None:
        self.sock.sendall(text.encode() if isinstance(text, str) else text)

    def ok(self, body: str = "{}", *, fields: str = "") -> None:
        self.say(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(body.encode())}\r\n\r\n{body}")

    def close(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def hang(self) -> None:
        """Say nothing until the caller goes away."""
        with suppress(OSError):
            while not self.stopping.is_set() and self.sock.recv(1024):
                pass

    def drip(self, pieces: str, *, every_s: float = 0.05) -> None:
        """Say one character at a time, for ever."""
        with suppress(OSError):
            while not self.stopping.wait(every_s):
                self.say(pieces)


class Server:
    """A server whose nth request gets the nth answer, the last one repeating."""

    def __init__(self, *answers: Answer, on_connect: Answer | None = None, certificate: Path | None = None) -> None:
        self._answers = answers or (Connection.ok,)
        self._on_connect = on_connect
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate and not on_connect else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self.lines: list[Connection] = []
        self.requests: list[ReceivedRequest] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._run(self._accept)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self.lines)

    def count(self, target: str) -> int:
        return sum(entry.target == target for entry in self.requests)

    def wait_for_requests(self, requests: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= requests, timeout=5)

    def wait_until_connected(self, connections: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.connections >= connections, timeout=5)

    def stop(self) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self.lines:
            line.close()
        for thread in self._threads:
            thread.join(5)

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                line = Connection(sock, self._stopping)
                with self._changed:
                    self.lines.append(line)
                    self._changed.notify_all()
                self._run(self._serve, line)

    def _serve(self, line: Connection) -> None:
        self._converse(line)
        line.ended.set()
        if self._tls:
            line.close()  # an event loop waits for it when it closes its side

    def _converse(self, line: Connection) -> None:
        with suppress(OSError):
            if self._on_connect:
                self._on_connect(line)
                return
            if self._tls:
                line.sock = self._tls.wrap_socket(line.sock, server_side=True)
            while parsed := line.hear():
                with self._changed:
                    self.requests.append(parsed)
                    turn = min(len(self.requests), len(self._answers)) - 1
                    self._changed.notify_all()
                self._answers[turn](line)


class SyncCaller:
    """Calls a synchronous transport, also from several threads."""

    def __init__(self, make: Callable[..., Transport], **arguments: Any) -> None:
        self._threads = ThreadPoolExecutor(32)
        self.transport = make(**arguments)

    def start(self, request: HttpRequest) -> Future[Outcome]:
        def call() -> Outcome:
            try:
                return self.transport.send(request)
            except (NotSent, NoAnswer) as ended:
                return ended

        return self._threads.submit(call)

    def close_transport(self) -> None:
        self.transport.close()

    def close(self) -> None:
        self.close_transport()
        self._threads.shutdown()


class AsyncCaller:
    """Calls an asynchronous transport on an event loop in a thread of its own."""

    def __init__(self, make: Callable[..., AsyncTransport], **arguments: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.transport = make(**arguments)

    def start(self, request: HttpRequest) -> Future[Outcome]:
        async def call() -> Outcome:
            try:
                return await self.transport.send(request)
            except (NotSent, NoAnswer) as ended:
                return ended

        return asyncio.run_coroutine_threadsafe(call(), self.loop)

    def close_transport(self) -> None:
        asyncio.run_coroutine_threadsafe(self.transport.aclose(), self.loop).result(5)

    def close(self) -> None:
        if self.loop.is_closed():
            return
        self.close_transport()

        async def end() -> None:
            await self.loop.shutdown_default_executor()
            for _ in range(100):  # TLS says goodbye in its own time; one selector key is the loop's own
                if len(self.loop._selector.get_map()) <= 1:  # type: ignore[attr-defined]
                    return
                await asyncio.sleep(0.02)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


@dataclass
class World:
    """Makes servers and callers, and takes them down."""

    transport: str
    certificate: Path | None = None  # of servers that speak TLS
    _ends: list[Callable[[], None]] = field(default_factory=list)

    def server(self, *answers: Answer, on_connect: Answer | None = None) -> Server:
        server = Server(*answers, on_connect=on_connect, certificate=self.certificate)
        self._ends.append(server.stop)
        return server

    def caller(self, **arguments: Any) -> SyncCaller | AsyncCaller:
        trusted = ssl.create_default_context(cafile=f"{self.certificate}.crt") if self.certificate else None
        arguments = {"max_connections": 4, "clock": now, "tls": trusted, **arguments}
        caller: SyncCaller | AsyncCaller
        if self.transport in ASYNC:
            caller = AsyncCaller(ASYNC[self.transport], **arguments)
        else:
            caller = SyncCaller({"h11": H11Transport, "httpx": HttpxTransport}[self.transport], **arguments)
        self._ends.append(caller.close)
        return caller

    def call(self, request: HttpRequest) -> Outcome:
        """Send one request over a transport of its own."""
        return self.caller().start(request).result(10)

    def close(self) -> None:
        while self._ends:
            self._ends.pop()()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """For one transport after the other."""
    world = World(request.param)
    yield world
    world.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Make servers for a test of one transport."""
    servers: list[Server] = []

    def make(*answers: Answer) -> Server:
        servers.append(Server(*answers))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that takes ``world`` with every transport, unless it names them itself."""
    is_named = any("world" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "world" in metafunc.fixturenames and not is_named:
        metafunc.parametrize("world", TRANSPORTS, indirect=True)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is needed to make a certificate")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    subprocess.run(
        [openssl, *command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file, "-out", f"{file}.crt"],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file
