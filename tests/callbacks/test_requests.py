"""What anybody may send: refused alike, without a word, and without a change; on real sockets."""

from __future__ import annotations

import contextlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from payments_core.callbacks import Limits, app, application
from payments_core.cli import callback_server
from payments_core.client.inbox import Inbox
from payments_core.domain.errors import JournalLocked

STUCK = "+46733123453"
Harness = Any
MakeScene = Callable[..., Harness]


def body_of(payout_id: str) -> bytes:
    return json.dumps({"externalId": payout_id, "status": "SUCCESSFUL", "payerMessage": "x" * 50}).encode()


def refused(harness: Harness) -> bytes:
    """Return the answer to what leads nowhere."""
    answer: bytes = harness.server.ask("GET", "/nothing")[1]
    return answer


def test_acknowledgement_is_the_same_for_every_callback(harness: Harness) -> None:
    """Known, unknown, ended, another account's, repeated, forged, no sense at all: byte for byte one answer."""
    ours = harness.pay("one", STUCK).id
    bodies = [body_of(ours), body_of(ours), body_of("po_" + "a" * 24), b"", b"{", b"\xff\x00", body_of(ours)[:-9]]
    result = {harness.server.ask("PUT", harness.path, body) for body in bodies}
    assert len(result) == 1
    [(status, answer)] = result
    assert status == 200
    assert answer.endswith(b"\r\n\r\n")
    harness.until_handled(len(bodies))


def test_unknown_path_and_method_get_one_empty_answer(make_scene: MakeScene) -> None:
    """No path but the account's own, no method but two: one answer, and no body."""
    harness = make_scene()
    token = harness.token
    wrong = [token[:-1], f"{token}x", "A" * 32, token.swapcase(), f"{token}/", "%00", ""]
    paths = ["/", "/callbacks", f"/{token}", "/docs", "/health/", *(f"/callbacks/{end}" for end in wrong)]
    result = {harness.server.ask("PUT", path, b"{}") for path in paths}
    result |= {
        harness.server.ask(method, harness.path) for method in ("GET", "HEAD", "DELETE", "PATCH", "OPTIONS", "BREW")
    }
    assert result == {(404, refused(harness))}
    assert refused(harness).endswith(b"\r\n\r\n")
    assert b"content-length: 0" in refused(harness)
    assert harness.outcomes() == {}
    assert harness.server.app.counts["unknown"] == 6


def test_path_may_have_a_prefix(make_scene: MakeScene) -> None:
    """A proxy may add one: what counts is the end."""
    harness = make_scene()
    assert harness.server.ask("PUT", f"/pay/outs{harness.path}", b"{}")[0] == 200
    harness.until_handled(1)


def test_body_up_to_the_limit_is_received(make_scene: MakeScene) -> None:
    harness = make_scene(limits=Limits(body_bytes=1000))
    assert harness.server.ask("PUT", harness.path, b"x" * 1000)[0] == 200
    assert harness.server.ask("PUT", harness.path, b"x" * 1001) == (404, refused(harness))
    harness.until_handled(1)
    assert harness.server.app.counts == {"received": 1, "refused": 1}


def test_body_in_chunks_has_the_same_limit(make_scene: MakeScene) -> None:
    """Where no length is told, it is counted."""
    harness = make_scene(limits=Limits(body_bytes=1000))
    head = f"PUT {harness.path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunk = b"64\r\n" + b"x" * 100 + b"\r\n"
    for chunks, status in ((10, b"200"), (11, b"404")):
        assert harness.server.raw(head + chunk * chunks + b"0\r\n\r\n").split(b" ")[1] == status
    harness.until_handled(1)
    assert harness.server.app.counts["refused"] == 1


def test_header_fields_and_bytes_are_limited(make_scene: MakeScene) -> None:
    harness = make_scene(limits=Limits(header_fields=20, header_bytes=1000))
    assert harness.server.ask("PUT", harness.path, b"{}", **{f"x{number}": "y" for number in range(10)})[0] == 200
    assert harness.server.ask("PUT", harness.path, b"{}", **{f"x{number}": "y" for number in range(20)})[0] == 404
    assert harness.server.ask("PUT", harness.path, b"{}", x="y" * 1000)[0] == 404
    assert harness.server.raw(f"PUT {harness.path} HTTP/1.1\r\nx: {'y' * 100_000}\r\n\r\n".encode()).startswith(
        b"HTTP/1.1 400 "
    )
    harness.until_handled(1)


def test_body_that_takes_too_long_is_refused(make_scene: MakeScene) -> None:
    harness = make_scene(limits=Limits(body_s=0.2))
    head = f"PUT {harness.path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n12345".encode()
    assert harness.server.raw(head).split(b" ")[1] == b"404"
    assert harness.outcomes() == {}


@pytest.mark.parametrize("limit", ["_HEAD_S", "_LONGEST_S"])
@pytest.mark.parametrize("sent", [b"", b"P", b"PUT / HTTP/1.1\r\nhost: x\r\nx-slow: "])
def test_connection_that_sends_nothing_whole_is_closed(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch, sent: bytes, limit: str
) -> None:
    """A caller that sends a header a byte at a time holds a connection no longer than any other."""
    monkeypatch.setattr(callback_server, limit, 0.3)
    harness = make_scene()
    with socket.create_connection(("127.0.0.1", harness.server.port), timeout=20) as connection:
        connection.sendall(sent)
        ended = threading.Event()

        def drip() -> None:
            while not ended.wait(0.02):
                try:
                    connection.sendall(b"y")
                except OSError:
                    return

        if sent:
            threading.Thread(target=drip, daemon=True).start()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
        ended.set()
    assert harness.server.ask("GET", "/health")[0] == 200


def test_slow_connections_of_one_address_keep_out_no_other(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that holds hundreds of connections open is refused more; a request from another is answered."""
    monkeypatch.setattr(callback_server, "_HEAD_S", 600.0)  # none of them is cut off meanwhile
    harness = make_scene()
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", harness.server.port), timeout=20))
            with contextlib.suppress(OSError):  # refused already
                slow.sendall(b"PUT / HTTP/1.1\r\nhost: x\r\n")
        assert harness.server.ask("GET", "/health", source="127.0.0.2")[0] == 200
        with contextlib.suppress(ConnectionResetError):
            assert harness.server.raw(b"").startswith(b"HTTP/1.1 503 ")


def test_body_may_take_longer_than_the_head(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head's time-out is over with the head: a body that takes longer is still taken."""
    monkeypatch.setattr(callback_server, "_HEAD_S", 0.3)
    harness = make_scene()
    with socket.create_connection(("127.0.0.1", harness.server.port), timeout=20) as connection:
        head = f"PUT {harness.path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n"
        connection.sendall(head.encode() + b"{")
        time.sleep(0.6)
        connection.sendall(b"}")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    harness.until_handled(1)


def test_incomplete_body_is_not_received(make_scene: MakeScene) -> None:
    """Who closes in the middle of the body has sent nothing."""
    harness = make_scene()
    head = f"PUT {harness.path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n12345".encode()
    harness.server.raw(head, ends=True)
    assert harness.server.ask("GET", "/health")[0] == 200
    assert harness.outcomes() == {}
    assert harness.server.app.counts["received"] == 0


def test_callback_that_cannot_be_stored_is_answered_503(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then, and only then, it should come again."""
    harness = make_scene()
    payout = harness.pay("one", STUCK)

    def locked(*_: object) -> Future[None]:
        raise JournalLocked("locked")

    for broken in (locked, lambda *_: Future[None]()):  # refused, and one that never ends
        with monkeypatch.context() as patch:
            patch.setattr(Inbox, "receive", broken)
            patch.setattr(harness.server.app, "_limits", Limits(keep_s=0.2))
            assert harness.server.ask("PUT", harness.path, body_of(payout.id))[0] == 503
    assert harness.outcomes() == {}
    assert harness.server.ask("PUT", harness.path, body_of(payout.id))[0] == 200
    harness.until_handled(1)
    assert harness.server.app.counts["failed"] == 2


def test_path_that_cannot_be_looked_up_in_time_is_answered_503(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that hangs holds no request for ever, and nobody is told that the path is none."""
    harness, goes_on, place = make_scene(limits=Limits(keep_s=0.2)), threading.Event(), Inbox.place
    payout = harness.pay("one", STUCK)
    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "place", lambda inbox, token: goes_on.wait(60) and place(inbox, token))
        try:
            assert harness.server.ask("PUT", harness.path, body_of(payout.id))[0] == 503
        finally:
            goes_on.set()
    assert harness.server.app.counts == {"failed": 1}


def test_callback_that_cannot_be_handled_does_not_stop_the_others(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider's code may break; the gateway has its 200, and the next callback is heard."""
    harness = make_scene()
    payout = harness.pay("one", STUCK)
    kind = type(harness.client._runtime.accounts[harness.account].provider)
    with monkeypatch.context() as patch:
        patch.setattr(kind, "parse", lambda *_: 1 / 0)
        patch.setattr(kind, "acknowledge", lambda *_: 1 / 0)
        assert harness.server.ask("PUT", harness.path, body_of(payout.id))[0] == 200
        harness.until_handled(1)
    assert harness.server.ask("PUT", harness.path, body_of(payout.id))[0] == 200
    harness.until_handled(2)
    assert harness.outcomes() == {"provider bug: ZeroDivisionError": 1, "read due": 1}


def test_callback_with_a_wrong_signature_is_forged(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """MTN signs nothing; where a provider does, the answer is the same and nothing becomes due."""
    harness = make_scene()
    payout = harness.pay("one", STUCK)
    row = harness.row(payout)
    kind = type(harness.client._runtime.accounts[harness.account].provider)
    good = harness.server.ask("PUT", harness.path, b"{}")
    harness.until_handled(1)
    monkeypatch.setattr(kind, "verify", lambda _, callback: "signature" in callback.headers)
    assert harness.server.ask("PUT", harness.path, body_of(payout.id)) == good
    harness.until_handled(2)
    assert harness.row(payout) == row
    assert harness.server.ask("PUT", harness.path, body_of(payout.id), signature="s") == good
    harness.until_handled(3)
    assert harness.outcomes() == {"makes no sense": 1, "forged": 1, "read due": 1}


@pytest.mark.parametrize(
    ("options", "headers", "status"),
    [
        ({"allowed": ["127.0.0.1"]}, {}, 200),
        ({"allowed": ["127.0.0.0/8"]}, {"x_forwarded_for": "10.0.0.1"}, 200),
        ({"allowed": ["10.0.0.0/8"]}, {}, 404),
        ({"allowed": ["10.0.0.0/8"]}, {"x_forwarded_for": "10.0.0.1"}, 404),  # anybody can write that
        ({"allowed": ["10.0.0.0/8"], "address_header": "X-Forwarded-For"}, {"x_forwarded_for": "10.0.0.1"}, 200),
        (
            {"allowed": ["10.0.0.0/8"], "address_header": "X-Forwarded-For"},
            {"x_forwarded_for": "10.0.0.1, 9.9.9.9"},
            404,
        ),
        ({"allowed": ["10.0.0.0/8"], "address_header": "X-Forwarded-For"}, {}, 404),
        ({"allowed": ["10.0.0.0/8"], "address_header": "X-Forwarded-For"}, {"x_forwarded_for": "unknown"}, 404),
    ],
)
def test_address_filter_trusts_only_the_named_header(
    make_scene: MakeScene, options: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    """Off by default; a header is believed only where it was named, and only its last value, which our proxy wrote."""
    harness = make_scene(**options)
    assert harness.server.ask("PUT", harness.path, b"{}", **headers)[0] == status


def test_address_filter_that_is_wrong_is_refused_at_the_start(make_scene: MakeScene) -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        app(make_scene().client, allowed=["10.0.0.0/99"])


def test_health_and_readiness_are_reported_separately(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that lives may still be unable to write."""
    harness = make_scene()
    assert [harness.server.ask("GET", path)[0] for path in ("/health", "/ready")] == [200, 200]

    def locked(_: object) -> None:
        raise JournalLocked("locked")

    monkeypatch.setattr(Inbox, "prove_writable", locked)
    harness.until(lambda: harness.server.ask("GET", "/ready")[0] == 503)
    assert harness.server.ask("GET", "/health")[0] == 200


def test_readiness_flood_causes_one_write(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again within a second hears what was found before."""
    monkeypatch.setattr(application, "_READY_S", 1000.0)
    harness = make_scene(limits=Limits(keep_s=60.0))
    asked: list[Inbox] = []
    monkeypatch.setattr(Inbox, "prove_writable", lambda inbox: asked.append(inbox))
    assert {harness.server.ask("GET", "/ready")[0] for _ in range(50)} == {200}
    assert len(asked) == 1


def test_token_is_compared_with_every_account_to_its_end(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it takes tells neither how much of it was right nor whose it is."""
    harness = make_scene()
    inbox = harness.client.inbox
    monkeypatch.setitem(inbox.__dict__, "tokens", {name: name * 32 for name in "abc"})
    compared: list[str] = []

    def watched(ours: str, theirs: str) -> bool:
        compared.append(ours[0])
        return hmac.compare_digest(ours, theirs)

    monkeypatch.setattr("payments_core.client.inbox.hmac", SimpleNamespace(compare_digest=watched))
    found = [inbox.place(token) for token in ("a" * 32, "c" * 32, "x" * 32)]
    assert [place and place.account for place in found] == ["a", "c", None]
    assert compared == ["a", "b", "c"] * 3
