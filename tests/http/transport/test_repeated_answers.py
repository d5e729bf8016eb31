"""An answer that comes twice, from a broken proxy: the second copy answers no request."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from payments_core.http.messages import HttpRequest, HttpResponse


def _get(url: str) -> HttpRequest:
    return HttpRequest("GET", url, operation="check", timeout_s=3.0, repeatable=True)


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("pause_s", [0, 0.05], ids=["at once", "a little later"])
def test_repeated_response_answers_no_other_request(
    world: Any, pause_s: float, is_tls: bool, certificate: Path
) -> None:
    """What arrived before a request was written cannot be its answer, on any transport."""
    world.certificate = certificate if is_tls else None

    def twice(line: Any) -> None:
        answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"
        if not pause_s:
            line.say(answer * 2)  # over TLS one record
            return
        line.say(answer)
        time.sleep(pause_s)
        line.say(answer)

    server = world.server(twice, lambda line: line.ok("second"))
    caller = world.caller(max_connections=1)
    first = caller.start(_get(server.url + "/1")).result(10)
    time.sleep(3 * pause_s)
    second = caller.start(_get(server.url + "/2")).result(10)
    assert isinstance(first, HttpResponse)
    assert first.body == b"first"
    assert isinstance(second, HttpResponse)
    assert second.body == b"second"
