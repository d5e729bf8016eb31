"""A caller of the gateway without a socket: credentials, a token, a clock."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.collected import Collection
from payments_mtn_momo.emulator.gateway import TOKEN_PATH, Gateway, Switches
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.targets import Platform

PRODUCT = "/disbursement"


class GatewayCaller:
    """A caller of one emulated gateway, in its own process."""

    def __init__(
        self, target: str = "sandbox", platform: Platform | None = None, callback_host: str = "", **switches: Any
    ) -> None:
        self.target = target
        self.held = Credentials.new(platform or "sandbox", callback_host=callback_host)
        self.gateway = Gateway(self.held, targets=[target], switches=Switches(**switches), platform=platform)
        self.at = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
        self.login()

    def login(self, held: Credentials | None = None) -> None:
        """Speak with a new token from now on."""
        self.held = held or self.held
        self.bearer = f"Bearer {json.loads(self.token().body)['access_token']}"

    @property
    def basic(self) -> str:
        return f"Basic {base64.b64encode(f'{self.held.api_user}:{self.held.api_key}'.encode()).decode()}"

    def ask(self, method: str, path: str, body: bytes = b"", /, **changed: str | None) -> Answer:
        """Make a call; keywords are headers, with underscores, and None leaves one out."""
        headers = {
            "ocp-apim-subscription-key": self.held.subscription_key,
            "x-target-environment": self.target,
            "authorization": self.bearer,
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        fields = {name: value for name, value in headers.items() if value is not None}
        return self.gateway.handle(method, path, fields, body, self.at)

    def token(self, **changed: str | None) -> Answer:
        self.bearer = getattr(self, "bearer", "")
        return self.ask("POST", TOKEN_PATH, **({"authorization": self.basic} | changed))

    def get(self, path: str, **changed: str | None) -> Answer:
        return self.ask("GET", PRODUCT + path, **changed)

    def post(self, path: str, payload: Any, reference: str = "", **changed: str | None) -> Answer:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        named = {"x_reference_id": reference or str(uuid.uuid4())} | changed
        return self.ask("POST", path if path.startswith("/v1_0/apiuser") else PRODUCT + path, body, **named)

    def form(self, path: str, payload: Mapping[str, str], **changed: str | None) -> Answer:
        kind = {"content_type": "application/x-www-form-urlencoded"}
        return self.ask("POST", PRODUCT + path, urlencode(payload).encode(), **(kind | changed))

    def collect(self, **fields: Any) -> str:
        """Have collected something, to pay it back."""
        fields = {"amount": "100", "currency": "EUR", "payer": "46733123499"} | fields
        found = Collection(**{"api_user": self.held.api_user, "at": self.at} | fields)
        self.gateway.collections[found.reference] = found
        return found.reference

    def entry(self, reference: str) -> dict[str, Any]:
        [row] = [row for row in self.gateway.ledger(self.at) if row["reference"] == reference]
        return row


@pytest.fixture
def make_caller() -> Callable[..., GatewayCaller]:
    return GatewayCaller


@pytest.fixture
def caller() -> GatewayCaller:
    return GatewayCaller()


@pytest.fixture
def reference() -> str:
    return str(uuid.uuid4())
