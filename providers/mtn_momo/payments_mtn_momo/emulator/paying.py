"""Transfers, deposits and refunds: what is taken, what is wrong with the others, and their status.

Sources: SDK tests (letters in a number, empty objects, a reference to refund that is no UUID), Common Error Codes and
article 338 of the developer community (notes, decimals), a client's measurements (a number with a plus sign is taken in
production and fails later).
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, cast

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.ledger import Operation, Payment
from payments_mtn_momo.emulator.payees import (
    AT_ONCE,
    DEPOSIT_PAYEES,
    REFUND_SCENARIOS,
    STUCK,
    TRANSFER_PAYEES,
    Fate,
    failed,
)
from payments_mtn_momo.emulator.replies import empty, from_gateway, from_momo, json_answer
from payments_mtn_momo.emulator.requests import Request, is_uuid, is_version_4
from payments_mtn_momo.emulator.world import World
from payments_mtn_momo.targets import TARGETS, Target

__all__ = ["PaymentHandler"]

_NOTE_LIMIT = 160  # Common Error Codes; article 338 has 128
# The sandbox's values, from a third party's digest of a newer portal page.
TRANSFER_TYPES = frozenset({"CUSTOM_PAYMENT", "CUSTOM_BANK_PAYMENT", "CUSTOM_BANK_PAYMENT_FEE"})
_PAYEES: Mapping[Operation, Mapping[str, Fate]] = {"transfer": TRANSFER_PAYEES, "deposit": DEPOSIT_PAYEES}


@dataclass(frozen=True, slots=True)
class PaymentHandler:
    """Takes payments and returns their status."""

    world: World
    _reads: deque[datetime] = field(default_factory=deque, init=False)

    def post(self, request: Request, user: str) -> Answer:
        """Take a payment on, or refuse it."""
        operation = cast("Operation", request.operation.partition("_")[0])
        if not is_version_4(request.reference):
            return self.world.bad_request(request.at)
        target, order = TARGETS[request.target], request.fields
        payee = order.get("payee")
        if operation != "refund" and isinstance(payee, dict) and not any(payee.values()):  # measured: not a 400
            return from_momo(500, "INTERNAL_PROCESSING_ERROR", request.at)
        if not _is_order(order, operation, target, self.world):
            return self.world.bad_request(request.at)
        if order["currency"] != target.currency:
            return from_momo(500, "INVALID_CURRENCY", request.at)
        if refused := self.world.callback_refused(request, user):
            return refused
        if self.world.books.find(request.reference):  # the body is not compared: no source says that it is
            return from_momo(409, "RESOURCE_ALREADY_EXIST", request.at)
        self.world.books.accept(self._taken(request, user, operation, order))
        return empty(202, request.at)

    def _taken(self, request: Request, user: str, operation: Operation, order: Mapping[str, Any]) -> Payment:
        fate = STUCK if request.stuck else self._fate(operation, order)
        seconds = 0.0
        if fate.pace == "ongoing" and self.world.switches.ongoing_s is not None:
            fate, seconds = AT_ONCE, self.world.switches.ongoing_s
        elif fate.pace == "delayed":
            seconds = self.world.switches.delayed_s or 0.0
            fate = replace(fate, end=None) if self.world.switches.delayed_s is None else fate
        is_v2 = request.operation.endswith("_v2")
        method: Literal["POST", "PUT"] = "PUT" if is_v2 else "POST"
        return Payment(
            reference=request.reference,
            operation=operation,
            version="v2_0" if is_v2 else "v1_0",
            user=user,
            order=order,
            party=self._party(operation, order),
            fate=fate,
            accepted_at=request.at,
            ends_at=request.at + timedelta(seconds=seconds),
            visible_at=request.at + timedelta(seconds=request.invisible_s),
            callback_url=request.headers.get("x-callback-url", "").strip(),
            callback_method=self.world.switches.transfer_callback if operation == "transfer" else method,
        )

    def _party(self, operation: Operation, order: Mapping[str, Any]) -> Mapping[str, str]:
        if operation != "refund":
            return {name: str(value) for name, value in order["payee"].items()}
        reference = order["referenceIdToRefund"].lower()
        if found := self.world.collections.get(reference):
            return found.payer
        # Of an unknown collection a code, as MTN's PHP library recorded.
        return {"partyIdType": "PARTY_CODE", "partyId": str(uuid.uuid5(uuid.NAMESPACE_OID, reference))}

    def _fate(self, operation: Operation, order: Mapping[str, Any]) -> Fate:
        if operation == "refund":
            return self._refund_fate(order)
        if operation == "transfer" and self.world.switches.aggregator and order["transferType"] not in TRANSFER_TYPES:
            return failed("TRANSFER_TYPE_UNKNOWN")
        return _PAYEES[operation].get(order["payee"]["partyId"].removeprefix("+"), AT_ONCE)

    def _refund_fate(self, order: Mapping[str, Any]) -> Fate:
        if scenario := REFUND_SCENARIOS.get(str(order.get(self.world.switches.refund_scenario))):
            return scenario
        found = self.world.collections.get(order["referenceIdToRefund"].lower())
        if found is None:
            return failed("TRANSACTION_NOT_FOUND") if self.world.switches.unknown_refund == "fails" else AT_ONCE
        total = self.world.books.refunded(found.reference) + Decimal(order["amount"])
        if self.world.switches.over_refund == "fails" and (
            found.state != "SUCCESSFUL" or total > Decimal(found.amount)
        ):
            return failed("COULD_NOT_PERFORM_TRANSACTION")
        return AT_ONCE

    def status(self, request: Request, user: str) -> Answer:
        """Return what became of a payment of this user."""
        if not is_uuid(request.reference):
            return self.world.bad_request(request.at)
        if self._too_many(request.at):
            message = "Rate limit is exceeded. Try again in 1 seconds."
            return from_gateway(429, message, request.at, **{"retry-after": "1"})
        payment = self.world.books.find(request.reference)
        if payment is None or payment.user != user or request.at < payment.visible_at:
            return from_momo(404, "RESOURCE_NOT_FOUND", request.at)
        if f"{payment.operation}_status" != request.operation:
            return from_momo(404, "RESOURCE_NOT_FOUND", request.at)
        return json_answer(200, payment.status(request.at, self.world.switches), request.at)

    def _too_many(self, at: datetime) -> bool:
        if not self.world.switches.reads_per_s:
            return False
        while self._reads and at - self._reads[0] >= timedelta(seconds=1):
            self._reads.popleft()
        if len(self._reads) >= self.world.switches.reads_per_s:
            return True
        self._reads.append(at)
        return False


def _is_order(order: Mapping[str, Any], operation: Operation, target: Target, world: World) -> bool:
    """Whether the gateway takes this body."""
    if operation == "refund":
        is_addressed = _is_collection(order.get("referenceIdToRefund"), world)
    else:
        is_addressed = _is_party(order.get("payee"), world)
    has_type = operation != "transfer" or not world.switches.aggregator or isinstance(order.get("transferType"), str)
    notes = (order.get("payerMessage", ""), order.get("payeeNote", ""))
    is_named = isinstance(order.get("externalId", ""), str)
    return is_addressed and has_type and is_named and _is_money(order, target) and all(map(_is_note, notes))


def _is_collection(reference: object, world: World) -> bool:
    if not isinstance(reference, str):
        return False
    named = world.switches.refund_scenario == "referenceIdToRefund"  # in place of a collection
    return is_uuid(reference) or (named and re.fullmatch(r"[1-9]|1[0-3]", reference) is not None)


def _is_party(payee: object, world: World) -> bool:
    patterns = {
        "MSISDN": r"\d{5,15}" if world.platform == "sandbox" else r"\+?\d{5,15}",
        "EMAIL": r"[^@\s]{1,64}@[^@\s]+\.[^@\s]+",
        "PARTY_CODE": r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    }
    if not isinstance(payee, dict) or str(payee.get("partyIdType")) not in patterns:
        return False
    pattern = patterns[str(payee["partyIdType"])]
    return re.fullmatch(pattern, str(payee.get("partyId")), re.ASCII) is not None


def _is_money(order: Mapping[str, Any], target: Target) -> bool:
    amount = order.get("amount")
    if not isinstance(amount, str) or not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", amount, re.ASCII):
        return False
    return Decimal(amount) > 0 and not Decimal(amount) % target.quantum and isinstance(order.get("currency"), str)


def _is_note(text: object) -> bool:
    if not isinstance(text, str) or len(text) > _NOTE_LIMIT:
        return False
    return re.fullmatch(r"[ -~]*", text) is not None and not set("'\"<>&") & set(text)
