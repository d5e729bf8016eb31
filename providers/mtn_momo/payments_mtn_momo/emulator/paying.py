"""Transfers, deposits and refunds: taken, and their status."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, cast

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.ledger import Operation, Payment
from payments_mtn_momo.emulator.orders import TRANSFER_TYPES, read_order
from payments_mtn_momo.emulator.payees import (
    AT_ONCE,
    DEPOSIT_PAYEES,
    REFUND_SCENARIOS,
    STUCK,
    TRANSFER_PAYEES,
    Fate,
    failed,
)
from payments_mtn_momo.emulator.replies import accepted, from_gateway, from_momo, json_answer
from payments_mtn_momo.emulator.requests import Request, is_uuid, is_version_4
from payments_mtn_momo.emulator.statuses import write_status
from payments_mtn_momo.emulator.world import World
from payments_mtn_momo.targets import TARGETS

__all__ = ["PaymentHandler"]

_PAYEES: Mapping[Operation, Mapping[str, Fate]] = {"transfer": TRANSFER_PAYEES, "deposit": DEPOSIT_PAYEES}


@dataclass(frozen=True, slots=True)
class PaymentHandler:
    """Takes payments and returns their status."""

    world: World
    _reads: deque[datetime] = field(default_factory=deque, init=False)

    def post(self, request: Request, user: str) -> Answer:
        """Take a payment on, or refuse it."""
        name, _, version = request.operation.partition("_")
        operation = cast("Operation", name)
        if not is_version_4(request.reference):
            return self.world.bad_request(request.at)
        target = TARGETS[request.target]
        order = read_order(request.payload, operation, target, self.world)
        if order == "empty_payee":  # measured: a payee without fields is a 500, not a 400
            return from_momo(500, "INTERNAL_PROCESSING_ERROR", request.at)
        if isinstance(order, str):
            return self.world.bad_request(request.at)
        if order["currency"] != target.currency:
            return from_momo(500, "INVALID_CURRENCY", request.at)
        if refused := self.world.callback_refused(request, user):
            return refused
        if self.world.books.find(request.reference):  # the body is not compared: no source says that it is
            return from_momo(409, "RESOURCE_ALREADY_EXIST", request.at)
        self.world.books.accept(self._taken(request, user, operation, "v2_0" if version == "v2" else "v1_0", order))
        return accepted(request.at)

    def _taken(
        self,
        request: Request,
        user: str,
        operation: Operation,
        version: Literal["v1_0", "v2_0"],
        order: Mapping[str, Any],
    ) -> Payment:
        fate = STUCK if request.stuck else self._fate(operation, order)
        seconds = 0.0
        if fate.pace == "ongoing" and self.world.switches.ongoing_s is not None:
            fate, seconds = AT_ONCE, self.world.switches.ongoing_s
        elif fate.pace == "delayed":
            seconds = self.world.switches.delayed_s or 0.0
            fate = replace(fate, end=None) if self.world.switches.delayed_s is None else fate
        by_version = {"v1_0": "POST", "v2_0": "PUT"}[version]
        method = self.world.switches.transfer_callback if operation == "transfer" else by_version
        return Payment(
            reference=request.reference,
            operation=operation,
            version=version,
            user=user,
            order=order,
            party=self._party(operation, order),
            fate=fate,
            accepted_at=request.at,
            ends_at=request.at + timedelta(seconds=seconds),
            visible_at=request.at + timedelta(seconds=request.invisible_s),
            callback_url=request.headers.get("x-callback-url", "").strip(),
            callback_method=cast("Literal['POST', 'PUT']", method),
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
        return json_answer(200, write_status(payment, request.at, self.world.switches), request.at)

    def _too_many(self, at: datetime) -> bool:
        if not self.world.switches.reads_per_s:
            return False
        while self._reads and at - self._reads[0] >= timedelta(seconds=1):
            self._reads.popleft()
        if len(self._reads) >= self.world.switches.reads_per_s:
            return True
        self._reads.append(at)
        return False
