"""The caller's key: two keys that look alike are one key, and none is taken for one of our own ids."""

from __future__ import annotations

from payments_core.domain.characters import find_unclear
from payments_core.domain.errors import InvalidPayout
from payments_core.domain.references import is_payout_id

__all__ = ["LONGEST_KEY", "check_key", "why_not_a_key"]

LONGEST_KEY = 200
_NFC = 'Its normal form is unicodedata.normalize("NFC", key).'


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
        raise InvalidPayout(f"The key {why}.", hint=f"{hint} {_NFC}" if "NFC" in why else hint)
