"""Who may talk to the emulated gateway: API users, subscription keys, and the tokens it has issued."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["Credentials", "Doorkeeper"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one caller of the gateway holds.

    Args:
        api_user: UUID.
        api_key: 32 hexadecimal digits.
        subscription_key: 32 hexadecimal digits.

    """

    api_user: str
    api_key: str = field(repr=False)
    subscription_key: str = field(repr=False)

    @classmethod
    def new(cls) -> Credentials:
        """Draw credentials in the sandbox's form."""
        return cls(str(uuid.uuid4()), secrets.token_hex(16), secrets.token_hex(16))


class Doorkeeper:
    """Checks credentials and issues tokens that look like the sandbox's.

    Args:
        life_s: Life of a token, in seconds.

    """

    def __init__(self, *, life_s: int) -> None:
        self.life_s = life_s
        self.issued = 0
        self._users: dict[str, str] = {}
        self._subscriptions: set[str] = set()
        self._tokens: dict[str, tuple[str, datetime]] = {}

    def admit(self, credentials: Credentials) -> None:
        """Know these credentials from now on."""
        self._users[credentials.api_user] = credentials.api_key
        self._subscriptions.add(credentials.subscription_key)

    def knows_subscription(self, key: str) -> bool:
        """Say whether the gateway lets this subscription key in."""
        return key in self._subscriptions

    def login(self, authorization: str, at: datetime) -> str | None:
        """Return a new token for a Basic pair; None when it is wrong."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        if scheme.lower() != "basic" or not key or self._users.get(user) != key:
            return None
        self.issued += 1
        expires = at + timedelta(seconds=self.life_s)
        token = _token(user, key, self.issued, at, expires)
        self._tokens[token] = (user, expires)  # older ones stay good until their own end
        return token

    def user_of(self, authorization: str, at: datetime) -> str | None:
        """Return whose token this is; None when it is no token of ours, or its time is over."""
        scheme, _, token = authorization.partition(" ")
        user, expires = self._tokens.get(token, ("", at))
        return user if scheme == "Bearer" and at < expires else None

    def revoke(self, authorization: str) -> None:
        """Forget a token."""
        self._tokens.pop(authorization.partition(" ")[2], None)


def _token(user: str, key: str, count: int, at: datetime, expires: datetime) -> str:
    """Write a token as the sandbox does: an algorithm that does not exist, a local time without a zone."""
    drawn = hashlib.sha256(f"{user}:{key}:{count}:{at.isoformat()}".encode()).digest()
    claims = {
        "clientId": user,
        "expires": expires.replace(tzinfo=None).isoformat(timespec="milliseconds"),
        "sessionId": str(uuid.UUID(bytes=drawn[:16], version=4)),
    }
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in ({"typ": "JWT", "alg": "R256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, drawn))
