"""Callbacks in: an ASGI application that keeps what providers call back with, and acknowledges it.

It needs no framework and can be mounted in any. ``payouts serve`` serves it.
"""

from payments_core.callbacks.application import CallbackApp, app
from payments_core.callbacks.requests import Limits

__all__ = ["CallbackApp", "Limits", "app"]
