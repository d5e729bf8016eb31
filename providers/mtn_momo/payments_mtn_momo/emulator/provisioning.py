"""The desk that makes API users, in the sandbox only.

Sources: the export of Sandbox User Provisioning; MTN's JavaScript library (the host is stored as it is given, even an
address); a Dart client's live tests (the firewall refuses a body that is no JSON; a new user takes a moment to appear).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.replies import empty, firewall_page, from_momo, json_answer
from payments_mtn_momo.emulator.requests import Request, is_version_4
from payments_mtn_momo.emulator.switches import Switches
from payments_mtn_momo.emulator.tokens import ApiUser, Authenticator

__all__ = ["ProvisioningHandler"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningHandler:
    """Makes API users and their keys.

    Args:
        door: Who they are made known to.
        switches: Where the sources leave a choice.
        bad_request: How a 400 is written.

    """

    door: Authenticator
    switches: Switches
    bad_request: Callable[[datetime], Answer]

    def create(self, request: Request) -> Answer:
        """Make an API user under the request's X-Reference-Id."""
        try:
            told = json.loads(request.body) if request.body else None
        except (ValueError, RecursionError):
            return firewall_page(403, "403 Forbidden", request.at)
        host = told.get("providerCallbackHost") if isinstance(told, dict) else None
        reference = request.headers.get("x-reference-id", "").lower()
        if not is_version_4(reference) or not isinstance(host, str) or not host.strip():
            return self.bad_request(request.at)
        if reference in self.door.users:
            return from_momo(409, "RESOURCE_ALREADY_EXIST", request.at)
        belongs = request.subscription_key not in self.door.other_products_keys
        self.door.users[reference] = ApiUser(callback_host=host, belongs=belongs, since=request.at)
        return empty(201, request.at)

    def create_key(self, request: Request) -> Answer:
        """Make an API user's key; the one before is no longer good."""
        if refused := self._refused(request):
            return refused
        key = self.door.new_key(request.reference, ends_tokens=self.switches.new_key_ends_tokens)
        return json_answer(201, {"apiKey": key}, request.at)

    def get(self, request: Request) -> Answer:
        """Tell what is known of an API user."""
        if refused := self._refused(request):
            return refused
        told = {"providerCallbackHost": self.door.users[request.reference].callback_host}
        if self.switches.api_user_shape == "spec":
            told["paymentServerUrl"] = ""
        return json_answer(200, told | {"targetEnvironment": "sandbox"}, request.at)

    def _refused(self, request: Request) -> Answer | None:
        if not is_version_4(request.reference):
            return self.bad_request(request.at)
        user = self.door.users.get(request.reference)
        hidden = timedelta(seconds=self.switches.user_appears_s)
        if user is None or (user.since is not None and request.at < user.since + hidden):
            return from_momo(404, "RESOURCE_NOT_FOUND", request.at)
        return None
