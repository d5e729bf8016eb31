"""Messages for the payers of collections.

Sources: the export of Collections (header, 160 characters, every refusal), MTN's libraries of 2023 (the address under
Disbursements). No source has the time after which a notification is 410; here it is an hour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.replies import empty, from_gateway, from_momo
from payments_mtn_momo.emulator.requests import Request, is_uuid
from payments_mtn_momo.emulator.world import World

__all__ = ["NotificationHandler"]

_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NotificationHandler:
    """Takes each collection's message once."""

    world: World
    sent: dict[str, str] = field(default_factory=dict, init=False)

    def notify(self, request: Request, user: str) -> Answer:
        """Take a message, or refuse it."""
        message = request.headers.get("notificationmessage", "")
        language = request.headers.get("language", "en")
        if not is_uuid(request.reference) or not 1 <= len(message) <= 160 or not re.fullmatch(r"[a-z]{2,3}", language):
            return self.world.bad_request(request.at)
        collection = self.world.collections.get(request.reference)
        if collection is None or collection.api_user not in {"", user}:
            return from_momo(404, "RESOURCE_NOT_FOUND", request.at)
        if collection.state != "SUCCESSFUL":
            return from_momo(409, "NOT_SUCCESSFULLY_COMPLETED", request.at)
        if request.at >= collection.at + _WINDOW:
            return empty(410, request.at)
        if collection.reference in self.sent:
            return from_gateway(429, "Too many requests.", request.at)
        self.sent[collection.reference] = message
        return empty(200, request.at)
