"""The search that redaction tests rest on finds what is planted, wherever it is said and however it is written."""

from __future__ import annotations

import base64
import logging
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from payments_core.testing.leaks import CapturedText, Forbidden, LogCapture

SECRET = "planted/secret+0f1e2d3c4b5a69788796a5b4="
NUMBER = "46733123450"
NAME = "Akello Quillfeather"
FORBIDDEN = Forbidden({"the secret": SECRET}, [NUMBER], [NAME])


class Planted(Exception):
    """Carries more than its text."""

    def __init__(self, text: str, **more: object) -> None:
        super().__init__(text)
        vars(self).update(more)


def log_text(logger: logging.Logger, planted: str) -> None:
    logger.debug(f"GET https://example.org/msisdn/{planted}/active")


def log_argument(logger: logging.Logger, planted: str) -> None:
    logger.debug("sent %s", {"to": [planted]})


def log_extra(logger: logging.Logger, planted: str) -> None:
    logger.info("sent", extra={"payee": planted})


def log_exception(logger: logging.Logger, planted: str) -> None:
    try:
        raise Planted(planted)
    except Planted:
        logger.exception("sent")


def log_cause(logger: logging.Logger, planted: str) -> None:
    try:
        raise RuntimeError from Planted("no text", held=planted)
    except RuntimeError:
        logger.warning("sent", exc_info=True)


WAYS = [log_text, log_argument, log_extra, log_exception, log_cause]
LOGGERS = ["payments_core", "httpx", "httpcore.http11", "aiohttp.client", "asyncio", "stamina", "root", "a.new.one"]


@pytest.mark.parametrize("planted", [SECRET, NUMBER, f"+{NUMBER}", NAME], ids=["secret", "number", "plus", "name"])
@pytest.mark.parametrize("logger", LOGGERS)
@pytest.mark.parametrize("way", WAYS)
def test_leak_in_a_log_is_found(way: Callable[[logging.Logger, str], None], logger: str, planted: str) -> None:
    with LogCapture() as capture:
        way(logging.getLogger(logger), planted)

    assert FORBIDDEN.leaks(capture.captured)


@pytest.mark.parametrize("logger", ["payments_core", "httpx"])
def test_log_levels_are_restored_after_the_search(logger: str) -> None:
    """And what is logged after the block is not captured."""
    chosen, root = logging.getLogger(logger), logging.getLogger()
    before = (chosen.level, root.level, list(root.handlers))
    with LogCapture() as capture:
        pass
    chosen.warning(SECRET)

    assert (chosen.level, root.level, list(root.handlers)) == before
    assert capture.captured == []


def test_leak_in_a_warning_is_found() -> None:
    with LogCapture() as capture:
        warnings.warn(f"unclosed {SECRET}", ResourceWarning, stacklevel=1)

    assert FORBIDDEN.leaks(capture.captured) == ["the secret in warning: ResourceWarning"]


def raised(error: BaseException, *, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001
        return caught


def with_text(planted: str) -> BaseException:
    return raised(Planted(planted))


def with_argument(planted: str) -> BaseException:
    return raised(RuntimeError("clean", {"more": planted}))


def with_attribute(planted: str) -> BaseException:
    return raised(Planted("clean", reference=planted))


def with_cause(planted: str) -> BaseException:
    return raised(RuntimeError("clean"), cause=Planted(planted))


def with_member(planted: str) -> BaseException:
    return raised(ExceptionGroup("clean", [Planted(planted)]))


def in_context(planted: str) -> BaseException:
    try:
        try:
            raise Planted(planted)
        except Planted:
            raise RuntimeError("clean") from None  # not printed, and still there
    except RuntimeError as caught:
        return caught


@pytest.mark.parametrize("planted", [SECRET, NUMBER, NAME], ids=["secret", "number", "name"])
@pytest.mark.parametrize("make", [with_text, with_argument, with_attribute, with_cause, with_member, in_context])
def test_leak_in_an_error_is_found(make: Callable[[str], BaseException], planted: str) -> None:
    capture = LogCapture()
    capture.error("a step", make(planted))

    assert FORBIDDEN.leaks(capture.captured)


def test_leak_in_variables_of_our_frames_is_found() -> None:
    """An error tracker sends them along; whom a caller pays is in the caller's own variables too."""

    def ours() -> None:
        key, payee = SECRET, NUMBER
        raise RuntimeError("clean", key is payee)

    with pytest.raises(RuntimeError) as caught:
        ours()
    capture, deaf = LogCapture(__name__.partition(".")[0]), LogCapture("payments_core")
    capture.error("a step", caught.value)
    deaf.error("a step", caught.value)

    leaks = FORBIDDEN.leaks(entry for entry in capture.captured if entry.channel == "locals")
    assert [leak.rpartition(", ")[2] for leak in leaks] == ["key"]
    assert not [entry for entry in deaf.captured if entry.channel == "locals"]


class Model:
    def __init__(self, **shown: str) -> None:
        self.shown = shown

    def __repr__(self) -> str:
        return self.shown.get("repr", "Model()")

    def __str__(self) -> str:
        return self.shown.get("str", "")


@pytest.mark.parametrize("way", ["str", "repr"])
def test_leak_in_printed_output_is_found(way: str) -> None:
    capture = LogCapture()
    capture.shown("a step", Model(**{way: SECRET}))

    assert FORBIDDEN.leaks(capture.captured) == ["the secret in shown: a step, Model"]


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"Bearer {SECRET}",
        SECRET[:-3],
        SECRET[7:],
        f"...{SECRET[8:32]}...",
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        f"{NUMBER}",
        f"%2B{NUMBER}",
        f"+{NUMBER[:2]} {NUMBER[2:5]} {NUMBER[5:8]}-{NUMBER[8:]}",
        f"ID:{NUMBER}/MSISDN",
        NAME.upper(),
        quote(NAME),
    ],
)
def test_leak_in_any_spelling_is_found(text: str) -> None:
    assert FORBIDDEN.leaks([CapturedText("output", "stdout", f"before {text} after")])


@pytest.mark.parametrize("text", ["", "467*****450", f"{NUMBER[:-1]}", SECRET[:7], "Akello Q.", "all is well"])
def test_masked_number_is_no_leak(text: str) -> None:
    assert FORBIDDEN.leaks([CapturedText("output", "stdout", text)]) == []


PIN = "4711"


@pytest.mark.parametrize(
    "text",
    [
        PIN,
        f"pin={PIN}",
        f"pin:{PIN}.",
        f"PIN {PIN}, sent",
        f'{{"pin":"{PIN}"}}',
        f"/pay?pin={PIN}&to=me",
        base64.b64encode(f"user:{PIN}".encode()).decode(),
        f"/pay/{base64.b64encode(f'user:{PIN}'.encode()).decode()}",
    ],
)
def test_short_secret_is_found_where_it_stands_alone(text: str) -> None:
    assert Forbidden({"the PIN": PIN}).leaks([CapturedText("log", "here", text)]) == ["the PIN in log: here"]


@pytest.mark.parametrize(
    "text",
    [
        f"at 2026-11-25T08:00:00.{PIN}00",
        f"at 08:00:00.{PIN}",
        f"on {PIN}-11-25",
        f"127.0.0.1:{PIN}",
        f"256772{PIN}99",
        f"reference a{PIN}b-c{PIN}",
        f'File "base_events.py", line {PIN}, in run',
        f"of {PIN}.50 KES",
    ],
)
def test_digits_of_something_else_are_no_short_secret(text: str) -> None:
    """A time, an address, an amount, a reference, the number of a line."""
    assert Forbidden({"the PIN": PIN}).leaks([CapturedText("log", "here", text)]) == []


@pytest.mark.parametrize("text", [NUMBER[2:], f"0{NUMBER[2:]}", f"0{NUMBER[2:5]} {NUMBER[5:8]} {NUMBER[8:]}"])
def test_number_in_national_form_is_found(text: str) -> None:
    """Without its country code; but not inside a longer number, which is another one."""
    assert FORBIDDEN.leaks([CapturedText("output", "stdout", f"to {text}, sent")]) == ["a number in output: stdout"]
    assert FORBIDDEN.leaks([CapturedText("output", "stdout", f"to 9{text}, sent")]) == []


def test_secret_that_is_too_short_is_refused() -> None:
    """It would be found everywhere, or nowhere."""
    short: Any = Forbidden({"pin": "123"})
    with pytest.raises(ValueError, match="shorter than 4"):
        short.leaks([CapturedText("output", "stdout", "")])
