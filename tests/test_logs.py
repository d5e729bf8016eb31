"""Events: silent until wanted, complete about a payout, and without what identifies a person or opens an account."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from flat_records import new_record

from payments_core.domain.events import EventName, meaning
from payments_core.domain.payout import Payee
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine.commands import (
    AccountPaused,
    AppendHistory,
    ApplyTransition,
    CreatePayout,
    CreateResult,
    HistoryAppended,
    TransitionApplied,
)
from payments_core.logs import configure, log, log_payout
from payments_core.plugins.manager import Plugins
from payments_core.runtime import Runtime

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NUMBER = "46733123450"
SECRET = "sekrit-9f8e7d"
ROW = new_record("abcdefgh", key="salary-2026-11/0042", account="main", attempt=2, submissions=3)
OURS = logging.getLogger("payments_core")


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """Put the logger back as an application would find it."""
    before = (OURS.handlers[:], OURS.level, OURS.propagate)
    yield
    OURS.handlers[:], OURS.propagate = before[0], before[2]
    OURS.setLevel(before[1])


@pytest.fixture
def events(as_it_was: None) -> list[logging.LogRecord]:
    """Listen as an application does: with a handler of its own."""
    entries: list[logging.LogRecord] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            entries.append(record)

    OURS.addHandler(Listener())
    OURS.setLevel(logging.DEBUG)
    return entries


def ran(program: str) -> tuple[str, str]:
    """Run a program in a process of its own; return what it printed."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


LOUD = """
from payments_core.domain.events import EventName
from payments_core.logs import log
for name in EventName:
    log(name, why="x")
"""


def test_events_print_nothing_without_logging_configuration() -> None:
    """A library prints nothing: no event of any level reaches a terminal without a configuration."""
    assert ran(LOUD) == ("", "")


@pytest.mark.parametrize("hooks", ["", "stamina.instrumentation.set_on_retry_hooks(None)"])
def test_request_retry_prints_nothing(hooks: str) -> None:
    """Standard output is read by programs: no retry of ours is printed there; the application's own still is."""
    program = f"""
import stamina, structlog
from datetime import UTC, datetime
from payments_core.provider import RetryPolicy
from payments_core.http.retry import send_with_retry
from payments_core.http.messages import HttpResponse
{hooks}
for repeated in range(2):
    statuses = iter([503, 200])
    policy = RetryPolicy(first_wait_s=0.001, jitter_s=0.0)
    send_with_retry(policy, lambda: HttpResponse(next(statuses), {{}}, b"", datetime.now(UTC)))
"""
    theirs = """
structlog.configure(processors=[structlog.processors.KeyValueRenderer(["event"])])
for attempt in stamina.retry_context(on=ValueError, wait_initial=0.001, wait_jitter=0.0):
    with attempt:
        if attempt.num == 1:
            raise ValueError("theirs")
"""

    assert ran(program) == ("", "")
    out, err = ran(program + theirs)
    assert err == ""
    assert "event='stamina.retry_scheduled'" in out
    assert out.count("\n") == 1


def test_events_follow_the_logging_configuration_of_the_application() -> None:
    """With the application's own configuration, events come in its format and from its level on."""
    out, err = ran("import logging; logging.basicConfig(format='%(levelname)s %(name)s %(message)s')" + LOUD)

    assert out == ""
    assert "ERROR payments_core payments.provider_bug" in err
    assert "INFO" not in err


IMPORTS = "import payments_core.client, payments_core.runtime, payments_core.http.retry, payments_core.settings\n"


def test_import_changes_no_logging_configuration() -> None:
    """Neither the standard library's nor structlog's, whether the application set them up before or not at all."""
    program = f"""
import logging, structlog
structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
logging.basicConfig(level="WARNING")
root = logging.getLogger()
before = (root.handlers[:], root.level, logging.raiseExceptions, logging.getLogRecordFactory(), structlog.get_config())
{IMPORTS}{LOUD.replace("log(name", "log(EventName.PAYOUT_CREATED")}
assert before == (root.handlers, root.level, logging.raiseExceptions, logging.getLogRecordFactory(),
                  structlog.get_config())
assert [type(handler).__name__ for handler in logging.getLogger("payments_core").handlers] == ["NullHandler"]
assert logging.getLogger("payments_core").level == logging.NOTSET and logging.getLogger("payments_core").propagate
"""

    assert ran(program) == ("", "")
    assert ran(f"import structlog\n{IMPORTS}{LOUD}assert not structlog.is_configured()") == ("", "")


def test_structlog_configuration_of_the_application_changes_no_event() -> None:
    """Its processors, its context and its wrappers are its own."""
    program = f"""
import logging, structlog
logging.basicConfig(level="INFO", format="%(message)s %(why)s")
def broken(*_):
    raise RuntimeError("the application's processor")
class Context(dict):
    def __init__(self, *args, **facts):
        super().__init__(*args, **facts, tenant="their's")
structlog.configure(processors=[broken], context_class=Context, wrapper_class=structlog.BoundLogger)
structlog.contextvars.bind_contextvars(tenant="theirs")
class Filter(logging.Filter):
    def filter(self, record):
        assert not hasattr(record, "tenant")
        return True
logging.getLogger("payments_core").addFilter(Filter())
{LOUD.replace("log(name", "log(EventName.PAYOUT_CREATED")}
"""

    out, err = ran(program)

    assert out == ""
    assert set(err.splitlines()) == {"payout.created x"}


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize("name", EventName)
def test_event_is_printed_in_both_styles_with_its_facts(name: EventName) -> None:
    """In both styles, with its facts, and it has a meaning for people."""
    lines: dict[str, str] = {}
    for style in ("json", "console"):
        out = io.StringIO()
        configure(style=style, level="DEBUG", stream=out)
        log_payout(name, ROW, {"why": "because", "http_status": 202, "code": "X"})
        lines[style] = out.getvalue()

    fields = json.loads(lines["json"])
    assert fields["event"] == str(name)
    assert (fields["payout"], fields["attempt"], fields["submission"], fields["http_status"]) == (ROW.id, 2, 3, 202)
    assert fields["timestamp"].endswith("Z")
    assert lines["json"].count("\n") == lines["console"].count("\n") == 1
    assert str(name) in lines["console"]
    assert "\x1b" not in lines["console"]  # no colours into a file
    assert ROW.id in lines["console"]
    assert meaning(name).endswith(".")


@pytest.mark.usefixtures("as_it_was")
def test_configure_called_twice_prints_each_event_once() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure(stream=first)
    configure(style="json", level="WARNING", stream=second)

    log(EventName.PAYOUT_REVIEW)
    log(EventName.PAYOUT_CREATED)

    assert first.getvalue() == ""
    assert [json.loads(line)["event"] for line in second.getvalue().splitlines()] == ["payout.review"]


def test_configure_writes_events_to_standard_error() -> None:
    """Standard output stays clean: a program reads it."""
    out, err = ran("from payments_core.logs import configure; configure(style='json')" + LOUD)

    assert out == ""
    assert {json.loads(line)["event"] for line in err.splitlines()} == set(EventName) - {"http.answered"}


ABOUT = {
    "payout": ROW.id,
    "key": "sal\u20260042",
    "account": "main",
    "attempt": 2,
    "submission": 3,
    "status": "CREATED",
}


@pytest.mark.parametrize("name", EventName)
def test_payout_event_names_its_payout(name: EventName, events: list[logging.LogRecord]) -> None:
    """Id, masked key, account, attempt and submission are in each; a fact of the same name does not hide them."""
    log_payout(name, ROW, {"why": "x", "account": "other", "submission": 9})

    (record,) = events
    assert record.name == "payments_core"
    assert record.getMessage() == str(name)
    assert {fact: vars(record)[fact] for fact in ABOUT} == ABOUT


class Silence:
    """A journal that knows one row."""

    def get(self, _payout_id: str) -> PayoutRecord:
        return ROW


def test_recorded_transition_is_logged_as_one_event(events: list[logging.LogRecord]) -> None:
    """Whatever the journal has written about a payout is logged once, with the same facts."""
    runtime = Runtime(namespace="n" * 32, journal=Silence(), plugins=Plugins([]), accounts={})  # type: ignore[arg-type]
    event = Event("payout.pending", AT, {"http_status": 202})
    pause = Pause(None, AT, "why")
    entries: list[tuple[Any, Any, list[str]]] = [
        (CreatePayout(ROW, event), CreateResult(ROW, created=True), ["payout.pending"]),
        (CreatePayout(ROW, event), CreateResult(ROW, created=False), []),
        (ApplyTransition(ROW, ROW, event), TransitionApplied(ROW), ["payout.pending"]),
        (
            ApplyTransition(ROW, ROW, event, pause=pause),
            TransitionApplied(ROW, paused=True),
            ["payout.pending", "account.paused"],
        ),
        (ApplyTransition(ROW, ROW, event, pause=pause), TransitionApplied(ROW), ["payout.pending"]),
        (ApplyTransition(ROW, ROW, event), AccountPaused(pause), []),
        (AppendHistory(ROW.id, event), HistoryAppended(ROW), ["payout.pending"]),
        (AppendHistory(ROW.id, event), HistoryAppended(ROW, written=False), []),
    ]
    for entry, reply, names in entries:
        events.clear()
        runtime.announce(entry, reply)
        assert [record.getMessage() for record in events] == names
        for record in events:
            if record.getMessage().startswith("payout."):
                assert {fact: vars(record)[fact] for fact in ABOUT} == ABOUT


NAMES = ["authorization", "Authorization", "api_key", "password", "pin", "secret", "x_subscription_key", "access_token"]


@pytest.mark.parametrize("name", NAMES)
def test_event_masks_secrets_by_their_name(name: str, events: list[logging.LogRecord]) -> None:
    log(EventName.PAYOUT_CREATED, **{name: SECRET, "inside": {name: SECRET, "list": [{name: SECRET}]}})

    assert SECRET not in str(vars(events[0]))


@pytest.mark.parametrize(
    "value",
    [
        NUMBER,
        f"+46 733 123 450 unknown, {NUMBER}",
        int(NUMBER),
        [NUMBER, int(NUMBER)],
        (NUMBER,),
        {NUMBER},
        {"payee": {"partyId": NUMBER}},
        RuntimeError(NUMBER),
        NUMBER.encode(),
        Payee.msisdn(NUMBER),
        "someone@example.org",
    ],
    ids=lambda value: f"{type(value).__name__} {len(str(value))}",
)
def test_event_masks_numbers_by_their_form(value: object, events: list[logging.LogRecord]) -> None:
    """Whatever a provider, a library or a plugin puts into a fact."""
    log(EventName.HOOK_FAILED, value=value)

    shown = str(vars(events[0])["value"])
    assert not re.search(r"\d{7}|733 ?123|someone@example", shown)


@pytest.mark.parametrize("token", ["Bearer abc.def", "Basic YWJjOmRlZg==", "eyJhbGciOiJIUzI1NiJ9.abc.def"])
def test_event_masks_credentials_by_their_form(token: str, events: list[logging.LogRecord]) -> None:
    log(EventName.HTTP_UNANSWERED, why=f"refused {token}")

    assert not re.search("abc|YWJ", str(vars(events[0])["why"]))


@pytest.mark.parametrize("value", [True, None, 3, -3, 12.345678901, 202, "plain", 999_999], ids=repr)
def test_event_keeps_other_facts_unchanged(value: object, events: list[logging.LogRecord]) -> None:
    """A number in an event can be added up."""
    log(EventName.PAYOUT_CREATED, value=value)

    assert vars(events[0])["value"] is value


def test_event_does_not_change_the_facts_of_the_caller(events: list[logging.LogRecord]) -> None:
    facts = {"text": NUMBER, "inside": {"pin": SECRET}}
    log_payout(EventName.PAYOUT_CREATED, ROW, facts)

    assert facts == {"text": NUMBER, "inside": {"pin": SECRET}}
    assert len(events) == 1


def test_event_below_the_level_formats_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An event below the level costs one comparison: its facts are not even looked at."""

    class Loud:
        def __str__(self) -> str:
            raise AssertionError

    with caplog.at_level(logging.ERROR, "payments_core"):
        log(EventName.PAYOUT_CREATED, value=Loud())

    assert caplog.records == []


def test_structlog_capture_of_the_application_takes_no_event_away(events: list[logging.LogRecord]) -> None:
    """The capture of an application's tests does not take our events away."""
    with structlog.testing.capture_logs() as theirs:
        log(EventName.PAYOUT_CREATED)

    assert theirs == []
    assert len(events) == 1
