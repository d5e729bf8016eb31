"""The clients: what an application pays with."""

from payments_core.client.account_choice import currency_of
from payments_core.client.account_info import AccountInfo
from payments_core.client.assembly import assemble, build_account, build_webhook
from payments_core.client.asynchronous.event_iterator import AsyncEvents
from payments_core.client.asynchronous.payout_client import AsyncPayoutClient
from payments_core.client.erasure import erase
from payments_core.client.listing import PayoutPage
from payments_core.client.payout_order import PayoutOrder
from payments_core.client.resuming import ResumeResult
from payments_core.client.reviews import InReview, in_review
from payments_core.client.synchronous.event_iterator import Events
from payments_core.client.synchronous.payout_client import PayoutClient
from payments_core.client.validation import (
    PAID_RECENTLY,
    AccountTotal,
    CheckedOrder,
    OrderFinding,
    RepeatedPayee,
    Validation,
)
from payments_core.client.webhook_sending import DeliverySummary

__all__ = [
    "PAID_RECENTLY",
    "AccountInfo",
    "AccountTotal",
    "AsyncEvents",
    "AsyncPayoutClient",
    "CheckedOrder",
    "DeliverySummary",
    "Events",
    "InReview",
    "OrderFinding",
    "PayoutClient",
    "PayoutOrder",
    "PayoutPage",
    "RepeatedPayee",
    "ResumeResult",
    "Validation",
    "assemble",
    "build_account",
    "build_webhook",
    "currency_of",
    "erase",
    "in_review",
]
