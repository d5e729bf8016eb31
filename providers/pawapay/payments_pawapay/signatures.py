"""Signatures of requests and callbacks (RFC 9421), by the library ``http-message-signatures``; imported when used.

ECDSA signatures have two encodings: raw numbers in RFC 9421, ASN.1 DER in pawaPay's example programs. A setting selects
the encoding of requests; callbacks are accepted in either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

from payments_core.domain.errors import SettingsError
from payments_core.http.messages import HttpRequest
from payments_core.provider import Callback
from payments_pawapay.provider_config_cache import ProviderConfigCache
from payments_pawapay.settings import PawapaySettings

__all__ = ["ALGORITHMS", "COVERED", "Signer", "Verifier", "algorithm"]

LABEL = "sig-pp"
COVERED = ("@method", "@authority", "@path", "signature-date", "content-digest", "content-type")
REQUIRED = ("@method", "@authority", "@path", "content-digest")  # a callback that covers less proves nothing
ALGORITHMS: Mapping[str, str] = {
    "ecdsa-p256-sha256": "ECDSA_P256_SHA256",
    "ecdsa-p384-sha384": "ECDSA_P384_SHA384",
    "rsa-v1_5-sha256": "RSA_V1_5_SHA256",
    "rsa-pss-sha512": "RSA_PSS_SHA512",
}
_GOOD_FOR = timedelta(seconds=60)
_SKEW = timedelta(seconds=30)
_OLDEST = timedelta(hours=1)  # of a callback without an expiry: pawaPay repeats for 15 minutes


@dataclass
class _Message:
    method: str
    url: str
    headers: dict[str, str]


class Signer:
    """Signs the requests of one account.

    Args:
        settings: With a signing key.

    Raises:
        SettingsError: The key cannot be parsed or does not fit the algorithm, or the extra is not installed.

    """

    def __init__(self, settings: PawapaySettings) -> None:
        library = _library("signing_key")
        if settings.signing_key is None:
            raise SettingsError("signing_key is not set.")
        kind = algorithm(settings.signing_algorithm, settings.ecdsa_encoding)
        try:
            key = kind(private_key=settings.signing_key.get_secret_value().encode()).private_key
        except Exception as error:  # noqa: BLE001 - any error; its text could quote the key
            raise SettingsError(
                f"signing_key is no private key for {settings.signing_algorithm} ({type(error).__name__}).",
                hint="Give it in PEM, without a password.",
            ) from None
        self._id = settings.signing_key_id
        self._digest = settings.content_digest
        self._algorithm = settings.signing_algorithm
        resolver = library.MappingKeyResolver(public_keys={}, private_keys={self._id: key})
        self._signer = library.HTTPMessageSigner(signature_algorithm=kind, key_resolver=resolver)
        self._signer.content_digest_class = type("Digest", (library.ContentDigest,), {"algorithm": self._digest})

    def sign(self, request: HttpRequest, at: datetime) -> HttpRequest:
        """Return a request with digest, date and signature over the bytes that are sent.

        Args:
            request: Complete; it must not change afterwards.
            at: Now.

        """
        headers = {
            "Signature-Date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Accept-Digest": "sha-256,sha-512",
            "Accept-Signature": self._algorithm,
        }
        message = _Message(request.method, request.url, {**request.headers, **headers})
        self._signer.sign(
            message,
            key_id=self._id,
            created=at,
            expires=at + _GOOD_FOR,
            label=LABEL,
            covered_component_ids=COVERED,
            body=(request.body or "").encode(),
        )
        return replace(request, headers=message.headers)


class Verifier:
    """Verifies that callbacks are signed by pawaPay.

    Args:
        address: The complete callback URL in the dashboard: pawaPay signs it, and a proxy may change it.

    Raises:
        SettingsError: The extra is not installed.

    """

    def __init__(self, address: str) -> None:
        self._library = _library("signed_callbacks")
        self._address = address
        self._algorithms = [algorithm(name) for name in ALGORITHMS]

    def verify(self, callback: Callback, config_cache: ProviderConfigCache) -> bool | None:
        """Whether the signature is valid; None when its key is not known yet.

        Args:
            callback: As received, with its time.
            config_cache: Holds the keys and records a missing one.

        """
        message = _Message(callback.method, self._address, dict(callback.headers))
        keys = self._keys(config_cache.keys)
        for one in self._algorithms:
            verifier = self._verifier(one, keys, callback.at)
            try:
                verifier.verify(message, max_age=_OLDEST, require_components=REQUIRED, body=callback.body)
            except Exception:  # noqa: BLE001, S112 - untrusted bytes can raise anything
                continue
            return True
        if not keys.missed:
            return False
        config_cache.miss_key()
        return None

    def _keys(self, known: Mapping[str, str]) -> Any:
        class Keys(self._library.HTTPSignatureKeyResolver):  # type: ignore[misc, name-defined] # imported late
            missed = False

            def resolve_public_key(self, key_id: str) -> bytes | None:
                if key_id not in known:
                    self.missed = True
                    return None
                return known[key_id].encode()

        return Keys()

    def _verifier(self, kind: type[Any], keys: Any, at: datetime) -> Any:
        refused = self._library.InvalidSignature

        class AtThatTime(self._library.HTTPMessageVerifier):  # type: ignore[misc, name-defined] # imported late
            """Compares with the time of arrival, not with the time of verification."""

            def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
                created, expires = (sig_input.params.get(name) for name in ("created", "expires"))
                now = at.timestamp()
                if type(created) is not int or created > now + _SKEW.total_seconds():
                    raise refused("its time of creation is missing or in the future")
                until = expires if type(expires) is int else created + (max_age or _OLDEST).total_seconds()
                if until < now - _SKEW.total_seconds():
                    raise refused("it is too old")

        return AtThatTime(signature_algorithm=kind, key_resolver=keys)


def algorithm(name: str, encoding: str = "raw") -> type[Any]:
    """Return an algorithm of the library; ECDSA reads both encodings and writes one.

    Args:
        name: As RFC 9421 calls it.
        encoding: ``raw`` or ``der``.

    """
    from http_message_signatures import algorithms

    plain: Any = getattr(algorithms, ALGORITHMS[name])
    if not name.startswith("ecdsa"):
        return plain  # type: ignore[no-any-return]
    size = 64 if "p256" in name else 96

    class Either(plain):  # type: ignore[misc] # imported late
        def sign(self, message: bytes) -> bytes:
            raw: bytes = super().sign(message)
            return _der(raw) if encoding == "der" else raw

        def verify(self, signature: bytes, message: bytes) -> None:
            super().verify(signature if len(signature) == size else self.signature_from_der(signature), message)

    return Either


def _der(raw: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def _library(setting: str) -> ModuleType:
    try:
        import http_message_signatures
    except ImportError:
        raise SettingsError(
            f"{setting} needs the library http-message-signatures, which is not installed.",
            hint='Install the extra: pip install "payments-pawapay[signatures]".',
        ) from None
    return http_message_signatures
