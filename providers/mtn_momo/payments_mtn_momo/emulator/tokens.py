"""Who may talk to the emulated gateway: API users, subscription keys, and the tokens it has issued."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import string
import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import unquote

from payments_mtn_momo.targets import Platform

__all__ = ["TOKEN_LIFE_S", "ApiUser", "Authenticator", "Credentials", "jwt"]

TOKEN_LIFE_S = 3600  # in every source


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one caller of the gateway holds."""

    api_user: str  #: A UUID; on the newer platform Base64 that ends with ``=``.
    #: 32 hexadecimal digits; on the newer platform a credential token with punctuation.
    api_key: str = field(repr=False)
    subscription_key: str = field(repr=False)  #: 32 hexadecimal digits.
    callback_host: str = ""  #: Where its callbacks may go; empty for anywhere, which no real API user may.

    @classmethod
    def new(cls, platform: Platform = "sandbox", *, callback_host: str = "") -> Credentials:
        """Draw credentials in a platform's form: the newer one issues opaque user ids and credential tokens."""
        subscription_key = secrets.token_hex(16)
        if platform == "momo_africa":
            user = base64.b64encode(secrets.token_bytes(32)).decode()
            alphabet = string.ascii_letters + string.digits + "!#$%&*+-.:=?@^_~"
            drawn = "".join(secrets.choice(alphabet) for _ in range(40))
            return cls(user, f"{drawn}%+:=", subscription_key, callback_host)  # with what breaks careless clients
        return cls(str(uuid.uuid4()), secrets.token_hex(16), subscription_key, callback_host)


@dataclass(frozen=True, slots=True)
class ApiUser:
    """An API user as the gateway knows it."""

    key: str = field(default="", repr=False)  #: Its key; empty until there is one.
    callback_host: str = ""  #: As given, whatever it is.
    belongs: bool = True  #: Whether it was made under a key of this product.
    since: datetime | None = None  #: When it was made; None when it was there from the start.


class Authenticator:
    """Checks credentials and issues tokens that look like the sandbox's.

    Args:
        other_products_keys: Subscription keys that only provisioning takes.

    """

    def __init__(self, other_products_keys: tuple[str, ...] = ()) -> None:
        self.issued = 0
        self.users: dict[str, ApiUser] = {}
        self.other_products_keys = frozenset(other_products_keys)
        self.subscriptions: set[str] = set()
        self._tokens: dict[str, tuple[str, datetime]] = {}

    def admit(self, credentials: Credentials) -> None:
        """Accept these credentials from now on."""
        self.users[credentials.api_user] = ApiUser(credentials.api_key, credentials.callback_host)
        self.subscriptions.add(credentials.subscription_key)

    def basic(self, authorization: str) -> str | None:
        """Return whose Basic pair this is; None when it is wrong."""
        pair = _pair(authorization)
        if pair is None or not pair[1] or pair[0] not in self.users:
            return None
        return pair[0] if self.users[pair[0]].key == pair[1] else None

    def is_url_encoded(self, authorization: str) -> bool:
        """Whether this is a good Basic pair, URL-encoded before it went into Base64."""
        pair = _pair(authorization)
        if pair is None or self.basic(authorization) is not None:
            return False
        user, key = (unquote(part) for part in pair)
        return user in self.users and self.users[user].key == key

    def login(self, authorization: str, at: datetime) -> str | None:
        """Return a new token for a Basic pair; None when it is wrong."""
        user = self.basic(authorization)
        if user is None:
            return None
        self.issued += 1
        expires = at + timedelta(seconds=TOKEN_LIFE_S)
        token = jwt(user, f"{self.users[user].key}:{self.issued}", at, expires)
        self._tokens[token] = (user, expires)  # older ones stay good until their own end
        return token

    def user_of(self, authorization: str, at: datetime) -> str | None:
        """Return whose token this is; None when it is no token of ours, or its time is over."""
        scheme, _, token = authorization.partition(" ")
        user, expires = self._tokens.get(token, ("", at))
        return user if scheme == "Bearer" and at < expires else None

    def revoke(self, authorization: str) -> None:
        """Revoke a token."""
        self._tokens.pop(authorization.partition(" ")[2], None)

    def new_key(self, user: str, *, ends_tokens: bool) -> str:
        """Give an API user another key; ``ends_tokens`` forgets the tokens that were issued for the old one."""
        key = secrets.token_hex(16)
        self.users[user] = replace(self.users[user], key=key)
        if ends_tokens:
            self._tokens = {token: owner for token, owner in self._tokens.items() if owner[0] != user}
        return key


def _pair(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return user, key


def jwt(user: str, drawn_from: str, at: datetime, expires: datetime) -> str:
    """Write a token as the sandbox does: an algorithm that does not exist, a local time without a zone."""
    drawn = hashlib.sha256(f"{user}:{drawn_from}:{at.isoformat()}".encode()).digest()
    claims = {
        "clientId": user,
        "expires": expires.replace(tzinfo=None).isoformat(timespec="milliseconds"),
        "sessionId": str(uuid.UUID(bytes=drawn[:16], version=4)),
    }
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in ({"typ": "JWT", "alg": "R256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, drawn))
