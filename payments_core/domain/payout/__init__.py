"""A payout: the caller's order, its status, its reason, and the view that the caller reads."""

from payments_core.domain.payout.metadata import MetadataValue
from payments_core.domain.payout.order import Order
from payments_core.domain.payout.payee import ERASED, Payee
from payments_core.domain.payout.reason import Reason, ReasonCode
from payments_core.domain.payout.status import Operation, PayoutStatus
from payments_core.domain.payout.view import HistoryEntry, Payout

__all__ = [
    "ERASED",
    "HistoryEntry",
    "MetadataValue",
    "Operation",
    "Order",
    "Payee",
    "Payout",
    "PayoutStatus",
    "Reason",
    "ReasonCode",
]
