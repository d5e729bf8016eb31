"""The portal's key pair: the certificate that passwords are encrypted with, and its private key."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

__all__ = ["Keys"]


class Keys:
    """A key pair made for this emulator."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "daraja.emulator")])
        now = datetime.now(UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
        )
        self.certificate = built.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()

    def decrypt(self, security_credential: str) -> str:
        """Return the password in a security credential; empty when it cannot be decrypted."""
        try:
            encrypted = base64.b64decode(security_credential, validate=True)
            return self._key.decrypt(encrypted, padding.PKCS1v15()).decode()
        except ValueError:
            return ""
