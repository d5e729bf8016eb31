"""The body of a payment as MTN takes it.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), ERR its page Common Error Codes,
COMM-338 an article of the developer community.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping

from payments_core.domain.money import Money
from payments_core.domain.payout import Payee

__all__ = ["encode_payment", "fold", "recipient", "reduce_note", "write_json"]

_PARTY_KINDS: Mapping[str, str] = {"msisdn": "MSISDN", "email": "EMAIL", "party_code": "PARTY_CODE"}  # SPEC
_NOTE_LENGTH = 60  # production clients stay at 60-64; ERR says 160, COMM-338 says 128
#: Returns compact JSON.
write_json = json.JSONEncoder(separators=(",", ":")).encode
_UNUSABLE = re.compile(r"[^A-Za-z0-9 ._-]")
_APOSTROPHES = "'`\u2018\u2019\u02bc"


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
