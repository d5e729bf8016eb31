"""Performers carry out what flows ask for: one for threads, one for an event loop, and nothing decided in either."""

from payments_core.runtime.common import lane_of
from payments_core.runtime.runtime import Clock, Office, utc_now
from payments_core.runtime.session import Line, Performer
from payments_core.runtime.session_async import AsyncLine, AsyncPerformer

__all__ = ["AsyncLine", "AsyncPerformer", "Clock", "Line", "Office", "Performer", "lane_of", "utc_now"]
