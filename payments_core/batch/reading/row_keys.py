"""The key of a row that has none: the same payment of a round has the same key in a corrected file.

The derivation is a wire format and never changes; golden vectors stand in its tests.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from payments_core.domain.errors import InvalidArgument
from payments_core.domain.masking import mask_numbers
from payments_core.domain.money import Money
from payments_core.domain.references import LONGEST_KEY, why_not_a_key

__all__ = ["check_round_name", "derive_row_key", "digest_of", "payee_identity"]

_VERSION: Final = "payments_core/row-key/1"
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
_NUMBER: Final = re.compile(r"\+[ .]?[0-9]|[0-9](?:[ .()]?[0-9]){8,}")  # a date has fewer digits
_LONGEST_ROUND: Final = LONGEST_KEY - 60


def check_round_name(name: str) -> None:
    """Refuse a round's name that a key cannot begin with.

    Raises:
        InvalidArgument: It is empty, too long, holds what cannot be seen, or what may be a phone number.

    """
    why = why_not_a_key(name) or (f"is longer than {_LONGEST_ROUND} characters" if len(name) > _LONGEST_ROUND else "")
    if not why and _NUMBER.search(name):
        why = "holds what may be a phone number"
    if why:
        raise InvalidArgument(f"The name of the round {why}.", hint="Name it such as salary-2026-11.")


def payee_identity(payee_id: str, number: str) -> str:
    """Return what says in a key who is paid: the id where there is one, else the number.

    Ids that differ in capitals or, of digits only, in leading zeros are one: a spreadsheet changes both.

    Args:
        payee_id: As written; empty where the file has none.
        number: Country code and number, digits only.

    """
    if not payee_id:
        return f"number:{number}"
    plain = payee_id.casefold()
    return f"id:{plain.lstrip('0') or '0' if plain.isdecimal() else plain}"


def digest_of(*parts: str) -> bytes:
    """Return 16 bytes that stand for texts, each with its length before it: ("a", "bc") and ("ab", "c") differ."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()[:16]


def derive_row_key(round_name: str, payee_id: str, number: str, amount: Money, occurrence: int) -> str:
    """Return the key of a row: ``ROUND/<payee>/<hash>``; it holds no phone number.

    Neither the file's name nor the row's place in it has a part: rows may be added, removed and sorted.

    Args:
        round_name: Of the round, such as ``salary-2026-11``.
        payee_id: As the file has it; empty where it has none.
        number: Country code and number, digits only.
        amount: What is paid.
        occurrence: 1 for the first row of the file with these three, 2 for the second.

    """
    identity = payee_identity(payee_id, number)
    digest = digest_of(_VERSION, round_name, identity, amount.text, str(amount.currency), str(occurrence))
    is_shown = payee_id and _PLAIN_ID.fullmatch(payee_id) and mask_numbers(payee_id) == payee_id
    shown = identity.removeprefix("id:") if is_shown else f"p-{_base32(digest_of(_VERSION, identity)[:5])}"
    return f"{round_name}/{shown}/{_base32(digest[:10])}"


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().lower()
