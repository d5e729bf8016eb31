"""Collections the emulator is told of: what a refund pays back and what a delivery notification is about.

The Collections product itself is not emulated: a test says what was collected.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.replies import empty, from_gateway, from_momo
from payments_mtn_momo.emulator.requests import Request, is_uuid
from payments_mtn_momo.emulator.switches import Switches

__all__ = ["Collection", "CollectionState", "Collections", "NotificationHandler", "party_of_unknown", "read_collection"]

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
        user: Whose it is; empty for everybody's.
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
    """What was collected, by reference."""

    known: dict[str, Collection] = field(default_factory=dict)

    def add(self, collection: Collection) -> None:
        """Know a collection from now on."""
        self.known[collection.reference] = collection

    def find(self, reference: str) -> Collection | None:
        """Return the collection of a reference, in whatever letters."""
        return self.known.get(reference.lower())


def read_collection(told: Mapping[str, Any], *, user: str, at: datetime) -> Collection:
    """Understand a collection as a test tells it.

    Args:
        told: ``amount``, ``currency``, ``payer`` (a number, or an object), and, where not drawn or assumed,
            ``reference`` and ``state``.
        user: Whose it is unless it is told.
        at: Now.

    Raises:
        ValueError: Something is missing, unknown or wrong.

    """
    if unknown := sorted(set(told) - {"amount", "currency", "payer", "reference", "state", "api_user"}):
        raise ValueError(f"a collection does not know {', '.join(unknown)}")
    payer = told.get("payer")
    if isinstance(payer, str):
        payer = {"partyIdType": "MSISDN", "partyId": payer.removeprefix("+")}
    if not isinstance(payer, dict) or set(payer) != {"partyIdType", "partyId"} or not all(payer.values()):
        raise ValueError("payer must be a number, or an object of partyIdType and partyId")
    amount, currency = str(told.get("amount", "")), told.get("currency")
    if not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", amount, re.ASCII):
        raise ValueError("amount must be plain decimal text")
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError("currency must be three capital letters")
    reference = told.get("reference") or str(uuid.uuid4())
    if not isinstance(reference, str) or not is_uuid(reference):
        raise ValueError("reference must be a UUID")
    state = told.get("state", "SUCCESSFUL")
    if state not in get_args(CollectionState):
        raise ValueError(f"state must be one of {', '.join(get_args(CollectionState))}")
    return Collection(
        reference=reference.lower(),
        amount=amount,
        currency=currency,
        payer={name: str(value) for name, value in payer.items()},
        state=state,
        user=str(told.get("api_user", user)),
        at=at,
    )


def party_of_unknown(reference: str) -> Mapping[str, str]:
    """Return who gets the refund of an unknown collection: a code, as MTN's PHP library recorded."""
    return {"partyIdType": "PARTY_CODE", "partyId": str(uuid.uuid5(uuid.NAMESPACE_OID, reference.lower()))}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationHandler:
    """Takes messages for the payers of collections.

    Sources: the export of Collections (header, 160 characters, every refusal), MTN's libraries of 2023 (the address
    under Disbursements).

    Args:
        collections: What they are about.
        switches: Where the sources leave a choice.
        bad_request: How a 400 is written.

    """

    collections: Collections
    switches: Switches
    bad_request: Callable[[datetime], Answer]
    sent: dict[str, str] = field(default_factory=dict, init=False)

    def notify(self, request: Request, user: str) -> Answer:
        """Take a message, or say why not."""
        message = request.headers.get("notificationmessage", "")
        language = request.headers.get("language", "en")
        if not is_uuid(request.reference) or not 1 <= len(message) <= 160 or not re.fullmatch(r"[a-z]{2,3}", language):
            return self.bad_request(request.at)
        found = self.collections.find(request.reference)
        if found is None or found.user not in {"", user}:
            return from_momo(404, "RESOURCE_NOT_FOUND", request.at)
        if found.state != "SUCCESSFUL":
            return from_momo(409, "NOT_SUCCESSFULLY_COMPLETED", request.at)
        if request.at >= found.at + timedelta(seconds=self.switches.notification_window_s):
            return empty(410, request.at)
        if found.reference in self.sent:
            return from_gateway(429, "Too many requests.", request.at)
        self.sent[found.reference] = message
        return empty(self.switches.notification_status, request.at)
