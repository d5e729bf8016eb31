"""Executors carry out what flows ask for: one for threads, one for an event loop, and nothing is decided in either."""

from payments_core.runtime.asynchronous.session import AsyncAccountSession, AsyncCommandExecutor
from payments_core.runtime.runtime import Clock, Runtime, utc_now
from payments_core.runtime.session_rules import priority_of
from payments_core.runtime.synchronous.session import AccountSession, CommandExecutor

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
