"""Where a caller wants to be called back, and whether its API user may have that.

Sources: a client's controlled experiment of 2026 (the host of X-Callback-Url must be the one registered; otherwise 500
and nothing is created), a PHP client's issue 80 (the header present and empty is an error), the developer portal
(version 1 calls back by POST, version 2 by PUT).
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from payments_mtn_momo.emulator.requests import Request
from payments_mtn_momo.emulator.switches import Switches
from payments_mtn_momo.emulator.tokens import ApiUser

__all__ = ["callback_refused"]


def callback_refused(request: Request, user: ApiUser, switches: Switches) -> Literal["", "empty", "host"]:
    """Say what is wrong with the request's X-Callback-Url; empty when it may stay."""
    url = request.headers.get("x-callback-url")
    if url is None:
        return ""
    if url.strip().lower() in {"", "null"}:
        return "empty"
    if not user.callback_host:
        return ""
    registered = user.callback_host.lower()
    if switches.callback_host_match == "host" and "//" in registered:
        registered = _host(registered)[1]
    return "" if registered in _host(url.strip()) else "host"


def _host(url: str) -> tuple[str, str]:
    """Return the host with its port and without."""
    try:
        parts = urlsplit(url)
        return parts.netloc.lower(), parts.hostname or ""
    except ValueError:
        return "", ""
