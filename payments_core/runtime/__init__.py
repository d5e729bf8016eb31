"""Performers carry out what flows ask for: one for threads, one for an event loop, and nothing decided in either."""

from payments_core.runtime.common import priority_of
from payments_core.runtime.runtime import Clock, Runtime, utc_now
from payments_core.runtime.session import AccountSession, CommandExecutor
from payments_core.runtime.session_async import AsyncAccountSession, AsyncCommandExecutor

__all__ = [
    "AccountSession",
    "AsyncAccountSession",
    "AsyncCommandExecutor",
    "Clock",
    "CommandExecutor",
    "Runtime",
    "priority_of",
    "utc_now",
]
