"""The emulated pawaPay's keys: signs callbacks, changes keys, and checks what a merchant has signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver

from payments_pawapay.signatures import COVERED, LABEL, algorithm

__all__ = ["KeyRing", "new_key", "public_of", "signs_rightly"]

_NAME = "ecdsa-p256-sha256"


@dataclass
class _Message:
    method: str
    url: str
    headers: dict[str, str]


def new_key() -> str:
    """Return a new private key in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_of(private: str) -> str:
    """Return the public key that belongs to a private one, both in PEM."""
    key = load_pem_private_key(private.encode(), None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class KeyRing:
    """Keys that callbacks are signed with; the newest signs.

    Args:
        encoding: How ECDSA is spelt: ``der`` or ``raw``.

    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._number = 0
        self._stranger = new_key()
        self.rotate()

    def rotate(self) -> str:
        """Sign with a new key from now on; the old one is not told any more. Return its id."""
        self._number += 1
        self._private = new_key()
        return self.key_id

    @property
    def key_id(self) -> str:
        """The newest key's id."""
        return f"HTTP_EC_P256_KEY:{self._number}"

    def public(self) -> list[dict[str, str]]:
        """Return the keys in force, as they are told."""
        return [{"id": self.key_id, "key": public_of(self._private)}]

    def sign(
        self, url: str, body: bytes, at: datetime, *, by_stranger: bool = False, good_for_s: float = 900.0
    ) -> dict[str, str]:
        """Return the header fields of a signed callback.

        Args:
            url: Where it goes.
            body: What it says.
            at: When it leaves.
            by_stranger: With somebody else's key under our id.
            good_for_s: Until when, in seconds.

        """
        private = self._stranger if by_stranger else self._private
        resolver = MappingKeyResolver(public_keys={}, private_keys={self.key_id: private.encode()})
        signer = HTTPMessageSigner(signature_algorithm=algorithm(_NAME, self._encoding), key_resolver=resolver)
        date = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        message = _Message("POST", url, {"content-type": "application/json", "signature-date": date})
        signer.sign(
            message,
            key_id=self.key_id,
            created=at,
            expires=at + timedelta(seconds=good_for_s),
            label=LABEL,
            covered_component_ids=COVERED,
            body=body,
        )
        return {name.lower(): value for name, value in message.headers.items()}


def signs_rightly(request: Any, url: str, key_id: str, public: str) -> bool:
    """Say whether a merchant's request is signed rightly, whichever way ECDSA is spelt."""

    class AnyTime(HTTPMessageVerifier):
        def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
            """Believe it: an emulator's clock is moved."""

    resolver = MappingKeyResolver(public_keys={key_id: public.encode()}, private_keys={})
    verifier = AnyTime(signature_algorithm=algorithm(_NAME), key_resolver=resolver)
    message = _Message(request.method, url, dict(request.headers))
    try:
        verifier.verify(message, require_components=COVERED, body=request.body)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not signed rightly
        return False
    return True
