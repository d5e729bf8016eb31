"""The emulated gateway's books: transfers, and the money that left, each in a list that only grows."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments_mtn_momo.emulator.payees import Fate

__all__ = ["Credit", "Ledger", "Transfer", "amount_text", "read_order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One accepted transfer.

    Args:
        reference: X-Reference-Id, in small letters.
        user: The API user it belongs to.
        order: The request's body.
        fate: What becomes of it.
        accepted_at: When it was taken.
        ends_at: When it reaches its end.
        visible_at: Before it, reads do not find it.

    """

    reference: str
    user: str
    order: Mapping[str, Any]
    fate: Fate
    accepted_at: datetime
    ends_at: datetime
    visible_at: datetime

    @property
    def payee(self) -> str:
        """The number it goes to."""
        return str(self.order["payee"]["partyId"])

    @property
    def transaction_id(self) -> str:
        """Ten digits, as financialTransactionId."""
        return str(10**9 + int.from_bytes(hashlib.sha256(self.reference.encode()).digest()[:7], "big") % (9 * 10**9))

    def state(self, at: datetime, delayed_words: Sequence[str]) -> str:
        """Return the status MTN would show."""
        if self.fate.end is None:
            return "PENDING"
        if at >= self.ends_at:
            return self.fate.end
        share = (at - self.accepted_at) / (self.ends_at - self.accepted_at)
        return delayed_words[int(share * len(delayed_words))] if delayed_words else "PENDING"


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that reached a payee."""

    reference: str
    payee: str
    amount: str
    at: datetime


class Ledger:
    """Every acceptance and every credit, appended and never changed: a payment made twice would show as two."""

    def __init__(self) -> None:
        self.accepted: list[Transfer] = []
        self.credits: list[Credit] = []
        self._open: list[Transfer] = []
        self._by_reference: dict[str, Transfer] = {}
        self._posts: Counter[str] = Counter()
        self._at: datetime | None = None

    def note_post(self, reference: str) -> None:
        """Count a POST under a reference, whatever becomes of it."""
        self._posts[reference] += 1

    def find(self, reference: str) -> Transfer | None:
        """Return the transfer of a reference."""
        return self._by_reference.get(reference)

    def accept(self, transfer: Transfer) -> None:
        """Take a transfer on."""
        self.accepted.append(transfer)
        self._open.append(transfer)
        self._by_reference.setdefault(transfer.reference, transfer)
        self.settle(transfer.accepted_at)

    def settle(self, at: datetime) -> None:
        """Let the time pass: what has come to its end is credited, once for each acceptance."""
        self._at = at if self._at is None else max(at, self._at)
        waiting, self._open = self._open, []
        for transfer in waiting:
            if transfer.fate.end is None or transfer.ends_at > self._at:
                self._open.append(transfer)
            elif transfer.fate.end == "SUCCESSFUL":
                amount = amount_text(transfer.order["amount"])
                self.credits.append(Credit(transfer.reference, transfer.payee, amount, transfer.ends_at))

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a reference, in the order of acceptance."""
        credited = Counter(credit.reference for credit in self.credits)
        return [
            {
                "reference": transfer.reference,
                "operation": "transfer",
                "payee": transfer.payee,
                "amount": amount_text(transfer.order["amount"]),
                "currency": transfer.order["currency"],
                "external_id": transfer.order.get("externalId"),
                "state": transfer.state(self._at or transfer.accepted_at, ()),
                "reason": transfer.fate.reason or None,
                "posts": self._posts[transfer.reference],
                "credits": credited[transfer.reference],
            }
            for transfer in self._by_reference.values()
        ]


def amount_text(amount: str) -> str:
    """Write an amount as MTN echoes it: ``12.50`` becomes ``12.5``, ``6.0`` becomes ``6``."""
    whole, _, decimals = amount.partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole.lstrip('0') or '0'}.{decimals}" if decimals else whole.lstrip("0") or "0"


def read_order(body: bytes, *, quantum: Decimal) -> dict[str, Any] | str:
    """Return a transfer's body, or what is wrong with it.

    Sources: SDK tests (letters in a number, empty objects), Common Error Codes and article 338 of the developer
    community (notes, decimals). Lengths of notes: 160, the longer of the two figures given.
    """
    try:
        order = json.loads(body)
    except (ValueError, RecursionError):
        return "no JSON"
    if not isinstance(order, dict):
        return "no object"
    payee = order.get("payee")
    if isinstance(payee, dict) and not any(payee.values()):
        return "empty_payee"
    amount, currency = order.get("amount"), order.get("currency")
    if not isinstance(amount, str) or not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", amount, re.ASCII):
        return "amount"
    if Decimal(amount) <= 0 or Decimal(amount) % quantum:
        return "amount"
    if not isinstance(currency, str) or not isinstance(order.get("externalId", ""), str):
        return "currency or externalId"
    if not isinstance(payee, dict) or payee.get("partyIdType") != "MSISDN":  # e-mail and party code: not yet
        return "payee"
    if not re.fullmatch(r"\d{5,15}", str(payee.get("partyId")), re.ASCII):
        return "partyId"
    for note in ("payerMessage", "payeeNote"):
        if note in order and not (isinstance(order[note], str) and re.fullmatch(r"[ -~]{0,160}", order[note])):
            return note
        if note in order and set("'\"<>&") & set(order[note]):
            return note
    return order
