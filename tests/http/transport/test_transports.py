"""What both transports share: what leaves, what comes back, what they refuse, and what is never logged."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import time
import traceback
from collections.abc import Callable
from concurrent.futures import as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import httpcore
import httpx
import pytest
from aiohttp.client_proto import ResponseHandler

from payments_core.domain.errors import ProviderBug, SettingsError
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, slot
from payments_core.http.transport import AsyncTransport, aiohttp_async, h11_async, h11_sync, httpx_sync
from payments_core.http.transport.aiohttp_async import AiohttpTransport
from payments_core.http.transport.exchange import Exchange
from payments_core.http.transport.h11_async import AsyncH11Transport
from payments_core.http.transport.httpx_sync import HttpxTransport

ASYNC = (AsyncH11Transport, AiohttpTransport)
LIBRARIES = ("httpx", "aiohttp")  # whose insides a transport of ours leans on

if TYPE_CHECKING:
    from tests.http.transport.conftest import Connection, Outcome, ReceivedRequest, Server, World

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PHONE = "46733123450"  # a test number of the sandbox
SECRET = "s3cr3t-token"


def asks(url: str, **changes: Any) -> HttpRequest:
    known: dict[str, Any] = {"method": "GET", "operation": "status", "timeout_s": 5.0}
    return HttpRequest(url=url, **{**known, **changes})


def answered(outcome: Outcome) -> HttpResponse:
    assert isinstance(outcome, HttpResponse), outcome
    return outcome


# --- What leaves -----------------------------------------------------------------------------------------------------


def request_received_by(server: Server, world: World, **changes: Any) -> ReceivedRequest:
    answered(world.call(asks(server.url + changes.pop("target", "/"), **changes)))
    return server.requests[-1]


def test_transport_sends_the_request_and_nothing_else(world: World) -> None:
    """The provider's own fields, four the transport owes, and nothing a library would add."""
    headers = {"Authorization": f"Bearer {SECRET}", "X-Reference-Id": "1"}
    parsed = request_received_by(world.server(), world, method="POST", headers=headers, body='{"note": "é"}')
    assert parsed.body == '{"note": "é"}'.encode()
    assert re.fullmatch(r"payments-core/[\w.]+", parsed.headers.pop("user-agent"))
    assert re.fullmatch(r"127\.0\.0\.1:\d+", parsed.headers.pop("host"))
    assert parsed.headers == {
        "authorization": f"Bearer {SECRET}",
        "x-reference-id": "1",
        "accept-encoding": "identity",
        "content-length": "14",
    }


def test_request_may_name_its_own_user_agent(world: World) -> None:
    """Fields of ours give way to the provider's, however they are spelt."""
    parsed = request_received_by(world.server(), world, headers={"user-AGENT": "acme/1", "Accept": "text/plain"})
    assert (parsed.headers["user-agent"], parsed.headers["accept"]) == ("acme/1", "text/plain")


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PUT", "0"), ("GET", None)])
def test_post_without_a_body_says_so(world: World, method: str, length: str | None) -> None:
    """A POST without a body says so: gateways answer 411 otherwise."""
    assert request_received_by(world.server(), world, method=method).headers.get("content-length") == length


@pytest.mark.parametrize(
    "target", ["/a%2Fb/+46733123450?x=%c3%A9&y=a+b&z=%7e~", "/a;b=1,2/@:!$&'()*", "/a//b/", "/%41?q=1?2/3"]
)
def test_transport_sends_the_address_as_written(world: World, target: str) -> None:
    """No library rewrites an address: a signature may cover it."""
    assert request_received_by(world.server(), world, target=target).target == target


def test_redirect_is_returned_and_not_followed(world: World) -> None:
    """A 3xx is returned, and its Location is not called."""
    server = world.server(
        lambda line: line.say("HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    )
    response = answered(world.call(asks(server.url + "/pay", method="POST", body="{}")))
    assert (response.status, response.headers["location"]) == (307, "/elsewhere")
    assert [entry.target for entry in server.requests] == ["/pay"]


def test_environment_proxies_and_passwords_are_ignored(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Proxies and passwords of the environment do not touch a payment."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert "authorization" not in request_received_by(world.server(), world).headers


def test_cookies_are_not_kept(world: World) -> None:
    """A gateway's cookie does not come back to it."""
    server = world.server(lambda line: line.ok(fields="Set-Cookie: a=b\r\n"))
    caller = world.caller()
    for _ in range(2):
        answered(caller.start(asks(server.url)).result(5))
    assert server.connections == 1
    assert all("cookie" not in entry.headers for entry in server.requests)


# --- What comes back -------------------------------------------------------------------------------------------------


def test_response_is_complete(world: World) -> None:
    """Status, lower-case fields, raw body, and the moment it was complete."""
    server = world.server(
        lambda line: line.say(
            "HTTP/1.1 409 Conflict\r\nX-Two: a\r\nx-two: b\r\nContent-TYPE: a/b\r\nContent-Length: 3\r\n\r\n\r\n\0"
        )
    )
    response = answered(world.caller(clock=lambda: AT).start(asks(server.url)).result(5))
    assert response == HttpResponse(409, {"x-two": "a, b", "content-type": "a/b", "content-length": "3"}, b"\r\n\0", AT)


@pytest.mark.parametrize(
    ("status", "text", "body"),
    [
        (200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc"),
        (200, "HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (204, "HTTP/1.1 204 No Content\r\n\r\n", b""),
        (202, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", b""),
    ],
    ids=["chunked", "until closed", "no content", "after 100"],
)
def test_response_framing_of_every_kind_is_understood(world: World, status: int, text: str, body: bytes) -> None:
    """Each way HTTP has to end a message is understood."""

    def speak(line: Connection) -> None:
        for character in text:  # in as many pieces as can be
            line.say(character)
        if body == b"to the end":
            line.close()

    response = answered(world.call(asks(world.server(speak).url)))
    assert (response.status, response.body) == (status, body)


def test_compressed_response_is_not_decompressed(world: World) -> None:
    """A body that comes packed although we asked for none stays as it came."""
    packed = gzip.compress(b"x" * 1000)
    server = world.server(
        lambda line: line.say(
            f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed
        )
    )
    assert answered(world.call(asks(server.url))).body == packed


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"headers": {"Authorization": "Bearer " + slot("token")}}, "token"),
        ({"body": slot("pin")}, "pin"),
        ({"url": "http://127.0.0.1/" + slot("key")}, "key"),
        ({"url": "ftp://127.0.0.1/"}, "address"),
        ({"url": "/relative"}, "address"),
        ({"url": "http://someone:secret@127.0.0.1/"}, "address"),
        ({"url": "http://127.0.0.1/a b"}, "address"),
        ({"url": "http://127.0.0.1/a\r\nX: y"}, "address"),
        ({"url": "http://127.0.0.1/a#b"}, "address"),
        ({"url": "http://127.0.0.1/a/../b"}, "address"),
        ({"url": "http://127.0.0.1:99999/"}, "address"),
        ({"url": "http://[::1/"}, "address"),
        ({"headers": {"X-Note": "secret\r\nX-Other: 1"}}, "X-Note"),
        ({"headers": {"X-Note": "secreté"}}, "X-Note"),
        ({"headers": {"Content-Length": "3"}}, "Content-Length"),
        ({"headers": {"connection": "close"}}, "connection"),
        ({"headers": {"Expect": "100-continue"}}, "Expect"),
        ({"headers": {"X Note": "secret"}}, "X Note"),
        ({"method": "GET / HTTP/1.1\r\n"}, "method"),
        ({"send_before": datetime(2026, 1, 1)}, "send_before"),  # noqa: DTZ001 the zone is what it lacks
    ],
)
def test_request_that_cannot_be_sent_is_refused_without_its_value(
    world: World, changes: dict[str, Any], named: str
) -> None:
    """An unfilled slot or a smuggled line is a provider's bug; it is named without its value, and nothing leaves."""
    server = world.server()
    changes = {**changes, "url": changes.get("url", server.url).replace("127.0.0.1/", f"127.0.0.1:{server.port}/")}
    with pytest.raises(ProviderBug, match=named) as caught:
        world.call(asks(**changes))
    assert "secret" not in str(caught.value)
    assert server.connections == 0


def test_closed_transport_refuses_to_send(world: World) -> None:
    """Sending after the end is a mistake of the caller, not a payment's fate."""
    caller = world.caller()
    url = world.server().url
    answered(caller.start(asks(url)).result(5))
    caller.close_transport()
    with pytest.raises(RuntimeError, match="closed"):
        caller.start(asks(url)).result(5)


@pytest.mark.parametrize("make", ASYNC)
def test_asynchronous_transport_belongs_to_one_loop(
    serve: Callable[..., Server], make: Callable[..., AsyncTransport]
) -> None:
    """A second event loop gets an error instead of waiting for ever."""
    url = serve().url
    transport = make(max_connections=1, clock=lambda: AT)

    async def send_and_close() -> None:
        assert (await transport.send(asks(url))).status == 200
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, transport.send(asks(url)))
        await transport.aclose()

    asyncio.run(send_and_close())


@pytest.mark.parametrize("world", LIBRARIES, indirect=True)
def test_library_that_does_not_report_its_writes_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of NotSent rests on one call; the first answer without it stops everything."""
    monkeypatch.setattr(httpx_sync, "_follow", lambda *_: None)
    monkeypatch.delattr(aiohttp_async._WatchedRequest, "send")  # as if aiohttp called it by another name
    with pytest.raises(RuntimeError, match="no longer tells"):
        world.call(asks(world.server().url))


@pytest.mark.parametrize("world", LIBRARIES, indirect=True)
def test_guard_that_the_library_does_not_call_stops_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of the whole wait, and the look at what came unasked, cannot be lost in silence by an upgrade."""
    follow = httpx_sync._follow

    def without_connecting(exchange: Exchange, event: str, info: dict[str, Any]) -> None:
        if not event.startswith("connection."):
            follow(exchange, event, info)

    monkeypatch.setattr(httpx_sync, "_follow", without_connecting)
    monkeypatch.setattr(aiohttp_async._WatchedRequest, "send", aiohttp.ClientRequest.send)
    with pytest.raises(RuntimeError, match="no longer"):
        world.call(asks(world.server().url))


@pytest.mark.parametrize(
    ("transport", "owner", "name"),
    [
        (HttpxTransport, httpx.HTTPTransport, "__init__"),
        (HttpxTransport, httpcore.HTTP11Connection, "__init__"),
        (HttpxTransport, httpcore.HTTPConnection, "__init__"),
        (AiohttpTransport, aiohttp.ClientRequest, "send"),
        (AiohttpTransport, aiohttp.connector.Connection, "protocol"),
        (AiohttpTransport, ResponseHandler, "should_close"),
    ],
)
def test_library_without_what_a_guard_needs_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, transport: type, owner: type, name: str
) -> None:
    """A release that renames what a transport looks at is an error that names it, before anything is sent."""
    module = httpx_sync if transport is HttpxTransport else aiohttp_async
    monkeypatch.setattr(module, "_check_library", module._check_library.__wrapped__)
    if name == "__init__":  # what is kept of the arguments has other names
        monkeypatch.setattr(owner, name, lambda *_, **__: None)
        monkeypatch.setattr(httpx.HTTPTransport, "__exit__", lambda *_: None)
        monkeypatch.setattr(httpx.HTTPTransport, "__enter__", lambda self: self)
    else:
        monkeypatch.delattr(owner, name)
    with pytest.raises(SettingsError, match="cannot be used"):
        transport(max_connections=1, clock=lambda: AT)


def test_request_is_written_once() -> None:
    """A library that comes back to write the same request again is stopped before the first byte."""
    exchange = Exchange(asks("http://gateway.example/"), lambda: AT)
    exchange.about_to_write()
    with pytest.raises(Exception, match="never written twice") as caught:
        exchange.about_to_write()
    assert isinstance(exchange.ended(caught.value, unsent=(Exception,)), NoAnswer)


@pytest.mark.parametrize("world", LIBRARIES, indirect=True)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_retry_by_the_library_is_stopped_by_the_guard(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Even a library that does send again on its own account does not get a second request out."""

    async def with_retry(request: Any, send: Any) -> Any:
        return await send(request)

    monkeypatch.setattr(aiohttp_async, "_without_retry", with_retry)
    server = world.server(lambda line: line.ok(), lambda line: line.reset(), lambda line: line.ok())
    caller = world.caller()
    answered(caller.start(asks(server.url + "/first")).result(5))
    ended = caller.start(asks(server.url + "/second", method=method)).result(5)
    assert isinstance(ended, NoAnswer)
    assert [entry.target for entry in server.requests] == ["/first", "/second"]
    if world.transport == "aiohttp":
        server.wait_until_connected(2)  # it did try; otherwise this proves nothing


@pytest.mark.parametrize("how", ["old", "closed by the server"])
def test_connection_that_may_be_closed_is_not_written_to(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A payment written while the server hangs up would be an unknown one: it goes over a new connection."""
    for module in (aiohttp_async, h11_async, h11_sync, httpx_sync):
        monkeypatch.setattr(module, "KEEP_ALIVE_S", 0.2)
    close = how != "old"
    server = world.server(lambda line: (line.ok(), close and line.close())[0], lambda line: line.ok())
    caller = world.caller(max_connections=1)
    answered(caller.start(asks(server.url)).result(5))
    time.sleep(0.05 if close else 0.4)
    answered(caller.start(asks(server.url, method="POST", body="{}")).result(5))
    assert server.connections == len(server.requests) == 2


def test_response_during_the_write_is_read_or_unknown(world: World) -> None:
    """A server that has read enough may answer and hang up: never "not sent", and never written again."""

    def refuse(line: Connection) -> None:
        line.sock.recv(1024)
        line.say("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        line.close()

    server = world.server(on_connect=refuse)
    size = 2**20 if world.transport == "aiohttp" else 2**24  # it warns above; the others meet a broken pipe
    ended = world.call(asks(server.url, method="POST", body="x" * size))
    assert isinstance(ended, NoAnswer) or answered(ended).status == 413
    assert server.connections == 1


# --- Many at once ----------------------------------------------------------------------------------------------------


def test_connections_are_shared_and_capped(world: World) -> None:
    """Many requests at once use sixteen connections, and each gets its own complete answer."""
    server = world.server(lambda line: line.ok())
    caller = world.caller(max_connections=16)
    waiting = [caller.start(asks(f"{server.url}/{number}", timeout_s=30.0)) for number in range(400)]
    assert [answered(future.result(30)).status for future in waiting] == [200] * 400
    assert len(server.requests) == 400
    assert server.connections <= 16


def test_close_leaves_no_connection_and_no_waiter(world: World) -> None:
    """A caller that waits for a connection gets NotSent at once, and no connection outlives the end."""
    server = world.server(lambda line: line.hang())
    caller = world.caller(max_connections=2)
    waiting = [caller.start(asks(f"{server.url}/{number}", timeout_s=5.0)) for number in range(5)]
    server.wait_for_requests(2)
    begun = time.monotonic()
    caller.close_transport()
    first = next(as_completed(waiting)).result()
    assert time.monotonic() - begun < 4
    assert isinstance(first, NotSent | NoAnswer)
    outcomes = [future.result(10) for future in waiting]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoAnswer"] * 2 + ["NotSent"] * 3
    assert len(server.requests) == server.connections == 2
    for line in server.lines:
        assert line.ended.wait(5), "a connection is still open"


@pytest.mark.parametrize("make", ASYNC)
def test_cancelled_caller_frees_its_connection(
    serve: Callable[..., Server], make: Callable[..., AsyncTransport]
) -> None:
    """Cancelling ends in a cancellation, and the next request finds the connection's place free."""
    server = serve(lambda line: line.hang(), lambda line: line.ok())

    async def cancel_and_go_on() -> HttpResponse:
        transport = make(max_connections=1, clock=lambda: AT)
        stuck = asyncio.create_task(transport.send(asks(server.url + "/stuck")))
        await asyncio.to_thread(server.wait_for_requests, 1)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck
        response = await transport.send(asks(server.url + "/next"))
        await transport.aclose()
        return response

    assert asyncio.run(cancel_and_go_on()).status == 200


# --- What is never logged --------------------------------------------------------------------------------------------


def test_loggers_report_no_address(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG, no library logs a number, a token or an answer."""
    caplog.set_level(logging.DEBUG)
    quotes = f"Location: /{PHONE}\r\nX-Token: {SECRET}\r\n"
    server = world.server(
        lambda line: line.ok(f'{{"payee": "{PHONE}"}}', fields=quotes),
        lambda line: line.say(f"HTTP/1.1 302 Found\r\n{quotes}Content-Length: 0\r\n\r\n"),
        lambda line: (line.say(f"{PHONE} {SECRET}\r\n\r\n"), line.close())[1],
        lambda line: line.reset(),
    )
    caller = world.caller()
    for timeout_s in (5.0, 5.0, 5.0, 5.0, 0.0):
        caller.start(
            asks(
                f"{server.url}/accountholder/msisdn/{PHONE}/active",
                method="POST",
                headers={"Authorization": f"Bearer {SECRET}"},
                body=PHONE,
                timeout_s=timeout_s,
            )
        ).result(5)
    assert len(server.requests) == 4
    result = "\n".join(f"{record.name} {record.getMessage()} {record.__dict__}" for record in caplog.records)
    if world.transport == "httpx":
        assert "httpcore" in result, "nothing was logged, so nothing was tested"
    for never in (PHONE, SECRET, "/accountholder"):
        assert never not in result


@pytest.mark.parametrize("how", ["refused", "reset", "hang", "nonsense"])
def test_errors_report_no_address(world: World, how: str) -> None:
    """Neither the reason nor anything chained to it holds the path, where phone numbers stand."""
    answers = {
        "refused": lambda line: line.ok(),
        "reset": lambda line: line.reset(),
        "hang": lambda line: line.hang(),
        "nonsense": lambda line: (line.say(f"{PHONE} {SECRET}\r\n\r\n"), line.close())[1],
    }
    url = world.server(answers[how]).url
    with socket.socket() as held:
        if how == "refused":
            held.bind(("127.0.0.1", 0))  # no other test's server gets the port, and nobody listens
            url = f"http://127.0.0.1:{held.getsockname()[1]}"
        ended = world.call(asks(f"{url}/msisdn/{PHONE}", headers={"X-Token": SECRET}, timeout_s=1.5))
    assert isinstance(ended, NotSent if how == "refused" else NoAnswer)
    assert ended.__cause__ is None
    assert ended.__context__ is None
    result = f"{ended!r} {ended.why} {''.join(traceback.format_exception(ended))}"
    assert "127.0.0.1" in ended.why
    for never in (PHONE, SECRET, "msisdn"):
        assert never not in result


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_server_with_an_untrusted_certificate_receives_nothing(world: World, certificate: Path) -> None:
    """The request does not leave for a server whose certificate is not trusted."""
    world.certificate = certificate
    server = world.server()
    ended = world.caller(tls=None).start(asks(server.url)).result(10)
    assert isinstance(ended, NotSent)
    assert "certificate" in ended.why.lower()
    assert server.requests == []
