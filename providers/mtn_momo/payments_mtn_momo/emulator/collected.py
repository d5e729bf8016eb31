"""Collections the emulator knows: what a refund pays back and what a delivery notification is about.

The Collections product itself is not emulated: a test describes what was collected.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from payments_mtn_momo.emulator.requests import is_uuid

__all__ = ["Collection", "CollectionState", "Collections", "party_of_unknown", "read_collection"]

CollectionState = Literal["PENDING", "SUCCESSFUL", "FAILED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One requesttopay that a payer was asked for.

    Args:
        reference: Its X-Reference-Id.
        amount: Plain decimal text.
        currency: ISO 4217.
        payer: ``partyIdType`` and ``partyId``.
        state: What became of it.
        user: Whose it is; empty for every user's.
        at: When it came to its end.

    """

    reference: str
    amount: str
    currency: str
    payer: Mapping[str, str]
    state: CollectionState = "SUCCESSFUL"
    user: str = ""
    at: datetime


@dataclass(slots=True)
class Collections:
    """The collections, by reference."""

    known: dict[str, Collection] = field(default_factory=dict)

    def add(self, collection: Collection) -> None:
        """Add a collection."""
        self.known[collection.reference] = collection

    def find(self, reference: str) -> Collection | None:
        """Return the collection of a reference, in any case."""
        return self.known.get(reference.lower())


def read_collection(fields: Mapping[str, Any], *, user: str, at: datetime) -> Collection:
    """Read a collection as a test describes it.

    Args:
        fields: ``amount``, ``currency``, ``payer`` (a number, or an object), and, where not drawn or assumed,
            ``reference`` and ``state``.
        user: Whose it is where no field names one.
        at: Now.

    Raises:
        ValueError: Something is missing, unknown or wrong.

    """
    if unknown := sorted(set(fields) - {"amount", "currency", "payer", "reference", "state", "api_user"}):
        raise ValueError(f"a collection does not know {', '.join(unknown)}")
    payer = fields.get("payer")
    if isinstance(payer, str):
        payer = {"partyIdType": "MSISDN", "partyId": payer.removeprefix("+")}
    if not isinstance(payer, dict) or set(payer) != {"partyIdType", "partyId"} or not all(payer.values()):
        raise ValueError("payer must be a number, or an object of partyIdType and partyId")
    amount, currency = str(fields.get("amount", "")), fields.get("currency")
    if not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", amount, re.ASCII):
        raise ValueError("amount must be plain decimal text")
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError("currency must be three capital letters")
    reference = fields.get("reference") or str(uuid.uuid4())
    if not isinstance(reference, str) or not is_uuid(reference):
        raise ValueError("reference must be a UUID")
    state = fields.get("state", "SUCCESSFUL")
    if state not in get_args(CollectionState):
        raise ValueError(f"state must be one of {', '.join(get_args(CollectionState))}")
    return Collection(
        reference=reference.lower(),
        amount=amount,
        currency=currency,
        payer={name: str(value) for name, value in payer.items()},
        state=state,
        user=str(fields.get("api_user", user)),
        at=at,
    )


def party_of_unknown(reference: str) -> Mapping[str, str]:
    """Return who gets the refund of an unknown collection: a code, as MTN's PHP library recorded."""
    return {"partyIdType": "PARTY_CODE", "partyId": str(uuid.uuid5(uuid.NAMESPACE_OID, reference.lower()))}
