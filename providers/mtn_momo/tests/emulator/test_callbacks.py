"""Callbacks over real sockets: to whom, how, when, how often, and what faults make of them."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

import httpx
import pytest

from payments_core.testing.emulator.destinations import Destination, destination_of
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.callback_plan import RETRIES_S

NO_TLS = ssl.create_default_context()
GOOD, FAILING, DELAYED, STUCK = "46733123499", "46733123457", "46733123454", "46733123453"
WAYS = [
    ("v1_0/transfer", "PUT"),
    ("v1_0/deposit", "POST"),
    ("v2_0/deposit", "PUT"),
    ("v1_0/refund", "POST"),
    ("v2_0/refund", "PUT"),
]
NOTES = ["payerMessage", "payeeNote", "status"]
FIELDS = {
    "transfer": ["amount", "currency", "financialTransactionId", "externalId", "payee", *NOTES],
    "deposit": ["externalId", "amount", "currency", "payee", *NOTES],
    "refund": ["financialTransactionId", "externalId", "amount", "currency", "payee", *NOTES],
}


class Received(NamedTuple):
    """One request that reached a receiver."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def status(self) -> str:
        fields: str = json.loads(self.body)["status"]
        return fields


class Receiver:
    """A receiver of callbacks on a socket of this machine."""

    def __init__(self, host: str = "127.0.0.1", *, port: int = 0) -> None:
        self.got: queue.Queue[Received] = queue.Queue()
        self.answer = 200
        self.go_on = threading.Event()
        self.go_on.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.put(Received(self.command, self.path, headers, body))
                receiver.go_on.wait(30)
                self.send_response(receiver.answer)
                self.send_header("content-length", "0")
                self.end_headers()

            do_POST = do_PUT

            def log_message(self, *words: object) -> None:
                pass

        kind = type("Server", (ThreadingHTTPServer,), {"address_family": socket.AF_INET6 if ":" in host else 2})
        self._server = kind((host, port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def url(self, path: str = "/cb") -> str:
        return f"http://localhost:{self.port}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next(self) -> Received:
        return self.got.get(timeout=10)

    def all(self) -> list[Received]:
        """Return what has come and was not asked for yet."""
        found = []
        while not self.got.empty():
            found.append(self.got.get())
        return found


class GatewayCaller(httpx.Client):
    """A client of an emulator that wants to be called back."""

    def __init__(self, emulator: MtnMomoEmulator) -> None:
        super().__init__(base_url=emulator.url, timeout=30, trust_env=False, verify=NO_TLS)
        held = emulator.credentials
        self.headers.update(
            {"Ocp-Apim-Subscription-Key": held.subscription_key, "X-Target-Environment": emulator.target}
        )
        token = self.post("/disbursement/token/", auth=(held.api_user, held.api_key)).json()["access_token"]
        self.headers["Authorization"] = f"Bearer {token}"

    def pay(self, url: str | None, way: str = "v1_0/transfer", payee: str = GOOD, **changed: Any) -> httpx.Response:
        order = {"amount": "12.50", "currency": "EUR", "externalId": "po_1", "payerMessage": "a", "payeeNote": "b"}
        if way.endswith("refund"):
            order["referenceIdToRefund"] = str(uuid.uuid4())
        else:
            changed["payee"] = {"partyIdType": "MSISDN", "partyId": payee}
        headers = {"X-Reference-Id": str(uuid.uuid4())} | ({} if url is None else {"X-Callback-Url": url})
        return self.post(f"/disbursement/{way}", json=order | changed, headers=headers)


class Harness(NamedTuple):
    """An emulator, its caller, and who is called back."""

    emulator: MtnMomoEmulator
    caller: GatewayCaller
    receiver: Receiver

    def pay(self, *words: Any, **changed: Any) -> str:
        """Make a payment that is taken; return its reference."""
        taken = self.caller.pay(self.receiver.url(), *words, **changed)
        assert taken.status_code == 202
        return taken.request.headers["X-Reference-Id"]

    def rows(self) -> list[Mapping[str, Any]]:
        return list(self.emulator.callbacks())

    def until(self, good: Callable[[list[Mapping[str, Any]]], bool]) -> list[Mapping[str, Any]]:
        """Return the rows of the callbacks once they are as wanted."""
        give_up = time.monotonic() + 20
        while not good(rows := self.rows()):
            assert time.monotonic() < give_up, rows
            time.sleep(0.005)
        return rows

    def over(self) -> list[Mapping[str, Any]]:
        """Return the rows once nothing is under way and nothing is due."""
        return self.until(lambda rows: all(row["state"] not in {"waiting", "sending"} for row in rows))


@pytest.fixture
def make_scene() -> Iterator[Callable[..., Harness]]:
    opened: list[Any] = []

    def make(**fields: Any) -> Harness:
        wanted: dict[str, Any] = {"callback_host": "localhost", "callback_timeout_s": 30}
        emulator = MtnMomoEmulator(**(wanted | fields))
        for one in (receiver := Receiver(), emulator):
            opened.append(one.__enter__())
        opened.append(caller := GatewayCaller(emulator))
        return Harness(emulator, caller, receiver)

    yield make
    for one in reversed(opened):
        one.__exit__(None, None, None)


@pytest.fixture
def harness(make_scene: Callable[..., Harness]) -> Harness:
    return make_scene()


# --- what is sent, and to whom ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "method"), WAYS)
def test_callback_is_sent_once_with_the_body_of_the_status(harness: Harness, way: str, method: str) -> None:
    """Version 1 by POST, version 2 by PUT; the status's own body, and no reference in it."""
    operation = way.partition("/")[2]
    reference = harness.pay(way)
    came = harness.receiver.next()

    read = harness.caller.get(f"/disbursement/v1_0/{operation}/{reference}")
    assert (came.method, came.path) == (method, "/cb")
    assert came.body == read.content
    assert list(json.loads(came.body)) == FIELDS[operation]
    assert reference not in came.body.decode() + str(came.headers)
    assert came.headers["host"] == f"localhost:{harness.receiver.port}"
    assert came.headers["content-type"] == read.headers["content-type"]
    [row] = harness.over()
    assert harness.receiver.all() == []
    assert (row["reference"], row["method"], row["says"], row["state"]) == (reference, method, "SUCCESSFUL", "received")
    assert row["to"] == [f"127.0.0.1:{harness.receiver.port}", f"[::1]:{harness.receiver.port}"]
    assert [(one["answer"], one["failed"]) for one in row["attempts"]] == [(200, None)]


@pytest.mark.parametrize("way", ["v1_0/transfer", "v1_0/deposit", "v2_0/deposit"])
@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("string", "APPROVAL_REJECTED"),
        ("object", {"code": "APPROVAL_REJECTED", "message": "APPROVAL_REJECTED"}),
    ],
)
def test_callback_of_a_failure_has_its_reason_and_no_transaction_id(
    make_scene: Callable[..., Harness], way: str, shape: str, reason: Any
) -> None:
    harness = make_scene(reason_shape=shape)
    harness.pay(way, "46733123451")
    fields = json.loads(harness.receiver.next().body)

    assert (fields["status"], fields["reason"]) == ("FAILED", reason)
    assert "financialTransactionId" not in fields


def test_callback_of_a_transfer_is_a_post_when_switched(make_scene: Callable[..., Harness]) -> None:
    harness = make_scene(transfer_callback="POST")
    harness.pay()

    assert harness.receiver.next().method == "POST"


@pytest.mark.parametrize("where", ["body", "header"])
def test_callback_has_a_reference_only_when_switched(make_scene: Callable[..., Harness], where: str) -> None:
    """One public receiver reads it in the body, one in the header; no capture has it."""
    harness = make_scene(callback_reference=where)
    reference = harness.pay()
    came = harness.receiver.next()

    assert (json.loads(came.body).get("referenceId") == reference) is (where == "body")
    assert (came.headers.get("x-reference-id") == reference) is (where == "header")


def test_callback_is_sent_only_for_accepted_payments_that_ask(harness: Harness) -> None:
    """No header, a duplicate, a payment that stays PENDING, another host: no callback, and for that host no payment."""
    reference = harness.pay()
    harness.receiver.next()
    duplicate = harness.caller.post(
        "/disbursement/v1_0/transfer",
        content=b'{"amount":"1","currency":"EUR","payee":{"partyIdType":"MSISDN","partyId":"46733123499"}}',
        headers={"X-Reference-Id": reference, "X-Callback-Url": harness.receiver.url()},
    )
    silent = harness.caller.pay(None)
    harness.pay(payee=STUCK)
    elsewhere = harness.caller.pay(f"http://127.0.0.1:{harness.receiver.port}/cb")
    harness.emulator.advance(86_400)

    assert (duplicate.status_code, silent.status_code) == (409, 202)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (500, "INVALID_CALLBACK_URL_HOST")
    assert elsewhere.request.headers["X-Reference-Id"] not in {row["reference"] for row in harness.emulator.ledger()}
    assert len(harness.over()) == 1
    assert harness.receiver.all() == []


def test_callback_receiver_under_another_name_needs_a_switch(make_scene: Callable[..., Harness]) -> None:
    """The name registered is the name compared; path, query and Host stay, as behind a proxy."""
    with Receiver() as receiver:
        harness = make_scene(callback_host="pay.example.org", callback_via=f"http://127.0.0.1:{receiver.port}")
        assert harness.caller.pay(receiver.url()).status_code == 500
        assert harness.caller.pay("https://user:word@pay.example.org:8443/cb/a%20b c?x=1#y").status_code == 202
        came = receiver.next()

    assert (came.path, came.headers["host"]) == ("/cb/a%20b%20c?x=1", "pay.example.org:8443")
    assert [row["to"] for row in harness.over()] == [[f"127.0.0.1:{receiver.port}"]]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://payouts.example.org/cb", "not on this machine"),
        ("http://192.0.2.1/cb", "not on this machine"),
        ("http://localhost.example.org/cb", "not on this machine"),
        ("http://127.1/cb", "not on this machine"),
        ("http://[::ffff:192.0.2.1]/cb", "not on this machine"),
        ("http://0.0.0.0:1/cb", "not on this machine"),
        ("https://localhost/cb", "no TLS is spoken"),
        ("ftp://localhost/cb", "no address"),
        ("localhost/cb", "no address"),
        ("http://[", "no address"),
        ("http://localhost:x/cb", "no address"),
    ],
)
def test_callback_is_never_sent_off_this_machine(make_scene: Callable[..., Harness], url: str, why: str) -> None:
    """The payment is taken; its callback is not sent, not even a name is looked up, and the row says why."""
    harness = make_scene(callback_host="", faults={"callback_early": True, "callback_forged": True})

    assert harness.caller.pay(url).status_code == 202
    shown = [(row["state"], row["not_sent"], row["to"], row["attempts"]) for row in harness.rows()]
    assert shown == [("not sent", why, None, [])] * 2


@pytest.mark.parametrize(
    ("url", "addresses", "host"),
    [
        ("http://localhost/", ("127.0.0.1", "::1"), "localhost"),
        ("http://Pay.LOCALHOST:81/", ("127.0.0.1", "::1"), "Pay.LOCALHOST:81"),
        ("http://127.9.9.9/", ("127.9.9.9",), "127.9.9.9"),
        ("http://[::1]:9/", ("::1",), "[::1]:9"),
    ],
)
def test_callback_destination_is_an_address_of_this_machine(url: str, addresses: tuple[str, ...], host: str) -> None:
    found = destination_of(url)

    assert isinstance(found, Destination)
    assert (found.addresses, found.host, found.target) == (addresses, host, "/")


@pytest.mark.parametrize("via", ["http://192.0.2.1", "https://127.0.0.1", "127.0.0.1:80", "http://pay.example.org"])
def test_callback_switch_refuses_an_address_off_this_machine(via: str) -> None:
    with pytest.raises(ValueError, match="callback_via must be an http address of this machine"):
        MtnMomoEmulator(callback_via=via)


def test_callback_receiver_may_listen_on_ipv6_alone(harness: Harness) -> None:
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))  # nobody else may listen at this port of the other address
        try:
            receiver = Receiver("::1", port=kept.getsockname()[1])
        except OSError:
            pytest.skip("this machine has no ::1")
        with receiver:
            harness.caller.pay(receiver.url())
            assert receiver.next().status == "SUCCESSFUL"
            [row] = harness.over()
    assert row["state"] == "received"


# --- when ---------------------------------------------------------------------------------------------------------


def test_callback_comes_at_the_end_of_the_payment(make_scene: Callable[..., Harness]) -> None:
    """By the emulator's clock, which is moved on: nothing comes before, one comes at it."""
    harness = make_scene(delayed_s=3600)
    harness.pay(payee=DELAYED)
    for step_s, state in ((1000, "CREATED"), (2590, "PENDING")):
        harness.emulator.advance(step_s)
        [row], [payment] = harness.rows(), harness.emulator.ledger()
        assert (row["state"], row["attempts"], payment["state"]) == ("waiting", [], state)
    harness.emulator.advance(20)
    came = harness.receiver.next()
    [row] = harness.over()

    [payment] = harness.emulator.ledger()
    assert came.status == "SUCCESSFUL"
    assert payment["ends_at"] <= row["attempts"][0]["at"]
    assert harness.receiver.all() == []


def test_early_callback_arrives_before_the_answer(make_scene: Callable[..., Harness]) -> None:
    """The POST is answered only when the receiver has answered; others are served meanwhile."""
    harness = make_scene(faults={"callback_early": {"next": 1}}, callback_timeout_s=30)
    harness.receiver.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        paying = pool.submit(harness.pay)
        came = harness.receiver.next()
        [row] = harness.caller.get("/__emulator/callbacks").json()["callbacks"]
        read = harness.caller.get(f"/disbursement/v1_0/transfer/{row['reference']}").json()
        assert wait([paying], timeout=0.1).not_done
        harness.receiver.go_on.set()
        assert paying.result(10) == row["reference"]

    assert (came.status, read["status"], row["state"], row["faults"]) == (
        "SUCCESSFUL",
        "SUCCESSFUL",
        "sending",
        ["callback_early"],
    )


def test_answer_waits_for_no_callback_receiver(make_scene: Callable[..., Harness]) -> None:
    harness = make_scene(callback_timeout_s=30)
    harness.receiver.go_on.clear()
    harness.pay()
    harness.receiver.next()
    harness.receiver.go_on.set()

    assert [row["state"] for row in harness.over()] == ["received"]


def test_early_callback_needs_an_ended_payment(make_scene: Callable[..., Harness]) -> None:
    harness = make_scene(faults={"callback_early": True})
    harness.pay(payee=DELAYED)

    [row] = harness.rows()
    assert (row["state"], row["faults"]) == ("waiting", [])


# --- again, and when not ------------------------------------------------------------------------------------------

REFUSED = [("once", 1, 0.0), ("blocks", 75, 20 * 1 + 30 * 120 + 24 * 3600)]


@pytest.mark.parametrize(("retries", "times", "after_s"), REFUSED)
def test_callback_to_a_refusing_receiver_is_retried_as_configured(
    make_scene: Callable[..., Harness], retries: str, times: int, after_s: float
) -> None:
    """Version A sends once. Version B: 20 more at 1 s, 30 at 2 min, then hourly, here for a day."""
    harness = make_scene(callback_retries=retries)
    harness.receiver.answer = 503
    harness.pay()
    harness.emulator.advance(86_400 * 3)
    [row] = harness.until(lambda rows: rows[0]["state"] == "given up")

    assert len(row["attempts"]) == len(harness.receiver.all()) == times
    assert {one["answer"] for one in row["attempts"]} == {503}
    assert sum(RETRIES_S[retries]) == after_s


def test_callback_retries_end_with_the_first_accepted_one(make_scene: Callable[..., Harness]) -> None:
    """Between two attempts the clock has to move: 21 attempts in the first block, the next two minutes on."""
    harness = make_scene(callback_retries="blocks")
    harness.receiver.answer = 500
    harness.pay()
    harness.emulator.advance(60)
    [row] = harness.until(lambda rows: len(rows[0]["attempts"]) == 21 and rows[0]["state"] == "waiting")
    assert row["next_at"] > row["attempts"][-1]["at"]
    harness.receiver.answer = 204
    harness.emulator.advance(120)
    [row] = harness.over()

    assert (row["state"], len(row["attempts"]), row["attempts"][-1]["answer"]) == ("received", 22, 204)
    assert row["next_at"] is None


def test_callback_redirect_is_not_followed(harness: Harness) -> None:
    harness.receiver.answer = 302
    harness.pay()

    [row] = harness.over()
    assert (row["state"], [one["answer"] for one in row["attempts"]]) == ("given up", [302])


def test_callback_to_a_slow_receiver_is_broken_off(make_scene: Callable[..., Harness]) -> None:
    """And everybody else is served and called back meanwhile."""
    harness = make_scene(callback_timeout_s=0.2)
    harness.receiver.go_on.clear()
    references = [harness.pay() for _ in range(40)]
    rows = harness.over()
    harness.receiver.go_on.set()

    assert [row["reference"] for row in rows] == references
    assert {(row["state"], row["attempts"][0]["failed"]) for row in rows} == {("given up", "timed out")}


def raw(answer: bytes) -> Iterator[int]:
    """Accept one connection, answer with these bytes, close; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answer", "tried"),
    [
        (b"", (None, "broken off")),
        (b"HTTP/1.1 200 OK\r\nContent-Le", (None, "broken off")),
        (b"hello\r\n\r\n", (None, "answered without HTTP")),
        (b"x" * 70_000, (None, "answered without HTTP")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", (201, None)),
        (b"HTTP/1.0 200 OK\r\n\r\nread to the end", (200, None)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", (200, None)),
    ],
)
def test_callback_attempts_are_reported_with_their_result(
    harness: Harness, answer: bytes, tried: tuple[int | None, str | None]
) -> None:
    for port in raw(answer):
        harness.caller.pay(f"http://localhost:{port}/cb")
        [row] = harness.over()
        assert [(one["answer"], one["failed"]) for one in row["attempts"]] == [tried]


def test_callback_without_a_listener_is_reported(harness: Harness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    harness.caller.pay(f"http://localhost:{port}/cb")

    [row] = harness.over()
    assert (row["state"], row["attempts"][0]["failed"]) == ("given up", "no connection")


def test_stop_breaks_off_running_callbacks_and_keeps_waiting_ones() -> None:
    """No thread, no socket and no warning stays; started again, it goes on."""
    emulator = MtnMomoEmulator(callback_retries="blocks", callback_timeout_s=60)
    before = set(threading.enumerate())  # other tests may have emulators of their own
    with Receiver() as receiver:
        with emulator, contextlib.closing(GatewayCaller(emulator)) as caller:
            receiver.go_on.clear()
            for _ in range(20):
                caller.pay(receiver.url())
            caller.pay(receiver.url(), payee=DELAYED)
            receiver.next()
        threads = {thread.name for thread in threading.enumerate() if thread not in before}
        rows = emulator.callbacks()
        receiver.go_on.set()
        emulator.advance(3600)
        with emulator:
            harness = Harness(emulator, caller, receiver)
            ended = harness.over()

    assert "mtn-momo-emulator" not in threads
    assert {row["state"] for row in rows} == {"waiting"}
    assert 1 <= sum(len(row["attempts"]) for row in rows) <= 16
    assert {one["failed"] for row in rows for one in row["attempts"]} == {"the emulator stopped"}
    assert [row["state"] for row in ended] == ["received"] * 21


def test_stop_does_not_wait_for_an_early_callback(make_scene: Callable[..., Harness]) -> None:
    harness = make_scene(faults={"callback_early": True}, callback_timeout_s=60)
    harness.receiver.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        paying = pool.submit(harness.pay)
        harness.receiver.next()
        harness.emulator.stop()
        assert wait([paying], timeout=10).done

    assert [row["credits"] for row in harness.emulator.ledger()] == [1]
    assert [row["attempts"][0]["failed"] for row in harness.rows()] == ["the emulator stopped"]


# --- faults -------------------------------------------------------------------------------------------------------


def described(harness: Harness, faults: Mapping[str, Any], **changed: Any) -> list[Received]:
    """Pay once under faults and return what reached the receiver, in turn."""
    harness.emulator.set_faults(faults)
    harness.pay(**changed)
    harness.over()
    return harness.receiver.all()


def test_lost_callback_is_never_sent(harness: Harness) -> None:
    assert (
        described(harness, {"callback_lost": {"next": 1}, "callback_repeated": True, "callback_contradicts": True})
        == []
    )
    [row] = harness.rows()
    assert (row["state"], row["faults"], row["says"]) == ("lost", ["callback_lost"], "SUCCESSFUL")
    assert [came.status for came in described(harness, {})] == ["SUCCESSFUL"]


def test_callback_fault_counts_payments_that_want_a_callback(harness: Harness) -> None:
    harness.emulator.set_faults({"callback_lost": {"next": 1, "payee": FAILING}})
    harness.caller.pay(None, payee=FAILING)
    harness.pay()
    harness.pay(payee=FAILING)
    harness.pay(payee=FAILING)

    assert [row["state"] for row in harness.over()] == ["received", "lost", "received"]


def test_repeated_callback_comes_with_its_copies(harness: Harness) -> None:
    first, *copies = described(harness, {"callback_repeated": {"value": 4}})

    assert [copy.body for copy in copies] == [first.body] * 4
    assert [row["faults"] for row in harness.rows()] == [[], *[["callback_repeated"]] * 4]


def test_late_callback_comes_when_the_clock_says_so(harness: Harness) -> None:
    harness.emulator.set_faults({"callback_late_s": 7200})
    harness.pay()
    harness.emulator.advance(7100)
    assert [row["state"] for row in harness.rows()] == ["waiting"]
    harness.emulator.advance(100)

    assert [row["faults"] for row in harness.over()] == [["callback_late_s"]]
    assert harness.receiver.next().status == "SUCCESSFUL"


@pytest.mark.parametrize(
    ("payee", "comes"),
    [(GOOD, ["FAILED", "SUCCESSFUL"]), (FAILING, ["SUCCESSFUL", "FAILED"]), (STUCK, ["SUCCESSFUL"])],
)
def test_forged_callback_reports_another_end_before_the_true_one(
    harness: Harness, payee: str, comes: list[str]
) -> None:
    """Even of a payment that never ends: who believes it is wrong."""
    found = described(harness, {"callback_forged": True}, payee=payee)

    assert [came.status for came in found] == comes
    [(path, host)] = {(came.path, came.headers["host"]) for came in found}
    assert (path, host) == ("/cb", f"localhost:{harness.receiver.port}")
    [payment] = harness.emulator.ledger()
    assert payment["state"] == {GOOD: "SUCCESSFUL", FAILING: "FAILED", STUCK: "PENDING"}[payee]


def test_callback_may_carry_another_payments_external_id(harness: Harness) -> None:
    """That of another payment of the gateway, or an unknown one."""
    names = [{json.loads(came.body)["externalId"] for came in described(harness, {"callback_for_another": True})}]
    harness.emulator.set_faults({})
    harness.pay(externalId="po_2")
    harness.receiver.next()
    names.append({json.loads(came.body)["externalId"] for came in described(harness, {"callback_for_another": True})})

    assert names == [{"po_1", "another-payment"}, {"po_1", "po_2"}]


@pytest.mark.parametrize(
    ("form", "content_type", "is_json", "size"),
    [
        (True, "application/json;charset=utf-8", False, range(10, 200)),
        ({"kind": "html"}, "text/html", False, range(10, 200)),
        ({"kind": "huge", "value": 3}, "application/json;charset=utf-8", True, range(3 << 20, 4 << 20)),
        ({"kind": "type"}, "text/plain", True, range(100, 400)),
    ],
)
def test_malformed_callback_has_the_configured_body(
    harness: Harness, form: Any, content_type: str, is_json: bool, size: range
) -> None:
    [came] = described(harness, {"callback_malformed": form})

    assert came.headers["content-type"] == content_type
    assert len(came.body) in size
    if is_json:
        assert came.status == "SUCCESSFUL"
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(came.body)


def test_contradicting_callback_comes_after_the_true_one(harness: Harness) -> None:
    """SUCCESSFUL, then FAILED: a read still says what is true."""
    assert [came.status for came in described(harness, {"callback_contradicts": True})] == ["SUCCESSFUL", "FAILED"]
    [payment] = harness.emulator.ledger()
    assert payment["state"] == "SUCCESSFUL"


def test_payment_answered_with_an_error_may_be_called_back(harness: Harness) -> None:
    """Taken all the same, so its callback comes: the only word of it but a read."""
    harness.emulator.set_faults({"status_500": {"accepted": True}})

    assert harness.caller.pay(harness.receiver.url()).status_code == 500
    assert harness.receiver.next().status == "SUCCESSFUL"


@pytest.mark.parametrize(
    "form",
    [
        {"callback_malformed": {"kind": "odd"}},
        {"callback_malformed": {"kind": 7}},
        {"callback_malformed": {"value": 17}},
        {"callback_repeated": {"value": 101}},
        {"callback_lost": {"kind": "cut"}},
    ],
)
def test_callback_fault_of_a_wrong_form_is_refused(harness: Harness, form: Mapping[str, Any]) -> None:
    refused = harness.caller.post("/__emulator/faults", json=form)

    assert refused.status_code == 400
    assert next(iter(form)) in refused.json()["error"]
