"""Performers carry out what flows ask for: one for threads, one for an event loop, and nothing decided in either."""

from payments_core.performer.common import lane_of
from payments_core.performer.line import Line, Performer
from payments_core.performer.line_async import AsyncLine, AsyncPerformer
from payments_core.performer.office import Clock, Office, utc_now

__all__ = ["AsyncLine", "AsyncPerformer", "Clock", "Line", "Office", "Performer", "lane_of", "utc_now"]
