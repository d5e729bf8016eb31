"""An ASGI application that stores callbacks of providers and acknowledges them.

It needs no framework and can be mounted in any of them. ``payouts serve`` serves it.
"""

from payments_core.callbacks.application import CallbackApp, app
from payments_core.callbacks.requests import Limits

__all__ = ["CallbackApp", "Limits", "app"]
