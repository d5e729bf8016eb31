"""Keys, and the references derived from them: the same key gives the same reference, even with a lost journal.

Two keys that look alike are one key, and none is taken for one of our own ids. Here is also how a reference may be
written by others, and the form in which two are compared. The derivation is a wire format and never changes; golden
vectors stand in its tests.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid

from payments_core.domain.characters import describe, find_unclear
from payments_core.domain.errors import InvalidPayout

__all__ = [
    "LONGEST_KEY",
    "LONGEST_REFERENCE",
    "PROVIDER_REFERENCE",
    "canonical",
    "check_key",
    "derive",
    "fault_of",
    "is_payout_id",
    "payout_id",
    "uuid4_shaped",
    "why_not_a_key",
]

_VERSION = b"payments_core/1"
_ID = re.compile("po_[a-z2-7]{24}", re.IGNORECASE)
LONGEST_REFERENCE = 200  # characters
LONGEST_KEY = 200  # characters
#: The name of the reference by which a provider itself calls a payment, in its portal and on its statements.
PROVIDER_REFERENCE = "provider_reference"
_NFC = 'Its normal form is unicodedata.normalize("NFC", key).'
_REFERENCE = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")


def derive(namespace: str, key: str, attempt: int, *, purpose: str = "reference") -> bytes:
    """Return 32 bytes that stand for one attempt of one key in one installation.

    Args:
        namespace: The installation's namespace, from ``[installation]`` in payouts.toml.
        key: The caller's key.
        attempt: 1 for the first reference of a key; more only after ``reissue``.
        purpose: Keeps the uses of the derivation apart.

    """
    digest = hashlib.sha256(_VERSION)
    for part in (purpose, namespace, key, str(attempt)):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big"))  # length-prefixed: ("a", "bc") and ("ab", "c") differ
        digest.update(raw)
    return digest.digest()


def uuid4_shaped(seed: bytes) -> str:
    """Shape derived bytes as a UUID with version-4 bits, for providers that insist on one."""
    return str(uuid.UUID(bytes=seed[:16], version=4))


def payout_id(namespace: str, key: str) -> str:
    """Return the payout's id, which is derived from its key as well.

    Args:
        namespace: The installation's namespace.
        key: The caller's key.

    """
    digest = derive(namespace, key, 0, purpose="payout")
    return "po_" + base64.b32encode(digest[:15]).decode().lower()  # 24 characters


def is_payout_id(text: str) -> bool:
    """Whether a text has the form of a payout's id; in capitals too, as people read them."""
    return _ID.fullmatch(text) is not None


def fault_of(reference: str) -> str:
    """Return what keeps a text from being a reference; empty when it is one: ASCII letters, digits, ``-`` and ``_``.

    Only a character that no reference has is named, and nothing else of the text.
    """
    if not reference:
        return "it is empty"
    if len(reference) > LONGEST_REFERENCE:
        return f"it is longer than {LONGEST_REFERENCE} characters"
    end = 0 if (found := _REFERENCE.match(reference)) is None else found.end()
    if end == len(reference):
        return ""
    why = "at which no reference begins" if reference[end] in "-_" else "which no reference has"
    return f"{describe(reference[end])} at position {end + 1}, {why}"


def canonical(reference: str) -> str:
    """Return the form in which references are compared: without capitals, ``-`` and ``_``."""
    return reference.casefold().replace("-", "").replace("_", "")


def why_not_a_key(key: str) -> str:
    """Return why a new payout may not have a key, as the end of a sentence about it; empty when it may."""
    if not key:
        return "is empty"
    if len(key) > LONGEST_KEY:
        return f"is longer than {LONGEST_KEY} characters"
    if is_payout_id(key):
        return "has the form of a payout's id, so that a command could act on another payout"
    unclear = find_unclear(key)
    return f"holds {unclear}" if unclear else ""


def check_key(key: str) -> None:
    """Refuse a key that a new payout may not have.

    Raises:
        InvalidPayout: Which character stands where, or what else is wrong.

    """
    if why := why_not_a_key(key):
        hint = "Use a business key that never changes for this payment, such as salary-2026-11/0042."
        raise InvalidPayout(f"The key {why}.", hint=f"{hint} {_NFC}" if "NFC" in why else hint, field="key")
