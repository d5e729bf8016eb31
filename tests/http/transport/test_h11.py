"""What only the transport on sockets has to show: it has no library between itself and the connection."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from payments_core.http.messages import HttpRequest
from payments_core.http.transport import h11_sync
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
        if frame.f_code.co_filename != h11_sync.__file__:
            return None
        if event == "line":
            self._left -= 1
            if not self._left:
                raise KeyboardInterrupt
        return self._trace


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # closed by the collector is closed too
@pytest.mark.parametrize("is_reused", [False, True], ids=["new", "reused"])
def test_an_interrupt_at_any_line_leaves_no_half_used_connection(serve: Serve, is_reused: bool) -> None:
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


def test_a_signal_ends_a_wait_for_an_answer(serve: Serve) -> None:
    """Ctrl-C goes through at once, the connection is closed, and its place is free again."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    main = threading.main_thread().ident or 0

    def interrupt(line: Connection) -> None:
        signal.pthread_kill(main, signal.SIGINT)
        line.hang()

    server = serve(interrupt, lambda line: line.ok())
    transport = _transport(1)
    with pytest.raises(KeyboardInterrupt):
        transport.send(_asks(server.url))
    assert server.lines[0].ended.wait(5)
    assert transport.send(_asks(server.url)).status == 200
    transport.close()


def test_each_server_has_its_own_connection(serve: Serve) -> None:
    """A free connection to another server is closed, not written to."""
    one, other = serve(), serve()
    transport = _transport(1)
    for server in (one, other, one):
        assert transport.send(_asks(server.url)).status == 200
    assert (one.connections, other.connections) == (2, 1)
    assert one.lines[0].ended.wait(5)
    transport.close()
