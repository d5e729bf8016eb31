"""The emulated pawaPay's keys: signs callbacks, rotates keys, and verifies a merchant's signatures."""

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
    """The keys that callbacks are signed with; the newest one signs.

    Args:
        encoding: Of ECDSA signatures: ``der`` or ``raw``.

    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._number = 0
        self._stranger = new_key()
        self.rotate()

    def rotate(self) -> str:
        """Sign with a new key from now on and publish only that; return its id."""
        self._number += 1
        self._private = new_key()
        return self.key_id

    @property
    def key_id(self) -> str:
        """The newest key's id."""
        return f"HTTP_EC_P256_KEY:{self._number}"

    def public(self) -> list[dict[str, str]]:
        """Return the body with the published keys."""
        return [{"id": self.key_id, "key": public_of(self._private)}]

    def sign(
        self, url: str, body: bytes, at: datetime, *, by_stranger: bool = False, good_for_s: float = 900.0
    ) -> dict[str, str]:
        """Return the header fields of a signed callback.

        Args:
            url: The callback's URL.
            body: The callback's body.
            at: When it is sent.
            by_stranger: Sign with another key under this key's id.
            good_for_s: How long the signature is valid, in seconds.

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
    """Whether a merchant's request has a valid signature, in either encoding of ECDSA."""

    class AnyTime(HTTPMessageVerifier):
        def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
            """Accept every time: tests move an emulator's clock."""

    resolver = MappingKeyResolver(public_keys={key_id: public.encode()}, private_keys={})
    verifier = AnyTime(signature_algorithm=algorithm(_NAME), key_resolver=resolver)
    message = _Message(request.method, url, dict(request.headers))
    try:
        verifier.verify(message, require_components=COVERED, body=request.body)
    except Exception:  # noqa: BLE001 - any error means that the signature is not valid
        return False
    return True
