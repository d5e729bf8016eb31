"""The redaction test fails when a leak is planted: one place is broken at a time, and what follows is found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from stamina.instrumentation import set_on_retry_hooks

from payments_core.cli import output
from payments_core.cli.app import run
from payments_core.client import PayoutClient
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.engine import transitions
from payments_core.http.messages import HttpRequest
from payments_core.http.transport import exchange, httpx_sync
from payments_core.runtime import session_rules
from payments_core.testing.leaks import CapturedText, LogCapture
from payments_mtn_momo import AsyncDisbursementsClient, DisbursementsClient, MtnMomoSettings
from payments_mtn_momo.native import failures
from payments_mtn_momo.native.synchronous.session import NativeSession

if TYPE_CHECKING:
    from providers.mtn_momo.tests.redaction.conftest import Stage

NUMBER = "46733123499"
Patch = pytest.MonkeyPatch
Found = Callable[[], list[str]]


@pytest.fixture
def capture() -> Iterator[LogCapture]:
    with LogCapture("payments_core", "payments_mtn_momo") as listening:
        yield listening


@pytest.fixture
def found(stage: Stage, capture: LogCapture) -> Found:
    return lambda: stage.forbidden.leaks(capture.captured)


def native(stage: Stage, name: str = "main", kind: Any = DisbursementsClient) -> Any:
    once = {call: {"attempts": 1} for call in ("token", "account_active", "balance")}
    return kind(MtnMomoSettings.model_validate(stage.harness.settings[name]), retry=once)


def caught(capture: LogCapture, call: Callable[[], object]) -> None:
    try:
        capture.shown("a step", call())
    except Exception as error:  # noqa: BLE001
        capture.error("a step", error)


def pay(stage: Stage, capture: LogCapture, name: str = "main") -> None:
    with PayoutClient.from_config(stage.harness.config(name)) as client:
        for key in map(str, range(8)):
            caught(capture, partial(client.send, key=key, payee=Payee.msisdn(NUMBER), amount=Money("5", "EUR")))
            client.unpause(account="mtn-sandbox")


def test_leak_search_finds_nothing_without_a_planted_leak(stage: Stage, capture: LogCapture, found: Found) -> None:
    """What the tests below do leaks nothing by itself."""
    with native(stage) as client:
        caught(capture, lambda: client.is_active(NUMBER))
    for name in ("echo", "httpx"):
        with native(stage, name) as client:
            for _ in range(8):
                caught(capture, client.get_account_balance)
    pay(stage, capture)
    pay(stage, capture, "echo")

    assert found() == []


def test_leak_by_an_http_library_that_logs_addresses_is_found(
    stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    def through_a_client(_connection: object, sent: exchange.Exchange) -> Any:
        sent.about_to_write()
        sent.connected = True
        request = sent.request
        with httpx.Client() as client:
            answer = client.request(request.method, request.url, headers=sent.headers(), content=request.body)
        sent.take(answer.content)
        return sent.complete(answer.status_code, answer.headers.multi_items())

    monkeypatch.setattr(httpx_sync, "_answer", through_a_client)
    with native(stage, "httpx") as client:
        caught(capture, lambda: client.is_active(NUMBER))

    assert "a number in log: httpx" in found()


def test_leak_by_an_http_library_that_logs_headers_is_found(
    stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    """Those of an answer: this gateway repeats in them what it was sent."""
    follow = httpx_sync._follow
    monkeypatch.setattr(httpx_sync, "_follow", lambda sent, event, info: follow(sent, event, dict(info)))
    with native(stage, "httpx") as client:
        caught(capture, lambda: client.is_active(NUMBER))

    assert "a number in log: httpcore.http11" in found()
    assert any(leak.endswith("in log: httpcore.http11") and not leak.startswith("a ") for leak in found())


@pytest.mark.parametrize("what", ["url", "body"])
def test_leak_by_a_native_client_that_logs_requests_is_found(
    what: str, stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    def note(terms: object, request: Any, ended: object, start: float) -> None:
        logging.getLogger("payments_core").debug("sent %s", [str(getattr(request, what))])

    monkeypatch.setattr(NativeSession, "_note", note)
    with native(stage) as client:
        client.is_active(NUMBER)
        client.transfer(reference="5c1f4a64-8a0b-4a3e-9c1d-6f1f0a8f7f11", payee=NUMBER, amount=5)

    assert any(leak.endswith("in log: payments_core") for leak in found())


@pytest.mark.parametrize("kind", [DisbursementsClient, AsyncDisbursementsClient])
def test_leak_by_a_transport_that_logs_requests_is_found(
    kind: Any, stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    about_to_write = exchange.Exchange.about_to_write

    def telling(sent: exchange.Exchange) -> None:
        logging.getLogger("payments_core").debug("%s", sent.request.headers["Authorization"])
        about_to_write(sent)

    async def ask(client: Any) -> None:
        async with client:
            await client.get_account_balance()

    monkeypatch.setattr(exchange.Exchange, "about_to_write", telling)
    client = native(stage, kind=kind)
    if kind is AsyncDisbursementsClient:
        asyncio.run(ask(client))
    else:
        with client:
            client.get_account_balance()

    # The key of the pair is found inside of it.
    assert {leak.partition(" in ")[0].split()[0] for leak in found()} == {"API", "Basic", "access_token"}


def test_leak_by_a_neutral_client_that_logs_requests_is_found(
    stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    def note(_account: object, request: Any, *_: object) -> None:
        logging.getLogger("payments_core").debug("sent", extra={"body": request.body})

    monkeypatch.setattr(session_rules, "note_exchange", note)
    pay(stage, capture)

    assert "a number in log: payments_core" in found()


def test_leak_by_a_stored_answer_is_found(stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch) -> None:
    """In the error of a call, in the payout that is shown, in the events, and in the file of the journal."""
    monkeypatch.setattr(exchange, "_SHORTEST_SECRET", 10_000)
    with native(stage, "echo") as client:
        for _ in range(8):
            caught(capture, client.get_account_balance)
    pay(stage, capture, "echo")
    journal = b"".join(file.read_bytes() for file in stage.harness.config("echo").parent.glob("payouts.db*"))
    capture.captured.append(CapturedText("file", "the journal", journal.decode("latin-1")))

    for channel in ("error", "shown", "log", "file"):
        assert any(f" in {channel}: " in leak and not leak.startswith("a ") for leak in found()), channel


@pytest.mark.parametrize("module", [transitions, failures])
def test_leak_by_unscrubbed_text_is_found(
    module: Any, stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(module, "scrub", lambda text, limit=300: text)
    with native(stage, "echo") as client:
        for _ in range(8):
            caught(capture, lambda: client.is_active(NUMBER))
    pay(stage, capture, "echo")

    assert any(leak.startswith("a number in ") for leak in found())


def test_leak_by_the_cause_of_an_error_is_found(
    stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    """What an error was raised from is printed with it."""
    ended = exchange.Exchange.ended

    def chained(sent: exchange.Exchange, error: Exception, **more: Any) -> Any:
        result = ended(sent, error, **more)
        result.__cause__ = RuntimeError(f"{sent.request.method} {sent.request.url}")
        return result

    monkeypatch.setattr(exchange.Exchange, "ended", chained)
    transport = httpx_sync.HttpxTransport(max_connections=1, clock=lambda: stage.emulator.now)
    address = f"{stage.harness.settings['nowhere']['base_url']}/{NUMBER}"
    caught(capture, lambda: transport.send(HttpRequest("GET", address, "account_active")))
    transport.close()

    assert "a number in error: a step, RuntimeError" in found()


def test_leak_by_the_variables_of_an_error_is_found(
    stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    """As an error tracker reports them."""
    monkeypatch.setattr(failures.CallContext, "__repr__", lambda context: f"CallContext({context.hidden})")
    with native(stage) as client:
        caught(capture, lambda: client.transfer(reference="none", payee=NUMBER, amount=5))

    assert any(" in locals: " in leak for leak in found())


def test_leak_by_the_repr_of_a_value_is_found(
    stage: Stage, capture: LogCapture, found: Found, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(Payee, "__repr__", lambda payee: f"Payee({payee.value})")
    with PayoutClient.from_config(stage.harness.config("main")) as client:
        capture.shown("a step", client.send(key="k", payee=Payee.msisdn(NUMBER), amount=Money("5", "EUR")))

    assert "a number in shown: a step, Payout" in found()


def test_leak_by_a_shown_name_is_found(stage: Stage, capture: LogCapture, found: Found) -> None:
    with native(stage) as client:
        capture.shown("a step", client.get_basic_user_info(NUMBER).given_name)

    assert found() == ["a name in shown: a step, str"]


@pytest.mark.parametrize("style", [[], ["--json"]])
def test_leak_by_the_command_line_is_found(
    style: list[str], stage: Stage, capture: LogCapture, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a fault none is shown; with `--reveal`, or where the mask is forgotten, the search finds it."""

    def described(*more: str) -> list[str]:
        logger = logging.getLogger("payments_core")
        before = (list(logger.handlers), logger.level, logger.propagate)
        run(["list", "--config", str(stage.harness.config("main")), *style, *more])
        logger.handlers, logger.level, logger.propagate = before
        set_on_retry_hooks(None)
        return stage.forbidden.leaks([CapturedText("output", "stdout", capsys.readouterr().out)])

    pay(stage, capture)
    masked, revealed = described(), described("--reveal")
    monkeypatch.setattr(output, "address", lambda payee, *, reveal: payee.value)
    erased = described()

    assert (masked, revealed, erased) == ([], ["a number in output: stdout"], ["a number in output: stdout"])


def test_leak_by_the_repr_of_settings_is_found(stage: Stage, capture: LogCapture, found: Found) -> None:
    settings: Mapping[str, Any] = stage.harness.settings["main"]
    capture.shown("a step", dict(settings))

    assert {leak.partition(" in ")[0] for leak in found()} == {"API key main", "subscription key"}
