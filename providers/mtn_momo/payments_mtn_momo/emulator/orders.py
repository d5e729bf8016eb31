"""The bodies of payments: what the gateway takes, and what is wrong with the others.

Sources: SDK tests (letters in a number, empty objects, a reference to refund that is no UUID), Common Error Codes and
article 338 of the developer community (notes, decimals), a client's measurements (a number with a plus sign is taken in
production and fails later).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from payments_mtn_momo.emulator.ledger import Operation
from payments_mtn_momo.emulator.requests import is_uuid
from payments_mtn_momo.emulator.world import World
from payments_mtn_momo.targets import Target

__all__ = ["TRANSFER_TYPES", "read_order"]

_NOTE_LIMIT = 160  # Common Error Codes; article 338 has 128
# The sandbox's values, from a third party's digest of a newer portal page.
TRANSFER_TYPES = frozenset({"CUSTOM_PAYMENT", "CUSTOM_BANK_PAYMENT", "CUSTOM_BANK_PAYMENT_FEE"})


def read_order(order: object, operation: Operation, target: Target, world: World) -> dict[str, Any] | str:
    """Return a payment's body, or what is wrong with it."""
    if not isinstance(order, dict):
        return "no object"
    if operation == "refund":
        reference = order.get("referenceIdToRefund")
        wrong = "" if _is_collection(reference, world) else "referenceIdToRefund"
    else:
        wrong = _wrong_payee(order.get("payee"), world)
    if wrong == "empty_payee":
        return wrong
    wrong = _wrong_money(order, target) or wrong or _wrong_texts(order)
    if (
        not wrong
        and operation == "transfer"
        and world.switches.aggregator
        and not isinstance(order.get("transferType"), str)
    ):
        return "transferType"
    return wrong or order


def _is_collection(reference: object, world: World) -> bool:
    if not isinstance(reference, str):
        return False
    named = world.switches.refund_scenario == "referenceIdToRefund"  # in place of a collection
    return is_uuid(reference) or (named and re.fullmatch(r"[1-9]|1[0-3]", reference) is not None)


def _wrong_money(order: dict[str, Any], target: Target) -> str:
    amount = order.get("amount")
    if not isinstance(amount, str) or not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", amount, re.ASCII):
        return "amount"
    if Decimal(amount) <= 0 or Decimal(amount) % target.quantum:
        return "amount"
    return "" if isinstance(order.get("currency"), str) else "currency"


def _wrong_payee(payee: object, world: World) -> str:
    if not isinstance(payee, dict):
        return "payee"
    if not any(payee.values()):
        return "empty_payee"
    patterns = {
        "MSISDN": r"\d{5,15}" if world.platform == "sandbox" else r"\+?\d{5,15}",
        "EMAIL": r"[^@\s]{1,64}@[^@\s]+\.[^@\s]+",
        "PARTY_CODE": r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    }
    pattern = patterns.get(str(payee.get("partyIdType")))
    if pattern is None:
        return "partyIdType"
    return "" if re.fullmatch(pattern, str(payee.get("partyId")), re.ASCII) else "partyId"


def _wrong_texts(order: dict[str, Any]) -> str:
    external_id = order.get("externalId", "")
    if not isinstance(external_id, str):
        return "externalId"
    for note in ("payerMessage", "payeeNote"):
        text = order.get(note, "")
        if not isinstance(text, str) or not re.fullmatch(r"[ -~]*", text) or len(text) > _NOTE_LIMIT:
            return note
        if set("'\"<>&") & set(text):
            return note
    return ""
