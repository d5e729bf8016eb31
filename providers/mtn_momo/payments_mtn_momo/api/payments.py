"""A payment as MTN takes it: its body, and the checks of what a caller gives.

What is checked before anything leaves is never a response to wait for.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), ERR its page Common Error Codes,
COMM-338 an article of the developer community.
"""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from collections.abc import Mapping

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.masking import quote
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_mtn_momo.settings import UUID
from payments_mtn_momo.targets import Target

__all__ = [
    "check_amount",
    "check_payee",
    "check_text",
    "encode_payment",
    "fold",
    "new_reference",
    "read_reference",
    "read_version_4",
    "recipient",
    "reduce_note",
    "write_json",
]

_PARTY_KINDS: Mapping[str, str] = {"msisdn": "MSISDN", "email": "EMAIL", "party_code": "PARTY_CODE"}  # SPEC
_NOTE_LENGTH = 60  # production clients stay at 60-64; ERR says 160, COMM-338 says 128
#: Returns compact JSON.
write_json = json.JSONEncoder(separators=(",", ":")).encode
_UNUSABLE = re.compile(r"[^A-Za-z0-9 ._-]")
_APOSTROPHES = "'`\u2018\u2019\u02bc"
_LONGEST_TEXT = 512
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# What is wrong with an address of each kind, and how to write it.
_WRONG: Mapping[str, tuple[str, str]] = {
    "msisdn": (
        "The payee's number is not country code and number in digits only",
        "Make it with Payee.msisdn(…), which checks and normalises it.",
    ),
    "email": ("The payee's address is no e-mail address", "Write it like name@example.org."),
    "party_code": ("The payee's party code is no UUID", "Write it as MTN shows it."),
    "collection": (
        "The collection's reference is no UUID",
        "Give the X-Reference-Id of the request to pay that is refunded.",
    ),
}


def recipient(payee: Payee, *, transfer_type: str = "") -> dict[str, object]:
    """Return the fields that say who is paid; for a collection, that its payer gets it back."""
    if payee.kind == "collection":
        return {"referenceIdToRefund": payee.value.lower()}
    party = {"partyIdType": _PARTY_KINDS[payee.kind], "partyId": payee.value}
    return {"payee": party} | ({"transferType": transfer_type} if transfer_type else {})


def encode_payment(
    amount: Money, *, external_id: str, to: Mapping[str, object], payer_message: str, payee_note: str = ""
) -> str:
    """Return the body of a payment: JSON, the amount as plain decimal text.

    Args:
        amount: How much.
        external_id: Shown in MTN's records.
        to: Who is paid; see :func:`recipient`.
        payer_message: For the payer's history; reduced to what the gateway takes.
        payee_note: For the payee's history, reduced likewise; ``payer_message`` when empty.

    """
    reduced = reduce_note(payer_message)
    return write_json(
        {
            "amount": amount.text,
            "currency": str(amount.currency),
            "externalId": external_id,
            **to,
            "payerMessage": reduced,
            "payeeNote": reduce_note(payee_note) if payee_note else reduced,
        }
    )


def reduce_note(note: str) -> str:
    """Return a note with nothing in it that the gateway answers with 400: apostrophes, accents, length (ERR, COMM-338).

    >>> reduce_note("Prime d'été, novembre")
    'Prime dete novembre'
    """
    if not note:
        return "Payout"
    folded = "".join([mark for mark in fold(note[:1000]) if mark not in _APOSTROPHES])
    words = _UNUSABLE.sub(" ", folded).split()
    return " ".join(words)[:_NOTE_LENGTH].strip() or "Payout"


def fold(text: str) -> str:
    """Return text with accents dropped."""
    if text.isascii():
        return text
    return "".join([mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark)])


def new_reference() -> str:
    """Draw the reference of a new payment: a UUID of version 4. Write it down before you pay with it."""
    return str(uuid.uuid4())


def read_reference(reference: object) -> str:
    """Return a reference as the API wants it: a UUID in small letters.

    Raises:
        InvalidPayout: It is no UUID.

    """
    if not UUID.fullmatch(str(reference)):
        raise InvalidPayout("The reference is no UUID.", hint="Give the one the request was sent with.")
    return str(reference).lower()


def read_version_4(reference: object) -> str:
    """Return the reference of something new as the API wants it.

    Raises:
        InvalidPayout: It is no UUID of version 4; MTN answers 400 to any other (Common Error Codes).

    """
    text = str(reference)
    parsed = uuid.UUID(text) if UUID.fullmatch(text) else None
    if parsed is None or parsed.version != 4 or parsed.variant != uuid.RFC_4122:
        raise InvalidPayout(
            "The reference is not a UUID of version 4.", hint="Draw one with new_reference() and write it down first."
        )
    return str(parsed)


def check_payee(payee: Payee, *, may_be_collection: bool = False) -> None:
    """Refuse an account holder that MTN cannot address.

    Args:
        payee: A telephone number, an e-mail address or a party code.
        may_be_collection: Whether it may be the reference of a collection instead, for a refund.

    Raises:
        InvalidPayee: A kind that MTN does not know, or an address that is not written as its kind wants it.

    """
    if payee.kind not in _WRONG or (payee.kind == "collection" and not may_be_collection):
        raise InvalidPayee(
            f"This account cannot pay to a payee of kind {quote(payee.kind)}.",
            hint="Give a telephone number: Payee.msisdn(…).",
        )
    if payee.kind == "msisdn":
        is_good = payee.is_msisdn
    else:
        is_good = (_EMAIL if payee.kind == "email" else UUID).fullmatch(payee.value) is not None
    if not is_good:
        problem, hint = _WRONG[payee.kind]
        raise InvalidPayee(f"{problem}.", hint=hint)
    if payee.kind == "email":
        check_text(payee.value, "payee")


def check_amount(amount: Money, target: Target) -> None:
    """Refuse an amount that the target environment does not pay.

    Raises:
        InvalidCurrency: It pays in another currency.
        InvalidAmount: It has more decimals than the currency takes here.

    """
    if amount.currency != target.currency:
        raise InvalidCurrency(
            f"This account pays in {target.currency}, not in {amount.currency}.",
            hint=f"Give the amount in {target.currency}, or name an account of the other currency.",
        )
    if not amount.is_multiple_of(target.quantum):
        digits = -int(target.quantum.as_tuple().exponent)
        allowed = f"at most {digits} decimals" if digits else "whole numbers only"
        raise InvalidAmount(
            f"{amount} has too many decimals.",
            hint=f"{target.currency} takes {allowed} here; amounts are never rounded for you.",
        )


def check_text(text: str, name: str) -> str:
    """Return text of the caller's that can be sent as it is.

    Raises:
        InvalidPayout: It is too long, or holds control characters, half a character, or a mark that stands for a
            secret.

    """
    if not text.isprintable() or "{{slot:" in text or len(text) > _LONGEST_TEXT:
        raise InvalidPayout(f"{name} cannot be sent: it is too long, or holds characters that cannot be printed.")
    return text
