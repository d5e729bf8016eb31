"""API users and their keys, in the sandbox only.

Sources: the export of Sandbox User Provisioning; MTN's JavaScript library (the host is stored as it is given, even an
address); a Dart client's live tests (the firewall refuses a body that is no JSON; a new user takes a moment to appear).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.replies import empty, firewall_page, from_momo, json_answer
from payments_mtn_momo.emulator.requests import Request, is_version_4
from payments_mtn_momo.emulator.tokens import ApiUser
from payments_mtn_momo.emulator.world import World

__all__ = ["ProvisioningHandler"]


@dataclass(frozen=True, slots=True)
class ProvisioningHandler:
    """Makes API users and their keys."""

    world: World

    def create(self, request: Request, _user: str) -> Answer:
        """Make an API user under the request's X-Reference-Id."""
        if request.body and request.payload is None:
            return firewall_page(403, "403 Forbidden", request.at)
        host = request.fields.get("providerCallbackHost")
        reference = request.headers.get("x-reference-id", "").lower()
        if not is_version_4(reference) or not isinstance(host, str) or not host.strip():
            return self.world.bad_request(request.at)
        if reference in self.world.door.users:
            return from_momo(409, "RESOURCE_ALREADY_EXIST", request.at)
        belongs = request.subscription_key not in self.world.door.other_products_keys
        self.world.door.users[reference] = ApiUser(callback_host=host, belongs=belongs, since=request.at)
        return empty(201, request.at)

    def create_key(self, request: Request, _user: str) -> Answer:
        """Make an API user's key; the one before is no longer good."""
        if refused := self._refused(request):
            return refused
        key = self.world.door.new_key(request.reference, ends_tokens=self.world.switches.new_key_ends_tokens)
        return json_answer(201, {"apiKey": key}, request.at)

    def get(self, request: Request, _user: str) -> Answer:
        """Return what is known of an API user."""
        if refused := self._refused(request):
            return refused
        host = self.world.door.users[request.reference].callback_host
        return json_answer(200, {"providerCallbackHost": host, "targetEnvironment": "sandbox"}, request.at)

    def _refused(self, request: Request) -> Answer | None:
        if not is_version_4(request.reference):
            return self.world.bad_request(request.at)
        user = self.world.door.users.get(request.reference)
        hidden = timedelta(seconds=self.world.switches.user_appears_s)
        if user is None or (user.since is not None and request.at < user.since + hidden):
            return from_momo(404, "RESOURCE_NOT_FOUND", request.at)
        return None
