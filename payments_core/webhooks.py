"""Webhooks out: events as signed requests, in the format of Standard Webhooks. Decides only; the client sends."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator

from payments_core.domain.contradictions import Contradiction
from payments_core.domain.deliveries import Consumer, PayoutEvent, Waiting
from payments_core.domain.errors import SettingsError
from payments_core.domain.masking import mask_in, mask_numbers, scrub_code
from payments_core.domain.payout import Operation
from payments_core.domain.records import PayoutRecord
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, NoAnswer, NotSent
from payments_core.http.parsing import wait_asked_s
from payments_core.http.urls import is_loopback
from payments_core.settings.tables import read_table
from payments_core.settings.types import Seconds

__all__ = ["PREFIX", "DeliveryResult", "Webhook", "WebhookSettings", "body_of", "deliver", "next_at", "read_webhook"]

PREFIX = "webhook/"  # an application's own consumers cannot be called so
_SECRET = re.compile(r"(whsec_)?([A-Za-z0-9+/]+={0,2})")
_LONGEST_WAIT_S = 86_400.0  # at most, even when a receiver asks for more


class WebhookSettings(BaseModel):
    """Where events go: a table ``[webhooks.NAME]``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    url: str = Field(repr=False, description="Where each event is posted; https, except to this machine.")
    secret: SecretStr = Field(
        description="What requests are signed with: `whsec_` and 24 to 64 random bytes in base64. Where it stands, as "
        "every secret."
    )
    old_secret: SecretStr | None = Field(
        default=None, description="While the secret is being changed: requests are signed with this one too."
    )
    accounts: tuple[str, ...] = Field(default=(), description="Events of these accounts only; all when left out.")
    since: AwareDatetime | None = Field(
        default=None,
        description="Nothing that happened before this moment, such as `2026-11-25T00:00:00Z`; everything when left "
        "out.",
    )
    timeout_s: float = Field(
        default=15.0,
        strict=True,
        ge=0.001,
        le=300,
        allow_inf_nan=False,
        description="Longest wait for the receiver's answer, in seconds.",
    )
    retry_schedule_s: tuple[Seconds, ...] = Field(
        default=(5.0, 60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, *[86_400.0] * 5),
        min_length=1,
        max_length=1000,
        description="Waits before an event that was not accepted is sent again, in seconds; after the last one it is "
        "given up until `payouts events deliver --again`.",
    )

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        is_here = is_loopback(parts.hostname or "")
        if not parts.hostname or parts.scheme not in ({"https", "http"} if is_here else {"https"}):
            msg = "must begin with https:// (http:// only to this machine)"
            raise ValueError(msg)
        if parts.username is not None or parts.fragment:
            msg = "must hold no user, no password and no fragment"
            raise ValueError(msg)
        return url

    @field_validator("secret", "old_secret")
    @classmethod
    def _is_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            found = _SECRET.fullmatch(secret.get_secret_value())
            if not found or not 24 <= len(base64.b64decode(found[2].rstrip("=") + "===")) <= 64:
                msg = "must be whsec_ and 24 to 64 bytes in base64"
                raise ValueError(msg)
        return secret


class Signer(Protocol):
    """Signs; of the library standardwebhooks."""

    def sign(self, msg_id: str, timestamp: datetime, data: str) -> str:
        """Return a signature with its version before it."""
        ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of events."""

    name: str  #: From the configuration.
    settings: WebhookSettings  #: Its table.
    signers: tuple[Signer, ...] = field(repr=False)  #: One for each secret.

    @property
    def consumer(self) -> Consumer:
        """The consumer that acknowledges what was delivered."""
        return Consumer(f"{PREFIX}{self.name}", self.settings.since, self.settings.accounts)


def read_webhook(name: str, raw: Mapping[str, Any], *, resolve_secret: Callable[[str], SecretStr]) -> Webhook:
    """Check one table ``[webhooks.NAME]``.

    Args:
        name: Its name.
        raw: The table.
        resolve_secret: Turns ``"env:NAME"`` or ``"file:PATH"`` into the secret.

    Raises:
        SettingsError: A setting is wrong, a secret is missing, or the library that signs is not installed.

    """
    settings = read_table(WebhookSettings, f"[webhooks.{name}]", raw, resolve_secret=resolve_secret)
    try:
        from standardwebhooks import Webhook as Library
    except ImportError:
        raise SettingsError(
            "Webhooks need the package standardwebhooks, which is not installed.",
            hint='Install the extra: pip install "payments-core[webhooks]".',
        ) from None
    secrets = (settings.secret, settings.old_secret)
    return Webhook(name, settings, tuple(Library(secret.get_secret_value()) for secret in secrets if secret))


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How a delivery ended."""

    accepted: bool  #: The receiver has it.
    why: str  #: In words, where it has not.
    at: datetime  #: When.
    after_s: float = 0.0  #: The shortest wait before the next attempt that the receiver asks for, in seconds.


def deliver(
    webhook: Webhook, event: PayoutEvent, row: PayoutRecord, *, at: datetime, until: datetime
) -> HttpFlow[DeliveryResult]:
    """Post an event once: only a response of 200 to 299 accepts it.

    Args:
        webhook: The receiver.
        event: The event.
        row: Its payout.
        at: Now.
        until: It is not sent after this time: another process may deliver it by then.

    """
    body = body_of(event, row)
    signatures = " ".join(signer.sign(event.id, at, body) for signer in webhook.signers)
    request = HttpRequest(
        method="POST",
        url=webhook.settings.url,
        operation="webhook",
        headers={
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signatures,
        },
        body=body,
        timeout_s=webhook.settings.timeout_s,
        send_before=until,
        credential=False,
    )
    try:
        response = yield from exchange(request)
    except (NotSent, NoAnswer) as ended:
        return DeliveryResult(accepted=False, why=ended.why, at=ended.at)
    if 200 <= response.status < 300:
        return DeliveryResult(accepted=True, why="", at=response.at)
    after_s = min(wait_asked_s(response) or 0.0, _LONGEST_WAIT_S)
    return DeliveryResult(accepted=False, why=f"HTTP {response.status}", at=response.at, after_s=after_s)


def body_of(event: PayoutEvent, row: PayoutRecord) -> str:
    """Return the body: without personal data, and without texts of a provider.

    Args:
        event: The event.
        row: Its payout, for the amount.

    """
    key = event.key
    if (
        row.order.operation is not Operation.REFUND
    ):  # an erased payee cannot be found in the key: any number may be its own
        key = mask_in(key, row.order.payee.value) if row.erased_at is None else mask_numbers(key)
    reason = event.reason and {"code": str(event.reason.code), "provider_code": scrub_code(event.reason.provider_code)}
    data: dict[str, object] = {
        "event": event.id,
        "payout": event.payout_id,
        "key": key,
        "account": event.account,
        "operation": str(row.order.operation),
        "amount": format(row.order.amount.amount, "f"),
        "currency": str(row.order.amount.currency),
        "status": str(event.status),
        "reason": reason or None,
        "attempt": event.attempt,
        "seq": event.seq,
    }
    if event.contradiction is not None:
        data["contradiction"] = _contradiction(event.contradiction)
    payload = {"type": event.type, "timestamp": event.at.isoformat(), "data": data}
    return json.dumps(payload, separators=(",", ":"))


def _contradiction(contradiction: Contradiction) -> dict[str, object]:
    return {
        "account": contradiction.account,
        "attempt": contradiction.attempt,
        "provider_status": str(contradiction.provider_status),
        "code": scrub_code(contradiction.code),
    }


def next_at(webhook: Webhook, waiting: Waiting, result: DeliveryResult) -> datetime | None:
    """Return when an event that was not accepted is posted again; None gives it up.

    Args:
        webhook: The receiver.
        waiting: The delivery, as it was before.
        result: How the attempt ended.

    """
    schedule = webhook.settings.retry_schedule_s
    if waiting.attempts >= len(schedule):
        return None
    return result.at + timedelta(seconds=max(schedule[waiting.attempts], result.after_s))
