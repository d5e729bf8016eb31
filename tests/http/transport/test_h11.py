"""What only the transports on sockets have to show: they have no library between themselves and the connection."""

from __future__ import annotations

import asyncio
import gc
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

import h11
import pytest

from payments_core.http.messages import HttpRequest
from payments_core.http.transport import answers, h11_sync
from payments_core.http.transport.answers import ordinary_head
from payments_core.http.transport.h11_async import AsyncH11Transport
from payments_core.http.transport.h11_sync import H11Transport

if TYPE_CHECKING:
    from tests.http.transport.conftest import Connection, Server

Serve = Callable[..., "Server"]


def _asks(url: str) -> HttpRequest:
    return HttpRequest("POST", url, operation="transfer", body="{}", timeout_s=5.0)


def _transport(connections: int = 2) -> H11Transport:
    return H11Transport(max_connections=connections, clock=lambda: datetime.now(UTC))


class _CtrlC:
    """Raises KeyboardInterrupt before the nth line of the transport that is executed."""

    def __init__(self, line: int) -> None:
        self._left = line

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._trace)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename not in {h11_sync.__file__, answers.__file__}:
            return None
        if event == "line":
            self._left -= 1
            if not self._left:
                raise KeyboardInterrupt
        return self._trace


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # closed by the collector is closed too
@pytest.mark.parametrize("is_reused", [False, True], ids=["new", "reused"])
def test_interrupt_at_any_line_leaves_no_half_used_connection(serve: Serve, is_reused: bool) -> None:
    """The next request gets its own answer, and no request is ever written twice."""

    def echo(line: Connection) -> None:
        line.ok(server.requests[-1].target)

    server = serve(echo)
    line = 0
    while line < 1000:
        line += 1
        transport = _transport()
        if is_reused:
            transport.send(_asks(server.url + "/first"))
        try:
            with _CtrlC(line):
                transport.send(_asks(f"{server.url}/{line}"))
        except KeyboardInterrupt:
            answer = transport.send(_asks(server.url + "/next"))
            assert answer.body == b"/next", line
            assert server.count(f"/{line}") <= 1
            transport.close()
        else:
            transport.close()
            break
    gc.collect()
    assert 50 < line < 1000


def test_signal_ends_a_wait_for_an_answer(serve: Serve) -> None:
    """Ctrl-C goes through at once, the connection is closed, and its place is free again."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    main = threading.main_thread().ident or 0

    def interrupt(line: Connection) -> None:
        signal.pthread_kill(main, signal.SIGINT)
        line.hang()

    server = serve(interrupt, lambda line: line.ok())
    transport = _transport(1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a worker of the test run may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            transport.send(_asks(server.url))
    finally:
        signal.signal(signal.SIGINT, before)
    assert server.lines[0].ended.wait(5)
    assert transport.send(_asks(server.url)).status == 200
    transport.close()


@pytest.mark.parametrize("is_reused", [False, True], ids=["new", "reused"])
def test_connection_is_not_reused_after_a_cancellation_at_any_step(serve: Serve, is_reused: bool) -> None:
    """The next request gets its own answer, and no request is ever written twice."""

    def echo(line: Connection) -> None:
        line.ok(server.requests[-1].target)

    server = serve(echo)

    async def cancel_after(steps: int) -> bool:
        transport = AsyncH11Transport(max_connections=1, clock=lambda: datetime.now(UTC))
        if is_reused:
            await transport.send(_asks(server.url + "/first"))
        task = asyncio.create_task(transport.send(_asks(f"{server.url}/{steps}")))
        for _ in range(steps):
            await asyncio.sleep(0)
        is_cancelled = task.cancel()
        if is_cancelled:
            with pytest.raises(asyncio.CancelledError):
                await task
        answer = await transport.send(_asks(server.url + "/next"))
        assert answer.body == b"/next", steps
        assert server.count(f"/{steps}") <= 1
        await transport.aclose()
        return is_cancelled

    steps = 0
    while asyncio.run(cancel_after(steps)):
        steps += 1
    assert steps >= 2


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\n", b""], ids=["more", "end"])
def test_connection_that_ends_behind_an_answer_is_not_used(serve: Serve, more: bytes) -> None:
    """Also when the end, or more than the answer, comes before the caller has the answer and asks for the next."""

    def echo(line: Connection) -> None:
        line.ok(server.requests[-1].target)

    server = serve(echo)

    async def ask() -> list[bytes]:
        transport = AsyncH11Transport(max_connections=1, clock=lambda: datetime.now(UTC))
        bodies = [(await transport.send(_asks(server.url + "/1"))).body]
        [connection] = transport._free

        def and_end(data: bytes) -> None:
            type(connection).data_received(connection, data)
            type(connection).data_received(connection, more)

        connection.data_received = and_end  # type: ignore[method-assign]
        bodies += [(await transport.send(_asks(f"{server.url}/{number}"))).body for number in (2, 3)]
        await transport.aclose()
        return bodies

    assert asyncio.run(ask()) == [b"/1", b"/2", b"/3"]
    assert server.connections == 2


def test_connection_is_used_for_one_server_only(serve: Serve) -> None:
    """A free connection to another server is closed, not written to."""
    one, other = serve(), serve()
    transport = _transport(1)
    for server in (one, other, one):
        assert transport.send(_asks(server.url)).status == 200
    assert (one.connections, other.connections) == (2, 1)
    assert one.lines[0].ended.wait(5)
    transport.close()


_STATUS = (
    "200 OK", "202 ", "204 No Content", "304 ", "100 Continue", "101 ", "200", "99 ", "600 ", "500 a\tb", "409 \x80",
)  # fmt: skip
_LINES = (
    "X: a b", "X:", "X : 1", "X: 1 ", "X: \xe9", "X: a\tb", "X_Y: 1", " folded", "", "Upgrade: h2c",
    "Content-Length: 2", "Content-Length: 3", "content-length:2", "Content-Length: 2, 2", "Content-Length: +2",
    "Content-Length: 2 ", "Content-Length: 0_2", "Content-Length: 1000000", "Transfer-Encoding: chunked",
    "Transfer-Encoding: identity", "Connection: close", "Connection: Keep-Alive", "Connection: keep-alive, close",
)  # fmt: skip


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_ordinary_response_is_read_as_h11_reads_it(version: str) -> None:
    """What is not left to h11 has the same status, fields and end there, and leaves the connection free there too."""
    own = 0
    for status, *lines in itertools.product(_STATUS, _LINES, ("Content-Length: 2", "Y: 1"), _LINES):
        head = "\r\n".join((f"HTTP/{version} {status}", *lines, "", "")).encode("latin-1")
        for method, body in itertools.product(("POST", "HEAD"), (b"{}", b"{}x")):
            found = ordinary_head(method, head + body)
            if found is not None and found.end == len(head + body):
                own += 1
                fields = [(name.lower(), value) for name, value in found.fields]
                assert _read_by_h11(method, head + body) == (found.status, fields, (head + body)[found.length :]), head
    assert bool(own) is (version == "1.1")


def _read_by_h11(method: str, data: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method=method, target="/", headers=[("Host", "gateway.example")]))
    http.send(h11.EndOfMessage())
    http.receive_data(data)
    response, read = http.next_event(), b""
    assert isinstance(response, h11.Response)
    while isinstance(event := http.next_event(), h11.Data):
        read += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert http.our_state is http.their_state is h11.DONE
    assert http.trailing_data == (b"", False)
    return response.status_code, [(name.decode(), value.decode()) for name, value in response.headers], read


@pytest.mark.parametrize("last", [b"\r\n\r\n{}", b"\r\nConnection: keep-alive\r\n\r\n{}", b"\r\nX-Id: 1\r\n\r\n{}"])
def test_ordinary_response_does_not_need_h11(serve: Serve, monkeypatch: pytest.MonkeyPatch, last: bytes) -> None:
    """The control: every answer could go the long way, and nothing would tell. Pieces of a body make no difference."""
    monkeypatch.setattr(answers.h11, "Connection", None)

    def answer(line: Connection) -> None:
        line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2" + last[:-1])
        time.sleep(0.02)
        line.say(last[-1:])

    server, transport = serve(answer), _transport(1)
    assert [transport.send(_asks(server.url)).body for _ in range(2)] == [b"{}"] * 2
    assert server.connections == 1
    transport.close()
