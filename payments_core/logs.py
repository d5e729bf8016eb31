"""Structured events. The only module that imports structlog: before anything is paid, else at the first event.

The library never configures an application's logging: its events go to the standard logger ``payments_core``, event
name as the message and the facts as ``extra``. :func:`configure` is for command lines and for applications that want
our format.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from types import NoneType
from typing import IO, TYPE_CHECKING, Any, Literal

from payments_core.domain.events import EventName
from payments_core.domain.masking import mask_key, scrub, scrub_code
from payments_core.domain.records import PayoutRecord

if TYPE_CHECKING:
    import structlog

__all__ = ["LEVELS", "configure", "current_payout", "is_received", "load", "log", "log_payout", "secret_exposed"]

_CODES = frozenset({"code", "provider_code"})
_SECRETS = ("authorization", "api_key", "password", "pin", "secret", "subscription_key", "token")


def redact(_logger: object, _method: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask whatever a fact may carry by mistake: secrets by name, numbers and credentials by form."""
    for name, value in facts.items():
        if any(word in name.lower() for word in _SECRETS) and name != "event":
            facts[name] = "***"
        elif name in _CODES and isinstance(value, str):
            facts[name] = scrub_code(value)
        elif name not in {"event", "payout", "key", "account", "timestamp"}:
            facts[name] = _redacted(value)
    return facts


def _redacted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return redact(None, "", dict(value))
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item) for item in value]
    if isinstance(value, bool | float | NoneType):
        return value
    text = value if isinstance(value, str) else str(value)
    masked = scrub(text)
    return value if masked == text else masked


_LOGGER = logging.getLogger("payments_core")
_LOGGER.addHandler(logging.NullHandler())  # silent until the application configures logging


@functools.cache
def load() -> structlog.stdlib.BoundLogger:
    """Return the logger of all events, and import structlog for it, once.

    Whoever pays calls it at start: no payment waits for the import, and a broken installation pays nothing. What only
    reads the journal seldom has an event to show.
    """
    import structlog

    events: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        _LOGGER,
        # An application's own structlog configuration is neither read nor changed.
        processors=[structlog.stdlib.filter_by_level, redact, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return events


LEVELS: Mapping[str, int] = {
    **dict.fromkeys(EventName, logging.INFO),
    EventName.PAYOUT_CONTRADICTED: logging.ERROR,
    EventName.PAYOUT_REVIEW: logging.WARNING,
    EventName.PAYOUT_LATE_RESULT: logging.WARNING,
    EventName.PAYOUT_ADOPTED: logging.WARNING,
    EventName.CALLBACK_FAILED: logging.ERROR,
    EventName.ACCOUNT_PAUSED: logging.WARNING,
    EventName.CIRCUIT_OPENED: logging.WARNING,
    EventName.RATE_PENALTY: logging.WARNING,
    EventName.CREDENTIAL_REFUSED: logging.WARNING,
    EventName.CREDENTIAL_UNAVAILABLE: logging.WARNING,
    EventName.WEBHOOK_FAILED: logging.WARNING,
    EventName.WEBHOOK_GIVEN_UP: logging.ERROR,
    EventName.WORKER_TROUBLE: logging.WARNING,
    EventName.SECRET_EXPOSED: logging.WARNING,
    EventName.HOOK_FAILED: logging.ERROR,
    EventName.PROVIDER_BUG: logging.ERROR,
    EventName.HTTP_ANSWERED: logging.DEBUG,
}

#: Whether events of a level are received at all: a caller on a payment's way asks before it puts one together.
is_received = _LOGGER.isEnabledFor
#: The payout that is worked on: every event carries its id, those of HTTP exchanges among them. Empty for none.
current_payout: ContextVar[str] = ContextVar("current_payout", default="")


def log(name: EventName, **facts: Any) -> None:
    """Emit one event by its name; secrets and complete numbers in its facts are masked whatever happens."""
    level = LEVELS[name]
    if _LOGGER.isEnabledFor(level):
        if payout_id := current_payout.get():
            facts.setdefault("payout", payout_id)
        load().log(level, str(name), **facts)


def secret_exposed(file: str) -> None:
    """Log that other users than its owner may read the file of a secret, named as in the configuration."""
    log(EventName.SECRET_EXPOSED, file=file)


def log_payout(name: str, row: PayoutRecord, facts: Mapping[str, Any]) -> None:
    """Emit one event, by its name and facts, with a row's id, masked key, account, attempt and submission."""
    if _LOGGER.isEnabledFor(LEVELS[name]):
        about: dict[str, Any] = {
            "payout": row.id,
            "key": mask_key(row.order.key),
            "account": row.attempt.account,
            "attempt": row.attempt.number,
            "submission": row.attempt.submissions,
            "status": str(row.status),
        }
        log(EventName(name), **{**facts, **about})


def configure(
    *, style: Literal["console", "json"] = "console", level: int | str = "INFO", stream: IO[str] | None = None
) -> None:
    """Print this library's events; for command lines and simple applications.

    Args:
        style: ``"console"`` for people, ``"json"`` for machines: one object a line.
        level: Lowest level printed.
        stream: Where to; standard error when not given, so that output stays clean.

    """
    handler = logging.StreamHandler(out := stream or sys.stderr)
    handler.setFormatter(_LazyFormatter(lambda: _formatter(style, colors=out.isatty())))
    for old in list(_LOGGER.handlers):
        _LOGGER.removeHandler(old)
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(level)
    _LOGGER.propagate = False


class _LazyFormatter(logging.Formatter):
    """Makes the formatter at the first record, and leaves every record to it."""

    def __init__(self, make: Callable[[], logging.Formatter]) -> None:
        super().__init__()
        self._made = functools.cache(make)

    def format(self, record: logging.LogRecord) -> str:
        return self._made().format(record)


def _formatter(style: Literal["console", "json"], *, colors: bool) -> logging.Formatter:
    import structlog

    render: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=24)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.ExtraAdder(),
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )
