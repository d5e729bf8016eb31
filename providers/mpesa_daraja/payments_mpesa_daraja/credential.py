"""The security credential: the initiator's password, encrypted for M-Pesa with the portal's certificate.

RSA with the padding of PKCS #1 v1.5, not OAEP, in base64 (portal: Transaction Status, "security credential").
``cryptography`` is imported only here, and only once it is needed.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["check_certificate", "encrypt"]


def encrypt(password: str, certificate: str) -> str:
    """Return the security credential; every call returns a different, valid one.

    Args:
        password: The initiator's.
        certificate: The portal's, PEM.

    Raises:
        ValueError: The certificate cannot be parsed, or has no RSA key.

    """
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    encrypted = _key(certificate).encrypt(password.encode(), PKCS1v15())
    return base64.b64encode(encrypted).decode()


def check_certificate(certificate: str) -> None:
    """Raise ``ValueError`` for what is no X.509 certificate with an RSA key."""
    _key(certificate)


def _key(certificate: str) -> RSAPublicKey:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    except ValueError:
        msg = "is no X.509 certificate in PEM; take the portal's, of the same environment"
        raise ValueError(msg) from None
    if not isinstance(key, RSAPublicKey):
        msg = "has no RSA key; take the portal's"
        raise ValueError(msg)
    return key
