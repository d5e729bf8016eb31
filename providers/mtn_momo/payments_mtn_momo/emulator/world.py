"""What the handlers of calls share: the ledger, the collections, the callers, and how a request is refused."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.collected import Collection
from payments_mtn_momo.emulator.ledger import Ledger
from payments_mtn_momo.emulator.replies import empty, from_momo
from payments_mtn_momo.emulator.requests import Request
from payments_mtn_momo.emulator.switches import Switches
from payments_mtn_momo.emulator.tokens import Authenticator
from payments_mtn_momo.targets import Platform

__all__ = ["World"]


class World:
    """The state of one emulated gateway.

    Args:
        platform: Whose quirks it has.
        switches: Where the sources leave a choice.

    """

    def __init__(self, platform: Platform, switches: Switches) -> None:
        self.platform = platform
        self.switches = switches
        self.door = Authenticator(switches.other_products_keys)
        self.books = Ledger()
        self.collections: dict[str, Collection] = {}  # by reference

    def bad_request(self, at: datetime) -> Answer:
        """Return a 400 as this platform writes it."""
        written = self.switches.bad_request
        if written == "platform":
            written = "validation_error" if self.platform == "momo_africa" else "empty"
        return empty(400, at) if written == "empty" else from_momo(400, "VALIDATION_ERROR", at)

    def callback_refused(self, request: Request, user: str) -> Answer | None:
        """Refuse a request whose X-Callback-Url the API user may not have.

        Sources: a client's controlled experiment of 2026 (the host must be the one registered; otherwise 500 and
        nothing is created), a PHP client's issue 80 (the header present and empty is an error).
        """
        url = request.headers.get("x-callback-url")
        if url is None:
            return None
        if url.strip().lower() in {"", "null"}:
            return self.bad_request(request.at)
        registered = self.door.users[user].callback_host.lower()
        if not registered or registered in _hosts(url.strip()):
            return None
        return from_momo(500, "INVALID_CALLBACK_URL_HOST", request.at)


def _hosts(url: str) -> tuple[str, str]:
    """Return the host with its port and without."""
    try:
        parts = urlsplit(url)
        return parts.netloc.lower(), parts.hostname or ""
    except ValueError:
        return "", ""
