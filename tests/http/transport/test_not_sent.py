"""Promise 3 at its root: one table of every way an exchange can end, for every transport, over real sockets.

Run with ``-s`` to see the table.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.transport.conftest import Connection, Outcome, Server, World

    Case = Callable[[World], tuple[Outcome, int]]

TIMEOUT_S = 0.3  # of a request that no server is to read
READ_TIMEOUT_S = 1.5  # of one that is read and not answered: long enough to be sent by a busy machine
THE_ONE = "/the-one"  # the request a row is about; other requests only set the scene


def asks(url: str, **changes: Any) -> HttpRequest:
    known: dict[str, Any] = {"method": "POST", "operation": "transfer", "body": "{}", "timeout_s": 10.0}
    return HttpRequest(url=url, **{**known, **changes})


def after(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


# --- Nothing can have been read --------------------------------------------------------------------------------------


def refused(world: World) -> tuple[Outcome, int]:
    """The address has no listener."""
    scheme = world.server().url.partition(":")[0]
    with socket.socket() as held:  # bound, so that no other test's server gets the port; it never listens
        held.bind(("127.0.0.1", 0))
        return world.call(asks(f"{scheme}://127.0.0.1:{held.getsockname()[1]}{THE_ONE}")), 0


def no_such_host(world: World) -> tuple[Outcome, int]:
    """The name does not exist (RFC 6761 keeps .invalid free)."""
    return world.call(asks("http://payments.invalid" + THE_ONE)), 0


def connect_stalls(world: World) -> tuple[Outcome, int]:
    """The listener's queue is full: the connection neither opens nor fails."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        ended = world.call(asks(f"http://127.0.0.1:{listener.getsockname()[1]}" + THE_ONE, timeout_s=TIMEOUT_S))
        for sock in waiting:
            sock.close()
    return ended, 0


def tls_stalls(world: World) -> tuple[Outcome, int]:
    """The server takes the connection and never answers the TLS handshake."""
    server = world.server(on_connect=lambda line: line.hang())
    ended = world.call(asks(server.url.replace("http:", "https:") + THE_ONE, timeout_s=TIMEOUT_S))
    assert server.connections == 1
    return ended, server.count(THE_ONE)


def tls_fails(world: World) -> tuple[Outcome, int]:
    """The server answers the TLS handshake with something else."""

    def speak_plainly(line: Connection) -> None:
        line.sock.recv(1024)
        line.say("HTTP/1.1 400 Bad Request\r\n\r\n")
        line.close()

    server = world.server(on_connect=speak_plainly)
    ended = world.call(asks(server.url.replace("http:", "https:") + THE_ONE))
    assert server.connections == 1
    return ended, server.count(THE_ONE)


def tls_broken_off(world: World) -> tuple[Outcome, int]:
    """The server resets the connection in the middle of the TLS handshake."""

    def break_off(line: Connection) -> None:
        line.sock.recv(1024)
        line.reset()

    server = world.server(on_connect=break_off)
    ended = world.call(asks(server.url.replace("http:", "https:") + THE_ONE))
    assert server.connections == 1
    return ended, server.count(THE_ONE)


def _behind_a_slow_one(world: World, **changes: Any) -> tuple[Outcome, int]:
    server = world.server(lambda line: line.hang())
    caller = world.caller(max_connections=1)
    slow = caller.start(asks(server.url + "/slow", timeout_s=30.0))
    server.wait_for_requests(1)
    ended = caller.start(asks(server.url + THE_ONE, **changes)).result(3)  # far less than timeout_s below
    assert not slow.done()
    server.stop()
    assert isinstance(slow.result(5), NoAnswer)
    return ended, server.count(THE_ONE)


def no_free_connection(world: World) -> tuple[Outcome, int]:
    """Every connection is busy for longer than the time-out."""
    return _behind_a_slow_one(world, timeout_s=TIMEOUT_S)


def deadline_passes_in_the_pool(world: World) -> tuple[Outcome, int]:
    """``send_before`` passes while it waits for a connection."""
    return _behind_a_slow_one(world, send_before=after(0.2), timeout_s=30.0)


def deadline_passes_before_a_reused_connection(world: World) -> tuple[Outcome, int]:
    """The wait for a connection ends well; by then ``send_before`` has passed."""
    start, passed = datetime.now(UTC), threading.Event()

    def answer_late(line: Connection) -> None:
        line.stopping.wait(0.2)
        passed.set()
        line.ok()

    def clock() -> datetime:  # jumps when the connection becomes free, so that no time-out can end the wait
        return start + timedelta(hours=1) if passed.is_set() else start

    server = world.server(answer_late, lambda line: line.ok())
    caller = world.caller(max_connections=1, clock=clock)
    slow = caller.start(asks(server.url + "/slow", timeout_s=5.0))
    server.wait_for_requests(1)
    waiting = caller.start(asks(server.url + THE_ONE, timeout_s=5.0, send_before=start + timedelta(minutes=30)))
    assert isinstance(slow.result(5), HttpResponse)
    ended = waiting.result(5)
    assert server.connections == 1
    return ended, server.count(THE_ONE)


def deadline_passes_before_a_new_connection(world: World) -> tuple[Outcome, int]:
    """The connection is made; by then ``send_before`` has passed."""
    start = datetime.now(UTC)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def clock() -> datetime:  # jumps when the listener has a connection to accept
            connected = select.select([listener], [], [], 0)[0]
            return start + timedelta(hours=1) if connected else start

        url = f"http://127.0.0.1:{listener.getsockname()[1]}" + THE_ONE
        ended = world.caller(clock=clock).start(asks(url, send_before=start + timedelta(minutes=30))).result(5)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1024) == b"", "bytes of the request had left"
    return ended, 0


def deadline_passes_while_connecting(world: World) -> tuple[Outcome, int]:
    """``send_before`` passes during the TLS handshake."""
    server = world.server(on_connect=lambda line: line.hang())
    url = server.url.replace("http:", "https:") + THE_ONE
    ended = world.caller().start(asks(url, send_before=after(0.2), timeout_s=30.0)).result(3)
    return ended, server.count(THE_ONE)


def deadline_already_passed(world: World) -> tuple[Outcome, int]:
    """``send_before`` passed before anything began."""
    server = world.server()
    ended = world.call(asks(server.url + THE_ONE, send_before=after(-0.001)))
    assert server.connections == 0
    return ended, server.count(THE_ONE)


# --- The server has read it ------------------------------------------------------------------------------------------


def _answered(*answers: Callable[[Connection], None], **changes: Any) -> Case:
    def case(world: World) -> tuple[Outcome, int]:
        server = world.server(*answers)
        ended = world.call(asks(server.url + THE_ONE, **changes))
        server.stop()
        return ended, server.count(THE_ONE)

    return case


def _says_and_closes(text: str) -> Callable[[Connection], None]:
    def answer(line: Connection) -> None:
        line.say(text)
        line.close()

    return answer


def _drips(text: str) -> Case:
    def answer(line: Connection) -> None:
        line.say(text)
        line.drip("x")

    return _answered(answer, timeout_s=READ_TIMEOUT_S)


def _on_a_reused_connection(method: str, breaks: Callable[[Connection], None]) -> Case:
    def case(world: World) -> tuple[Outcome, int]:
        # A second sending gets a good answer, as from a server that pays.
        server: Server = world.server(lambda line: line.ok(), breaks, lambda line: line.ok())
        caller = world.caller()
        first = caller.start(asks(server.url + "/first")).result(15)
        assert isinstance(first, HttpResponse)
        body = None if method == "GET" else "{}"
        ended = caller.start(asks(server.url + THE_ONE, method=method, body=body)).result(15)
        assert server.connections == 1, "another connection was opened"
        caller.close()
        server.stop()
        return ended, server.count(THE_ONE)

    return case


_HEAD = "HTTP/1.1 200 OK\r\n"
_TOO_LONG = (
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + f"{2**19:x}\r\n{'x' * 2**19}\r\n" * 3 + "0\r\n\r\n"
)

CASES: dict[str, tuple[Case, type[NotSent | NoAnswer | HttpResponse], int]] = {
    "refused": (refused, NotSent, 0),
    "no such host": (no_such_host, NotSent, 0),
    "connect stalls": (connect_stalls, NotSent, 0),
    "TLS handshake stalls": (tls_stalls, NotSent, 0),
    "TLS handshake fails": (tls_fails, NotSent, 0),
    "TLS handshake broken off": (tls_broken_off, NotSent, 0),
    "no free connection": (no_free_connection, NotSent, 0),
    "deadline passes in the pool": (deadline_passes_in_the_pool, NotSent, 0),
    "deadline passes before a reused connection": (deadline_passes_before_a_reused_connection, NotSent, 0),
    "deadline passes before a new connection": (deadline_passes_before_a_new_connection, NotSent, 0),
    "deadline passes while connecting": (deadline_passes_while_connecting, NotSent, 0),
    "deadline already passed": (deadline_already_passed, NotSent, 0),
    "reset after the request": (_answered(lambda line: line.reset()), NoAnswer, 1),
    "EOF after the request": (_answered(lambda line: line.close()), NoAnswer, 1),
    "cut in the headers": (_answered(_says_and_closes(_HEAD + "Content-Le")), NoAnswer, 1),
    "cut body, by length": (_answered(_says_and_closes(_HEAD + "Content-Length: 9\r\n\r\n{}")), NoAnswer, 1),
    "cut body, chunked": (
        _answered(_says_and_closes(_HEAD + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")),
        NoAnswer,
        1,
    ),
    "no HTTP": (_answered(_says_and_closes("220 mail.example ESMTP\r\n\r\n")), NoAnswer, 1),
    "body too long": (_answered(lambda line: line.say(_TOO_LONG)), NoAnswer, 1),
    "hang": (_answered(lambda line: line.hang(), timeout_s=READ_TIMEOUT_S), NoAnswer, 1),
    "headers that drip": (_drips(_HEAD + "X: "), NoAnswer, 1),
    "body that drips": (_drips(_HEAD + "\r\n"), NoAnswer, 1),
    "100 Continue without end": (
        _answered(lambda line: line.drip("HTTP/1.1 100 Continue\r\n\r\n", every_s=0), timeout_s=READ_TIMEOUT_S),
        NoAnswer,
        1,
    ),
    "answer": (_answered(lambda line: line.ok()), HttpResponse, 1),
}
for _method in ("POST", "PUT", "GET", "DELETE"):
    for _end, _breaks in {"reset": lambda line: line.reset(), "EOF": lambda line: line.close()}.items():
        CASES[f"{_end} on a reused connection, {_method}"] = (_on_a_reused_connection(_method, _breaks), NoAnswer, 1)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Collect the rows and print them at the end."""
    rows: list[str] = []
    yield rows
    print("\n\n" + "\n".join([f"{'what happens':44} {'transport':9} {'ended as':12} read  why", *sorted(rows)]))


# The rows in which bytes go over a connection of the server's, as they would to a payment's.
OVER_TLS = [name for name, (_, _, read) in CASES.items() if read]
OVER_TLS += ["no free connection", "deadline passes in the pool", "deadline passes before a reused connection"]


@pytest.mark.parametrize("name", CASES)
def test_not_sent_is_proven(name: str, world: World, table: list[str]) -> None:
    """NotSent stands exactly where the server read nothing; and no server ever reads a request twice."""
    _check(name, name, world, table)


@pytest.mark.parametrize("name", OVER_TLS)
def test_not_sent_is_proven_over_tls(name: str, world: World, table: list[str], certificate: Path) -> None:
    """The same over TLS, where libraries have other errors."""
    world.certificate = certificate
    _check(name, f"{name}, TLS", world, table)


def _check(name: str, row: str, world: World, table: list[str]) -> None:
    case, expected, read = CASES[name]
    ended, count = case(world)
    why = "" if isinstance(ended, HttpResponse) else ended.why
    table.append(f"{row:44} {world.transport:9} {type(ended).__name__:12} {count:4}  {why}")
    assert (type(ended), count) == (expected, read), why
    assert THE_ONE not in why
