"""Traces the built-in functions that a provider calls, by the interpreter's profiler."""

from __future__ import annotations

import io
import os
import random
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from types import FrameType
from typing import Any

__all__ = ["asks_for_chance", "calls_in", "may_wait"]

_LOGGING = {"logging", "structlog"}  # a log record reads the clock for itself


@contextmanager
def calls_in(package: str, is_watched: Callable[[Any], bool]) -> Iterator[list[str]]:
    """Record calls of built-in functions in this thread, made by functions of a package.

    Args:
        package: The provider's package.
        is_watched: Whether a call is recorded.

    """
    found: list[str] = []

    def see(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and is_watched(called):
            inside: FrameType | None = frame
            while inside is not None:
                name = str(inside.f_globals.get("__name__"))
                if name.partition(".")[0] in _LOGGING:
                    break
                if name.partition(".")[0] == package:
                    found.append(f"{getattr(called, '__qualname__', called)} in {name}.{inside.f_code.co_name}")
                    break
                inside = inside.f_back

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        yield found
    finally:
        sys.setprofile(before)


def may_wait(called: Any) -> bool:
    """Whether a call sleeps, opens a file or uses a socket."""
    if any(called is one for one in (time.sleep, io.open, select.select)):
        return True
    whose = getattr(called, "__self__", None)
    return isinstance(whose, socket.SocketType) or getattr(called, "__module__", "") == "_socket"


_CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime")
_CHANCE = (*(getattr(time, name) for name in _CLOCKS), os.urandom, getattr(os, "getrandom", os.urandom))


def asks_for_chance(called: Any) -> bool:
    """Whether a call reads a clock or a source of randomness."""
    whose = getattr(called, "__self__", None)
    if isinstance(whose, type) and issubclass(whose, date):
        return getattr(called, "__name__", "") in {"now", "today", "utcnow"}
    drawn = isinstance(whose, random.Random) or getattr(called, "__module__", "") == "_uuid"  # noqa: S311 - not ours
    return drawn or any(called is one for one in _CHANCE)
